//! What must be true at every step, and how the world knows each message's fate.

use std::fmt;

/// What must be true at every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Invariant {
    /// What a recipient acked is on its disk, and stays.
    AckedIsKept,
    /// What a sender was told is kept is on its disk, and stays until it has an end.
    ToldIsKept,
    /// Nobody sees a message twice.
    ShownOnce,
    /// No message goes back to a lower state.
    StatesRise,
    /// Whatever is given up has a reason, and the reason is true.
    DropsHaveReasons,
    /// No queue is longer than its bound.
    QueuesAreBounded,
    /// No transport works for a message that has its end.
    NoAttemptOutlives,
    /// No alarm stays unserved.
    AlarmsAreServed,
    /// Nothing is sent after its time.
    NothingSentLate,
    /// A message takes so many paths at once as its mode wants, each of them once.
    PathsAsWanted,
    /// What is discreet, and the ack of it, goes over no link that shows who talks to whom.
    NothingLeaks,
    /// Nothing goes over a link that is too large for it or outside of its hours.
    RulesAreKept,
    /// Where a server named a time, nothing comes earlier.
    WaitsAreKept,
    /// What the ledger and the states say of a path is what happened on it.
    LedgerIsTrue,
    /// No ack is turned away because of messages that wait.
    AcksAreTaken,
    /// Nobody waits for an ack longer than the latency of the path allows.
    SilenceEnds,
    /// Nothing overtakes what waits in line for the same peer and is like it.
    OrderIsKept,
    /// To a peer whose messages the user holds back nothing is sent.
    WordIsKept,
    /// A file goes on where it was: no chunk that is noted as arrived begins its way again.
    FilesResume,
    /// In the end every message is delivered or its sender knows why not, and every file is whole at its recipient.
    AllEnd,
}

impl Invariant {
    pub(crate) const ALL: [Self; 20] = [
        Self::AckedIsKept,
        Self::ToldIsKept,
        Self::ShownOnce,
        Self::StatesRise,
        Self::DropsHaveReasons,
        Self::QueuesAreBounded,
        Self::NoAttemptOutlives,
        Self::AlarmsAreServed,
        Self::NothingSentLate,
        Self::PathsAsWanted,
        Self::NothingLeaks,
        Self::RulesAreKept,
        Self::WaitsAreKept,
        Self::LedgerIsTrue,
        Self::AcksAreTaken,
        Self::SilenceEnds,
        Self::OrderIsKept,
        Self::WordIsKept,
        Self::FilesResume,
        Self::AllEnd,
    ];
}

/// An invariant that did not hold.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) invariant: Invariant,
    pub(crate) what: String,
    pub(crate) seed: u64,
    /// In the world's microseconds.
    pub(crate) at: u64,
    pub(crate) replay: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { invariant, what, seed, at, replay } = self;
        write!(f, "seed {seed}, {:.6} s: {invariant:?} is violated: {what}\nreplay: {replay}", *at as f64 / 1e6)
    }
}

/// Where crashes come. Each is a moment between two steps of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// Before the machine is told something.
    Input,
    /// Before one of the machine's actions is carried out.
    Action,
    /// A write was queued.
    Write,
    /// In the middle of a flush: a part of it is on the disk.
    Flush,
    /// The flush is done, nobody knows yet.
    Flushed,
    /// Before a frame is handed to a transport.
    Send,
    /// A frame came in.
    Receive,
    /// A message is on the disk, its ack not yet made.
    Ack,
    /// A message was acked, not yet shown.
    Show,
}

impl Step {
    pub(crate) const ALL: [Self; 9] = [
        Self::Input,
        Self::Action,
        Self::Write,
        Self::Flush,
        Self::Flushed,
        Self::Send,
        Self::Receive,
        Self::Ack,
        Self::Show,
    ];
}

/// What the world, which sees everything, knows of a message.
#[derive(Clone, Debug)]
pub(crate) struct Fate {
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// When it was composed, in the world's microseconds.
    pub(crate) composed: u64,
    pub(crate) ttl_seconds: u64,
    /// How many paths at once its mode wants.
    pub(crate) width: usize,
    /// Who talks to whom must not be seen.
    pub(crate) stealth: bool,
    pub(crate) size: u32,
    /// The file that it offers, by its place in the world's list.
    pub(crate) offers: Option<u32>,
    /// The user gave it up.
    pub(crate) cancelled: bool,
    /// Links (by number, as bits) over which a next hop took it, and by which it came to its recipient.
    pub(crate) taken_by: u16,
    pub(crate) came_by: u16,
    /// Its sender was told that it is kept.
    pub(crate) told: bool,
    /// Its sender was told that it is not kept.
    pub(crate) refused: bool,
    /// The recipient has it on its disk.
    pub(crate) stored: bool,
    /// The recipient has acked it.
    pub(crate) acked: bool,
    /// How often it was shown as new.
    pub(crate) shown: u8,
    /// How often it was handed to a transport.
    pub(crate) sends: u16,
    /// Transports that have it in hand.
    pub(crate) hands: u16,
    /// The rank of its state on its sender's disk.
    pub(crate) rank: u8,
    /// It expired or failed, for a reason.
    pub(crate) given_up: Option<GivenUp>,
    /// It left a path for another one.
    pub(crate) failed_over: bool,
}

/// Why a message was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GivenUp {
    Expired,
    QueueFull,
    Cancelled,
}
