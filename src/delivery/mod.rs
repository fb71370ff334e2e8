//! The router's mind: a deterministic state machine that chooses paths, breaks circuits, retries,
//! waits for acks, expires and fails over. It does no I/O, spawns nothing and reads no clock: time and
//! randomness are handed in.

mod admission;
mod breaker;
mod capability;
mod carrier;
mod choice;
mod config;
mod event;
mod flow;
mod health;
mod machine;
mod message;
mod network;
mod outcome;
mod peer;
mod plan;
mod policy;
mod queue;
mod reason;
mod retry;
mod rtt;
mod schedule;
mod score;
mod state;
mod timer;

#[cfg(test)]
mod tests;

pub use breaker::Breaker;
pub use capability::{Capabilities, Cost, Guarantee, LatencyClass, Leak, TransportId, TransportIdError};
pub use config::Config;
pub use event::{Action, AttemptId, Input, Now, Outgoing, QueueCounts, Retry};
pub use health::PathHealth;
pub use machine::Machine;
pub use plan::{Candidate, PlanRequest, RoutePlan, Skipped};
pub use policy::{Policy, UnknownPolicy};
pub use reason::{Reason, ReasonKind};
pub use schedule::{Bulk, Schedule, WINDOWS_MAX, Window, WindowError};
pub use state::{AttemptOutcome, AttemptRecord, MessageState};
