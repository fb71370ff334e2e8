//! What is kept: the types the node hands in and gets back.

use std::collections::BTreeMap;

use crate::{
    delivery::{AttemptRecord, MessageState, TransportId},
    identity::TrustLevel,
    wire::{Conversation, EnvelopeId, Fingerprint, Mode, PayloadType, Timestamp, Urgency},
};

/// A message of a conversation, as kept. Texts are raw, as received: the node makes them safe to show.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageRecord {
    /// The key of deduplication; unique among the messages exchanged with one peer.
    pub envelope_id: EnvelopeId,
    /// Peer and thread.
    pub conversation: Conversation,
    /// Whether the peer sent it.
    pub incoming: bool,
    /// The sender's name, as the envelope told.
    pub from_name: String,
    /// What it is.
    pub kind: PayloadType,
    /// Media type of the content.
    pub content_type: String,
    /// The content, at most `wire::limits::BODY_BYTES`.
    pub content: String,
    /// The message it answers.
    pub in_reply_to: Option<EnvelopeId>,
    /// When the sender composed it, by the sender's clock.
    pub composed: Timestamp,
    /// When it was handed to the store, by our clock.
    pub stored: Timestamp,
    /// How it stands.
    pub state: MessageState,
    /// The paths that brought it (incoming) or that a recipient's ack named (outgoing).
    pub paths: Vec<TransportId>,
    /// How much it matters.
    pub urgency: Urgency,
    /// The mode it was sent in.
    pub mode: Mode,
    /// Whether it came after newer ones had been shown. Decided by the store when it is inserted; what is
    /// handed in is ignored.
    pub late: bool,
    /// The trust the sender had then.
    pub trust: TrustLevel,
    /// Digest of what was received; a second envelope with the same id and another digest is a forgery.
    pub digest: Option<[u8; 32]>,
}

/// What became of an outgoing message since it was last written: one write for all of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Where the message is, as [`super::Store::insert_outgoing`] answered.
    pub position: u64,
    /// How it stands, and its retries, if that changed.
    pub state: Option<(MessageState, u32)>,
    /// Lines of its ledger that are new or changed, by number.
    pub attempts: BTreeMap<u32, AttemptRecord>,
    /// Whether its envelope is not needed any more.
    pub done: bool,
}

impl Progress {
    /// No progress yet of the message at `position`.
    pub fn of(position: u64) -> Self {
        Self { position, state: None, attempts: BTreeMap::new(), done: false }
    }
}

/// An envelope that waits to be delivered. Its bytes are kept beside it: [`super::Store::outbox_envelope`].
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxEntry {
    /// The envelope.
    pub envelope_id: EnvelopeId,
    /// The recipient.
    pub to: Fingerprint,
    /// What is carried (acks and receipts wait here too, without a message in a conversation).
    pub kind: PayloadType,
    /// When it was composed; the outbox is ordered by it.
    pub composed: Timestamp,
    /// When it must not be sent any more.
    pub expires: Timestamp,
    /// The mode to send it in.
    pub mode: Mode,
    /// How much it matters.
    pub urgency: Urgency,
    /// How it stands.
    pub state: MessageState,
    /// How often it was sent again.
    pub retries: u32,
    /// How often it may be sent again.
    pub max_retries: u32,
    /// Size of the sealed envelope in bytes. Set by the store; what is handed in is ignored.
    pub size: u64,
    /// What else the node must know to send it after a restart, opaque to the store; at most 64 KiB.
    pub facts: Vec<u8>,
}

/// What became of an incoming message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insert {
    /// It is new.
    New {
        /// Its place: [`crate::node`] shows it as the message's position.
        position: u64,
        /// Whether newer ones had been shown before it came.
        late: bool,
    },
    /// The same envelope was stored before.
    Duplicate,
    /// Another envelope of this peer, or one of ours to it, was stored before with the same id.
    Forgery,
}

/// Whether an envelope was stored or marked before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Never.
    No,
    /// The same one.
    Same,
    /// Another one with the same id.
    Different,
}

/// Which messages to list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// Only of this conversation.
    pub conversation: Option<Conversation>,
    /// Only with this peer, all threads; ignored when `conversation` is given.
    pub peer: Option<Fingerprint>,
    /// Only incoming (`true`) or outgoing (`false`).
    pub incoming: Option<bool>,
    /// Only before this position, exclusive.
    pub before: Option<u64>,
    /// Only after this position, exclusive; then the oldest are taken up to the limit, else the newest.
    pub after: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// A conversation at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationRecord {
    /// Which.
    pub conversation: Conversation,
    /// Messages in it.
    pub messages: u64,
    /// Incoming messages after the read mark.
    pub unread: u64,
    /// The newest message seen.
    pub read_up_to: Option<u64>,
    /// The newest message's position.
    pub last_position: u64,
    /// The newest message's time: of composition, or of arrival where that decided its position.
    pub last_at: Timestamp,
}

/// What a receipt tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReceiptKind {
    /// We sent an ack for an incoming message.
    AckSent,
    /// We sent a read receipt for an incoming message.
    ReadSent,
    /// The recipient acked our message.
    Acked,
    /// The recipient read our message.
    Read,
}

/// One receipt of a message: kept once a kind and path, the latest wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptRecord {
    /// What it tells.
    pub kind: ReceiptKind,
    /// The path it speaks of; none when unknown.
    pub via: Option<TransportId>,
    /// When.
    pub at: Timestamp,
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchEnd {
    /// Messages looked at.
    pub scanned: u64,
    /// Messages reported.
    pub hits: u64,
    /// Whether everything was looked at (not cancelled, not broken off by the receiver).
    pub complete: bool,
    /// Messages that could not be read because they are damaged.
    pub damaged: u64,
}

/// What a check of the whole store found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Entries read and authenticated.
    pub entries: u64,
    /// Entries that are damaged: the kind and how many.
    pub damaged: std::collections::BTreeMap<&'static str, u64>,
    /// Messages whose indexes disagree with them.
    pub inconsistent: u64,
}

impl Verification {
    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.damaged.is_empty() && self.inconsistent == 0
    }
}
