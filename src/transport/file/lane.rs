//! Work on one folder's file system, in threads of its own and never more than a few at once.
//!
//! A mount that hangs (NFS without its server) holds its threads for as long as it hangs; they are counted, so that
//! it costs neither the other folders nor the process anything. They are plain threads, not those of the async
//! runtime, because the runtime waits for its own at shutdown.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::timeout,
};

use crate::delivery::{Reason, ReasonKind};

/// Threads over all folders of one transport.
const THREADS_MOST: usize = 128;

/// The bound over all folders of one transport.
#[derive(Clone, Debug)]
pub(super) struct Threads(Arc<Semaphore>);

impl Default for Threads {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(THREADS_MOST)))
    }
}

/// The threads of one folder.
#[derive(Debug)]
pub(super) struct Lane {
    folder: PathBuf,
    own: Arc<Semaphore>,
    all: Threads,
    most: usize,
}

impl Lane {
    /// At most `most` threads at once for `folder`.
    pub(super) fn new(folder: &Path, most: usize, all: Threads) -> Self {
        Self { folder: folder.to_owned(), own: Arc::new(Semaphore::new(most)), all, most }
    }

    /// Runs `work` and waits at most `patience` for it; afterwards it goes on by itself.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Reason> {
        let Ok(own) = timeout(patience, self.own.clone().acquire_owned()).await else { return Err(self.stuck()) };
        let done = self.begin(own.ok(), work)?;
        match timeout(patience, done).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_)) => Err(Reason::new(ReasonKind::Io, format!("work on {} broke off", self.folder.display()))),
            Err(_) => Err(self.silent(patience)),
        }
    }

    /// Begins `work` at once, or not at all when every thread is taken.
    pub(super) fn try_begin<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, Reason> {
        let own = self.own.clone().try_acquire_owned().map_err(|_| self.stuck())?;
        self.begin(Some(own), work)
    }

    fn begin<T: Send + 'static>(
        &self,
        own: Option<OwnedSemaphorePermit>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, Reason> {
        let all = self.all.0.clone().try_acquire_owned();
        let (Some(own), Ok(all)) = (own, all) else {
            return Err(Reason::new(ReasonKind::Timeout, format!("{THREADS_MOST} operations on folders hang")));
        };
        let (tx, rx) = oneshot::channel();
        let thread = std::thread::Builder::new().name("skcomm-file".to_owned()).spawn(move || {
            let _places = (own, all);
            // Whoever waited may have given up.
            let _ = tx.send(work());
        });
        match thread {
            Ok(_detached) => Ok(rx),
            Err(error) => Err(Reason::new(ReasonKind::Io, format!("no thread for {}: {error}", self.folder.display()))),
        }
    }

    fn stuck(&self) -> Reason {
        let detail = format!("{} operations on {} hang: is its server there?", self.most, self.folder.display());
        Reason::new(ReasonKind::Timeout, detail)
    }

    /// The reason when something took longer than `patience`.
    pub(super) fn silent(&self, patience: Duration) -> Reason {
        let detail = format!("{} did not answer within {:.1} s", self.folder.display(), patience.as_secs_f32());
        Reason::new(ReasonKind::Timeout, detail)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::transport::testing::LIMIT;

    #[tokio::test]
    async fn a_hanging_folder_costs_its_own_threads_only_and_recovers() {
        let all = Threads::default();
        let (hung, fine) = (Lane::new(Path::new("/hung"), 2, all.clone()), Lane::new(Path::new("/fine"), 2, all));
        let mut gates = Vec::new();
        for _ in 0..2 {
            let (gate, wait) = mpsc::channel::<()>();
            gates.push(gate);
            let error = hung.run(Duration::from_millis(10), move || wait.recv()).await.unwrap_err();
            assert_eq!(error.kind, ReasonKind::Timeout);
            assert!(error.to_string().contains("/hung did not answer"), "{error}");
        }
        let error = hung.run(Duration::from_millis(10), || ()).await.unwrap_err();
        assert!(error.to_string().contains("2 operations on /hung hang"), "{error}");
        assert!(hung.try_begin(|| ()).is_err());
        assert_eq!(fine.run(LIMIT, || 7).await, Ok(7));
        drop(gates);
        assert_eq!(hung.run(LIMIT, || 8).await, Ok(8));
    }
}
