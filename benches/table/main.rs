//! What the program costs, measured: one table, also as JSON. `cargo bench --bench table -- crypto tcp` runs the
//! named sections only. Figures are ratios against a bare reference of the same run wherever that is possible,
//! because this table is made on shared and noisy machines. `docs/benchmarks.md` explains each line.
//!
//! `SKCOMM_BENCH_JSON` names the JSON file, `SKCOMM_BENCH_STORE` the number of messages in the large store,
//! `SKCOMM_BENCH_FILE` the MiB of the file in the section `files`, `SKCOMM_BENCH_CLIENTS` the idle clients of the relay,
//! `SKCOMM_BENCH_NETWORKS` the transports of the section `networks` (a list with commas), `SKCOMM_BENCH_SIM_MESSAGES` and
//! `SKCOMM_BENCH_SIM_SEED` the simulated world.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that cannot be made must say so loudly"
)]

mod apart;
mod crypto;
mod figures;
mod files;
#[path = "../../tests/it/gate.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod gate;
mod networks;
mod paths;
mod process;
mod router;
mod screen;
#[path = "../../tests/servers/mod.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod servers;
mod sim;
#[path = "../../tests/sim/mod.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod simulation;
mod start;
mod store;
mod wire;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use figures::{Figure, Table};

/// A section: its name and what it measures.
type Section = (&'static str, fn() -> Vec<Figure>);

const SECTIONS: &[Section] = &[
    ("crypto", crypto::measure),
    ("tcp", paths::tcp),
    ("file", paths::file),
    ("relay", paths::relay),
    ("files", files::measure),
    ("networks", networks::measure),
    ("router", router::measure),
    ("sim", sim::measure),
    ("wire", wire::measure),
    ("store", store::measure),
    ("million", store::million),
    ("screen", screen::measure),
    ("start", start::measure),
];

fn main() {
    // As the programs do.
    skcomm_tui::use_small_pages();
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [store::CHILD, folder] => return store::child(folder.as_ref()),
        [apart::CHILD, folder] => return apart::child(folder.as_ref()),
        [router::CHILD] => return router::child(),
        _ => {}
    }
    // `cargo test --all-targets` runs benches, too. To it, that this was built is enough.
    if !args.iter().any(|arg| arg == "--bench") {
        eprintln!("nothing is measured without --bench, which `cargo bench` adds");
        return;
    }
    // Cargo passes `--bench`; names choose sections.
    let wanted: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    if let Some(unknown) = wanted.iter().find(|name| SECTIONS.iter().all(|(known, _)| known != *name)) {
        let known: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
        eprintln!("no section is called {unknown}; there are: {}", known.join(", "));
        std::process::exit(2);
    }
    let mut table = Table::begin();
    for &(name, measure) in SECTIONS {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| *wanted == name) {
            continue;
        }
        eprintln!("measuring {name} …");
        let measured = catch_unwind(AssertUnwindSafe(measure));
        table.add(name, measured.unwrap_or_else(|why| vec![Figure::not_measured("everything", figures::said(&*why))]));
    }
    print!("{table}");
    let path = std::env::var_os("SKCOMM_BENCH_JSON").unwrap_or_else(|| "target/bench.json".into());
    match table.write_json(path.as_ref()) {
        Ok(()) => println!("\nwritten to {}", path.display()),
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            std::process::exit(1);
        }
    }
}
