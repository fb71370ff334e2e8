//! Why something was refused, held, dropped or failed over.

use serde::{Deserialize, Serialize};

use crate::wire::SafeText;

/// A typed reason: a kind that a face can switch on and a line for the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// What kind of thing happened.
    pub kind: ReasonKind,
    /// One line that says what happened and, where possible, what to do.
    pub detail: SafeText,
}

impl Reason {
    /// A reason of `kind`; `detail` may hold foreign text.
    pub fn new(kind: ReasonKind, detail: impl AsRef<str>) -> Self {
        Self { kind, detail: SafeText::line(detail.as_ref()) }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.detail.fmt(f)
    }
}

/// Kinds of reasons. The snake_case names are part of the JSON interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonKind {
    /// The peer or server refused the connection or could not be reached.
    Unreachable,
    /// No answer within the deadline.
    Timeout,
    /// No verified ack in time; another path is tried.
    NoAck,
    /// The other side closed or broke the connection.
    Disconnected,
    /// The server or peer refused our credentials.
    AuthRefused,
    /// Told to come back later.
    RateLimited,
    /// Larger than the path carries.
    TooLarge,
    /// The path's storage, or our own, is full.
    NoSpace,
    /// Reading or writing a file failed.
    Io,
    /// The other side broke the protocol.
    Protocol,
    /// The circuit breaker is open.
    BreakerOpen,
    /// Switched off by the user.
    Disabled,
    /// The user has not configured what is needed.
    NotConfigured,
    /// The peer has no route, or none of its routes fits.
    NoRoute,
    /// The path gives away more than the mode allows.
    LeaksTooMuch,
    /// The path is slower than the mode wants.
    TooSlow,
    /// The path's call windows are closed, or bulk waits for its hours.
    OutsideWindow,
    /// Two programs seem to answer each other for ever.
    Loop,
    /// A bounded queue is full.
    QueueFull,
    /// The time to live has passed.
    Expired,
    /// The last retry failed.
    RetriesUsedUp,
    /// We hold no certificate of the peer.
    NoKey,
    /// The peer's key changed and the user has not decided.
    KeyConflict,
    /// The peer's or our key is revoked or expired.
    KeyUnusable,
    /// The peer is blocked.
    Blocked,
    /// The user cancelled it.
    Cancelled,
    /// Another path was first.
    Superseded,
    /// The transport is stopping or restarting.
    Stopping,
    /// A file that is being sent is not what was offered any more.
    FileChanged,
    /// A file came whole and is not what was offered.
    HashMismatch,
    /// The downloads folder holds as much as it may.
    Quota,
    /// Not one of the above.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_explains_every_kind() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/troubleshooting.md")).unwrap();
        // serde names every kind it knows when it is asked for one that it does not know.
        let error = serde_json::from_str::<ReasonKind>("\"?\"").unwrap_err().to_string();
        let kinds: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
        assert!(kinds.len() > 20, "{error}");
        for kind in kinds {
            assert!(page.contains(&format!("| `{kind}` |")), "docs/troubleshooting.md does not explain {kind}");
        }
    }
}
