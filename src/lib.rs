//! skcomm-tui: one message, many paths.
//!
//! The library behind the binaries `skcomm-tui` (the screen) and `skcomm` (the command line).
//! `ARCHITECTURE.md` names the rooms and who may know whom; a room imports only rooms below it:
//! `wire`, `pgp` < `identity`, `home`, `delivery` < `store`, `transport` < `node` < the faces.

pub mod cli;
pub mod delivery;
pub mod demo;
pub mod home;
pub mod identity;
pub mod node;
pub mod pgp;
pub mod serve;
pub mod store;
pub mod transport;
pub mod wire;
