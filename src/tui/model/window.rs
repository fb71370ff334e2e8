//! The part of a conversation that is in memory: a run of messages without gaps, around what is on the screen.

use std::collections::BTreeMap;

use crate::{
    node::Message,
    wire::{EnvelopeId, Timestamp},
};

/// Most messages held of one conversation.
pub const WINDOW_MESSAGES: usize = 800;
/// Most bytes of content held of one conversation, unless a screenful needs more.
const WINDOW_BYTES: usize = 16 * 1024 * 1024;
/// So many messages are kept whatever their size: more than the largest screen shows.
const WINDOW_FLOOR: usize = 100;

/// A run of messages of one conversation, in the order of their positions, without gaps.
#[derive(Debug, Default)]
pub struct Window {
    messages: Vec<Message>,
    positions: BTreeMap<EnvelopeId, u64>,
    bytes: usize,
    loaded: bool,
    at_start: bool,
    at_end: bool,
}

/// Which side of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Towards the first message.
    Older,
    /// Towards the newest message.
    Newer,
}

impl Window {
    /// The messages, oldest first.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Whether anything was ever loaded.
    pub fn loaded(&self) -> bool {
        self.loaded
    }

    /// Whether there is nothing more on that side.
    pub fn complete(&self, side: Side) -> bool {
        match side {
            Side::Older => self.at_start,
            Side::Newer => self.at_end,
        }
    }

    /// The index of the message at `position`, or of the next one after it; none past the end.
    pub fn index_at(&self, position: u64) -> Option<usize> {
        let index = self.messages.partition_point(|m| m.position < position);
        (index < self.messages.len()).then_some(index)
    }

    /// The message at exactly `position`.
    pub fn at(&self, position: u64) -> Option<&Message> {
        self.messages.binary_search_by_key(&position, |m| m.position).ok().map(|i| &self.messages[i])
    }

    /// The message of that id, if it is in memory.
    pub fn find(&self, id: &EnvelopeId) -> Option<&Message> {
        self.at(*self.positions.get(id)?)
    }

    /// The first and the last position in memory.
    pub fn span(&self) -> Option<(u64, u64)> {
        Some((self.messages.first()?.position, self.messages.last()?.position))
    }

    /// Forgets everything; the conversation has to be loaded again.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes a fresh run, oldest first, in place of what was there.
    pub fn replace(&mut self, messages: Vec<Message>, at_start: bool, at_end: bool) {
        self.clear();
        self.loaded = true;
        for message in messages {
            self.put(message);
        }
        (self.at_start, self.at_end) = (at_start, at_end);
    }

    /// Adds a run that borders on this window; `complete` says that nothing follows on that side.
    pub fn extend(&mut self, side: Side, messages: Vec<Message>, complete: bool) {
        for message in messages {
            self.put(message);
        }
        match side {
            Side::Older => self.at_start |= complete,
            Side::Newer => self.at_end |= complete,
        }
    }

    /// Takes one message that came in or was composed. Whether it belongs into this run; if not it will be loaded
    /// when the user scrolls there.
    pub fn offer(&mut self, message: &Message) -> bool {
        let fits = match self.span() {
            None => self.loaded && self.at_start && self.at_end,
            Some((first, last)) => {
                let p = message.position;
                (p > first || self.at_start) && (p < last || self.at_end) || p == first || p == last
            }
        };
        // A message whose position changed is taken out first, so that it cannot be shown twice.
        if fits || self.positions.contains_key(&message.envelope_id) {
            self.take(&message.envelope_id);
        }
        if fits {
            self.put(message.clone());
        }
        fits
    }

    /// Changes a message in place, if it is in memory. The position must stay as it is.
    pub fn amend(&mut self, id: &EnvelopeId, change: impl FnOnce(&mut Message)) -> Option<&Message> {
        let position = *self.positions.get(id)?;
        let index = self.messages.binary_search_by_key(&position, |m| m.position).ok()?;
        change(&mut self.messages[index]);
        Some(&self.messages[index])
    }

    /// Drops what is farthest from `keep` until the window is within its bounds.
    pub fn trim(&mut self, keep: Option<u64>) {
        while self.over() {
            let Some((first, last)) = self.span() else { return };
            let keep = keep.unwrap_or(last);
            let from_front = keep.saturating_sub(first) >= last.saturating_sub(keep);
            let index = self.index_at(keep).unwrap_or(self.messages.len());
            // Never drop what is within a screenful of the place that is looked at.
            let spare_front = index.saturating_sub(WINDOW_FLOOR / 2);
            let spare_back = self.messages.len().saturating_sub(index + WINDOW_FLOOR / 2);
            if (from_front && spare_front > 0) || spare_back == 0 {
                let n = spare_front.min(self.messages.len() / 4).max(1);
                self.drop_range(0..n);
                self.at_start = false;
            } else {
                let n = spare_back.min(self.messages.len() / 4).max(1);
                self.drop_range(self.messages.len() - n..self.messages.len());
                self.at_end = false;
            }
        }
    }

    /// The newest message composed no later than `at`, if the window reaches that far.
    pub fn before_time(&self, at: Timestamp) -> Option<&Message> {
        self.messages.iter().rev().find(|m| m.timestamp <= at)
    }

    fn over(&self) -> bool {
        self.messages.len() > WINDOW_FLOOR && (self.messages.len() > WINDOW_MESSAGES || self.bytes > WINDOW_BYTES)
    }

    fn drop_range(&mut self, range: std::ops::Range<usize>) {
        for message in self.messages.drain(range) {
            self.bytes = self.bytes.saturating_sub(message.content.as_str().len());
            self.positions.remove(&message.envelope_id);
        }
    }

    fn take(&mut self, id: &EnvelopeId) {
        let Some(position) = self.positions.get(id).copied() else { return };
        if let Ok(index) = self.messages.binary_search_by_key(&position, |m| m.position) {
            self.drop_range(index..index + 1);
        }
    }

    fn put(&mut self, message: Message) {
        self.take(&message.envelope_id);
        self.bytes += message.content.as_str().len();
        self.positions.insert(message.envelope_id, message.position);
        match self.messages.binary_search_by_key(&message.position, |m| m.position) {
            Ok(index) => {
                // Positions are unique in the store; the newer word wins.
                self.positions.remove(&self.messages[index].envelope_id);
                self.positions.insert(message.envelope_id, message.position);
                self.messages[index] = message;
            }
            Err(index) => self.messages.insert(index, message),
        }
    }
}
