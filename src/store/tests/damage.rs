//! What the store does when its files are not as it left them.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::{FileExt as _, PermissionsExt as _},
    path::PathBuf,
};

use super::*;
use crate::store::layout::Table;

/// Writes `count` messages and closes the store with everything in sled (`settled`) or in the journal.
fn fill(dir: &Path, count: u64, settled: bool) {
    let store = open(dir);
    for number in 0..count {
        store.insert_incoming(&incoming(number, &talk((number % 3) as u8, "general"), number as i64 * 1000)).unwrap();
    }
    store.flush().unwrap();
    if settled {
        store.vault.engine.settle().unwrap();
    }
}

/// The current engine's folder.
fn engine(dir: &Path) -> PathBuf {
    let mut engines: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    engines.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with("engine-"));
    engines.sort();
    engines.pop().unwrap()
}

/// All journal segments, the oldest first.
fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(engine(dir).join("journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    found.sort();
    found
}

fn flip(file: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

fn damaged_folders(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_string_lossy().contains(".damaged-")).collect()
}

/// Opens, expecting to be told something.
fn open_warned(dir: &Path) -> (Store, String) {
    let opened = Store::open(dir, &key(), at(0)).unwrap();
    let warnings: Vec<&str> = opened.warnings.iter().map(|warning| warning.as_str()).collect();
    (opened.store, warnings.join("\n"))
}

/// Ids of all messages that can be listed.
fn listed(store: &Store) -> Vec<EnvelopeId> {
    let all = store.history(&Query { limit: usize::MAX, ..Query::default() }).unwrap();
    all.into_iter().map(|(_, record)| record.envelope_id).collect()
}

struct Home {
    _temp: tempfile::TempDir,
    dir: PathBuf,
}

fn home() -> Home {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("store");
    Home { _temp: temp, dir }
}

#[test]
fn a_wrong_key_is_refused_and_nothing_is_touched() {
    let home = home();
    fill(&home.dir, 30, true);
    let picture = |dir: &Path| {
        let mut files = Vec::new();
        let mut folders = vec![dir.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push((fs::read(&path).unwrap(), path)) }
            }
        }
        files.sort();
        files
    };
    let before = picture(&home.dir);
    let wrong = StoreKey::new([8; 32]);
    assert!(matches!(Store::open(&home.dir, &wrong, at(0)), Err(StoreError::WrongKey(_))));
    assert!(picture(&home.dir) == before);
    // Not even without the header is a wrong key taken for damage.
    fs::remove_file(home.dir.join("header")).unwrap();
    assert!(matches!(Store::open(&home.dir, &wrong, at(0)), Err(StoreError::WrongKey(_))));
    let (store, warnings) = open_warned(&home.dir);
    assert!(warnings.contains("header was missing"), "{warnings}");
    assert_eq!(listed(&store).len(), 30);
    drop(store);
    assert_eq!(listed(&open(&home.dir)).len(), 30);
    assert!(damaged_folders(&home.dir).is_empty());
}

#[test]
fn a_second_opener_is_told_that_the_store_is_in_use() {
    let home = home();
    let store = open(&home.dir);
    assert!(matches!(Store::open(&home.dir, &key(), at(0)), Err(StoreError::InUse(_))));
    drop(store);
    open(&home.dir);
}

#[test]
fn files_are_for_the_owner_only() {
    let home = home();
    fill(&home.dir, 3, true);
    let mut folders = vec![home.dir.clone()];
    drop(open(&home.dir));
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{:?}", entry.path());
            if entry.path().is_dir() {
                folders.push(entry.path());
            }
        }
    }
}

#[test]
fn nothing_readable_is_on_the_disk() {
    let home = home();
    {
        let store = open(&home.dir);
        let (mut ours, entry) = outgoing(1, &talk(1, "secret-thread"), 0);
        ours.content = "attack at dawn".repeat(2000);
        ours.from_name = "Casablanca".to_owned();
        store.insert_outgoing(&ours, &entry, b"sealed-envelope").unwrap();
        store.save_draft(&talk(1, "secret-thread"), "dear diary").unwrap();
        store.put_blob("plans", "operation-zebra", b"zebra-bytes").unwrap();
        store.vault.engine.settle().unwrap();
        store.save_draft(&talk(2, "secret-thread"), "dear diary").unwrap();
        store.flush().unwrap();
    }
    let mut folders = vec![home.dir.clone()];
    let envelope_id = id(1);
    let needles: [&[u8]; 9] = [
        b"attack at dawn",
        b"Casablanca",
        b"secret-thread",
        b"dear diary",
        b"zebra",
        b"plans",
        b"sealed-env",
        &[1; 20],
        envelope_id.as_bytes(),
    ];
    let mut bytes = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let content = fs::read(&path).unwrap();
            bytes += content.len();
            for needle in needles {
                let found = content.windows(needle.len()).any(|window| window == needle);
                assert!(!found, "{:?} in {path:?}", String::from_utf8_lossy(needle));
            }
        }
    }
    assert!(bytes > 28_000, "the files looked at hold the messages");
}

#[test]
fn values_cannot_be_swapped() {
    let home = home();
    fill(&home.dir, 3, true);
    let store = open(&home.dir);
    let entries: Vec<_> =
        store.vault.engine.scan(&Table::Messages.start(), &Table::Messages.end(), false).map(Result::unwrap).collect();
    let mut batch = engine::Batch::default();
    batch.put(entries[0].0.to_vec(), entries[1].1.to_vec());
    store.vault.engine.apply(&batch).unwrap();
    // The swapped one is damaged, named and skipped; the others are as they were.
    assert_eq!(listed(&store), [id(1), id(2)]);
    assert_eq!(store.damage().into_iter().collect::<Vec<_>>(), [("messages", 1)]);
    assert!(matches!(store.message(&id(0)), Err(StoreError::Damaged(_))));
    let found = store.verify().unwrap();
    assert_eq!(found.damaged.into_iter().collect::<Vec<_>>(), [("messages", 1)]);
}

#[test]
fn a_conversation_with_damaged_counters_is_counted_anew() {
    let home = home();
    fill(&home.dir, 9, true);
    let store = open(&home.dir);
    let thread = layout::thread_key(&store.vault.keys, &talk(1, "general"));
    let mut batch = engine::Batch::default();
    batch.put(Table::Conversations.key(&[&thread]), vec![0; 80]);
    store.vault.engine.apply(&batch).unwrap();
    let conversations = store.conversations().unwrap();
    assert_eq!(conversations.len(), 3);
    assert!(conversations.iter().all(|record| record.messages == 3));
    store.insert_incoming(&incoming(100, &talk(1, "general"), 100_000)).unwrap();
    assert_eq!(store.conversation(&talk(1, "general")).unwrap().unwrap().messages, 4);
}

#[test]
fn a_torn_last_record_of_the_journal_is_what_was_not_flushed() {
    let home = home();
    fill(&home.dir, 50, false);
    let segment = segments(&home.dir).pop().unwrap();
    let whole = fs::read(&segment).unwrap();
    // As if the process died while appending.
    for extra in [1, 17, 40, 200] {
        let torn = [whole.as_slice(), &whole[..extra]].concat();
        fs::write(&segment, torn).unwrap();
        assert_eq!(listed(&open(&home.dir)).len(), 50);
    }
    open(&home.dir).insert_incoming(&incoming(50, &talk(1, "general"), 60_000)).unwrap();
    assert_eq!(listed(&open(&home.dir)).len(), 51);
}

#[test]
fn a_flipped_bit_in_the_journal_costs_one_batch_and_is_told() {
    let home = home();
    fill(&home.dir, 50, false);
    let segment = segments(&home.dir).pop().unwrap();
    flip(&segment, fs::metadata(&segment).unwrap().len() / 2);
    let (store, warnings) = open_warned(&home.dir);
    assert!(warnings.contains("1 of the latest writes"), "{warnings}");
    assert_eq!(listed(&store).len(), 49);
    assert!(store.verify().unwrap().is_clean());
    let counted: u64 = store.conversations().unwrap().iter().map(|record| record.messages).sum();
    assert_eq!(counted, 49);
    // What was lost can be received again.
    for number in 0..50 {
        store.insert_incoming(&incoming(number, &talk((number % 3) as u8, "general"), number as i64 * 1000)).unwrap();
    }
    assert_eq!(listed(&store).len(), 50);
    drop(store);
    assert_eq!(listed(&open(&home.dir)).len(), 50);
    let kept = fs::read_dir(engine(&home.dir)).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(kept.into_iter().any(|name| name.to_string_lossy().contains("incomplete")), "the damaged one is kept");
}

#[test]
fn a_truncated_journal_is_told() {
    let home = home();
    fill(&home.dir, 50, false);
    let segment = segments(&home.dir).pop().unwrap();
    let len = fs::metadata(&segment).unwrap().len();
    OpenOptions::new().write(true).open(&segment).unwrap().set_len(len / 2).unwrap();
    let (store, warnings) = open_warned(&home.dir);
    assert!(warnings.contains("of the latest writes"), "{warnings}");
    let left = listed(&store).len();
    assert!((20..30).contains(&left), "{left}");
    // Numbers of lost records are not used again.
    store.insert_incoming(&incoming(99, &talk(1, "general"), 99_000)).unwrap();
    drop(store);
    assert_eq!(listed(&open(&home.dir)).len(), left + 1);
}

#[test]
fn a_flipped_bit_where_sled_would_forget_all_behind_it_costs_at_most_one_value() {
    // Sled takes a damaged record among those written last for the end, and overwrites what is behind it. With the
    // journal nothing is lost; without it, what the record held.
    for journal in [true, false] {
        let home = home();
        fill(&home.dir, 200, true);
        if !journal {
            fs::remove_dir_all(engine(&home.dir).join("journal")).unwrap();
        }
        let db = engine(&home.dir).join("sled").join("db");
        flip(&db, 5000);
        let (store, warnings) = open_warned(&home.dir);
        assert!(warnings.contains("damaged"), "{warnings}");
        let left = listed(&store).len();
        assert!(left == 200 || (!journal && left >= 184), "{left} are left");
        assert!(store.verify().unwrap().is_clean());
    }
}

#[test]
fn a_half_written_snapshot_does_no_harm() {
    let home = home();
    fill(&home.dir, 20, true);
    fs::write(engine(&home.dir).join("sled").join("snap.FFFFFFFFFFFFFFF0.generating"), b"half").unwrap();
    assert_eq!(listed(&open(&home.dir)).len(), 20);
}

#[test]
fn a_database_that_does_not_open_is_put_aside_and_read_past_sled() {
    let home = home();
    fill(&home.dir, 150, true);
    drop(open(&home.dir));
    drop(open(&home.dir));
    let sled = engine(&home.dir).join("sled");
    let snapshot = fs::read_dir(&sled).unwrap().map(|entry| entry.unwrap().path());
    let snapshot = snapshot.into_iter().find(|path| path.to_string_lossy().contains("snap.")).unwrap();
    flip(&snapshot, 30);
    let (store, warnings) = open_warned(&home.dir);
    assert!(warnings.contains("put aside") && warnings.contains("150 messages were recovered"), "{warnings}");
    assert_eq!(listed(&store).len(), 150);
    assert!(store.verify().unwrap().is_clean());
    let counted: Vec<u64> = store.conversations().unwrap().iter().map(|record| record.unread).collect();
    assert_eq!(counted, [50, 50, 50]);
    let aside = damaged_folders(&home.dir);
    assert_eq!(aside.len(), 1);
    assert!(aside[0].join("engine-1/sled/db").exists(), "never wiped");
    drop(store);
    assert_eq!(listed(&open(&home.dir)).len(), 150);
}

#[test]
fn a_flipped_bit_anywhere_in_the_database_costs_little_and_is_never_silent() {
    let rounds = std::env::var("SKCOMM_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(4u64);
    let count = 50 * rounds.clamp(4, 60);
    let home = home();
    let mut told = 0;
    for round in 0..rounds {
        let _ = fs::remove_dir_all(&home.dir);
        fill(&home.dir, count, true);
        // Sled takes a snapshot, the journal is retired: from here on only sled has it.
        drop(open(&home.dir));
        assert!(segments(&home.dir).is_empty());
        let db = engine(&home.dir).join("sled").join("db");
        let len = fs::metadata(&db).unwrap().len();
        flip(&db, (len / rounds * round + 3000 + round * 7) % len);
        let before = told;
        for _ in 0..2 {
            let opened = Store::open(&home.dir, &key(), at(0)).unwrap();
            told += opened.warnings.len();
            // Reading all of it may meet the damage, which the next start then repairs.
            if opened.store.verify().is_err() {
                told += 1;
            }
        }
        let store = Store::open(&home.dir, &key(), at(0)).unwrap().store;
        let found = store.verify().unwrap();
        assert!(found.is_clean(), "round {round}: {found:?}");
        let left = listed(&store).len() as u64;
        assert!(left == count || told > before, "round {round}: {left} of {count} are left and nothing was said");
        assert!(left + 20 >= count, "round {round}: {left} of {count} are left");
        // What was lost can be received again, and what was not is not taken twice.
        for number in 0..count {
            store.insert_incoming(&incoming(number, &talk((number % 3) as u8, "general"), number as i64)).unwrap();
        }
        assert_eq!(listed(&store).len() as u64, count);
    }
    assert!(told > 0, "no flip was noticed: the test tests nothing");
}

#[test]
fn a_truncated_database_leaves_the_rest_usable() {
    let home = home();
    fill(&home.dir, 800, true);
    drop(open(&home.dir));
    let db = engine(&home.dir).join("sled").join("db");
    let len = fs::metadata(&db).unwrap().len();
    OpenOptions::new().write(true).open(&db).unwrap().set_len(len / 2).unwrap();
    let mut told = String::new();
    for _ in 0..2 {
        let (store, warnings) = open_warned(&home.dir);
        told.push_str(&warnings);
        let _ = store.verify();
    }
    assert!(told.contains("damaged"), "{told}");
    let store = Store::open(&home.dir, &key(), at(0)).unwrap().store;
    assert!(store.verify().unwrap().is_clean());
    assert!(!listed(&store).is_empty());
    assert!(!damaged_folders(&home.dir).is_empty());
}

#[test]
fn a_newer_schema_is_refused() {
    let home = home();
    fill(&home.dir, 3, false);
    let keys = key::Keys::derive(&key());
    header::Header::new(migrate::SCHEMA + 1, 1, &keys).unwrap().write(&home.dir).unwrap();
    assert!(matches!(Store::open(&home.dir, &key(), at(0)), Err(StoreError::TooNew { .. })));
}
