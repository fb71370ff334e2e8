//! `route explain` and `trace`: why a message goes where it goes.

use crate::{
    cli::{
        args::{ExplainArgs, RouteCommand},
        out::Out,
        outcome::{CliError, Outcome},
        session::{Session, unexpected},
        show,
    },
    node::{Command, HistoryQuery, Message, Reply, RoutePlan, RouteQuestion},
    wire::{EnvelopeId, ThreadId},
};

pub(super) async fn run(session: &Session, command: RouteCommand, out: &mut Out) -> Result<Outcome, CliError> {
    let RouteCommand::Explain(ExplainArgs { peer, thread, mode, policy, urgency, without, size }) = command;
    let last = last_sent(session, peer.clone(), thread.clone()).await?;
    let question = RouteQuestion { peer, thread_id: thread, mode, policy, urgency, without, size };
    session.wait_for_transports().await?;
    let plan = match session.call(Command::RouteExplain(question)).await? {
        Reply::Plan(plan) => plan,
        other => return Err(unexpected(&other)),
    };
    if out.json() {
        let mut object = serde_json::to_value(&plan).map_err(|e| CliError::Output(e.into()))?;
        object["last"] = last.as_ref().map(show::message_json).transpose()?.unwrap_or_default();
        out.object(&object)?;
        return Ok(Outcome::Done);
    }
    print(&plan, out)?;
    if let Some(last) = last {
        out.line(format!("last message, {}: {}", show::time(last.timestamp), show::state(&last.state)))?;
        last.attempts.iter().flatten().try_for_each(|attempt| out.line(show::attempt(attempt)))?;
    }
    Ok(Outcome::Done)
}

/// The message that was last sent to a peer, in a thread or in any, with its attempts: what really happened explains as
/// much as what would.
async fn last_sent(session: &Session, peer: String, thread: Option<ThreadId>) -> Result<Option<Message>, CliError> {
    let query = HistoryQuery {
        peer: Some(peer),
        thread_id: thread,
        incoming: Some(false),
        attempts: true,
        limit: 1,
        ..HistoryQuery::default()
    };
    match session.call(Command::History(query)).await? {
        Reply::Messages(mut messages) => Ok(messages.pop()),
        other => Err(unexpected(&other)),
    }
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
        object["attempts"] = trace.attempts.iter().map(show::attempt_json).collect();
        out.object(&object)?;
        return Ok(Outcome::Done);
    }
    show::message(out, &trace.message)?;
    trace.attempts.iter().try_for_each(|attempt| out.line(show::attempt(attempt)))?;
    if let Some(plan) = &trace.plan {
        print(plan, out)?;
    }
    Ok(Outcome::Done)
}
