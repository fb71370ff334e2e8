//! The simulation for as many worlds as wanted: `tests/run --sim SEEDS`, or
//! `cargo bench --bench sim -- --seeds 1000 [--first SEED] [--nodes N] [--messages M] [--log]`.
//!
//! Without nodes and messages each seed makes a world of its own kind; with one of them it is the large world behind the
//! published figure. The first world that breaks an invariant ends the run with its seed and the command that shows it
//! again.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for developers"
)]

#[path = "../tests/sim/mod.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod sim;

use std::{
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use sim::{
    World,
    check::{Step, Violation},
    link::Link,
    report::Report,
    setting::Setting,
};

/// Worlds of a run without a number: what `cargo test --all-targets` goes through.
const FEW: u64 = 20;
/// The size of the large world where only one of its numbers is given.
const NODES: u64 = 2_000;
const MESSAGES: u64 = 1_000_000;

#[derive(Default)]
struct Wanted {
    seeds: Option<u64>,
    first: u64,
    nodes: Option<u64>,
    messages: Option<u64>,
    log: bool,
}

fn wanted() -> Result<Wanted, String> {
    let mut wanted = Wanted::default();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || {
            let value = args.next().and_then(|value| value.parse::<u64>().ok());
            value.ok_or(format!("{arg} wants a number"))
        };
        match arg.as_str() {
            "--seeds" => wanted.seeds = Some(number()?),
            "--first" => wanted.first = number()?,
            "--nodes" => wanted.nodes = Some(number()?.max(2)),
            "--messages" => wanted.messages = Some(number()?),
            "--log" => wanted.log = true,
            // Cargo says so.
            "--bench" => {}
            other => return Err(format!("{other} is not known: --seeds, --first, --nodes, --messages, --log are")),
        }
    }
    Ok(wanted)
}

fn setting(wanted: &Wanted, seed: u64) -> Setting {
    let mut setting = match (wanted.nodes, wanted.messages) {
        (None, None) => Setting::random(seed),
        (nodes, messages) => {
            let nodes = usize::try_from(nodes.unwrap_or(NODES)).unwrap();
            Setting::published(seed, nodes, messages.unwrap_or(MESSAGES))
        }
    };
    setting.log = wanted.log;
    setting
}

fn main() -> ExitCode {
    let wanted = match wanted() {
        Ok(wanted) => wanted,
        Err(what) => {
            eprintln!("{what}");
            return ExitCode::from(2);
        }
    };
    let (seeds, begun) = (wanted.seeds.unwrap_or(FEW), Instant::now());
    match run(&wanted, seeds) {
        Ok(mut total) => {
            tell(&mut total, seeds, begun.elapsed());
            ExitCode::SUCCESS
        }
        Err(violation) => {
            println!("FAILED {violation}");
            ExitCode::FAILURE
        }
    }
}

/// Goes through the worlds, one at a time on each processor, until one breaks an invariant.
fn run(wanted: &Wanted, seeds: u64) -> Result<Report, Violation> {
    let (next, end) = (AtomicU64::new(wanted.first), wanted.first.saturating_add(seeds));
    let (total, failed) = (Mutex::new(Report::default()), Mutex::new(None));
    let work = || {
        while failed.lock().unwrap().is_none() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            match World::new(setting(wanted, seed)).run() {
                Ok(report) => total.lock().unwrap().add(&report),
                Err(violation) => *failed.lock().unwrap() = Some(violation),
            }
        }
    };
    // A log of several worlds at once could not be read.
    let threads = if wanted.log { 1 } else { thread::available_parallelism().map_or(1, usize::from) };
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    match failed.into_inner().unwrap() {
        Some(violation) => Err(violation),
        None => Ok(total.into_inner().unwrap()),
    }
}

fn tell(total: &mut Report, seeds: u64, took: Duration) {
    println!("{seeds} worlds in {:.1} s, no invariant broken", took.as_secs_f64());
    println!(
        "{} messages: {} delivered, {} lost, {} shown twice",
        total.composed, total.delivered, total.lost, total.shown_twice
    );
    println!(
        "given up with a reason: {} expired, {} for a full queue, {} refused by a full or dying store",
        total.expired, total.queue_full, total.refused
    );
    println!(
        "{} sends, {} acks, {} sent again, {} duplicates dropped, {} damaged frames dropped, {} failovers",
        total.sends, total.ack_sends, total.resent, total.duplicates, total.corrupted, total.failovers
    );
    let at: Vec<String> = Step::ALL.iter().zip(total.crashes_at).map(|(step, n)| format!("{step:?} {n}")).collect();
    println!("{} crashes: {}", total.crashes, at.join(", "));
    let share = |bytes: u64| 100.0 * bytes as f64 / total.message_bytes.max(1) as f64;
    println!("bytes on the wire: {:.1} % of the envelopes alone", share(total.wire_bytes));
    println!("{} calls of the machine, {:.0} a second", total.calls, total.calls as f64 / took.as_secs_f64());
    println!("composed to verified ack: {}", spread(&mut total.delivery_ms));
    for (link, times) in Link::ALL.iter().zip(&mut total.by_link) {
        for (after, times) in [("an error", &mut times.after_error), ("silence", &mut times.after_silence)] {
            if !times.is_empty() {
                println!("failover from {} after {after}: {}", link.title(), spread(times));
            }
        }
    }
}

fn spread(ms: &mut [u32]) -> String {
    ms.sort_unstable();
    let at = |percent: usize| ms.get((ms.len() * percent / 100).min(ms.len().saturating_sub(1))).copied().unwrap_or(0);
    format!("p50 {} ms, p90 {} ms, p99 {} ms ({} of them)", at(50), at(90), at(99), ms.len())
}
