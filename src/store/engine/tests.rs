//! The engine against a model: an ordered map that is rolled back to the last flush when it "crashes".

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
#[cfg(debug_assertions)]
use crate::store::fault::DiskFault;

const KEY: [u8; 32] = [3; 32];

#[derive(Clone, Debug)]
enum Step {
    /// Several changes at once; none removes.
    Apply(Vec<(u8, Option<u8>)>),
    Flush,
    /// Bring everything into sled.
    Settle,
    /// Close and open.
    Reopen,
    /// Walk between two keys, in order or backwards.
    Scan(u8, u8, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => prop::collection::vec((0..40u8, prop::option::weighted(0.7, any::<u8>())), 1..6).prop_map(Step::Apply),
        1 => Just(Step::Flush),
        1 => Just(Step::Settle),
        1 => Just(Step::Reopen),
        3 => (0..41u8, 0..41u8, any::<bool>()).prop_map(|(a, b, backwards)| Step::Scan(a, b, backwards)),
    ]
}

/// A value whose length varies, so that pages of all sizes occur.
fn value(seed: u8) -> Vec<u8> {
    vec![seed; usize::from(seed) * 20]
}

fn batch(changes: &[(u8, Option<u8>)]) -> Batch {
    let mut batch = Batch::default();
    for (key, change) in changes {
        match change {
            Some(seed) => batch.put(vec![*key], value(*seed)),
            None => batch.remove(vec![*key]),
        }
    }
    batch
}

/// The changes, which are carried out in the model as well; what is new there is called new.
fn batch_on_model(changes: &[(u8, Option<u8>)], model: &mut BTreeMap<u8, Vec<u8>>) -> Batch {
    let mut batch = Batch::default();
    for (key, change) in changes {
        match change {
            Some(seed) if model.insert(*key, value(*seed)).is_none() => batch.put_new(vec![*key], value(*seed)),
            Some(seed) => batch.put(vec![*key], value(*seed)),
            None => {
                model.remove(key);
                batch.remove(vec![*key]);
            }
        }
    }
    batch
}

fn scan(engine: &Engine, from: u8, to: u8, backwards: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
    let found = engine.scan(&[from], &[to.max(from)], backwards);
    found.map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn layers_read_as_one_ordered_map(steps in prop::collection::vec(step(), 1..60)) {
        let dir = tempfile::tempdir().unwrap();
        let mut engine = Engine::open(dir.path(), KEY).unwrap();
        let mut model: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Apply(changes) => engine.apply(&batch_on_model(&changes, &mut model)).unwrap(),
                Step::Flush => engine.flush().unwrap(),
                Step::Settle => engine.settle().unwrap(),
                Step::Reopen => {
                    drop(engine);
                    engine = Engine::open(dir.path(), KEY).unwrap();
                    prop_assert_eq!(&engine.loss, &Loss::default());
                }
                Step::Scan(from, to, backwards) => {
                    let mut expected: Vec<_> =
                        model.range(from..to.max(from)).map(|(key, value)| (vec![*key], value.clone())).collect();
                    if backwards {
                        expected.reverse();
                    }
                    prop_assert_eq!(scan(&engine, from, to, backwards), expected);
                }
            }
            for key in 0..40u8 {
                let found = engine.get(&[key]).unwrap().map(|value| value.to_vec());
                prop_assert_eq!(found.as_ref(), model.get(&key));
            }
        }
    }

    #[test]
    fn a_journal_of_any_bytes_is_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0..200usize) {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path(), KEY, 0).unwrap();
        journal.append(&batch(&[(1, Some(2)), (3, None)])).unwrap();
        journal.flush().unwrap();
        drop(journal);
        let segment = dir.path().join("0000000000000001.log");
        let whole = fs::read(&segment).unwrap();
        // Rubbish before and behind an intact record, and the record cut short.
        let rubbish = [bytes.as_slice(), whole.as_slice(), bytes.as_slice()].concat();
        fs::write(&segment, rubbish).unwrap();
        let mut found = Vec::new();
        Journal::read(dir.path(), &KEY, 0, |number, batch| found.push((number, batch.ops().count()))).unwrap();
        prop_assert_eq!(found, vec![(1, 2)]);
        fs::write(&segment, &whole[..cut.min(whole.len() - 1)]).unwrap();
        let replay = Journal::read(dir.path(), &KEY, 0, |_, _| panic!("half a record")).unwrap();
        prop_assert_eq!(replay.noted, 1);
    }
}

#[test]
fn more_than_memory_holds_goes_to_sled_by_itself_and_journals_are_retired() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(dir.path(), KEY).unwrap();
    for number in 0..6000u32 {
        let mut batch = Batch::default();
        batch.put(number.to_be_bytes().to_vec(), vec![number as u8; 5000]);
        engine.apply(&batch).unwrap();
        if number % 100 == 0 {
            engine.flush().unwrap();
        }
    }
    engine.settle().unwrap();
    let journals = || fs::read_dir(dir.path().join("journal")).unwrap().count();
    assert!(journals() > 2, "segments are kept until the next start");
    let snapshots = || {
        let files = fs::read_dir(dir.path().join("sled")).unwrap().map(|entry| entry.unwrap().file_name());
        files.filter(|name| name.to_string_lossy().starts_with("snap.")).count()
    };
    assert_eq!(snapshots(), 0, "sled makes one only when it is opened");
    drop(engine);
    assert_eq!(snapshots(), 1, "much was written, so closing prepares the next start");
    let engine = Engine::open(dir.path(), KEY).unwrap();
    assert_eq!(journals(), 1, "only the mark is left");
    assert_eq!(engine.loss, Loss::default());
    let all = engine.scan(&[0], &[1], false).map(Result::unwrap);
    assert!(all.enumerate().all(|(number, (key, value))| {
        *key == (number as u32).to_be_bytes() && value.len() == 5000 && value[0] == number as u8
    }));
    assert_eq!(engine.scan(&[0], &[1], true).count(), 6000);
}

#[test]
fn what_is_new_and_removed_at_once_never_reaches_sled_and_what_is_older_does_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(dir.path(), KEY).unwrap();
    let apply = |change: fn(&mut Batch)| {
        let mut batch = Batch::default();
        change(&mut batch);
        engine.apply(&batch).unwrap();
    };
    apply(|batch| batch.put_new(vec![1], value(1)));
    apply(|batch| batch.remove(vec![1]));
    assert!(engine.shared.layers().active.get(&[1]).is_none(), "no trace of it");
    apply(|batch| batch.put(vec![2], value(2)));
    engine.settle().unwrap();
    // It is in sled now: the removal must be held, also when the key is new again in between.
    apply(|batch| batch.remove(vec![2]));
    apply(|batch| batch.put_new(vec![2], value(3)));
    apply(|batch| batch.remove(vec![2]));
    assert!(engine.get(&[2]).unwrap().is_none());
    engine.settle().unwrap();
    assert!(engine.get(&[2]).unwrap().is_none());
    assert_eq!(scan(&engine, 0, 9, false), []);
}

#[test]
fn segments_with_nothing_new_are_not_read() {
    let dir = tempfile::tempdir().unwrap();
    for number in 1..=3u8 {
        let journal = Journal::open(dir.path(), KEY, u64::from(number) - 1).unwrap();
        journal.append(&batch(&[(number, Some(1))])).unwrap();
        journal.flush().unwrap();
    }
    let read = |after| {
        let mut found = Vec::new();
        let replay = Journal::read(dir.path(), &KEY, after, |number, _| found.push(number))?;
        Ok::<_, EngineError>((found, replay.missing))
    };
    assert_eq!(read(0).unwrap(), (vec![1, 2, 3], 0));
    // A segment that cannot be read fails only who has to read it.
    let first = dir.path().join("0000000000000001.log");
    fs::remove_file(&first).unwrap();
    fs::create_dir(&first).unwrap();
    assert!(read(0).is_err());
    assert_eq!(read(1).unwrap(), (vec![2, 3], 0));
}

#[test]
fn readers_see_whole_batches_while_writers_write() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(dir.path(), KEY).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for seed in 0..400u32 {
                let mut batch = Batch::default();
                (0..20u8).for_each(|key| batch.put(vec![key], seed.to_be_bytes().repeat(200)));
                engine.apply(&batch).unwrap();
                if seed % 50 == 49 {
                    engine.settle().unwrap();
                }
            }
        });
        let mut last = 0;
        while !writer.is_finished() {
            let Some(value) = engine.get(&[7]).unwrap() else { continue };
            let seed = u32::from_be_bytes(*value.first_chunk().unwrap());
            assert!(seed >= last, "never an older value after a newer one");
            last = seed;
            let keys = engine.scan(&[0], &[20], false).map(|entry| entry.unwrap().0[0]);
            assert_eq!(keys.collect::<Vec<u8>>(), (0..20).collect::<Vec<u8>>());
        }
    });
}

#[cfg(debug_assertions)]
#[test]
fn what_could_not_be_brought_into_sled_goes_there_when_the_disk_is_well_again() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(dir.path(), KEY).unwrap();
    DiskFault::Write.strike(dir.path());
    for number in 0..2000u32 {
        let mut batch = Batch::default();
        batch.put(number.to_be_bytes().to_vec(), vec![number as u8; 5000]);
        engine.apply(&batch).unwrap();
    }
    let limit = std::time::Duration::from_secs(30);
    let given_up = engine.shared.changed.wait_timeout_while(engine.shared.layers(), limit, |l| l.failed.is_none());
    assert!(!given_up.unwrap().1.timed_out());
    assert!(matches!(engine.settle(), Err(EngineError::Io(_))));
    DiskFault::heal(dir.path());
    engine.settle().unwrap();
    assert!(engine.shared.layers().failed.is_none());
    drop(engine);
    let engine = Engine::open(dir.path(), KEY).unwrap();
    assert_eq!((&engine.loss, engine.scan(&[0], &[1], false).count()), (&Loss::default(), 2000));
}

#[cfg(debug_assertions)]
#[test]
fn after_a_failed_sync_nothing_is_durable_and_what_it_was_for_does_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(dir.path(), KEY).unwrap();
    engine.apply(&batch(&[(1, Some(1))])).unwrap();
    engine.flush().unwrap();
    DiskFault::Sync.strike(dir.path());
    engine.apply(&batch(&[(2, Some(2))])).unwrap();
    assert!(matches!(engine.flush(), Err(EngineError::Io(error)) if error.raw_os_error().is_some()));
    DiskFault::heal(dir.path());
    let again = engine.flush();
    assert!(matches!(&again, Err(EngineError::Io(error)) if error.to_string().contains("restart")), "{again:?}");
    drop(engine);
    let engine = Engine::open(dir.path(), KEY).unwrap();
    assert_eq!(engine.loss, Loss::default());
    assert_eq!(scan(&engine, 0, 9, false), [(vec![1], value(1))]);
}

#[test]
fn a_flush_that_failed_can_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(dir.path(), KEY).unwrap();
    let (journal, away) = (dir.path().join("journal"), dir.path().join("away"));
    engine.apply(&batch(&[(1, Some(1))])).unwrap();
    fs::rename(&journal, &away).unwrap();
    assert!(matches!(engine.flush(), Err(EngineError::Io(_))));
    engine.apply(&batch(&[(2, Some(2)), (1, Some(3))])).unwrap();
    fs::rename(&away, &journal).unwrap();
    engine.flush().unwrap();
    // The process dies: only what is on the disk counts.
    let mut found = Vec::new();
    let replay = Journal::read(&journal, &KEY, 0, |number, batch| found.push((number, batch.ops().count()))).unwrap();
    assert_eq!((found, replay.last, replay.noted), (vec![(1, 1), (2, 2)], 2, 2));
}
