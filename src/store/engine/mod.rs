//! The boundary to the storage engine: ordered bytes, atomic batches, an explicit moment of durability.
//! Nothing above this folder knows which engine it is.

mod sled;

use std::{io, path::Path};

pub(super) use self::sled::Bytes;
use super::error::StoreError;

/// Longest value the engine is given, in bytes; longer ones are split above. Chosen so that the largest page
/// of sled (17 entries) stays below the 128 KiB at which sled writes unsynced side files.
pub(super) const MAX_VALUE: usize = 6 * 1024;

/// Why the engine failed.
#[derive(Debug)]
pub(super) enum EngineError {
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

/// Changes that happen all or not at all.
#[derive(Debug, Default)]
pub(super) struct Batch(Vec<(Vec<u8>, Option<Vec<u8>>)>);

impl Batch {
    /// Sets a value.
    pub(super) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.0.push((key, Some(value)));
    }

    /// Removes a key, if it is there.
    pub(super) fn remove(&mut self, key: Vec<u8>) {
        self.0.push((key, None));
    }

    /// The changes in the order they were made.
    pub(super) fn ops(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.0.iter().map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// Whether nothing would change.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// An open engine.
pub(super) struct Engine {
    sled: sled::Sled,
}

impl Engine {
    /// Opens or creates the engine in `dir`.
    pub(super) fn open(dir: &Path) -> Result<Self, EngineError> {
        Ok(Self { sled: sled::Sled::open(dir)? })
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.sled.get(key)
    }

    /// Entries from `start` (inclusive) to `end` (exclusive), in order of keys or backwards.
    pub(super) fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        backwards: bool,
    ) -> impl Iterator<Item = Result<(Bytes, Bytes), EngineError>> + use<> {
        self.sled.scan(start, end, backwards)
    }

    /// Applies all of the batch or nothing. Visible at once, durable after the next [`Engine::flush`].
    pub(super) fn apply(&self, batch: &Batch) -> Result<(), EngineError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.sled.apply(batch)
    }

    /// Makes everything applied so far durable.
    pub(super) fn flush(&self) -> Result<(), EngineError> {
        self.sled.sync()
    }

    /// Bytes on the disk.
    pub(super) fn size(&self) -> Result<u64, EngineError> {
        self.sled.size()
    }
}
