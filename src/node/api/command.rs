//! What a face asks, and what the node answers: each [`Command`] names the [`Reply`] it gets.

use serde::{Deserialize, Serialize};

use super::{
    ConversationSummary, HistoryQuery, Message, Peer, PeerAdd, PeerDefaults, RouteQuestion, SendRequest, Status, Trace,
    TransportHealth,
};
use crate::{
    delivery::{RoutePlan, TransportId},
    identity::TrustLevel,
    node::files::{FileSend, Transfer},
    wire::{Conversation, EnvelopeId},
};

/// How a face names a peer: by name, FQID or fingerprint (at least eight digits).
pub type PeerRef = String;

/// What a face can ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// Full-text search, newest first; results stream as [`Event::SearchHit`](super::Event::SearchHit), then the answer [`Reply::SearchDone`].
    Search {
        /// Chosen by the face; comes back in each hit. A new search of the same face cancels its older one.
        search_id: u64,
        /// What to look for: all words, case-insensitive.
        text: String,
        /// Only in this conversation.
        conversation: Option<Conversation>,
        /// Most hits.
        limit: usize,
        /// With every attempt to send them, as the store has them ([`Message::attempts`]).
        #[serde(default)]
        attempts: bool,
    },
    /// The node at a glance. Answer: [`Reply::Status`].
    Status,
    /// What is not yet delivered. Answer: [`Reply::Messages`].
    QueueList {
        /// Only for this peer.
        peer: Option<PeerRef>,
        /// With every attempt to send them ([`Message::attempts`]).
        #[serde(default)]
        attempts: bool,
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

/// What the node answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
