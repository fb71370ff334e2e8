//! The folder of the mailboxes: who may use it, the secret of the relay, and the engine in it.
//!
//! `FOLDER/mailboxes-2/lock` is held while the mailboxes are open, `key` is the secret, `journal/` and `sled/` are the
//! engine's. What is damaged is left as it is, and the relay does not start: to begin anew by itself would be to go on saying
//! STORED on a disk that has just lost what was stored, with nobody the wiser. A crash damages nothing.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use super::StorageError;
use crate::{
    home::{HomeError, create_private_dir, write_private},
    store::{
        engine::{Engine, damage_mark},
        lock_file,
    },
};

/// The layout on the disk that this version reads and writes. The first kept everything in one sled database.
pub(super) const LAYOUT: u32 = 2;

/// An open folder.
pub(super) struct Opened {
    pub(super) engine: Engine,
    /// The key of the tags by which senders are counted.
    pub(super) tag_key: [u8; 32],
    /// Keeps other relays out.
    pub(super) lock: File,
}

/// Opens the mailboxes' folder in the relay's folder, or makes both.
pub(super) fn open(folder: &Path) -> Result<Opened, StorageError> {
    refuse_other_layouts(folder)?;
    let dir = folder.join(format!("mailboxes-{LAYOUT}"));
    create_private_dir(&dir)?;
    let path = dir.join("lock");
    let lock = lock_file(&path).map_err(HomeError::io(&path))?.ok_or(StorageError::InUse)?;
    if let Ok(what) = fs::read(damage_mark(&dir)) {
        return Err(StorageError::Damaged(String::from_utf8_lossy(&what).into_owned()));
    }
    let secret = secret(&dir)?;
    let engine = Engine::open(&dir, blake3::derive_key("skcomm-relay 2 journal", &secret))?;
    if engine.loss.batches > 0 {
        tracing::error!(
            writes = engine.loss.batches,
            "the latest writes to the relay's mailboxes are missing from the disk; what is left of them is kept beside the \
             journal, and senders repeat what was not acknowledged"
        );
    }
    Ok(Opened { engine, tag_key: blake3::derive_key("skcomm-relay 2 sender tags", &secret), lock })
}

fn refuse_other_layouts(folder: &Path) -> Result<(), StorageError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(HomeError::io(folder))?,
    };
    for entry in entries {
        let name = entry.map_err(HomeError::io(folder))?.file_name();
        let layout = match name.to_str() {
            Some("mailboxes") => Some(1),
            name => name.and_then(|name| name.strip_prefix("mailboxes-")?.parse().ok()),
        };
        if let Some(found) = layout.filter(|layout| *layout != LAYOUT) {
            return Err(StorageError::Layout { path: folder.join(name), found });
        }
    }
    Ok(())
}

/// The relay's secret, made when the folder is new. Its hash stands behind it: with another secret the journal would look
/// like rubbish, and be taken for empty.
fn secret(dir: &Path) -> Result<[u8; 32], StorageError> {
    let path = dir.join("key");
    match fs::read(&path) {
        Ok(raw) => match raw.split_first_chunk() {
            Some((secret, hash)) if hash == blake3::hash(secret).as_bytes() => Ok(*secret),
            _ => Err(StorageError::Damaged("the file key".to_owned())),
        },
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(HomeError::io(&path)(error).into()),
        Err(_) if ["journal", "sled"].iter().any(|part| dir.join(part).exists()) => {
            Err(StorageError::Damaged("the file key is missing".to_owned()))
        }
        Err(_) => {
            let secret: [u8; 32] = rand::random();
            write_private(&path, &[&secret[..], blake3::hash(&secret).as_bytes()].concat())?;
            Ok(secret)
        }
    }
}
