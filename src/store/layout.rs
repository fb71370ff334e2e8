//! Where things are: tables and keys. Keys are plain to whoever reads the disk, so names and ids appear in
//! them only as keyed hashes; what they do tell is how many entries there are and when messages were composed.

use super::key::Keys;
use crate::wire::{Conversation, EnvelopeId, Fingerprint};

/// A position is a number of milliseconds with this many bits behind it that count within the millisecond. Positions stay
/// below 2^53 until the year 2039, so that readers of our JSON whose numbers are doubles keep them exact.
pub(super) const POSITION_BITS: u32 = 12;

/// A table: the first byte of every key in the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Table {
    /// Facts about the store itself, by number.
    Meta = 0,
    /// Messages by position.
    Messages = 1,
    /// What changes about a message (state, paths, retries) by position; absent while nothing changed.
    Standing = 2,
    /// Positions by conversation; no value.
    Threads = 3,
    /// Envelope id and peer to position and digest: the unique index and the dedup marks.
    Ids = 4,
    /// Marks without a message by the time they were set, for pruning; no value.
    Marks = 5,
    /// Conversations.
    Conversations = 6,
    /// Facts about envelopes that wait, by id.
    Outbox = 7,
    /// The bytes of envelopes that wait, by id.
    Envelopes = 8,
    /// Attempts by id and number.
    Attempts = 9,
    /// Receipts by id, kind and path.
    Receipts = 10,
    /// Drafts by conversation.
    Drafts = 11,
    /// Small states by namespace and name.
    Blobs = 12,
    /// Continuations of values too long for one entry, by the key of the value and a number.
    Chunks = 13,
}

impl Table {
    /// All tables.
    pub(super) const ALL: [Self; 14] = [
        Self::Meta,
        Self::Messages,
        Self::Standing,
        Self::Threads,
        Self::Ids,
        Self::Marks,
        Self::Conversations,
        Self::Outbox,
        Self::Envelopes,
        Self::Attempts,
        Self::Receipts,
        Self::Drafts,
        Self::Blobs,
        Self::Chunks,
    ];

    /// The name in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Messages => "messages",
            Self::Standing => "standing",
            Self::Threads => "threads",
            Self::Ids => "ids",
            Self::Marks => "marks",
            Self::Conversations => "conversations",
            Self::Outbox => "outbox",
            Self::Envelopes => "envelopes",
            Self::Attempts => "attempts",
            Self::Receipts => "receipts",
            Self::Drafts => "drafts",
            Self::Blobs => "blobs",
            Self::Chunks => "chunks",
        }
    }

    /// The table of a key.
    pub(super) fn of(key: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|table| key.first() == Some(&(*table as u8)))
    }

    /// Whether entries carry a sealed value (the others are mere indexes, empty).
    pub(super) fn sealed(self) -> bool {
        !matches!(self, Self::Threads | Self::Marks | Self::Chunks)
    }

    /// A key in this table.
    pub(super) fn key(self, parts: &[&[u8]]) -> Vec<u8> {
        let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
        key.push(self as u8);
        for part in parts {
            key.extend_from_slice(part);
        }
        key
    }

    /// The key under which this table starts.
    pub(super) fn start(self) -> Vec<u8> {
        vec![self as u8]
    }

    /// The first key behind this table.
    pub(super) fn end(self) -> Vec<u8> {
        vec![self as u8 + 1]
    }
}

/// The purpose that sets hidden names of peers in the unique index apart from other hidden names.
const INDEXED_PEER: u8 = 7;

/// A conversation's hidden name.
pub(super) type ThreadKey = [u8; 16];
/// An envelope's hidden name.
pub(super) type IdKey = [u8; 16];

/// The hidden name of a conversation.
pub(super) fn thread_key(keys: &Keys, conversation: &Conversation) -> ThreadKey {
    keys.hide(1, &[conversation.peer.as_bytes(), conversation.thread_id.as_str().as_bytes()])
}

/// The hidden name of an envelope.
pub(super) fn id_key(keys: &Keys, id: &EnvelopeId) -> IdKey {
    keys.hide(2, &[id.as_bytes()])
}

/// Where the unique index keeps the envelope with this id that was exchanged with `peer`. An id is unique only among
/// the envelopes of one peer: whoever sees an id in transit could otherwise claim it first. All envelopes with one
/// id stand together.
pub(super) fn index_key(keys: &Keys, peer: &Fingerprint, id: &EnvelopeId) -> Vec<u8> {
    Table::Ids.key(&[&id_key(keys, id), &keys.hide(INDEXED_PEER, &[peer.as_bytes()])])
}

/// What [`index_key`] is behind the table's byte: both hidden names.
pub(super) type IndexName = [u8; 32];

/// The position at the end of a key.
pub(super) fn position_of(key: &[u8]) -> Option<u64> {
    key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))
}

/// The first key that does not start with `prefix`; none when there is no such key.
pub(super) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.last_mut() {
        if *last < u8::MAX {
            *last += 1;
            return Some(end);
        }
        end.pop();
    }
    None
}
