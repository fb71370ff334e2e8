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
/// Content longer than this, in bytes, is compressed before it is encrypted.
pub const COMPRESS_ABOVE_BYTES: usize = 1024;
/// Largest sealed body after inflation, in bytes.
pub const BODY_BYTES: usize = 8 * 1024 * 1024;
/// The longest time-to-live a sender may ask for, in seconds (28 days, as long as dedup marks are kept).
pub const TTL_SECONDS_MAX: u64 = 28 * 24 * 3600;
/// How far into the future a timestamp may lie before the envelope is refused, in milliseconds.
pub const FUTURE_SKEW_MS: i64 = 24 * 3600 * 1000;
