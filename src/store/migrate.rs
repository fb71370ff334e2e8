//! Migration: a store of an older schema is converted, entry by entry, into a new folder; the header then names the
//! new folder, and only after that the old one goes. A crash at any moment leaves the old store or the new one.

use std::path::Path;

use super::{
    StoreError,
    engine::{Batch, Engine},
    key::Keys,
    layout::Table,
    value::{ReadError, Vault},
};

/// The schema this program writes.
pub(super) const SCHEMA: u16 = 1;

/// Entries converted before they are applied at once.
const BATCH: usize = 1000;

/// An entry in the clear: its key, and its value (empty in tables that are mere indexes).
pub(super) type Entry = (Vec<u8>, Vec<u8>);

/// How to come from one schema to the next.
pub(super) struct Step {
    /// The schema it starts from; it leads to the next number.
    pub(super) from: u16,
    /// Converts one entry into any number of entries; none when it cannot be read.
    pub(super) convert: fn(&Keys, Entry) -> Option<Vec<Entry>>,
}

/// All steps there are, in order.
pub(super) const STEPS: &[Step] = &[];

/// Copies everything in `old`, converted from schema `from` up to [`SCHEMA`], into a new engine in `dir`. Returns
/// the new store and how many entries could not be converted.
pub(super) fn migrate(
    old: &Vault,
    from: u16,
    steps: &[Step],
    keys: Keys,
    dir: &Path,
) -> Result<(Vault, u64), StoreError> {
    let steps: Vec<&Step> = steps.iter().filter(|step| step.from >= from).collect();
    if !steps.iter().map(|step| step.from).eq(from..SCHEMA) {
        return Err(StoreError::Damaged(format!("there is no way from schema {from} to {SCHEMA}")));
    }
    let engine = Engine::open(dir, keys.journal())?;
    let new = Vault::new(keys, engine);
    let mut unreadable = 0;
    let mut batch = Batch::default();
    for entry in old.engine.scan(&[0], &[u8::MAX], false) {
        let (key, stored) = entry?;
        // Chunks come along with the value they belong to.
        let Some(table) = Table::of(&key).filter(|table| *table != Table::Chunks) else { continue };
        let plain = if table.sealed() { old.unseal(&key, &stored) } else { Ok(stored.to_vec()) };
        let entries = match plain {
            Ok(plain) => convert(&new.keys, &steps, (key.to_vec(), plain)),
            Err(ReadError::Value) => None,
            Err(ReadError::Engine(error)) => return Err(error.into()),
        };
        let Some(entries) = entries else {
            unreadable += 1;
            continue;
        };
        for (key, plain) in entries {
            match Table::of(&key) {
                Some(table) if table.sealed() => new.put(&mut batch, key, &plain)?,
                _ => batch.put(key, plain),
            }
        }
        if batch.ops().count() >= BATCH {
            new.engine.apply(&std::mem::take(&mut batch))?;
        }
    }
    new.engine.apply(&batch)?;
    new.engine.settle()?;
    Ok((new, unreadable))
}

fn convert(keys: &Keys, steps: &[&Step], entry: Entry) -> Option<Vec<Entry>> {
    steps.iter().try_fold(vec![entry], |entries, step| {
        let converted: Option<Vec<Vec<Entry>>> = entries.into_iter().map(|entry| (step.convert)(keys, entry)).collect();
        Some(converted?.into_iter().flatten().collect())
    })
}
