//! skcomm-tui: one message, many paths.
//!
//! The library behind the binaries `skcomm-tui` (the screen) and `skcomm` (the command line).
//! `ARCHITECTURE.md` names the rooms and who may know whom.

/// For every binary and test: messages are many small allocations on many threads (docs/benchmarks.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[cfg(test)]
mod rooms;

pub mod cli;
pub mod delivery;
pub mod demo;
pub mod home;
pub mod identity;
pub mod launch;
pub mod node;
pub mod pgp;
pub mod serve;
pub mod store;
pub mod transport;
pub mod tui;
pub mod wire;
