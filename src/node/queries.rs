//! What only reads the store. Runs on other threads.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::broadcast;

use super::{Event, HistoryQuery, Message, NodeError, NodeErrorKind, Reply, Trace, people::Names, views};
use crate::{
    delivery::AttemptRecord,
    store::{MessageRecord, OutboxEntry, Query, Store, StoreError},
    wire::{Conversation, EnvelopeId, Fingerprint},
};

/// Most messages in one answer.
const MESSAGES_MAX: usize = 10_000;
/// Most attempts in one answer, of all its messages together.
const ATTEMPTS_MAX: usize = 100_000;

/// Reads the store for faces.
pub(super) struct Queries {
    pub(super) store: Arc<Store>,
    pub(super) names: Names,
    pub(super) own_name: String,
}

/// What a search looks for.
pub(super) struct Wanted {
    pub(super) search_id: u64,
    pub(super) text: String,
    pub(super) conversation: Option<Conversation>,
    pub(super) limit: usize,
    pub(super) attempts: bool,
    pub(super) cancel: Arc<AtomicBool>,
}

impl Queries {
    fn view(&self, position: u64, record: MessageRecord) -> Message {
        views::message(position, record, &self.names, &self.own_name)
    }

    pub(super) fn history(&self, peer: Option<Fingerprint>, query: &HistoryQuery) -> Result<Vec<Message>, NodeError> {
        let conversation = match (peer, &query.thread_id) {
            (Some(peer), Some(thread_id)) => Some(Conversation { peer, thread_id: thread_id.clone() }),
            _ => None,
        };
        let asked = Query {
            conversation,
            peer,
            incoming: query.incoming,
            before: query.before,
            after: query.after,
            limit: query.limit.min(MESSAGES_MAX),
        };
        let found = self.store.history(&asked).map_err(storage)?;
        let messages = found.into_iter().map(|(position, record)| self.view(position, record));
        // A thread without a peer: the same thread with whomever.
        let fits = |m: &Message| query.thread_id.as_ref().is_none_or(|thread| m.thread_id == *thread);
        let mut messages: Vec<Message> = messages.filter(fits).collect();
        if query.attempts {
            self.add_attempts(&mut messages)?;
        }
        Ok(messages)
    }

    fn add_attempts(&self, messages: &mut [Message]) -> Result<(), NodeError> {
        let mut all = 0;
        for message in messages {
            let attempts = self.attempts(message)?;
            all += attempts.len();
            if all > ATTEMPTS_MAX {
                let text = format!("these messages took more than {ATTEMPTS_MAX} attempts; ask for fewer messages");
                return Err(NodeError::new(NodeErrorKind::Full, text));
            }
            message.attempts = Some(attempts);
        }
        Ok(())
    }

    fn attempts(&self, message: &Message) -> Result<Vec<AttemptRecord>, NodeError> {
        if message.incoming() {
            return Ok(Vec::new());
        }
        self.store.attempts(&message.envelope_id).map_err(storage)
    }

    pub(super) fn conversations(&self) -> Result<Reply, NodeError> {
        let mut all = self.store.conversations().map_err(storage)?;
        all.sort_by_key(|record| std::cmp::Reverse(record.last_position));
        Ok(Reply::Conversations(all.into_iter().map(|record| views::conversation(record, &self.names)).collect()))
    }

    pub(super) fn unread(&self) -> Result<u64, NodeError> {
        Ok(self.store.conversations().map_err(storage)?.iter().map(|record| record.unread).sum())
    }

    pub(super) fn drafts(&self) -> Result<Reply, NodeError> {
        self.store.drafts().map(Reply::Drafts).map_err(storage)
    }

    pub(super) fn queue(&self, peer: Option<Fingerprint>, attempts: bool) -> Result<Vec<Message>, NodeError> {
        let mut messages = Vec::new();
        for entry in self.store.outbox().map_err(storage)? {
            if peer.is_some_and(|peer| entry.to != peer) {
                continue;
            }
            if let Some((position, record)) = self.store.message_with(&entry.to, &entry.envelope_id).map_err(storage)? {
                messages.push(self.view(position, record));
            }
        }
        if attempts {
            // A long queue must be told whole, and cannot be asked for in parts: the newest attempts of each have to do.
            let most = ATTEMPTS_MAX / messages.len().max(1);
            for message in &mut messages {
                let mut all = self.attempts(message)?;
                message.attempts = Some(all.split_off(all.len().saturating_sub(most)));
            }
        }
        Ok(messages)
    }

    /// A message with its ledger as stored, and what waits in the outbox for it.
    pub(super) fn trace(&self, id: EnvelopeId) -> Result<(Trace, Option<OutboxEntry>), NodeError> {
        let found = self.store.message(&id).map_err(storage)?;
        let (position, record) =
            found.ok_or_else(|| NodeError::new(NodeErrorKind::NotFound, format!("no message {id} is stored")))?;
        let message = self.view(position, record);
        if message.incoming() {
            return Ok((Trace { message, plan: None, attempts: Vec::new() }, None));
        }
        let attempts = self.store.attempts(&id).map_err(storage)?;
        let waiting = self.store.outbox_entry(&id).map_err(storage)?;
        Ok((Trace { message, plan: None, attempts }, waiting))
    }

    pub(super) fn search(&self, wanted: &Wanted, events: &broadcast::Sender<Event>) -> Result<Reply, NodeError> {
        let Wanted { search_id, text, conversation, limit, attempts, cancel } = wanted;
        let (search_id, limit) = (*search_id, (*limit).min(MESSAGES_MAX));
        let (mut hits, mut failed) = (0, None);
        let end = self.store.search(text, conversation.as_ref(), cancel, |position, record| {
            if hits == limit {
                return ControlFlow::Break(());
            }
            hits += 1;
            let mut message = Box::new(self.view(position, record));
            if *attempts {
                match self.attempts(&message) {
                    Ok(all) => message.attempts = Some(all),
                    Err(error) => {
                        failed = Some(error);
                        return ControlFlow::Break(());
                    }
                }
            }
            // The face may have gone.
            let _ = events.send(Event::SearchHit { search_id, message });
            ControlFlow::Continue(())
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let end = end.map_err(storage)?;
        if cancel.load(Ordering::Relaxed) {
            return Err(NodeError::new(NodeErrorKind::Gone, "a newer search took this one's place"));
        }
        Ok(Reply::SearchDone { search_id, hits, more: !end.complete })
    }
}

fn storage(error: StoreError) -> NodeError {
    NodeError::new(NodeErrorKind::Storage, error.to_string())
}
