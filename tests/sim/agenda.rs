//! What is planned to happen, and by which names it speaks of nodes and envelopes.

use std::cmp::Ordering;

use skcomm_tui::{
    delivery::AttemptId,
    wire::{EnvelopeId, Fingerprint},
};

/// What travels.
#[derive(Clone, Debug)]
pub(super) enum Frame {
    Message(u64),
    Chunk(u64),
    Ack(Acked),
}

/// What an ack names: envelopes, and by which link (by number) each of them came.
pub(super) type Acked = std::rc::Rc<[(Named, u8)]>;

/// What a transport says about a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The next hop has it.
    Taken,
    /// Nobody was there.
    Refused,
    /// Not before so many microseconds have passed.
    Slower(u64),
}

/// What may happen.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// Somebody writes, and plans the next one.
    Compose,
    /// A transport answers a send of one life of a node.
    Answer {
        node: usize,
        life: u32,
        attempt: AttemptId,
        answer: Answer,
    },
    Probed {
        node: usize,
        life: u32,
        link: u8,
    },
    Arrive {
        from: usize,
        to: usize,
        link: u8,
        frame: Frame,
    },
    Gather {
        node: usize,
        life: u32,
    },
    Flush {
        node: usize,
        life: u32,
    },
    Alarm {
        node: usize,
        life: u32,
    },
    Flap {
        node: usize,
        up: bool,
    },
    Start {
        node: usize,
    },
    /// Chunks of a file are put on the way.
    Fill {
        node: usize,
        life: u32,
        transfer: u32,
    },
    /// The user of a node does something.
    Person {
        node: usize,
    },
    /// The user lets a peer's messages go on.
    Release {
        node: usize,
        peer: usize,
    },
    /// A node does nothing for so many microseconds: its machine sleeps, or has other things to do.
    Stall {
        node: usize,
        lasts: u64,
    },
    ClockJump,
    Split(Option<u64>),
    DiskFull {
        node: usize,
        full: bool,
    },
    Peace,
}

impl Event {
    /// The node that takes part in it, so that it waits while that one is stalled.
    pub(super) fn waits_for(&self) -> Option<usize> {
        match self {
            Self::Answer { node, .. }
            | Self::Probed { node, .. }
            | Self::Gather { node, .. }
            | Self::Flush { node, .. }
            | Self::Alarm { node, .. }
            | Self::Flap { node, .. }
            | Self::Fill { node, .. }
            | Self::Person { node }
            | Self::Release { node, .. }
            | Self::Arrive { to: node, .. } => Some(*node),
            Self::Compose
            | Self::Start { .. }
            | Self::Stall { .. }
            | Self::ClockJump
            | Self::Split(_)
            | Self::DiskFull { .. }
            | Self::Peace => None,
        }
    }
}

/// An event and its time; those of one moment happen in the order in which they were planned.
pub(super) struct Entry {
    pub(super) at: u64,
    pub(super) order: u64,
    pub(super) event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// Whose envelope an id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Named {
    Message(u64),
    Ack(u64),
    /// A chunk of a file, by its place in the world's list.
    Chunk(u64),
}

impl Named {
    /// An id that looks random to those who sort by it, and tells us what it names.
    pub(super) fn id(self) -> EnvelopeId {
        let (kind, number) = match self {
            Self::Message(number) => (0, number),
            Self::Ack(number) => (1, number),
            Self::Chunk(number) => (2, number),
        };
        let mixed = (number << 2 | u64::from(kind)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&mixed.to_be_bytes()[..6]);
        bytes[9] = kind;
        bytes[10..].copy_from_slice(&number.to_be_bytes()[2..]);
        EnvelopeId::from_random(bytes)
    }

    pub(super) fn of(id: &EnvelopeId) -> Self {
        let mut number = [0; 8];
        number[2..].copy_from_slice(&id.as_bytes()[10..]);
        let number = u64::from_be_bytes(number);
        match id.as_bytes()[9] {
            0 => Self::Message(number),
            1 => Self::Ack(number),
            _ => Self::Chunk(number),
        }
    }
}

pub(super) fn fingerprint(node: usize) -> Fingerprint {
    let mut bytes = [0; 20];
    bytes[12..].copy_from_slice(&(node as u64).to_be_bytes());
    Fingerprint::from_bytes(&bytes).unwrap()
}

pub(super) fn node_of(peer: Fingerprint) -> usize {
    usize::try_from(u64::from_be_bytes(*peer.as_bytes().last_chunk().unwrap())).unwrap()
}

/// A hash of two nodes and something else, the same for both of them.
pub(super) fn mix(a: usize, b: usize, salt: u64) -> u64 {
    let pair = (a.min(b) as u64) << 32 | a.max(b) as u64;
    let mut x = pair ^ salt.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for _ in 0..2 {
        x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x ^= x >> 27;
    }
    x
}
