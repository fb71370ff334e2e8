//! Typed refusals of a relay.

use std::time::Duration;

use super::TEXT_BYTES;
use crate::wire::SafeText;

/// Kinds of refusals, with their numbers on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RefusalKind {
    /// None of the others, or one that this version does not know.
    Other = 0,
    /// The sender is over its rate.
    RateLimited = 1,
    /// The recipient's mailbox is full, or this sender's share of it.
    MailboxFull = 2,
    /// The relay as a whole is full.
    RelayFull = 3,
    /// The frame is larger than the relay takes.
    TooLarge = 4,
    /// The recipient has no mailbox here.
    NoMailbox = 5,
    /// The relay could not write.
    StorageFailed = 6,
    /// The login was not accepted.
    AuthRefused = 7,
    /// A message that does not belong there.
    Protocol = 8,
    /// No place for another connection, or too many failed logins from this address.
    Busy = 9,
    /// The relay is being stopped.
    Stopping = 10,
    /// Silence for too long, or what was sent was not read for too long.
    Idle = 11,
}

impl RefusalKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Other,
        Self::RateLimited,
        Self::MailboxFull,
        Self::RelayFull,
        Self::TooLarge,
        Self::NoMailbox,
        Self::StorageFailed,
        Self::AuthRefused,
        Self::Protocol,
        Self::Busy,
        Self::Stopping,
        Self::Idle,
    ];

    /// The number on the wire.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The kind with this number; [`RefusalKind::Other`] for one that is not known here.
    pub fn from_code(code: u8) -> Self {
        Self::ALL.get(usize::from(code)).copied().unwrap_or(Self::Other)
    }
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What a program switches on.
    pub kind: RefusalKind,
    /// When a new try makes sense; whole milliseconds, at most about 49 days.
    pub retry_after: Option<Duration>,
    /// One line for people.
    pub text: SafeText,
}

impl Refusal {
    /// A refusal of `kind`; a text over [`TEXT_BYTES`] is cut.
    pub fn new(kind: RefusalKind, text: &str) -> Self {
        Self { kind, retry_after: None, text: bounded_line(text, TEXT_BYTES) }
    }

    /// The same, with the time after which a new try makes sense.
    pub fn after(mut self, wait: Duration) -> Self {
        let ms = wait.as_millis().clamp(1, u128::from(u32::MAX));
        self.retry_after = Some(Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX)));
        self
    }
}

/// One harmless line of at most `most` bytes. Making a text harmless may make it longer, so it is cut afterwards.
pub(super) fn bounded_line(text: &str, most: usize) -> SafeText {
    let line = SafeText::line(text);
    let mut end = line.as_str().len().min(most);
    while !line.as_str().is_char_boundary(end) {
        end -= 1;
    }
    SafeText::line(&line.as_str()[..end])
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.text.fmt(f)
    }
}
