//! How records become bytes: postcard over mirror types of our own, so that a change of a type elsewhere
//! cannot change what is on the disk. Enums are kept as their public names or as explicit numbers.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    error::StoreError,
    record::{ConversationRecord, MessageRecord, OutboxEntry},
};
use crate::{
    delivery::{MessageState, TransportId},
    identity::TrustLevel,
    wire::{Conversation, EnvelopeId, Fingerprint, Mode, PayloadType, ThreadId, Timestamp, Urgency},
};

/// The bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

pub(super) fn encode<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, StoreError> {
    postcard::to_allocvec(value).map_err(|_| StoreError::Encode(what))
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    postcard::from_bytes(bytes).map_err(|_| Malformed)
}

/// JSON inside of a record, for types whose names are a stable interface already.
pub(super) fn to_json<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|_| StoreError::Encode(what))
}

pub(super) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    serde_json::from_slice(bytes).map_err(|_| Malformed)
}

/// What never changes about a message.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredMessage {
    id: [u8; 16],
    peer: Vec<u8>,
    thread: String,
    incoming: bool,
    from_name: String,
    kind: String,
    content_type: String,
    content: String,
    in_reply_to: Option<[u8; 16]>,
    composed: i64,
    stored: i64,
    urgency: u8,
    mode: u8,
    late: bool,
    trust: u8,
    digest: Option<[u8; 32]>,
    standing: Standing,
}

/// The first fields of [`StoredMessage`], up to the content, without a copy.
#[derive(Deserialize)]
struct Beginning<'a> {
    _id: [u8; 16],
    _peer: &'a [u8],
    _thread: &'a str,
    _incoming: bool,
    _from_name: &'a str,
    _kind: &'a str,
    _content_type: &'a str,
    content: &'a str,
}

/// The content of an encoded [`StoredMessage`], without decoding the rest.
pub(super) fn content_of(encoded: &[u8]) -> Result<&str, Malformed> {
    postcard::take_from_bytes::<Beginning<'_>>(encoded).map(|(beginning, _)| beginning.content).map_err(|_| Malformed)
}

/// What changes about a message. Empty `state` stands for received, the one state of all incoming messages.
#[derive(Serialize, Deserialize)]
pub(super) struct Standing {
    state: Vec<u8>,
    paths: Vec<String>,
    pub(super) retries: u32,
}

impl Standing {
    pub(super) fn new(state: &MessageState, paths: &[TransportId], retries: u32) -> Result<Self, StoreError> {
        let state = if *state == MessageState::Received { Vec::new() } else { to_json("a state", state)? };
        Ok(Self { state, paths: paths.iter().map(|path| path.as_str().to_owned()).collect(), retries })
    }

    pub(super) fn state(&self) -> Result<MessageState, Malformed> {
        if self.state.is_empty() { Ok(MessageState::Received) } else { from_json(&self.state) }
    }

    pub(super) fn paths(&self) -> Result<Vec<TransportId>, Malformed> {
        self.paths.iter().map(|path| path.parse().map_err(|_| Malformed)).collect()
    }
}

impl StoredMessage {
    pub(super) fn of(record: &MessageRecord) -> Result<Self, StoreError> {
        Ok(Self {
            id: *record.envelope_id.as_bytes(),
            peer: record.conversation.peer.as_bytes().to_vec(),
            thread: record.conversation.thread_id.as_str().to_owned(),
            incoming: record.incoming,
            from_name: record.from_name.clone(),
            kind: record.kind.as_str().to_owned(),
            content_type: record.content_type.clone(),
            content: record.content.clone(),
            in_reply_to: record.in_reply_to.map(|id| *id.as_bytes()),
            composed: record.composed.unix_ms(),
            stored: record.stored.unix_ms(),
            urgency: urgency_number(record.urgency),
            mode: mode_number(record.mode),
            late: record.late,
            trust: trust_number(record.trust),
            digest: record.digest,
            standing: Standing::new(&record.state, &record.paths, 0)?,
        })
    }

    /// The record, with what changed since it was inserted.
    pub(super) fn into_record(self, changed: Option<&Standing>) -> Result<MessageRecord, Malformed> {
        let standing = changed.unwrap_or(&self.standing);
        Ok(MessageRecord {
            state: standing.state()?,
            paths: standing.paths()?,
            envelope_id: EnvelopeId::from_bytes(self.id).map_err(|_| Malformed)?,
            conversation: conversation(&self.peer, &self.thread)?,
            incoming: self.incoming,
            from_name: self.from_name,
            kind: PayloadType::from(self.kind),
            content_type: self.content_type,
            content: self.content,
            in_reply_to: self.in_reply_to.map(EnvelopeId::from_bytes).transpose().map_err(|_| Malformed)?,
            composed: Timestamp::from_unix_ms(self.composed),
            stored: Timestamp::from_unix_ms(self.stored),
            urgency: urgency(self.urgency)?,
            mode: mode(self.mode)?,
            late: self.late,
            trust: trust(self.trust)?,
            digest: self.digest,
        })
    }
}

/// An entry of the unique index.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredId {
    /// The message's position; none for envelopes that are not messages.
    pub(super) position: Option<u64>,
    pub(super) digest: Option<[u8; 32]>,
    /// When it was marked, in Unix milliseconds.
    pub(super) at: i64,
}

/// A conversation's counters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredConversation {
    peer: Vec<u8>,
    thread: String,
    pub(super) messages: u64,
    pub(super) unread: u64,
    pub(super) read_up_to: Option<u64>,
    pub(super) last_position: u64,
    pub(super) last_at: i64,
}

impl StoredConversation {
    pub(super) fn new(of: &Conversation) -> Self {
        Self {
            peer: of.peer.as_bytes().to_vec(),
            thread: of.thread_id.as_str().to_owned(),
            messages: 0,
            unread: 0,
            read_up_to: None,
            last_position: 0,
            last_at: 0,
        }
    }

    pub(super) fn conversation(&self) -> Result<Conversation, Malformed> {
        conversation(&self.peer, &self.thread)
    }

    pub(super) fn into_record(self) -> Result<ConversationRecord, Malformed> {
        Ok(ConversationRecord {
            conversation: self.conversation()?,
            messages: self.messages,
            unread: self.unread,
            read_up_to: self.read_up_to,
            last_position: self.last_position,
            last_at: Timestamp::from_unix_ms(self.last_at),
        })
    }
}

/// An outbox entry without its envelope.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredOutbox {
    id: [u8; 16],
    to: Vec<u8>,
    kind: String,
    composed: i64,
    expires: i64,
    mode: u8,
    urgency: u8,
    standing: Standing,
    max_retries: u32,
    size: u64,
    facts: Vec<u8>,
}

impl StoredOutbox {
    pub(super) fn of(entry: &OutboxEntry, size: u64) -> Result<Self, StoreError> {
        Ok(Self {
            id: *entry.envelope_id.as_bytes(),
            to: entry.to.as_bytes().to_vec(),
            kind: entry.kind.as_str().to_owned(),
            composed: entry.composed.unix_ms(),
            expires: entry.expires.unix_ms(),
            mode: mode_number(entry.mode),
            urgency: urgency_number(entry.urgency),
            standing: Standing::new(&entry.state, &[], entry.retries)?,
            max_retries: entry.max_retries,
            size,
            facts: entry.facts.clone(),
        })
    }

    pub(super) fn into_entry(self) -> Result<OutboxEntry, Malformed> {
        Ok(OutboxEntry {
            envelope_id: EnvelopeId::from_bytes(self.id).map_err(|_| Malformed)?,
            to: Fingerprint::from_bytes(&self.to).map_err(|_| Malformed)?,
            kind: PayloadType::from(self.kind),
            composed: Timestamp::from_unix_ms(self.composed),
            expires: Timestamp::from_unix_ms(self.expires),
            mode: mode(self.mode)?,
            urgency: urgency(self.urgency)?,
            state: self.standing.state()?,
            retries: self.standing.retries,
            max_retries: self.max_retries,
            size: self.size,
            facts: self.facts,
        })
    }
}

/// One receipt.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredReceipt {
    pub(super) kind: u8,
    pub(super) via: Option<String>,
    pub(super) at: i64,
}

/// A draft.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredDraft {
    peer: Vec<u8>,
    thread: String,
    pub(super) text: String,
}

impl StoredDraft {
    pub(super) fn new(of: &Conversation, text: &str) -> Self {
        Self { peer: of.peer.as_bytes().to_vec(), thread: of.thread_id.as_str().to_owned(), text: text.to_owned() }
    }

    pub(super) fn conversation(&self) -> Result<Conversation, Malformed> {
        conversation(&self.peer, &self.thread)
    }
}

/// A small state with its name, which the key hides.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredBlob {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

fn conversation(peer: &[u8], thread: &str) -> Result<Conversation, Malformed> {
    Ok(Conversation {
        peer: Fingerprint::from_bytes(peer).map_err(|_| Malformed)?,
        thread_id: thread.parse::<ThreadId>().map_err(|_| Malformed)?,
    })
}

macro_rules! numbered {
    ($type:ident, $to:ident, $from:ident, $($variant:ident = $number:literal),*) => {
        fn $to(value: $type) -> u8 {
            match value { $($type::$variant => $number),* }
        }
        fn $from(number: u8) -> Result<$type, Malformed> {
            match number { $($number => Ok($type::$variant),)* _ => Err(Malformed) }
        }
    };
}
numbered!(Mode, mode_number, mode, Failover = 0, Broadcast = 1, Stealth = 2, Speed = 3);
numbered!(Urgency, urgency_number, urgency, Low = 0, Normal = 1, High = 2, Critical = 3);
numbered!(TrustLevel, trust_number, trust, Untrusted = 0, Verified = 1, Trusted = 2, Sovereign = 3);
