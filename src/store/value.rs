//! Values in the engine: sealed for their place, and split when they are long.

use std::{collections::BTreeMap, sync::Mutex};

use super::{
    codec::Malformed,
    engine::{Batch, Engine, EngineError, MAX_VALUE},
    error::StoreError,
    key::{Keys, NotAuthentic},
    layout::Table,
};

/// First byte of a value that is whole.
const WHOLE: u8 = 0;
/// First byte of a value that goes on in [`Table::Chunks`]; the number of chunks follows.
const SPLIT: u8 = 1;

/// Why a value could not be read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// This one value is damaged; others are not concerned.
    Value,
    /// The engine failed.
    Engine(EngineError),
}

impl From<EngineError> for ReadError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<NotAuthentic> for ReadError {
    fn from(_: NotAuthentic) -> Self {
        Self::Value
    }
}

impl From<Malformed> for ReadError {
    fn from(_: Malformed) -> Self {
        Self::Value
    }
}

/// Sealed values over an engine.
pub(super) struct Vault {
    pub(super) keys: Keys,
    pub(super) engine: Engine,
    damaged: Mutex<BTreeMap<Vec<u8>, Table>>,
}

impl Vault {
    pub(super) fn new(keys: Keys, engine: Engine) -> Self {
        Self { keys, engine, damaged: Mutex::default() }
    }

    /// Sets a value of a table whose values may be long or replaced.
    pub(super) fn replace(&self, batch: &mut Batch, key: Vec<u8>, plain: &[u8]) -> Result<(), StoreError> {
        self.forget_chunks(batch, &key)?;
        self.put(batch, key, plain)
    }

    /// Sets a value that is new, or that is short and replaces a short one.
    pub(super) fn put(&self, batch: &mut Batch, key: Vec<u8>, plain: &[u8]) -> Result<(), StoreError> {
        self.seal_into(batch, Batch::put, key, plain)
    }

    /// Sets a value of a key that has none ([`Batch::put_new`]).
    pub(super) fn put_new(&self, batch: &mut Batch, key: Vec<u8>, plain: &[u8]) -> Result<(), StoreError> {
        self.seal_into(batch, Batch::put_new, key, plain)
    }

    fn seal_into(
        &self,
        batch: &mut Batch,
        put: fn(&mut Batch, Vec<u8>, Vec<u8>),
        key: Vec<u8>,
        plain: &[u8],
    ) -> Result<(), StoreError> {
        let stored =
            self.keys.seal_after(&[WHOLE], &key, plain).map_err(|NotAuthentic| StoreError::Encode("a value"))?;
        if stored.len() <= MAX_VALUE {
            put(batch, key, stored);
            return Ok(());
        }
        let chunks = stored.get(1..).unwrap_or_default().chunks(MAX_VALUE);
        let count = u32::try_from(chunks.len()).map_err(|_| StoreError::Encode("a value"))?;
        for (number, chunk) in (0u32..).zip(chunks) {
            put(batch, chunk_key(&key, number), chunk.to_vec());
        }
        put(batch, key, [&[SPLIT][..], &count.to_be_bytes()].concat());
        Ok(())
    }

    /// Removes a value, chunks included.
    pub(super) fn remove(&self, batch: &mut Batch, key: Vec<u8>) -> Result<(), StoreError> {
        self.forget_chunks(batch, &key)?;
        batch.remove(key);
        Ok(())
    }

    fn forget_chunks(&self, batch: &mut Batch, key: &[u8]) -> Result<(), StoreError> {
        if let Some(count) = self.engine.get(key)?.as_deref().and_then(chunk_count) {
            (0..count).for_each(|number| batch.remove(chunk_key(key, number)));
        }
        Ok(())
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        match self.engine.get(key)? {
            Some(stored) => self.unseal(key, &stored).map(Some),
            None => Ok(None),
        }
    }

    /// Opens what the engine holds under `key`.
    pub(super) fn unseal(&self, key: &[u8], stored: &[u8]) -> Result<Vec<u8>, ReadError> {
        let opened = self.open_stored(key, stored);
        if matches!(opened, Err(ReadError::Value)) {
            self.report(key);
        }
        opened
    }

    fn open_stored(&self, key: &[u8], stored: &[u8]) -> Result<Vec<u8>, ReadError> {
        match stored.split_first() {
            Some((&WHOLE, sealed)) => Ok(self.keys.open(key, sealed)?),
            Some((&SPLIT, _)) => {
                let mut sealed = Vec::new();
                for number in 0..chunk_count(stored).ok_or(ReadError::Value)? {
                    let chunk = self.engine.get(&chunk_key(key, number))?.ok_or(ReadError::Value)?;
                    sealed.extend_from_slice(&chunk);
                }
                Ok(self.keys.open(key, &sealed)?)
            }
            _ => Err(ReadError::Value),
        }
    }

    /// Remembers that the value of `key` is damaged; it stays where it is and is skipped.
    pub(super) fn report(&self, key: &[u8]) {
        let mut damaged = self.damaged.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Bounded: past this many the store is beyond listing, and a check counts them all.
        if damaged.len() < 10_000 {
            damaged.insert(key.to_vec(), Table::of(key).unwrap_or(Table::Meta));
        }
    }

    /// How many damaged values were met since the store was opened, by table.
    pub(super) fn damaged(&self) -> BTreeMap<&'static str, u64> {
        let damaged = self.damaged.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut counts = BTreeMap::new();
        damaged.values().for_each(|table| *counts.entry(table.name()).or_default() += 1);
        counts
    }
}

impl From<ReadError> for StoreError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Value => Self::Damaged("one value".to_owned()),
            ReadError::Engine(error) => error.into(),
        }
    }
}

/// The key of a piece of the value of `key`.
pub(super) fn chunk_key(key: &[u8], number: u32) -> Vec<u8> {
    Table::Chunks.key(&[key, &number.to_be_bytes()])
}

/// The number of chunks a stored value goes on in.
pub(super) fn chunk_count(stored: &[u8]) -> Option<u32> {
    match stored.split_first() {
        Some((&SPLIT, count)) => count.try_into().ok().map(u32::from_be_bytes),
        _ => None,
    }
}

/// What is sealed in a stored value that is whole.
pub(super) fn sealed_whole(stored: &[u8]) -> Option<&[u8]> {
    stored.split_first().filter(|(kind, _)| **kind == WHOLE).map(|(_, sealed)| sealed)
}
