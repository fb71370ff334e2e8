//! Whatever happens in whatever order, some things always hold.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::delivery::{message::Message, peer::Place, timer::Timer};

const PEERS: u8 = 3;
const VIAS: [&str; 3] = ["tcp", "relay", "hole"];

/// Something that happens; indices are taken modulo what there is.
#[derive(Clone, Debug)]
enum Step {
    Submit {
        to: u8,
        mode: u8,
        urgency: u8,
        control: bool,
        ttl: u64,
    },
    Accept(usize),
    Fail(usize, u8),
    /// An ack for a message that was sent, perhaps naming the path.
    Ack(usize, bool),
    Read(usize),
    Pass(u64),
    Down(usize),
    Up(usize),
    Toggle(usize, bool),
    Rules(usize, u8),
    Probed(bool),
    Heard(u8, usize),
    Hold(usize),
    HoldPeer(u8),
    ReleasePeer(u8),
    Cancel(usize),
    RetryAll,
    Routes(u8, u8),
    PeerGone(u8),
    ClockJump(i64),
    Restart,
}

fn schedule(which: u8) -> Schedule {
    let windows = |text: &str| vec![text.parse().unwrap()];
    let bulk = |windows| Some(Bulk { larger_than: Some(500), urgency: None, windows });
    match which {
        1 => Schedule { windows: windows("12:00-13:00"), ..Schedule::default() },
        2 => Schedule { windows: windows("sat,sun"), max_bytes: Some(999), ..Schedule::default() },
        3 => Schedule { bulk: bulk(windows("22:00-06:00")), ..Schedule::default() },
        4 => Schedule { windows: windows("mon-fri"), bulk: bulk(windows("08:05-08:10")), ..Schedule::default() },
        _ => Schedule::default(),
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..PEERS, 0..4_u8, 0..4_u8, prop::bool::weighted(0.2), 1..200_000_u64)
            .prop_map(|(to, mode, urgency, control, ttl)| Step::Submit { to, mode, urgency, control, ttl }),
        8 => any::<usize>().prop_map(Step::Accept),
        5 => (any::<usize>(), 0..7_u8).prop_map(|(which, how)| Step::Fail(which, how)),
        6 => (any::<usize>(), any::<bool>()).prop_map(|(which, named)| Step::Ack(which, named)),
        1 => any::<usize>().prop_map(Step::Read),
        8 => prop_oneof![0..20_u64, 0..3_000_u64, 0..30_000_u64, 0..4_000_000_u64].prop_map(Step::Pass),
        1 => (0..3_usize).prop_map(Step::Down),
        2 => (0..3_usize).prop_map(Step::Up),
        1 => (0..3_usize, any::<bool>()).prop_map(|(which, on)| Step::Toggle(which, on)),
        1 => (0..3_usize, 0..5_u8).prop_map(|(which, rules)| Step::Rules(which, rules)),
        2 => any::<bool>().prop_map(Step::Probed),
        2 => (0..PEERS, 0..3_usize).prop_map(|(who, via)| Step::Heard(who, via)),
        1 => any::<usize>().prop_map(Step::Hold),
        1 => (0..PEERS).prop_map(Step::HoldPeer),
        2 => (0..PEERS).prop_map(Step::ReleasePeer),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => Just(Step::RetryAll),
        2 => (0..PEERS, 0..8_u8).prop_map(|(who, which)| Step::Routes(who, which)),
        1 => (0..PEERS).prop_map(Step::PeerGone),
        1 => (-200_000_000..200_000_000_i64).prop_map(Step::ClockJump),
        1 => Just(Step::Restart),
    ]
}

/// What a driver and its store know.
struct World {
    bench: Bench,
    config: Config,
    submitted: Vec<Outgoing>,
    /// Last known state and retries of each message.
    states: BTreeMap<EnvelopeId, (MessageState, u32)>,
    ledgers: BTreeMap<EnvelopeId, BTreeMap<u32, AttemptRecord>>,
    /// Attempts that have begun and not ended.
    open: BTreeMap<AttemptId, (EnvelopeId, String)>,
    every: BTreeSet<AttemptId>,
    sends: Vec<(EnvelopeId, String)>,
    forgotten: BTreeSet<EnvelopeId>,
    held_peers: BTreeSet<Fingerprint>,
    seen: usize,
}

impl World {
    fn new() -> Self {
        let config = Config {
            queued_per_peer: 12,
            queued_total: 20,
            control_per_peer: 6,
            window: 4,
            window_start: 2,
            transport_window: 6,
            remember: 10,
            ledger: 6,
            ..Config::default()
        };
        let caps = [direct(), relay(), direct()];
        let transports: Vec<(&str, Capabilities)> = VIAS.into_iter().zip(caps).collect();
        let mut bench = Bench::with(config.clone(), &transports);
        (0..PEERS).for_each(|n| bench.routes(n, &VIAS));
        Self {
            bench,
            config,
            submitted: Vec::new(),
            states: BTreeMap::new(),
            ledgers: BTreeMap::new(),
            open: BTreeMap::new(),
            every: BTreeSet::new(),
            sends: Vec::new(),
            forgotten: BTreeSet::new(),
            held_peers: BTreeSet::new(),
            seen: 0,
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Submit { to, mode, urgency, control, ttl } => self.submit(*to, *mode, *urgency, *control, *ttl),
            Step::Accept(which) => {
                if let Some(attempt) = self.pick_open(*which) {
                    self.open.remove(&attempt);
                    let accepted_by = which.is_multiple_of(2).then(|| "next hop".parse_line());
                    self.bench.give(Input::AttemptAccepted { attempt, accepted_by, bytes: 7 });
                }
            }
            Step::Fail(which, how) => {
                if let Some(attempt) = self.pick_open(*which) {
                    self.open.remove(&attempt);
                    let (kind, retry) = match how {
                        0 => (ReasonKind::TooLarge, Retry::Never),
                        1 => (ReasonKind::RateLimited, Retry::After(secs(45))),
                        2 => (ReasonKind::Io, Retry::Later),
                        3 => (ReasonKind::Protocol, Retry::Later),
                        4 => (ReasonKind::Stopping, Retry::Later),
                        _ => (ReasonKind::Unreachable, Retry::Later),
                    };
                    self.bench.give(Input::AttemptFailed { attempt, reason: reason(kind), retry });
                }
            }
            Step::Ack(which, named) if !self.sends.is_empty() => {
                let (envelope_id, path) = self.sends[which % self.sends.len()].clone();
                let path = via(&path);
                self.bench.give(Input::Acked { envelope_id, via: named.then(|| path.clone()), ack_via: path });
            }
            Step::Read(which) if !self.sends.is_empty() => {
                let (envelope_id, _) = self.sends[which % self.sends.len()];
                self.bench.give(Input::Read { envelope_id, at: self.bench.now().wall });
            }
            Step::Ack(..) | Step::Read(_) => {}
            Step::Pass(ms) => self.bench.pass(Duration::from_millis(*ms)),
            Step::Down(which) => self.bench.down(VIAS[*which]),
            Step::Up(which) => drop(self.bench.up(VIAS[*which])),
            Step::Toggle(which, enabled) => {
                let capabilities = if *which == 1 { relay() } else { direct() };
                let id = via(VIAS[*which]);
                drop(self.bench.give(Input::Transport { id, capabilities, priority: 5, enabled: *enabled }));
            }
            Step::Rules(which, rules) => {
                let id = via(VIAS[*which]);
                drop(self.bench.give(Input::Schedule { id, schedule: schedule(*rules) }));
            }
            Step::Probed(fine) => {
                let probe = self.bench.said.iter().rev().find_map(|(_, action)| match action {
                    Action::Probe { via } => Some(via.clone()),
                    _ => None,
                });
                if let Some(id) = probe {
                    let result = if *fine { Ok(secs(1)) } else { Err(reason(ReasonKind::Io)) };
                    self.bench.give(Input::Probed { id, result });
                }
            }
            Step::Heard(who, which) => drop(self.bench.give(Input::Heard { peer: peer(*who), via: via(VIAS[*which]) })),
            Step::Hold(which) if !self.submitted.is_empty() => {
                let envelope_id = self.submitted[which % self.submitted.len()].envelope_id;
                self.bench.give(Input::Hold { envelope_id, reason: reason(ReasonKind::NoKey) });
            }
            Step::HoldPeer(who) => {
                self.held_peers.insert(peer(*who));
                self.bench.give(Input::HoldPeer { peer: peer(*who), reason: reason(ReasonKind::KeyConflict) });
            }
            Step::ReleasePeer(who) => {
                self.held_peers.remove(&peer(*who));
                self.bench.give(Input::ReleasePeer { peer: peer(*who) });
            }
            Step::Cancel(which) if !self.submitted.is_empty() => {
                let envelope_id = self.submitted[which % self.submitted.len()].envelope_id;
                self.bench.give(Input::Cancel { envelope_id });
            }
            Step::Hold(_) | Step::Cancel(_) => {}
            Step::RetryAll => drop(self.bench.give(Input::RetryNow { envelope_id: None, peer: None })),
            Step::Routes(who, which) => {
                let names: Vec<&str> = (0..3).filter(|n| which & (1 << n) != 0).map(|n| VIAS[n]).collect();
                self.bench.routes(*who, &names);
            }
            Step::PeerGone(who) => {
                self.held_peers.remove(&peer(*who));
                self.bench.give(Input::PeerGone { peer: peer(*who) });
            }
            Step::ClockJump(ms) => {
                self.bench.skew_ms = *ms;
                self.bench.give(Input::Wake);
            }
            Step::Restart => self.restart(),
        }
        self.check();
    }

    fn submit(&mut self, to: u8, mode: u8, urgency: u8, control: bool, ttl_seconds: u64) {
        let out = Outgoing {
            peer: peer(to),
            mode: [Mode::Failover, Mode::Broadcast, Mode::Stealth, Mode::Speed][usize::from(mode)],
            policy: Policy::ALL[self.submitted.len() % Policy::ALL.len()],
            urgency: [Urgency::Low, Urgency::Normal, Urgency::High, Urgency::Critical][usize::from(urgency)],
            composed: self.bench.now().wall,
            wants_ack: !control,
            ttl_seconds,
            ..message(u64::try_from(self.submitted.len()).unwrap())
        };
        self.submitted.push(out.clone());
        self.states.insert(out.envelope_id, (MessageState::Queued { next_try: None, reason: None }, 0));
        self.bench.give(Input::Submit(out));
    }

    fn pick_open(&self, which: usize) -> Option<AttemptId> {
        let at = which.checked_rem(self.open.len())?;
        self.open.keys().nth(at).copied()
    }

    /// The process dies; a new one restores from what was persisted.
    fn restart(&mut self) {
        self.open.clear();
        self.every.clear();
        self.held_peers.clear();
        let caps = [direct(), relay(), direct()];
        let transports: Vec<(&str, Capabilities)> = VIAS.into_iter().zip(caps).collect();
        let fresh = Bench::with(self.config.clone(), &transports);
        self.bench.machine = fresh.machine;
        (0..PEERS).for_each(|n| self.bench.routes(n, &VIAS));
        for out in self.submitted.clone() {
            if self.forgotten.contains(&out.envelope_id) {
                continue;
            }
            let (state, retries) = self.states[&out.envelope_id].clone();
            let ledger = self.ledgers.get(&out.envelope_id).into_iter().flat_map(|lines| lines.values().cloned());
            let attempts = ledger.collect();
            self.bench.give(Input::Restore { outgoing: out, state, attempts, retries });
        }
    }

    fn check(&mut self) {
        for (_, action) in &self.bench.said[self.seen..] {
            match action {
                Action::Send { attempt, envelope_id, via, peer, deadline, .. } => {
                    assert!(self.every.insert(*attempt), "an attempt's name is used once");
                    self.open.insert(*attempt, (*envelope_id, via.to_string()));
                    self.sends.push((*envelope_id, via.to_string()));
                    let (state, _) = &self.states[envelope_id];
                    assert!(!state.is_final(), "sent after {state:?}");
                    assert!(!matches!(state, MessageState::Held { .. }), "sent while held");
                    assert!(!self.forgotten.contains(envelope_id), "sent after it was forgotten");
                    let out = self.submitted.iter().find(|out| out.envelope_id == *envelope_id).unwrap();
                    assert!(!out.wants_ack || !self.held_peers.contains(peer), "sent to a held peer");
                    assert!(out.mode != Mode::Stealth || via.as_str() != "relay", "stealth was weakened");
                    assert!(!deadline.is_zero());
                }
                Action::Abort { attempt } => {
                    assert!(self.open.remove(attempt).is_some(), "what is stopped must be under way");
                }
                Action::State { envelope_id, state, retries, .. } => {
                    let (old, _) = &self.states[envelope_id];
                    assert!(state.rank() >= old.rank(), "{old:?} went back to {state:?}");
                    assert!(state != old, "{state:?} is no change");
                    assert!(!old.is_final() || state.rank() > old.rank(), "{old:?} became {state:?}");
                    if let MessageState::Failed { reason } | MessageState::Held { reason } = state {
                        assert!(!reason.detail.is_empty());
                    }
                    self.states.insert(*envelope_id, (state.clone(), *retries));
                }
                Action::Attempt { envelope_id, record } => {
                    let lines = self.ledgers.entry(*envelope_id).or_default();
                    if let Some(old) = lines.get(&record.number) {
                        assert!(old != record, "no change in the ledger");
                        assert_eq!(old.via, record.via);
                        let was_acked = matches!(old.outcome, AttemptOutcome::Acked { .. });
                        assert!(!was_acked || matches!(record.outcome, AttemptOutcome::Acked { .. }));
                    }
                    let told = !matches!(record.outcome, AttemptOutcome::Acked { ack_via: None, .. });
                    assert!(told, "an ack came over no path: {record:?}");
                    lines.insert(record.number, record.clone());
                }
                Action::Forget { envelope_id } => {
                    assert!(self.forgotten.insert(*envelope_id), "forgotten twice");
                    assert!(self.open.values().all(|(id, _)| id != envelope_id), "its bytes are in use");
                }
                Action::Failover { .. } | Action::Probe { .. } | Action::Health { .. } | Action::ClockJump { .. } => {}
            }
        }
        self.seen = self.bench.said.len();
        self.check_books();
    }

    /// The machine's books agree with each other and with the outside.
    fn check_books(&self) {
        let machine = &self.bench.machine;
        let open: BTreeSet<AttemptId> = self.open.keys().copied().collect();
        let running: BTreeSet<AttemptId> =
            machine.attempts.iter().filter(|(_, attempt)| attempt.accepted.is_none()).map(|(id, _)| *id).collect();
        assert_eq!(running, open, "every send has exactly one end");
        let in_hand: usize = machine.carriers.values().map(|carrier| carrier.running.len()).sum();
        assert_eq!(in_hand, running.len());
        let counted = machine.attempts.values().filter(|attempt| attempt.counted).count();
        let windows: u32 = machine.peers.values().flat_map(|peer| peer.paths.values()).map(|path| path.in_flight).sum();
        assert!(usize::try_from(windows).unwrap() <= counted, "windows never leak");
        let live: usize = machine.messages.values().map(|message| message.live.len()).sum();
        assert_eq!(live, machine.attempts.len());
        let pending = machine.messages.values().filter(|m| m.place != Place::Done);
        let (control, data): (Vec<_>, Vec<_>) = pending.partition(|message| message.is_control());
        assert_eq!(data.len(), machine.counts.pending());
        assert_eq!(control.len(), machine.counts.control);
        assert!(data.len() <= self.config.queued_total + self.submitted.len() / 2);
        // A control message that somebody acks is done, and kept until the transport that has it in hand answers.
        let done =
            |message: &&Message| message.is_control() && message.place == Place::Done && !message.live.is_empty();
        let in_hand = machine.messages.values().filter(done).count();
        assert!(machine.messages.len() <= data.len() + control.len() + in_hand + self.config.remember);
        assert_eq!(machine.peers.values().map(|peer| peer.all.len()).sum::<usize>(), data.len() + control.len());
        for message in data.iter().chain(&control) {
            assert!(machine.timers.is_set(&Timer::Expire(message.out.envelope_id)), "everything ends some day");
            assert!(message.ledger.len() <= self.config.ledger);
        }
        for (id, message) in &machine.messages {
            if !message.is_control() {
                assert_eq!(message.state, self.states[id].0, "what is shown is what is");
            }
        }
    }

    /// All is well again: what is left is delivered, in order, or ends with a reason.
    fn recover(&mut self) {
        for n in 0..PEERS {
            self.take(&Step::Routes(n, 7));
            self.take(&Step::ReleasePeer(n));
        }
        (0..3).for_each(|n| self.take(&Step::Toggle(n, true)));
        (0..3).for_each(|n| self.take(&Step::Up(n)));
        (0..3).for_each(|n| self.take(&Step::Rules(n, 0)));
        let mut acked = self.sends.len();
        for _ in 0..4_000 {
            while let Some(attempt) = self.open.keys().next().copied() {
                self.open.remove(&attempt);
                self.bench.give(Input::AttemptAccepted { attempt, accepted_by: None, bytes: 7 });
                self.check();
            }
            let new = self.sends[acked..].to_vec();
            for (envelope_id, path) in new {
                let path = via(&path);
                self.bench.give(Input::Acked { envelope_id, via: Some(path.clone()), ack_via: path });
                self.check();
                acked += 1;
            }
            if self.bench.machine.counts == QueueCounts::default() {
                break;
            }
            self.take(&Step::Pass(30_000));
            self.take(&Step::Probed(true));
        }
        assert_eq!(self.bench.machine.counts, QueueCounts::default(), "something is stuck: {:?}", self.stuck());
        let ended = self.submitted.iter().filter(|out| out.wants_ack);
        assert!(ended.clone().all(|out| self.states[&out.envelope_id].0.is_final()));
        self.bench.pass(secs(3_000));
        self.check();
        assert!(self.submitted.iter().all(|out| self.forgotten.contains(&out.envelope_id)), "bytes are kept for ever");
    }

    fn stuck(&self) -> Vec<(&crate::delivery::message::Message, Option<Duration>)> {
        let messages = self.bench.machine.messages.values();
        let stuck = messages.filter(|message| message.place != crate::delivery::peer::Place::Done);
        stuck.map(|message| (message, self.bench.machine.next_wake())).collect()
    }
}

trait ParseLine {
    fn parse_line(&self) -> crate::wire::SafeText;
}

impl ParseLine for str {
    fn parse_line(&self) -> crate::wire::SafeText {
        crate::wire::SafeText::line(self)
    }
}

/// `PROPTEST_CASES` may ask for more.
fn config() -> ProptestConfig {
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 64 };
    ProptestConfig { cases, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_happens_the_books_are_right_and_everything_ends(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        world.recover();
    }

    #[test]
    fn the_same_seed_and_inputs_give_the_same_actions(steps in prop::collection::vec(step(), 1..60)) {
        let run = || {
            let mut world = World::new();
            steps.iter().for_each(|step| world.take(step));
            world.bench.said
        };
        prop_assert_eq!(run(), run());
    }
}
