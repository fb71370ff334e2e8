//! How fast known peers may write to us. Who is faster is not refused: its messages are left with the transport that
//! brought them (or with the sender) and taken later, so that a flood of one does not starve the others.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crate::wire::Fingerprint;

/// How many seconds' worth of messages may come at once after a quiet time.
const BURST_SECONDS: f64 = 60.0;

/// A peer's allowance: grows with time, and a message takes one.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Duration,
}

/// The allowances of all peers.
#[derive(Debug)]
pub(super) struct Pace {
    /// Messages a second; no bound when zero.
    rate: f64,
    buckets: BTreeMap<Fingerprint, Bucket>,
    /// Peers that have none left: shared with the threads that open frames, so that theirs are not even opened.
    held_back: Arc<BTreeSet<Fingerprint>>,
}

impl Pace {
    /// At most `rate` messages a second of each peer in the long run; no bound when zero.
    pub(super) fn new(rate: u32) -> Self {
        Self { rate: f64::from(rate), buckets: BTreeMap::new(), held_back: Arc::default() }
    }

    fn left(&self, peer: &Fingerprint, now: Duration) -> f64 {
        let most = self.rate * BURST_SECONDS;
        self.buckets
            .get(peer)
            .map_or(most, |bucket| (bucket.left + self.rate * now.saturating_sub(bucket.at).as_secs_f64()).min(most))
    }

    /// Whether an authentic message of `peer` may be taken now.
    pub(super) fn take(&mut self, peer: Fingerprint, now: Duration) -> bool {
        if self.rate == 0.0 {
            return true;
        }
        let left = self.left(&peer, now);
        let may = left >= 1.0;
        self.buckets.insert(peer, Bucket { left: if may { left - 1.0 } else { left }, at: now });
        if !may {
            Arc::make_mut(&mut self.held_back).insert(peer);
        }
        may
    }

    /// Who is held back at `now`: until a second's worth has gathered.
    pub(super) fn held_back(&mut self, now: Duration) -> Arc<BTreeSet<Fingerprint>> {
        let free: Vec<Fingerprint> =
            self.held_back.iter().filter(|peer| self.left(peer, now) >= self.rate).copied().collect();
        if !free.is_empty() {
            let held_back = Arc::make_mut(&mut self.held_back);
            held_back.retain(|peer| !free.contains(peer));
        }
        self.held_back.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u8) -> Fingerprint {
        Fingerprint::from_bytes(&[n; 20]).unwrap()
    }

    #[test]
    fn a_flood_is_slowed_to_the_rate_and_costs_only_its_own_sender() {
        let mut pace = Pace::new(5);
        let at = Duration::from_millis;
        let taken = (0..10_000).filter(|n| pace.take(peer(1), at(*n))).count();
        assert_eq!(taken, 300 + 49, "a minute's worth at once, then five a second");
        assert!(pace.held_back(at(10_000)).contains(&peer(1)));
        assert!(pace.take(peer(2), at(10_000)) && !pace.held_back(at(10_000)).contains(&peer(2)));
        assert!(pace.held_back(at(11_100)).is_empty(), "a second later it may go on");
        assert!(pace.take(peer(1), at(11_100)));
    }

    #[test]
    fn zero_is_no_bound() {
        let mut pace = Pace::new(0);
        assert!((0..100_000).all(|_| pace.take(peer(1), Duration::ZERO)));
        assert!(pace.held_back(Duration::ZERO).is_empty());
    }
}
