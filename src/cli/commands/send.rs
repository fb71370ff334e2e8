//! `send`: one message.

use std::{io::IsTerminal as _, path::Path, time::Duration};

use tokio::time::Instant;

use crate::{
    cli::{
        args::SendArgs,
        input,
        out::Out,
        outcome::{CliError, Outcome},
        session::{Session, unexpected},
        show,
    },
    delivery::MessageState,
    node::{Command, Event, EventStream, Message, Reply, SendRequest, Trace},
    wire::{EnvelopeId, limits},
};

pub(super) async fn run(session: &Session, args: SendArgs, out: &mut Out) -> Result<Outcome, CliError> {
    let text = text(&args).await?;
    let mut events = session.subscribe();
    let mut message = match session.call(Command::Send(request(&args, text))).await? {
        Reply::Sent(message) => begun(*message),
        other => return Err(unexpected(&other)),
    };
    let deadline = Instant::now() + Duration::from_secs(args.wait);
    settle(session, &mut events, &mut message, deadline).await?;
    report(out, &message)?;
    Ok(show::outcome(&message.state))
}

/// The text on the command line, or all of standard input without its last line end.
async fn text(args: &SendArgs) -> Result<String, CliError> {
    let text = if args.text == "-" {
        let reading = || input::read_text(Path::new("-"), limits::TEXT_BYTES);
        let mut text = tokio::task::spawn_blocking(reading).await??;
        if text.ends_with('\n') {
            text.pop();
        }
        text
    } else {
        args.text.clone()
    };
    if text.is_empty() {
        return Err(CliError::Input("the message is empty; nothing was sent".to_owned()));
    }
    Ok(text)
}

/// A message as the command line wants it. It has its id from us, so that it can be sent again without being doubled.
pub(super) fn request(args: &SendArgs, content: String) -> SendRequest {
    SendRequest {
        to: args.to.clone(),
        content,
        thread_id: args.thread.clone(),
        in_reply_to: args.reply_to,
        mode: args.mode,
        policy: args.policy,
        urgency: args.urgency,
        ttl_seconds: args.ttl,
        envelope_id: Some(EnvelopeId::from_random(rand::random())),
        // Whoever runs this at a terminal is a person; agents and scripts have none.
        by_person: !args.lines && std::io::stdin().is_terminal(),
        wait_for_room: args.lines,
        ..SendRequest::default()
    }
}

/// Whether waiting longer will not change anything by itself.
pub(super) fn is_settled(state: &MessageState) -> bool {
    state.is_final() || matches!(state, MessageState::Held { .. })
}

/// Follows the message until it is settled or the time is up.
async fn settle(
    session: &Session,
    events: &mut EventStream,
    message: &mut Message,
    deadline: Instant,
) -> Result<(), CliError> {
    while !is_settled(&message.state) {
        let event = match tokio::time::timeout_at(deadline, events.next()).await {
            Ok(Some(event)) => event,
            // The time is up, or the node is going down: what is in the outbox is safe.
            Ok(None) | Err(_) => return Ok(()),
        };
        match event {
            Event::State { envelope_id, state, .. } if envelope_id == message.envelope_id => message.state = state,
            Event::Attempt { envelope_id, attempt } if envelope_id == message.envelope_id => message.attempted(attempt),
            Event::Lagged(_) => current(session, message).await?,
            Event::Stopping => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}

/// Brings a message to what the node has of it.
pub(super) async fn current(session: &Session, message: &mut Message) -> Result<(), CliError> {
    match session.call(Command::Trace { envelope_id: message.envelope_id }).await? {
        Reply::Trace(trace) => {
            *message = traced(*trace);
            Ok(())
        }
        other => Err(unexpected(&other)),
    }
}

/// A message with its attempts.
pub(super) fn traced(trace: Trace) -> Message {
    Message { attempts: Some(trace.attempts), ..trace.message }
}

/// A message that was just taken: its attempts, of which none was made, are told from here on.
pub(super) fn begun(message: Message) -> Message {
    Message { attempts: Some(message.attempts.unwrap_or_default()), ..message }
}

/// Says what became of a message.
pub(super) fn report(out: &mut Out, message: &Message) -> Result<(), CliError> {
    if out.json() {
        out.object(&show::message_json(message)?)?;
    } else {
        let paint = match show::outcome(&message.state) {
            Outcome::Done => crate::cli::out::Paint::Good,
            Outcome::Failed => crate::cli::out::Paint::Bad,
            _ => crate::cli::out::Paint::Dim,
        };
        let state = out.paint(paint, &show::state(&message.state));
        out.line(format!("{}  {state}", message.envelope_id))?;
    }
    out.flush()
}
