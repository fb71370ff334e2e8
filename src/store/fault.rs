//! What the tests let the disk under a store answer: a broken disk cannot be had on demand. In a release build this is
//! nothing.

#[cfg(debug_assertions)]
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};
use std::{io, path::Path};

/// A step of making something durable at which the disk fails with `EIO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// Writing the journal.
    Write,
    /// Syncing what was written.
    Sync,
    /// Bringing what is in the journal into the database.
    Database,
}

/// What fails, by the folder below which it does: tests of one process do not break each other's stores.
#[cfg(debug_assertions)]
static FAULTS: Mutex<BTreeMap<PathBuf, DiskFault>> = Mutex::new(BTreeMap::new());

#[cfg(debug_assertions)]
fn faults() -> MutexGuard<'static, BTreeMap<PathBuf, DiskFault>> {
    FAULTS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl DiskFault {
    /// From now on this fails in every store below `dir`. Only in builds with debug assertions.
    #[cfg(debug_assertions)]
    pub fn strike(self, dir: &Path) {
        faults().insert(dir.to_owned(), self);
    }

    /// The disk below `dir` is well again.
    #[cfg(debug_assertions)]
    pub fn heal(dir: &Path) {
        faults().remove(dir);
    }

    /// Fails if this fault struck the disk that `file` is on.
    #[cfg(debug_assertions)]
    pub(super) fn check(self, file: &Path) -> io::Result<()> {
        let struck = faults().iter().any(|(dir, fault)| *fault == self && file.starts_with(dir));
        if struck { Err(rustix::io::Errno::IO.into()) } else { Ok(()) }
    }

    /// Never fails.
    #[cfg(not(debug_assertions))]
    pub(super) fn check(self, _file: &Path) -> io::Result<()> {
        Ok(())
    }
}
