//! The circuit breaker of one transport.

use serde::{Deserialize, Serialize};

use super::Reason;

/// A circuit breaker, as shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "breaker", rename_all = "snake_case")]
pub enum Breaker {
    /// Traffic flows.
    Closed,
    /// No traffic until the cool-down ends.
    Open {
        /// Milliseconds left when this was reported.
        cooldown_ms: u64,
        /// What opened it.
        reason: Reason,
    },
    /// One probe decides.
    HalfOpen,
}
