//! Messages and frames on their way between nodes.

use rand::RngExt as _;
use skcomm_tui::{
    delivery::{AttemptId, Input, Outgoing, Policy, TransportId},
    wire::{EnvelopeId, Fingerprint, Mode, PayloadType, Urgency},
};

use super::{
    acks::ack_bytes,
    agenda::{Answer, Event, Frame, Named, fingerprint, mix, node_of},
    check::{Fate, Step},
    link::Link,
    node::{Hand, Write},
    setting::{Fault, SECOND},
    world::World,
};

impl World {
    /// Somebody writes to somebody, and the next message is planned.
    pub(super) fn compose(&mut self) {
        let left = self.setting.messages - self.fates.len() as u64;
        let gap = self.setting.storm.saturating_sub(self.now) / left.max(1);
        let from = self.rng.random_range(0..self.nodes.len());
        if self.nodes[from].machine.is_none() || self.nodes[from].stalled > self.now {
            return self.plan(SECOND / 100, Event::Compose);
        }
        let peers = &self.nodes[from].peers;
        let to = peers[self.rng.random_range(0..peers.len())];
        let message = self.fates.len() as u64;
        let out = self.draft(message, from, to);
        self.report.composed += 1;
        self.report.message_bytes += out.size as u64;
        let offers = self.rng.random_bool(self.setting.files).then(|| self.offer_file(message, from, to));
        let fate = self.fate_of(&out, from, to, offers);
        self.fates.push(fate);
        if left > 1 {
            let next = self.rng.random_range(0..=2 * gap);
            self.plan(next, Event::Compose);
        }
        self.write(from, Write::Compose(message, out));
    }

    fn fate_of(&self, out: &Outgoing, from: usize, to: usize, offers: Option<u32>) -> Fate {
        let width = match (out.mode, out.urgency) {
            (Mode::Broadcast, _) => usize::MAX,
            (Mode::Speed, _) | (_, Urgency::Critical) => 2,
            _ => 1,
        };
        Fate {
            from: u32::try_from(from).unwrap(),
            to: u32::try_from(to).unwrap(),
            composed: self.now,
            ttl_seconds: out.ttl_seconds,
            width,
            stealth: out.mode == Mode::Stealth,
            size: u32::try_from(out.size).unwrap(),
            offers,
            cancelled: false,
            taken_by: 0,
            came_by: 0,
            told: self.setting.fault == Some(Fault::KeptBeforeDurable),
            refused: false,
            stored: false,
            acked: false,
            shown: 0,
            sends: 0,
            hands: 0,
            rank: 0,
            given_up: None,
            failed_over: false,
        }
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

    pub(super) fn number(&self, via: &TransportId) -> u8 {
        u8::try_from(self.links.iter().position(|(_, id)| id == via).unwrap()).unwrap()
    }

    /// Hands a frame to a transport.
    pub(super) fn send(
        &mut self,
        from: usize,
        attempt: AttemptId,
        id: EnvelopeId,
        peer: Fingerprint,
        via: &TransportId,
    ) {
        if self.step(from, Step::Send) {
            return;
        }
        let hand = Hand { named: Named::of(&id), link: self.number(via), to: node_of(peer) };
        let (frame, size) = match hand.named {
            Named::Ack(ack) => {
                self.report.ack_sends += 1;
                let items = self.nodes[from].volatile.acks[&ack].clone();
                let bytes = ack_bytes(items.len());
                (Frame::Ack(items), bytes)
            }
            Named::Message(message) => {
                self.check_message(from, message);
                self.report.sends += 1;
                let fate = self.fate(message);
                fate.hands += 1;
                fate.sends = fate.sends.saturating_add(1);
                let (again, size) = (fate.sends > 1 && fate.width == 1, u64::from(fate.size));
                self.report.resent += u64::from(again);
                (Frame::Message(message), size)
            }
            Named::Chunk(chunk) => {
                self.check_chunk(from, chunk);
                let (part, size) = self.part(chunk);
                part.hands += 1;
                (Frame::Chunk(chunk), size)
            }
        };
        self.check_path(from, hand, &frame, size);
        self.report.wire_bytes += size;
        self.nodes[from].volatile.hands.insert(attempt, hand);
        self.transmit(from, hand, attempt, frame, size);
    }

    /// What becomes of a frame on its link.
    fn transmit(&mut self, from: usize, hand: Hand, attempt: AttemptId, frame: Frame, size: u64) {
        let (to, link, life) = (hand.to, self.links[usize::from(hand.link)].0, self.nodes[from].life);
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
        let slower = !self.peace && link.slowed() > 0.0 && self.rng.random_bool(link.slowed());
        let delay = link.delay_us(&mut self.rng) + size * SECOND / link.bytes_a_second();
        if link == Link::Hanging && self.rng.random_bool(0.1) {
            return;
        }
        let answer = match (fine, slower) {
            (_, true) => Answer::Slower(self.rng.random_range(2 * SECOND..60 * SECOND)),
            (true, false) => Answer::Taken,
            (false, false) => Answer::Refused,
        };
        let after = if link.stores() || link == Link::BlackHole { 5_000 } else { delay };
        self.plan(after, Event::Answer { node: from, life, attempt, answer });
        let lost = link.loss() > 0.0 && self.rng.random_bool(link.loss());
        if answer == Answer::Taken && !lost && !apart {
            self.carry(from, hand, &frame, delay);
        }
    }

    /// Brings a frame to the other end, perhaps damaged, late or twice.
    fn carry(&mut self, from: usize, Hand { to, link, .. }: Hand, frame: &Frame, delay: u64) {
        if self.setting.corrupted > 0.0 && self.rng.random_bool(self.setting.corrupted) {
            // Its signature does not hold: dropped and counted, as if it had not come.
            self.report.corrupted += 1;
            return;
        }
        // Three seconds in a hundred are bad on a far link: frames come late, several in a row.
        let far = self.links[usize::from(link)].0 == Link::Satellite;
        let burst = far && (50..53).contains(&(self.now / SECOND % 100));
        let mut late = if burst { self.rng.random_range(300_000..1_200_000) } else { 0 };
        if self.setting.delayed > 0.0 && self.rng.random_bool(self.setting.delayed) {
            late += self.rng.random_range(SECOND..60 * SECOND);
        }
        let twice = self.setting.duplicated > 0.0 && self.rng.random_bool(self.setting.duplicated);
        for copy in 0..=u64::from(twice) {
            let event = Event::Arrive { from, to, link, frame: frame.clone() };
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
            Frame::Chunk(chunk) => self.receive_chunk(from, to, link, chunk),
            Frame::Ack(items) => {
                for (named, by) in items.iter() {
                    if self.is_alive(to, life) {
                        self.acked(to, *named, *by, via.clone());
                    }
                }
            }
        }
    }

    fn receive(&mut self, from: usize, to: usize, link: u8, message: u64) {
        let fault = self.setting.fault;
        self.fate(message).came_by |= 1 << link;
        let known = self.nodes[to].disk.received.contains(&message) && fault != Some(Fault::NoDedup);
        if known {
            self.report.duplicates += 1;
            return self.ack(to, from, vec![(Named::Message(message), link)]);
        }
        if !self.nodes[to].volatile.receiving.insert(message) {
            // Its first copy is being written, and is acked then.
            self.report.duplicates += 1;
            return;
        }
        let life = self.nodes[to].life;
        self.write(to, Write::Receive { from, link, message });
        if fault == Some(Fault::AckBeforeDurable) && self.is_alive(to, life) {
            self.ack(to, from, vec![(Named::Message(message), link)]);
        }
    }
}
