//! What travels: the envelope, its identifiers, its limits and its codecs.
//!
//! This room is pure: it does no I/O, reads no clock and knows no key. `docs/protocol.md` describes what it
//! reads and writes so that somebody else could.

mod ack;
mod body;
mod canonical;
mod codec;
mod digest;
mod envelope;
mod fields;
mod file;
mod ids;
mod json;
pub mod limits;
#[cfg(test)]
mod tests;
mod text;
mod time;

pub use ack::{AckBody, AckItem, ReadReceiptBody};
pub use body::{BodyError, Content, HeaderMismatch, ReplyRoute, SealedBody};
pub use codec::{DecodeError, Dialect, Received};
pub use digest::{Digest, DigestError};
pub use envelope::{Envelope, Metadata, Mode, Party, Payload, PayloadType, Routing, UnknownWord, Urgency};
pub use fields::FieldError;
pub use file::{FileBody, FileChunk, FileManifest, FileStatus, FileWord};
pub use ids::{Conversation, EnvelopeId, Fingerprint, IdError, ThreadId};
pub use json::JsonError;
pub use text::SafeText;
pub use time::Timestamp;
