//! The deterministic simulation: nodes with the real delivery machine, an outbox and an index of what came in, in
//! virtual time; between them named links, partitions, corruption, clock jumps, full disks, stalls and crashes between
//! any two steps. Everything follows from the seed, and what must be true is checked at every step.
//!
//! The integration tests, the command (`tests/run --sim`) and the bench table share it.

mod accidents;
mod acks;
mod actions;
mod agenda;
pub(crate) mod check;
mod crash;
mod disk;
mod files;
pub(crate) mod link;
mod node;
mod people;
pub(crate) mod report;
mod rules;
pub(crate) mod setting;
mod traffic;
mod watch;
mod world;

pub(crate) use world::World;
