//! How a transport does, as measured from its own traffic.

use std::{collections::VecDeque, time::Duration};

use super::{Breaker, Reason, TransportId};
use crate::wire::Timestamp;

/// Latest latencies kept.
const RECENT: usize = 32;
/// Latest errors kept.
const ERRORS: usize = 8;

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
    /// When its call windows open; none while they are open.
    pub opens: Option<Timestamp>,
    /// When bulk may go; none while it may.
    pub bulk_opens: Option<Timestamp>,
    /// The user's limit on the size of a message in bytes, sealed; none where there is none.
    pub max_bytes: Option<usize>,
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

/// What is measured of one transport.
#[derive(Debug, Default)]
pub(super) struct Meter {
    latency: Option<f64>,
    /// Whether `latency` comes from acks; until then acceptances and probes have to do.
    from_acks: bool,
    pub(super) recent: VecDeque<f64>,
    pub(super) success: Share,
    pub(super) sent: u64,
    pub(super) failed: u64,
    pub(super) bytes_out: u64,
    pub(super) errors: VecDeque<(Timestamp, Reason)>,
    /// When its health was last reported.
    pub(super) reported: Option<Duration>,
}

impl Meter {
    /// Smoothed milliseconds.
    pub(super) fn latency(&self) -> Option<f64> {
        self.latency
    }

    /// A round trip to the recipient and back, in milliseconds.
    pub(super) fn acked(&mut self, ms: f64) {
        if !self.from_acks {
            self.latency = None;
            self.from_acks = true;
            self.recent.clear();
        }
        self.push(ms);
    }

    /// A round trip to the next hop only, in milliseconds; counts as long as no ack was measured.
    pub(super) fn answered(&mut self, ms: f64) {
        if !self.from_acks {
            self.push(ms);
        }
    }

    fn push(&mut self, ms: f64) {
        self.latency = Some(self.latency.map_or(ms, |old| 0.875 * old + 0.125 * ms));
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(ms);
    }

    pub(super) fn error(&mut self, at: Timestamp, reason: Reason) {
        if self.errors.len() == ERRORS {
            self.errors.pop_front();
        }
        self.errors.push_back((at, reason));
    }
}

/// After so many seconds without use, half of what is held against a path is forgotten.
const FORGIVE_HALF: f64 = 120.0;

/// A smoothed share of successes. Begins at one: a path is good until shown otherwise. What speaks against a path
/// fades with time, for a path that is avoided has no chance to show that it is good again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Share {
    missing: f64,
    at: Duration,
}

impl Share {
    pub(super) fn get(self, now: Duration) -> f64 {
        1.0 - self.missing * 0.5_f64.powf(now.saturating_sub(self.at).as_secs_f64() / FORGIVE_HALF)
    }

    pub(super) fn add(&mut self, now: Duration, success: bool) {
        self.missing = 0.85 * (1.0 - self.get(now)) + if success { 0.0 } else { 0.15 };
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::ReasonKind;

    #[test]
    fn acks_take_the_place_of_what_was_only_accepted() {
        let mut meter = Meter::default();
        meter.answered(2.0);
        assert_eq!(meter.latency(), Some(2.0));
        meter.acked(80.0);
        meter.answered(1.0);
        assert_eq!(meter.latency(), Some(80.0));
        assert_eq!(meter.recent, [80.0]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut meter = Meter::default();
        for n in 0..100 {
            meter.acked(f64::from(n));
            meter.error(Timestamp::from_unix_ms(i64::from(n)), Reason::new(ReasonKind::Io, "no"));
        }
        assert_eq!((meter.recent.len(), meter.errors.len()), (RECENT, ERRORS));
        assert_eq!(meter.recent.back(), Some(&99.0));
        assert_eq!(meter.errors.front().map(|(at, _)| at.unix_ms()), Some(92));
    }

    #[test]
    fn the_share_falls_with_failures_and_recovers() {
        let (mut share, now) = (Share::default(), Duration::from_secs(9));
        (0..5).for_each(|_| share.add(now, false));
        let low = share.get(now);
        assert!(low < 0.5);
        assert!((1.0 - share.get(Duration::from_secs(129)) - (1.0 - low) / 2.0).abs() < 1e-9, "time forgives");
        (0..30).for_each(|_| share.add(now, true));
        assert!(share.get(now) > 0.98);
    }
}
