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
}

/// The armed point, counted from one; zero when none is.
#[cfg(debug_assertions)]
static ARMED: AtomicUsize = AtomicUsize::new(0);

impl CrashPoint {
    /// All of them.
    pub const ALL: [Self; 16] = [
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

    /// From now on the process dies (SIGKILL) when it comes here. Only in builds with debug assertions.
    #[cfg(debug_assertions)]
    pub fn arm(self) {
        ARMED.store(self as usize + 1, Ordering::SeqCst);
    }

    /// Dies if this point is armed.
    pub(crate) fn pass(self) {
        #[cfg(debug_assertions)]
        if ARMED.load(Ordering::Relaxed) == self as usize + 1 {
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
