//! A store with many messages: opened, listed and searched by a process of its own, so that its memory is its own.

use std::{
    ops::ControlFlow,
    path::Path,
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use skcomm_tui::{
    store::{Query, Store, StoreKey},
    wire::{Conversation, Fingerprint},
};

use crate::{
    figures::{Figure, median},
    process::{bytes_in, memory_mib},
    world::{conversation, message, now, text},
};

/// The argument that makes this program the process that opens the store.
pub(crate) const CHILD: &str = "--open-store";

/// Messages in the largest thread are half of all; the rest is spread over so many.
const THREADS: u64 = 20;
/// Messages that share a flush while the store is filled.
const BATCH: u64 = 512;
/// Content of every message, in bytes.
const BYTES: usize = 1024;
/// Filling takes no longer; then there are fewer messages.
const FILL_LIMIT: Duration = Duration::from_secs(180);
/// A word of one message in a thousand.
const RARE: &str = "quokka";
const RARE_EVERY: u64 = 1000;

fn key() -> StoreKey {
    StoreKey::new([42; 32])
}

fn thread(number: u64) -> Conversation {
    conversation(Fingerprint::from_bytes(&[0xA1; 20]).unwrap(), &format!("thread-{number}"))
}

/// What the other process found.
#[derive(Debug, Serialize, Deserialize)]
struct Found {
    rss_before: f64,
    open: Duration,
    newest_first: Duration,
    newest_again: Duration,
    rss_open: f64,
    first_hit: Duration,
    searched: Duration,
    hits: u64,
    scanned: u64,
    rss_searched: f64,
    rss_most: f64,
}

/// A store as large as `SKCOMM_BENCH_STORE` says.
pub(crate) fn measure() -> Vec<Figure> {
    measure_with(std::env::var("SKCOMM_BENCH_STORE").ok().map_or(100_000, |n| n.parse().unwrap()))
}

pub(crate) fn million() -> Vec<Figure> {
    measure_with(1_000_000)
}

fn measure_with(wanted: u64) -> Vec<Figure> {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("store");
    let Filled { count, filling, closing } = fill(&folder, wanted);
    let disk = bytes_in(&folder) as f64;
    let found = open_elsewhere(&folder, count);
    remove_snapshots(&folder);
    let unprepared = open_elsewhere(&folder, count);
    let content = count as f64 * BYTES as f64;
    vec![
        Figure::new("messages in the store", count as f64, "").note(format!("{BYTES} bytes of content each")),
        Figure::new("messages stored, a flush for each 512", count as f64 / filling.as_secs_f64(), "messages/s"),
        Figure::ms("close after that", closing).note("with a snapshot for the next start"),
        Figure::ms("open", found.open).note("files in the system's cache"),
        Figure::ms("open, nothing prepared when it was closed", unprepared.open)
            .note("as after a crash that no start before came near"),
        Figure::ms("newest 50 of a thread, the first time", found.newest_first)
            .note(format!("the thread has {} messages", count / 2)),
        Figure::ms("newest 50 of a thread, again", found.newest_again),
        Figure::ms("search, first hit of a rare word", found.first_hit).note("one message in 1000 has it"),
        Figure::ms("search, all messages", found.searched)
            .note(format!("{:.0} messages/s", found.scanned as f64 / found.searched.as_secs_f64())),
        Figure::new("memory, open and listed", found.rss_open, "MiB")
            .note(format!("resident; {:.0} MiB before opening", found.rss_before)),
        Figure::new("memory, after the search", found.rss_searched, "MiB")
            .note(format!("at most {:.0} MiB", found.rss_most)),
        Figure::new("disk", disk / 1024.0 / 1024.0, "MiB"),
        Figure::share("disk compared to the bare content", disk, content),
    ]
}

/// Has another process open the store, which has so many messages, and look around.
fn open_elsewhere(folder: &Path, count: u64) -> Found {
    let exe = std::env::current_exe().unwrap();
    let child = std::process::Command::new(exe).arg(CHILD).arg(folder).output().unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    let found: Found = serde_json::from_slice(&child.stdout).unwrap();
    assert_eq!((found.scanned, found.hits), (count, hits(count)), "the search did not see everything");
    found
}

/// Makes the engine read all that was ever written to it when it is opened.
fn remove_snapshots(folder: &Path) {
    for entry in std::fs::read_dir(folder.join("engine-1/sled")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
}

/// What filling a store came to.
struct Filled {
    count: u64,
    filling: Duration,
    closing: Duration,
}

/// Whether the message of this number has the rare word.
fn is_rare(number: u64) -> bool {
    number % RARE_EVERY == RARE_EVERY / 2
}

fn hits(count: u64) -> u64 {
    (0..count).filter(|&number| is_rare(number)).count() as u64
}

/// Fills a new store and closes it.
fn fill(folder: &Path, wanted: u64) -> Filled {
    let now = now();
    let store = Store::open(folder, &key(), now).unwrap().store;
    let begun = Instant::now();
    let mut count = 0;
    while count < wanted && (count % BATCH != 0 || begun.elapsed() < FILL_LIMIT) {
        let n = count;
        let mut content = text(BYTES, n);
        if is_rare(n) {
            content.replace_range(100..100 + RARE.len(), RARE);
        }
        let to = if n % 2 == 0 { 0 } else { 1 + n % THREADS };
        let at = now.plus_ms(-1000 * i64::try_from(wanted - n).unwrap());
        store.insert_incoming(&message(&thread(to), n, content, at)).unwrap();
        count += 1;
        if count % BATCH == 0 {
            store.flush().unwrap();
        }
    }
    store.flush().unwrap();
    let filling = begun.elapsed();
    let begun = Instant::now();
    drop(store);
    Filled { count, filling, closing: begun.elapsed() }
}

/// Opens the store, lists, searches, and prints what it found.
pub(crate) fn child(folder: &Path) {
    let me = std::process::id();
    let rss_before = memory_mib(me, "VmRSS");
    let begun = Instant::now();
    let opened = Store::open(folder, &key(), now()).unwrap();
    let open = begun.elapsed();
    assert!(opened.warnings.is_empty(), "{:?}", opened.warnings);
    let store = opened.store;
    let newest = || {
        let begun = Instant::now();
        let query = Query { conversation: Some(thread(0)), limit: 50, ..Query::default() };
        assert_eq!(store.history(&query).unwrap().len(), 50);
        begun.elapsed()
    };
    let newest_first = newest();
    let newest_again = median(&mut (0..101).map(|_| newest()).collect::<Vec<_>>());
    let rss_open = memory_mib(me, "VmRSS");
    let (begun, mut first_hit) = (Instant::now(), None);
    let end = store.search(RARE, None, &AtomicBool::new(false), |_, _| {
        first_hit.get_or_insert_with(|| begun.elapsed());
        ControlFlow::Continue(())
    });
    let (end, searched) = (end.unwrap(), begun.elapsed());
    let found = Found {
        rss_before,
        open,
        newest_first,
        newest_again,
        rss_open,
        first_hit: first_hit.unwrap(),
        searched,
        hits: end.hits,
        scanned: end.scanned,
        rss_searched: memory_mib(me, "VmRSS"),
        rss_most: memory_mib(me, "VmHWM"),
    };
    println!("{}", serde_json::to_string(&found).unwrap());
}
