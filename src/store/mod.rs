//! What is kept: messages by conversation in time order, a unique index by envelope id, the outbox, receipts,
//! drafts, read marks and small states, encrypted at rest.
//!
//! The room decides nothing about routing and knows no network. It is synchronous: the node calls it from a
//! thread that may block. **Invariant:** every call is atomic over a crash; nothing is durable before
//! [`Store::flush`] returns; a damaged store is put aside and reported, never wiped.

mod blobs;
mod cipher;
mod codec;
mod conversations;
mod crash;
pub(crate) mod engine;
mod error;
mod fault;
mod file_size;
mod header;
mod history;
mod key;
mod layout;
mod lock;
mod messages;
mod migrate;
mod open;
mod outbox;
mod record;
mod repair;
mod search;
mod value;
mod verify;

use std::{
    collections::BTreeMap,
    fs::File,
    sync::{Mutex, MutexGuard, PoisonError},
};

use self::{codec::StoredConversation, layout::ThreadKey, value::Vault};
pub use self::{
    crash::CrashPoint,
    error::StoreError,
    fault::DiskFault,
    key::StoreKey,
    messages::{DEDUP_KEEP_MS, LATE_AFTER_MS, MARK_READ_MAX, SKEW_MS},
    open::Opened,
    record::{
        ConversationRecord, Insert, MessageRecord, OutboxEntry, Progress, Query, ReceiptKind, ReceiptRecord, SearchEnd,
        Seen, Verification,
    },
};
pub(crate) use self::{file_size::outlive_file_size_limit, lock::lock_file};

/// The store of one identity, open. Safe to share between threads; writers wait for each other, readers and
/// searches do not wait.
pub struct Store {
    vault: Vault,
    writing: Mutex<Writing>,
    /// Held for as long as the store is open.
    lock: File,
}

/// What a writer must know; behind the lock that writers take.
struct Writing {
    /// The highest position in the store.
    last_position: u64,
    /// Counters of conversations written to lately.
    conversations: BTreeMap<ThreadKey, StoredConversation>,
}

impl Store {
    fn writing(&self) -> MutexGuard<'_, Writing> {
        // After a panic elsewhere the counters are still those of the last applied batch.
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes everything written so far durable, power loss included. Nothing is durable before this returns.
    /// Writers of several threads share one sync.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`] when the disk is full, [`StoreError::Io`] when it fails otherwise: what was written stays in
    /// memory and a later flush can succeed; until one does, nothing of it may be acked or called sent. When a sync
    /// failed no later flush does, and the store must be opened anew.
    pub fn flush(&self) -> Result<(), StoreError> {
        Ok(self.vault.engine.flush()?)
    }

    /// Bytes the store takes on the disk.
    ///
    /// # Errors
    /// When the file cannot be looked at.
    pub fn size_on_disk(&self) -> Result<u64, StoreError> {
        Ok(self.vault.engine.size()?)
    }

    /// Why what was written does not get beyond the journal at the moment, for people; none while all is well. Nothing is
    /// lost by it: it is durable, and read from memory until the database takes it.
    pub fn trouble(&self) -> Option<String> {
        self.vault.engine.trouble()
    }

    /// Damaged values met since the store was opened: the kind and how many. They are skipped, not removed.
    pub fn damage(&self) -> BTreeMap<&'static str, u64> {
        self.vault.damaged()
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

#[cfg(test)]
mod tests;
