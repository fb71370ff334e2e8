//! The circuit breaker of one transport.
//!
//! A breaker speaks for the transport as a whole. A peer that is away makes sends to that peer fail, which says
//! nothing about the others: such failures count only when they come from several peers, or from the only one
//! the transport serves.

use std::{collections::BTreeSet, time::Duration};

use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use super::{Config, Reason, ReasonKind, retry};
use crate::wire::Fingerprint;

/// A circuit breaker, as shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "breaker", rename_all = "snake_case")]
pub enum Breaker {
    /// Traffic flows.
    Closed,
    /// No traffic until the cool-down ends.
    Open {
        /// Milliseconds left when this was reported.
        cooldown_ms: u64,
        /// What opened it.
        reason: Reason,
    },
    /// One probe decides.
    HalfOpen,
}

#[derive(Clone, Debug, Default)]
enum Circuit {
    #[default]
    Closed,
    Open {
        until: Duration,
        reason: Reason,
    },
    HalfOpen {
        reason: Reason,
    },
}

/// What a failure says about the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// The transport itself is at fault, whoever the peer is.
    Transport,
    /// The transport or the peer.
    Either,
    /// No ack came: the transport may have lost it, the peer may be away.
    Silence,
    /// Nothing (the frame did not fit, we stopped it).
    Nobody,
}

impl Blame {
    /// What a failed send with a reason of this kind says.
    pub(super) fn of(kind: ReasonKind) -> Self {
        match kind {
            ReasonKind::Io
            | ReasonKind::AuthRefused
            | ReasonKind::NoSpace
            | ReasonKind::NotConfigured
            | ReasonKind::Protocol => Self::Transport,
            ReasonKind::Unreachable | ReasonKind::Timeout | ReasonKind::Disconnected | ReasonKind::Other => {
                Self::Either
            }
            ReasonKind::NoAck => Self::Silence,
            _ => Self::Nobody,
        }
    }
}

/// The breaker and what it has seen.
#[derive(Debug, Default)]
pub(super) struct Switch {
    circuit: Circuit,
    /// Failures in a row, bursts counted once.
    consecutive: u32,
    last_failure: Option<Duration>,
    /// Peers that failed since the last success; two are enough to know.
    peers: BTreeSet<Fingerprint>,
    /// The latest outcomes, the newest in the lowest bit, failures as ones.
    outcomes: u32,
    known: u32,
    /// Openings since traffic last got through: each doubles the cool-down.
    trips: u32,
}

/// One failure, as the breaker weighs it.
pub(super) struct Failure<'a> {
    pub(super) now: Duration,
    /// When the failed attempt began: of attempts that failed together only the first counts as one in a row.
    pub(super) started: Duration,
    pub(super) peer: Fingerprint,
    /// Peers that have a route over the transport.
    pub(super) served: usize,
    pub(super) blame: Blame,
    pub(super) reason: &'a Reason,
}

impl Switch {
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.circuit, Circuit::Closed)
    }

    pub(super) fn is_half_open(&self) -> bool {
        matches!(self.circuit, Circuit::HalfOpen { .. })
    }

    /// When the cool-down ends.
    pub(super) fn open_until(&self) -> Option<Duration> {
        match self.circuit {
            Circuit::Open { until, .. } => Some(until),
            _ => None,
        }
    }

    pub(super) fn view(&self, now: Duration) -> Breaker {
        match &self.circuit {
            Circuit::Closed => Breaker::Closed,
            Circuit::Open { until, reason } => {
                let left = until.saturating_sub(now).as_millis();
                Breaker::Open { cooldown_ms: u64::try_from(left).unwrap_or(u64::MAX), reason: reason.clone() }
            }
            Circuit::HalfOpen { .. } => Breaker::HalfOpen,
        }
    }

    /// A next hop took a frame: there is no failure in a row any more. Says whether that closed the breaker.
    pub(super) fn accepted(&mut self) -> bool {
        self.consecutive = 0;
        self.peers.clear();
        self.close()
    }

    /// A frame arrived at its end. Says whether that closed the breaker.
    pub(super) fn delivered(&mut self) -> bool {
        self.note(false);
        self.trips = 0;
        self.accepted()
    }

    fn note(&mut self, failed: bool) {
        self.outcomes = self.outcomes << 1 | u32::from(failed);
        self.known = (self.known + 1).min(32);
    }

    /// Takes in a failure. Says whether it opened the breaker.
    pub(super) fn failed(&mut self, failure: &Failure<'_>, config: &Config, rng: &mut StdRng) -> bool {
        if failure.blame == Blame::Nobody || !self.is_closed() {
            return false;
        }
        self.note(true);
        if self.peers.len() < 2 {
            self.peers.insert(failure.peer);
        }
        let in_a_row = self.last_failure.is_none_or(|last| failure.started >= last);
        self.last_failure = Some(failure.now);
        if in_a_row && failure.blame != Blame::Silence {
            self.consecutive = self.consecutive.saturating_add(1);
        }
        let general = failure.blame == Blame::Transport
            || self.peers.len() >= 2
            || (failure.served <= 1 && failure.blame == Blame::Either);
        if general && (self.consecutive >= config.breaker_failures.max(1) || self.rate_is_bad(config)) {
            self.open(failure.now, failure.reason.clone(), config, rng);
            return true;
        }
        false
    }

    fn rate_is_bad(&self, config: &Config) -> bool {
        let wanted = config.breaker_samples.clamp(1, 32);
        let recent = self.outcomes & (u32::MAX >> (32 - wanted));
        self.known >= wanted && f64::from(recent.count_ones()) >= config.breaker_rate * f64::from(wanted)
    }

    fn open(&mut self, now: Duration, reason: Reason, config: &Config, rng: &mut StdRng) {
        let base = config.breaker_cooldown.saturating_mul(1_u32 << self.trips.min(16));
        let cooldown = retry::jittered(base.min(config.breaker_cooldown_max), config.jitter, rng);
        self.trips = self.trips.saturating_add(1);
        self.forget_failures();
        self.circuit = Circuit::Open { until: now + cooldown, reason };
    }

    fn forget_failures(&mut self) {
        self.consecutive = 0;
        self.peers.clear();
        self.outcomes = 0;
        self.known = 0;
    }

    /// The cool-down is over (or cut short): the next probe decides. Says whether it was open.
    pub(super) fn half_open(&mut self) -> bool {
        let Circuit::Open { reason, .. } = &self.circuit else { return false };
        self.circuit = Circuit::HalfOpen { reason: reason.clone() };
        true
    }

    /// A probe failed or was not answered. Says whether the breaker opened again.
    pub(super) fn probe_failed(&mut self, now: Duration, reason: Reason, config: &Config, rng: &mut StdRng) -> bool {
        if !self.is_half_open() {
            return false;
        }
        self.open(now, reason, config, rng);
        true
    }

    /// There is proof that the transport works. The next failure opens it again, for longer, unless a frame gets
    /// through before. Says whether it was not closed.
    pub(super) fn close(&mut self) -> bool {
        if self.is_closed() {
            return false;
        }
        self.circuit = Circuit::Closed;
        true
    }

    /// What opened it, while it is not closed.
    pub(super) fn reason(&self) -> Option<&Reason> {
        match &self.circuit {
            Circuit::Closed => None,
            Circuit::Open { reason, .. } | Circuit::HalfOpen { reason } => Some(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    struct Bench {
        switch: Switch,
        config: Config,
        rng: StdRng,
        now: Duration,
        served: usize,
    }

    impl Bench {
        fn new(served: usize) -> Self {
            let rng = StdRng::seed_from_u64(1);
            Self { switch: Switch::default(), config: Config::default(), rng, now: Duration::ZERO, served }
        }

        fn fail(&mut self, peer: u8, kind: ReasonKind) -> bool {
            self.now += Duration::from_secs(1);
            let failure = Failure {
                now: self.now,
                started: self.now,
                peer: Fingerprint::from_bytes(&[peer; 20]).unwrap(),
                served: self.served,
                blame: Blame::of(kind),
                reason: &Reason::new(kind, "no"),
            };
            self.switch.failed(&failure, &self.config, &mut self.rng)
        }

        fn cooldown(&self) -> Duration {
            self.switch.open_until().unwrap() - self.now
        }
    }

    #[test]
    fn one_absent_peer_of_many_opens_nothing_but_two_do() {
        let mut bench = Bench::new(5);
        assert!(!(0..50).any(|_| bench.fail(1, ReasonKind::Unreachable)));
        assert!(bench.fail(2, ReasonKind::Unreachable));
        let mut bench = Bench::new(1);
        assert!(!bench.fail(1, ReasonKind::Unreachable) && !bench.fail(1, ReasonKind::Timeout));
        assert!(bench.fail(1, ReasonKind::Unreachable));
    }

    #[test]
    fn a_fault_of_the_transport_counts_whoever_the_peer_is() {
        let mut bench = Bench::new(9);
        assert!(!bench.fail(1, ReasonKind::Io) && !bench.fail(1, ReasonKind::Io));
        assert!(bench.fail(1, ReasonKind::Io));
        assert!(matches!(bench.switch.view(bench.now), Breaker::Open { cooldown_ms, .. } if cooldown_ms > 8_000));
    }

    #[test]
    fn silence_of_one_peer_never_opens_it_and_what_does_not_fit_never_counts() {
        let mut bench = Bench::new(1);
        assert!(!(0..100).any(|_| bench.fail(1, ReasonKind::NoAck)));
        assert!(!(0..100).any(|_| bench.fail(1, ReasonKind::TooLarge)));
        let mut bench = Bench::new(2);
        assert!((0..100).any(|n| bench.fail(n % 2, ReasonKind::NoAck)));
    }

    #[test]
    fn a_bad_share_opens_it_even_with_successes_between() {
        let mut bench = Bench::new(1);
        let opened = (0..40).any(|n| {
            if n % 3 == 0 {
                bench.switch.delivered();
            }
            bench.fail(1, ReasonKind::Io)
        });
        assert!(opened);
    }

    #[test]
    fn attempts_that_fail_together_count_once() {
        let mut bench = Bench::new(1);
        bench.fail(1, ReasonKind::Io);
        let reason = Reason::new(ReasonKind::Io, "no");
        let peer = Fingerprint::from_bytes(&[1; 20]).unwrap();
        for _ in 0..5 {
            let (now, started) = (bench.now, Duration::ZERO);
            let failure = Failure { now, started, peer, served: 1, blame: Blame::Transport, reason: &reason };
            assert!(!bench.switch.failed(&failure, &bench.config, &mut bench.rng));
        }
    }

    #[test]
    fn each_failed_probe_doubles_the_cooldown_up_to_the_bound() {
        let mut bench = Bench::new(1);
        assert_eq!((0..3).filter(|_| bench.fail(1, ReasonKind::Io)).count(), 1);
        let mut last = bench.cooldown();
        for _ in 0..4 {
            assert!(bench.switch.half_open() && bench.switch.is_half_open());
            let reason = Reason::new(ReasonKind::Io, "no");
            assert!(bench.switch.probe_failed(bench.now, reason, &bench.config, &mut bench.rng));
            assert!(bench.cooldown() > last.mul_f64(1.5));
            last = bench.cooldown();
        }
        for _ in 0..20 {
            bench.switch.half_open();
            bench.switch.probe_failed(bench.now, Reason::new(ReasonKind::Io, "no"), &bench.config, &mut bench.rng);
        }
        assert!(bench.cooldown() <= bench.config.breaker_cooldown_max.mul_f64(1.1));
        bench.switch.half_open();
        assert!(bench.switch.close() && bench.switch.is_closed());
        bench.switch.delivered();
        assert_eq!((0..3).filter(|_| bench.fail(1, ReasonKind::Io)).count(), 1);
        assert!(bench.cooldown() < Duration::from_secs(12));
    }
}
