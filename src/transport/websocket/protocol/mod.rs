//! The relay protocol `skcomm-relay.v1`: what client and relay say to each other over one WebSocket.
//!
//! Every message is one binary WebSocket message: a tag byte, then fields of fixed or length-prefixed
//! size, integers in network byte order. `docs/relay.md` describes it for other implementations. This
//! module is pure: bytes in, bytes out, every length checked before it is used.

mod auth;
mod codec;
mod refusal;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use thiserror::Error;

pub use auth::{signed_bytes, token_matches, token_proof};
pub use refusal::{Refusal, RefusalKind};

use crate::wire::{Fingerprint, SafeText, Timestamp, limits};

/// The WebSocket subprotocol both sides must name (RFC 6455 section 11.3.4). A change that an old
/// peer would misread gets another number.
pub const SUBPROTOCOL: &str = "skcomm-relay.v1";
/// Most bytes a message has before its frame: tag, sequence number, recipient.
pub const OVERHEAD_BYTES: usize = 1 + 8 + 1 + 32;
/// Largest message either side may send once the client is welcome, in bytes.
pub const MESSAGE_BYTES: usize = limits::ENVELOPE_BYTES + OVERHEAD_BYTES;
/// Largest message either side may send before that, in bytes.
pub const AUTH_BYTES: usize = 320 * 1024;
/// Largest armored certificate a client may log in with, in bytes.
pub const CERTIFICATE_BYTES: usize = 160 * 1024;
/// Largest armored signature, in bytes.
pub const SIGNATURE_BYTES: usize = 128 * 1024;
/// Largest name of a relay or host, in bytes of UTF-8.
pub const NAME_BYTES: usize = 255;
/// Largest text of a refusal, in bytes of UTF-8.
pub const TEXT_BYTES: usize = 512;

/// Why bytes are not a message of this protocol.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ProtocolError {
    /// Nothing at all.
    #[error("an empty message")]
    Empty,
    /// A tag this side does not know, or that only the other side may send.
    #[error("an unknown message (tag 0x{0:02x})")]
    UnknownTag(u8),
    /// It ends inside a field.
    #[error("the message ends inside `{0}`")]
    Truncated(&'static str),
    /// Bytes follow the last field.
    #[error("{0} bytes follow the last field")]
    Trailing(usize),
    /// A field is longer than allowed.
    #[error("`{0}` is longer than allowed")]
    TooLong(&'static str),
    /// A field has a value that is not allowed.
    #[error("`{0}` has no valid value")]
    Invalid(&'static str),
}

/// The first message of a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Fresh randomness, to be signed.
    pub nonce: [u8; 32],
    /// The relay's clock, so that a client can tell its user about a clock that is far off.
    pub time: Timestamp,
    /// Whether the relay wants the shared token proved as well.
    pub token_required: bool,
    /// The relay's name, for people.
    pub name: SafeText,
}

/// How much may be under way in one direction without an answer. A single message may always be under
/// way, whatever its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Messages.
    pub messages: u16,
    /// Bytes of frames.
    pub bytes: u32,
}

/// The client's login: its answer to a [`Challenge`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// The key that signed, and the name of the mailbox.
    pub fingerprint: Fingerprint,
    /// The relay as the client dialled it: `host:port`, lower case.
    pub host: String,
    /// What the client is ready to receive; no messages means that it only sends.
    pub receive: Window,
    /// The proof of the shared token, see [`token_proof`].
    pub token_proof: Option<[u8; 32]>,
    /// The OpenPGP certificate, armored or binary.
    pub certificate: Bytes,
    /// The detached OpenPGP signature over [`signed_bytes`].
    pub signature: Bytes,
}

/// The relay's consent to a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// Largest frame the relay takes, in bytes.
    pub max_frame: u32,
    /// How much the client may send ahead of answers.
    pub window: Window,
    /// How long the relay keeps a frame, in seconds.
    pub keep_seconds: u32,
    /// After how many seconds of silence the relay closes the connection; a client pings well before.
    pub silence_seconds: u16,
}

/// What a relay says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromRelay {
    /// First of all: sign this.
    Challenge(Challenge),
    /// The login is fine.
    Welcome(Welcome),
    /// The frame with this number is in the recipient's mailbox.
    Stored {
        /// The number the client gave it.
        seq: u64,
        /// Whether it survives a crash of the relay.
        durable: bool,
    },
    /// The frame with this number was not taken.
    Refused {
        /// The number the client gave it.
        seq: u64,
        /// Why.
        refusal: Refusal,
    },
    /// A frame out of the client's own mailbox.
    Deliver {
        /// Names it in [`FromClient::Taken`]; rises in the order of arrival.
        id: u64,
        /// The frame.
        frame: Bytes,
    },
    /// The relay closes the connection.
    Bye(Refusal),
}

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromClient {
    /// The login.
    Auth(Auth),
    /// Put this frame into the recipient's mailbox.
    Put {
        /// A number of the client's choice, unique among those without answer.
        seq: u64,
        /// Whose mailbox.
        recipient: Fingerprint,
        /// The frame.
        frame: Bytes,
    },
    /// The frame is durable at the client, or will never be wanted: delete it.
    Taken {
        /// Its id.
        id: u64,
    },
    /// Not now: keep it and bring it again later.
    Later {
        /// Its id.
        id: u64,
    },
}
