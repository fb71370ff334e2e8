//! skcomm-tui: one message, many paths.
//!
//! The library behind the binaries `skcomm-tui` (the screen) and `skcomm` (the command line).
//! `ARCHITECTURE.md` names the rooms and who may know whom.

/// For every binary and test: messages are many small allocations on many threads (docs/benchmarks.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// To be called first thing in every program: no huge pages for this process. The allocator spreads many small pieces over
/// its memory, so that the system gives (and wipes) 2 MiB where a few KiB are used; docs/benchmarks.md has the figures.
pub fn use_small_pages() {
    // Where it cannot be set the program takes more memory, and nothing else.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

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
