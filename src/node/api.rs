//! The node's interface: every face (screen, command line, agents' tools) speaks this and nothing else,
//! in the same process or over the control socket, where each [`Command`] is a JSON-RPC 2.0 request
//! (`method` and `params`) and each [`Event`] a notification.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    Presence,
    files::{FileSend, Transfer},
};
use crate::{
    delivery::{AttemptRecord, Capabilities, MessageState, Policy, Reason, TransportId},
    identity::{RoutingDefault, RoutingDefaults, TrustLevel},
    transport::TransportState,
    wire::{Conversation, EnvelopeId, Fingerprint, Mode, PayloadType, SafeText, ThreadId, Timestamp, Urgency},
};

pub use crate::delivery::{Breaker, Candidate, RoutePlan, Skipped};

/// How a face names a peer: by name, FQID or fingerprint (at least eight digits).
pub type PeerRef = String;

/// What a face can ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", content = "params", rename_all = "snake_case")]
pub enum Command {
    /// Compose, seal, store and route a message. Answer: [`Reply::Sent`].
    Send(SendRequest),
    /// Messages of a conversation or of all, newest last. Answer: [`Reply::Messages`].
    History(HistoryQuery),
    /// One message with its ledger and its plan. Answer: [`Reply::Trace`].
    Trace {
        /// The message.
        envelope_id: EnvelopeId,
    },
    /// All peers. Answer: [`Reply::Peers`].
    Peers,
    /// One peer. Answer: [`Reply::Peer`].
    Peer {
        /// Whom.
        peer: PeerRef,
    },
    /// Add a peer, or add to one. Answer: [`Reply::Peer`].
    PeerAdd(PeerAdd),
    /// Change what messages to a peer, or in one thread with it, get that ask for nothing else. Answer: [`Reply::Peer`].
    PeerDefaults(PeerDefaults),
    /// Forget a peer; its messages stay. Answer: [`Reply::Done`].
    PeerRemove {
        /// Whom.
        peer: PeerRef,
    },
    /// All conversations. Answer: [`Reply::Conversations`].
    Conversations,
    /// Everything up to and including this message was seen; sends read receipts where wanted. Answer: [`Reply::Done`].
    MarkRead {
        /// The conversation.
        conversation: Conversation,
        /// The newest message seen.
        up_to: EnvelopeId,
    },
    /// Keep a draft; an empty text removes it. Answer: [`Reply::Done`].
    SaveDraft {
        /// The conversation.
        conversation: Conversation,
        /// The text.
        text: String,
    },
    /// All drafts. Answer: [`Reply::Drafts`].
    Drafts,
    /// Full-text search, newest first; results stream as [`Event::SearchHit`], then the answer [`Reply::SearchDone`].
    Search {
        /// Chosen by the face; comes back in each hit. A new search of the same face cancels its older one.
        search_id: u64,
        /// What to look for: all words, case-insensitive.
        text: String,
        /// Only in this conversation.
        conversation: Option<Conversation>,
        /// Most hits.
        limit: usize,
    },
    /// The node at a glance. Answer: [`Reply::Status`].
    Status,
    /// What is not yet delivered. Answer: [`Reply::Messages`].
    QueueList {
        /// Only for this peer.
        peer: Option<PeerRef>,
    },
    /// Try again at once. Answer: [`Reply::Count`].
    QueueRetry {
        /// Only this message; all when none.
        envelope_id: Option<EnvelopeId>,
    },
    /// Let go on what was held because two programs seemed to answer each other for ever. Answer: [`Reply::Count`].
    QueueRelease {
        /// Only this message's conversation.
        envelope_id: Option<EnvelopeId>,
        /// Only this peer's.
        peer: Option<PeerRef>,
    },
    /// Give up what waits. Answer: [`Reply::Count`].
    QueuePurge {
        /// Only this message.
        envelope_id: Option<EnvelopeId>,
        /// Only for this peer.
        peer: Option<PeerRef>,
    },
    /// All transports. Answer: [`Reply::Transports`].
    Transports,
    /// Switch a transport on or off; remembered over restarts. Answer: [`Reply::Done`].
    TransportEnable {
        /// Which.
        transport: TransportId,
        /// On or off.
        enabled: bool,
    },
    /// Raise or lower a transport's priority (lower numbers go first); remembered. Answer: [`Reply::Done`].
    TransportPriority {
        /// Which.
        transport: TransportId,
        /// The new priority, 0 to 1000.
        priority: u16,
    },
    /// Read a transport's file anew and start it with what it says; also one that was not there or broken. If the
    /// file is not valid the transport stays as it is. Answer: [`Reply::Done`].
    TransportReload {
        /// Which.
        transport: TransportId,
    },
    /// Check a transport now. Answer: [`Reply::Transports`] with that one.
    TransportProbe {
        /// Which.
        transport: TransportId,
    },
    /// What would happen to a message. Answer: [`Reply::Plan`].
    RouteExplain(RouteQuestion),
    /// Set a peer's trust after the user compared or decided. Answer: [`Reply::Peer`].
    TrustSet {
        /// Whom.
        peer: PeerRef,
        /// The new level.
        level: TrustLevel,
    },
    /// Decide a key conflict. Answer: [`Reply::Peer`].
    ConflictResolve {
        /// Whose key changed.
        peer: PeerRef,
        /// Take the new key (its trust falls to untrusted) or keep the old one.
        accept_new: bool,
    },
    /// Block or unblock a peer. Answer: [`Reply::Peer`].
    Block {
        /// Whom.
        peer: PeerRef,
        /// Block or not.
        blocked: bool,
    },
    /// Mute or unmute a peer's notifications. Answer: [`Reply::Peer`].
    Mute {
        /// Whom.
        peer: PeerRef,
        /// Mute or not.
        muted: bool,
    },
    /// Accept a stranger who wrote to us: from now on it is answered like any untrusted peer. Answer: [`Reply::Peer`].
    RequestAccept {
        /// Whom.
        peer: PeerRef,
    },
    /// Our own certificate, or a peer's, armored. Answer: [`Reply::Certificate`].
    KeyExport {
        /// A peer, or ourselves when none.
        peer: Option<PeerRef>,
    },
    /// Offer a file to a peer. Answer: [`Reply::Sent`], the offer, whose id names the transfer.
    FileSend(FileSend),
    /// Files on their way and those that ended lately, oldest first. Answer: [`Reply::Transfers`].
    Files {
        /// Only with this peer.
        peer: Option<PeerRef>,
    },
    /// Take a file that a peer offers. Answer: [`Reply::Transfer`].
    FileAccept {
        /// Which.
        transfer: EnvelopeId,
    },
    /// Let a file rest, coming or going. Answer: [`Reply::Transfer`].
    FilePause {
        /// Which.
        transfer: EnvelopeId,
    },
    /// Go on with a file that was paused, or fetch one anew that came damaged. Answer: [`Reply::Transfer`].
    FileResume {
        /// Which.
        transfer: EnvelopeId,
    },
    /// Give a file up, or refuse an offered one; what came of it is removed. Answer: [`Reply::Transfer`].
    FileCancel {
        /// Which.
        transfer: EnvelopeId,
    },
    /// Shut the node down cleanly. Answer: [`Reply::Done`].
    Shutdown,
}

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
    /// Only messages before this position, exclusive ([`Message::position`]).
    #[serde(default)]
    pub before: Option<u64>,
    /// Only messages after this position, exclusive; then the oldest come first to the limit.
    #[serde(default)]
    pub after: Option<u64>,
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

/// What the node answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum Reply {
    /// It is done.
    Done,
    /// So many were touched.
    Count(usize),
    /// The message is durable and on its way, or held.
    Sent(Box<Message>),
    /// Messages.
    Messages(Vec<Message>),
    /// One message's whole story.
    Trace(Box<Trace>),
    /// Peers.
    Peers(Vec<Peer>),
    /// One peer.
    Peer(Box<Peer>),
    /// Conversations, the latest active first.
    Conversations(Vec<ConversationSummary>),
    /// Drafts.
    Drafts(Vec<(Conversation, String)>),
    /// A search came to its end.
    SearchDone {
        /// As in the command.
        search_id: u64,
        /// Hits reported.
        hits: usize,
        /// Whether the limit cut it short.
        more: bool,
    },
    /// The node at a glance.
    Status(Box<Status>),
    /// Transports.
    Transports(Vec<TransportHealth>),
    /// A plan.
    Plan(RoutePlan),
    /// A certificate, armored.
    Certificate(String),
    /// One file on its way.
    Transfer(Box<Transfer>),
    /// Files on their way.
    Transfers(Vec<Transfer>),
}

/// One message as faces see it. Its JSON form is the record of `skcomm receive --json` and friends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The key of deduplication.
    pub envelope_id: EnvelopeId,
    /// The thread.
    pub thread_id: ThreadId,
    /// The message it answers.
    pub in_reply_to: Option<EnvelopeId>,
    /// The other end of the conversation.
    pub peer: Fingerprint,
    /// The sender's name.
    pub from: SafeText,
    /// The recipient's name.
    pub to: SafeText,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: PayloadType,
    /// Media type of the content.
    pub content_type: SafeText,
    /// The content.
    pub content: SafeText,
    /// When the sender composed it.
    pub timestamp: Timestamp,
    /// Its place in the conversation: grows with time of composition (arrival for late ones); unique in the store.
    pub position: u64,
    /// How it stands, flattened: `state`, and its `via`, `latency_ms`, `reason`.
    #[serde(flatten)]
    pub state: MessageState,
    /// The paths that brought it (incoming), or that a recipient's ack named (outgoing).
    pub paths: Vec<TransportId>,
    /// How much it matters.
    pub urgency: Urgency,
    /// The mode it was sent in.
    pub mode: Mode,
    /// Whether it came so late that newer ones had been shown.
    #[serde(default)]
    pub late: bool,
    /// Whether the sender's signature was good and by a key we hold (always true for what is shown as from a
    /// peer), and the trust the peer had then.
    pub trust: TrustLevel,
}

impl Message {
    /// Whether a peer sent it.
    pub fn incoming(&self) -> bool {
        self.state == MessageState::Received
    }

    /// Its conversation.
    pub fn conversation(&self) -> Conversation {
        Conversation { peer: self.peer, thread_id: self.thread_id.clone() }
    }
}

/// One message's whole story.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// The message.
    pub message: Message,
    /// While it waits, the plan by which it would be sent now; later the one it was sent by, for the latest 1000 messages
    /// that were sent since the node started.
    pub plan: Option<RoutePlan>,
    /// Every attempt, in order.
    pub attempts: Vec<AttemptRecord>,
}

/// A peer as faces see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    /// The local name.
    pub name: SafeText,
    /// The pinned key; none until one is known (messages are held).
    pub fingerprint: Option<Fingerprint>,
    /// `agent@operator.realm`.
    pub fqid: Option<SafeText>,
    /// The trust level.
    pub trust: TrustLevel,
    /// Routes, by transport, in the order of preference.
    pub routes: Vec<(TransportId, SafeText)>,
    /// What messages to it get that ask for nothing else.
    pub defaults: RoutingDefaults,
    /// The same for threads with it, which go before the peer's own.
    pub threads: BTreeMap<ThreadId, RoutingDefaults>,
    /// When it was last heard of.
    pub last_seen: Option<Timestamp>,
    /// Whether it was there when this was asked. A face that stays goes by `last_seen`.
    #[serde(default)]
    pub presence: Presence,
    /// A key that wants to take the pinned one's place; blocks sending until decided.
    pub conflict: Option<Fingerprint>,
    /// Blocked by the user.
    pub blocked: bool,
    /// Muted by the user.
    pub muted: bool,
    /// A stranger who wrote to us and waits to be accepted; it gets no acks until then.
    #[serde(default)]
    pub request: bool,
    /// Something the user should know, such as a name that looks like another peer's.
    pub warning: Option<SafeText>,
    /// The key's properties; none without a key.
    pub key: Option<KeyInfo>,
    /// Notable events of the key's history, oldest first (pinned, compared, conflict, changed).
    pub history: Vec<KeyEvent>,
}

/// What is worth knowing about a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// Algorithms, such as "Ed25519 + Curve25519".
    pub algorithms: SafeText,
    /// OpenPGP key version.
    pub version: u8,
    /// When it was made.
    pub created: Timestamp,
    /// When it expires.
    pub expires: Option<Timestamp>,
    /// User ids.
    pub user_ids: Vec<SafeText>,
}

/// Something that happened to a peer's key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyEvent {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: SafeText,
}

/// A conversation at a glance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConversationSummary {
    /// Which.
    pub conversation: Conversation,
    /// The peer's name.
    pub peer_name: SafeText,
    /// Messages in it.
    pub messages: u64,
    /// Messages not seen.
    pub unread: u64,
    /// The newest message seen, for the unread line.
    pub read_up_to: Option<u64>,
    /// The newest message's position.
    pub last_position: u64,
    /// The newest message's time.
    pub last_at: Timestamp,
}

/// The node at a glance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Our name.
    pub name: SafeText,
    /// Our FQID.
    pub fqid: Option<SafeText>,
    /// Our fingerprint.
    pub fingerprint: Fingerprint,
    /// Milliseconds since the node started.
    pub uptime_ms: u64,
    /// The node's process.
    pub pid: u32,
    /// Messages not yet delivered.
    pub queued: usize,
    /// Messages held.
    pub held: usize,
    /// Messages not seen.
    pub unread: u64,
    /// Transports.
    pub transports: Vec<TransportHealth>,
    /// Refused inbound frames, counted by kind of refusal.
    pub refused: BTreeMap<String, u64>,
    /// Duplicates dropped.
    pub duplicates: u64,
    /// Warnings the user should see (a quarantined store, a bad theme, a clock jump).
    pub warnings: Vec<SafeText>,
}

/// One transport, live.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransportHealth {
    /// Its name.
    pub transport: TransportId,
    /// Its kind: file, tcp, websocket.
    pub kind: SafeText,
    /// How it is.
    pub state: TransportState,
    /// Where others reach us over it, while it listens.
    #[serde(default)]
    pub address: Option<SafeText>,
    /// Lower goes first.
    pub priority: u16,
    /// What it can do and gives away.
    pub capabilities: Capabilities,
    /// When its call windows open; none while they are open, or where there are none.
    #[serde(default)]
    pub opens: Option<Timestamp>,
    /// Smoothed milliseconds from send to ack (to acceptance before any ack).
    pub latency_ms: Option<f64>,
    /// The latest latencies in milliseconds, oldest first, at most 32.
    pub recent_ms: Vec<f64>,
    /// Smoothed share of attempts that succeeded, 0 to 1.
    pub success: f64,
    /// Frames out and accepted.
    pub sent: u64,
    /// Attempts that failed or stayed silent.
    pub failed: u64,
    /// Frames in.
    pub received: u64,
    /// Bytes out.
    pub bytes_out: u64,
    /// Bytes in.
    pub bytes_in: u64,
    /// Attempts under way.
    pub in_flight: usize,
    /// The circuit breaker.
    pub breaker: Breaker,
    /// The latest errors, newest last, at most 8.
    pub errors: Vec<(Timestamp, Reason)>,
}

/// What the node reports by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub enum Event {
    /// A message came in or was composed (also by another face).
    Message(Box<Message>),
    /// A message's state changed.
    State {
        /// Which.
        envelope_id: EnvelopeId,
        /// Its conversation.
        conversation: Conversation,
        /// The new state.
        state: MessageState,
    },
    /// An attempt began or ended.
    Attempt {
        /// Of which message.
        envelope_id: EnvelopeId,
        /// The attempt as it stands.
        attempt: AttemptRecord,
    },
    /// A path failed and another was taken.
    Failover {
        /// The message.
        envelope_id: EnvelopeId,
        /// The failed path.
        from: TransportId,
        /// The new path; none when no other is left.
        to: Option<TransportId>,
        /// Why.
        reason: Reason,
    },
    /// A known message came again over another path.
    Duplicate {
        /// Which.
        envelope_id: EnvelopeId,
        /// The path.
        via: TransportId,
    },
    /// A file came further, or its transfer's state changed.
    Transfer(Box<Transfer>),
    /// A transport's health changed.
    Transport(Box<TransportHealth>),
    /// A peer changed (added, trust, conflict, seen).
    Peer(Box<Peer>),
    /// A peer was removed.
    PeerRemoved {
        /// The name it had.
        name: SafeText,
    },
    /// A conversation's summary changed.
    Conversation(Box<ConversationSummary>),
    /// A search found something.
    SearchHit {
        /// As in the command.
        search_id: u64,
        /// The message.
        message: Box<Message>,
    },
    /// An inbound frame was refused.
    Refused {
        /// The path.
        via: TransportId,
        /// The refusal's kind and line.
        reason: SafeText,
    },
    /// Something for the person, also in the log.
    Notice {
        /// How bad.
        level: NoticeLevel,
        /// One line.
        text: SafeText,
    },
    /// The face fell behind and missed so many events: it should ask anew for what it shows.
    Lagged(u64),
    /// The node is shutting down.
    Stopping,
}

/// How bad a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeLevel {
    /// Good to know.
    Info,
    /// Look at it.
    Warning,
    /// Something failed.
    Error,
    /// It concerns keys or forgery.
    Security,
}

/// Why a command failed.
#[derive(Clone, Debug, Error, PartialEq, Eq, Serialize, Deserialize)]
#[error("{message}")]
pub struct NodeError {
    /// What kind of failure.
    pub kind: NodeErrorKind,
    /// One line that says what to do next.
    pub message: SafeText,
}

impl NodeError {
    /// A failure of `kind`.
    pub fn new(kind: NodeErrorKind, message: impl AsRef<str>) -> Self {
        Self { kind, message: SafeText::line(message.as_ref()) }
    }
}

/// Kinds of failures of commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeErrorKind {
    /// The arguments make no sense.
    Invalid,
    /// No such peer, message or transport.
    NotFound,
    /// More than one fits.
    Ambiguous,
    /// Policy forbids it (blocked, conflict, revoked key).
    Refused,
    /// A bound is reached.
    Full,
    /// The store or a file failed.
    Storage,
    /// The node is not running or went away.
    Gone,
    /// Not one of the above.
    Internal,
}
