//! The one place of the node that reads clocks and randomness.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::{delivery::Now, wire::Timestamp};

/// Reads the monotonic and the wall clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    /// Monotonic time counts from now.
    pub(super) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Both clocks.
    pub(super) fn now(&self) -> Now {
        Now { mono: self.start.elapsed(), wall: wall() }
    }

    /// The instant at which `mono` will be reached.
    pub(super) fn instant(&self, mono: Duration) -> tokio::time::Instant {
        (self.start + mono).into()
    }
}

/// The wall clock.
pub(crate) fn wall() -> Timestamp {
    let ms = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    };
    Timestamp::from_unix_ms(ms)
}
