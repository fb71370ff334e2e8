//! What travels: the envelope, its identifiers, its limits and its codecs.
//!
//! This room is pure: it does no I/O, reads no clock and knows no key.

mod envelope;
mod ids;
pub mod limits;
mod text;
mod time;

pub use envelope::{Envelope, Metadata, Mode, Party, Payload, PayloadType, Routing, Urgency};
pub use ids::{Conversation, EnvelopeId, Fingerprint, IdError, ThreadId};
pub use text::SafeText;
pub use time::Timestamp;
