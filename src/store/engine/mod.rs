//! The boundary to the storage engine: ordered bytes, atomic batches, an explicit moment of durability.
//! Nothing above this folder knows which engine it is. The store keeps what is its own in one, and the relay its mailboxes
//! in another.
//!
//! A batch goes to the [`journal`] and to [`memory`]; a flush writes and syncs the journal. From time to time what
//! is in memory is frozen and a thread brings it into [`sled`]; readers look into memory, frozen memory and sled, in
//! this order. After a crash the journal is read back into memory. This makes a flush one short sequential
//! write, spares sled what is soon overwritten or removed, and holds what sled could lose.

mod base;
mod batch;
mod journal;
mod memory;
mod salvage;
mod sled;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

pub(crate) use self::batch::Batch;
pub(super) use self::salvage::Salvage;
use self::{base::Base, journal::Journal, memory::Memory, sled::Sled};
use super::{crash::CrashPoint, error::StoreError, fault::DiskFault};

/// Longest value the engine is given, in bytes; longer ones are split above. Chosen so that the largest page
/// of sled (17 entries) stays below the 128 KiB at which sled writes unsynced side files.
pub(crate) const MAX_VALUE: usize = 6 * 1024;
/// Memory is frozen and brought into sled when it takes so many bytes.
const MEMORY_BYTES: usize = 8 * 1024 * 1024;
/// Writers wait for sled when memory takes so many bytes.
const MEMORY_BYTES_MAX: usize = 4 * MEMORY_BYTES;
/// How soon a database is opened anew that gave up because there was no room; each time that is in vain the next wait
/// doubles ...
const REOPEN_AFTER: Duration = Duration::from_secs(1);
/// ... to this at most.
const REOPEN_AFTER_MAX: Duration = Duration::from_secs(10);
/// Where sled keeps the number of the last batch it was given; no table begins with this byte.
const APPLIED: &[u8] = b"\xffapplied";

/// Why the engine failed.
#[derive(Debug)]
pub(crate) enum EngineError {
    /// Its files are damaged.
    Damaged(String),
    /// Reading or writing failed.
    Io(io::Error),
}

impl From<EngineError> for StoreError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Damaged(what) => Self::Damaged(what),
            EngineError::Io(source) => Self::io("Reading or writing the store", source),
        }
    }
}

/// A value in the engine's memory.
pub(crate) enum Bytes {
    /// Out of sled.
    Sled(::sled::IVec),
    /// Not in sled yet.
    Memory(Arc<[u8]>),
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Sled(bytes) => bytes,
            Self::Memory(bytes) => bytes,
        }
    }
}

/// What the engine lost, as far as it can know.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Loss {
    /// Batches that were durable once and are nowhere to be found.
    pub(crate) batches: u64,
}

/// An open engine.
pub(crate) struct Engine {
    /// What was found missing when it was opened.
    pub(crate) loss: Loss,
    shared: Arc<Shared>,
    spiller: Option<JoinHandle<()>>,
}

/// What the engine and its thread share.
struct Shared {
    base: Base,
    journal: Journal,
    layers: Mutex<Layers>,
    /// Told whenever a layer is frozen, brought into sled, or the engine closes.
    changed: Condvar,
    dir: PathBuf,
}

/// What is not in sled yet.
struct Layers {
    active: Arc<Memory>,
    active_bytes: usize,
    /// Number of the last batch in `active`.
    last: u64,
    /// What is being brought into sled, with the number of its last batch.
    frozen: Option<(Arc<Memory>, u64)>,
    /// Why sled takes no more; none again while it is tried once more.
    failed: Option<Failure>,
    /// The same until it has taken something.
    trouble: Option<String>,
    /// Whether the database is to be opened anew before it is tried once more.
    reopen: bool,
    /// How long to wait before that.
    patience: Duration,
    closing: bool,
}

/// Why sled takes no more. What it was to take is in the journal and in memory.
struct Failure {
    kind: io::ErrorKind,
    text: String,
    remedy: Remedy,
}

/// What makes it take something again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// A flush that succeeds.
    Flush,
    /// The same, not before this moment; the database gave up and must be opened anew.
    Reopen(Instant),
    /// Nothing but a restart: the disk is not trusted, or the database is damaged.
    Restart,
}

/// Which part of bringing memory into sled failed.
enum Spilling {
    Journal(EngineError),
    Database(EngineError),
}

impl Failure {
    fn of(failed: Spilling, patience: Duration) -> Self {
        let passes = |error: &io::Error| {
            use io::ErrorKind::{FileTooLarge, QuotaExceeded, ResourceBusy, StorageFull};
            matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge | ResourceBusy)
        };
        let remedy = match &failed {
            Spilling::Journal(_) => Remedy::Flush,
            Spilling::Database(EngineError::Io(error)) if passes(error) => Remedy::Reopen(Instant::now() + patience),
            // What a write that failed has left in the system's memory is perhaps not on the disk.
            Spilling::Database(_) => Remedy::Restart,
        };
        let (kind, why) = match failed {
            Spilling::Journal(EngineError::Io(error)) | Spilling::Database(EngineError::Io(error)) => {
                (error.kind(), error.to_string())
            }
            Spilling::Journal(EngineError::Damaged(why)) | Spilling::Database(EngineError::Damaged(why)) => {
                (io::ErrorKind::Other, format!("it is damaged, {why}"))
            }
        };
        let remedy_text = match remedy {
            Remedy::Flush => "it is tried again with the next write",
            Remedy::Reopen(_) => "it is tried again with a later write",
            Remedy::Restart => "check the disk and restart the program",
        };
        let text = format!(
            "what was written last is safe in the journal, but the database does not take it ({why}); {remedy_text}"
        );
        Self { kind, text, remedy }
    }

    fn error(&self) -> EngineError {
        EngineError::Io(io::Error::new(self.kind, self.text.clone()))
    }
}

impl Engine {
    /// Opens or creates the engine in `dir`; `key` authenticates the journal.
    pub(crate) fn open(dir: &Path, key: [u8; 32]) -> Result<Self, EngineError> {
        let base = Base::open(&dir.join("sled"))?;
        let applied = base.sled()?.applied()?;
        let journal_dir = dir.join("journal");
        let memory = Memory::default();
        let mut bytes = 0;
        let replay = Journal::read(&journal_dir, &key, applied, |_, batch| bytes += memory.apply(batch))?;
        let loss = Loss { batches: replay.missing + replay.noted.saturating_sub(replay.last) };
        if loss.batches > 0 {
            keep_aside(&journal_dir)?;
        }
        // Numbers are never used twice, so that no record of before can pass for a later one.
        let last = replay.last.max(replay.noted);
        let journal = Journal::open(&journal_dir, key, last)?;
        journal.retire(applied, true)?;
        let layers = Layers {
            active: Arc::new(memory),
            active_bytes: bytes,
            last,
            frozen: None,
            failed: None,
            trouble: None,
            reopen: false,
            patience: REOPEN_AFTER,
            closing: false,
        };
        let shared = Arc::new(Shared {
            base,
            journal,
            layers: Mutex::new(layers),
            changed: Condvar::new(),
            dir: dir.to_owned(),
        });
        let spiller = std::thread::Builder::new().name("store-spill".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.spill_until_closed()
        });
        Ok(Self { loss, shared, spiller: Some(spiller.map_err(EngineError::Io)?) })
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let (active, frozen) = self.shared.memories();
        if let Some(known) = active.get(key).or_else(|| frozen.and_then(|frozen| frozen.get(key))) {
            return Ok(known);
        }
        self.shared.noting_damage(self.shared.base.get(key))
    }

    /// Entries from `start` (inclusive) to `end` (exclusive), in order of keys or backwards. Ends after an error.
    pub(crate) fn scan(&self, start: &[u8], end: &[u8], backwards: bool) -> Scan {
        let (active, frozen) = self.shared.memories();
        let cursor = |memory: &Arc<Memory>| memory.cursor(start, end, backwards).peekable();
        // Memory is taken hold of before sled: what moves on meanwhile is then seen twice, never missed.
        Scan {
            active: cursor(&active),
            frozen: frozen.as_ref().map(cursor),
            sled: self.shared.base.scan(start, end, backwards).peekable(),
            shared: Arc::clone(&self.shared),
            backwards,
        }
    }

    /// Applies all of the batch or nothing. Visible at once, durable after the next [`Engine::flush`].
    pub(crate) fn apply(&self, batch: &Batch) -> Result<(), EngineError> {
        if batch.is_empty() {
            return Ok(());
        }
        let shared = &self.shared;
        let mut layers = shared.layers();
        while layers.active_bytes > MEMORY_BYTES_MAX {
            if let Some(failure) = &layers.failed {
                return Err(failure.error());
            }
            layers.freeze();
            shared.changed.notify_all();
            layers = shared.changed.wait(layers).unwrap_or_else(PoisonError::into_inner);
        }
        #[cfg(debug_assertions)]
        shared.check_new(&layers, batch);
        layers.last = shared.journal.append(batch)?;
        CrashPoint::StoreWrite.pass();
        layers.active_bytes += layers.active.apply(batch);
        if layers.active_bytes > MEMORY_BYTES && layers.freeze() {
            shared.changed.notify_all();
        }
        Ok(())
    }

    /// Makes everything applied so far durable.
    pub(crate) fn flush(&self) -> Result<(), EngineError> {
        self.shared.journal.flush()?;
        self.shared.try_again();
        Ok(())
    }

    /// Brings everything into sled, and makes it durable there.
    pub(crate) fn settle(&self) -> Result<(), EngineError> {
        self.flush()?;
        let mut layers = self.shared.layers();
        while layers.freeze() || layers.frozen.is_some() {
            if let Some(failure) = &layers.failed {
                return Err(failure.error());
            }
            self.shared.changed.notify_all();
            layers = self.shared.changed.wait(layers).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Bytes on the disk.
    pub(super) fn size(&self) -> Result<u64, EngineError> {
        Ok(self.shared.base.size()? + self.shared.journal.size())
    }

    /// Why what was written does not get beyond the journal at the moment; none while all is well.
    pub(super) fn trouble(&self) -> Option<String> {
        self.shared.layers().trouble.clone()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Who wants to know whether this succeeds calls it before.
        if let Err(error) = self.flush() {
            tracing::error!(?error, "the journal could not be flushed while closing");
        }
        self.shared.layers().closing = true;
        self.shared.changed.notify_all();
        if let Some(spiller) = self.spiller.take() {
            // The thread ends by itself; if it panicked there is nothing left to do here.
            let _ = spiller.join();
        }
    }
}

impl Layers {
    /// Freezes what is active if nothing is frozen. Returns whether something is newly frozen.
    fn freeze(&mut self) -> bool {
        if self.frozen.is_some() || self.active_bytes == 0 || self.failed.is_some() {
            return false;
        }
        self.frozen = Some((std::mem::take(&mut self.active), self.last));
        self.active_bytes = 0;
        true
    }

    /// What is frozen was not taken.
    fn fail(&mut self, failed: Spilling) {
        let failure = Failure::of(failed, self.patience);
        if let Remedy::Reopen(_) = failure.remedy {
            self.patience = (2 * self.patience).min(REOPEN_AFTER_MAX);
        }
        tracing::error!("{}", failure.text);
        self.trouble = Some(failure.text.clone());
        self.failed = Some(failure);
    }
}

impl Shared {
    fn layers(&self) -> MutexGuard<'_, Layers> {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn memories(&self) -> (Arc<Memory>, Option<Arc<Memory>>) {
        let layers = self.layers();
        (Arc::clone(&layers.active), layers.frozen.as_ref().map(|(memory, _)| Arc::clone(memory)))
    }

    /// What is called new must be new: otherwise its removal would bring back what was there before.
    #[cfg(debug_assertions)]
    fn check_new(&self, layers: &Layers, batch: &Batch) {
        for key in batch.new_keys() {
            let frozen = || layers.frozen.as_ref().and_then(|(memory, _)| memory.get(key));
            let known = layers.active.get(key).or_else(frozen);
            let there = known.map_or_else(|| matches!(self.base.get(key), Ok(Some(_))), |value| value.is_some());
            assert!(!there, "a key that is called new is there already");
        }
    }

    /// The disk takes something: if it did not take what was to be brought into sled, that is tried again. Where sled has
    /// failed for good it says so at once.
    fn try_again(&self) {
        let mut layers = self.layers();
        let Some(failure) = &layers.failed else { return };
        let reopen = match failure.remedy {
            Remedy::Flush => false,
            Remedy::Reopen(at) if Instant::now() >= at => true,
            Remedy::Reopen(_) | Remedy::Restart => return,
        };
        layers.reopen = reopen;
        layers.failed = None;
        self.changed.notify_all();
    }

    /// The thread that brings frozen memory into sled.
    fn spill_until_closed(&self) {
        let mut layers = self.layers();
        loop {
            match layers.frozen.clone() {
                Some((memory, last)) if layers.failed.is_none() => {
                    let reopen = std::mem::take(&mut layers.reopen);
                    drop(layers);
                    let result = if reopen { self.noting_damage(self.base.reopen()) } else { Ok(()) };
                    let result = result.map_err(Spilling::Database).and_then(|()| self.spill(&memory, last));
                    layers = self.layers();
                    match result {
                        Ok(()) => {
                            layers.frozen = None;
                            layers.trouble = None;
                            layers.patience = REOPEN_AFTER;
                        }
                        // Nothing is lost: it is in the journal, and stays in memory for readers.
                        Err(failed) => layers.fail(failed),
                    }
                    self.changed.notify_all();
                }
                _ if layers.closing => return,
                _ => layers = self.changed.wait(layers).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn spill(&self, memory: &Memory, last: u64) -> Result<(), Spilling> {
        // First the journal: half of a batch in sled is only harmless while the whole is in the journal.
        self.journal.flush().map_err(Spilling::Journal)?;
        self.noting_damage(self.set_all(memory, last)).map_err(Spilling::Database)?;
        self.journal.retire(last, false).map_err(Spilling::Journal)
    }

    fn set_all(&self, memory: &Memory, last: u64) -> Result<(), EngineError> {
        let sled = self.base.sled()?;
        DiskFault::Database.check(&self.dir).map_err(EngineError::Io)?;
        memory.try_each(|key, value| sled.set(key, value))?;
        sled.set_applied(last)?;
        sled.sync()
    }

    /// Leaves a mark when `result` is damage, so that the next start repairs.
    fn noting_damage<T>(&self, result: Result<T, EngineError>) -> Result<T, EngineError> {
        if let Err(EngineError::Damaged(what)) = &result {
            tracing::error!(%what, "the database is damaged");
            if let Err(error) = fs::write(damage_mark(&self.dir), what) {
                tracing::warn!(%error, "the mark of damage could not be written");
            }
        }
        result
    }
}

/// Sets a value while an engine is rebuilt.
pub(super) type Set<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), EngineError> + 'a;

/// Makes a new engine in `dir` out of entries, handed one by one to the function that `fill` gets, and of the journal
/// of the engine in `old`, which is copied and takes effect on top of them when the new engine is opened.
pub(super) fn rebuild(
    dir: &Path,
    old: &Path,
    key: &[u8; 32],
    fill: impl FnOnce(&mut Set<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    fs::create_dir_all(dir.join("journal")).map_err(EngineError::Io)?;
    let sled = Sled::open(&dir.join("sled"))?;
    fill(&mut |key, value| sled.set(key, Some(value)))?;
    let (from, to) = (old.join("journal"), dir.join("journal"));
    journal::copy(&from, &to)?;
    // Whatever of the journal's first batches is in sled already, applying them again changes nothing.
    sled.set_applied(journal::base(&to, key)?)?;
    Ok(sled.sync()?)
}

/// The file whose presence tells that the engine in `dir` was found damaged while in use.
pub(crate) fn damage_mark(dir: &Path) -> PathBuf {
    dir.join("damaged")
}

/// Copies a journal of which something is missing, before it is written to again.
fn keep_aside(journal: &Path) -> Result<(), EngineError> {
    let mut number = 1;
    let aside = loop {
        let aside = journal.with_extension(format!("incomplete-{number}"));
        match fs::create_dir(&aside) {
            Ok(()) => break aside,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1000 => number += 1,
            Err(error) => return Err(EngineError::Io(error)),
        }
    };
    journal::copy(journal, &aside)
}

/// A walk over all layers in order; the newest layer's word on a key counts.
pub(crate) struct Scan {
    active: std::iter::Peekable<memory::Cursor>,
    frozen: Option<std::iter::Peekable<memory::Cursor>>,
    sled: std::iter::Peekable<sled::Scan>,
    shared: Arc<Shared>,
    backwards: bool,
}

impl Scan {
    /// The key that comes next in any layer.
    fn next_key(&mut self) -> Option<Box<[u8]>> {
        let active = self.active.peek().map(|(key, _)| key.clone());
        let frozen = self.frozen.as_mut().and_then(|cursor| cursor.peek()).map(|(key, _)| key.clone());
        let sled = match self.sled.peek() {
            Some(Ok((key, _))) => Some(Box::from(&**key)),
            _ => None,
        };
        let keys = [active, frozen, sled].into_iter().flatten();
        if self.backwards { keys.max() } else { keys.min() }
    }
}

impl Iterator for Scan {
    type Item = Result<(Bytes, Bytes), EngineError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if matches!(self.sled.peek(), Some(Err(_))) {
                let failed = self.sled.next()?.map(|_| ());
                // What is left in memory would look like the whole.
                self.active.by_ref().for_each(drop);
                self.frozen = None;
                return self.shared.noting_damage(failed).err().map(Err);
            }
            let key = self.next_key()?;
            let in_sled = self.sled.next_if(|entry| matches!(entry, Ok((found, _)) if **found == *key));
            let frozen = self.frozen.as_mut().and_then(|cursor| cursor.next_if(|(found, _)| *found == key));
            let active = self.active.next_if(|(found, _)| *found == key);
            let in_memory = active.or(frozen).map(|(_, value)| value);
            match (in_memory, in_sled) {
                (Some(Some(value)), _) => return Some(Ok((Bytes::Memory(Arc::from(key)), Bytes::Memory(value)))),
                // Removed.
                (Some(None), _) => {}
                (None, Some(Ok(entry))) => return Some(Ok(entry)),
                (None, _) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
