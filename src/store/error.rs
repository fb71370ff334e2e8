//! What can go wrong in the store.

use std::path::PathBuf;

use thiserror::Error;

/// Why the store refused or failed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another process holds the store.
    #[error("the store {} is in use by another process; use that one or stop it first", .0.display())]
    InUse(PathBuf),
    /// The key does not fit this store. Nothing was touched.
    #[error("the key does not open the store {}; nothing was changed", .0.display())]
    WrongKey(PathBuf),
    /// The store was written by a newer version of this program. Nothing was touched.
    #[error("the store has schema {found}, this program knows up to {known}; update the program")]
    TooNew {
        /// The schema found.
        found: u16,
        /// The newest schema known.
        known: u16,
    },
    /// A value is larger than the store takes.
    #[error("{what} of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// What kind of value.
        what: &'static str,
        /// Its size in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// There is no message with this id.
    #[error("no message {0} in the store")]
    NoMessage(crate::wire::EnvelopeId),
    /// The envelope id is taken already, by another message.
    #[error("a message {0} exists already")]
    Exists(crate::wire::EnvelopeId),
    /// Stored data is damaged. [`super::Store::open`] repairs what can be repaired.
    #[error("the store is damaged ({0}); restart to have it repaired")]
    Damaged(String),
    /// Not enough space on the disk.
    #[error("no space left on the disk for the store: {0}")]
    NoSpace(#[source] std::io::Error),
    /// Reading or writing failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A value could not be encoded: a bug.
    #[error("cannot encode {0}")]
    Encode(&'static str),
}

impl StoreError {
    /// An I/O failure while doing `what`; a full disk gets its own kind.
    pub(super) fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::NoSpace(source),
            _ => Self::Io { what: what.into(), source },
        }
    }
}
