//! What a node writes, when it is durable, and what may follow only then.

use std::collections::BTreeMap;

use rand::RngExt as _;
use skcomm_tui::delivery::{Input, MessageState, Outgoing, QueueCounts};

use super::{
    agenda::{Event, Named},
    check::{GivenUp, Invariant, Step},
    node::{Change, Kept, Write},
    setting::SECOND,
    world::World,
};

impl World {
    /// Queues a write.
    pub(super) fn write(&mut self, node: usize, write: Write) {
        self.nodes[node].volatile.writes.push(write);
        if self.step(node, Step::Write) {
            return;
        }
        self.plan_flush(node, 5_000);
    }

    fn plan_flush(&mut self, node: usize, within_us: u64) {
        if !self.nodes[node].volatile.flush_planned {
            self.nodes[node].volatile.flush_planned = true;
            let (after, life) = (self.rng.random_range(within_us / 5..=within_us), self.nodes[node].life);
            self.plan(after, Event::Flush { node, life });
        }
    }

    /// Writes what gathered about messages under way.
    pub(super) fn gather(&mut self, node: usize) {
        self.nodes[node].volatile.ledger_planned = false;
        let life = self.nodes[node].life;
        let changes = std::mem::take(&mut self.nodes[node].volatile.ledger);
        let progress = std::mem::take(&mut self.nodes[node].volatile.progress);
        if !changes.is_empty() {
            self.write(node, Write::Ledger(changes));
        }
        if !progress.is_empty() && self.is_alive(node, life) {
            self.write(node, Write::Progress(progress));
        }
    }

    pub(super) fn flush(&mut self, node: usize) {
        self.nodes[node].volatile.flush_planned = false;
        let mut writes = std::mem::take(&mut self.nodes[node].volatile.writes);
        if self.nodes[node].disk_full {
            return self.cannot_flush(node, writes);
        }
        if self.crash_is_due() {
            let lost = writes.split_off(self.rng.random_range(0..=writes.len()));
            writes.into_iter().for_each(|write| self.make_durable(node, &write));
            self.nodes[node].volatile.writes = lost;
            return self.crash(node, Step::Flush);
        }
        writes.iter().for_each(|write| self.make_durable(node, write));
        if !self.step(node, Step::Flushed) {
            self.after_flush(node, writes);
        }
    }

    /// Nothing is called kept, nothing acked. What is known of messages under way is tried again.
    fn cannot_flush(&mut self, node: usize, writes: Vec<Write>) {
        self.report.full_flushes += 1;
        for write in writes {
            match write {
                Write::Compose(message, _) => self.fate(message).refused = true,
                Write::Receive { message, .. } => drop(self.nodes[node].volatile.receiving.remove(&message)),
                Write::Chunk { chunk, .. } => self.lose_chunk(node, chunk),
                kept @ (Write::Ledger(_) | Write::LateAck(_) | Write::Finish(_) | Write::Progress(_)) => {
                    self.nodes[node].volatile.writes.push(kept);
                }
            }
        }
        if !self.nodes[node].volatile.writes.is_empty() {
            self.plan_flush(node, SECOND);
        }
    }

    fn make_durable(&mut self, node: usize, write: &Write) {
        match write {
            Write::Compose(message, out) => {
                let state = MessageState::Queued { next_try: None, reason: None };
                let kept = Kept { out: out.clone(), state, retries: 0, ledger: BTreeMap::new() };
                self.nodes[node].disk.outbox.insert(*message, kept);
                if let Some(transfer) = self.fate(*message).offers {
                    self.nodes[node].disk.outgoing.insert(transfer, Default::default());
                }
            }
            Write::Receive { message, .. } => {
                self.nodes[node].volatile.receiving.remove(message);
                if !self.nodes[node].disk.received.insert(*message) {
                    self.broken(Invariant::ShownOnce, format!("message {message} is twice in its recipient's history"));
                }
                self.fate(*message).stored = true;
                if let Some(transfer) = self.fate(*message).offers {
                    self.nodes[node].disk.incoming.entry(transfer).or_default();
                }
            }
            Write::Ledger(changes) => {
                changes.iter().for_each(|(message, change)| self.note(node, *message, change));
            }
            Write::LateAck(message) => {
                let fate = self.fate(*message);
                fate.rank = fate.rank.max(3);
                fate.given_up = None;
            }
            Write::Chunk { chunk, .. } => self.keep_chunk(node, *chunk),
            Write::Finish(transfer) => self.finish_file(node, *transfer),
            Write::Progress(progress) => self.note_progress(node, progress),
        }
    }

    fn note(&mut self, node: usize, message: u64, change: &Change) {
        if let Some((state, retries)) = &change.state {
            let rank = state.rank();
            let fate = self.fate(message);
            if rank < fate.rank {
                let before = fate.rank;
                self.broken(
                    Invariant::StatesRise,
                    format!("message {message} fell from {before} to {state:?} on disk"),
                );
            }
            let fate = self.fate(message);
            fate.rank = rank;
            fate.given_up = Self::given_up(state);
            if let Some(kept) = self.nodes[node].disk.outbox.get_mut(&message) {
                kept.state = state.clone();
                kept.retries = *retries;
            }
        }
        if let Some(kept) = self.nodes[node].disk.outbox.get_mut(&message) {
            kept.ledger.extend(change.attempts.iter().map(|(number, record)| (*number, record.clone())));
        }
        if change.forget {
            self.nodes[node].disk.outbox.remove(&message);
        }
    }

    fn after_flush(&mut self, node: usize, writes: Vec<Write>) {
        let life = self.nodes[node].life;
        let mut acks: BTreeMap<usize, Vec<(Named, u8)>> = BTreeMap::new();
        for write in writes {
            if !self.is_alive(node, life) {
                return;
            }
            match write {
                Write::Compose(message, out) => self.kept(node, message, out),
                Write::Receive { from, link, message } => {
                    if self.step(node, Step::Ack) {
                        return;
                    }
                    acks.entry(from).or_default().push((Named::Message(message), link));
                    if self.step(node, Step::Show) {
                        return;
                    }
                    self.show(message);
                }
                Write::Chunk { from, link, chunk } => {
                    if self.step(node, Step::Ack) {
                        return;
                    }
                    acks.entry(from).or_default().push((Named::Chunk(chunk), link));
                    self.chunk_kept(node, chunk);
                }
                Write::Ledger(_) | Write::LateAck(_) | Write::Finish(_) | Write::Progress(_) => {}
            }
        }
        for (peer, items) in acks {
            if self.is_alive(node, life) {
                self.ack(node, peer, items);
            }
        }
    }

    fn kept(&mut self, node: usize, message: u64, out: Outgoing) {
        self.fate(message).told = true;
        self.give(node, Input::Submit(out));
    }

    fn show(&mut self, message: u64) {
        let fate = self.fate(message);
        fate.shown = fate.shown.saturating_add(1);
        if fate.shown > 1 {
            self.report.shown_twice += 1;
            self.broken(Invariant::ShownOnce, format!("message {message} was shown twice"));
        }
    }

    /// After the storm everyone is up and everything has an end.
    pub(super) fn check_the_end(&mut self) {
        for message in 0..self.fates.len() {
            let fate = &self.fates[message];
            let over = self.now >= fate.composed + fate.ttl_seconds * SECOND;
            let skewed = self.nodes[usize::try_from(fate.from).unwrap()].skewed;
            match (fate.rank, fate.given_up) {
                (3.., _) if !fate.stored => {
                    self.broken(
                        Invariant::AckedIsKept,
                        format!("message {message} is called delivered and is not there"),
                    );
                }
                (3.., _) => self.report.delivered += 1,
                (_, Some(GivenUp::Expired)) if over || skewed => self.report.expired += 1,
                (_, Some(GivenUp::QueueFull)) => self.report.queue_full += 1,
                (_, Some(GivenUp::Cancelled)) => self.report.cancelled += 1,
                // Its writer knows; whether it arrived all the same does not matter.
                _ if fate.refused && !fate.told => self.report.refused += 1,
                _ => {
                    self.report.lost += 1;
                    let what = format!("message {message} has no end: {fate:?}");
                    self.broken(Invariant::AllEnd, what);
                }
            }
        }
        self.check_files();
        for node in 0..self.nodes.len() {
            let this = &self.nodes[node];
            let queued = this.machine.as_ref().map(|machine| machine.queued());
            if queued != Some(QueueCounts::default()) || !this.disk.outbox.is_empty() {
                let what = format!("node {node} ends with {queued:?}, {} in its outbox", this.disk.outbox.len());
                self.broken(Invariant::AllEnd, what);
            }
        }
    }
}
