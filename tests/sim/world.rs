//! The world: what will happen, in order, and what it does to the nodes.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use skcomm_tui::{
    delivery::{AttemptId, Input, LatencyClass, Leak, Machine, Now, Reason, ReasonKind, Retry, TransportId},
    wire::Timestamp,
};

use super::{
    agenda::{Answer, Entry, Event, Named, fingerprint, mix},
    check::{Fate, Invariant, Step, Violation},
    files::{Part, Transfer},
    link::Link,
    node::{Hand, Kept, Node, Volatile},
    report::Report,
    rules::Rules,
    setting::{Fault, HOUR, SECOND, Setting},
};

const START_MS: i64 = 1_800_000_000_000;
/// An alarm served later than this, in microseconds, was forgotten.
const LATE: u64 = SECOND;
/// With how many others a node talks.
const PEERS: usize = 4;

/// A world on its way.
pub(crate) struct World {
    pub(super) setting: Setting,
    pub(super) rng: StdRng,
    /// In microseconds since the beginning.
    pub(super) now: u64,
    pub(super) links: Vec<(Link, TransportId)>,
    /// Of each link, if it has any.
    pub(super) rules: Vec<Option<Rules>>,
    pub(super) nodes: Vec<Node>,
    pub(super) fates: Vec<Fate>,
    pub(super) transfers: Vec<Transfer>,
    pub(super) parts: Vec<Part>,
    agenda: BinaryHeap<Reverse<Entry>>,
    planned: u64,
    pub(super) acks: u64,
    /// Steps until the next crash.
    pub(super) until_crash: u64,
    /// Which of the network's halves a node is in depends on this.
    pub(super) split: Option<u64>,
    pub(super) peace: bool,
    pub(super) report: Report,
    pub(super) violation: Option<Violation>,
}

impl World {
    pub(crate) fn new(setting: Setting) -> Self {
        let nodes = setting.nodes;
        let far = nodes / 3 + 1;
        let peers = |node: usize| {
            let mut peers: Vec<usize> =
                [1, nodes - 1, far, nodes - far % nodes].iter().map(|step| (node + step) % nodes).collect();
            peers.retain(|peer| *peer != node);
            peers.sort_unstable();
            peers.dedup();
            peers.truncate(PEERS);
            peers
        };
        let mut rules = vec![None; setting.links.len()];
        setting.rules.iter().for_each(|(link, ruled)| rules[*link] = Some(*ruled));
        let mut world = Self {
            rules,
            rng: StdRng::seed_from_u64(setting.seed),
            now: 0,
            links: setting.links.iter().map(|link| (*link, link.name())).collect(),
            nodes: (0..nodes).map(|node| Node::new(peers(node))).collect(),
            fates: Vec::new(),
            transfers: Vec::new(),
            parts: Vec::new(),
            agenda: BinaryHeap::new(),
            planned: 0,
            acks: 0,
            until_crash: u64::MAX,
            split: None,
            peace: false,
            report: Report::default(),
            violation: None,
            setting,
        };
        world.next_crash();
        (0..nodes).for_each(|node| world.start(node));
        world.plan_accidents();
        world
    }

    /// Runs to the end. What it counted, or the first invariant that did not hold.
    pub(crate) fn run(mut self) -> Result<Report, Violation> {
        let longest = 7 * 24 * HOUR;
        let end = self.setting.storm + longest + 24 * HOUR;
        let bound = self.setting.messages.saturating_mul(3_000) + 20_000_000;
        let mut happened = 0;
        while let Some(Reverse(Entry { at, event, .. })) = self.agenda.pop() {
            if at > end {
                break;
            }
            happened += 1;
            self.now = at;
            let stalled = event.waits_for().map(|node| &self.nodes[node]).filter(|node| node.machine.is_some());
            match stalled.map(|node| node.stalled).filter(|until| *until > at) {
                Some(until) => self.plan(until - at, event),
                None => self.happen(event),
            }
            if happened > bound {
                self.broken(Invariant::AlarmsAreServed, "the world does not come to rest".to_owned());
            }
            if let Some(violation) = self.violation {
                return Err(violation);
            }
        }
        self.check_the_end();
        self.report.ended = self.now;
        match self.violation {
            Some(violation) => Err(violation),
            None => Ok(self.report),
        }
    }

    pub(super) fn broken(&mut self, invariant: Invariant, what: String) {
        let (seed, at, replay) = (self.setting.seed, self.now, self.setting.replay.clone());
        self.violation.get_or_insert(Violation { invariant, what, seed, at, replay });
    }

    pub(super) fn plan(&mut self, after_us: u64, event: Event) {
        self.planned += 1;
        self.agenda.push(Reverse(Entry { at: self.now + after_us, order: self.planned, event }));
    }

    pub(super) fn clock(&self, node: usize) -> Now {
        let node = &self.nodes[node];
        let ms = i64::try_from(self.now / 1_000).unwrap();
        let mono = Duration::from_micros(self.now - node.born);
        Now { mono, wall: Timestamp::from_unix_ms(START_MS + ms + node.skew_ms) }
    }

    /// The links over which two nodes reach each other, by number; at least one of them lives, and has no rules.
    pub(super) fn links_between(&self, a: usize, b: usize) -> Vec<u8> {
        let bits = mix(a, b, self.setting.seed);
        let all = || (0..).zip(&self.links);
        let some: Vec<u8> = all().filter(|(n, _)| bits >> (n * 5) & 0b11111 < 19).map(|(n, _)| n).collect();
        let lives = some.iter().any(|n| {
            let n = usize::from(*n);
            self.links[n].0.lives() && self.rules[n].is_none()
        });
        if lives { some } else { all().map(|(n, _)| n).collect() }
    }

    pub(super) fn start(&mut self, node: usize) {
        let (now, seed) = (self.now, self.rng.random());
        let mut config = self.setting.machine.clone();
        if self.setting.fault == Some(Fault::UnboundedQueue) {
            config.queued_total *= 1_000;
            config.queued_per_peer *= 1_000;
        }
        let fault = self.setting.fault;
        let this = &mut self.nodes[node];
        this.machine = Some(Machine::new(config, seed));
        this.life += 1;
        this.born = now;
        this.volatile = Volatile::default();
        let (up, life) = (this.flapping_up, this.life);
        let mut disk: Vec<Kept> = this.disk.outbox.values().cloned().collect();
        if fault == Some(Fault::ForgetsTheOutbox) {
            disk.clear();
        }
        let mut inputs = Vec::new();
        for ((priority, (link, id)), rules) in (1..).zip(self.links.clone()).zip(self.rules.clone()) {
            let (mut capabilities, enabled) = (link.capabilities(), true);
            if fault == Some(Fault::HidesLeaks) {
                capabilities.leaks.retain(|leak| *leak != Leak::BothEndsToServer);
            }
            if fault == Some(Fault::EndlessPatience) {
                capabilities.latency = LatencyClass::Courier;
            }
            if let Some(rules) = rules.filter(|_| fault != Some(Fault::NoRules)) {
                inputs.push(Input::Schedule { id: id.clone(), schedule: rules.schedule() });
            }
            inputs.push(Input::Transport { id: id.clone(), capabilities, priority, enabled });
            if link != Link::Flapping || up {
                inputs.push(Input::TransportUp { id });
            }
        }
        for peer in self.nodes[node].peers.clone() {
            let links = self.links_between(node, peer);
            let routes = links.into_iter().map(|n| (self.links[usize::from(n)].1.clone(), peer.to_string())).collect();
            inputs.push(Input::Peer { peer: fingerprint(peer), routes });
        }
        for peer in self.nodes[node].disk.held.iter().filter(|_| fault != Some(Fault::DeafToHolds)) {
            let reason = Reason::new(ReasonKind::Blocked, "held back by the user");
            inputs.push(Input::HoldPeer { peer: fingerprint(*peer), reason });
        }
        for Kept { out, state, retries, ledger } in disk {
            let attempts = ledger.into_values().collect();
            inputs.push(Input::Restore { outgoing: out, state, attempts, retries });
        }
        for input in inputs {
            if self.is_alive(node, life) {
                self.give(node, input);
            }
        }
        if self.is_alive(node, life) {
            self.resume_files(node);
        }
    }

    pub(super) fn is_alive(&self, node: usize, life: u32) -> bool {
        let node = &self.nodes[node];
        node.life == life && node.machine.is_some()
    }

    /// Tells a node's machine something and does what it says.
    pub(super) fn give(&mut self, node: usize, input: Input) {
        if self.step(node, Step::Input) {
            return;
        }
        let now = self.clock(node);
        let log = self.setting.log;
        if self.nodes[node].machine.is_none() {
            return;
        }
        if log && input != Input::Wake {
            println!("{:>13.6} node {node} <- {input:?}", self.now as f64 / 1e6);
        }
        // What was due while it was stalled could not be served.
        let awake = Duration::from_micros(self.nodes[node].stalled.saturating_sub(self.nodes[node].born));
        let Some(machine) = &mut self.nodes[node].machine else { return };
        let overdue = machine.next_wake().filter(|due| *due >= awake && *due + Duration::from_micros(LATE) < now.mono);
        let restores = matches!(input, Input::Restore { .. });
        let input = self.with_fault(input);
        self.nodes[node].note_line(&input);
        let Some(machine) = &mut self.nodes[node].machine else { return };
        let before = machine.queued().pending();
        let mut actions = machine.handle(now, input);
        let (after, next) = (machine.queued().pending(), machine.next_wake());
        self.report.calls += 1;
        if let Some(due) = overdue {
            let late = now.mono.saturating_sub(due);
            self.broken(Invariant::AlarmsAreServed, format!("node {node} served an alarm {late:?} late"));
        }
        if next.is_some_and(|next| next <= now.mono) {
            self.broken(Invariant::AlarmsAreServed, format!("node {node} asks for a time that is over"));
        }
        if after > before && after > self.setting.queued_total && !restores {
            let bound = self.setting.queued_total;
            self.broken(Invariant::QueuesAreBounded, format!("node {node} queues {after} messages, bound {bound}"));
        }
        if self.setting.fault == Some(Fault::TakesTwoPaths) {
            let again: Vec<_> = actions.iter().filter(|action| self.wants_one_path(action)).cloned().collect();
            actions.extend(again);
        }
        self.check_width(&actions);
        self.check_order(node, &actions);
        self.check_silence(node, &actions);
        for action in actions {
            if self.step(node, Step::Action) {
                return;
            }
            if log {
                println!("{:>13.6} node {node} -> {action:?}", self.now as f64 / 1e6);
            }
            self.carry_out(node, action);
            if self.nodes[node].machine.is_none() {
                return;
            }
        }
        self.arm(node);
    }

    fn with_fault(&self, mut input: Input) -> Input {
        if self.setting.fault == Some(Fault::NewestFirst)
            && let Input::Submit(out) | Input::Restore { outgoing: out, .. } = &mut input
        {
            let age = out.composed.unix_ms() - START_MS;
            out.composed = Timestamp::from_unix_ms(START_MS - age);
            // It ends when it would have ended.
            out.ttl_seconds += u64::try_from(age).unwrap_or(0).div_ceil(500);
        }
        input
    }

    /// Plans the next alarm of a node, unless an earlier one is planned.
    fn arm(&mut self, node: usize) {
        let this = &mut self.nodes[node];
        let Some(next) = this.machine.as_ref().and_then(Machine::next_wake) else { return };
        // Up, so that it is due when it fires.
        let at = this.born + u64::try_from(next.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX / 2);
        let at = at.max(self.now + 1);
        if this.volatile.alarm.is_none_or(|planned| at < planned) {
            this.volatile.alarm = Some(at);
            let life = this.life;
            self.plan(at - self.now, Event::Alarm { node, life });
        }
    }

    fn alarm(&mut self, node: usize) {
        let this = &mut self.nodes[node];
        if this.volatile.alarm.is_none_or(|planned| planned > self.now) {
            return;
        }
        this.volatile.alarm = None;
        let mono = Duration::from_micros(self.now - this.born);
        let due = this.machine.as_ref().and_then(Machine::next_wake).is_some_and(|next| next <= mono);
        if due && self.setting.fault != Some(Fault::DeafToAlarms) {
            self.give(node, Input::Wake);
        } else {
            self.arm(node);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Compose => self.compose(),
            Event::Answer { node, life, attempt, answer } => {
                if self.is_alive(node, life) {
                    self.answer(node, attempt, answer);
                }
            }
            Event::Probed { node, life, link } => {
                if self.is_alive(node, life) {
                    let id = self.links[usize::from(link)].1.clone();
                    self.give(node, Input::Probed { id, result: Ok(Duration::from_millis(20)) });
                }
            }
            Event::Arrive { from, to, link, frame } => self.arrive(from, to, link, frame),
            Event::Gather { node, life } => {
                if self.is_alive(node, life) {
                    self.gather(node);
                }
            }
            Event::Flush { node, life } => {
                if self.is_alive(node, life) {
                    self.flush(node);
                }
            }
            Event::Alarm { node, life } => {
                if self.is_alive(node, life) {
                    self.alarm(node);
                }
            }
            Event::Flap { node, up } => self.flap(node, up),
            Event::Start { node } => self.start(node),
            Event::Fill { node, life, transfer } => {
                if self.is_alive(node, life) {
                    self.fill(node, transfer);
                }
            }
            Event::Person { node } => self.person(node),
            Event::Release { node, peer } => self.release(node, peer),
            Event::Stall { node, lasts } => {
                if self.nodes[node].machine.is_some() {
                    self.report.stalls += 1;
                    self.nodes[node].stalled = self.nodes[node].stalled.max(self.now + lasts);
                }
            }
            Event::ClockJump => self.clock_jumps(),
            Event::Split(halves) => self.split = halves,
            Event::DiskFull { node, full } => self.nodes[node].disk_full = full,
            Event::Peace => self.peace = true,
        }
    }

    fn answer(&mut self, node: usize, attempt: AttemptId, answer: Answer) {
        let Some(Hand { named, link, to }) = self.out_of_hand(node, attempt) else { return };
        if let (Named::Message(message), Answer::Taken) = (named, answer) {
            self.fate(message).taken_by |= 1 << link;
        }
        let input = match answer {
            Answer::Taken => Input::AttemptAccepted { attempt, accepted_by: None, bytes: 1_000 },
            Answer::Refused => {
                let reason = Reason::new(ReasonKind::Unreachable, "nobody answers");
                Input::AttemptFailed { attempt, reason, retry: Retry::Later }
            }
            Answer::Slower(wait) => {
                self.report.slowed += 1;
                self.nodes[node].volatile.waits.insert((to, link), self.now + wait);
                let reason = Reason::new(ReasonKind::RateLimited, "too many; come again later");
                let patient = self.setting.fault != Some(Fault::Impatient);
                let retry = if patient { Retry::After(Duration::from_micros(wait)) } else { Retry::Later };
                Input::AttemptFailed { attempt, reason, retry }
            }
        };
        self.give(node, input);
    }

    fn flap(&mut self, node: usize, up: bool) {
        self.nodes[node].flapping_up = up;
        let (id, reason) = (Link::Flapping.name(), Reason::new(ReasonKind::Disconnected, "no signal"));
        let input = if up { Input::TransportUp { id } } else { Input::TransportDown { id, reason, retry_in: None } };
        self.give(node, input);
    }

    fn clock_jumps(&mut self) {
        let node = self.rng.random_range(0..self.nodes.len());
        self.nodes[node].skew_ms = [86_400_000, -86_400_000, 0][self.rng.random_range(0..3)];
        self.nodes[node].skewed = true;
        self.give(node, Input::Wake);
    }

    pub(super) fn fate(&mut self, message: u64) -> &mut Fate {
        &mut self.fates[usize::try_from(message).unwrap()]
    }
}
