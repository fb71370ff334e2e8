//! The running whole: owns the store, the identity, the delivery machine and the transports; takes
//! [`Command`]s, answers with [`Reply`]s and reports [`Event`]s. It draws nothing and parses no arguments.

mod acks;
mod api;
mod client;
mod clock;
mod commands;
mod compose;
mod core;
mod files;
mod handle;
mod held;
mod identity;
mod inbound;
mod keyring;
mod late;
mod ledger;
mod loops;
mod outbound;
mod pace;
mod paths;
mod people;
mod presence;
mod queries;
mod refusal;
mod room;
mod rpc;
mod setup;
mod socket;
mod start;
mod strangers;
mod throttle;
mod unseal;
mod unshown;
mod views;
mod wishes;
mod workers;
mod writer;

pub use api::*;
pub use files::{FileSend, Transfer, TransferState, size_text};
pub use handle::{Answer, EventStream, NodeHandle};
pub use presence::{PRESENT_MS, Presence};
pub use setup::{NewIdentity, SetupError, create_identity, unlock_identity};
pub use start::{Node, StartError};
