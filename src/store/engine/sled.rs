//! The one place that knows sled.
//!
//! sled 0.34.7 as used here: one tree and plain sets, because atomicity comes from the journal and sled's batches
//! and transactions take a lock that all databases of the process share; no value above [`super::MAX_VALUE`],
//! because larger ones make sled write side files that it never syncs; no background flusher, because what is
//! durable must be known; and an `fdatasync` of our own after sled's flush, because sled's (`sync_file_range`)
//! leaves data in the drive's cache and the file's length unwritten.

use std::{
    fs::{self, File},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{APPLIED, Bytes, EngineError, salvage::tail_is_damaged};

/// Bytes of pages kept in memory.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// How long to wait for a database that was just closed in this process.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// With so many bytes set since it was opened, a database gets a snapshot when it is closed. sled writes about five
/// times as many, which the next start would read twice.
const SNAPSHOT_BYTES: u64 = 8 * 1024 * 1024;

/// An open sled database.
pub(super) struct Sled {
    db: ::sled::Db,
    /// sled's data file, opened a second time to sync it.
    data: File,
    /// The last field, because it takes effect when the database is closed.
    snapshot: SnapshotAtClose,
}

/// Opens the database once more after it was closed, if much was written to it: sled makes a snapshot only when it
/// is opened, and without one it reads all again that was written since the last. So the next start is quick.
struct SnapshotAtClose {
    dir: PathBuf,
    /// Bytes of keys and values that were set.
    written: AtomicU64,
}

impl Drop for SnapshotAtClose {
    fn drop(&mut self) {
        if *self.written.get_mut() < SNAPSHOT_BYTES {
            return;
        }
        if let Err(error) = Sled::open(&self.dir) {
            // Nothing is lost by that; the next start takes longer, or repairs what is damaged.
            tracing::warn!(?error, "the database could not be given a snapshot while closing");
        }
    }
}

impl From<::sled::Error> for EngineError {
    fn from(error: ::sled::Error) -> Self {
        match error {
            ::sled::Error::Io(error) if is_damage(&error) => Self::Damaged(error.to_string()),
            ::sled::Error::Io(error) => Self::Io(error),
            other => Self::Damaged(other.to_string()),
        }
    }
}

/// Whether an I/O error tells of what the files hold rather than of the disk: sled, or a read past the end, made
/// it, not the operating system.
fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, NotFound, Other, UnexpectedEof};
    error.raw_os_error().is_none()
        && matches!(error.kind(), UnexpectedEof | Other | InvalidData | InvalidInput | NotFound)
        && !is_lock_error(error)
}

/// Runs `work`; sled reports some damage by panicking, which becomes an error here.
fn guarded<T>(work: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let what = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let what = what.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(EngineError::Damaged(what.unwrap_or_else(|| "the engine gave up".to_owned())))
    })
}

impl Sled {
    /// Opens or creates the database in `dir`.
    pub(super) fn open(dir: &Path) -> Result<Self, EngineError> {
        remove_half_written(dir).map_err(EngineError::Io)?;
        if tail_is_damaged(dir).map_err(EngineError::Io)? {
            return Err(EngineError::Damaged("a record of those written last".to_owned()));
        }
        guarded(|| {
            let config = ::sled::Config::new()
                .path(dir)
                .cache_capacity(CACHE_BYTES)
                .mode(::sled::Mode::LowSpace)
                .flush_every_ms(None);
            let db = open_unlocked(&config)?;
            let data = File::open(dir.join("db")).map_err(EngineError::Io)?;
            let snapshot = SnapshotAtClose { dir: dir.to_owned(), written: AtomicU64::new(0) };
            Ok(Self { db, data, snapshot })
        })
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        guarded(|| Ok(self.db.get(key)?.map(Bytes::Sled)))
    }

    /// Sets or removes a value. Not durable before [`Sled::sync`].
    pub(super) fn set(&self, key: &[u8], value: Option<&[u8]>) -> Result<(), EngineError> {
        let bytes = key.len() + value.map_or(0, <[u8]>::len);
        self.snapshot.written.fetch_add(bytes as u64, Ordering::Relaxed);
        guarded(|| {
            match value {
                Some(value) => self.db.insert(key, value)?,
                None => self.db.remove(key)?,
            };
            Ok(())
        })
    }

    /// Number of the last batch sled was given; all before are in it.
    pub(super) fn applied(&self) -> Result<u64, EngineError> {
        match self.get(APPLIED)?.as_deref() {
            None => Ok(0),
            Some(bytes) => match bytes.try_into() {
                Ok(bytes) => Ok(u64::from_be_bytes(bytes)),
                Err(_) => Err(EngineError::Damaged("the count of batches".to_owned())),
            },
        }
    }

    /// Notes that all batches up to this number are in sled.
    pub(super) fn set_applied(&self, number: u64) -> Result<(), EngineError> {
        self.set(APPLIED, Some(&number.to_be_bytes()))
    }

    /// Entries from `start` (inclusive) to `end` (exclusive) in order of keys, or backwards.
    pub(super) fn scan(&self, start: &[u8], end: &[u8], backwards: bool) -> Scan {
        Scan { iter: Ok(self.db.range(start..end)), of: None, backwards, ended: false }
    }

    /// Makes everything applied so far durable.
    pub(super) fn sync(&self) -> Result<(), EngineError> {
        guarded(|| {
            self.db.flush()?;
            Ok(())
        })?;
        self.data.sync_data().map_err(EngineError::Io)
    }

    /// Gives up the snapshot that closing would make.
    pub(super) fn close_as_it_is(&self) {
        self.snapshot.written.store(0, Ordering::Relaxed);
    }

    /// Bytes on the disk.
    pub(super) fn size(&self) -> Result<u64, EngineError> {
        guarded(|| Ok(self.db.size_on_disk()?))
    }
}

/// Opens, waiting for an earlier user in this process to let go: sled's threads keep its file, and with it the
/// lock, for some moments after the database was closed. Other processes are kept out by the lock of whoever uses the engine.
fn open_unlocked(config: &::sled::Config) -> Result<::sled::Db, ::sled::Error> {
    let begun = Instant::now();
    loop {
        match config.open() {
            Err(::sled::Error::Io(error)) if is_lock_error(&error) && begun.elapsed() < LOCK_WAIT => {
                // Files that wait to be dropped are dropped when threads move on to a new epoch.
                ::sled::crossbeam_pin().flush();
                std::thread::sleep(Duration::from_millis(2));
            }
            opened => return opened,
        }
    }
}

pub(super) fn is_lock_error(error: &io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

/// Removes snapshots that sled began to write and did not finish: it would take them for whole ones and refuse to
/// open. They only repeat what the data file holds.
fn remove_half_written(dir: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A walk over entries. Ends after the first error.
pub(super) struct Scan {
    iter: Result<::sled::Iter, Option<EngineError>>,
    /// Who holds this is reading.
    #[allow(dead_code, reason = "it is held, not read")]
    of: Option<Arc<Sled>>,
    backwards: bool,
    ended: bool,
}

impl Scan {
    /// A walk that finds nothing but this.
    pub(super) fn failed(error: EngineError) -> Self {
        Self { iter: Err(Some(error)), of: None, backwards: false, ended: false }
    }

    /// The same walk, which keeps the database it walks in.
    pub(super) fn keeping(self, of: Arc<Sled>) -> Self {
        Self { of: Some(of), ..self }
    }
}

impl Iterator for Scan {
    type Item = Result<(Bytes, Bytes), EngineError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let iter = match &mut self.iter {
            Ok(iter) => iter,
            Err(error) => {
                self.ended = true;
                return error.take().map(Err);
            }
        };
        let backwards = self.backwards;
        let next = guarded(|| match if backwards { iter.next_back() } else { iter.next() } {
            Some(entry) => {
                entry.map(|(key, value)| Some((Bytes::Sled(key), Bytes::Sled(value)))).map_err(EngineError::from)
            }
            None => Ok(None),
        });
        self.ended = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}
