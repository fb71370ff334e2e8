//! What faces see of files on their way, and ask about them.

use serde::{Deserialize, Serialize};

use crate::{
    delivery::{Reason, TransportId},
    node::PeerRef,
    wire::{EnvelopeId, Fingerprint, Mode, SafeText, ThreadId, Timestamp},
};

/// A file to be sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FileSend {
    /// To whom.
    pub to: PeerRef,
    /// The file on the node's machine; absolute.
    pub path: String,
    /// The thread; `general` when none.
    #[serde(default)]
    pub thread_id: Option<ThreadId>,
    /// As for a message. Of the modes only stealth counts for the chunks; they take one path at a time.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// As for a message: which of the allowed paths is the best.
    #[serde(default)]
    pub policy: Option<crate::delivery::Policy>,
}

/// A file on its way, or where it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    /// The message that offers it; with `peer` the transfer's name.
    pub transfer: EnvelopeId,
    /// The other end.
    pub peer: Fingerprint,
    /// Its name.
    pub peer_name: SafeText,
    /// The thread the offer stands in.
    pub thread_id: ThreadId,
    /// Whether it comes to us.
    pub incoming: bool,
    /// What its sender calls it. No path of ours: [`TransferState::Done`] has that.
    pub name: SafeText,
    /// Bytes in all.
    pub size: u64,
    /// Bytes that are durable at the recipient.
    pub bytes: u64,
    /// Bytes a second of late, while it runs.
    pub rate: Option<u64>,
    /// How it stands, flattened: `state` and what belongs to it.
    #[serde(flatten)]
    pub state: TransferState,
    /// The path the latest chunk took.
    pub via: Option<TransportId>,
    /// Chunks of ours that were sent since the node started, those that were sent again included.
    #[serde(default)]
    pub chunks_out: u64,
    /// When it was offered (ours) or the offer came (theirs).
    #[serde(default)]
    pub since: Timestamp,
}

/// How a transfer stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TransferState {
    /// The recipient has not taken it yet.
    Offered,
    /// Chunks are on their way.
    Running,
    /// Nothing is sent until it is resumed.
    Paused {
        /// Whether the other end wants it so.
        by_peer: bool,
        /// Why, when nobody asked for it.
        reason: Option<Reason>,
    },
    /// All chunks are there; the hash is being compared.
    Verifying,
    /// The recipient has the file, and its hash is right.
    Done {
        /// Where it lies here; none for what we sent.
        path: Option<SafeText>,
    },
    /// All chunks came and the hash is wrong.
    Damaged {
        /// What came, put aside; none for what we sent.
        path: Option<SafeText>,
        /// What is wrong.
        reason: Reason,
    },
    /// One end gave it up.
    Cancelled {
        /// Whether it was the other end.
        by_peer: bool,
        /// Why, as the other end says.
        reason: Option<SafeText>,
    },
    /// It cannot go on.
    Failed {
        /// Why.
        reason: Reason,
    },
}

impl TransferState {
    /// Whether nothing more will happen by itself or by `resume`.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Cancelled { .. } | Self::Failed { .. })
    }

    /// The name in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Running => "running",
            Self::Paused { .. } => "paused",
            Self::Verifying => "verifying",
            Self::Done { .. } => "done",
            Self::Damaged { .. } => "damaged",
            Self::Cancelled { .. } => "cancelled",
            Self::Failed { .. } => "failed",
        }
    }
}
