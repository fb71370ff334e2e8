//! How a transport does, as measured from its own traffic.

use super::{Breaker, Reason, TransportId};
use crate::wire::Timestamp;

/// One transport as the machine sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct PathHealth {
    /// Its name.
    pub transport: TransportId,
    /// Lower goes first.
    pub priority: u16,
    /// Whether the user has it switched on.
    pub enabled: bool,
    /// Whether it said it is ready.
    pub up: bool,
    /// Whether it goes up and down so often that it is used only where nothing else is left.
    pub flapping: bool,
    /// Smoothed milliseconds from send to ack (to acceptance, or of a probe, before any ack).
    pub latency_ms: Option<f64>,
    /// The latest latencies in milliseconds, oldest first, at most 32.
    pub recent_ms: Vec<f64>,
    /// Smoothed share of attempts that succeeded, 0 to 1.
    pub success: f64,
    /// Frames accepted by the next hop.
    pub sent: u64,
    /// Attempts that failed or stayed silent.
    pub failed: u64,
    /// Bytes out.
    pub bytes_out: u64,
    /// Attempts under way.
    pub in_flight: usize,
    /// The circuit breaker.
    pub breaker: Breaker,
    /// The latest errors, newest last, at most 8.
    pub errors: Vec<(Timestamp, Reason)>,
}
