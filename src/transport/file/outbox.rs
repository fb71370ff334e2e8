//! Frames on their way into one shared folder.
//!
//! A few threads take what waits, many files at a time, so that the names of many files become durable with one
//! sync. When the folder hangs, its threads hang; what waits is then answered by its deadline, and what comes later
//! is refused at once.

use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{
    lane::{Lane, Threads},
    mailbox::{Mailbox, Rights, Seen},
};
use crate::{
    delivery::{Reason, ReasonKind},
    wire::Fingerprint,
};

/// Threads that write into one folder.
const WRITERS: usize = 4;
/// Frames that wait for one folder; more are sent away.
const QUEUE_FRAMES: usize = 4096;
/// Files whose names become durable together.
const BATCH_FRAMES: usize = 32;
/// Bytes after which a batch is not added to.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// With every writer busy and nothing done for so long, the folder hangs.
const HANGING: Duration = Duration::from_secs(10);

/// One frame, where it goes, and who wants to know.
struct Job {
    recipient: Fingerprint,
    name: String,
    frame: Bytes,
    answer: oneshot::Sender<Result<(), Reason>>,
}

/// What waits for one folder.
pub(super) struct Outbox {
    folder: PathBuf,
    rights: Rights,
    seen: Arc<Seen>,
    lane: Lane,
    state: Mutex<State>,
}

struct State {
    queue: VecDeque<Job>,
    writers: usize,
    progress: Instant,
}

impl Outbox {
    pub(super) fn new(folder: &Path, rights: Rights, seen: Arc<Seen>, threads: Threads) -> Self {
        Self {
            folder: folder.to_owned(),
            rights,
            seen,
            lane: Lane::new(folder, WRITERS, threads),
            state: Mutex::new(State { queue: VecDeque::new(), writers: 0, progress: Instant::now() }),
        }
    }

    /// Whether nothing waits and nobody writes.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.queue.is_empty() && state.writers == 0
    }

    /// Queues `frame` for `recipient` under `name`. The answer comes when it is durable; when its receiver is dropped
    /// before the writing has begun, nothing is written.
    pub(super) fn push(
        self: &Arc<Self>,
        recipient: Fingerprint,
        name: String,
        frame: Bytes,
    ) -> Result<oneshot::Receiver<Result<(), Reason>>, Reason> {
        let (answer, answered) = oneshot::channel();
        let mut state = self.lock();
        if state.writers == WRITERS && state.progress.elapsed() > HANGING {
            return Err(self.lane.silent(state.progress.elapsed()));
        }
        if state.queue.len() >= QUEUE_FRAMES {
            state.queue.retain(|job| !job.answer.is_closed());
        }
        if state.queue.len() >= QUEUE_FRAMES {
            let detail = format!("{QUEUE_FRAMES} frames wait for {} already", self.folder.display());
            return Err(Reason::new(ReasonKind::QueueFull, detail));
        }
        state.queue.push_back(Job { recipient, name, frame, answer });
        // One writer for what comes singly, more when it piles up.
        let wanted = (1 + state.queue.len() / BATCH_FRAMES).min(WRITERS);
        if state.writers < wanted {
            let outbox = self.clone();
            match self.lane.try_begin(move || outbox.work()) {
                Ok(_ends_by_itself) => state.writers += 1,
                // With other writers at work the queue is served all the same.
                Err(_) if state.writers > 0 => {}
                Err(reason) => {
                    state.queue.pop_back();
                    return Err(reason);
                }
            }
        }
        Ok(answered)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One writer: takes batches until nothing waits.
    fn work(&self) {
        while let Some(batch) = self.next_batch() {
            self.write(batch);
        }
    }

    fn next_batch(&self) -> Option<Vec<Job>> {
        let mut state = self.lock();
        state.progress = Instant::now();
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH_FRAMES && bytes < BATCH_BYTES {
            let Some(job) = state.queue.pop_front() else { break };
            if !job.answer.is_closed() {
                bytes += job.frame.len();
                batch.push(job);
            }
        }
        if batch.is_empty() {
            state.writers -= 1;
            return None;
        }
        Some(batch)
    }

    /// Writes all files, makes each durable, then syncs each mailbox once, then answers.
    fn write(&self, batch: Vec<Job>) {
        let mut mailboxes = BTreeMap::new();
        let mut begun = Vec::new();
        for job in batch {
            let mailbox = mailboxes
                .entry(job.recipient)
                .or_insert_with(|| Mailbox::open(&self.folder, job.recipient, self.rights, &self.seen));
            match mailbox.as_ref().map_err(Reason::clone).and_then(|mailbox| mailbox.begin(&job.frame)) {
                Ok(partial) => begun.push((job, partial)),
                Err(reason) => answer(job, Err(reason)),
            }
        }
        let mut written: BTreeMap<Fingerprint, Vec<Job>> = BTreeMap::new();
        for (job, partial) in begun {
            let Some(Ok(mailbox)) = mailboxes.get(&job.recipient) else { continue };
            match mailbox.finish(partial, &job.name) {
                Ok(()) => written.entry(job.recipient).or_default().push(job),
                Err(reason) => answer(job, Err(reason)),
            }
        }
        for (recipient, jobs) in written {
            let Some(Ok(mailbox)) = mailboxes.get(&recipient) else { continue };
            let result = mailbox.sync();
            for job in jobs {
                answer(job, result.clone());
            }
        }
    }
}

fn answer(job: Job, result: Result<(), Reason>) {
    // Whoever sent it may have given up at its deadline.
    let _ = job.answer.send(result);
}
