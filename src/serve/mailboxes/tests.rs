use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, time::Duration};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
#[cfg(debug_assertions)]
use crate::store::DiskFault;
use crate::{
    store::engine::{MAX_VALUE, damage_mark},
    transport::websocket::protocol::RefusalKind,
};

fn who(n: u8) -> Fingerprint {
    // Both lengths of fingerprints live side by side.
    Fingerprint::from_bytes(&vec![n; if n.is_multiple_of(2) { 20 } else { 32 }]).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_800_000_000_000 + seconds * 1000)
}

fn put(recipient: u8, sender: u8, frame: &[u8]) -> Put {
    Put { recipient: who(recipient), sender: who(sender), frame: Bytes::copy_from_slice(frame) }
}

fn everything(mailboxes: &Mailboxes, owner: u8, now: Timestamp) -> Vec<(u64, Bytes)> {
    match mailboxes.fetch(&who(owner), 0, |_| false, (usize::MAX, u64::MAX), now).unwrap() {
        Found::Some(found) => found,
        Found::Nothing => Vec::new(),
        Found::Large(size) => panic!("{size} bytes are not too large"),
    }
}

fn open(folder: &Path, limits: &StorageLimits) -> Mailboxes {
    Mailboxes::open(folder, limits.clone()).unwrap()
}

/// Puts one frame; its id.
fn store(mailboxes: &mut Mailboxes, put: Put) -> u64 {
    *mailboxes.commit(&[put], &[], at(0)).unwrap()[0].as_ref().unwrap()
}

/// Why mailboxes do not open.
fn refused(folder: &Path) -> StorageError {
    match Mailboxes::open(folder, StorageLimits::default()) {
        Ok(_) => panic!("they open"),
        Err(error) => error,
    }
}

#[derive(Clone, Debug)]
enum Step {
    Commit { puts: Vec<(u8, u8, usize)>, take: Vec<(u8, prop::sample::Index)> },
    Claim(u8),
    Pass(i64),
    Expire,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let puts = proptest::collection::vec((0u8..3, 0u8..3, 1usize..400), 0..6);
    let take = proptest::collection::vec((0u8..3, any::<prop::sample::Index>()), 0..4);
    prop_oneof![
        6 => (puts, take).prop_map(|(puts, take)| Step::Commit { puts, take }),
        1 => (0u8..3).prop_map(Step::Claim),
        2 => (1i64..40).prop_map(Step::Pass),
        1 => Just(Step::Expire),
        1 => Just(Step::Reopen),
    ]
}

/// What a mailbox should hold: owner to (id, when, frame).
type Model = BTreeMap<u8, Vec<(u64, Timestamp, Bytes)>>;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn mailboxes_hold_what_was_accepted_and_not_taken(steps in proptest::collection::vec(step(), 1..25)) {
        let limits = StorageLimits {
            mailbox_messages: 12,
            mailbox_bytes: 2000,
            unclaimed_messages: 6,
            unclaimed_bytes: 1000,
            total_bytes: 4000,
            total_messages: 25,
            keep: Duration::from_secs(100),
            ..StorageLimits::default()
        };
        let dir = tempfile::tempdir().unwrap();
        let mut mailboxes = open(dir.path(), &limits);
        let (mut model, mut now, mut counter): (Model, i64, u32) = (Model::new(), 0, 0);
        for step in steps {
            match step {
                Step::Commit { puts, take } => {
                    let mut taken = Vec::new();
                    for (owner, index) in take {
                        let held = model.entry(owner).or_default();
                        if !held.is_empty() {
                            taken.push((who(owner), held.remove(index.index(held.len())).0));
                        }
                    }
                    let puts: Vec<Put> = puts.into_iter().map(|(to, from, size)| {
                        counter += 1;
                        put(to, from, &[counter.to_be_bytes().as_slice(), &vec![0; size]].concat())
                    }).collect();
                    let answers = mailboxes.commit(&puts, &taken, at(now)).unwrap();
                    for (put, answer) in puts.iter().zip(answers) {
                        if let Ok(id) = answer {
                            let owner = put.recipient.as_bytes()[0];
                            model.entry(owner).or_default().push((id, at(now), put.frame.clone()));
                        }
                    }
                }
                Step::Claim(owner) => mailboxes.claim(who(owner), at(now)).unwrap(),
                Step::Pass(seconds) => now += seconds,
                Step::Expire => {
                    mailboxes.expire(at(now), usize::MAX).unwrap();
                    for held in model.values_mut() {
                        held.retain(|(_, when, _)| at(now).ms_since(*when) <= 100_000);
                    }
                }
                Step::Reopen => {
                    drop(mailboxes);
                    mailboxes = open(dir.path(), &limits);
                }
            }
            let mut total = Amount::default();
            for owner in 0..3 {
                let all = model.get(&owner).cloned().unwrap_or_default();
                let bytes: usize = all.iter().map(|(_, _, frame)| frame.len()).sum();
                let expected = Amount { messages: all.len() as u64, bytes: bytes as u64 };
                prop_assert_eq!(mailboxes.held(&who(owner)), expected);
                total = Amount { messages: total.messages + expected.messages, bytes: total.bytes + expected.bytes };
                let young = all.into_iter().filter(|(_, when, _)| at(now).ms_since(*when) <= 100_000);
                let young: Vec<_> = young.map(|(id, _, frame)| (id, frame)).collect();
                prop_assert_eq!(everything(&mailboxes, owner, at(now)), young);
                prop_assert!(expected.messages <= 12 && expected.bytes <= 2000);
            }
            prop_assert_eq!(mailboxes.total(), total);
            prop_assert!(total.messages <= 25 && total.bytes <= 4000);
        }
    }
}

#[test]
fn ids_rise_also_over_a_restart_of_an_emptied_mailbox() {
    let dir = tempfile::tempdir().unwrap();
    let limits = StorageLimits::default();
    let mut last = 0;
    for settled in [false, true, false, true, false] {
        let mut mailboxes = open(dir.path(), &limits);
        let id = store(&mut mailboxes, put(1, 2, b"x"));
        assert!(id > last, "{id} after {last}");
        last = id;
        mailboxes.commit(&[], &[(who(1), id)], at(0)).unwrap();
        assert_eq!(mailboxes.total(), Amount::default());
        if settled {
            mailboxes.engine.settle().unwrap();
        }
    }
}

#[test]
fn a_frame_of_several_pieces_is_whole_and_goes_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let limits = StorageLimits::default();
    let mut mailboxes = open(dir.path(), &limits);
    let sizes = [1, MAX_VALUE - 1, MAX_VALUE, MAX_VALUE + 1, 40 * MAX_VALUE + 7];
    let frames: Vec<Vec<u8>> = sizes.iter().map(|size| (0..*size).map(|n| (n % 251) as u8).collect()).collect();
    let puts: Vec<Put> = frames.iter().map(|frame| put(1, 2, frame)).collect();
    let answers = mailboxes.commit(&puts, &[], at(0)).unwrap();
    let places: Vec<Place> = answers.into_iter().map(|id| (who(1), id.unwrap())).collect();
    mailboxes.engine.settle().unwrap();
    drop(mailboxes);
    let mut mailboxes = open(dir.path(), &limits);
    let found: Vec<Bytes> = everything(&mailboxes, 1, at(0)).into_iter().map(|(_, frame)| frame).collect();
    assert_eq!(found, frames);
    mailboxes.commit(&[], &places, at(0)).unwrap();
    for table in [Table::Entries, Table::Pieces] {
        let (start, end) = table.range();
        assert_eq!(mailboxes.engine.scan(&start, &end, false).count(), 0, "{table:?}");
    }
}

#[test]
fn a_group_larger_than_memory_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let limits = StorageLimits::default();
    let mut mailboxes = open(dir.path(), &limits);
    mailboxes.claim(who(1), at(0)).unwrap();
    // What the keeper gathers at most: 16 MiB, and one frame more.
    let puts: Vec<Put> = [16 << 20, (16 << 20) - 1, 1].map(|size| put(1, 2, &vec![size as u8; size])).into();
    assert!(mailboxes.commit(&puts, &[], at(0)).unwrap().iter().all(Result::is_ok));
    drop(mailboxes);
    let mailboxes = open(dir.path(), &limits);
    let frames = everything(&mailboxes, 1, at(0));
    assert!(frames.iter().map(|(_, frame)| frame).eq(puts.iter().map(|put| &put.frame)));
}

#[cfg(debug_assertions)]
#[test]
fn what_a_disk_does_not_write_is_refused_and_all_goes_on_when_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let limits = StorageLimits::default();
    let mut mailboxes = open(dir.path(), &limits);
    let first = store(&mut mailboxes, put(1, 2, b"first"));
    DiskFault::Write.strike(dir.path());
    for _ in 0..3 {
        let failed = mailboxes.commit(&[put(1, 2, b"refused"), put(3, 2, b"refused")], &[], at(0));
        assert!(matches!(failed, Err(StorageError::Io(_))), "{failed:?}");
        assert_eq!(mailboxes.total(), Amount { messages: 1, bytes: 5 });
        assert_eq!(everything(&mailboxes, 1, at(0)).len(), 1);
    }
    // What was taken is gone all the same.
    mailboxes.commit(&[], &[(who(1), first)], at(0)).unwrap_err();
    assert_eq!(mailboxes.total(), Amount::default());
    DiskFault::heal(dir.path());
    let id = store(&mut mailboxes, put(1, 2, b"last"));
    assert!(id > first);
    drop(mailboxes);
    let mailboxes = open(dir.path(), &limits);
    assert_eq!(everything(&mailboxes, 1, at(0)), [(id, Bytes::from("last"))]);
    assert_eq!(mailboxes.total(), Amount { messages: 1, bytes: 4 });
}

#[cfg(debug_assertions)]
#[test]
fn after_a_failed_sync_all_is_refused_until_they_are_opened_anew() {
    let dir = tempfile::tempdir().unwrap();
    let limits = StorageLimits::default();
    let mut mailboxes = open(dir.path(), &limits);
    let id = store(&mut mailboxes, put(1, 2, b"first"));
    DiskFault::Sync.strike(dir.path());
    mailboxes.commit(&[put(1, 2, b"refused")], &[], at(0)).unwrap_err();
    DiskFault::heal(dir.path());
    let error = mailboxes.commit(&[put(1, 2, b"refused")], &[], at(0)).unwrap_err();
    assert!(error.to_string().contains("restart"), "{error}");
    assert_eq!(everything(&mailboxes, 1, at(0)), [(id, Bytes::from("first"))]);
    drop(mailboxes);
    let mut mailboxes = open(dir.path(), &limits);
    assert_eq!(everything(&mailboxes, 1, at(0)), [(id, Bytes::from("first"))]);
    assert!(store(&mut mailboxes, put(1, 2, b"second")) > id);
}

#[test]
fn a_look_keeps_to_its_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let mut mailboxes = open(dir.path(), &StorageLimits::default());
    let puts = [put(1, 2, &[1; 100]), put(1, 2, &[2; 100]), put(1, 2, &[3; 100])];
    let ids: Vec<u64> =
        mailboxes.commit(&puts, &[], at(0)).unwrap().into_iter().map(|answer| answer.unwrap()).collect();
    let look = |after, hidden: Option<u64>, bounds| {
        let skip = move |id| Some(id) == hidden;
        match mailboxes.fetch(&who(1), after, skip, bounds, at(0)).unwrap() {
            Found::Some(found) => Ok(found.into_iter().map(|(id, _)| id).collect::<Vec<_>>()),
            other => Err(other),
        }
    };
    assert_eq!(look(0, None, (2, 1000)).unwrap(), ids[..2]);
    assert_eq!(look(0, None, (9, 250)).unwrap(), ids[..2]);
    assert_eq!(look(0, Some(ids[0]), (9, 1000)).unwrap(), ids[1..]);
    assert_eq!(look(ids[1], None, (9, 1000)).unwrap(), ids[2..]);
    assert_eq!(look(0, None, (9, 99)), Err(Found::Large(100)));
    assert_eq!(look(ids[2], None, (9, 1000)), Err(Found::Nothing));
    assert_eq!(look(u64::MAX, None, (9, 1000)), Err(Found::Nothing));
}

#[test]
fn taking_twice_or_what_is_not_there_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut mailboxes = open(dir.path(), &StorageLimits::default());
    let id = *mailboxes.commit(&[put(1, 2, b"abc")], &[], at(0)).unwrap()[0].as_ref().unwrap();
    mailboxes.commit(&[put(1, 2, b"de")], &[(who(2), id), (who(1), id), (who(1), id), (who(1), 77)], at(0)).unwrap();
    assert_eq!(mailboxes.total(), Amount { messages: 1, bytes: 2 });
}

#[test]
fn a_claimed_mailbox_stays_claimed_and_is_forgotten_after_half_a_year() {
    let dir = tempfile::tempdir().unwrap();
    let limits = StorageLimits { unclaimed_messages: 0, ..StorageLimits::default() };
    let mut mailboxes = open(dir.path(), &limits);
    mailboxes.claim(who(1), at(0)).unwrap();
    mailboxes.flush().unwrap();
    drop(mailboxes);
    let mut mailboxes = open(dir.path(), &limits);
    let answers = mailboxes.commit(&[put(1, 2, b"x"), put(3, 2, b"x")], &[], at(0)).unwrap();
    assert!(answers[0].is_ok());
    assert_eq!(answers[1].as_ref().unwrap_err().kind, RefusalKind::MailboxFull);
    mailboxes.expire(at(200 * 24 * 3600), 10).unwrap();
    drop(mailboxes);
    let mut mailboxes = open(dir.path(), &limits);
    assert!(mailboxes.commit(&[put(1, 2, b"x")], &[], at(0)).unwrap()[0].is_err());
}

#[test]
fn another_layout_is_refused_and_left_as_it_is() {
    for (name, layout) in [("mailboxes", 1), ("mailboxes-3", 3)] {
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join(name);
        fs::create_dir(&other).unwrap();
        fs::write(other.join("db"), b"of another version").unwrap();
        let error = refused(dir.path());
        assert!(matches!(&error, StorageError::Layout { path, found } if *path == other && *found == layout));
        assert!(error.to_string().contains("move it away"), "{error}");
        assert_eq!(fs::read(other.join("db")).unwrap(), b"of another version");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is made beside it");
        fs::rename(other, dir.path().join("away")).unwrap();
        open(dir.path(), &StorageLimits::default());
    }
}

#[test]
fn damage_is_told_and_left_as_it_is() {
    type Damage = fn(&Path);
    let limits = StorageLimits::default();
    let damage: [(&str, Damage); 4] = [
        ("key is missing", |dir| fs::remove_file(dir.join("key")).unwrap()),
        ("key", |dir| flip(&dir.join("key"))),
        ("written last", |dir| flip(&dir.join("sled/db"))),
        ("met in use", |dir| fs::write(damage_mark(dir), b"met in use").unwrap()),
    ];
    for (word, damage) in damage {
        let dir = tempfile::tempdir().unwrap();
        let mut mailboxes = open(dir.path(), &limits);
        for _ in 0..20 {
            store(&mut mailboxes, put(1, 2, &[7; 50_000]));
        }
        mailboxes.engine.settle().unwrap();
        drop(mailboxes);
        let folder = dir.path().join("mailboxes-2");
        damage(&folder);
        let before = fs::read(folder.join("sled/db")).unwrap();
        let told = refused(dir.path()).to_string();
        assert!(told.contains(word) && told.contains("move their folder (mailboxes-2) away"), "{told}");
        assert!(fs::read(folder.join("sled/db")).unwrap() == before, "{word}");
        fs::rename(folder, dir.path().join("away")).unwrap();
        assert_eq!(open(dir.path(), &limits).total(), Amount::default());
    }
}

/// Flips a bit in the first half of a file.
fn flip(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let at = bytes.len() / 4;
    bytes[at] ^= 0x10;
    fs::write(file, bytes).unwrap();
}

#[test]
fn the_folder_is_private_and_names_no_sender() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("relay");
    let mut mailboxes = open(&folder, &StorageLimits::default());
    store(&mut mailboxes, put(1, 2, b"frame"));
    mailboxes.engine.settle().unwrap();
    drop(mailboxes);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let inner = folder.join("mailboxes-2");
    assert_eq!([mode(&folder), mode(&inner), mode(&inner.join("key"))], [0o700, 0o700, 0o600]);
    let all: Vec<Vec<u8>> = ["journal", "sled"]
        .iter()
        .flat_map(|part| fs::read_dir(inner.join(part)).unwrap().map(|file| file.unwrap().path()))
        .filter(|path| path.is_file())
        .map(|path| fs::read(path).unwrap())
        .collect();
    let holds = |needle: &[u8]| all.iter().any(|bytes| bytes.windows(needle.len()).any(|window| window == needle));
    assert!(holds(b"frame"), "the search finds what is there");
    assert!(!holds(who(2).as_bytes()));
}
