//! Listing messages in order.

use std::{cmp::Ordering, collections::BinaryHeap};

use super::{
    MessageRecord, Query, Store, StoreError, ThreadKey,
    layout::{Table, position_of, thread_key},
    value::ReadError,
};
use crate::wire::Fingerprint;

/// Positions one after the other.
type Positions = Box<dyn Iterator<Item = Result<u64, StoreError>>>;

impl Store {
    /// The messages a query asks for, oldest first: the newest `limit`, or with `after` the oldest `limit` behind
    /// it. Costs as much as it returns, whatever the size of the store (with `incoming`, as much as it looks at).
    ///
    /// # Errors
    /// When the store fails; damaged messages are skipped and show in [`Store::damage`].
    pub fn history(&self, query: &Query) -> Result<Vec<(u64, MessageRecord)>, StoreError> {
        let backwards = query.after.is_none();
        let mut found = Vec::new();
        for position in self.positions(query, backwards)? {
            if found.len() >= query.limit {
                break;
            }
            let position = position?;
            match self.message_at(position) {
                Ok(Some(record)) if query.incoming.is_none_or(|incoming| incoming == record.incoming) => {
                    found.push((position, record));
                }
                Ok(_) | Err(ReadError::Value) => {}
                Err(ReadError::Engine(error)) => return Err(error.into()),
            }
        }
        if backwards {
            found.reverse();
        }
        Ok(found)
    }

    fn positions(&self, query: &Query, backwards: bool) -> Result<Positions, StoreError> {
        if let Some(conversation) = &query.conversation {
            let thread = thread_key(&self.vault.keys, conversation);
            return Ok(Box::new(self.thread_positions(&thread, query.after, query.before, backwards)));
        }
        if let Some(peer) = &query.peer {
            let threads = self.threads_with(peer)?;
            let positions = threads.iter().map(|thread| -> Positions {
                Box::new(self.thread_positions(thread, query.after, query.before, backwards))
            });
            return Ok(Box::new(Merge::new(positions.collect(), backwards)));
        }
        Ok(Box::new(self.all_positions(query.after, query.before, backwards)))
    }

    fn threads_with(&self, peer: &Fingerprint) -> Result<Vec<ThreadKey>, StoreError> {
        let conversations = self.conversations()?.into_iter().map(|record| record.conversation);
        let with_peer = conversations.filter(|conversation| conversation.peer == *peer);
        Ok(with_peer.map(|conversation| thread_key(&self.vault.keys, &conversation)).collect())
    }

    fn all_positions(
        &self,
        after: Option<u64>,
        before: Option<u64>,
        backwards: bool,
    ) -> impl Iterator<Item = Result<u64, StoreError>> + use<> {
        let start = after.map_or_else(|| Table::Messages.start(), |at| message_key(at.saturating_add(1)));
        let end = before.map_or_else(|| Table::Messages.end(), message_key);
        let end = if end < start { start.clone() } else { end };
        self.vault.engine.scan(&start, &end, backwards).filter_map(|entry| match entry {
            Ok((key, _)) => position_of(&key).map(Ok),
            Err(error) => Some(Err(error.into())),
        })
    }
}

fn message_key(position: u64) -> Vec<u8> {
    Table::Messages.key(&[&position.to_be_bytes()])
}

/// Several ordered sources as one ordered source.
struct Merge {
    heads: BinaryHeap<Head>,
    failed: Option<StoreError>,
    backwards: bool,
}

/// The next position of one source.
struct Head {
    position: u64,
    /// What the heap orders by: the greatest comes first.
    rank: u64,
    source: Positions,
}

impl Merge {
    fn new(sources: Vec<Positions>, backwards: bool) -> Self {
        let mut merge = Self { heads: BinaryHeap::new(), failed: None, backwards };
        sources.into_iter().for_each(|source| merge.advance(source));
        merge
    }

    fn advance(&mut self, mut source: Positions) {
        match source.next() {
            Some(Ok(position)) => {
                let rank = if self.backwards { position } else { u64::MAX - position };
                self.heads.push(Head { position, rank, source });
            }
            Some(Err(error)) => self.failed = Some(error),
            None => {}
        }
    }
}

impl Iterator for Merge {
    type Item = Result<u64, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.heads.clear();
            return Some(Err(error));
        }
        let Head { position, source, .. } = self.heads.pop()?;
        self.advance(source);
        Some(Ok(position))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}
impl Eq for Head {}
impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank.cmp(&other.rank)
    }
}
