//! The one thread that writes to the store. Writes that come together share one flush, and nobody hears of a
//! write before the flush is done: that is what "durable" means everywhere in this room.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use tokio::sync::mpsc::UnboundedSender;

use super::core::{Core, Done};
use crate::store::{CrashPoint, Store, StoreError};

/// Most writes that share a flush.
const BATCH_MAX: usize = 512;
/// From so many writes in a batch on, the next one gathers for [`GATHER`]: a flush costs the same for one as for many.
const BUSY: usize = 8;
/// See [`BUSY`].
const GATHER: Duration = Duration::from_millis(2);

/// What a write came to. Writes that shared a failed flush share its error.
pub(super) type Written<T> = Result<T, Arc<StoreError>>;
/// What is to be done in the node's task after the flush, with its result.
type After = Box<dyn FnOnce(Written<()>) -> Done + Send>;
/// A write: changes the store and says what follows the flush.
type Job = Box<dyn FnOnce(&Store) -> After + Send>;

/// Hands writes to the thread.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    depth: Arc<AtomicUsize>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. What follows the writes goes to `done`, in one piece for all that shared a flush: the node then
    /// sees a burst as a burst, and answers it with one ack.
    pub(super) fn start(store: Arc<Store>, done: UnboundedSender<Done>) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let depth = Arc::new(AtomicUsize::new(0));
        let counted = depth.clone();
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || run(&store, &queue, &counted, &done))?;
        Ok(Self { jobs: Some(jobs), depth, thread: Some(thread) })
    }

    /// Queues a write; `done` runs in the node's task once it is durable, or failed. Writes are done in the order they
    /// were queued. The queue has no bound of its own: who feeds it watches [`Writer::depth`].
    pub(super) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
        done: impl FnOnce(&mut Core, Written<T>) + Send + 'static,
    ) {
        let job: Job = Box::new(move |store| {
            let result = work(store).map_err(Arc::new);
            Box::new(move |flushed| Box::new(move |core| done(core, flushed.and(result))))
        });
        self.depth.fetch_add(1, Ordering::Relaxed);
        if self.jobs.as_ref().is_none_or(|jobs| jobs.send(job).is_err()) {
            tracing::error!("a write came after the store was closed");
        }
    }

    /// Writes that wait.
    pub(super) fn depth(&self) -> usize {
        self.depth.load(Ordering::Relaxed)
    }

    /// Does what waits and ends the thread. Blocks.
    pub(super) fn finish(mut self) {
        self.jobs = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's writer died");
        }
    }
}

fn run(store: &Store, queue: &mpsc::Receiver<Job>, depth: &AtomicUsize, done: &UnboundedSender<Done>) {
    let mut waiting: Vec<After> = Vec::with_capacity(BATCH_MAX);
    let mut busy = false;
    while let Ok(first) = queue.recv() {
        waiting.push(first(store));
        let end = Instant::now() + GATHER;
        while busy && waiting.len() < BATCH_MAX {
            let Ok(job) = queue.recv_timeout(end.saturating_duration_since(Instant::now())) else { break };
            waiting.push(job(store));
        }
        waiting.extend(queue.try_iter().take(BATCH_MAX - 1).map(|job| job(store)));
        let flushed = store.flush().map_err(Arc::new);
        CrashPoint::FlushDone.pass();
        busy = waiting.len() >= BUSY;
        depth.fetch_sub(waiting.len(), Ordering::Relaxed);
        let follows: Vec<Done> = waiting.drain(..).map(|after| after(flushed.clone())).collect();
        // The core may have stopped meanwhile; what it must not forget is in the store.
        let _ = done.send(Box::new(move |core| follows.into_iter().for_each(|done| done(core))));
    }
}
