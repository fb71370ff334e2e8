//! Envelopes that wait to be delivered.

use super::{
    OutboxEntry, Store, StoreError,
    codec::{StoredOutbox, decode, encode},
    engine::Batch,
    layout::{Table, id_key},
    messages::bound,
    value::ReadError,
};
use crate::wire::{EnvelopeId, limits};

/// Most bytes of facts the node may keep with an entry.
const FACTS_MAX: usize = 64 * 1024;

impl Store {
    /// Puts an envelope into the outbox that belongs to no message of a conversation (an ack, a receipt).
    ///
    /// # Errors
    /// When a value is too large or the store fails.
    pub fn insert_hidden(&self, entry: &OutboxEntry, envelope: &[u8]) -> Result<(), StoreError> {
        let _writing = self.writing();
        let mut batch = Batch::default();
        self.put_outbox(&mut batch, entry, envelope)?;
        Ok(self.vault.engine.apply(&batch)?)
    }

    /// Replaces the sealed bytes of an envelope that waits (it was sealed anew for another key), and its facts.
    /// Also the way to seal a held message once its recipient's key is known.
    ///
    /// # Errors
    /// [`StoreError::NoMessage`] when it does not wait; else when a value is too large or the store fails.
    pub fn replace_envelope(&self, entry: &OutboxEntry, envelope: &[u8]) -> Result<(), StoreError> {
        let _writing = self.writing();
        if self.outbox_entry(&entry.envelope_id)?.is_none() {
            return Err(StoreError::NoMessage(entry.envelope_id));
        }
        let mut batch = Batch::default();
        self.put_outbox(&mut batch, entry, envelope)?;
        Ok(self.vault.engine.apply(&batch)?)
    }

    /// As [`Store::put_outbox`], for an id that was never used: nothing older has to be looked for.
    pub(super) fn add_outbox(&self, batch: &mut Batch, entry: &OutboxEntry, envelope: &[u8]) -> Result<(), StoreError> {
        bound("an envelope", envelope.len(), limits::ENVELOPE_BYTES)?;
        bound("the facts of an envelope", entry.facts.len(), FACTS_MAX)?;
        let name = id_key(&self.vault.keys, &entry.envelope_id);
        self.vault.put_new(batch, Table::Envelopes.key(&[&name]), envelope)?;
        let stored = StoredOutbox::of(entry, envelope.len() as u64)?;
        self.vault.put_new(batch, Table::Outbox.key(&[&name]), &encode("an outbox entry", &stored)?)
    }

    pub(super) fn put_outbox(&self, batch: &mut Batch, entry: &OutboxEntry, envelope: &[u8]) -> Result<(), StoreError> {
        bound("an envelope", envelope.len(), limits::ENVELOPE_BYTES)?;
        let key = Table::Envelopes.key(&[&id_key(&self.vault.keys, &entry.envelope_id)]);
        self.vault.replace(batch, key, envelope)?;
        self.put_outbox_facts(batch, entry, envelope.len() as u64)
    }

    pub(super) fn put_outbox_facts(&self, batch: &mut Batch, entry: &OutboxEntry, size: u64) -> Result<(), StoreError> {
        bound("the facts of an envelope", entry.facts.len(), FACTS_MAX)?;
        let key = Table::Outbox.key(&[&id_key(&self.vault.keys, &entry.envelope_id)]);
        self.vault.replace(batch, key, &encode("an outbox entry", &StoredOutbox::of(entry, size)?)?)
    }

    /// The entry of an envelope that waits.
    ///
    /// # Errors
    /// When it is damaged or the store fails.
    pub fn outbox_entry(&self, id: &EnvelopeId) -> Result<Option<OutboxEntry>, StoreError> {
        let key = Table::Outbox.key(&[&id_key(&self.vault.keys, id)]);
        let Some(plain) = self.vault.get(&key)? else { return Ok(None) };
        let entry = decode::<StoredOutbox>(&plain).and_then(StoredOutbox::into_entry).map_err(ReadError::from)?;
        Ok(Some(entry))
    }

    /// All that is not final, in order of composition.
    ///
    /// # Errors
    /// When the store fails; damaged entries are skipped and show in [`Store::damage`].
    pub fn outbox(&self) -> Result<Vec<OutboxEntry>, StoreError> {
        let mut entries = self.read_prefix(&Table::Outbox.start(), usize::MAX, |plain| {
            decode::<StoredOutbox>(plain).and_then(StoredOutbox::into_entry)
        })?;
        entries.retain(|entry| !entry.state.is_final());
        entries.sort_by_key(|entry| (entry.composed, entry.envelope_id));
        Ok(entries)
    }

    /// The sealed bytes of an envelope that waits.
    ///
    /// # Errors
    /// When they are damaged or the store fails.
    pub fn outbox_envelope(&self, id: &EnvelopeId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.vault.get(&Table::Envelopes.key(&[&id_key(&self.vault.keys, id)]))?)
    }

    /// Forgets the envelope; the message and its ledger stay. Returns whether it waited.
    ///
    /// # Errors
    /// When the store fails.
    pub fn remove_from_outbox(&self, id: &EnvelopeId) -> Result<bool, StoreError> {
        let _writing = self.writing();
        let key = Table::Outbox.key(&[&id_key(&self.vault.keys, id)]);
        let waited = self.vault.engine.get(&key)?.is_some();
        let mut batch = Batch::default();
        self.drop_envelope(&mut batch, id)?;
        self.vault.engine.apply(&batch)?;
        Ok(waited)
    }

    pub(super) fn drop_envelope(&self, batch: &mut Batch, id: &EnvelopeId) -> Result<(), StoreError> {
        let name = id_key(&self.vault.keys, id);
        self.vault.remove(batch, Table::Outbox.key(&[&name]))?;
        self.vault.remove(batch, Table::Envelopes.key(&[&name]))
    }
}
