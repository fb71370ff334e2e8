//! Files: offered by a message, sent in chunks that are envelopes of their own, whole when every chunk is on the disk.
//! Chunks are in no outbox: after a crash they are made anew from what is noted as arrived.

use std::collections::BTreeSet;

use rand::RngExt as _;
use skcomm_tui::{
    delivery::{Input, MessageState, Outgoing, Policy, ReasonKind},
    wire::{Mode, PayloadType, Urgency},
};

use super::{
    agenda::{Event, Named, fingerprint},
    check::Invariant,
    node::Write,
    setting::{Fault, SECOND},
    world::World,
};

/// Chunks of one file under way at once.
const WINDOW: usize = 4;
/// How long it takes to read and seal a chunk, in microseconds.
const SEAL: u64 = 2_000;
/// How long chunks stay away from a full queue, in microseconds.
const MAKE_ROOM: u64 = 5 * SECOND;

/// One file on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer {
    from: usize,
    to: usize,
    chunks: u32,
    /// The message that offers it.
    offer: u64,
    /// Its offer came to nothing.
    pub(super) given_up: bool,
    /// Its chunks go.
    began: bool,
}

/// One chunk on its way. Made anew, it is another one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    transfer: u32,
    index: u32,
    bytes: u32,
    pub(super) hands: u16,
    pub(super) acked: bool,
}

impl World {
    /// A message will offer a file.
    pub(super) fn offer_file(&mut self, offer: u64, from: usize, to: usize) -> u32 {
        let chunks = self.rng.random_range(1..20);
        self.transfers.push(Transfer { from, to, chunks, offer, given_up: false, began: false });
        u32::try_from(self.transfers.len() - 1).unwrap()
    }

    fn transfer(&self, transfer: u32) -> &Transfer {
        &self.transfers[usize::try_from(transfer).unwrap()]
    }

    /// A chunk and its bytes.
    pub(super) fn part(&mut self, chunk: u64) -> (&mut Part, u64) {
        let part = &mut self.parts[usize::try_from(chunk).unwrap()];
        let bytes = u64::from(part.bytes);
        (part, bytes)
    }

    /// Whether a chunk is on its recipient's disk.
    pub(super) fn chunk_is_there(&self, chunk: u64) -> bool {
        let Part { transfer, index, .. } = self.parts[usize::try_from(chunk).unwrap()];
        let there = self.nodes[self.transfer(transfer).to].disk.incoming.get(&transfer);
        there.is_some_and(|there| there.contains(&index))
    }

    /// A message that may offer a file changed its state.
    pub(super) fn offer_state(&mut self, node: usize, message: u64, state: &MessageState) {
        let Some(transfer) = self.fate(message).offers else { return };
        let this = &mut self.transfers[usize::try_from(transfer).unwrap()];
        match state {
            MessageState::Delivered { .. } if !this.given_up => {
                this.began = true;
                let life = self.nodes[node].life;
                self.plan(SEAL, Event::Fill { node, life, transfer });
            }
            MessageState::Expired | MessageState::Failed { .. } => this.given_up = true,
            _ => {}
        }
    }

    /// A node starts: its files go on where they were.
    pub(super) fn resume_files(&mut self, node: usize) {
        let (life, from_the_start) = (self.nodes[node].life, self.setting.fault == Some(Fault::FileFromTheStart));
        let outgoing: Vec<u32> = self.nodes[node].disk.outgoing.keys().copied().collect();
        for transfer in outgoing {
            if !from_the_start {
                let there = self.nodes[node].disk.outgoing[&transfer].clone();
                self.nodes[node].volatile.there.insert(transfer, there);
            }
            if self.transfer(transfer).began {
                self.plan(SEAL, Event::Fill { node, life, transfer });
            }
        }
        let incoming: Vec<u32> = self.nodes[node].disk.incoming.keys().copied().collect();
        incoming.into_iter().for_each(|transfer| self.finish_if_whole(node, transfer));
    }

    /// Puts chunks on the way while there is room.
    pub(super) fn fill(&mut self, node: usize, transfer: u32) {
        let (life, Transfer { to, chunks, .. }) = (self.nodes[node].life, *self.transfer(transfer));
        let room = WINDOW.saturating_sub(self.nodes[node].volatile.under_way.get(&transfer).map_or(0, BTreeSet::len));
        // No more than that: a chunk may push out another one, which must not come again at once.
        for _ in 0..room {
            let volatile = &mut self.nodes[node].volatile;
            let (there, under_way) =
                (volatile.there.entry(transfer).or_default(), volatile.under_way.entry(transfer).or_default());
            let next = (0..chunks).find(|index| !there.contains(index) && !under_way.contains(index));
            let Some(index) = next else { return };
            under_way.insert(index);
            self.send_chunk(node, to, transfer, index);
            let refused = |world: &Self| !world.nodes[node].volatile.under_way[&transfer].contains(&index);
            if !self.is_alive(node, life) || refused(self) {
                return;
            }
        }
    }

    fn send_chunk(&mut self, node: usize, to: usize, transfer: u32, index: u32) {
        let bytes = self.rng.random_range(60_000..330_000);
        self.parts.push(Part { transfer, index, bytes, hands: 0, acked: false });
        let chunk = self.parts.len() as u64 - 1;
        self.report.chunk_sends += 1;
        let out = Outgoing {
            envelope_id: Named::Chunk(chunk).id(),
            peer: fingerprint(to),
            kind: PayloadType::File,
            mode: Mode::Failover,
            urgency: Urgency::Low,
            size: usize::try_from(bytes).unwrap(),
            composed: self.clock(node).wall,
            ttl_seconds: 86_400,
            max_retries: 5,
            prefer: Vec::new(),
            fallback: Vec::new(),
            policy: Policy::default(),
            wants_ack: true,
        };
        if self.nodes[node].disk.outgoing.get(&transfer).is_some_and(|there| there.contains(&index)) {
            let what = format!("chunk {index} of file {transfer} is there and begins its way again");
            self.broken(Invariant::FilesResume, what);
        }
        self.give(node, Input::Submit(out));
    }

    /// A chunk is about to be handed to a transport.
    pub(super) fn check_chunk(&mut self, node: usize, chunk: u64) {
        if self.nodes[node].volatile.told.get(&Named::Chunk(chunk)).is_some_and(|rank| *rank >= 2) {
            self.broken(Invariant::NoAttemptOutlives, format!("chunk {chunk} was sent after its end"));
        }
    }

    pub(super) fn chunk_state(&mut self, node: usize, chunk: u64, state: &MessageState) {
        let rank = state.rank();
        let told = self.nodes[node].volatile.told.insert(Named::Chunk(chunk), rank).unwrap_or(0);
        if rank < told {
            self.broken(Invariant::StatesRise, format!("chunk {chunk} fell from rank {told} to {state:?}"));
        }
        let Part { transfer, index, .. } = self.parts[usize::try_from(chunk).unwrap()];
        let soon = match state {
            MessageState::Delivered { .. } => {
                let volatile = &mut self.nodes[node].volatile;
                volatile.there.entry(transfer).or_default().insert(index);
                volatile.progress.push((transfer, index));
                self.plan_gathering(node);
                SEAL
            }
            MessageState::Failed { reason } if reason.kind == ReasonKind::QueueFull => MAKE_ROOM,
            MessageState::Expired => SEAL,
            MessageState::Failed { reason } => {
                return self.broken(Invariant::DropsHaveReasons, format!("chunk {chunk} was given up: {reason:?}"));
            }
            _ => return,
        };
        let this = &mut self.nodes[node];
        this.volatile.under_way.entry(transfer).or_default().remove(&index);
        let life = this.life;
        self.plan(soon, Event::Fill { node, life, transfer });
    }

    pub(super) fn receive_chunk(&mut self, from: usize, to: usize, link: u8, chunk: u64) {
        let Part { transfer, index, .. } = self.parts[usize::try_from(chunk).unwrap()];
        let item = vec![(Named::Chunk(chunk), link)];
        if self.chunk_is_there(chunk) {
            self.report.duplicates += 1;
            return self.ack(to, from, item);
        }
        if !self.nodes[to].volatile.writing.insert((transfer, index)) {
            // It comes again.
            return;
        }
        let life = self.nodes[to].life;
        self.write(to, Write::Chunk { from, link, chunk });
        if self.setting.fault == Some(Fault::ChunkBeforeSync) && self.is_alive(to, life) {
            self.ack(to, from, item);
        }
    }

    /// A chunk is written to its place.
    pub(super) fn keep_chunk(&mut self, node: usize, chunk: u64) {
        let Part { transfer, index, .. } = self.parts[usize::try_from(chunk).unwrap()];
        self.nodes[node].volatile.writing.remove(&(transfer, index));
        self.nodes[node].disk.incoming.entry(transfer).or_default().insert(index);
    }

    /// The write of a chunk failed or was lost with the process.
    pub(super) fn lose_chunk(&mut self, node: usize, chunk: u64) {
        let Part { transfer, index, acked, .. } = self.parts[usize::try_from(chunk).unwrap()];
        self.nodes[node].volatile.writing.remove(&(transfer, index));
        if acked && !self.chunk_is_there(chunk) {
            self.broken(Invariant::AckedIsKept, format!("chunk {chunk} was acked and is gone"));
        }
    }

    pub(super) fn chunk_kept(&mut self, node: usize, chunk: u64) {
        let transfer = self.parts[usize::try_from(chunk).unwrap()].transfer;
        self.finish_if_whole(node, transfer);
    }

    fn finish_if_whole(&mut self, node: usize, transfer: u32) {
        let disk = &self.nodes[node].disk;
        let there = disk.incoming.get(&transfer).map_or(0, |there| there.len());
        let whole = u32::try_from(there).unwrap() == self.transfer(transfer).chunks;
        let due = !disk.finished.contains(&transfer) && self.nodes[node].machine.is_some();
        if whole && due && self.nodes[node].volatile.finishing.insert(transfer) {
            self.write(node, Write::Finish(transfer));
        }
    }

    pub(super) fn finish_file(&mut self, node: usize, transfer: u32) {
        if !self.nodes[node].disk.finished.insert(transfer) {
            self.broken(Invariant::ShownOnce, format!("file {transfer} got its name twice"));
        }
    }

    /// What its sender knows to be there is there.
    pub(super) fn note_progress(&mut self, node: usize, progress: &[(u32, u32)]) {
        for &(transfer, index) in progress {
            let there = &self.nodes[self.transfer(transfer).to].disk.incoming;
            if !there.get(&transfer).is_some_and(|there| there.contains(&index)) {
                let what = format!("chunk {index} of file {transfer} is noted as arrived and is not there");
                self.broken(Invariant::AckedIsKept, what);
            }
            self.nodes[node].disk.outgoing.entry(transfer).or_default().insert(index);
        }
    }

    /// Every file whose offer arrived is whole, at both ends.
    pub(super) fn check_files(&mut self) {
        for (number, Transfer { from, to, chunks, offer, given_up, .. }) in (0..).zip(self.transfers.clone()) {
            let offered = self.fate(offer).rank >= 3;
            if given_up || !offered {
                continue;
            }
            self.report.files += 1;
            self.report.file_chunks += u64::from(chunks);
            let sent = self.nodes[from].disk.outgoing.get(&number).map_or(0, |there| there.len());
            let whole = self.nodes[to].disk.finished.contains(&number) && u32::try_from(sent).unwrap() == chunks;
            if !whole {
                let what = format!("file {number} is not whole: {sent} of {chunks} chunks are known to be there");
                self.broken(Invariant::AllEnd, what);
            }
        }
        self.report.chunks_again = self.report.chunk_sends.saturating_sub(self.report.file_chunks);
    }
}
