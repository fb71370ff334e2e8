//! The one place of the node that reads clocks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::{delivery::Now, wire::Timestamp};

/// Reads the monotonic and the wall clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Duration,
}

impl Clock {
    /// Monotonic time counts from now.
    pub(super) fn start() -> Self {
        Self { start: awake_or_asleep() }
    }

    /// Both clocks.
    pub(super) fn now(&self) -> Now {
        Now { mono: awake_or_asleep().saturating_sub(self.start), wall: wall() }
    }

    /// The instant at which `mono` will be reached.
    pub(super) fn instant(&self, mono: Duration) -> tokio::time::Instant {
        tokio::time::Instant::now() + mono.saturating_sub(self.now().mono)
    }
}

/// Monotonic time that also counts while the machine sleeps: a time to live passes then, too.
fn awake_or_asleep() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// The wall clock.
pub(crate) fn wall() -> Timestamp {
    let ms = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    };
    Timestamp::from_unix_ms(ms)
}
