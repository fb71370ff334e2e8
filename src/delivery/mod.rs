//! The router's mind: a deterministic state machine that chooses paths, breaks circuits, retries,
//! waits for acks, expires and fails over. It does no I/O, spawns nothing and reads no clock: time and
//! randomness are handed in.

mod capability;
mod reason;
mod state;

pub use capability::{Capabilities, LatencyClass, Leak, TransportId, TransportIdError};
pub use reason::{Reason, ReasonKind};
pub use state::{AttemptOutcome, AttemptRecord, MessageState};
