//! Checking the whole store.

use super::{
    Store, StoreError, Verification,
    layout::{Table, position_of, thread_key},
    value::ReadError,
};

impl Store {
    /// Reads and authenticates every entry, and checks that messages and their indexes agree. Changes nothing.
    ///
    /// # Errors
    /// When the engine itself fails: its files are damaged, and opening the store anew repairs what can be.
    pub fn verify(&self) -> Result<Verification, StoreError> {
        let mut found = Verification::default();
        for table in Table::ALL {
            for entry in self.vault.engine.scan(&table.start(), &table.end(), false) {
                let (key, stored) = entry?;
                found.entries += 1;
                if !table.sealed() {
                    continue;
                }
                match self.vault.unseal(&key, &stored) {
                    Ok(_) => {}
                    Err(ReadError::Value) => *found.damaged.entry(table.name()).or_default() += 1,
                    Err(ReadError::Engine(error)) => return Err(error.into()),
                }
                if table == Table::Messages && !self.indexed(&key)? {
                    found.inconsistent += 1;
                }
            }
        }
        Ok(found)
    }

    /// Whether the message under `key` is found by its id and in its conversation.
    fn indexed(&self, key: &[u8]) -> Result<bool, StoreError> {
        let Some(position) = position_of(key) else { return Ok(false) };
        let record = match self.message_at(position) {
            Ok(Some(record)) => record,
            // Counted as damaged already.
            Ok(None) | Err(ReadError::Value) => return Ok(true),
            Err(ReadError::Engine(error)) => return Err(error.into()),
        };
        let thread = thread_key(&self.vault.keys, &record.conversation);
        let in_thread = self.vault.engine.get(&Table::Threads.key(&[&thread, &position.to_be_bytes()]))?.is_some();
        let by_id = self.message_with(&record.conversation.peer, &record.envelope_id);
        Ok(in_thread && matches!(by_id, Ok(Some((found, _))) if found == position))
    }
}
