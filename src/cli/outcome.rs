//! How a command ends: exit codes and errors.

use std::path::PathBuf;

use serde::Serialize;
use thiserror::Error;

use crate::{
    home::HomeError,
    node::{NodeError, NodeErrorKind, SetupError, StartError},
    pgp::PgpError,
    serve::ServeError,
    wire::SafeText,
};

/// How a command ended, as its exit code says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// 0: done; a message is delivered.
    Done,
    /// 3: accepted, queued or held, not yet delivered.
    NotDelivered,
    /// 4: refused by policy, or because a bound is reached.
    Refused,
    /// 1: an error.
    Failed,
    /// 2: the command line cannot be understood.
    Usage,
}

impl Outcome {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotDelivered => 3,
            Self::Refused => 4,
        }
    }
}

/// Why a command failed. Every text says what to do next.
#[derive(Debug, Error)]
pub(super) enum CliError {
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error("{what}: {source}")]
    Key { what: String, source: PgpError },
    #[error("{0}")]
    Passphrase(String),
    #[error("{0}")]
    Input(String),
    #[error("line {line}: {problem}; the lines before it were sent")]
    Line { line: u64, problem: String },
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("the output cannot be written: {0}")]
    Output(std::io::Error),
    #[error("{0}")]
    System(#[from] std::io::Error),
    #[error("the background work was interrupted")]
    Lost(#[from] tokio::task::JoinError),
    #[error("interrupted; what was accepted stays in the outbox")]
    Interrupted,
}

/// An error in --json mode.
#[derive(Serialize)]
struct JsonError<'a> {
    error: &'a str,
    message: &'a SafeText,
}

impl CliError {
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    /// Its kind, for programs. Node errors have the names of [`NodeErrorKind`].
    pub(super) fn kind(&self) -> String {
        let name = match self {
            Self::Node(error) => {
                let name = serde_json::to_value(error.kind);
                return name.ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
            }
            Self::Setup(SetupError::Missing(_)) => "no_identity",
            Self::Setup(SetupError::Exists(_)) => "exists",
            Self::Setup(SetupError::Home(error)) | Self::Home(error) | Self::Start(StartError::Home(error)) => {
                home_kind(error)
            }
            Self::Setup(SetupError::Key(PgpError::PassphraseNeeded | PgpError::WrongPassphrase))
            | Self::Passphrase(_) => "passphrase",
            Self::Setup(SetupError::Key(_)) | Self::Key { .. } => "key",
            Self::Start(_) => "storage",
            Self::Serve(_) => "relay",
            Self::Input(_) => "input",
            Self::Line { .. } => "line",
            Self::Interrupted => "interrupted",
            Self::Setup(SetupError::Io { .. }) | Self::File { .. } | Self::Output(_) | Self::System(_) => "io",
            Self::Lost(_) => "internal",
        };
        name.to_owned()
    }

    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Node(error) if matches!(error.kind, NodeErrorKind::Refused | NodeErrorKind::Full) => Outcome::Refused,
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Outcome::Done,
            _ => Outcome::Failed,
        }
    }

    /// Whether whoever reads our output has enough. That is no error.
    pub(super) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// Whether the node went away.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Node(error) if error.kind == NodeErrorKind::Gone)
    }
}

fn home_kind(error: &HomeError) -> &'static str {
    match error {
        HomeError::InUse { .. } => "in_use",
        HomeError::Invalid { .. } => "config",
        HomeError::NoHome => "no_home",
        HomeError::Io { .. } => "io",
    }
}

/// What goes to standard error.
pub(super) fn describe(kind: &str, message: &str, json: bool) -> String {
    if json {
        let message = SafeText::body(message);
        let error = JsonError { error: kind, message: &message };
        serde_json::to_string(&error).unwrap_or_default()
    } else {
        format!("skcomm: {}", SafeText::body(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_codes_kinds_and_clean_text() {
        let blocked = CliError::Node(NodeError::new(NodeErrorKind::Refused, "no"));
        assert_eq!((blocked.outcome().code(), blocked.kind().as_str()), (4, "refused"));
        let full = CliError::Node(NodeError::new(NodeErrorKind::Full, "no"));
        assert_eq!((full.outcome().code(), full.kind().as_str()), (4, "full"));
        let unknown = CliError::Node(NodeError::new(NodeErrorKind::NotFound, "no"));
        assert_eq!((unknown.outcome().code(), unknown.kind().as_str()), (1, "not_found"));
        assert_eq!(describe("input", "a\"b", true), r#"{"error":"input","message":"a\"b"}"#);
        assert!(!describe("input", "a\u{1b}[31mb", false).contains('\u{1b}'));
    }
}
