//! Waiting times that grow with each failure, with jitter so that many do not come back at the same instant.

use std::time::Duration;

/// Doubles from `first` to `most`; each wait is between three quarters and five quarters of that.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, failures: 0 }
    }

    /// The next failure's wait.
    pub(crate) fn fail(&mut self) -> Duration {
        let grown = self.first.saturating_mul(1 << self.failures.min(20));
        self.failures = self.failures.saturating_add(1);
        grown.min(self.most).mul_f64(rand::random_range(0.75..1.25))
    }

    /// It worked: the next failure waits shortest again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_are_bounded_and_start_over() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let within = |wait: Duration, ms: u64| {
            let (low, high) = (ms * 3 / 4, ms * 5 / 4);
            assert!((low..=high).contains(&(wait.as_millis() as u64)), "{wait:?} for {ms} ms");
        };
        for ms in [100, 200, 400, 800, 1000, 1000] {
            within(backoff.fail(), ms);
        }
        for _ in 0..100 {
            within(backoff.fail(), 1000);
        }
        backoff.reset();
        within(backoff.fail(), 100);
    }
}
