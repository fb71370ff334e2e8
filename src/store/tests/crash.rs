//! The process dies at any moment: nothing that was flushed may be lost, nothing torn, and the store opens.
//!
//! The test runs itself as a child, which writes and says after each flush what is durable; the child is killed
//! (SIGKILL) after a seeded number of such lines and some instructions more.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::*;

/// The folder of the store, for the child.
const CHILD_DIR: &str = "SKCOMM_TEST_STORE_CRASH_DIR";
/// The number of the first message the child writes.
const CHILD_FIRST: &str = "SKCOMM_TEST_STORE_CRASH_FIRST";
/// Rounds, each on the store that the ones before left behind.
const ROUNDS: u64 = 6;
/// A child that says nothing for so long has failed.
const LIMIT: Duration = Duration::from_secs(60);

/// What the child does: batches of incoming and outgoing messages, marks, removals, drafts; a line a flush.
#[test]
#[ignore = "is run as a child, to be killed"]
fn child() {
    let dir = std::env::var(CHILD_DIR).unwrap();
    let first: u64 = std::env::var(CHILD_FIRST).unwrap().parse().unwrap();
    let store = Store::open(Path::new(&dir), &key(), at(0)).unwrap().store;
    let mut out = std::io::stdout();
    for batch in 0.. {
        let mut last = first;
        for step in 0..7 {
            last = first + batch * 7 + step;
            let conversation = talk((last % 5) as u8, "general");
            if last.is_multiple_of(2) {
                store.insert_incoming(&incoming(last, &conversation, last as i64 * 10)).unwrap();
            } else {
                let (ours, entry) = outgoing(last, &conversation, last as i64 * 10);
                let envelope = vec![last as u8; (last % 9 * 3000) as usize];
                store.insert_outgoing(&ours, &entry, &envelope).unwrap();
                if last % 4 == 1 {
                    let delivered = MessageState::Delivered { via: path("tcp"), latency_ms: last };
                    store.set_state(&id(last), &delivered, 0).unwrap();
                    store.remove_from_outbox(&id(last)).unwrap();
                }
            }
            store.save_draft(&conversation, &format!("draft {last}")).unwrap();
        }
        if batch % 12 == 11 {
            // As happens by itself after more than a test wants to write.
            store.vault.engine.settle().unwrap();
        }
        store.flush().unwrap();
        writeln!(out, "durable {last}").unwrap();
        out.flush().unwrap();
    }
}

/// Runs the child on `dir` until it is killed after `lines` lines and `spins` more of the killer's loop. Returns the
/// last message it called durable.
fn run_and_kill(dir: &Path, first: u64, lines: u64, spins: u64) -> Option<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "store::tests::crash::child", "--nocapture", "--test-threads=1"])
        .env(CHILD_DIR, dir)
        .env(CHILD_FIRST, first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let begun = Instant::now();
    let mut durable = None;
    let mut note = |line: String| {
        // The first one follows the test harness's own words on its line.
        let said = line.split("durable ").nth(1).and_then(|number| number.trim().parse().ok());
        durable = said.or(durable);
        u64::from(said.is_some())
    };
    let mut seen = 0;
    while seen < lines {
        assert!(begun.elapsed() < LIMIT, "the child is silent");
        seen += note(output.next().expect("the child ended by itself").unwrap());
    }
    (0..spins).for_each(|spin| assert!(std::hint::black_box(spin) < spins));
    child.kill().unwrap();
    child.wait().unwrap();
    // What it said before it died counts as well.
    for line in output.map_while(Result::ok) {
        note(line);
    }
    durable
}

/// Everything up to `durable` is there and whole; what came after is there whole or not at all.
fn check(store: &Store, durable: u64) -> u64 {
    assert!(store.verify().unwrap().is_clean(), "{:?}", store.verify());
    let all = store.history(&Query { limit: usize::MAX, ..Query::default() }).unwrap();
    let count = all.len() as u64;
    assert!(count > durable, "{count} messages, but {durable} was called durable");
    let waiting: BTreeMap<EnvelopeId, OutboxEntry> =
        store.outbox().unwrap().into_iter().map(|entry| (entry.envelope_id, entry)).collect();
    for (number, (_, record)) in (0..).zip(&all) {
        assert_eq!(record.envelope_id, id(number), "in order, without a gap, none twice");
        let sealed = store.outbox_envelope(&id(number)).unwrap();
        match (number % 2 == 0, number % 4 == 1) {
            (true, _) => assert_eq!(record.state, MessageState::Received),
            (false, true) if number <= durable => {
                assert_eq!(record.state.name(), "delivered");
                assert!(sealed.is_none() && !waiting.contains_key(&id(number)));
            }
            (false, false) => {
                assert_eq!(sealed, Some(vec![number as u8; (number % 9 * 3000) as usize]));
                assert!(waiting.contains_key(&id(number)));
            }
            // Not flushed: any step of its life, but with its envelope for as long as it waits.
            (false, true) => assert!(sealed.is_some() || !waiting.contains_key(&id(number))),
        }
    }
    let counted: u64 = store.conversations().unwrap().iter().map(|record| record.messages).sum();
    assert_eq!(counted, count, "counters agree with what they count");
    assert_eq!(store.drafts().unwrap().len(), 5.min(count as usize));
    count
}

#[test]
fn killed_at_any_moment_nothing_flushed_is_lost() {
    let seed = std::env::var("SKCOMM_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_120u64);
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("store");
    let mut next = 0;
    let mut random = seed;
    for round in 0..ROUNDS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (lines, spins) = ((random >> 33) % 25 + 1, (random >> 20) % 400_000);
        let durable = run_and_kill(&dir, next, lines, spins).expect("something became durable");
        let opened = Store::open(&dir, &key(), at(0)).unwrap();
        assert!(opened.warnings.is_empty(), "seed {seed}, round {round}: {:?}", opened.warnings);
        next = check(&opened.store, durable);
    }
}
