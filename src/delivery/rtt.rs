//! How long to wait for an ack: the round trip of one path, as RFC 6298 estimates it.

use std::time::Duration;

use super::LatencyClass;

/// Longest back-off: 2 to this power.
const BACKOFF_MAX: u32 = 6;
/// How slowly the longest round trip is forgotten, per sample.
const PEAK_DECAY: f64 = 0.997;

/// The round trip of one path. Samples must be unambiguous (Karn): of a message that was sent over the path
/// exactly once.
#[derive(Clone, Debug, Default)]
pub(super) struct Rtt {
    smoothed: Option<f64>,
    variation: f64,
    /// Bursts make single round trips long on a path that is fine; a time-out below the longest of late would call
    /// such a path silent.
    peak: f64,
    backoff: u32,
}

impl Rtt {
    /// Takes in one round trip, in milliseconds.
    pub(super) fn sample(&mut self, ms: f64) {
        let ms = ms.max(0.0);
        match self.smoothed {
            None => {
                self.smoothed = Some(ms);
                self.variation = ms / 2.0;
            }
            Some(smoothed) => {
                self.variation = 0.75 * self.variation + 0.25 * (smoothed - ms).abs();
                self.smoothed = Some(0.875 * smoothed + 0.125 * ms);
            }
        }
        self.peak = ms.max(self.peak * PEAK_DECAY);
        self.backoff = 0;
    }

    /// An ack did not come in time: wait twice as long next time, until a sample says better.
    pub(super) fn silence(&mut self) {
        self.backoff = (self.backoff + 1).min(BACKOFF_MAX);
    }

    /// Smoothed milliseconds.
    pub(super) fn smoothed(&self) -> Option<f64> {
        self.smoothed
    }

    /// How long to wait for an ack, within the bounds of the transport's latency class. More generous than TCP's
    /// time-out, because below the path there is often a TCP that repairs a loss by itself, and giving up on a living
    /// path costs a duplicate.
    pub(super) fn timeout(&self, class: LatencyClass) -> Duration {
        let (low, high) = class.ack_bounds();
        let base = match self.smoothed {
            None => class.ack_initial().as_secs_f64() * 1_000.0,
            Some(smoothed) => {
                let margin = class.ack_initial().as_secs_f64() * 500.0;
                (smoothed + (4.0 * self.variation).max(2.0 * smoothed) + margin).max(1.5 * self.peak)
            }
        };
        let base = base.max(low.as_secs_f64() * 1_000.0);
        let ms = base * f64::from(1_u32 << self.backoff);
        Duration::from_secs_f64(ms.min(high.as_secs_f64() * 1_000.0) / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_wait_is_the_class_default_and_every_wait_is_within_bounds() {
        for class in [LatencyClass::Instant, LatencyClass::Fast, LatencyClass::Slow, LatencyClass::Courier] {
            let (low, high) = class.ack_bounds();
            let mut rtt = Rtt::default();
            assert_eq!(rtt.timeout(class), class.ack_initial());
            rtt.sample(0.1);
            assert!(rtt.timeout(class) >= low && rtt.timeout(class) < class.ack_initial());
            rtt.sample(1e12);
            assert_eq!(rtt.timeout(class), high);
        }
    }

    #[test]
    fn silence_doubles_the_wait_until_the_next_sample() {
        let mut rtt = Rtt::default();
        rtt.sample(1_000.0);
        let calm = rtt.timeout(LatencyClass::Instant);
        assert_eq!(calm, Duration::from_millis(4_500));
        rtt.silence();
        assert_eq!(rtt.timeout(LatencyClass::Instant), 2 * calm);
        (0..40).for_each(|_| rtt.silence());
        assert_eq!(rtt.timeout(LatencyClass::Instant), Duration::from_secs(10));
        rtt.sample(1_000.0);
        assert!(rtt.timeout(LatencyClass::Instant) < 2 * calm);
    }

    #[test]
    fn a_burst_is_remembered_when_calm_returns() {
        let mut rtt = Rtt::default();
        (0..50).for_each(|_| rtt.sample(600.0));
        assert!(rtt.timeout(LatencyClass::Instant) > Duration::from_secs(3));
        rtt.sample(4_000.0);
        (0..20).for_each(|_| rtt.sample(600.0));
        assert!(rtt.timeout(LatencyClass::Instant) > Duration::from_millis(4_500));
    }
}
