//! The running whole: owns the store, the identity, the delivery machine and the transports; takes
//! [`Command`]s, answers with [`Reply`]s and reports [`Event`]s. It draws nothing and parses no arguments.

mod api;
mod client;
mod handle;
mod rpc;
mod socket;

pub use api::*;
pub use handle::{EventStream, NodeHandle};
