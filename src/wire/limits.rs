//! Bounds on everything that comes from outside, enforced before anything is allocated for it.

/// Largest encoded envelope, in bytes.
pub const ENVELOPE_BYTES: usize = 16 * 1024 * 1024;
/// Largest text of one message, in bytes of UTF-8.
pub const TEXT_BYTES: usize = 1024 * 1024;
/// Largest name of a person or agent, in bytes of UTF-8.
pub const NAME_BYTES: usize = 256;
/// Largest thread id, in bytes of UTF-8.
pub const THREAD_ID_BYTES: usize = 256;
/// Largest certificate, in bytes, binary or armored.
pub const CERTIFICATE_BYTES: usize = 1024 * 1024;
/// Most routes a peer may have over all transports.
pub const PATHS_PER_PEER: usize = 64;
/// Most messages that wait for one peer.
pub const QUEUED_PER_PEER: usize = 10_000;
/// A body whose JSON is longer than this, in bytes, is compressed before it is encrypted: a content of more than 1 KiB and
/// its headers. Below, compressing costs more than encrypting and saves little.
pub const COMPRESS_ABOVE_BYTES: usize = 1536;
/// Largest sealed body after inflation, in bytes.
pub const BODY_BYTES: usize = 8 * 1024 * 1024;
/// The longest time-to-live a sender may ask for, in seconds (28 days, as long as dedup marks are kept).
pub const TTL_SECONDS_MAX: u64 = 28 * 24 * 3600;
/// How far into the future a timestamp may lie before the envelope is refused, in milliseconds.
pub const FUTURE_SKEW_MS: i64 = 24 * 3600 * 1000;
/// Deepest nesting of JSON.
pub const JSON_DEPTH: usize = 32;
/// Most values (objects, lists, strings, numbers, literals) in one JSON text.
pub const JSON_VALUES: usize = 65_536;
/// Largest detached signature, in bytes of armor; the largest post-quantum ones fit.
pub const SIGNATURE_BYTES: usize = 128 * 1024;
/// Longest name of a payload type, in bytes of ASCII.
pub const PAYLOAD_TYPE_BYTES: usize = 64;
/// Longest media type, in bytes of ASCII (RFC 6838 section 4.2 allows 127 on either side of the slash).
pub const CONTENT_TYPE_BYTES: usize = 255;
/// Most transports an envelope may name in one list.
pub const TRANSPORTS: usize = 64;
/// Longest name of a transport, in bytes.
pub const TRANSPORT_NAME_BYTES: usize = 64;
/// Most retries a sender may ask for.
pub const RETRIES_MAX: u32 = 1_000;
/// Most messages one ack or read receipt may name.
pub const ACK_ITEMS: usize = 1_000;
/// The smallest size a sealed-mode body is padded to, in bytes; every further step is twice the one before.
pub const PAD_STEP_BYTES: usize = 512;
/// Largest certificate that may introduce a sender, in bytes of armor.
pub const INTRODUCTION_BYTES: usize = 64 * 1024;
/// Most reply routes an introduction may name.
pub const REPLY_ROUTES: usize = 8;
/// Longest address of a reply route, in bytes.
pub const ADDRESS_BYTES: usize = 1024;
/// Longest name of a file that is offered, in bytes of UTF-8; the name it gets here is shorter.
pub const FILE_NAME_BYTES: usize = 1024;
/// Smallest chunk of a file, the last one left out, in bytes.
pub const FILE_CHUNK_BYTES_MIN: u64 = 4 * 1024;
/// Largest chunk of a file, in bytes.
pub const FILE_CHUNK_BYTES_MAX: u64 = 1024 * 1024;
/// Most chunks of one file.
pub const FILE_CHUNKS: u64 = 262_144;
/// Longest reason that comes with a file's standing, in bytes of UTF-8.
pub const FILE_REASON_BYTES: usize = 1024;
