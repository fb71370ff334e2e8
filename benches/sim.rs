//! The simulation for as many worlds as wanted: `tests/run --sim SEEDS`, or
//! `cargo bench --bench sim -- --seeds 1000 [--first SEED] [--nodes N] [--messages M] [--defect NAME] [--log]`.
//!
//! Without nodes and messages each seed makes a world of its own kind; with one of them it is the large world behind the
//! published figure. The first world that breaks an invariant ends the run with its seed and the command that shows it
//! again. A defect is put into each world on purpose, to see that it is noticed.
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
    setting::{Fault, Setting},
};

/// Worlds of a run without a number: what `cargo test --all-targets` goes through.
const FEW: u64 = 20;
/// The size of the large world where only one of its numbers is given.
const NODES: u64 = 2_000;
const MESSAGES: u64 = 1_000_000;
/// How often a long run shows that it goes on.
const EVERY: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Wanted {
    seeds: Option<u64>,
    first: u64,
    nodes: Option<u64>,
    messages: Option<u64>,
    defect: Option<Fault>,
    log: bool,
}

fn wanted() -> Result<Wanted, String> {
    let mut wanted = Wanted::default();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || {
            let value = args.next().and_then(|value| value.replace('_', "").parse::<u64>().ok());
            value.ok_or(format!("{arg} wants a number"))
        };
        match arg.as_str() {
            "--seeds" => wanted.seeds = Some(number()?),
            "--first" => wanted.first = number()?,
            "--nodes" => wanted.nodes = Some(number()?.max(2)),
            "--messages" => wanted.messages = Some(number()?),
            "--defect" => wanted.defect = Some(defect(args.next())?),
            "--log" => wanted.log = true,
            // Cargo says so.
            "--bench" => {}
            other => {
                let known = "--seeds, --first, --nodes, --messages, --defect, --log";
                return Err(format!("{other} is not known: {known} are"));
            }
        }
    }
    if wanted.defect.is_some() && (wanted.nodes.is_some() || wanted.messages.is_some()) {
        return Err("a defect is put into small worlds only: leave out --nodes and --messages".to_owned());
    }
    Ok(wanted)
}

fn defect(name: Option<String>) -> Result<Fault, String> {
    let known = || Fault::ALL.map(|fault| format!("{fault:?}")).join(", ");
    let found = name.as_deref().and_then(Fault::named);
    found.ok_or_else(|| format!("--defect wants one of {}", known()))
}

fn setting(wanted: &Wanted, seed: u64) -> Setting {
    let mut setting = match (wanted.defect, wanted.nodes, wanted.messages) {
        (Some(fault), ..) => Setting::with(seed, fault),
        (None, None, None) => Setting::random(seed),
        (None, nodes, messages) => {
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
    println!("{seeds} worlds from seed {} on", wanted.first);
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
    let told = Mutex::new(Instant::now());
    let (total, failed) = (Mutex::new(Report::default()), Mutex::new(None));
    let work = || {
        while failed.lock().unwrap().is_none() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            match World::new(setting(wanted, seed)).run() {
                Ok(report) => {
                    total.lock().unwrap().add(&report);
                    tell_progress(&told, seed);
                }
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

/// Shows that it goes on, now and then.
fn tell_progress(told: &Mutex<Instant>, seed: u64) {
    let mut told = told.lock().unwrap();
    if told.elapsed() >= EVERY {
        *told = Instant::now();
        eprintln!("seed {seed} is done");
    }
}

fn tell(total: &mut Report, seeds: u64, took: Duration) {
    println!("{seeds} worlds in {:.1} s, no invariant broken", took.as_secs_f64());
    println!(
        "{} messages: {} delivered, {} lost, {} shown twice",
        total.composed, total.delivered, total.lost, total.shown_twice
    );
    println!(
        "given up with a reason: {} expired, {} for a full queue, {} by their writer, {} refused by a full or dying store",
        total.expired, total.queue_full, total.cancelled, total.refused
    );
    println!(
        "{} sends, {} acks, {} sent again, {} duplicates dropped, {} damaged frames dropped, {} failovers",
        total.sends, total.ack_sends, total.resent, total.duplicates, total.corrupted, total.failovers
    );
    println!(
        "{} files of {} chunks, all whole; {} chunks began their way a second time",
        total.files, total.file_chunks, total.chunks_again
    );
    let at: Vec<String> = Step::ALL.iter().zip(total.crashes_at).map(|(step, n)| format!("{step:?} {n}")).collect();
    println!("{} crashes: {}", total.crashes, at.join(", "));
    println!(
        "{} failed flushes, {} stalls, {} clock jumps noticed, {} times told to come later, {} sends by hours or limits",
        total.full_flushes, total.stalls, total.jumps_seen, total.slowed, total.ruled
    );
    let share = |bytes: u64| 100.0 * bytes as f64 / total.message_bytes.max(1) as f64;
    println!("bytes on the wire: {:.1} % of the messages' envelopes alone, files included", share(total.wire_bytes));
    println!("{} calls of the machine, {:.0} a second", total.calls, total.calls as f64 / took.as_secs_f64());
    println!("composed to verified ack: {}", spread(&mut total.delivery_ms));
    tell_failovers(total);
}

/// From the send to the send over the next path, for each link, as a table.
fn tell_failovers(total: &mut Report) {
    println!("\n| failover from | after | p50 | p90 | p99 | failovers |");
    println!("|---|---|---:|---:|---:|---:|");
    for (link, times) in Link::ALL.iter().zip(&mut total.by_link) {
        for (after, times) in [("an error", &mut times.after_error), ("silence", &mut times.after_silence)] {
            if !times.is_empty() {
                let [p50, p90, p99] = percentiles(times);
                let many = times.len();
                println!("| {} | {after} | {p50} ms | {p90} ms | {p99} ms | {many} |", link.title());
            }
        }
    }
}

fn percentiles(ms: &mut [u32]) -> [u32; 3] {
    ms.sort_unstable();
    [50, 90, 99].map(|percent| ms.get((ms.len() * percent / 100).min(ms.len().saturating_sub(1))).copied().unwrap_or(0))
}

fn spread(ms: &mut [u32]) -> String {
    let [p50, p90, p99] = percentiles(ms);
    format!("p50 {p50} ms, p90 {p90} ms, p99 {p99} ms ({} of them)", ms.len())
}
