//! What the node reports by itself.

use serde::{Deserialize, Serialize};

use super::{ConversationSummary, Message, Peer, TransportHealth};
use crate::{
    delivery::{AttemptRecord, MessageState, Reason, TransportId},
    node::files::Transfer,
    wire::{Conversation, EnvelopeId, SafeText},
};

/// What the node reports by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
