//! One node of the world: what dies with the process, and what is on its disk.

use std::collections::{BTreeMap, HashMap, HashSet};

use skcomm_tui::delivery::{AttemptId, AttemptRecord, Machine, MessageState, Outgoing};

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
}

/// An ack on its way out: what it names, and by which link each of those came.
#[derive(Clone, Debug)]
pub(crate) struct AckOut {
    pub(crate) items: std::rc::Rc<[(u64, u8)]>,
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
    /// Acks are not kept over a crash: a message that comes again is acked again.
    pub(crate) acks: HashMap<u64, AckOut>,
    /// Sends in a transport's hands, with their message.
    pub(crate) hands: HashMap<AttemptId, u64>,
    /// The highest rank this life has reported of a message under way.
    pub(crate) told: HashMap<u64, u8>,
    /// The next alarm that is on the agenda.
    pub(crate) alarm: Option<u64>,
}

/// What outlives the process.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) outbox: BTreeMap<u64, Kept>,
    pub(crate) received: HashSet<u64>,
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
    pub(crate) volatile: Volatile,
    pub(crate) disk: Disk,
    /// With whom it talks.
    pub(crate) peers: Vec<usize>,
}

impl Node {
    pub(crate) fn new(peers: Vec<usize>) -> Self {
        Self {
            machine: None,
            life: 0,
            born: 0,
            skew_ms: 0,
            skewed: false,
            flapping_up: true,
            disk_full: false,
            volatile: Volatile::default(),
            disk: Disk::default(),
            peers,
        }
    }
}
