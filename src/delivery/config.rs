//! The machine's numbers.

use std::time::Duration;

use crate::wire::limits;

/// The machine's numbers, with their defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Waits between rounds over all paths; the last one repeats.
    pub retry: Vec<Duration>,
    /// Waits before a message that a next hop keeps for the recipient is sent again; the last one repeats.
    pub stored_retry: Vec<Duration>,
    /// Share by which a wait may be longer or shorter, 0 to 0.5.
    pub jitter: f64,
    /// Whether rounds in which nobody was reached use up retries. If not, a message to a peer that is away waits
    /// until its time to live ends, and only refusals make it fail earlier.
    pub away_counts: bool,
    /// Refused rounds after which a control message is given up, whatever it asks for.
    pub control_retries: u32,
    /// Most messages that wait for one peer, control messages left out.
    pub queued_per_peer: usize,
    /// Most messages in all, control messages left out.
    pub queued_total: usize,
    /// Most control messages that wait for one peer.
    pub control_per_peer: usize,
    /// Most messages of one peer on one transport that are under way (unacked where no next hop stores).
    pub window: u32,
    /// The window before anything is known of a path.
    pub window_start: u32,
    /// Most sends at once in one transport's hands; half as many again for control and critical messages. A message
    /// that fails over does not wait for room.
    pub transport_window: usize,
    /// Failures in a row that open a breaker.
    pub breaker_failures: u32,
    /// Share of failures that opens a breaker.
    pub breaker_rate: f64,
    /// Outcomes that must be known before the share counts, at most 32.
    pub breaker_samples: u32,
    /// The first cool-down; each further one is twice as long.
    pub breaker_cooldown: Duration,
    /// The longest cool-down.
    pub breaker_cooldown_max: Duration,
    /// How long a probe may take.
    pub probe_timeout: Duration,
    /// Shortest time between two health reports of one transport.
    pub health_every: Duration,
    /// Messages remembered after their end, for late acks and read receipts.
    pub remember: usize,
    /// Lines of the ledger kept for one message, the newest.
    pub ledger: usize,
    /// A peer of whom nothing was heard for so long counts as away.
    pub away_after: Duration,
    /// A frame of a peer ends the rest of a path whose last failure is at least so long ago.
    pub heard_gap: Duration,
    /// A path that left so many messages in a row without an ack is used only after all others.
    pub suspect_after: u32,
    /// For how long it is; twice as long for each further one. After that it gets another chance.
    pub suspect_for: Duration,
    /// A transport that came up so often within [`Config::flap_window`] is flapping.
    pub flap_count: usize,
    /// See [`Config::flap_count`].
    pub flap_window: Duration,
    /// An alarm that fires later than this was delayed by the driver: acks that wait in the driver's queue are
    /// let in first.
    pub late_alarm: Duration,
    /// A difference between wall and monotonic time that is reported as a jump.
    pub clock_jump: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let secs = |list: &[u64]| list.iter().copied().map(Duration::from_secs).collect();
        Self {
            retry: secs(&[5, 15, 60, 300, 900, 3_600]),
            stored_retry: secs(&[3_600, 7_200, 14_400, 28_800, 86_400]),
            jitter: 0.1,
            away_counts: false,
            control_retries: 3,
            queued_per_peer: limits::QUEUED_PER_PEER,
            queued_total: 100_000,
            control_per_peer: limits::QUEUED_PER_PEER,
            window: 64,
            window_start: 16,
            transport_window: 256,
            breaker_failures: 3,
            breaker_rate: 0.6,
            breaker_samples: 10,
            breaker_cooldown: Duration::from_secs(10),
            breaker_cooldown_max: Duration::from_secs(600),
            probe_timeout: Duration::from_secs(15),
            health_every: Duration::from_millis(250),
            remember: 4_096,
            ledger: 64,
            away_after: Duration::from_secs(600),
            heard_gap: Duration::from_secs(2),
            suspect_after: 2,
            suspect_for: Duration::from_secs(60),
            flap_count: 4,
            flap_window: Duration::from_secs(120),
            late_alarm: Duration::from_millis(250),
            clock_jump: Duration::from_secs(120),
        }
    }
}
