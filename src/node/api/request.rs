//! What the larger commands carry. What may be left out has a default, so that another program names only what matters
//! to it.

use serde::{Deserialize, Serialize};

use super::PeerRef;
use crate::{
    delivery::{Policy, TransportId},
    identity::{RoutingDefault, RoutingDefaults},
    wire::{EnvelopeId, Mode, PayloadType, ThreadId, Urgency},
};

/// A message to be sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SendRequest {
    /// To whom.
    pub to: PeerRef,
    /// What kind of payload; text when none.
    #[serde(default)]
    pub kind: Option<PayloadType>,
    /// The content, at most `wire::limits::TEXT_BYTES`.
    pub content: String,
    /// Media type; `text/plain` when none.
    #[serde(default)]
    pub content_type: Option<String>,
    /// The thread; `general` when none.
    #[serde(default)]
    pub thread_id: Option<ThreadId>,
    /// The message it answers.
    #[serde(default)]
    pub in_reply_to: Option<EnvelopeId>,
    /// As for all that follows: the thread's, the peer's or the node's default when none.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// Which of the usable paths is the best.
    #[serde(default)]
    pub policy: Option<Policy>,
    /// How much it matters.
    #[serde(default)]
    pub urgency: Option<Urgency>,
    /// Time to live in seconds, 1 to 28 days.
    #[serde(default)]
    pub ttl_seconds: Option<u64>,
    /// Given by a face that wants to know the id before the answer, or to repeat a send without repeating the
    /// message; must be fresh random.
    #[serde(default)]
    pub envelope_id: Option<EnvelopeId>,
    /// Whether a person wrote it just now. What programs write to programs is watched for loops.
    #[serde(default)]
    pub by_person: bool,
    /// Whether to wait for room where a queue is full, instead of being refused. Such messages keep their order.
    #[serde(default)]
    pub wait_for_room: bool,
}

/// A question: which way would a message go?
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RouteQuestion {
    /// To whom.
    pub peer: PeerRef,
    /// As if in this thread; `general` when none.
    #[serde(default)]
    pub thread_id: Option<ThreadId>,
    /// As if sent in this mode; as for the next two, the default that a message would get when none.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// As if sent with this policy.
    #[serde(default)]
    pub policy: Option<Policy>,
    /// As if of this urgency.
    #[serde(default)]
    pub urgency: Option<Urgency>,
    /// As if these transports were dead.
    #[serde(default)]
    pub without: Vec<TransportId>,
    /// As if of this size, in bytes.
    #[serde(default)]
    pub size: Option<usize>,
}

/// A change of what messages get that ask for nothing else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PeerDefaults {
    /// Whose.
    pub peer: PeerRef,
    /// Only in this thread.
    #[serde(default)]
    pub thread: Option<ThreadId>,
    /// What to set; the rest stays.
    #[serde(default)]
    pub set: RoutingDefaults,
    /// What to unset.
    #[serde(default)]
    pub clear: Vec<RoutingDefault>,
}

/// Which messages to list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HistoryQuery {
    /// Only with this peer.
    #[serde(default)]
    pub peer: Option<PeerRef>,
    /// Only in this thread.
    #[serde(default)]
    pub thread_id: Option<ThreadId>,
    /// Only incoming (`true`) or outgoing (`false`).
    #[serde(default)]
    pub incoming: Option<bool>,
    /// Only messages before this position, exclusive ([`Message::position`](super::Message::position)).
    #[serde(default)]
    pub before: Option<u64>,
    /// Only messages after this position, exclusive; then the oldest come first to the limit.
    #[serde(default)]
    pub after: Option<u64>,
    /// With every attempt to send them ([`Message::attempts`](super::Message::attempts)).
    #[serde(default)]
    pub attempts: bool,
    /// At most so many.
    pub limit: usize,
}

/// What the user knows about a new peer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PeerAdd {
    /// The local name.
    pub name: String,
    /// The certificate, armored.
    #[serde(default)]
    pub certificate: Option<String>,
    /// `agent@operator.realm`.
    #[serde(default)]
    pub fqid: Option<String>,
    /// Routes to add, as transport and address.
    #[serde(default)]
    pub routes: Vec<(TransportId, String)>,
    /// What messages to it get that ask for nothing else; what is none stays as it was.
    #[serde(default)]
    pub defaults: RoutingDefaults,
}
