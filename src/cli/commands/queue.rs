//! `queue`: what is not yet delivered.

use serde_json::json;

use crate::{
    cli::{
        args::QueueCommand,
        input,
        out::Out,
        outcome::{CliError, Outcome},
        session::{Session, unexpected},
        show,
        table::Table,
    },
    node::{Command, Reply},
};

pub(super) async fn run(session: &Session, command: QueueCommand, out: &mut Out) -> Result<Outcome, CliError> {
    match command {
        QueueCommand::List { peer } => list(session, peer, out).await,
        QueueCommand::Retry { id } => {
            count(session, Command::QueueRetry { envelope_id: id }, "tried again now", out).await
        }
        QueueCommand::Release { id, peer } => {
            count(session, Command::QueueRelease { envelope_id: id, peer }, "let go on", out).await
        }
        QueueCommand::Purge { id, peer, yes } => {
            if !yes {
                let what = match (id, &peer) {
                    (Some(id), _) => format!("message {id}"),
                    (None, Some(peer)) => format!("everything that waits for {peer}"),
                    (None, None) => "everything that waits".to_owned(),
                };
                let question = format!("This gives up {what}; it will never be delivered.");
                let asking = tokio::task::spawn_blocking(move || input::confirm(&question, "purge"));
                if !asking.await?? {
                    return Err(CliError::Input("nothing was changed".to_owned()));
                }
            }
            count(session, Command::QueuePurge { envelope_id: id, peer }, "given up", out).await
        }
    }
}

async fn list(session: &Session, peer: Option<String>, out: &mut Out) -> Result<Outcome, CliError> {
    let messages = match session.call(Command::QueueList { peer, attempts: out.json() }).await? {
        Reply::Messages(messages) => messages,
        other => return Err(unexpected(&other)),
    };
    if out.json() {
        messages.iter().try_for_each(|message| out.object(&show::message_json(message)?))?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&["ID", "TO", "WRITTEN", "STATE"]);
    for message in &messages {
        table.row([
            message.envelope_id.to_string(),
            message.to.to_string(),
            show::time(message.timestamp),
            show::state(&message.state),
        ]);
    }
    table.print(out, "nothing waits: everything is delivered")?;
    Ok(Outcome::Done)
}

async fn count(session: &Session, command: Command, did: &str, out: &mut Out) -> Result<Outcome, CliError> {
    let count = match session.call(command).await? {
        Reply::Count(count) => count,
        other => return Err(unexpected(&other)),
    };
    if out.json() {
        out.object(&json!({ "count": count }))?;
    } else {
        out.line(format!("{count} {did}"))?;
    }
    Ok(Outcome::Done)
}
