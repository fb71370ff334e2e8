//! Opening a store.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::Path,
    sync::Mutex,
};

use super::{
    Store, StoreError, StoreKey, Writing,
    engine::Engine,
    key::Keys,
    layout::{Table, position_of},
    value::Vault,
};
use crate::wire::{SafeText, Timestamp};

/// An open store and what the user should know about it.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Such as: the store was damaged, where it was put aside and what was recovered.
    pub warnings: Vec<SafeText>,
}

impl Store {
    /// Opens the store in `dir`, or creates it.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::WrongKey`] and [`StoreError::TooNew`] leave everything as it is.
    pub fn open(dir: &Path, key: &StoreKey, _now: Timestamp) -> Result<Opened, StoreError> {
        fs::create_dir_all(dir).map_err(|error| StoreError::io("Creating the store's folder", error))?;
        let lock = lock(dir)?;
        let keys = Keys::derive(key);
        let (engine, _loss) = Engine::open(&dir.join("engine"), keys.journal())?;
        let vault = Vault::new(keys, engine);
        let last = vault.engine.scan(&Table::Messages.start(), &Table::Messages.end(), true).next().transpose()?;
        let last_position = last.and_then(|(key, _)| position_of(&key)).unwrap_or(0);
        let writing = Mutex::new(Writing { last_position, conversations: Default::default() });
        Ok(Opened { store: Self { vault, writing, _lock: lock }, warnings: Vec::new() })
    }
}

fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join("lock");
    let io = |error: io::Error| StoreError::io("Locking the store", error);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}
