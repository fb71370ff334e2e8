//! Alarms, one for each thing that may be due, in the order of their time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{AttemptId, TransportId};
use crate::wire::{EnvelopeId, Fingerprint};

/// What may be due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// No ack (or no answer of the transport) so far: try another path.
    Ack(AttemptId),
    /// The transport did not keep its deadline.
    Answer(AttemptId),
    /// A message's own next try.
    Retry(EnvelopeId),
    /// A message's time to live ends.
    Expire(EnvelopeId),
    /// A path of a peer that rested may be tried again.
    Peer(Fingerprint),
    /// A breaker's cool-down or probe ends.
    Breaker(TransportId),
    /// A health report that was put off.
    Health(TransportId),
    /// A window of a transport opens or closes.
    Hours(TransportId),
}

/// The alarms. Setting one that is set moves it.
#[derive(Debug, Default)]
pub(super) struct Timers {
    queue: BTreeSet<(Duration, Timer)>,
    at: BTreeMap<Timer, Duration>,
    /// What is set while alarms fire is due after this, so that firing always comes to an end.
    floor: Duration,
}

impl Timers {
    pub(super) fn set(&mut self, timer: Timer, at: Duration) {
        let at = at.max(self.floor);
        self.clear(&timer);
        self.queue.insert((at, timer.clone()));
        self.at.insert(timer, at);
    }

    pub(super) fn clear(&mut self, timer: &Timer) {
        if let Some((at, timer)) = self.at.remove_entry(timer).map(|(timer, at)| (at, timer)) {
            self.queue.remove(&(at, timer));
        }
    }

    pub(super) fn is_set(&self, timer: &Timer) -> bool {
        self.at.contains_key(timer)
    }

    pub(super) fn at(&self, timer: &Timer) -> Option<Duration> {
        self.at.get(timer).copied()
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes the earliest alarm that is due at `now`, with the time it was set for.
    pub(super) fn pop_due(&mut self, now: Duration) -> Option<(Duration, Timer)> {
        self.floor = now + Duration::from_millis(1);
        if self.next()? > now {
            return None;
        }
        let (at, timer) = self.queue.pop_first()?;
        self.at.remove(&timer);
        Some((at, timer))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer(n: u64) -> Timer {
        Timer::Ack(AttemptId(n))
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn alarms_fire_in_order_and_moved_ones_only_once() {
        let mut timers = Timers::default();
        timers.set(timer(1), ms(30));
        timers.set(timer(2), ms(20));
        timers.set(timer(1), ms(10));
        timers.set(timer(3), ms(99));
        timers.clear(&timer(2));
        assert_eq!(timers.next(), Some(ms(10)));
        assert_eq!(timers.pop_due(ms(50)), Some((ms(10), timer(1))));
        assert_eq!(timers.pop_due(ms(50)), None);
        assert_eq!(timers.len(), 1);
        assert!(timers.is_set(&timer(3)) && !timers.is_set(&timer(1)));
    }

    #[test]
    fn an_alarm_set_while_firing_is_due_later() {
        let mut timers = Timers::default();
        timers.set(timer(1), ms(10));
        assert!(timers.pop_due(ms(50)).is_some());
        timers.set(timer(1), ms(10));
        assert_eq!(timers.pop_due(ms(50)), None);
        assert_eq!(timers.next(), Some(ms(51)));
    }
}
