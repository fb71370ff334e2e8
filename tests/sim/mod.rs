//! The deterministic simulation: nodes with the real delivery machine, an outbox and an index of what came in, in
//! virtual time; between them named links, partitions, corruption, clock jumps, full disks and crashes between any
//! two steps. Everything follows from the seed, and what must be true is checked at every step.
//!
//! The integration tests, the command (`tests/run --sim`) and the bench table share it.

mod accidents;
mod agenda;
pub(crate) mod check;
mod disk;
pub(crate) mod link;
mod node;
pub(crate) mod report;
pub(crate) mod setting;
mod traffic;
mod world;

pub(crate) use world::World;
