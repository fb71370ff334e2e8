//! Moments at which the tests let the process die: between any two steps that lead from a message to its ack. In a
//! release build they are nothing.

#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicUsize, Ordering};

/// A named moment. Every one of them is a place in the code that a test reaches, dies at, and recovers from
/// (`tests/it/crash_points.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashPoint {
    /// A batch is in memory, nothing of it on the disk.
    StoreWrite,
    /// The journal's bytes are written and not synced.
    FlushWritten,
    /// They are synced; the store does not say so yet.
    FlushSynced,
    /// The flush is done; nobody who waits for it was told.
    FlushDone,
    /// A message of ours is durable; its sender is not answered.
    SendKept,
    /// Its sender is answered; no path was chosen.
    SendAnswered,
    /// A frame is about to be handed to a transport.
    Sending,
    /// The transport has it; the router was not told.
    Sent,
    /// Progress of messages is about to be written.
    MarkQueued,
    /// It is durable.
    MarkDone,
    /// A frame came in and was not looked at.
    ReceiveFrame,
    /// It was verified and opened; nothing of it is written.
    ReceiveOpened,
    /// It is durable; the transport was not told.
    ReceiveDurable,
    /// The transport was told; the ack is not made.
    ReceiveTold,
    /// An ack is about to be sealed.
    AckReady,
    /// An ack for a message of ours came; nothing of it is known but that.
    AckReceived,
    /// A file's record is durable; the message that offers it is not made.
    OfferKept,
    /// A chunk of ours is sealed; the router does not know it.
    ChunkSealed,
    /// A chunk of ours was acked; that is noted nowhere.
    ChunkDelivered,
    /// A chunk came; nothing of it is written.
    PartWrite,
    /// It is written to the part file and not synced.
    PartWritten,
    /// It is synced and not noted in the store.
    PartSynced,
    /// It is noted durably; neither transport nor sender were told.
    ChunkNoted,
    /// The transport was told, the ack is asked for.
    ChunkTold,
    /// All chunks are there, and that is durable; the hash was not compared.
    FileWhole,
    /// The hash is right; the file has no name.
    FileHashed,
    /// It has its name; the store does not say so.
    FileNamed,
    /// What this end says of a transfer is durable and not on its way.
    WordKept,
}

/// The armed point, counted from one; zero when none is.
#[cfg(debug_assertions)]
static ARMED: AtomicUsize = AtomicUsize::new(0);
/// How often it is still passed alive.
#[cfg(debug_assertions)]
static SPARED: AtomicUsize = AtomicUsize::new(0);

impl CrashPoint {
    /// Those between a message and its ack.
    pub const OF_MESSAGES: [Self; 16] = [
        Self::StoreWrite,
        Self::FlushWritten,
        Self::FlushSynced,
        Self::FlushDone,
        Self::SendKept,
        Self::SendAnswered,
        Self::Sending,
        Self::Sent,
        Self::MarkQueued,
        Self::MarkDone,
        Self::ReceiveFrame,
        Self::ReceiveOpened,
        Self::ReceiveDurable,
        Self::ReceiveTold,
        Self::AckReady,
        Self::AckReceived,
    ];
    /// Those between the offer of a file and the word that it was received.
    pub const OF_FILES: [Self; 12] = [
        Self::OfferKept,
        Self::ChunkSealed,
        Self::ChunkDelivered,
        Self::PartWrite,
        Self::PartWritten,
        Self::PartSynced,
        Self::ChunkNoted,
        Self::ChunkTold,
        Self::FileWhole,
        Self::FileHashed,
        Self::FileNamed,
        Self::WordKept,
    ];

    /// From now on the process dies (SIGKILL) when it comes here, after it passed alive `spared` times. Only in builds
    /// with debug assertions.
    #[cfg(debug_assertions)]
    pub fn arm(self, spared: usize) {
        SPARED.store(spared, Ordering::SeqCst);
        ARMED.store(self as usize + 1, Ordering::SeqCst);
    }

    /// Dies if this point is armed.
    pub(crate) fn pass(self) {
        #[cfg(debug_assertions)]
        if ARMED.load(Ordering::Relaxed) == self as usize + 1
            && SPARED.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err()
        {
            die();
        }
    }
}

/// Ends the process as `kill -9` does: no destructor runs, nothing is flushed.
#[cfg(debug_assertions)]
fn die() -> ! {
    use rustix::process::{Signal, getpid, kill_process};
    // It cannot fail for one's own process; if it did, the loop would keep the process from going on all the same.
    let _ = kill_process(getpid(), Signal::KILL);
    loop {
        std::thread::park();
    }
}
