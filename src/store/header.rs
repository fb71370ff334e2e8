//! The store's header: which schema it has, which folder is the current one, and whether a key fits. It is
//! replaced whole, and that is the moment a migration or a repair takes effect.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{StoreError, key::Keys};

/// What the header says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// Version of the layout of keys and values.
    pub(super) schema: u16,
    /// Number of the folder that holds the data.
    pub(super) generation: u32,
    /// Sealed with the store's key, to tell a wrong key at once.
    check: Vec<u8>,
}

/// What is found in place of the header.
pub(super) enum Found {
    Header(Header),
    Nothing,
    Damaged,
}

impl Header {
    pub(super) fn new(schema: u16, generation: u32, keys: &Keys) -> Result<Self, StoreError> {
        let at = place(schema, generation);
        let check = keys.seal_after(b"", &at, b"").map_err(|_| StoreError::Encode("the header"))?;
        Ok(Self { schema, generation, check })
    }

    /// Whether the keys are those the header was made with.
    pub(super) fn fits(&self, keys: &Keys) -> bool {
        keys.open(&place(self.schema, self.generation), &self.check).is_ok()
    }

    pub(super) fn read(dir: &Path) -> Result<Found, StoreError> {
        let text = match fs::read(path(dir)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            text => text.map_err(|error| StoreError::io("Reading the store's header", error))?,
        };
        let mut lines = text.splitn(2, |byte| *byte == b'\n');
        let (body, sum) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        if blake3::hash(body).to_hex().as_bytes() != sum.trim_ascii() {
            return Ok(Found::Damaged);
        }
        Ok(serde_json::from_slice(body).map_or(Found::Damaged, Found::Header))
    }

    /// Puts this header in the place of the old one, durably: after a crash there is either.
    pub(super) fn write(&self, dir: &Path) -> Result<(), StoreError> {
        let mut text = serde_json::to_vec(self).map_err(|_| StoreError::Encode("the header"))?;
        let sum = blake3::hash(&text).to_hex();
        text.extend_from_slice(format!("\n{sum}\n").as_bytes());
        let write = || {
            let new = dir.join("header.new");
            let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(new, path(dir))?;
            sync_dir(dir)
        };
        write().map_err(|error| StoreError::io("Writing the store's header", error))
    }
}

/// Makes renames and new files in a folder durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn path(dir: &Path) -> PathBuf {
    dir.join("header")
}

fn place(schema: u16, generation: u32) -> Vec<u8> {
    [&b"header"[..], &schema.to_be_bytes(), &generation.to_be_bytes()].concat()
}
