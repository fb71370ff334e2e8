//! The native envelope, `skcomm_version` 1.0.0.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{EnvelopeId, Fingerprint, ThreadId, Timestamp};

/// One sealed message on its way: readable headers for routing, an encrypted payload, a signature
/// over everything but itself and the retry count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Always [`Envelope::VERSION`].
    pub skcomm_version: String,
    /// The key of deduplication.
    pub envelope_id: EnvelopeId,
    /// When the sender composed it.
    pub timestamp: Timestamp,
    /// The sender.
    pub from: Party,
    /// The one recipient.
    pub to: Party,
    /// What is carried.
    pub payload: Payload,
    /// How the sender wants it carried.
    pub routing: Routing,
    /// Headers that mean something to the reader; the signed copy inside the payload is the truth.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
}

impl Envelope {
    /// The version this program writes.
    pub const VERSION: &'static str = "1.0.0";
}

/// One end of an envelope. In sealed mode only the fingerprint is present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The name the party goes by, at most 256 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The party's certificate.
    pub fingerprint: Fingerprint,
    /// `agent@operator.realm`, at most 256 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fqid: Option<String>,
    /// Only in `from`, and only while the recipient may not hold it: the sender's armored certificate, at most
    /// 64 KiB. It introduces; it proves nothing but that its owner signed the envelope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// The sealed part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// What kind of thing is inside. In sealed mode the outer type is always `message`.
    #[serde(rename = "type")]
    pub kind: PayloadType,
    /// One armored OpenPGP message, signed then encrypted; its literal is the sealed body.
    pub content_encrypted: String,
    /// Armored detached signature over the canonical bytes; `None` only while being composed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// What a payload is. Types this program does not know are kept as they are, never dropped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum PayloadType {
    /// A text from a person or agent.
    Message,
    /// A file or a part of one.
    File,
    /// A memory seed.
    Seed,
    /// A Cloud 9 FEB file.
    Feb,
    /// A request to run something; never run without the user.
    Command,
    /// A sign of life.
    Heartbeat,
    /// "It is on my disk."
    Ack,
    /// WebRTC signalling.
    WebrtcSignal,
    /// A file over WebRTC.
    WebrtcFile,
    /// "It was on my screen."
    ReadReceipt,
    /// A reaction to a message.
    Reaction,
    /// A new text for an earlier message.
    Edit,
    /// A request to remove an earlier message.
    Delete,
    /// A statement, signed by the old key, that a new one takes its place.
    KeyTransition,
    /// A revocation certificate.
    Revocation,
    /// A signed peer card.
    PeerCard,
    /// Group management.
    Group,
    /// A type of somebody else's.
    Other(String),
}

macro_rules! payload_types {
    ($($variant:ident = $name:literal),* $(,)?) => {
        impl PayloadType {
            /// The name on the wire.
            pub fn as_str(&self) -> &str {
                match self { $(Self::$variant => $name,)* Self::Other(name) => name }
            }
        }
        impl From<String> for PayloadType {
            fn from(name: String) -> Self {
                match name.as_str() { $($name => Self::$variant,)* _ => Self::Other(name) }
            }
        }
    };
}
payload_types! {
    Message = "message", File = "file", Seed = "seed", Feb = "feb", Command = "command",
    Heartbeat = "heartbeat", Ack = "ack", WebrtcSignal = "webrtc_signal", WebrtcFile = "webrtc_file",
    ReadReceipt = "read_receipt", Reaction = "reaction", Edit = "edit", Delete = "delete",
    KeyTransition = "key_transition", Revocation = "revocation", PeerCard = "peer_card", Group = "group",
}

impl From<PayloadType> for String {
    fn from(kind: PayloadType) -> Self {
        kind.as_str().to_owned()
    }
}

/// How the sender wants the envelope carried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routing {
    /// The routing mode.
    #[serde(default)]
    pub mode: Mode,
    /// Transports to try first, by name, as the sender calls them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub priority_transports: Vec<String>,
    /// Transports to try only when nothing else works.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallback_transports: Vec<String>,
    /// How often it has been sent before; the one header the signature does not cover.
    #[serde(default)]
    pub retry_count: u32,
    /// How often it may be sent again before it counts as failed.
    #[serde(default = "Routing::default_max_retries")]
    pub max_retries: u32,
    /// Seconds after `timestamp` at which it expires.
    #[serde(default = "Routing::default_ttl_seconds")]
    pub ttl_seconds: u64,
}

impl Routing {
    /// Retries unless the sender says otherwise.
    pub fn default_max_retries() -> u32 {
        5
    }
    /// A day.
    pub fn default_ttl_seconds() -> u64 {
        86_400
    }
}

impl Default for Routing {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            priority_transports: Vec::new(),
            fallback_transports: Vec::new(),
            retry_count: 0,
            max_retries: Self::default_max_retries(),
            ttl_seconds: Self::default_ttl_seconds(),
        }
    }
}

/// A word is none of those that are allowed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("must be one of:{0}")]
pub struct UnknownWord(&'static str);

macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),* }) => {
        impl $name {
            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
        impl std::str::FromStr for $name {
            type Err = UnknownWord;

            fn from_str(s: &str) -> Result<Self, UnknownWord> {
                match s {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(UnknownWord(concat!($(" ", $word),*))),
                }
            }
        }
    };
}

/// How many paths a message takes, and which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// One path at a time, the next when one fails or stays silent.
    #[default]
    Failover,
    /// Every usable path at once.
    Broadcast,
    /// Only the paths that leak least about who talks to whom.
    Stealth,
    /// The two fastest paths race.
    Speed,
}

words!(Mode { Failover = "failover", Broadcast = "broadcast", Stealth = "stealth", Speed = "speed" });

/// How much a message matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// May wait, and is evicted first.
    Low,
    /// The ordinary message.
    #[default]
    Normal,
    /// Goes before others.
    High,
    /// Goes over at least two paths.
    Critical,
}

words!(Urgency { Low = "low", Normal = "normal", High = "high", Critical = "critical" });

/// Headers for the reader. All are optional: in sealed mode the block is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The thread; none means the general one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<ThreadId>,
    /// The message this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<EnvelopeId>,
    /// Media type of the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// How much it matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urgency: Option<Urgency>,
}

impl Metadata {
    /// Whether no header is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
