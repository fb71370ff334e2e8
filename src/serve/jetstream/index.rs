//! What waits in the store, without the frames: which messages each mailbox holds, and the accounts. Every relay keeps one, and
//! every change in the stream is told to all of them. Its entries are small and of fixed size; no frame is in it.
//!
//! Messages become visible in the order of their sequence numbers, never one behind another that was seen already: a
//! recipient's connection asks only for what comes after what it got.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    serve::{
        config::StorageLimits,
        usage::{Amount, SenderTag, Usage},
    },
    transport::websocket::protocol::Refusal,
    wire::Timestamp,
};

/// A mailbox's name in the store: a hash of the realm and its owner's fingerprint.
pub(super) type Mailbox = [u8; 16];

/// Most deletions remembered of messages that are yet to come. More are not in order: the index is made anew then.
const EARLY: usize = 65_536;

/// How many times as many messages as our bound a stream may hold that another relay made.
const OVERFULL: u64 = 4;

/// What a relay keeps about a message in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The mailbox it lies in.
    pub mailbox: Mailbox,
    /// What names its sender there.
    pub sender: SenderTag,
    /// The size of its frame, at least 1.
    pub bytes: u32,
    /// When the server stored it, in milliseconds since 1970.
    pub stored_ms: i64,
}

/// A frame that was counted before it is stored, so that many at once do not pass a bound together.
#[derive(Debug)]
pub(super) struct Reservation {
    generation: u64,
    mailbox: Mailbox,
    sender: SenderTag,
    bytes: u64,
}

/// What a look finds: numbers and sizes, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sought {
    Nothing,
    Some(Vec<(u64, u32)>),
    Large(u32),
}

/// The index. Its numbers are those of the stream.
#[derive(Debug)]
pub(super) struct Index {
    /// Counts how often the index was made anew.
    generation: u64,
    /// Everything up to this number is known.
    seen: u64,
    entries: BTreeMap<u64, Entry>,
    boxes: BTreeMap<Mailbox, BTreeSet<u64>>,
    /// Deletions of messages that are yet to come.
    early: BTreeSet<u64>,
    /// Stored by us and yet to come: their reservations hold until then.
    coming: BTreeMap<u64, Reservation>,
    usage: Usage<Mailbox>,
    limits: StorageLimits,
}

impl Index {
    /// An empty one.
    pub(super) fn new(limits: StorageLimits) -> Self {
        Self {
            generation: 0,
            seen: 0,
            entries: BTreeMap::new(),
            boxes: BTreeMap::new(),
            early: BTreeSet::new(),
            coming: BTreeMap::new(),
            usage: Usage::default(),
            limits,
        }
    }

    /// Takes the place of `old`, whose reservations no longer count.
    pub(super) fn replace(mut self, old: &mut Self) {
        self.generation = old.generation + 1;
        *old = self;
    }

    /// Everything up to this number is known.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// Whether it holds more than a stream with anything like our bounds can.
    pub(super) fn is_overfull(&self) -> bool {
        self.entries.len() as u64 > self.limits.total_messages.saturating_mul(OVERFULL)
    }

    /// What all mailboxes hold, what is being stored included.
    pub(super) fn total(&self) -> Amount {
        self.usage.total()
    }

    /// The owner of a mailbox has been here.
    pub(super) fn claim(&mut self, mailbox: Mailbox) {
        self.usage.claim(mailbox);
    }

    /// The next message of the stream; without an entry when it is none of ours. Whether it is there to be looked at.
    pub(super) fn came(&mut self, sequence: u64, entry: Option<Entry>) -> bool {
        if sequence <= self.seen {
            return false;
        }
        self.seen = sequence;
        // Numbers that were skipped were deleted before they came to us.
        while self.early.first().is_some_and(|first| *first < sequence) {
            self.early.pop_first();
        }
        let deleted = self.early.remove(&sequence);
        while self.coming.first_key_value().is_some_and(|(first, _)| *first <= sequence) {
            if let Some((_, reservation)) = self.coming.pop_first() {
                self.release(&reservation);
            }
        }
        let Some(entry) = entry.filter(|_| !deleted) else { return false };
        self.usage.add(entry.mailbox, entry.sender, u64::from(entry.bytes));
        self.boxes.entry(entry.mailbox).or_default().insert(sequence);
        self.entries.insert(sequence, entry);
        true
    }

    /// A message is deleted, here or by another relay.
    ///
    /// # Errors
    /// When more deletions come than messages; the index must be made anew.
    pub(super) fn gone(&mut self, sequence: u64) -> Result<(), ()> {
        if let Some(entry) = self.entries.remove(&sequence) {
            self.usage.remove(&entry.mailbox, &entry.sender, u64::from(entry.bytes));
            if let Some(held) = self.boxes.get_mut(&entry.mailbox) {
                held.remove(&sequence);
                if held.is_empty() {
                    self.boxes.remove(&entry.mailbox);
                }
            }
        } else if sequence > self.seen {
            if self.early.len() == EARLY {
                return Err(());
            }
            self.early.insert(sequence);
        }
        Ok(())
    }

    /// The mailbox of a message that waits.
    pub(super) fn mailbox_of(&self, sequence: u64) -> Option<Mailbox> {
        self.entries.get(&sequence).map(|entry| entry.mailbox)
    }

    /// Counts a frame that is about to be stored.
    ///
    /// # Errors
    /// The refusal when it does not fit.
    pub(super) fn reserve(&mut self, mailbox: Mailbox, sender: SenderTag, bytes: u64) -> Result<Reservation, Refusal> {
        self.usage.check(&mailbox, &sender, bytes, &self.limits)?;
        self.usage.add(mailbox, sender, bytes);
        Ok(Reservation { generation: self.generation, mailbox, sender, bytes })
    }

    /// It was not stored.
    pub(super) fn release(&mut self, reservation: &Reservation) {
        if reservation.generation == self.generation {
            self.usage.remove(&reservation.mailbox, &reservation.sender, reservation.bytes);
        }
    }

    /// It was stored under this number.
    pub(super) fn stored(&mut self, reservation: Reservation, sequence: u64) {
        if sequence <= self.seen {
            self.release(&reservation);
        } else if let Some(twice) = self.coming.insert(sequence, reservation) {
            // The same frame was put twice at once.
            self.release(&twice);
        }
    }

    /// Looks into a mailbox, as [`Keeper::look`](crate::serve::keeper::Keeper::look) does.
    pub(super) fn seek(
        &self,
        mailbox: &Mailbox,
        after: u64,
        skip: impl Fn(u64) -> bool,
        (messages, bytes): (usize, u64),
        now: Timestamp,
    ) -> Sought {
        let Some(held) = self.boxes.get(mailbox) else { return Sought::Nothing };
        let mut found = Vec::new();
        let mut size = 0;
        for sequence in held.range(after.saturating_add(1)..) {
            let Some(entry) = self.entries.get(sequence) else { continue };
            if skip(*sequence) || self.is_old(entry, now) {
                continue;
            }
            let larger = size + u64::from(entry.bytes);
            if found.len() == messages || larger > bytes {
                return if found.is_empty() { Sought::Large(entry.bytes) } else { Sought::Some(found) };
            }
            size = larger;
            found.push((*sequence, entry.bytes));
        }
        if found.is_empty() { Sought::Nothing } else { Sought::Some(found) }
    }

    /// Forgets what is too old, which the server has deleted or is about to.
    pub(super) fn expire(&mut self, now: Timestamp) {
        while let Some((sequence, entry)) = self.entries.first_key_value().map(|(sequence, entry)| (*sequence, *entry))
        {
            if !self.is_old(&entry, now) || self.gone(sequence).is_err() {
                return;
            }
        }
    }

    fn is_old(&self, entry: &Entry, now: Timestamp) -> bool {
        let keep = i64::try_from(self.limits.keep.as_millis()).unwrap_or(i64::MAX);
        now.unix_ms().saturating_sub(entry.stored_ms) > keep
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
