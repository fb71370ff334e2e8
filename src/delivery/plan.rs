//! The path choice, explained.

use serde::{Deserialize, Serialize};

use super::{Outgoing, Policy, Reason, TransportId};
use crate::wire::{Fingerprint, Mode, SafeText, Urgency};

/// The path choice, explained.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RoutePlan {
    /// The mode it is for.
    pub mode: Mode,
    /// The policy it is for.
    #[serde(default)]
    pub policy: Policy,
    /// The urgency it is for.
    #[serde(default)]
    pub urgency: Urgency,
    /// Who said so, for each of mode, policy, urgency and ttl: the message, the thread, the peer or the configuration.
    /// Empty where nobody asked.
    #[serde(default)]
    pub decided: Vec<(SafeText, SafeText)>,
    /// Usable paths, best first.
    pub candidates: Vec<Candidate>,
    /// Paths that are not used, and why.
    pub skipped: Vec<Skipped>,
}

/// One usable path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The transport.
    pub transport: TransportId,
    /// The peer's address on it.
    pub address: SafeText,
    /// The sum of the parts; the highest goes first.
    pub score: f64,
    /// The parts: a name and its share.
    pub parts: Vec<(SafeText, f64)>,
}

/// One path that is not used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Skipped {
    /// The transport.
    pub transport: TransportId,
    /// Why.
    pub reason: Reason,
}

/// A question: which paths would a message take?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanRequest {
    /// To whom.
    pub peer: Fingerprint,
    /// In which mode.
    pub mode: Mode,
    /// Which paths are better.
    pub policy: Policy,
    /// How much it matters.
    pub urgency: Urgency,
    /// Bytes of the encoded envelope.
    pub size: usize,
    /// Transports to try first, in this order.
    pub prefer: Vec<TransportId>,
    /// Transports to try only when nothing else works.
    pub fallback: Vec<TransportId>,
    /// As if these transports were dead.
    pub without: Vec<TransportId>,
}

impl PlanRequest {
    /// The question for a message.
    pub fn of(message: &Outgoing) -> Self {
        Self {
            peer: message.peer,
            mode: message.mode,
            policy: message.policy,
            urgency: message.urgency,
            size: message.size,
            prefer: message.prefer.clone(),
            fallback: message.fallback.clone(),
            without: Vec::new(),
        }
    }
}
