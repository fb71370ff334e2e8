//! The published figure: a million messages between thousands of nodes, in virtual time, with every accident; and how
//! long it takes to leave each named link.

use std::time::Instant;

use crate::{
    figures::{Figure, percentile},
    simulation::{World, link::Link, report::Report, setting::Setting},
};

const SEED: u64 = 20_261_124;
const NODES: usize = 2_000;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |number| number.parse().expect("a number"))
}

pub(crate) fn measure() -> Vec<Figure> {
    let (seed, messages) = (number("SKCOMM_BENCH_SIM_SEED", SEED), number("SKCOMM_BENCH_SIM_MESSAGES", 1_000_000));
    let begun = Instant::now();
    let report = World::new(Setting::published(seed, NODES, messages)).run();
    let took = begun.elapsed();
    let mut report = report.unwrap_or_else(|violation| panic!("{violation}"));
    let composed = Figure::new("messages", report.composed as f64, "")
        .note(format!("{NODES} nodes, seed {seed}; every figure below but the last is in virtual time"));
    let mut figures = vec![
        composed,
        Figure::new("messages lost", report.lost as f64, "").at_most(0.0),
        Figure::new("messages shown twice", report.shown_twice as f64, "").at_most(0.0),
        Figure::new("messages delivered", report.delivered as f64, "").note(format!(
            "{} expired; {} refused by a full or dying store, their writers told",
            report.expired, report.refused
        )),
        Figure::new("crashes", report.crashes as f64, "").note(format!(
            "and {} failed flushes, {} clock jumps noticed, {} damaged frames",
            report.full_flushes, report.jumps_seen, report.corrupted
        )),
    ];
    figures.extend(wire(&report));
    figures.extend(delivery(&mut report));
    for (link, times) in Link::ALL.iter().zip(&mut report.by_link) {
        figures.extend(failover(*link, "an error", &mut times.after_error));
        figures.extend(failover(*link, "silence", &mut times.after_silence));
    }
    let rate = report.composed as f64 / took.as_secs_f64();
    figures.push(Figure::new("simulated messages", rate, "messages/s").note(format!(
        "{} calls of the machine in {:.0} s on one core",
        report.calls,
        took.as_secs_f64()
    )));
    figures
}

fn wire(report: &Report) -> Vec<Figure> {
    let delivered = report.delivered.max(1) as f64;
    vec![
        Figure::new("sent again of messages for one path", 100.0 * report.resent as f64 / delivered, "%")
            .note("copies beyond the first; broadcast, speed and critical messages left out"),
        Figure::new("duplicates that arrived and were dropped", 100.0 * report.duplicates as f64 / delivered, "%")
            .note("two frames in a hundred are doubled by the links themselves"),
        Figure::new("frames a message", (report.sends + report.ack_sends) as f64 / delivered, "")
            .note(format!("{} of messages, {} of acks", report.sends, report.ack_sends)),
        Figure::share(
            "bytes on the wire compared to the envelopes alone",
            report.wire_bytes as f64,
            report.message_bytes as f64,
        )
        .note("envelopes of 0.8 to 4 kB; acks of 1.1 kB, 130 bytes for each further message they name"),
    ]
}

fn delivery(report: &mut Report) -> Vec<Figure> {
    let all = &mut report.delivery_ms;
    [(50, "p50"), (90, "p90"), (99, "p99")]
        .into_iter()
        .filter_map(|(percent, name)| Some((name, percentile(all, percent)?)))
        .map(|(name, ms)| Figure::new(format!("composed to verified ack, {name}"), f64::from(ms), "ms"))
        .collect()
}

fn failover(link: Link, after: &str, times: &mut [u32]) -> Option<Figure> {
    // Fewer say nothing about a distribution.
    if times.len() < 100 {
        return None;
    }
    let p50 = percentile(times, 50)?;
    let (p90, p99) = (percentile(times, 90)?, percentile(times, 99)?);
    let name = format!("failover from {} after {after}, send to next send, p50", link.title());
    let note = format!("p90 {p90} ms, p99 {p99} ms; {} failovers", times.len());
    Some(Figure::new(name, f64::from(p50), "ms").note(note))
}
