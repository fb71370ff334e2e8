//! The mailboxes on this machine's disk. Frames are opaque; what is kept beside them is when they came, their size and a
//! tag by which the share of each sender is counted.
//!
//! This is the only place that knows the storage engine. Everything here blocks: it runs on the thread of
//! [`super::disk::DiskKeeper`].

use std::path::Path;

use bytes::Bytes;
use sled::Transactional;
use thiserror::Error;

use super::{
    config::StorageLimits,
    keeper::{Found, Put},
    usage::{Amount, SenderTag, Usage},
};
use crate::{
    transport::websocket::protocol::{Refusal, RefusalKind},
    wire::{Fingerprint, Timestamp},
};

/// The layout on disk that this version reads and writes.
const SCHEMA: &[u8] = b"1";
/// How much the engine may cache, in bytes.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// How long a mailbox without messages is remembered after its owner was last here.
const OWNER_KEEP_MS: i64 = 180 * 24 * 3600 * 1000;
/// How precisely that is remembered, to spare writes.
const OWNER_STEP_MS: i64 = 24 * 3600 * 1000;

/// The mailboxes cannot be opened, read or written.
#[derive(Debug, Error)]
pub enum StorageError {
    /// The engine refused; the mailboxes are left as they are.
    #[error("the relay's mailboxes: {0}")]
    Engine(#[from] sled::Error),
    /// The folder could not be made or cleaned.
    #[error("the relay's folder: {0}")]
    Folder(#[from] std::io::Error),
    /// A newer or older program wrote them.
    #[error("the relay's mailboxes have layout {0}, which this version does not know")]
    Schema(String),
}

/// All mailboxes of a relay.
#[derive(Debug)]
pub(super) struct Mailboxes {
    db: sled::Db,
    entries: sled::Tree,
    frames: sled::Tree,
    owners: sled::Tree,
    usage: Usage<Fingerprint>,
    limits: StorageLimits,
    tag_key: [u8; 32],
}

/// What is kept about a message.
#[derive(Clone, Copy, Debug)]
struct Entry {
    stored_ms: i64,
    bytes: u64,
    sender: SenderTag,
}

impl Entry {
    fn encode(&self) -> [u8; 24] {
        let mut raw = [0; 24];
        raw[..8].copy_from_slice(&self.stored_ms.to_be_bytes());
        raw[8..16].copy_from_slice(&self.bytes.to_be_bytes());
        raw[16..].copy_from_slice(&self.sender);
        raw
    }

    fn decode(raw: &[u8]) -> Option<Self> {
        let raw: &[u8; 24] = raw.try_into().ok()?;
        Some(Self {
            stored_ms: i64::from_be_bytes(raw[..8].try_into().ok()?),
            bytes: u64::from_be_bytes(raw[8..16].try_into().ok()?),
            sender: raw[16..].try_into().ok()?,
        })
    }
}

impl Mailboxes {
    /// Opens the mailboxes in `folder`, or makes them. Takes time in proportion to the number of messages.
    pub(super) fn open(folder: &Path, limits: StorageLimits) -> Result<Self, StorageError> {
        make_private(folder)?;
        let path = folder.join("mailboxes");
        remove_half_snapshots(&path)?;
        let db = crate::store::open_unlocked(&sled::Config::new().path(&path).cache_capacity(CACHE_BYTES))?;
        let meta = db.open_tree("meta")?;
        match meta.get("schema")? {
            None => {
                meta.insert("tag_key", &rand::random::<[u8; 32]>())?;
                meta.insert("schema", SCHEMA)?;
                db.flush()?;
            }
            Some(found) if found == SCHEMA => {}
            Some(found) => return Err(StorageError::Schema(String::from_utf8_lossy(&found).into_owned())),
        }
        let tag_key = meta.get("tag_key")?.and_then(|raw| raw.as_ref().try_into().ok());
        let tag_key = tag_key.ok_or_else(|| StorageError::Schema("1, but without its key".to_owned()))?;
        let (entries, frames, owners) = (db.open_tree("entries")?, db.open_tree("frames")?, db.open_tree("owners")?);
        let mut mailboxes = Self { db, entries, frames, owners, usage: Usage::default(), limits, tag_key };
        mailboxes.count()?;
        Ok(mailboxes)
    }

    fn count(&mut self) -> Result<(), StorageError> {
        for owner in self.owners.iter().keys() {
            if let Ok(owner) = Fingerprint::from_bytes(&owner?) {
                self.usage.claim(owner);
            }
        }
        for item in &self.entries {
            let (key, value) = item?;
            match (split_key(&key), Entry::decode(&value)) {
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

    /// Puts and deletes messages, all together: when this returns, what it accepted survives a crash. Answers
    /// each of `puts` with its id or a refusal. On an error nothing of it counts as accepted.
    pub(super) fn commit(
        &mut self,
        puts: &[Put],
        taken: &[(Fingerprint, u64)],
        now: Timestamp,
    ) -> Result<Vec<Result<u64, Refusal>>, StorageError> {
        let mut changes = Changes::default();
        self.delete(taken, &mut changes)?;
        let mut answers = Vec::with_capacity(puts.len());
        let mut added = Vec::new();
        let mut outcome = Ok(());
        for put in puts {
            let (sender, bytes) = (self.tag(put), put.frame.len() as u64);
            if let Err(refusal) = self.usage.check(&put.recipient, &sender, bytes, &self.limits) {
                answers.push(Err(refusal));
                continue;
            }
            let id = match self.db.generate_id() {
                Ok(id) => id + 1,
                Err(error) => {
                    outcome = Err(error.into());
                    break;
                }
            };
            self.usage.add(put.recipient, sender, bytes);
            added.push((put.recipient, sender, bytes));
            let entry = Entry { stored_ms: now.unix_ms(), bytes, sender };
            changes.put(&key(&put.recipient, id), &entry.encode(), &put.frame);
            answers.push(Ok(id));
        }
        let outcome = outcome.and_then(|()| self.apply(&changes, !added.is_empty()));
        if let Err(error) = outcome {
            added.iter().for_each(|(owner, sender, bytes)| self.usage.remove(owner, sender, *bytes));
            return Err(error);
        }
        Ok(answers)
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
        let range = key(owner, after.saturating_add(1))..=key(owner, u64::MAX);
        let mut found = Vec::new();
        let mut size = 0;
        for item in self.entries.range(range) {
            let (key, value) = item?;
            let (Some((_, id)), Some(entry)) = (split_key(&key), Entry::decode(&value)) else { continue };
            if skip(id) || self.is_old(&entry, now) {
                continue;
            }
            if found.len() == messages || size + entry.bytes > bytes {
                return Ok(if found.is_empty() { Found::Large(entry.bytes) } else { Found::Some(found) });
            }
            if let Some(frame) = self.frames.get(&key)? {
                size += entry.bytes;
                found.push((id, Bytes::copy_from_slice(&frame)));
            }
        }
        Ok(if found.is_empty() { Found::Nothing } else { Found::Some(found) })
    }

    /// Notes that the owner of a mailbox is here, which gives it a mailbox of full size.
    pub(super) fn claim(&mut self, owner: Fingerprint, now: Timestamp) -> Result<(), StorageError> {
        let seen =
            self.owners.get(owner.as_bytes())?.and_then(|raw| raw.as_ref().try_into().ok().map(i64::from_be_bytes));
        if seen.is_none_or(|seen| now.unix_ms().saturating_sub(seen) > OWNER_STEP_MS) {
            self.owners.insert(owner.as_bytes(), &now.unix_ms().to_be_bytes())?;
        }
        self.usage.claim(owner);
        Ok(())
    }

    /// Deletes messages that are too old, at most `most`; how many there were.
    pub(super) fn expire(&mut self, now: Timestamp, most: usize) -> Result<usize, StorageError> {
        let mut old = Vec::new();
        for owner in self.usage.holders() {
            for item in self.entries.range(key(owner, 0)..=key(owner, u64::MAX)) {
                let (key, value) = item?;
                let (Some((_, id)), Some(entry)) = (split_key(&key), Entry::decode(&value)) else { continue };
                if old.len() == most || !self.is_old(&entry, now) {
                    break;
                }
                old.push((*owner, id));
            }
        }
        let mut changes = Changes::default();
        self.delete(&old, &mut changes)?;
        self.apply(&changes, false)?;
        self.forget_owners(now)?;
        Ok(old.len())
    }

    /// Writes everything out.
    pub(super) fn flush(&self) -> Result<(), StorageError> {
        self.db.flush()?;
        Ok(())
    }

    fn forget_owners(&self, now: Timestamp) -> Result<(), StorageError> {
        for item in &self.owners {
            let (owner, seen) = item?;
            let seen = seen.as_ref().try_into().map_or(0, i64::from_be_bytes);
            if now.unix_ms().saturating_sub(seen) > OWNER_KEEP_MS {
                self.owners.remove(owner)?;
            }
        }
        Ok(())
    }

    fn delete(&mut self, ids: &[(Fingerprint, u64)], changes: &mut Changes) -> Result<(), StorageError> {
        for (owner, id) in ids {
            let key = key(owner, *id);
            // Twice in one batch counts once.
            if changes.deleted.contains(&key) {
                continue;
            }
            if let Some(entry) = self.entries.get(&key)?.and_then(|raw| Entry::decode(&raw)) {
                self.usage.remove(owner, &entry.sender, entry.bytes);
                changes.delete(key);
            }
        }
        Ok(())
    }

    fn apply(&self, changes: &Changes, durable: bool) -> Result<(), StorageError> {
        if changes.is_empty() {
            return Ok(());
        }
        let applied = (&self.entries, &self.frames).transaction(|(entries, frames)| {
            entries.apply_batch(&changes.entries)?;
            frames.apply_batch(&changes.frames)?;
            Ok::<(), sled::transaction::ConflictableTransactionError<()>>(())
        });
        match applied {
            Ok(()) | Err(sled::transaction::TransactionError::Abort(())) => {}
            Err(sled::transaction::TransactionError::Storage(error)) => return Err(error.into()),
        }
        // A deletion that is lost in a crash costs one more delivery, which the recipient recognises.
        if durable {
            self.db.flush()?;
        }
        Ok(())
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

/// Everything one commit changes.
#[derive(Default)]
struct Changes {
    entries: sled::Batch,
    frames: sled::Batch,
    deleted: std::collections::BTreeSet<Vec<u8>>,
    puts: usize,
}

impl Changes {
    fn put(&mut self, key: &[u8], entry: &[u8], frame: &[u8]) {
        self.entries.insert(key, entry);
        self.frames.insert(key, frame);
        self.puts += 1;
    }

    fn delete(&mut self, key: Vec<u8>) {
        self.entries.remove(key.as_slice());
        self.frames.remove(key.as_slice());
        self.deleted.insert(key);
    }

    fn is_empty(&self) -> bool {
        self.puts == 0 && self.deleted.is_empty()
    }
}

/// The refusal for a commit that failed.
pub(super) fn storage_refusal() -> Refusal {
    Refusal::new(RefusalKind::StorageFailed, "the relay could not write to its disk")
}

/// Length of the fingerprint, the fingerprint, the id: sorts by mailbox, then by arrival.
fn key(owner: &Fingerprint, id: u64) -> Vec<u8> {
    let raw = owner.as_bytes();
    let mut key = Vec::with_capacity(1 + raw.len() + 8);
    key.push(if raw.len() == 20 { 20 } else { 32 });
    key.extend_from_slice(raw);
    key.extend_from_slice(&id.to_be_bytes());
    key
}

fn split_key(key: &[u8]) -> Option<(Fingerprint, u64)> {
    let (len, rest) = key.split_first()?;
    let (owner, id) = rest.split_at_checked(usize::from(*len))?;
    Some((Fingerprint::from_bytes(owner).ok()?, u64::from_be_bytes(id.try_into().ok()?)))
}

fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// A snapshot that was being written when the process died keeps the engine from opening; the log still has
/// everything in it.
fn remove_half_snapshots(path: &Path) -> std::io::Result<()> {
    let files = match std::fs::read_dir(path) {
        Ok(files) => files,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for file in files {
        let file = file?;
        let name = file.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            tracing::warn!(file = %name, "removing a half-written snapshot");
            std::fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "mailboxes_tests.rs"]
mod tests;
