//! Messages and acks on their way between nodes.

use rand::RngExt as _;
use skcomm_tui::{
    delivery::{
        Action, AttemptId, AttemptOutcome, Input, MessageState, Outgoing, Policy, Reason, ReasonKind, TransportId,
    },
    wire::{EnvelopeId, Fingerprint, Mode, PayloadType, Urgency},
};

use super::{
    agenda::{Event, Frame, Named, fingerprint, mix, node_of},
    check::{Fate, GivenUp, Invariant, Step},
    link::Link,
    node::{AckOut, Write},
    setting::{Fault, SECOND},
    world::World,
};

/// How long changes of the ledger gather, in microseconds.
const GATHER: u64 = 20_000;
/// Bytes of a sealed ack, and of each message it names beyond the first.
const ACK_BYTES: u64 = 1_100;
const ACK_ITEM_BYTES: u64 = 130;
/// How much later than its time a message may be handed over: the alarm is due within this, in microseconds.
const SENT_LATE: u64 = 2 * SECOND;

impl World {
    /// Somebody writes to somebody, and the next message is planned.
    pub(super) fn compose(&mut self) {
        let left = self.setting.messages - self.fates.len() as u64;
        let gap = self.setting.storm.saturating_sub(self.now) / left.max(1);
        let from = self.rng.random_range(0..self.nodes.len());
        if self.nodes[from].machine.is_none() {
            return self.plan(SECOND / 100, Event::Compose);
        }
        let peers = &self.nodes[from].peers;
        let to = peers[self.rng.random_range(0..peers.len())];
        let message = self.fates.len() as u64;
        let out = self.draft(message, from, to);
        self.report.composed += 1;
        self.report.message_bytes += out.size as u64;
        let fault = self.setting.fault;
        self.fates.push(Fate {
            from: u32::try_from(from).unwrap(),
            to: u32::try_from(to).unwrap(),
            composed: self.now,
            ttl_seconds: out.ttl_seconds,
            many_paths: out.mode == Mode::Broadcast || out.mode == Mode::Speed || out.urgency == Urgency::Critical,
            told: fault == Some(Fault::KeptBeforeDurable),
            refused: false,
            stored: false,
            acked: false,
            shown: 0,
            sends: 0,
            hands: 0,
            rank: 0,
            given_up: None,
            failed_over: false,
        });
        if left > 1 {
            let next = self.rng.random_range(0..=2 * gap);
            self.plan(next, Event::Compose);
        }
        self.write(from, Write::Compose(message, out));
    }

    fn draft(&mut self, message: u64, from: usize, to: usize) -> Outgoing {
        let discreet = |world: &Self| {
            let between = world.links_between(from, to);
            let links = between.iter().map(|n| world.links[usize::from(*n)].0);
            links.clone().any(|link| link.lives() && link.capabilities().stealthy())
        };
        let pick = if self.setting.all_modes { self.rng.random_range(0..20) } else { 19 };
        let mode = match pick {
            0 => Mode::Broadcast,
            1 => Mode::Speed,
            2 if discreet(self) => Mode::Stealth,
            _ => Mode::Failover,
        };
        let urgency = match pick {
            3 => Urgency::Critical,
            4 => Urgency::High,
            5..8 => Urgency::Low,
            _ => Urgency::Normal,
        };
        let short = self.rng.random_bool(self.setting.short_lived);
        Outgoing {
            envelope_id: Named::Message(message).id(),
            peer: fingerprint(to),
            kind: PayloadType::Message,
            mode,
            urgency,
            size: self.rng.random_range(800..4_000),
            composed: self.clock(from).wall,
            ttl_seconds: if short { 60 } else { 7 * 86_400 },
            max_retries: 5,
            prefer: Vec::new(),
            fallback: Vec::new(),
            policy: Policy::default(),
            wants_ack: true,
        }
    }

    pub(super) fn carry_out(&mut self, node: usize, action: Action) {
        match action {
            Action::Send { attempt, envelope_id, peer, via, .. } => self.send(node, attempt, envelope_id, peer, &via),
            Action::State { envelope_id, state, retries, .. } => self.state(node, envelope_id, state, retries),
            Action::Attempt { envelope_id, record } => {
                if let Named::Message(message) = Named::of(&envelope_id)
                    && record.outcome != AttemptOutcome::Running
                {
                    self.change(node, message).attempts.insert(record.number, record);
                }
            }
            Action::Forget { envelope_id } => self.forget(node, envelope_id),
            Action::Abort { attempt } => {
                if self.setting.fault != Some(Fault::NeverAborts)
                    && let Some(message) = self.nodes[node].volatile.hands.remove(&attempt)
                {
                    self.fate(message).hands -= 1;
                }
            }
            Action::Probe { via } => {
                let (life, link) = (self.nodes[node].life, self.number(&via));
                self.plan(20_000, Event::Probed { node, life, link });
            }
            Action::Failover { envelope_id, from, to, reason } => {
                self.failed_over(node, envelope_id, &from, to.is_some(), &reason);
            }
            Action::ClockJump { .. } => self.report.jumps_seen += 1,
            Action::Health { .. } => {}
        }
    }

    fn number(&self, via: &TransportId) -> u8 {
        u8::try_from(self.links.iter().position(|(_, id)| id == via).unwrap()).unwrap()
    }

    fn change(&mut self, node: usize, message: u64) -> &mut super::node::Change {
        if !self.nodes[node].volatile.ledger_planned {
            self.nodes[node].volatile.ledger_planned = true;
            let life = self.nodes[node].life;
            self.plan(GATHER, Event::Gather { node, life });
        }
        self.nodes[node].volatile.ledger.entry(message).or_default()
    }

    fn state(&mut self, node: usize, id: EnvelopeId, state: MessageState, retries: u32) {
        let Named::Message(message) = Named::of(&id) else { return };
        let rank = state.rank();
        let told = self.nodes[node].volatile.told.insert(message, rank).unwrap_or(0);
        let fate = &self.fates[usize::try_from(message).unwrap()];
        if rank < told.max(fate.rank) {
            self.broken(Invariant::StatesRise, format!("message {message} fell from rank {told} to {state:?}"));
        }
        let skewed = self.nodes[node].skewed;
        let fate = &self.fates[usize::try_from(message).unwrap()];
        // The wall clock counts milliseconds.
        let early = self.now + 2_000 < fate.composed + fate.ttl_seconds * SECOND;
        match &state {
            MessageState::Expired if early && !skewed => {
                self.broken(Invariant::DropsHaveReasons, format!("message {message} expired before its time"));
            }
            MessageState::Expired if self.setting.fault == Some(Fault::SendsWhatExpired) => {
                let (peer, via) = (fingerprint(usize::try_from(fate.to).unwrap()), self.links[0].1.clone());
                self.now += 3 * SECOND;
                self.send(node, AttemptId(u64::MAX), id, peer, &via);
            }
            MessageState::Failed { reason } if reason.kind != ReasonKind::QueueFull => {
                self.broken(Invariant::DropsHaveReasons, format!("message {message} was given up: {reason:?}"));
            }
            _ => {}
        }
        self.change(node, message).state = Some((state, retries));
    }

    fn forget(&mut self, node: usize, id: EnvelopeId) {
        let message = match Named::of(&id) {
            Named::Message(message) => message,
            Named::Ack(ack) => {
                self.nodes[node].volatile.acks.remove(&ack);
                return;
            }
        };
        let rank = self.nodes[node].volatile.told.remove(&message).unwrap_or(0).max(self.fate(message).rank);
        if rank < 2 {
            self.broken(Invariant::DropsHaveReasons, format!("message {message} was forgotten at rank {rank}"));
        }
        if self.fate(message).hands > 0 {
            let what = format!("message {message} is over, and a transport still works for it");
            self.broken(Invariant::NoAttemptOutlives, what);
        }
        self.change(node, message).forget = true;
    }

    fn failed_over(&mut self, node: usize, id: EnvelopeId, from: &TransportId, to: bool, reason: &Reason) {
        self.report.failovers += 1;
        let Named::Message(message) = Named::of(&id) else { return };
        self.fate(message).failed_over = true;
        if self.setting.fault == Some(Fault::DropWithoutReason) && reason.kind == ReasonKind::NoAck {
            return self.forget(node, id);
        }
        let now = self.clock(node).wall;
        let Some(machine) = self.nodes[node].machine.as_ref().filter(|_| to) else { return };
        let left = machine.attempts(&id).iter().rev().find(|record| record.via == *from);
        let Some(took) = left.and_then(|record| u32::try_from(now.ms_since(record.started)).ok()) else { return };
        if self.nodes[node].skewed {
            return;
        }
        let link = self.links[usize::from(self.number(from))].0;
        let times = &mut self.report.by_link[Link::ALL.iter().position(|known| *known == link).unwrap()];
        if matches!(reason.kind, ReasonKind::NoAck | ReasonKind::Timeout) {
            times.after_silence.push(took);
        } else {
            times.after_error.push(took);
        }
    }

    /// Hands a frame to a transport.
    fn send(&mut self, from: usize, attempt: AttemptId, id: EnvelopeId, peer: Fingerprint, via: &TransportId) {
        if self.step(from, Step::Send) {
            return;
        }
        let (number, to) = (self.number(via), node_of(peer));
        let frame = match Named::of(&id) {
            Named::Ack(ack) => {
                self.report.ack_sends += 1;
                let AckOut { items } = self.nodes[from].volatile.acks[&ack].clone();
                self.report.wire_bytes += ACK_BYTES + ACK_ITEM_BYTES * (items.len() as u64 - 1);
                Frame::Ack(items)
            }
            Named::Message(message) => {
                self.check_send(from, message);
                let size = self.nodes[from].disk.outbox.get(&message).map_or(0, |kept| kept.out.size);
                self.report.sends += 1;
                self.report.wire_bytes += size as u64;
                self.nodes[from].volatile.hands.insert(attempt, message);
                let fate = self.fate(message);
                fate.hands += 1;
                fate.sends = fate.sends.saturating_add(1);
                let again = fate.sends > 1 && !fate.many_paths;
                self.report.resent += u64::from(again);
                Frame::Message(message)
            }
        };
        self.transmit(from, to, number, attempt, frame);
    }

    fn check_send(&mut self, from: usize, message: u64) {
        let fate = &self.fates[usize::try_from(message).unwrap()];
        let over = fate.composed + fate.ttl_seconds * SECOND + SENT_LATE;
        let told = self.nodes[from].volatile.told.get(&message).copied().unwrap_or(0);
        if self.now > over && !self.nodes[from].skewed {
            self.broken(Invariant::NothingSentLate, format!("message {message} was sent after its time"));
        } else if told >= 2 {
            self.broken(Invariant::NoAttemptOutlives, format!("message {message} was sent after its end"));
        } else if !self.nodes[from].disk.outbox.contains_key(&message) {
            self.broken(Invariant::ToldIsKept, format!("the bytes of message {message} are not on the disk"));
        }
    }

    /// What becomes of a frame on its link.
    fn transmit(&mut self, from: usize, to: usize, number: u8, attempt: AttemptId, frame: Frame) {
        let (link, life) = (self.links[usize::from(number)].0, self.nodes[from].life);
        let there = self.nodes[to].machine.is_some();
        let half = |node: usize, halves| mix(node, node, halves) & 1;
        let apart = !link.stores() && self.split.is_some_and(|halves| half(from, halves) != half(to, halves));
        let refused = link.refusal() > 0.0 && self.rng.random_bool(link.refusal());
        let fine = match link {
            Link::BlackHole | Link::Relay | Link::Folder => true,
            Link::Flapping => there && self.nodes[from].flapping_up && self.nodes[to].flapping_up,
            _ => there && !refused,
        };
        // Half of what a partition cuts off is refused, the other half disappears.
        let fine = fine && !(apart && self.rng.random_bool(0.5));
        let delay = link.delay_us(&mut self.rng);
        if link == Link::Hanging && self.rng.random_bool(0.1) {
            return;
        }
        let answer = if link.stores() || link == Link::BlackHole { 5_000 } else { delay };
        self.plan(answer, Event::Answer { node: from, life, attempt, fine });
        let lost = link.loss() > 0.0 && self.rng.random_bool(link.loss());
        if !fine || lost || apart {
            return;
        }
        if self.setting.corrupted > 0.0 && self.rng.random_bool(self.setting.corrupted) {
            // Its signature does not hold: dropped and counted, as if it had not come.
            self.report.corrupted += 1;
            return;
        }
        // Three seconds in a hundred are bad on a far link: frames come late, several in a row.
        let burst = link == Link::Satellite && (50..53).contains(&(self.now / SECOND % 100));
        let mut late = if burst { self.rng.random_range(300_000..1_200_000) } else { 0 };
        if self.setting.delayed > 0.0 && self.rng.random_bool(self.setting.delayed) {
            late += self.rng.random_range(SECOND..60 * SECOND);
        }
        let twice = self.setting.duplicated > 0.0 && self.rng.random_bool(self.setting.duplicated);
        for copy in 0..=u64::from(twice) {
            let event = Event::Arrive { from, to, link: number, frame: frame.clone() };
            self.plan(delay + late + copy * 700_000, event);
        }
    }

    pub(super) fn arrive(&mut self, from: usize, to: usize, link: u8, frame: Frame) {
        if self.nodes[to].machine.is_none() {
            if self.links[usize::from(link)].0.stores() {
                let later = self.rng.random_range(SECOND / 2..5 * SECOND);
                self.plan(later, Event::Arrive { from, to, link, frame });
            }
            return;
        }
        if self.step(to, Step::Receive) {
            return;
        }
        let life = self.nodes[to].life;
        let via = self.links[usize::from(link)].1.clone();
        self.give(to, Input::Heard { peer: fingerprint(from), via: via.clone() });
        if !self.is_alive(to, life) {
            return;
        }
        match frame {
            Frame::Message(message) => self.receive(from, to, link, message),
            Frame::Ack(items) => {
                for (message, named) in items.iter() {
                    if self.is_alive(to, life) {
                        self.acked(to, *message, *named, via.clone());
                    }
                }
            }
        }
    }

    fn receive(&mut self, from: usize, to: usize, link: u8, message: u64) {
        let fault = self.setting.fault;
        let known = self.nodes[to].disk.received.contains(&message) && fault != Some(Fault::NoDedup);
        if known {
            self.report.duplicates += 1;
            return self.ack(to, from, vec![(message, link)]);
        }
        if !self.nodes[to].volatile.receiving.insert(message) {
            // Its first copy is being written, and is acked then.
            self.report.duplicates += 1;
            return;
        }
        let life = self.nodes[to].life;
        self.write(to, Write::Receive { from, link, message });
        if fault == Some(Fault::AckBeforeDurable) && self.is_alive(to, life) {
            self.ack(to, from, vec![(message, link)]);
        }
    }

    /// Sends an ack for messages of `peer` that are on the disk.
    pub(super) fn ack(&mut self, node: usize, peer: usize, items: Vec<(u64, u8)>) {
        let Some(&(_, link)) = items.last() else { return };
        items.iter().for_each(|(message, _)| self.fate(*message).acked = true);
        self.acks += 1;
        let id = Named::Ack(self.acks).id();
        let size = usize::try_from(ACK_BYTES + ACK_ITEM_BYTES * (items.len() as u64 - 1)).unwrap();
        self.nodes[node].volatile.acks.insert(self.acks, AckOut { items: items.into() });
        let out = Outgoing {
            envelope_id: id,
            peer: fingerprint(peer),
            kind: PayloadType::Ack,
            mode: Mode::Failover,
            urgency: Urgency::High,
            size,
            composed: self.clock(node).wall,
            ttl_seconds: 3_600,
            max_retries: 2,
            prefer: vec![self.links[usize::from(link)].1.clone()],
            fallback: Vec::new(),
            policy: Policy::default(),
            wants_ack: false,
        };
        self.give(node, Input::Submit(out));
    }

    fn acked(&mut self, node: usize, message: u64, named: u8, ack_via: TransportId) {
        let fate = self.fate(message);
        if !fate.stored {
            self.broken(Invariant::AckedIsKept, format!("message {message} was acked and is not on a disk"));
        }
        let id = Named::Message(message).id();
        let Some(machine) = &self.nodes[node].machine else { return };
        if machine.state(&id).is_none() {
            return self.write(node, Write::LateAck(message));
        }
        let (first, composed) =
            (!matches!(machine.state(&id), Some(state) if state.rank() >= 3), self.fate(message).composed);
        if first {
            let ms = (self.now - composed) / 1_000;
            self.report.delivery_ms.push(u32::try_from(ms).unwrap_or(u32::MAX));
        }
        let via = Some(self.links[usize::from(named)].1.clone());
        self.give(node, Input::Acked { envelope_id: id, via, ack_via });
        if self.setting.fault == Some(Fault::StateGoesBack) && self.nodes[node].machine.is_some() {
            // A bounce that comes after the ack.
            let state = MessageState::Failed { reason: Reason::new(ReasonKind::QueueFull, "bounced") };
            self.state(node, id, state, 0);
        }
    }

    pub(super) fn given_up(state: &MessageState) -> Option<GivenUp> {
        match state {
            MessageState::Expired => Some(GivenUp::Expired),
            MessageState::Failed { .. } => Some(GivenUp::QueueFull),
            _ => None,
        }
    }
}
