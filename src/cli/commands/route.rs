//! `route explain` and `trace`: why a message goes where it goes.

use crate::{
    cli::{
        args::{ExplainArgs, RouteCommand},
        out::Out,
        outcome::{CliError, Outcome},
        session::{Session, unexpected},
        show,
    },
    delivery::AttemptOutcome,
    node::{Command, Reply, RoutePlan},
    wire::EnvelopeId,
};

pub(super) async fn run(session: &Session, command: RouteCommand, out: &mut Out) -> Result<Outcome, CliError> {
    let RouteCommand::Explain(ExplainArgs { peer, mode, without, size }) = command;
    let plan = match session.call(Command::RouteExplain { peer, mode, without, size }).await? {
        Reply::Plan(plan) => plan,
        other => return Err(unexpected(&other)),
    };
    if out.json() {
        out.object(&plan)?;
    } else {
        print(&plan, out)?;
    }
    Ok(Outcome::Done)
}

fn print(plan: &RoutePlan, out: &mut Out) -> Result<(), CliError> {
    out.line(format!("mode {}", plan.mode.as_str()))?;
    if plan.candidates.is_empty() {
        out.line("no usable path: the message would wait; see below why, and `skcomm peer add --route` for more")?;
    }
    for (place, candidate) in plan.candidates.iter().enumerate() {
        let parts: Vec<String> = candidate.parts.iter().map(|(name, value)| format!("{name} {value:.1}")).collect();
        out.line(format!(
            "{}. {}  {}  score {:.1} ({})",
            place + 1,
            candidate.transport,
            candidate.address,
            candidate.score,
            parts.join(", ")
        ))?;
    }
    plan.skipped
        .iter()
        .try_for_each(|skipped| out.line(format!("-  {}  not used: {}", skipped.transport, skipped.reason)))
}

/// The whole story of one message.
pub(super) async fn trace(session: &Session, id: EnvelopeId, out: &mut Out) -> Result<Outcome, CliError> {
    let trace = match session.call(Command::Trace { envelope_id: id }).await? {
        Reply::Trace(trace) => trace,
        other => return Err(unexpected(&other)),
    };
    if out.json() {
        let mut object = serde_json::to_value(&*trace).map_err(|e| CliError::Output(e.into()))?;
        object["message"] = show::message_json(&trace.message)?;
        out.object(&object)?;
        return Ok(Outcome::Done);
    }
    show::message(out, &trace.message)?;
    for attempt in &trace.attempts {
        let outcome = match &attempt.outcome {
            AttemptOutcome::Running => "under way".to_owned(),
            AttemptOutcome::Accepted => "accepted, no ack yet".to_owned(),
            AttemptOutcome::Acked { after_ms } => format!("delivered, ack after {after_ms} ms"),
            AttemptOutcome::Silent { after_ms } => format!("accepted, but no ack within {after_ms} ms"),
            AttemptOutcome::Failed { reason } => format!("failed: {reason}"),
            AttemptOutcome::Cancelled => "cancelled".to_owned(),
        };
        out.line(format!("{}  #{} {}  {outcome}", show::time(attempt.started), attempt.number, attempt.via))?;
    }
    if let Some(plan) = &trace.plan {
        print(plan, out)?;
    }
    Ok(Outcome::Done)
}
