//! skcomm-tui: one message, many paths.
//!
//! The library behind the binaries `skcomm-tui` (the screen) and `skcomm` (the command line).
//! `ARCHITECTURE.md` names the rooms and who may know whom.

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

#[cfg(test)]
mod rooms;
