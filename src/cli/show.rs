//! What messages, peers and states look like.

use serde_json::{Map, Value, json};

use super::{
    out::{Out, Paint},
    outcome::{CliError, Outcome},
};
use crate::{
    delivery::{AttemptOutcome, AttemptRecord, Breaker, MessageState, Reason},
    node::{Message, Peer, TransportHealth},
    transport::TransportState,
    wire::Timestamp,
};

/// A message as one JSON object. `via`, `latency_ms` and `reason` are always there, null where they say nothing;
/// `attempts` where they were asked for.
pub(super) fn message_json(message: &Message) -> Result<Value, CliError> {
    let mut object = match serde_json::to_value(message).map_err(|e| CliError::Output(e.into()))? {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    for field in ["via", "latency_ms", "reason"] {
        object.entry(field).or_insert(Value::Null);
    }
    if message.incoming() {
        object["via"] = json!(message.paths.first());
    }
    if let Some(attempts) = &message.attempts {
        object["attempts"] = attempts.iter().map(attempt_json).collect();
    }
    Ok(Value::Object(object))
}

/// A line of a message's ledger as a JSON object. All fields are always there, null where they say nothing.
pub(super) fn attempt_json(attempt: &AttemptRecord) -> Value {
    let (outcome, reason, ack_via) = match &attempt.outcome {
        AttemptOutcome::Running => ("running", None, None),
        AttemptOutcome::Accepted => ("accepted", None, None),
        AttemptOutcome::Acked { ack_via, .. } => ("acked", None, ack_via.as_ref()),
        AttemptOutcome::Silent { .. } => ("silent", None, None),
        AttemptOutcome::Failed { reason } => ("failed", Some(reason), None),
        AttemptOutcome::Cancelled => ("cancelled", None, None),
    };
    json!({
        "number": attempt.number,
        "via": attempt.via,
        "started": attempt.started,
        "ended": attempt.ended(),
        "took_ms": attempt.took_ms,
        "bytes": attempt.bytes,
        "outcome": outcome,
        "reason": reason,
        "ack_via": ack_via,
    })
}

/// A line of a message's ledger, in words.
pub(super) fn attempt(attempt: &AttemptRecord) -> String {
    let outcome = match &attempt.outcome {
        AttemptOutcome::Running => "under way".to_owned(),
        AttemptOutcome::Accepted => "accepted, no ack yet".to_owned(),
        AttemptOutcome::Acked { after_ms, ack_via: Some(by) } => {
            format!("delivered, ack after {after_ms} ms over {by}")
        }
        AttemptOutcome::Acked { after_ms, ack_via: None } => format!("delivered, ack after {after_ms} ms"),
        AttemptOutcome::Silent { after_ms } => format!("accepted, but no ack within {after_ms} ms"),
        AttemptOutcome::Failed { reason } => format!("failed: {reason}"),
        AttemptOutcome::Cancelled => "cancelled".to_owned(),
    };
    format!("{}  #{} {}  {outcome}", time(attempt.started), attempt.number, attempt.via)
}

/// Writes one message.
pub(super) fn message(out: &mut Out, message: &Message) -> Result<(), CliError> {
    if out.json() {
        return out.object(&message_json(message)?);
    }
    let (from, thread) = (message.from.as_str(), message.thread_id.as_str());
    let thread = crate::wire::SafeText::line(thread);
    let place = if message.incoming() {
        format!("{from} #{thread}")
    } else {
        format!("{from} -> {} #{thread} ({})", message.to, state(&message.state))
    };
    let head = format!("{}  {place}", time(message.timestamp));
    out.line(format!(
        "{}  {}",
        out.paint(Paint::Bold, &head),
        out.paint(Paint::Dim, &message.envelope_id.to_string())
    ))?;
    message.content.as_str().lines().try_for_each(|line| out.line(format!("  {line}")))
}

/// A message's state in words.
pub(super) fn state(state: &MessageState) -> String {
    match state {
        MessageState::Received => "received".to_owned(),
        MessageState::Queued { reason: Some(reason), .. } => format!("queued: {reason}"),
        MessageState::Queued { .. } => "queued".to_owned(),
        MessageState::Held { reason } => format!("held: {reason}"),
        MessageState::InFlight { via } => format!("on its way over {via}"),
        MessageState::Accepted { via, stored_by: Some(by) } => format!("accepted by {by} over {via}"),
        MessageState::Accepted { via, .. } => format!("accepted over {via}"),
        MessageState::Delivered { via, latency_ms } => format!("delivered over {via} in {latency_ms} ms"),
        MessageState::Read { via, latency_ms, .. } => format!("read, delivered over {via} in {latency_ms} ms"),
        MessageState::Expired => "expired".to_owned(),
        MessageState::Failed { reason } => format!("failed: {reason}"),
    }
}

/// What a sent message's state means for the exit code.
pub(super) fn outcome(state: &MessageState) -> Outcome {
    match state {
        MessageState::Delivered { .. } | MessageState::Read { .. } | MessageState::Received => Outcome::Done,
        MessageState::Expired | MessageState::Failed { .. } => Outcome::Failed,
        _ => Outcome::NotDelivered,
    }
}

/// A time as a person reads it: local, to the second.
pub(super) fn time(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.unix_ms())
        .map(|at| at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string())
        .unwrap_or_default()
}

/// How a transport is, in words.
pub(super) fn transport_state(health: &TransportHealth) -> String {
    let told = |word: &str, reason: &Reason| format!("{word}: {reason}");
    let state = match &health.state {
        TransportState::Up => "up".to_owned(),
        TransportState::Starting => "starting".to_owned(),
        TransportState::Degraded { reason } => told("degraded", reason),
        TransportState::Down { reason, retry_in_ms: Some(ms) } => {
            format!("{}, again in {} s", told("down", reason), ms.div_ceil(1000))
        }
        TransportState::Down { reason, retry_in_ms: None } => told("down", reason),
        TransportState::Disabled { reason } => told("disabled", reason),
    };
    let state = match health.opens {
        Some(opens) => format!("{state}; outside its call windows until {}", time(opens)),
        None => match health.bulk_opens {
            Some(opens) => format!("{state}; bulk waits until {}", time(opens)),
            None => state,
        },
    };
    let state = match health.max_bytes {
        Some(most) => format!("{state}; only up to {most} bytes"),
        None => state,
    };
    match &health.breaker {
        Breaker::Open { cooldown_ms, .. } => format!("{state}; resting for {} s", cooldown_ms.div_ceil(1000)),
        Breaker::HalfOpen => format!("{state}; being tried"),
        Breaker::Closed => state,
    }
}

/// What sets a peer apart, in words.
pub(super) fn peer_notes(peer: &Peer) -> String {
    let mut notes: Vec<String> = Vec::new();
    if peer.conflict.is_some() {
        notes.push("KEY CHANGED".to_owned());
    }
    let marks = [
        (peer.fingerprint.is_none(), "no key"),
        (peer.request, "wants to write to you"),
        (peer.blocked, "blocked"),
        (peer.muted, "muted"),
    ];
    notes.extend(marks.iter().filter(|(is, _)| *is).map(|(_, word)| (*word).to_owned()));
    notes.extend(peer.warning.as_ref().map(ToString::to_string));
    notes.join(", ")
}
