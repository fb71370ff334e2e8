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

impl AttemptRecord {
    /// When it ended: with its failure, its ack, or when no ack was waited for any longer. None while it runs, or waits
    /// for an ack.
    pub fn ended(&self) -> Option<Timestamp> {
        let after = match self.outcome {
            AttemptOutcome::Running | AttemptOutcome::Accepted => return None,
            AttemptOutcome::Acked { after_ms, .. } | AttemptOutcome::Silent { after_ms } => after_ms,
            AttemptOutcome::Failed { .. } | AttemptOutcome::Cancelled => self.took_ms?,
        };
        Some(self.started.plus_ms(i64::try_from(after).unwrap_or(i64::MAX)))
    }
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
        /// The path over which the ack came back; none in lines that were written before this was kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ack_via: Option<TransportId>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_the_path_of_its_ack_is_still_read() {
        let before = r#"{"number":2,"via":"tcp","started":"2026-11-20T13:31:00.000Z","took_ms":3,"bytes":900,
            "outcome":{"outcome":"acked","after_ms":212}}"#;
        let line: AttemptRecord = serde_json::from_str(before).unwrap();
        assert_eq!(line.outcome, AttemptOutcome::Acked { after_ms: 212, ack_via: None });
        assert_eq!(line.ended(), Some(line.started.plus_ms(212)));
        // And what is written without it is what such a version wrote.
        let written: serde_json::Value = serde_json::to_value(&line).unwrap();
        assert_eq!(written, serde_json::from_str::<serde_json::Value>(before).unwrap());
        let told = AttemptOutcome::Acked { after_ms: 212, ack_via: Some("relay".parse().unwrap()) };
        let line = AttemptRecord { outcome: told, ..line };
        assert_eq!(serde_json::from_str::<AttemptRecord>(&serde_json::to_string(&line).unwrap()).unwrap(), line);
    }

    #[test]
    fn an_attempt_ends_with_its_answer_or_with_the_patience_for_its_ack() {
        let started = Timestamp::from_unix_ms(1_000);
        let line = |outcome, took_ms| {
            let via = "tcp".parse().unwrap();
            AttemptRecord { number: 1, via, started, took_ms, bytes: 0, outcome }.ended().map(|at| at.ms_since(started))
        };
        let failed = AttemptOutcome::Failed { reason: Reason::new(super::super::ReasonKind::Timeout, "no answer") };
        assert_eq!(line(AttemptOutcome::Running, None), None);
        assert_eq!(line(AttemptOutcome::Accepted, Some(2)), None);
        assert_eq!(line(AttemptOutcome::Silent { after_ms: 40 }, Some(2)), Some(40));
        assert_eq!(line(AttemptOutcome::Acked { after_ms: 30, ack_via: None }, Some(2)), Some(30));
        assert_eq!(line(failed, Some(5)), Some(5));
        assert_eq!(line(AttemptOutcome::Cancelled, Some(6)), Some(6));
    }
}
