//! The states of a message and the ledger of its attempts.

use serde::{Deserialize, Serialize};

use super::{Reason, TransportId};
use crate::wire::Timestamp;

/// Where a message to one recipient stands. The order of [`MessageState::rank`] is a lattice: no event
/// moves a message to a lower rank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum MessageState {
    /// It came from a peer.
    Received,
    /// Waits for a path, with the time of the next try and why it waits.
    Queued {
        /// When the next try is due; none when it waits for a path to come back.
        next_try: Option<Timestamp>,
        /// Why it is not on its way.
        reason: Option<Reason>,
    },
    /// Cannot be sent until the user or the peer does something.
    Held {
        /// What must happen.
        reason: Reason,
    },
    /// A transport has it in hand.
    InFlight {
        /// The transport.
        via: TransportId,
    },
    /// The next hop has it. Not delivered.
    Accepted {
        /// The transport.
        via: TransportId,
        /// The next hop, if it keeps the message for the recipient.
        stored_by: Option<crate::wire::SafeText>,
    },
    /// A verified ack came from the recipient: it is on the recipient's disk.
    Delivered {
        /// The path that brought it, as the recipient told, else the one the ack came by.
        via: TransportId,
        /// Milliseconds from the first attempt to the ack.
        latency_ms: u64,
    },
    /// The recipient has seen it.
    Read {
        /// As in `Delivered`.
        via: TransportId,
        /// As in `Delivered`.
        latency_ms: u64,
        /// When, as the recipient told.
        at: Timestamp,
    },
    /// Its time to live passed before it was delivered. It is never sent again.
    Expired,
    /// It was given up.
    Failed {
        /// Why.
        reason: Reason,
    },
}

impl MessageState {
    /// The height in the lattice.
    pub fn rank(&self) -> u8 {
        match self {
            Self::Queued { .. } | Self::Held { .. } | Self::InFlight { .. } => 0,
            Self::Accepted { .. } => 1,
            Self::Expired | Self::Failed { .. } => 2,
            Self::Delivered { .. } | Self::Received => 3,
            Self::Read { .. } => 4,
        }
    }

    /// Whether nothing more is done for it (an ack may still arrive late).
    pub fn is_final(&self) -> bool {
        self.rank() >= 2
    }

    /// The state after a verified ack over `via`, `latency_ms` after the first attempt; none when the message
    /// was delivered before. Also for messages the machine has forgotten.
    pub fn after_ack(&self, via: &TransportId, latency_ms: u64) -> Option<Self> {
        (self.rank() < 3).then(|| Self::Delivered { via: via.clone(), latency_ms })
    }

    /// The state after a verified read receipt that came over `via`, for a message of which no ack came before;
    /// none when it was read before.
    pub fn after_read(&self, via: &TransportId, latency_ms: u64, at: Timestamp) -> Option<Self> {
        match self {
            Self::Received | Self::Read { .. } => None,
            Self::Delivered { via, latency_ms } => Some(Self::Read { via: via.clone(), latency_ms: *latency_ms, at }),
            _ => Some(Self::Read { via: via.clone(), latency_ms, at }),
        }
    }

    /// The name in the JSON interface.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Queued { .. } => "queued",
            Self::Held { .. } => "held",
            Self::InFlight { .. } => "in_flight",
            Self::Accepted { .. } => "accepted",
            Self::Delivered { .. } => "delivered",
            Self::Read { .. } => "read",
            Self::Expired => "expired",
            Self::Failed { .. } => "failed",
        }
    }
}

/// One try over one path: a line in the message's ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// Counts from 1 within the message.
    pub number: u32,
    /// The path.
    pub via: TransportId,
    /// When it began.
    pub started: Timestamp,
    /// Milliseconds until the transport answered; none while it runs.
    pub took_ms: Option<u64>,
    /// Bytes handed to the transport.
    pub bytes: u64,
    /// How it ended, or stands.
    pub outcome: AttemptOutcome,
}

/// How an attempt ended, or stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// The transport has not answered yet.
    Running,
    /// The next hop has it, no ack yet.
    Accepted,
    /// The recipient's ack names this path.
    Acked {
        /// Milliseconds from the start of the attempt to the ack.
        after_ms: u64,
    },
    /// Accepted, but no ack in time.
    Silent {
        /// Milliseconds waited.
        after_ms: u64,
    },
    /// The transport refused it or failed.
    Failed {
        /// Why.
        reason: Reason,
    },
    /// Stopped because another path was first or the user cancelled.
    Cancelled,
}
