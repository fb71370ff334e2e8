//! What a run counted.

use super::{check::Step, link::Link};

/// How long it took to leave a path, in milliseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failovers {
    /// From the send to the next path's send, where the transport said that it failed.
    pub(crate) after_error: Vec<u32>,
    /// The same, where no ack came.
    pub(crate) after_silence: Vec<u32>,
}

/// What a run counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) composed: u64,
    /// The sender holds a verified ack.
    pub(crate) delivered: u64,
    pub(crate) expired: u64,
    pub(crate) queue_full: u64,
    pub(crate) cancelled: u64,
    /// The store did not take them, and their writer was told.
    pub(crate) refused: u64,
    /// The sender was told that it is kept, and it is neither delivered nor has its sender a reason.
    pub(crate) lost: u64,
    /// Shown more than once.
    pub(crate) shown_twice: u64,
    /// Frames of messages handed to transports.
    pub(crate) sends: u64,
    /// Frames of acks handed to transports.
    pub(crate) ack_sends: u64,
    /// Messages beyond the first that were handed over of one that was to go by one path.
    pub(crate) resent: u64,
    /// Copies that arrived where the message was known, and were dropped.
    pub(crate) duplicates: u64,
    pub(crate) corrupted: u64,
    pub(crate) message_bytes: u64,
    pub(crate) wire_bytes: u64,
    pub(crate) failovers: u64,
    pub(crate) crashes: u64,
    /// Crashes by step, as in [`Step::ALL`].
    pub(crate) crashes_at: [u64; Step::ALL.len()],
    pub(crate) jumps_seen: u64,
    pub(crate) full_flushes: u64,
    pub(crate) stalls: u64,
    /// Files whose offer was delivered, their chunks, and chunks that began their way.
    pub(crate) files: u64,
    pub(crate) file_chunks: u64,
    pub(crate) chunk_sends: u64,
    /// Chunks that a server or a crash made begin their way a second time.
    pub(crate) chunks_again: u64,
    /// Times a server said when to come again.
    pub(crate) slowed: u64,
    /// Sends over links with hours or a size limit.
    pub(crate) ruled: u64,
    /// Times the machine was called.
    pub(crate) calls: u64,
    /// By link, as in [`Link::ALL`].
    pub(crate) by_link: [Failovers; Link::ALL.len()],
    /// From composition to the verified ack, in milliseconds.
    pub(crate) delivery_ms: Vec<u32>,
    /// The world's time at the end, in microseconds.
    pub(crate) ended: u64,
}

impl Report {
    /// Adds another run.
    pub(crate) fn add(&mut self, other: &Self) {
        self.composed += other.composed;
        self.delivered += other.delivered;
        self.expired += other.expired;
        self.queue_full += other.queue_full;
        self.cancelled += other.cancelled;
        self.refused += other.refused;
        self.lost += other.lost;
        self.shown_twice += other.shown_twice;
        self.sends += other.sends;
        self.ack_sends += other.ack_sends;
        self.resent += other.resent;
        self.duplicates += other.duplicates;
        self.corrupted += other.corrupted;
        self.failovers += other.failovers;
        self.crashes += other.crashes;
        self.crashes_at.iter_mut().zip(other.crashes_at).for_each(|(sum, one)| *sum += one);
        self.jumps_seen += other.jumps_seen;
        self.full_flushes += other.full_flushes;
        self.stalls += other.stalls;
        self.files += other.files;
        self.file_chunks += other.file_chunks;
        self.chunk_sends += other.chunk_sends;
        self.chunks_again += other.chunks_again;
        self.slowed += other.slowed;
        self.ruled += other.ruled;
        self.calls += other.calls;
        self.message_bytes += other.message_bytes;
        self.wire_bytes += other.wire_bytes;
        self.delivery_ms.extend(&other.delivery_ms);
        for (sum, one) in self.by_link.iter_mut().zip(&other.by_link) {
            sum.after_error.extend(&one.after_error);
            sum.after_silence.extend(&one.after_silence);
        }
    }
}
