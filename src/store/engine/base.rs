//! The database under the engine, and how it is opened anew: after one write that failed sled refuses every other one for
//! as long as it is open, whatever has become of the disk.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use super::{
    Bytes, EngineError,
    salvage::tail_is_damaged,
    sled::{Scan, Sled, is_lock_error},
};

/// Bytes that the disk must take before a database that gave up is opened anew.
const PROBE_BYTES: usize = 8 * 1024 * 1024;
/// How long to wait for readers to let go of a database before it is closed.
const READERS_WAIT: Duration = Duration::from_secs(1);
/// What is said of every access between a database that was closed and its opening, when that failed.
const CLOSED: &str = "the database could not be opened again after the disk had failed; it is tried again";

/// The database, open but for moments.
pub(super) struct Base {
    dir: PathBuf,
    sled: RwLock<Option<Arc<Sled>>>,
}

impl Base {
    /// Opens or creates the database in `dir`.
    pub(super) fn open(dir: &Path) -> Result<Self, EngineError> {
        let sled = Sled::open(dir)?;
        Ok(Self { dir: dir.to_owned(), sled: RwLock::new(Some(Arc::new(sled))) })
    }

    /// The database as it is now.
    pub(super) fn sled(&self) -> Result<Arc<Sled>, EngineError> {
        let sled = self.sled.read().unwrap_or_else(PoisonError::into_inner);
        sled.clone().ok_or_else(|| EngineError::Io(io::Error::other(CLOSED)))
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.sled()?.get(key)
    }

    /// Entries from `start` (inclusive) to `end` (exclusive) in order of keys, or backwards.
    pub(super) fn scan(&self, start: &[u8], end: &[u8], backwards: bool) -> Scan {
        match self.sled() {
            Ok(sled) => sled.scan(start, end, backwards).keeping(sled),
            Err(error) => Scan::failed(error),
        }
    }

    /// Bytes on the disk.
    pub(super) fn size(&self) -> Result<u64, EngineError> {
        self.sled()?.size()
    }

    /// Closes the database and opens it again, if the disk takes writes. It then holds what was synced, and perhaps some of
    /// what was set since: whoever set that must set all of it again. Readers wait meanwhile.
    pub(super) fn reopen(&self) -> Result<(), EngineError> {
        let probe = self.dir.with_extension("probe");
        let probed = File::create(&probe).and_then(|mut file| {
            file.write_all(&vec![0xA5; PROBE_BYTES])?;
            file.sync_all()
        });
        // Where it cannot be removed nothing can be written either.
        let removed = fs::remove_file(&probe);
        probed.and(removed).map_err(EngineError::Io)?;
        // As long as the old one is open it can at least be read.
        if tail_is_damaged(&self.dir).map_err(EngineError::Io)? {
            return Err(EngineError::Damaged("a record of those written last".to_owned()));
        }
        let begun = Instant::now();
        loop {
            let mut place = self.sled.write().unwrap_or_else(PoisonError::into_inner);
            // A reader must not wait for the new one while it holds on to the old one, which keeps the new one out.
            if place.as_ref().is_some_and(|old| Arc::strong_count(old) > 1) {
                drop(place);
                if begun.elapsed() > READERS_WAIT {
                    return Err(busy("it is being read"));
                }
                std::thread::sleep(Duration::from_millis(2));
                continue;
            }
            if let Some(old) = place.take() {
                old.close_as_it_is();
            }
            let opened = Sled::open(&self.dir).map_err(|error| match error {
                EngineError::Io(error) if is_lock_error(&error) => busy("it was not let go of yet"),
                error => error,
            });
            *place = Some(Arc::new(opened?));
            return Ok(());
        }
    }
}

fn busy(why: &str) -> EngineError {
    EngineError::Io(io::Error::new(io::ErrorKind::ResourceBusy, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_read_is_not_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let base = Base::open(&dir.path().join("sled")).unwrap();
        let one = || base.get(b"1").unwrap().map(|value| value.to_vec());
        base.sled().unwrap().set(b"1", Some(b"one")).unwrap();
        base.sled().unwrap().sync().unwrap();
        let scan = base.scan(&[0], &[255], false);
        let tried = base.reopen();
        assert!(matches!(&tried, Err(EngineError::Io(why)) if why.kind() == io::ErrorKind::ResourceBusy), "{tried:?}");
        assert_eq!(one().as_deref(), Some(&b"one"[..]));
        assert_eq!(scan.count(), 1);
        base.reopen().unwrap();
        assert_eq!(one().as_deref(), Some(&b"one"[..]));
        assert!(!dir.path().join("sled.probe").exists());
    }
}
