//! Repair: a new engine out of what is left of a damaged one, and indexes that agree with the messages.

use std::{collections::BTreeMap, path::Path};

use super::{
    Store, StoreError, ThreadKey,
    codec::{StoredConversation, StoredId, StoredMessage, decode, encode},
    engine::{Batch, EngineError, Salvage, Set, rebuild},
    key::Keys,
    layout::{POSITION_BITS, Table, index_key, position_of, thread_key},
    value::{ReadError, chunk_count, chunk_key, sealed_whole},
};

/// Changes applied at once while indexes are made.
const BATCH: usize = 1000;

/// What a repair found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Salvaged {
    /// Values found whole and authentic.
    pub(super) kept: u64,
    /// Values found and not authentic.
    pub(super) lost: u64,
    /// Places in the data file that were damaged.
    pub(super) spots: u64,
}

/// Makes a new engine in `new` out of what is left of the one in `old`, which stays as it is.
pub(super) fn salvage(keys: &Keys, old: &Path, new: &Path) -> Result<Salvaged, StoreError> {
    let mut found = Salvaged::default();
    let left = match Salvage::read(&old.join("sled")) {
        Ok(left) => Some(left),
        // Without the data file there is still the journal.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(StoreError::io("Reading the damaged store", error)),
    };
    rebuild(new, old, &keys.journal(), |set| {
        let Some(left) = &left else { return Ok(()) };
        found.spots = left.damaged_spots;
        for key in left.keys().filter(|key| Table::of(key).is_some_and(Table::sealed)) {
            // Only what is authentic is taken: a salvaged key may be a wrong one.
            if copy_value(keys, left, key, set)? {
                found.kept += 1;
            } else {
                found.lost += 1;
            }
        }
        Ok(())
    })?;
    Ok(found)
}

/// Copies one value with its chunks, if it is authentic.
fn copy_value(keys: &Keys, left: &Salvage, key: &[u8], set: &mut Set<'_>) -> Result<bool, StoreError> {
    let read = |key: &[u8]| left.value(key).map_err(EngineError::Io);
    let Some(stored) = read(key)? else { return Ok(false) };
    let mut chunks = Vec::new();
    for number in 0..chunk_count(&stored).unwrap_or(0) {
        let key = chunk_key(key, number);
        let Some(chunk) = read(&key)? else { return Ok(false) };
        chunks.push((key, chunk));
    }
    let sealed = match sealed_whole(&stored) {
        Some(sealed) => sealed.to_vec(),
        None => chunks.iter().flat_map(|(_, chunk)| chunk.iter().copied()).collect(),
    };
    if keys.open(key, &sealed).is_err() {
        return Ok(false);
    }
    set(key, &stored)?;
    for (key, chunk) in chunks {
        set(&key, &chunk)?;
    }
    Ok(true)
}

/// What is counted of a conversation while its messages pass by.
struct Tally {
    counters: StoredConversation,
    /// Whether its counters were found, and with them the read mark.
    known: bool,
}

impl Store {
    /// Makes all indexes and counters agree with the messages there are. A conversation whose read mark is lost
    /// counts as read. Returns how many messages there are.
    pub(super) fn reindex(&self) -> Result<u64, StoreError> {
        let mut tallies: BTreeMap<ThreadKey, Tally> = BTreeMap::new();
        let mut batch = Batch::default();
        let mut messages = 0;
        for entry in self.vault.engine.scan(&Table::Messages.start(), &Table::Messages.end(), false) {
            let (key, stored) = entry?;
            let Some(position) = position_of(&key) else { continue };
            let message = match self.vault.unseal(&key, &stored).and_then(|plain| Ok(decode(&plain)?)) {
                Ok(message) => message,
                Err(ReadError::Value) => continue,
                Err(ReadError::Engine(error)) => return Err(error.into()),
            };
            messages += u64::from(self.index_message(&mut batch, &mut tallies, position, message)?);
            self.apply_when_large(&mut batch)?;
        }
        self.put_tallies(&mut batch, tallies)?;
        self.check_ids(&mut batch)?;
        self.vault.engine.apply(&batch)?;
        self.vault.engine.settle()?;
        self.writing().conversations.clear();
        Ok(messages)
    }

    fn apply_when_large(&self, batch: &mut Batch) -> Result<(), StoreError> {
        if batch.ops().count() >= BATCH {
            self.vault.engine.apply(&std::mem::take(batch))?;
        }
        Ok(())
    }

    /// Puts one message into the indexes and counts it. Returns whether it can be read.
    fn index_message(
        &self,
        batch: &mut Batch,
        tallies: &mut BTreeMap<ThreadKey, Tally>,
        position: u64,
        message: StoredMessage,
    ) -> Result<bool, StoreError> {
        let keys = &self.vault.keys;
        let Ok(record) = message.into_record(None) else { return Ok(false) };
        let thread = thread_key(keys, &record.conversation);
        batch.put(Table::Threads.key(&[&thread, &position.to_be_bytes()]), Vec::new());
        let id = StoredId { position: Some(position), digest: record.digest, at: record.stored.unix_ms() };
        let id_at = index_key(keys, &record.conversation.peer, &record.envelope_id);
        self.vault.put(batch, id_at, &encode("an id", &id)?)?;

        let tally = match tallies.entry(thread) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let known = match self.stored_counters(&thread) {
                    Ok(known) => known,
                    Err(ReadError::Value) => None,
                    Err(ReadError::Engine(error)) => return Err(error.into()),
                };
                let read_up_to = known.as_ref().and_then(|counters| counters.read_up_to);
                let mut counters = StoredConversation::new(&record.conversation);
                counters.read_up_to = read_up_to;
                entry.insert(Tally { counters, known: known.is_some() })
            }
        };
        let counters = &mut tally.counters;
        counters.messages += 1;
        counters.unread += u64::from(record.incoming && counters.read_up_to.is_none_or(|read| position > read));
        counters.last_position = position;
        counters.last_at = i64::try_from(position >> POSITION_BITS).unwrap_or(i64::MAX);
        Ok(true)
    }

    fn put_tallies(&self, batch: &mut Batch, tallies: BTreeMap<ThreadKey, Tally>) -> Result<(), StoreError> {
        // Conversations of which no message is left go.
        for entry in self.vault.engine.scan(&Table::Conversations.start(), &Table::Conversations.end(), false) {
            let (key, _) = entry?;
            if key.last_chunk::<16>().is_none_or(|thread| !tallies.contains_key(thread)) {
                batch.remove(key.to_vec());
            }
        }
        for (thread, Tally { mut counters, known }) in tallies {
            if !known {
                counters.unread = 0;
                counters.read_up_to = Some(counters.last_position);
            }
            let plain = encode("a conversation", &counters)?;
            self.vault.put(batch, Table::Conversations.key(&[&thread]), &plain)?;
            self.apply_when_large(batch)?;
        }
        Ok(())
    }

    /// Forgets ids whose message is gone, so that it can be received again, and marks the others for pruning.
    fn check_ids(&self, batch: &mut Batch) -> Result<(), StoreError> {
        for entry in self.vault.engine.scan(&Table::Ids.start(), &Table::Ids.end(), false) {
            let (key, stored) = entry?;
            let id = self.vault.unseal(&key, &stored).and_then(|plain| Ok(decode::<StoredId>(&plain)?));
            match id {
                Ok(StoredId { position: Some(position), .. }) => {
                    let message = Table::Messages.key(&[&position.to_be_bytes()]);
                    if self.vault.engine.get(&message)?.is_none() {
                        batch.remove(key.to_vec());
                    }
                }
                Ok(StoredId { position: None, at, .. }) => {
                    let at = u64::try_from(at).unwrap_or(0).to_be_bytes();
                    batch.put(Table::Marks.key(&[&at, key.get(1..).unwrap_or_default()]), Vec::new());
                }
                Err(ReadError::Value) => {}
                Err(ReadError::Engine(error)) => return Err(error.into()),
            }
            self.apply_when_large(batch)?;
        }
        Ok(())
    }
}
