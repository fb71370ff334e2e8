//! A store of an older schema becomes one of this schema, or stays what it is.

use std::fs;

use super::*;
use crate::store::{
    engine::Batch,
    header::Header,
    key::Keys,
    layout::Table,
    migrate::{Entry, SCHEMA, Step},
    value::Vault,
};

/// An invented schema 0: messages were JSON, `[number, peer, content]`, under their number; and there were no
/// indexes, which made it slow.
fn old_store(dir: &Path, count: u64) {
    fs::create_dir_all(dir).unwrap();
    let keys = Keys::derive(&key());
    Header::new(0, 1, &keys).unwrap().write(dir).unwrap();
    let engine = engine::Engine::open(&dir.join("engine-1"), keys.journal()).unwrap();
    let vault = Vault::new(keys, engine);
    for number in 0..count {
        let mut batch = Batch::default();
        let content = if number % 5 == 0 { "long ".repeat(5000) } else { format!("old {number}") };
        let plain = serde_json::to_vec(&(number, (number % 3) as u8, content)).unwrap();
        vault.put(&mut batch, Table::Messages.key(&[&number.to_be_bytes()]), &plain).unwrap();
        vault.engine.apply(&batch).unwrap();
    }
    vault.engine.flush().unwrap();
}

fn convert(keys: &Keys, (key, plain): Entry) -> Option<Vec<Entry>> {
    if Table::of(&key) != Some(Table::Messages) {
        return Some(vec![(key, plain)]);
    }
    let (number, peer, content): (u64, u8, String) = serde_json::from_slice(&plain).ok()?;
    let conversation = talk(peer, "general");
    let record = MessageRecord { content, ..incoming(number, &conversation, number as i64 * 1000) };
    let position = ((T0 as u64 + number * 1000) << crate::store::layout::POSITION_BITS).to_be_bytes();
    let stored = codec::encode("a message", &codec::StoredMessage::of(&record).ok()?).ok()?;
    let thread = layout::thread_key(keys, &conversation);
    Some(vec![(Table::Messages.key(&[&position]), stored), (Table::Threads.key(&[&thread, &position]), Vec::new())])
}

const STEPS: &[Step] = &[Step { from: 0, convert }];

fn folders(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("engine-")).collect();
    names.sort();
    names
}

fn contents(store: &Store) -> Vec<String> {
    let all = store.history(&Query { limit: usize::MAX, ..Query::default() }).unwrap();
    all.into_iter().map(|(_, record)| record.content).collect()
}

#[test]
fn an_older_store_is_converted_once_and_whole() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("store");
    old_store(&dir, 40);
    let opened = Store::open_with(&dir, &key(), at(0), STEPS).unwrap();
    assert!(opened.warnings.is_empty(), "{:?}", opened.warnings);
    let migrated = contents(&opened.store);
    assert_eq!(migrated.len(), 40);
    assert_eq!(migrated[1], "old 1");
    assert_eq!(migrated[5], "long ".repeat(5000));
    drop(opened);
    assert_eq!(folders(&dir), ["engine-2"]);
    // From now on it is an ordinary store, which needs no step.
    assert_eq!(contents(&open(&dir)), migrated);
}

#[test]
fn a_migration_that_was_cut_short_is_begun_anew() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("store");
    old_store(&dir, 10);
    // Died before the header was replaced: half of a new folder is there.
    let half = engine::Engine::open(&dir.join("engine-2"), Keys::derive(&key()).journal()).unwrap();
    let mut batch = Batch::default();
    batch.put(Table::Messages.key(&[&[9; 8]]), b"half".to_vec());
    half.apply(&batch).unwrap();
    half.settle().unwrap();
    drop(half);
    let store = Store::open_with(&dir, &key(), at(0), STEPS).unwrap().store;
    assert_eq!(contents(&store).len(), 10);
    assert!(store.damage().is_empty());
    drop(store);
    // Died after the header was replaced: the old folder is still there.
    old_store(&temp.path().join("another"), 3);
    fs::rename(temp.path().join("another/engine-1"), dir.join("engine-1")).unwrap();
    let opened = Store::open(&dir, &key(), at(0)).unwrap();
    assert_eq!(opened.warnings.len(), 1);
    assert_eq!(contents(&opened.store).len(), 10);
    assert_eq!(folders(&dir), ["engine-2"]);
}

#[test]
fn without_a_way_to_this_schema_the_old_store_stays() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("store");
    old_store(&dir, 3);
    assert!(matches!(Store::open(&dir, &key(), at(0)), Err(StoreError::Damaged(_))));
    assert_eq!(folders(&dir), ["engine-1"]);
    assert_eq!(contents(&Store::open_with(&dir, &key(), at(0), STEPS).unwrap().store).len(), 3);
    const { assert!(SCHEMA > 0) };
}

#[test]
fn what_cannot_be_converted_is_kept_aside() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("store");
    old_store(&dir, 4);
    {
        let keys = Keys::derive(&key());
        let vault =
            Vault::new(keys, engine::Engine::open(&dir.join("engine-1"), Keys::derive(&key()).journal()).unwrap());
        let mut batch = Batch::default();
        vault.put(&mut batch, Table::Messages.key(&[&77u64.to_be_bytes()]), b"no json").unwrap();
        vault.engine.apply(&batch).unwrap();
    }
    let opened = Store::open_with(&dir, &key(), at(0), STEPS).unwrap();
    assert!(opened.warnings[0].as_str().contains("1 values could not"), "{:?}", opened.warnings);
    assert_eq!(contents(&opened.store).len(), 4);
    let aside = fs::read_dir(temp.path()).unwrap().any(|entry| entry.unwrap().path().join("engine-1/sled").exists());
    assert!(aside);
}
