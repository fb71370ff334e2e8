//! Messages and conversations as faces see them.

use serde::{Deserialize, Serialize};

use crate::{
    delivery::{AttemptRecord, MessageState, RoutePlan, TransportId},
    identity::TrustLevel,
    wire::{Conversation, EnvelopeId, Fingerprint, Mode, PayloadType, SafeText, ThreadId, Timestamp, Urgency},
};

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
    /// Every attempt to send it, in order, where that was asked for (in a [`HistoryQuery`](super::HistoryQuery), a search
    /// or the queue); empty for what came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Vec<AttemptRecord>>,
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

    /// Takes an attempt as it stands into [`Message::attempts`].
    pub fn attempted(&mut self, attempt: AttemptRecord) {
        let attempts = self.attempts.get_or_insert_default();
        match attempts.iter_mut().find(|known| known.number == attempt.number) {
            Some(known) => *known = attempt,
            None => attempts.push(attempt),
        }
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
