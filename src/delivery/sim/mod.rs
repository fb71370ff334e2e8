//! A world of several nodes in virtual time: each has a machine, an outbox that outlives it, and an inbox that
//! dedups and acks; between them run links that are good, weak, slow, far, dead or flapping. Everything follows
//! from the seed.
//!
//! `SKCOMM_SIM_SEEDS` raises the number of worlds; `SKCOMM_SIM_SEED` runs one and prints its log.

#![expect(clippy::print_stdout, reason = "the log of one world, when it is asked for")]

mod link;
mod scenarios;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use self::link::Link;
use super::*;
use crate::wire::{EnvelopeId, Fingerprint, Mode, PayloadType, Timestamp, Urgency};

const START_MS: i64 = 1_800_000_000_000;
/// What travels.
#[derive(Clone, Debug)]
enum Frame {
    Message(EnvelopeId),
    Ack { of: EnvelopeId, via: TransportId },
}

#[derive(Clone, Debug)]
enum Event {
    Compose {
        node: usize,
    },
    /// The transport answers a send of one life of a node.
    Answer {
        node: usize,
        life: u32,
        attempt: AttemptId,
        fine: bool,
    },
    Probed {
        node: usize,
        life: u32,
        via: TransportId,
    },
    Arrive {
        from: usize,
        to: usize,
        via: Link,
        frame: Frame,
    },
    Flap {
        node: usize,
        up: bool,
    },
    Crash {
        node: usize,
    },
    Start {
        node: usize,
    },
    ClockJump {
        node: usize,
    },
}

/// What a node keeps on disk about one message.
#[derive(Clone, Debug)]
struct Kept {
    out: Outgoing,
    state: MessageState,
    retries: u32,
    ledger: BTreeMap<u32, AttemptRecord>,
    bytes: bool,
}

struct Node {
    /// None while it is down.
    machine: Option<Machine>,
    life: u32,
    /// When this life began: its monotonic clock starts there.
    born: Duration,
    skew_ms: i64,
    flapping_up: bool,
    disk: BTreeMap<EnvelopeId, Kept>,
    inbox: BTreeSet<EnvelopeId>,
    /// Acks are not kept over a crash: a resent message is acked again.
    acks: BTreeMap<EnvelopeId, (EnvelopeId, TransportId)>,
}

struct World {
    seed: u64,
    rng: StdRng,
    now: Duration,
    links: Vec<Link>,
    nodes: Vec<Node>,
    agenda: BTreeMap<(Duration, u64), Event>,
    count: u64,
    crashes: bool,
    shown: BTreeMap<EnvelopeId, u32>,
    duplicates: usize,
    failovers: usize,
    sends: usize,
    log: bool,
}

fn fingerprint(node: usize) -> Fingerprint {
    Fingerprint::from_bytes(&[u8::try_from(node).unwrap(); 20]).unwrap()
}

fn node_of(peer: Fingerprint) -> usize {
    usize::from(peer.as_bytes()[0])
}

impl World {
    fn new(seed: u64, links: &[Link], nodes: usize, crashes: bool) -> Self {
        let node = || Node {
            machine: None,
            life: 0,
            born: Duration::ZERO,
            skew_ms: 0,
            flapping_up: true,
            disk: BTreeMap::new(),
            inbox: BTreeSet::new(),
            acks: BTreeMap::new(),
        };
        let mut world = Self {
            seed,
            rng: StdRng::seed_from_u64(seed),
            now: Duration::ZERO,
            links: links.to_vec(),
            nodes: (0..nodes).map(|_| node()).collect(),
            agenda: BTreeMap::new(),
            count: 0,
            crashes,
            shown: BTreeMap::new(),
            duplicates: 0,
            failovers: 0,
            sends: 0,
            log: std::env::var_os("SKCOMM_SIM_SEED").is_some(),
        };
        (0..nodes).for_each(|node| world.start(node));
        world
    }

    fn random_id(&mut self) -> EnvelopeId {
        EnvelopeId::from_random(self.rng.random())
    }

    fn plan(&mut self, after_ms: u64, event: Event) {
        self.count += 1;
        self.agenda.insert((self.now + Duration::from_millis(after_ms), self.count), event);
    }

    fn clock(&self, node: usize) -> Now {
        let node = &self.nodes[node];
        let ms = i64::try_from(self.now.as_millis()).unwrap();
        Now { mono: self.now - node.born, wall: Timestamp::from_unix_ms(START_MS + ms + node.skew_ms) }
    }

    fn start(&mut self, node: usize) {
        let (now, seed) = (self.now, self.rng.random());
        let this = &mut self.nodes[node];
        this.machine = Some(Machine::new(Config::default(), seed));
        this.life += 1;
        this.born = now;
        let up = this.flapping_up;
        let disk: Vec<Kept> = this.disk.values().filter(|kept| kept.bytes).cloned().collect();
        for (priority, link) in (1..).zip(self.links.clone()) {
            let id = link.name();
            self.give(node, Input::Transport { id, capabilities: link.capabilities(), priority, enabled: true });
            if link != Link::Flapping || up {
                self.give(node, Input::TransportUp { id: link.name() });
            }
        }
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            let routes = self.links.iter().map(|link| (link.name(), format!("{other}"))).collect();
            self.give(node, Input::Peer { peer: fingerprint(other), routes });
        }
        for Kept { out, state, retries, ledger, .. } in disk {
            let attempts = ledger.into_values().collect();
            self.give(node, Input::Restore { outgoing: out, state, attempts, retries });
        }
    }

    fn give(&mut self, node: usize, input: Input) {
        let now = self.clock(node);
        let Some(machine) = &mut self.nodes[node].machine else { return };
        if self.log && input != Input::Wake {
            println!("{:>9.3} node {node} <- {input:?}", self.now.as_secs_f64());
        }
        let actions = machine.handle(now, input);
        // Some crashes come in the middle of carrying out what the machine said.
        let crash = self.crashes && self.rng.random_bool(0.0005);
        let carried_out = if crash { self.rng.random_range(0..=actions.len()) } else { actions.len() };
        for action in actions.into_iter().take(carried_out) {
            self.carry_out(node, action);
        }
        if crash {
            self.crash(node);
        }
    }

    fn crash(&mut self, node: usize) {
        self.nodes[node].machine = None;
        self.nodes[node].acks.clear();
        let away = self.rng.random_range(1_000..900_000);
        self.plan(away, Event::Start { node });
    }

    fn carry_out(&mut self, node: usize, action: Action) {
        if self.log {
            println!("{:>9.3} node {node} -> {action:?}", self.now.as_secs_f64());
        }
        match action {
            Action::Send { attempt, envelope_id, peer, via, .. } => self.send(node, attempt, envelope_id, peer, &via),
            Action::State { envelope_id, state, retries, .. } => {
                if let Some(kept) = self.nodes[node].disk.get_mut(&envelope_id) {
                    assert!(state.rank() >= kept.state.rank(), "seed {}: {:?} -> {state:?}", self.seed, kept.state);
                    kept.state = state;
                    kept.retries = retries;
                }
            }
            Action::Attempt { envelope_id, record } => {
                if let Some(kept) = self.nodes[node].disk.get_mut(&envelope_id) {
                    kept.ledger.insert(record.number, record);
                }
            }
            Action::Forget { envelope_id } => {
                if let Some(kept) = self.nodes[node].disk.get_mut(&envelope_id) {
                    kept.bytes = false;
                }
                self.nodes[node].acks.remove(&envelope_id);
            }
            Action::Probe { via } => {
                let life = self.nodes[node].life;
                self.plan(20, Event::Probed { node, life, via });
            }
            Action::Failover { .. } => self.failovers += 1,
            Action::Abort { .. } | Action::Health { .. } | Action::ClockJump { .. } => {}
        }
    }

    fn link(&self, via: &TransportId) -> Link {
        self.links.iter().copied().find(|link| link.name() == *via).unwrap()
    }

    fn send(&mut self, from: usize, attempt: AttemptId, id: EnvelopeId, peer: Fingerprint, via: &TransportId) {
        self.sends += 1;
        let (link, to, life) = (self.link(via), node_of(peer), self.nodes[from].life);
        let frame = match self.nodes[from].acks.get(&id) {
            Some((of, via)) => Frame::Ack { of: *of, via: via.clone() },
            None => {
                let kept = &self.nodes[from].disk[&id];
                assert!(kept.bytes, "seed {}: its bytes are gone", self.seed);
                assert!(!kept.state.is_final(), "seed {}: sent after {:?}", self.seed, kept.state);
                Frame::Message(id)
            }
        };
        let there = self.nodes[to].machine.is_some();
        let fine = match link {
            Link::BlackHole | Link::Relay | Link::Folder => true,
            Link::Flapping => there && self.nodes[from].flapping_up && self.nodes[to].flapping_up,
            Link::Weak4g => there && !self.rng.random_bool(0.03),
            _ => there,
        };
        let delay = link.delay_ms(&mut self.rng);
        if link == Link::Hanging && self.rng.random_bool(0.1) {
            return;
        }
        let answer = if link.stores() || link == Link::BlackHole { 5 } else { delay };
        self.plan(answer, Event::Answer { node: from, life, attempt, fine });
        if !fine || self.rng.random_bool(link.loss()) {
            return;
        }
        // Three frames in a hundred come late, several in a row: what a far link's repairs look like from above.
        let burst = link == Link::Satellite && (50..53).contains(&(self.now.as_secs() % 100));
        let repair = if burst { self.rng.random_range(300..1_200) } else { 0 };
        let copies = if self.rng.random_bool(0.02) { 2 } else { 1 };
        for copy in 0..copies {
            let event = Event::Arrive { from, to, via: link, frame: frame.clone() };
            self.plan(delay + repair + copy * 700, event);
        }
    }

    fn arrive(&mut self, from: usize, to: usize, via: Link, frame: Frame) {
        if self.nodes[to].machine.is_none() {
            if via.stores() {
                let later = self.rng.random_range(500..5_000);
                self.plan(later, Event::Arrive { from, to, via, frame });
            }
            return;
        }
        let (path, peer) = (via.name(), fingerprint(from));
        self.give(to, Input::Heard { peer, via: path.clone() });
        match frame {
            Frame::Message(id) => {
                let new = self.nodes[to].inbox.insert(id);
                if new {
                    *self.shown.entry(id).or_default() += 1;
                } else {
                    self.duplicates += 1;
                }
                let ack = self.random_id();
                if self.nodes[to].machine.is_none() {
                    return;
                }
                self.nodes[to].acks.insert(ack, (id, path.clone()));
                let composed = self.clock(to).wall;
                self.give(
                    to,
                    Input::Submit(Outgoing {
                        envelope_id: ack,
                        peer,
                        kind: PayloadType::Ack,
                        mode: Mode::Failover,
                        policy: Policy::default(),
                        urgency: Urgency::Normal,
                        size: 700,
                        composed,
                        ttl_seconds: 86_400,
                        max_retries: 5,
                        prefer: vec![path],
                        fallback: Vec::new(),
                        wants_ack: false,
                    }),
                );
            }
            Frame::Ack { of, via } => self.give(to, Input::Acked { envelope_id: of, via: Some(via), ack_via: path }),
        }
    }

    fn compose(&mut self, node: usize) {
        if self.nodes[node].machine.is_none() {
            return;
        }
        let others: Vec<usize> = (0..self.nodes.len()).filter(|other| *other != node).collect();
        let to = others[self.rng.random_range(0..others.len())];
        let pick = self.rng.random_range(0..10);
        let out = Outgoing {
            envelope_id: self.random_id(),
            peer: fingerprint(to),
            kind: PayloadType::Message,
            mode: [Mode::Failover, Mode::Failover, Mode::Failover, Mode::Broadcast, Mode::Speed][pick / 2],
            policy: Policy::default(),
            urgency: if pick == 0 { Urgency::Critical } else { Urgency::Normal },
            size: self.rng.random_range(500..200_000),
            composed: self.clock(node).wall,
            ttl_seconds: 86_400,
            max_retries: 5,
            prefer: Vec::new(),
            fallback: Vec::new(),
            wants_ack: true,
        };
        let state = MessageState::Queued { next_try: None, reason: None };
        let kept = Kept { out: out.clone(), state, retries: 0, ledger: BTreeMap::new(), bytes: true };
        self.nodes[node].disk.insert(out.envelope_id, kept);
        self.give(node, Input::Submit(out));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Compose { node } => self.compose(node),
            Event::Answer { node, life, attempt, fine } if self.nodes[node].life == life => {
                let reason = Reason::new(ReasonKind::Unreachable, "nobody answers");
                self.give(
                    node,
                    if fine {
                        Input::AttemptAccepted { attempt, accepted_by: None, bytes: 1_000 }
                    } else {
                        Input::AttemptFailed { attempt, reason, retry: Retry::Later }
                    },
                );
            }
            Event::Probed { node, life, via } if self.nodes[node].life == life => {
                self.give(node, Input::Probed { id: via, result: Ok(Duration::from_millis(20)) });
            }
            Event::Answer { .. } | Event::Probed { .. } => {}
            Event::Arrive { from, to, via, frame } => self.arrive(from, to, via, frame),
            Event::Flap { node, up } => {
                self.nodes[node].flapping_up = up;
                let (id, reason) = (Link::Flapping.name(), Reason::new(ReasonKind::Disconnected, "no signal"));
                self.give(
                    node,
                    if up { Input::TransportUp { id } } else { Input::TransportDown { id, reason, retry_in: None } },
                );
            }
            Event::Crash { node } if self.nodes[node].machine.is_some() => self.crash(node),
            Event::Crash { .. } => {}
            Event::Start { node } => {
                if self.nodes[node].machine.is_none() {
                    self.start(node);
                }
            }
            Event::ClockJump { node } => {
                self.nodes[node].skew_ms = if self.rng.random() { 86_400_000 } else { -86_400_000 };
                self.give(node, Input::Wake);
            }
        }
    }

    /// Runs until nothing is left to happen before `end`.
    fn run(&mut self, end: Duration) {
        let mut steps = 0_u32;
        loop {
            let wakes = self
                .nodes
                .iter()
                .enumerate()
                .filter_map(|(node, this)| Some((this.born + this.machine.as_ref()?.next_wake()?, node)));
            let wake = wakes.min();
            let event = self.agenda.first_key_value().map(|(key, _)| key.0);
            let next = wake.map(|(at, _)| at).into_iter().chain(event).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            steps += 1;
            assert!(steps < 2_000_000, "seed {}: the world does not come to rest", self.seed);
            match wake.filter(|(at, _)| Some(*at) <= event || event.is_none()) {
                Some((_, node)) => self.give(node, Input::Wake),
                None => {
                    if let Some((_, event)) = self.agenda.pop_first() {
                        self.happen(event);
                    }
                }
            }
        }
        self.now = end;
    }

    fn check(&self) {
        let seed = self.seed;
        assert!(self.shown.values().all(|times| *times == 1), "seed {seed}: shown twice");
        for (node, this) in self.nodes.iter().enumerate() {
            for (id, kept) in &this.disk {
                let shown = self.shown.contains_key(id);
                match &kept.state {
                    MessageState::Delivered { .. } => assert!(shown, "seed {seed}: {id} was never there"),
                    other => panic!("seed {seed}: node {node}, {id}: {other:?} (shown: {shown}) over {:?}", self.links),
                }
                assert!(!kept.bytes, "seed {seed}: {id} is kept for ever");
            }
            let machine = this.machine.as_ref().expect("everyone is up in the end");
            assert_eq!(machine.queued(), QueueCounts::default(), "seed {seed}: the books are wrong");
        }
    }
}
