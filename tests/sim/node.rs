//! One node of the world: what dies with the process, and what is on its disk.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use skcomm_tui::{
    delivery::{AttemptId, AttemptRecord, Input, Machine, MessageState, Outgoing},
    wire::{Mode, Urgency},
};

use super::agenda::{Acked, Named, node_of};

/// An outbox entry.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) out: Outgoing,
    pub(crate) state: MessageState,
    pub(crate) retries: u32,
    pub(crate) ledger: BTreeMap<u32, AttemptRecord>,
}

/// What changed about a message and is not yet written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    pub(crate) state: Option<(MessageState, u32)>,
    pub(crate) attempts: BTreeMap<u32, AttemptRecord>,
    pub(crate) forget: bool,
}

/// A write that waits for the next flush.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    /// A message of ours, with its place in the world's list.
    Compose(u64, Outgoing),
    /// Somebody's message, and the link (by number) that brought it.
    Receive { from: usize, link: u8, message: u64 },
    /// What gathered about messages under way.
    Ledger(BTreeMap<u64, Change>),
    /// An ack for a message that the machine has forgotten.
    LateAck(u64),
    /// A chunk of somebody's file, by its place in the world's list, and the link that brought it.
    Chunk { from: usize, link: u8, chunk: u64 },
    /// All chunks of a file are there: it gets its name.
    Finish(u32),
    /// Chunks of ours that were acked: transfer and index.
    Progress(Vec<(u32, u32)>),
}

/// A send in a transport's hands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hand {
    pub(crate) named: Named,
    pub(crate) link: u8,
    pub(crate) to: usize,
}

/// What dies with the process.
#[derive(Default)]
pub(crate) struct Volatile {
    pub(crate) writes: Vec<Write>,
    pub(crate) flush_planned: bool,
    pub(crate) ledger: BTreeMap<u64, Change>,
    pub(crate) ledger_planned: bool,
    /// Received and not yet on the disk.
    pub(crate) receiving: HashSet<u64>,
    /// Chunks (transfer and index) that came and are not yet on the disk.
    pub(crate) writing: HashSet<(u32, u32)>,
    /// Acks are not kept over a crash: a message that comes again is acked again.
    pub(crate) acks: HashMap<u64, Acked>,
    pub(crate) hands: HashMap<AttemptId, Hand>,
    /// The highest rank this life has reported of what is under way.
    pub(crate) told: HashMap<Named, u8>,
    /// Until when a server wants nothing for a peer (in the world's microseconds), by peer and link.
    pub(crate) waits: HashMap<(usize, u8), u64>,
    /// Of files of ours: chunks that are known to be there, and those under way.
    pub(crate) there: HashMap<u32, BTreeSet<u32>>,
    pub(crate) under_way: HashMap<u32, BTreeSet<u32>>,
    /// What the machine was given to send, by whom it is for and what it is like; ends are noticed late.
    pub(crate) lines: BTreeMap<(usize, Mode, Urgency), BTreeSet<u64>>,
    /// Until when the ack of an attempt (message and number) that a next hop took must be there, or be missed.
    pub(crate) silences: BTreeMap<(u64, u32), u64>,
    /// Files that are getting their names.
    pub(crate) finishing: HashSet<u32>,
    /// Chunks that were acked, not yet written.
    pub(crate) progress: Vec<(u32, u32)>,
    /// The next alarm that is on the agenda.
    pub(crate) alarm: Option<u64>,
}

/// What outlives the process.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) outbox: BTreeMap<u64, Kept>,
    pub(crate) received: HashSet<u64>,
    /// Files of ours: chunks that are known to be at their recipient.
    pub(crate) outgoing: BTreeMap<u32, BTreeSet<u32>>,
    /// Files that come in: chunks that are there.
    pub(crate) incoming: BTreeMap<u32, BTreeSet<u32>>,
    pub(crate) finished: HashSet<u32>,
    /// Peers whose messages the user holds back.
    pub(crate) held: BTreeSet<usize>,
}

/// One node.
pub(crate) struct Node {
    /// None while it is down.
    pub(crate) machine: Option<Machine>,
    pub(crate) life: u32,
    /// When this life began, in the world's microseconds: its monotonic clock starts there.
    pub(crate) born: u64,
    pub(crate) skew_ms: i64,
    /// Whether its clock was ever wrong.
    pub(crate) skewed: bool,
    /// Whether its flapping link is up.
    pub(crate) flapping_up: bool,
    pub(crate) disk_full: bool,
    /// Until when it does nothing, or did nothing last, in the world's microseconds.
    pub(crate) stalled: u64,
    pub(crate) volatile: Volatile,
    pub(crate) disk: Disk,
    /// With whom it talks.
    pub(crate) peers: Vec<usize>,
}

impl Node {
    /// Notes that a message was given to the machine.
    pub(crate) fn note_line(&mut self, input: &Input) {
        if let Input::Submit(out) | Input::Restore { outgoing: out, .. } = input
            && let Named::Message(message) = Named::of(&out.envelope_id)
        {
            let like = (node_of(out.peer), out.mode, out.urgency);
            self.volatile.lines.entry(like).or_default().insert(message);
        }
    }

    pub(crate) fn new(peers: Vec<usize>) -> Self {
        Self {
            machine: None,
            life: 0,
            born: 0,
            skew_ms: 0,
            skewed: false,
            flapping_up: true,
            disk_full: false,
            stalled: 0,
            volatile: Volatile::default(),
            disk: Disk::default(),
            peers,
        }
    }
}
