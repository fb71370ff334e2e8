//! Threads for cryptography: one for each processor, so that a burst is worked off in its order and in warm caches
//! instead of spreading over a hundred threads that get into each other's way.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// The threads. They end when this is dropped; what is queued by then is done.
pub(super) struct Workers(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Threads that wait for a job.
    idle: usize,
    closed: bool,
}

impl Workers {
    /// Starts as many threads as there are processors.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start() -> std::io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let workers = Self(shared.clone());
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            let shared = shared.clone();
            std::thread::Builder::new().name("crypto".into()).spawn(move || shared.work())?;
        }
        Ok(workers)
    }

    /// Queues `work`. The answer is none when it panicked. The queue has no bound of its own: who feeds it counts what
    /// is under way.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send + 'static {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move || {
            // A defect in there must not take the thread along. Nobody may want the result any more.
            if let Ok(result) = catch_unwind(AssertUnwindSafe(work)) {
                let _ = tell.send(result);
            }
        });
        let mut queue = self.0.queue();
        queue.jobs.push_back(job);
        if queue.idle > 0 {
            self.0.filled.notify_one();
        }
        async move { told.await.ok() }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.0.queue().closed = true;
        self.0.filled.notify_all();
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut queue = self.queue();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                drop(queue);
                job();
                queue = self.queue();
            } else if queue.closed {
                return;
            } else {
                queue.idle += 1;
                queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
                queue.idle -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_answered_and_a_panic_only_loses_its_own_answer() {
        let workers = Workers::start().unwrap();
        let answers: Vec<_> = (0..100)
            .map(|n| {
                workers.run(move || {
                    assert!(n % 10 != 3, "a defect");
                    n
                })
            })
            .collect();
        for (n, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.await, (n % 10 != 3).then_some(n));
        }
    }

    #[tokio::test]
    async fn what_is_queued_is_done_when_the_threads_end() {
        let workers = Workers::start().unwrap();
        let answers: Vec<_> = (0..100).map(|n| workers.run(move || n)).collect();
        drop(workers);
        for (n, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.await, Some(n));
        }
    }
}
