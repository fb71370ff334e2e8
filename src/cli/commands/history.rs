//! `history`: older messages.

use super::receive::key_of;
use crate::{
    cli::{
        args::HistoryArgs,
        out::Out,
        outcome::{CliError, Outcome},
        session::{Session, unexpected},
        show,
    },
    node::{Command, HistoryQuery, Message, Reply},
    wire::{Conversation, ThreadId},
};

pub(super) async fn run(session: &Session, args: HistoryArgs, out: &mut Out) -> Result<Outcome, CliError> {
    let limit = args.limit as usize;
    let query = HistoryQuery { peer: args.peer.clone(), attempts: out.json(), limit, ..HistoryQuery::default() };
    let messages = match args.thread {
        None => messages(session, query).await?,
        Some(thread) => {
            let mut found = Vec::new();
            for conversation in conversations(session, args.peer, &thread).await? {
                let peer = Some(conversation.peer.to_string());
                let query = HistoryQuery { peer, thread_id: Some(conversation.thread_id), ..query.clone() };
                found.extend(self::messages(session, query).await?);
            }
            found.sort_by_key(|message| message.position);
            found.split_off(found.len().saturating_sub(limit))
        }
    };
    messages.iter().try_for_each(|message| show::message(out, message))?;
    Ok(Outcome::Done)
}

async fn messages(session: &Session, query: HistoryQuery) -> Result<Vec<Message>, CliError> {
    match session.call(Command::History(query)).await? {
        Reply::Messages(messages) => Ok(messages),
        other => Err(unexpected(&other)),
    }
}

/// The conversations in `thread`, with one peer or with all.
pub(super) async fn conversations(
    session: &Session,
    peer: Option<String>,
    thread: &ThreadId,
) -> Result<Vec<Conversation>, CliError> {
    if let Some(peer) = peer {
        let peer = key_of(session, peer).await?;
        return Ok(vec![Conversation { peer, thread_id: thread.clone() }]);
    }
    match session.call(Command::Conversations).await? {
        Reply::Conversations(all) => {
            let all = all.into_iter().map(|summary| summary.conversation);
            Ok(all.filter(|conversation| conversation.thread_id == *thread).collect())
        }
        other => Err(unexpected(&other)),
    }
}
