//! What every transport has between its start and its stop: something that runs, and tasks that end with it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{sync::Notify, task::JoinHandle, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{EventSink, TransportEvent, TransportState};
use crate::delivery::{Reason, ReasonKind, TransportId};

/// How long [`Tasks::end`] waits for the tasks.
pub(super) const STOP_LIMIT: Duration = Duration::from_secs(3);

/// Locks; what was behind a lock when somebody panicked is still usable.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Holds what exists between start and stop.
#[derive(Debug)]
pub(super) struct Slot<R>(Mutex<Option<Arc<R>>>);

impl<R> Default for Slot<R> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<R> Slot<R> {
    /// What runs.
    ///
    /// # Errors
    /// When nothing does.
    pub(super) fn get(&self) -> Result<Arc<R>, Reason> {
        lock(&self.0).clone().ok_or_else(|| Reason::new(ReasonKind::Stopping, "the transport is not started"))
    }

    /// Makes what runs from now on.
    ///
    /// # Errors
    /// When something runs already; nothing is made then.
    pub(super) fn fill(&self, make: impl FnOnce() -> Arc<R>) -> Result<(), Reason> {
        let mut slot = lock(&self.0);
        if slot.is_some() {
            return Err(Reason::new(ReasonKind::Other, "the transport is started already"));
        }
        *slot = Some(make());
        Ok(())
    }

    /// Takes out what ran, if anything did.
    pub(super) fn take(&self) -> Option<Arc<R>> {
        lock(&self.0).take()
    }
}

/// The tasks of one run. Clones stand for the same tasks.
#[derive(Clone, Debug, Default)]
pub(super) struct Tasks {
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Tasks {
    /// Runs `task` until it ends or all are stopped, which drops it.
    pub(super) fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) {
        // Boxed, tokio's part of a task is compiled once and not for each caller.
        self.tracker.spawn(self.stop.clone().run_until_cancelled_owned(task.boxed()));
    }

    /// Runs `task` until it ends by itself; it must heed [`Tasks::stop`].
    pub(super) fn track<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.tracker.spawn(task)
    }

    /// Tells the stop.
    pub(super) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Stops all and waits until they have ended, within a limit.
    pub(super) async fn end(&self, id: &TransportId) {
        self.stop.cancel();
        self.tracker.close();
        if timeout(STOP_LIMIT, self.tracker.wait()).await.is_err() {
            tracing::error!(transport = %id, "tasks did not end in time");
        }
    }
}

/// Runs what blocks, for instance reads files before a start, on a thread that may.
///
/// # Errors
/// Those of `work`, and when the program stops meanwhile.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Reason> + Send + 'static,
) -> Result<T, Reason> {
    let stopped = |_| Reason::new(ReasonKind::Stopping, "the node is stopping");
    tokio::task::spawn_blocking(work).await.map_err(stopped)?
}

/// Tells the node once that a transport which only sends is ready.
pub(super) async fn tell_up(id: TransportId, sink: EventSink) {
    // A node that hung up is stopping; it needs no state any more.
    let _ = sink.send(TransportEvent::State(id, TransportState::Up)).await;
}

/// Tells the node what `state` says, now and whenever it is another one after `changed`. Ends when the node is gone.
pub(super) async fn report(
    id: TransportId,
    sink: EventSink,
    changed: Arc<Notify>,
    state: impl Fn() -> TransportState + Send,
) {
    let mut last = None;
    loop {
        let now = state();
        if last.as_ref() != Some(&now) {
            last = Some(now.clone());
            if sink.send(TransportEvent::State(id.clone(), now)).await.is_err() {
                return;
            }
        }
        changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::testing::wait_until;

    #[test]
    fn a_slot_is_filled_once_between_start_and_stop() {
        let slot = Slot::<u8>::default();
        assert_eq!(slot.get().unwrap_err().kind, ReasonKind::Stopping);
        slot.fill(|| Arc::new(1)).unwrap();
        assert_eq!(slot.fill(|| unreachable!()).unwrap_err().to_string(), "the transport is started already");
        assert_eq!((*slot.get().unwrap(), slot.take().is_some(), slot.take().is_some()), (1, true, false));
        slot.fill(|| Arc::new(2)).unwrap();
    }

    #[tokio::test]
    async fn the_end_waits_for_those_who_say_goodbye_and_drops_the_others() {
        let (tasks, told) = (Tasks::default(), Arc::new(Mutex::new(Vec::new())));
        struct Dropped(Arc<Mutex<Vec<&'static str>>>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                lock(&self.0).push("dropped");
            }
        }
        let guard = Dropped(told.clone());
        tasks.spawn(async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        });
        let (stop, farewell) = (tasks.stop().clone(), told.clone());
        tasks.track(async move {
            stop.cancelled().await;
            tokio::task::yield_now().await;
            lock(&farewell).push("goodbye");
        });
        tasks.end(&"t".parse().unwrap()).await;
        let mut told = lock(&told).clone();
        told.sort_unstable();
        assert_eq!(told, ["dropped", "goodbye"]);
    }

    #[tokio::test]
    async fn a_state_is_told_once() {
        let (sink, mut events) = tokio::sync::mpsc::channel(8);
        let (changed, up) = (Arc::new(Notify::new()), Arc::new(Mutex::new(false)));
        let seen = up.clone();
        let state = move || if *lock(&seen) { TransportState::Up } else { TransportState::Starting };
        let reporting = tokio::spawn(report("t".parse().unwrap(), sink, changed.clone(), state));
        assert!(matches!(events.recv().await, Some(TransportEvent::State(_, TransportState::Starting))));
        changed.notify_one();
        *lock(&up) = true;
        changed.notify_one();
        assert!(matches!(events.recv().await, Some(TransportEvent::State(_, TransportState::Up))));
        assert!(events.try_recv().is_err(), "nothing is said twice");
        drop(events);
        *lock(&up) = false;
        changed.notify_one();
        wait_until("it ends with the node", || reporting.is_finished()).await;
    }
}
