//! Lets a few through and counts the rest: a flood from outside must not become a flood on the screen or in the log.

use std::{collections::VecDeque, time::Duration};

const WINDOW: Duration = Duration::from_secs(60);

/// Lets at most so many through a minute.
#[derive(Debug)]
pub(super) struct Throttle {
    most: usize,
    recent: VecDeque<Duration>,
    swallowed: u64,
}

impl Throttle {
    /// At most `most` a minute.
    pub(super) fn new(most: usize) -> Self {
        Self { most, recent: VecDeque::new(), swallowed: 0 }
    }

    /// Whether one may pass at `now` (monotonic): then how many did not since the last that did.
    pub(super) fn pass(&mut self, now: Duration) -> Option<u64> {
        while self.recent.front().is_some_and(|at| now.saturating_sub(*at) >= WINDOW) {
            self.recent.pop_front();
        }
        if self.recent.len() >= self.most {
            self.swallowed += 1;
            return None;
        }
        self.recent.push_back(now);
        Some(std::mem::take(&mut self.swallowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_counted_and_told_with_the_next() {
        let mut throttle = Throttle::new(2);
        let at = Duration::from_secs;
        assert_eq!((throttle.pass(at(0)), throttle.pass(at(1))), (Some(0), Some(0)));
        assert_eq!((throttle.pass(at(2)), throttle.pass(at(59))), (None, None));
        assert_eq!(throttle.pass(at(60)), Some(2));
        assert_eq!(throttle.pass(at(60)), None);
        assert_eq!(throttle.pass(at(61)), Some(1));
    }
}
