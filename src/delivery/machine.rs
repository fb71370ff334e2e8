//! The machine's entry: one function for everything that happens, one for the next alarm.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use rand::{SeedableRng, rngs::StdRng};

use super::{
    Action, AttemptId, AttemptRecord, Config, Input, MessageState, Now, PathHealth, QueueCounts, ReasonKind, Schedule,
    TransportId,
    carrier::Carrier,
    message::{Attempt, Message},
    peer::{Peer, Place},
    timer::{Timer, Timers},
};
use crate::wire::{EnvelopeId, Fingerprint, Timestamp};

/// The delivery machine: told what happened and what time it is, it says what to do.
#[derive(Debug)]
pub struct Machine {
    pub(super) config: Config,
    pub(super) rng: StdRng,
    pub(super) timers: Timers,
    pub(super) messages: BTreeMap<EnvelopeId, Message>,
    pub(super) attempts: BTreeMap<AttemptId, Attempt>,
    pub(super) peers: BTreeMap<Fingerprint, Peer>,
    pub(super) carriers: BTreeMap<TransportId, Carrier>,
    /// When transports may be used that may not be used always.
    pub(super) schedules: BTreeMap<TransportId, Schedule>,
    /// Which peers have a route over a transport.
    pub(super) routed: BTreeMap<TransportId, BTreeSet<Fingerprint>>,
    /// Final messages, the oldest first, kept for late acks.
    pub(super) finals: VecDeque<EnvelopeId>,
    /// Messages of low urgency that are not final, the oldest first: what is evicted when all queues are full.
    pub(super) low: BTreeSet<(Timestamp, u64, EnvelopeId)>,
    pub(super) counts: QueueCounts,
    pub(super) last_attempt: u64,
    pub(super) last_seq: u64,
    /// Peers whose line may move.
    pub(super) dirty: BTreeSet<Fingerprint>,
    /// Peers whose turn it is in a transport that was full: they go before the others.
    pub(super) granted: VecDeque<Fingerprint>,
    /// Transports whose health changed, and whether it must be said at once.
    pub(super) touched: BTreeMap<TransportId, bool>,
    pub(super) out: Vec<Action>,
    last: Option<Now>,
}

impl Machine {
    /// An empty machine. `seed` feeds the jitter: the same seed and inputs give the same actions.
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            config,
            rng: StdRng::seed_from_u64(seed),
            timers: Timers::default(),
            messages: BTreeMap::new(),
            attempts: BTreeMap::new(),
            peers: BTreeMap::new(),
            carriers: BTreeMap::new(),
            schedules: BTreeMap::new(),
            routed: BTreeMap::new(),
            finals: VecDeque::new(),
            low: BTreeSet::new(),
            counts: QueueCounts::default(),
            last_attempt: 0,
            last_seq: 0,
            dirty: BTreeSet::new(),
            granted: VecDeque::new(),
            touched: BTreeMap::new(),
            out: Vec::new(),
            last: None,
        }
    }

    /// Takes in what happened, fires every timer that is due at `now`, and says what to do, in order.
    ///
    /// Monotonic time that runs backwards is taken as standing still.
    pub fn handle(&mut self, now: Now, input: Input) -> Vec<Action> {
        let now = self.observe_clocks(now);
        if self.out.iter().any(|action| matches!(action, Action::ClockJump { .. })) {
            self.windows_moved(now);
        }
        // First what happened, then what did not: an ack that came in while the driver was busy must be seen
        // before the alarm that was to miss it.
        self.take(now, input);
        while let Some((due, timer)) = self.timers.pop_due(now.mono) {
            self.fire(now, due, timer);
        }
        while let Some(peer) = self.granted.pop_front().or_else(|| self.dirty.pop_first()) {
            self.dispatch(now, peer);
        }
        self.report_health(now);
        std::mem::take(&mut self.out)
    }

    /// When to call [`Machine::handle`] at the latest (with [`Input::Wake`] if nothing else happened): monotonic
    /// time as in [`Now::mono`]; none when nothing is pending.
    pub fn next_wake(&self) -> Option<Duration> {
        self.timers.next()
    }

    /// How every transport does, by name.
    pub fn health(&self, now: Now) -> Vec<PathHealth> {
        let one = |(id, carrier): (&TransportId, &Carrier)| {
            let schedule = self.schedules.get(id);
            PathHealth {
                opens: schedule.and_then(|schedule| schedule.opens(now.wall)),
                bulk_opens: schedule.and_then(|schedule| schedule.bulk_opens(now.wall)),
                max_bytes: schedule.and_then(|schedule| schedule.max_bytes),
                ..carrier.health(id, now, &self.config)
            }
        };
        self.carriers.iter().map(one).collect()
    }

    /// Where a message stands; none when it was never known or is forgotten.
    pub fn state(&self, envelope_id: &EnvelopeId) -> Option<&MessageState> {
        self.messages.get(envelope_id).map(|message| &message.state)
    }

    /// Whom a message is for; none when it was never known or is forgotten.
    pub fn recipient(&self, envelope_id: &EnvelopeId) -> Option<Fingerprint> {
        self.messages.get(envelope_id).map(|message| message.out.peer)
    }

    /// The newest lines of a message's ledger, oldest first.
    pub fn attempts(&self, envelope_id: &EnvelopeId) -> &[AttemptRecord] {
        self.messages.get(envelope_id).map_or(&[], |message| &message.ledger)
    }

    /// Whether a message waits in its peer's line, as all like it do that came later: not for its own next try, for hours
    /// or a size that a path wants, nor to be released.
    pub fn is_in_line(&self, envelope_id: &EnvelopeId) -> bool {
        self.messages.get(envelope_id).is_some_and(|message| matches!(message.place, Place::Ready | Place::Blocked))
    }

    /// Messages that are held for a reason of that kind, and to whom they go.
    pub fn held_for(&self, kind: ReasonKind) -> Vec<(EnvelopeId, Fingerprint)> {
        let held = self.messages.iter().filter(|(_, message)| message.is_held_for(kind));
        held.map(|(id, message)| (*id, message.out.peer)).collect()
    }

    /// How many messages are on their way.
    pub fn queued(&self) -> QueueCounts {
        self.counts
    }

    fn take(&mut self, now: Now, input: Input) {
        match input {
            Input::Submit(outgoing) => self.submit(now, outgoing, None),
            Input::SubmitHeld { outgoing, reason } => self.submit(now, outgoing, Some(reason)),
            Input::Restore { outgoing, state, attempts, retries } => {
                self.restore(now, outgoing, state, attempts, retries);
            }
            Input::AttemptAccepted { attempt, accepted_by, bytes } => self.accepted(now, attempt, accepted_by, bytes),
            Input::AttemptFailed { attempt, reason, retry } => self.failed(now, attempt, reason, retry),
            Input::Acked { envelope_id, via, ack_via } => self.acked(now, envelope_id, via, ack_via),
            Input::Read { envelope_id, at } => self.read(now, envelope_id, at),
            Input::Hold { envelope_id, reason } => self.hold(now, envelope_id, reason),
            Input::Release { envelope_id } => self.release_held(now, envelope_id),
            Input::HoldPeer { peer, reason } => self.hold_peer(now, peer, reason),
            Input::ReleasePeer { peer } => self.release_peer(now, peer),
            Input::Cancel { envelope_id } => self.cancel(now, envelope_id),
            Input::RetryNow { envelope_id, peer } => self.retry_now(now, envelope_id, peer),
            Input::Peer { peer, routes } => self.peer_routes(now, peer, routes),
            Input::Wary { peer, wary } => self.peer_wary(peer, wary),
            Input::PeerGone { peer } => self.peer_gone(now, peer),
            Input::Transport { id, capabilities, priority, enabled } => {
                self.transport(now, id, capabilities, priority, enabled);
            }
            Input::Schedule { id, schedule } => self.schedule(now, id, schedule),
            Input::TransportUp { id } => self.transport_up(now, id),
            Input::TransportDown { id, reason, retry_in } => self.transport_down(now, id, reason, retry_in),
            Input::TransportGone { id } => self.transport_gone(now, id),
            Input::Probed { id, result } => self.probed(now, id, result),
            Input::Heard { peer, via } => self.heard(now, peer, &via),
            Input::Wake => {}
        }
    }

    fn fire(&mut self, now: Now, due: Duration, timer: Timer) {
        match timer {
            Timer::Ack(attempt) => self.no_ack(now, due, attempt),
            Timer::Answer(attempt) => self.no_answer(now, attempt),
            Timer::Retry(id) => self.make_ready(id),
            Timer::Expire(id) => self.finish(now, id, MessageState::Expired, None),
            Timer::Peer(peer) => self.path_may_be_open(now, peer),
            Timer::Breaker(via) => self.breaker_due(now, via),
            Timer::Health(via) => {
                self.touched.insert(via, true);
            }
            Timer::Hours(via) => {
                self.watch_hours(now, &via);
                self.touched.insert(via, true);
            }
        }
    }

    fn observe_clocks(&mut self, mut now: Now) -> Now {
        if let Some(last) = self.last {
            now.mono = now.mono.max(last.mono);
            let expected = last.wall_at(now.mono);
            let by_ms = now.wall.ms_since(expected);
            if u128::from(by_ms.unsigned_abs()) >= self.config.clock_jump.as_millis() {
                self.out.push(Action::ClockJump { by_ms });
            }
        }
        self.last = Some(now);
        now
    }

    /// Says which transports' health changed, each at most once in `config.health_every`.
    fn report_health(&mut self, now: Now) {
        for (via, at_once) in std::mem::take(&mut self.touched) {
            let Some(carrier) = self.carriers.get_mut(&via) else { continue };
            let next = carrier.meter.reported.map(|last| last + self.config.health_every);
            let timer = Timer::Health(via.clone());
            match next {
                Some(next) if next > now.mono && !at_once => {
                    if !self.timers.is_set(&timer) {
                        self.timers.set(timer, next);
                    }
                }
                _ => {
                    carrier.meter.reported = Some(now.mono);
                    self.timers.clear(&timer);
                    self.out.push(Action::Health { via });
                }
            }
        }
    }

    /// A transport's health changed.
    pub(super) fn touch(&mut self, via: &TransportId) {
        self.touched.entry(via.clone()).or_insert(false);
    }

    /// A transport's state changed: worth saying at once.
    pub(super) fn touch_now(&mut self, via: &TransportId) {
        self.touched.insert(via.clone(), true);
    }
}
