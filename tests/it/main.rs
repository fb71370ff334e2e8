//! Tests of the whole: real nodes, real transports, the real binaries.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout
)]

mod bad_disks;
#[cfg(debug_assertions)]
mod broken_disk;
mod cli;
#[cfg(debug_assertions)]
mod crash_points;
mod durability;
#[cfg(debug_assertions)]
mod file_crashes;
mod files;
mod floods;
mod gate;
mod hostile;
mod ledger;
mod letters;
#[cfg(feature = "matrix")]
mod matrix;
mod mortal;
#[cfg(feature = "nats")]
mod nats;
mod nodes;
#[cfg(feature = "nostr")]
mod nostr;
mod policies;
mod presence;
mod pressure;
#[cfg(feature = "nats")]
mod relay_cluster;
#[cfg(feature = "nats")]
mod relay_store;
mod screen;
#[path = "../servers/mod.rs"]
#[allow(dead_code, reason = "who uses what depends on the transports that are built in")]
mod servers;
#[path = "../sim/mod.rs"]
#[allow(dead_code, reason = "the bench table uses more of it")]
mod sim;
mod simulation;
mod soak;
mod support;
mod terminal;
