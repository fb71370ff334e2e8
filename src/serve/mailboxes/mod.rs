//! The mailboxes on this machine's disk. Frames are opaque; what is kept beside them is when they came, their size and a
//! tag by which the share of each sender is counted.
//!
//! They are kept by the engine of the node's store. Everything here blocks: it runs on the thread of
//! [`super::disk::DiskKeeper`].

mod folder;
mod layout;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use self::layout::{Entry, Place, Table, entry_key, place_of};
use super::{
    config::StorageLimits,
    keeper::{Found, Put},
    usage::{Amount, SenderTag, Usage},
};
use crate::{
    home::HomeError,
    store::engine::{Batch, Engine, EngineError},
    transport::websocket::protocol::{Refusal, RefusalKind},
    wire::{Fingerprint, Timestamp},
};

/// How long a mailbox without messages is remembered after its owner was last here.
const OWNER_KEEP_MS: i64 = 180 * 24 * 3600 * 1000;
/// How precisely that is remembered, to spare writes.
const OWNER_STEP_MS: i64 = 24 * 3600 * 1000;

/// The mailboxes cannot be opened, read or written.
#[derive(Debug, Error)]
pub enum StorageError {
    /// Reading or writing failed.
    #[error("the relay's mailboxes: {0}")]
    Io(io::Error),
    /// What is on the disk is not what was written. It is left as it is.
    #[error(
        "the relay's mailboxes are damaged ({0}) and left as they are; check the disk, move their folder (mailboxes-{layout}) \
         away and start the relay again: senders repeat what was not acknowledged",
        layout = folder::LAYOUT
    )]
    Damaged(String),
    /// The folder, or a file in it, cannot be used.
    #[error("the relay's folder: {0}")]
    Folder(#[from] HomeError),
    /// Another relay has them open.
    #[error("another relay has the mailboxes open")]
    InUse,
    /// A newer or older program wrote them.
    #[error(
        "{} has layout {found}, and this version knows only {known}; let the version that wrote it deliver what it holds, \
         or move it away",
        path.display(),
        known = folder::LAYOUT
    )]
    Layout {
        /// The folder of that layout.
        path: PathBuf,
        /// The layout.
        found: u32,
    },
}

impl From<EngineError> for StorageError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Damaged(what) => Self::Damaged(what),
            EngineError::Io(error) => Self::Io(error),
        }
    }
}

/// All mailboxes of a relay.
pub(super) struct Mailboxes {
    engine: Engine,
    usage: Usage<Fingerprint>,
    limits: StorageLimits,
    tag_key: [u8; 32],
    /// The highest id that was ever given, in whatever mailbox.
    last_id: u64,
    /// Writing failed, and nothing was flushed since.
    behind: bool,
    /// Held while they are open; the last field, because the engine closes first.
    #[allow(dead_code, reason = "it is held, not read")]
    lock: File,
}

impl Mailboxes {
    /// Opens the mailboxes in `folder`, or makes them. Takes time in proportion to the number of messages.
    pub(super) fn open(folder: &Path, limits: StorageLimits) -> Result<Self, StorageError> {
        let folder::Opened { engine, tag_key, lock } = folder::open(folder)?;
        let mut mailboxes = Self { engine, usage: Usage::default(), limits, tag_key, last_id: 0, behind: false, lock };
        mailboxes.count()?;
        Ok(mailboxes)
    }

    fn count(&mut self) -> Result<(), StorageError> {
        if let Some(last) = self.engine.get(&Table::LastId.key(&[]))? {
            let damaged = |_| StorageError::Damaged("the last id".to_owned());
            self.last_id = u64::from_be_bytes((*last).try_into().map_err(damaged)?);
        }
        let (start, end) = Table::Owners.range();
        for item in self.engine.scan(&start, &end, false) {
            let (key, _) = item?;
            if let Ok(owner) = Fingerprint::from_bytes(&key[1..]) {
                self.usage.claim(owner);
            }
        }
        let (start, end) = Table::Entries.range();
        for item in self.engine.scan(&start, &end, false) {
            let (key, value) = item?;
            match (place_of(&key), Entry::decode(&value)) {
                (Some((owner, _)), Some(entry)) => self.usage.add(owner, entry.sender, entry.bytes),
                _ => tracing::warn!("a damaged entry in the relay's mailboxes is left where it is"),
            }
        }
        Ok(())
    }

    /// What all mailboxes hold.
    pub(super) fn total(&self) -> Amount {
        self.usage.total()
    }

    /// What one mailbox holds.
    #[cfg(test)]
    pub(super) fn held(&self, owner: &Fingerprint) -> Amount {
        self.usage.of(owner)
    }

    /// Deletes messages, and puts others: when this returns, what it accepted survives a crash. Answers each of `puts` with
    /// its id or a refusal. On an error nothing counts as accepted, and nothing of `puts` is kept.
    pub(super) fn commit(
        &mut self,
        puts: &[Put],
        taken: &[Place],
        now: Timestamp,
    ) -> Result<Vec<Result<u64, Refusal>>, StorageError> {
        // While the disk does not take what waits, nothing is added to it.
        let caught_up = if self.behind { self.flush() } else { Ok(()) };
        // A deletion that is lost in a crash costs one more delivery, which the recipient recognises.
        self.delete(taken)?;
        caught_up?;
        let mut added = Vec::new();
        let answers = self.add(puts, now, &mut added);
        let durable = if added.is_empty() { Ok(()) } else { self.flush() };
        match durable.and(answers) {
            Ok(answers) => Ok(answers),
            Err(error) => {
                self.take_back(&added);
                Err(error)
            }
        }
    }

    /// Puts what fits, each frame whole in a batch of its own: memory is bounded by single batches. Notes in `added` where.
    fn add(
        &mut self,
        puts: &[Put],
        now: Timestamp,
        added: &mut Vec<Place>,
    ) -> Result<Vec<Result<u64, Refusal>>, StorageError> {
        let mut answers = Vec::with_capacity(puts.len());
        for put in puts {
            let (sender, bytes) = (self.tag(put), put.frame.len() as u64);
            if let Err(refusal) = self.usage.check(&put.recipient, &sender, bytes, &self.limits) {
                answers.push(Err(refusal));
                continue;
            }
            self.last_id += 1;
            let place = (put.recipient, self.last_id);
            let mut batch = Batch::default();
            Entry { stored_ms: now.unix_ms(), bytes, sender }.put(&mut batch, &place, &put.frame);
            batch.put(Table::LastId.key(&[]), self.last_id.to_be_bytes().to_vec());
            self.apply(&batch)?;
            self.usage.add(put.recipient, sender, bytes);
            added.push(place);
            answers.push(Ok(self.last_id));
        }
        Ok(answers)
    }

    /// Removes what was added and could not be made durable. When the process dies before that reaches the disk, a frame may
    /// be kept that was refused: its sender repeats it, and the recipient recognises it. The same if it cannot be removed.
    fn take_back(&mut self, added: &[Place]) {
        if let Err(error) = self.delete(added) {
            tracing::warn!(%error, "a frame that was refused is kept all the same");
        }
    }

    /// Looks into a mailbox: messages with an id above `after`, at most `messages` of them and `bytes` in all,
    /// without those that are too old. `skip` leaves out what is under way already.
    pub(super) fn fetch(
        &self,
        owner: &Fingerprint,
        after: u64,
        skip: impl Fn(u64) -> bool,
        (messages, bytes): (usize, u64),
        now: Timestamp,
    ) -> Result<Found, StorageError> {
        let mut found = Vec::new();
        let mut size = 0;
        for item in self.entries(owner, after.saturating_add(1)) {
            let (place, entry) = item?;
            if skip(place.1) || self.is_old(&entry, now) {
                continue;
            }
            if found.len() == messages || size + entry.bytes > bytes {
                return Ok(if found.is_empty() { Found::Large(entry.bytes) } else { Found::Some(found) });
            }
            match entry.frame(&self.engine, &place)? {
                Some(frame) => {
                    size += entry.bytes;
                    found.push((place.1, frame));
                }
                None => tracing::warn!("a damaged frame in the relay's mailboxes is left where it is"),
            }
        }
        Ok(if found.is_empty() { Found::Nothing } else { Found::Some(found) })
    }

    /// What is kept about the messages of a mailbox from an id on, in order of arrival.
    fn entries(
        &self,
        owner: &Fingerprint,
        from: u64,
    ) -> impl Iterator<Item = Result<(Place, Entry), StorageError>> + use<> {
        // The last of all ids is never given.
        let (start, end) = (entry_key(&(*owner, from)), entry_key(&(*owner, u64::MAX)));
        self.engine.scan(&start, &end, false).filter_map(|item| match item {
            Ok((key, value)) => Some(Ok((place_of(&key)?, Entry::decode(&value)?))),
            Err(error) => Some(Err(error.into())),
        })
    }

    /// Notes that the owner of a mailbox is here, which gives it a mailbox of full size.
    pub(super) fn claim(&mut self, owner: Fingerprint, now: Timestamp) -> Result<(), StorageError> {
        self.usage.claim(owner);
        let key = Table::Owners.key(&[owner.as_bytes()]);
        let seen = self.engine.get(&key)?.and_then(|raw| (*raw).try_into().ok().map(i64::from_be_bytes));
        if seen.is_none_or(|seen| now.unix_ms().saturating_sub(seen) > OWNER_STEP_MS) {
            let mut batch = Batch::default();
            batch.put(key, now.unix_ms().to_be_bytes().to_vec());
            self.apply(&batch)?;
        }
        Ok(())
    }

    /// Deletes messages that are too old, at most `most`; how many there were. Also makes durable what was deleted and
    /// noted since the last frame came.
    pub(super) fn expire(&mut self, now: Timestamp, most: usize) -> Result<usize, StorageError> {
        let mut old = Vec::new();
        for owner in self.usage.holders() {
            for item in self.entries(owner, 0) {
                let (place, entry) = item?;
                if old.len() == most || !self.is_old(&entry, now) {
                    break;
                }
                old.push(place);
            }
        }
        self.delete(&old)?;
        self.forget_owners(now)?;
        self.flush()?;
        Ok(old.len())
    }

    /// Makes everything durable.
    pub(super) fn flush(&mut self) -> Result<(), StorageError> {
        let flushed = self.engine.flush();
        self.behind = flushed.is_err();
        Ok(flushed?)
    }

    fn forget_owners(&mut self, now: Timestamp) -> Result<(), StorageError> {
        let mut gone = Batch::default();
        let (start, end) = Table::Owners.range();
        for item in self.engine.scan(&start, &end, false) {
            let (key, seen) = item?;
            let seen = (*seen).try_into().map_or(0, i64::from_be_bytes);
            if now.unix_ms().saturating_sub(seen) > OWNER_KEEP_MS {
                gone.remove(key.to_vec());
            }
        }
        self.apply(&gone)
    }

    /// Deletes what is there of these, each whole in a batch of its own.
    fn delete(&mut self, places: &[Place]) -> Result<(), StorageError> {
        for place in places {
            let found = self.engine.get(&entry_key(place))?;
            let Some(entry) = found.and_then(|raw| Entry::decode(&raw)) else { continue };
            let mut batch = Batch::default();
            entry.remove(&mut batch, place);
            self.apply(&batch)?;
            self.usage.remove(&place.0, &entry.sender, entry.bytes);
        }
        Ok(())
    }

    fn apply(&mut self, batch: &Batch) -> Result<(), StorageError> {
        let applied = self.engine.apply(batch);
        self.behind |= applied.is_err();
        Ok(applied?)
    }

    fn is_old(&self, entry: &Entry, now: Timestamp) -> bool {
        let keep = i64::try_from(self.limits.keep.as_millis()).unwrap_or(i64::MAX);
        now.unix_ms().saturating_sub(entry.stored_ms) > keep
    }

    /// Different for every mailbox and relay, so that the tags do not tell who writes to several.
    fn tag(&self, put: &Put) -> SenderTag {
        let mut hasher = blake3::Hasher::new_keyed(&self.tag_key);
        hasher.update(put.recipient.as_bytes());
        hasher.update(b"/");
        hasher.update(put.sender.as_bytes());
        let mut tag = SenderTag::default();
        tag.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        tag
    }
}

/// The refusal for a commit that failed.
pub(super) fn storage_refusal() -> Refusal {
    Refusal::new(RefusalKind::StorageFailed, "the relay could not write to its disk")
}
