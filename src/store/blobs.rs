//! Small states by namespace and name: what peers and the node itself must remember.

use super::{
    Store, StoreError,
    codec::{StoredBlob, decode, encode},
    engine::Batch,
    layout::Table,
    messages::bound,
    value::ReadError,
};
use crate::wire::limits;

/// Largest name, in bytes.
const NAME_MAX: usize = 1024;

impl Store {
    /// Keeps `bytes` (at most `wire::limits::BODY_BYTES`) under a namespace (such as `peer`) and a name.
    ///
    /// # Errors
    /// When something is too large or the store fails.
    pub fn put_blob(&self, namespace: &str, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        bound("a name", name.len(), NAME_MAX)?;
        bound("a state", bytes.len(), limits::BODY_BYTES)?;
        let _writing = self.writing();
        let mut batch = Batch::default();
        let blob = StoredBlob { name: name.to_owned(), bytes: bytes.to_vec() };
        self.vault.replace(&mut batch, self.blob_key(namespace, name), &encode("a state", &blob)?)?;
        Ok(self.vault.engine.apply(&batch)?)
    }

    /// What is kept under a namespace and a name.
    ///
    /// # Errors
    /// When it is damaged or the store fails.
    pub fn blob(&self, namespace: &str, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(plain) = self.vault.get(&self.blob_key(namespace, name))? else { return Ok(None) };
        Ok(Some(decode::<StoredBlob>(&plain).map_err(ReadError::from)?.bytes))
    }

    /// All names of a namespace with what is kept under them, ordered by name.
    ///
    /// # Errors
    /// When the store fails; damaged ones are skipped.
    pub fn blobs(&self, namespace: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let prefix = Table::Blobs.key(&[&self.vault.keys.hide(4, &[namespace.as_bytes()])]);
        let mut found = self.read_prefix(&prefix, usize::MAX, |plain| {
            decode::<StoredBlob>(plain).map(|blob| (blob.name, blob.bytes))
        })?;
        found.sort();
        Ok(found)
    }

    /// Forgets what is kept under a namespace and a name.
    ///
    /// # Errors
    /// When the store fails.
    pub fn remove_blob(&self, namespace: &str, name: &str) -> Result<(), StoreError> {
        let _writing = self.writing();
        let mut batch = Batch::default();
        self.vault.remove(&mut batch, self.blob_key(namespace, name))?;
        Ok(self.vault.engine.apply(&batch)?)
    }

    fn blob_key(&self, namespace: &str, name: &str) -> Vec<u8> {
        let keys = &self.vault.keys;
        Table::Blobs.key(&[&keys.hide(4, &[namespace.as_bytes()]), &keys.hide(5, &[name.as_bytes()])])
    }
}
