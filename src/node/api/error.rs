//! Why a command failed.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::wire::SafeText;

/// Why a command failed.
#[derive(Clone, Debug, Error, PartialEq, Eq, Serialize, Deserialize)]
#[error("{message}")]
pub struct NodeError {
    /// What kind of failure.
    pub kind: NodeErrorKind,
    /// One line that says what to do next.
    pub message: SafeText,
}

impl NodeError {
    /// A failure of `kind`.
    pub fn new(kind: NodeErrorKind, message: impl AsRef<str>) -> Self {
        Self { kind, message: SafeText::line(message.as_ref()) }
    }
}

/// Kinds of failures of commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeErrorKind {
    /// The arguments make no sense.
    Invalid,
    /// No such peer, message or transport.
    NotFound,
    /// More than one fits.
    Ambiguous,
    /// Policy forbids it (blocked, conflict, revoked key).
    Refused,
    /// A bound is reached.
    Full,
    /// The store or a file failed.
    Storage,
    /// The node is not running or went away.
    Gone,
    /// Not one of the above.
    Internal,
}
