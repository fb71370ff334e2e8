//! Opening a store: the lock, the header, and what to do when something is not as it should be.
//!
//! `DIR/lock` is held while the store is open. `DIR/header` names the current folder, `DIR/engine-N`. Repairs and
//! migrations make `engine-N+1` and then replace the header; a damaged folder is moved beside `DIR`.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Mutex,
};

use super::{
    Store, StoreError, StoreKey, Writing,
    engine::{Engine, EngineError, damage_mark},
    header::{Found, Header, sync_dir},
    key::Keys,
    layout::{Table, position_of},
    lock::lock_file,
    migrate::{SCHEMA, STEPS, Step, migrate},
    repair::salvage,
    value::{ReadError, Vault},
};
use crate::wire::{SafeText, Timestamp};

/// How many values are tried before a key counts as wrong when there is no header to tell.
const KEY_TRIALS: usize = 64;

/// An open store and what the user should know about it.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Such as: the store was damaged, where it was put aside and what was recovered.
    pub warnings: Vec<SafeText>,
}

impl Store {
    /// Opens the store in `dir`, or creates it. A damaged store is put aside beside `dir` under a name with the
    /// time `now`, and what is readable of it goes on in a new one; that can take a while.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::WrongKey`] and [`StoreError::TooNew`] leave everything as it is.
    pub fn open(dir: &Path, key: &StoreKey, now: Timestamp) -> Result<Opened, StoreError> {
        Self::open_with(dir, key, now, STEPS)
    }

    pub(super) fn open_with(dir: &Path, key: &StoreKey, now: Timestamp, steps: &[Step]) -> Result<Opened, StoreError> {
        let create = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        create.map_err(|error| StoreError::io("Creating the store's folder", error))?;
        let lock = lock(dir)?;
        let mut opening = Opening { dir, key, now, warnings: Vec::new() };
        let (header, trusted) = opening.header()?;
        opening.clear_leftovers(header.generation)?;
        let (store, header) = opening.engine(lock, header, trusted)?;
        let store = if header.schema < SCHEMA { opening.migrate(store, &header, steps)? } else { store };
        if !trusted {
            header_at(SCHEMA, opening.current()?, key)?.write(dir)?;
        }
        opening.restrict()?;
        Ok(Opened { store, warnings: opening.warnings })
    }

    /// A store over an engine that is open already.
    fn over(vault: Vault, lock: File) -> Result<Self, StoreError> {
        let last = vault.engine.scan(&Table::Messages.start(), &Table::Messages.end(), true).next().transpose()?;
        let last_position = last.and_then(|(key, _)| position_of(&key)).unwrap_or(0);
        let writing = Mutex::new(Writing { last_position, conversations: Default::default() });
        Ok(Self { vault, writing, lock })
    }
}

fn header_at(schema: u16, generation: u32, key: &StoreKey) -> Result<Header, StoreError> {
    Header::new(schema, generation, &Keys::derive(key))
}

/// A store that is being opened.
struct Opening<'a> {
    dir: &'a Path,
    key: &'a StoreKey,
    now: Timestamp,
    warnings: Vec<SafeText>,
}

impl Opening<'_> {
    fn warn(&mut self, text: impl AsRef<str>) {
        tracing::warn!("{}", text.as_ref());
        self.warnings.push(SafeText::line(text.as_ref()));
    }

    fn folder(&self, generation: u32) -> PathBuf {
        self.dir.join(format!("engine-{generation}"))
    }

    /// The numbers of all folders, ascending.
    fn generations(&self) -> Result<Vec<u32>, StoreError> {
        let io = |error| StoreError::io("Listing the store's folder", error);
        let mut found = Vec::new();
        for entry in fs::read_dir(self.dir).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            found.extend(name.to_str().and_then(|name| name.strip_prefix("engine-")?.parse::<u32>().ok()));
        }
        found.sort_unstable();
        Ok(found)
    }

    fn current(&self) -> Result<u32, StoreError> {
        Ok(self.generations()?.last().copied().unwrap_or(1))
    }

    /// The header, or one to go by for now; and whether it was found on the disk, so that its key is known to fit.
    fn header(&mut self) -> Result<(Header, bool), StoreError> {
        let keys = Keys::derive(self.key);
        let newest = self.generations()?.last().copied();
        match Header::read(self.dir)? {
            Found::Header(header) if header.schema > SCHEMA => {
                Err(StoreError::TooNew { found: header.schema, known: SCHEMA })
            }
            Found::Header(header) if !header.fits(&keys) => Err(StoreError::WrongKey(self.dir.to_owned())),
            Found::Header(header) => {
                if !self.folder(header.generation).exists() {
                    self.warn(format!(
                        "The store's data folder engine-{} is missing; an empty store was begun in its place",
                        header.generation
                    ));
                }
                Ok((header, true))
            }
            found => {
                if newest.is_some() {
                    let what = if matches!(found, Found::Damaged) { "damaged" } else { "missing" };
                    self.warn(format!("The store's header was {what} and has been written anew"));
                }
                Ok((Header::new(SCHEMA, newest.unwrap_or(1), &keys)?, false))
            }
        }
    }

    /// Folders beside the current one: a newer one is an unfinished copy and goes, an older one is put aside.
    fn clear_leftovers(&mut self, current: u32) -> Result<(), StoreError> {
        for generation in self.generations()? {
            let folder = self.folder(generation);
            if generation > current {
                fs::remove_dir_all(&folder).map_err(|error| StoreError::io("Removing an unfinished copy", error))?;
            } else if generation < current {
                let aside = self.put_aside(&folder)?;
                self.warn(format!("An older store was left over; it was moved to {}", aside.display()));
            }
        }
        Ok(())
    }

    /// Opens the current folder; repairs it when it is damaged. Returns the header that then counts.
    fn engine(&mut self, lock: File, header: Header, trusted: bool) -> Result<(Store, Header), StoreError> {
        let folder = self.folder(header.generation);
        let keys = Keys::derive(self.key);
        let noted = match fs::read(damage_mark(&folder)) {
            Ok(what) => Some(String::from_utf8_lossy(&what).into_owned()),
            Err(_) => None,
        };
        let opened = match noted {
            Some(what) => Err(EngineError::Damaged(what)),
            None => Engine::open(&folder, keys.journal()),
        };
        match opened {
            Ok(engine) => {
                let batches = engine.loss.batches;
                let vault = Vault::new(keys, engine);
                if !trusted && !fits_data(&vault)? {
                    return Err(StoreError::WrongKey(self.dir.to_owned()));
                }
                let store = Store::over(vault, lock)?;
                if batches > 0 {
                    store.reindex()?;
                    self.warn(format!(
                        "{batches} of the latest writes to the store are missing from the disk; what is left of \
                         them is kept beside the journal"
                    ));
                }
                Ok((store, header))
            }
            Err(EngineError::Damaged(what)) => self.repair(lock, &header, &what),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a new folder out of what is readable in a damaged one, switches to it and puts the old one aside.
    fn repair(&mut self, lock: File, header: &Header, what: &str) -> Result<(Store, Header), StoreError> {
        let (old, next) = (self.folder(header.generation), header.generation + 1);
        let new = self.folder(next);
        let keys = Keys::derive(self.key);
        let salvaged = salvage(&keys, &old, &new)?;
        if salvaged.kept == 0 && salvaged.lost >= 16 {
            // Everything is there and nothing opens: that is the key, not damage.
            fs::remove_dir_all(&new).map_err(|error| StoreError::io("Removing an unfinished copy", error))?;
            return Err(StoreError::WrongKey(self.dir.to_owned()));
        }
        let engine = Engine::open(&new, keys.journal())?;
        let missing = engine.loss.batches;
        let store = Store::over(Vault::new(keys, engine), lock)?;
        let messages = store.reindex()?;
        let header = header_at(header.schema, next, self.key)?;
        header.write(self.dir)?;
        let aside = self.put_aside(&old)?;
        self.warn(format!(
            "The store was damaged ({what}). It was put aside as {}; {messages} messages were recovered, {} values in \
             {} damaged places and {missing} of the latest writes were not",
            aside.display(),
            salvaged.lost,
            salvaged.spots,
        ));
        Ok((store, header))
    }

    fn migrate(&mut self, store: Store, header: &Header, steps: &[Step]) -> Result<Store, StoreError> {
        let next = header.generation + 1;
        let keys = Keys::derive(self.key);
        let (vault, unreadable) = migrate(&store.vault, header.schema, steps, keys, &self.folder(next))?;
        header_at(SCHEMA, next, self.key)?.write(self.dir)?;
        let Store { vault: old, lock, .. } = store;
        drop(old);
        let folder = self.folder(header.generation);
        if unreadable > 0 {
            let aside = self.put_aside(&folder)?;
            self.warn(format!(
                "{unreadable} values could not be brought into the new form; the old store is kept as {}",
                aside.display()
            ));
        } else {
            fs::remove_dir_all(folder).map_err(|error| StoreError::io("Removing the old form of the store", error))?;
        }
        Store::over(vault, lock)
    }

    /// Moves a folder beside the store, under a name of its own.
    fn put_aside(&self, folder: &Path) -> Result<PathBuf, StoreError> {
        let io = |error| StoreError::io("Putting the damaged store aside", error);
        let parent = self.dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = self.dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let time: String = self.now.to_string().chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        let mut number = 1;
        let aside = loop {
            let suffix = if number == 1 { String::new() } else { format!("-{number}") };
            let aside = parent.join(format!("{name}.damaged-{time}{suffix}"));
            match DirBuilder::new().mode(0o700).create(&aside) {
                Ok(()) => break aside,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1000 => number += 1,
                Err(error) => return Err(io(error)),
            }
        };
        fs::rename(folder, aside.join(folder.file_name().unwrap_or_default())).map_err(io)?;
        sync_dir(self.dir).and_then(|()| sync_dir(&aside)).and_then(|()| sync_dir(parent)).map_err(io)?;
        Ok(aside)
    }

    /// Files 0600, folders 0700: the engine makes them by the umask.
    fn restrict(&self) -> Result<(), StoreError> {
        restrict(self.dir).map_err(|error| StoreError::io("Restricting the store's files", error))
    }
}

fn restrict(dir: &Path) -> io::Result<()> {
    fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            restrict(&entry.path())?;
        } else if kind.is_file() {
            fs::set_permissions(entry.path(), Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

/// Whether the key opens what is there; also when nothing is there yet.
fn fits_data(vault: &Vault) -> Result<bool, StoreError> {
    let mut tried = 0;
    for table in Table::ALL.into_iter().filter(|table| table.sealed()) {
        for entry in vault.engine.scan(&table.start(), &table.end(), false).take(KEY_TRIALS) {
            let (key, stored) = entry?;
            match vault.unseal(&key, &stored) {
                Ok(_) => return Ok(true),
                Err(ReadError::Value) => tried += 1,
                Err(ReadError::Engine(error)) => return Err(error.into()),
            }
        }
    }
    Ok(tried == 0)
}

fn lock(dir: &Path) -> Result<File, StoreError> {
    let locked = lock_file(&dir.join("lock")).map_err(|error| StoreError::io("Locking the store", error))?;
    locked.ok_or_else(|| StoreError::InUse(dir.to_owned()))
}
