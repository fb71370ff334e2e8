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
    node::{Command, Reply, RoutePlan, RouteQuestion},
    wire::EnvelopeId,
};

pub(super) async fn run(session: &Session, command: RouteCommand, out: &mut Out) -> Result<Outcome, CliError> {
    let RouteCommand::Explain(ExplainArgs { peer, thread, mode, policy, urgency, without, size }) = command;
    let question = RouteQuestion { peer, thread_id: thread, mode, policy, urgency, without, size };
    session.wait_for_transports().await?;
    let plan = match session.call(Command::RouteExplain(question)).await? {
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
    let said = |what: &str| plan.decided.iter().find(|(name, _)| name.as_str() == what).map(|(_, by)| by.to_string());
    let told = |what: &str, value: &str| match said(what) {
        Some(by) => format!("{what} {value} (by {by})"),
        None => format!("{what} {value}"),
    };
    let mut head = vec![
        told("mode", plan.mode.as_str()),
        told("policy", plan.policy.as_str()),
        told("urgency", plan.urgency.as_str()),
    ];
    head.extend(said("ttl").map(|ttl| format!("ttl {ttl}")));
    out.line(head.join(", "))?;
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
