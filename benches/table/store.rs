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

pub(crate) fn measure() -> Vec<Figure> {
    let count: u64 = std::env::var("SKCOMM_BENCH_STORE").ok().map_or(100_000, |n| n.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("store");
    let filled = fill(&folder, count);
    let disk = bytes_in(&folder) as f64;
    let exe = std::env::current_exe().unwrap();
    let child = std::process::Command::new(exe).arg(CHILD).arg(&folder).output().unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    let found: Found = serde_json::from_slice(&child.stdout).unwrap();
    assert_eq!((found.scanned, found.hits), (count, count / RARE_EVERY), "the search did not see everything");
    let content = count as f64 * BYTES as f64;
    vec![
        Figure::new("messages in the store", count as f64, "").note(format!("{BYTES} bytes of content each")),
        Figure::new("messages stored, a flush for each 512", count as f64 / filled.as_secs_f64(), "messages/s"),
        Figure::ms("open", found.open).note("files in the system's cache"),
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

/// Fills a new store and closes it.
fn fill(folder: &Path, count: u64) -> Duration {
    let now = now();
    let store = Store::open(folder, &key(), now).unwrap().store;
    let begun = Instant::now();
    for n in 0..count {
        let mut content = text(BYTES, n);
        if n % RARE_EVERY == RARE_EVERY / 2 {
            content.replace_range(100..100 + RARE.len(), RARE);
        }
        let to = if n % 2 == 0 { 0 } else { 1 + n % THREADS };
        let at = now.plus_ms(-1000 * i64::try_from(count - n).unwrap());
        store.insert_incoming(&message(&thread(to), n, content, at)).unwrap();
        if n % BATCH == BATCH - 1 {
            store.flush().unwrap();
        }
    }
    store.flush().unwrap();
    begun.elapsed()
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
