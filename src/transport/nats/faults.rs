//! What the client library and the server complain of, as reasons.

use std::{error::Error as _, time::Duration};

use async_nats::{
    ConnectError, ConnectErrorKind,
    jetstream::{
        self, ErrorCode,
        context::{
            CreateStreamError, CreateStreamErrorKind, GetStreamError, GetStreamErrorKind, PublishError,
            PublishErrorKind,
        },
        stream::{ConsumerError, ConsumerErrorKind},
    },
};

use crate::{
    delivery::{Reason, ReasonKind},
    transport::{Retry, SendError},
};

/// When to try again where the stream is full.
const FULL_WAIT: Duration = Duration::from_secs(300);
/// The stream refused to store: it is full, or the disk is.
const STORE_FAILED: ErrorCode = ErrorCode::STREAM_STORE_FAILED;

/// Why no connection came about.
pub(super) fn connecting(server: &str, error: &ConnectError) -> Reason {
    let told = whole(error);
    let kind = match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => ReasonKind::AuthRefused,
        ConnectErrorKind::TimedOut => ReasonKind::Timeout,
        ConnectErrorKind::ServerParse => ReasonKind::NotConfigured,
        _ if speaks_of_rights(&told) => ReasonKind::AuthRefused,
        _ => ReasonKind::Unreachable,
    };
    let advice =
        if kind == ReasonKind::AuthRefused { "; check the credentials in the transport's settings" } else { "" };
    Reason::new(kind, format!("{server}: {told}{advice}"))
}

/// Whether a line of the server is about what we may not do.
pub(super) fn speaks_of_rights(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    ["authorization", "authentication", "permissions violation"].iter().any(|word| line.contains(word))
}

/// Why the stream could not be looked at; none when there is none.
pub(crate) fn looking(server: &str, error: &GetStreamError) -> Option<Reason> {
    match error.kind() {
        GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => None,
        GetStreamErrorKind::JetStream(error) => Some(refused(server, &error).0),
        _ => Some(unanswered(server, &whole(error))),
    }
}

/// Why the stream could not be made; `setting` says how large it is to be.
pub(crate) fn making(server: &str, error: &CreateStreamError, setting: &str) -> Reason {
    match error.kind() {
        CreateStreamErrorKind::JetStream(error) => {
            let (mut reason, _) = refused(server, &error);
            if reason.kind == ReasonKind::NoSpace {
                reason = Reason::new(reason.kind, format!("{reason}; a smaller {setting} may fit"));
            }
            reason
        }
        _ => unanswered(server, &whole(error)),
    }
}

/// Why our consumer could not be made.
pub(crate) fn consuming(server: &str, error: &ConsumerError) -> Reason {
    match error.kind() {
        ConsumerErrorKind::JetStream(error) => refused(server, &error).0,
        _ => unanswered(server, &whole(error)),
    }
}

/// Why a frame was not stored.
pub(crate) fn publishing(server: &str, error: &PublishError) -> SendError {
    if let Some(error) = error.source().and_then(|source| source.downcast_ref::<jetstream::Error>()) {
        let (reason, retry) = refused(server, error);
        return SendError { reason, retry };
    }
    let told = whole(error);
    let (kind, retry) = match error.kind() {
        PublishErrorKind::TimedOut => (ReasonKind::Timeout, Retry::Later),
        PublishErrorKind::BrokenPipe => (ReasonKind::Disconnected, Retry::Later),
        PublishErrorKind::MaxPayloadExceeded => (ReasonKind::TooLarge, Retry::Never),
        PublishErrorKind::MaxAckPending => (ReasonKind::QueueFull, Retry::Later),
        PublishErrorKind::StreamNotFound => (ReasonKind::NoRoute, Retry::Later),
        _ => (ReasonKind::Other, Retry::Later),
    };
    SendError { reason: Reason::new(kind, format!("{server}: {told}")), retry }
}

/// A refusal that JetStream numbered.
fn refused(server: &str, error: &jetstream::Error) -> (Reason, Retry) {
    let (kind, retry) = match error.error_code() {
        ErrorCode::INSUFFICIENT_RESOURCES
        | ErrorCode::STORAGE_RESOURCES_EXCEEDED
        | ErrorCode::ACCOUNT_RESOURCES_EXCEEDED
        | STORE_FAILED => (ReasonKind::NoSpace, Retry::After(FULL_WAIT)),
        ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM => (ReasonKind::TooLarge, Retry::Never),
        ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT => {
            (ReasonKind::NotConfigured, Retry::Later)
        }
        ErrorCode::CLUSTER_NOT_AVAILABLE | ErrorCode::CLUSTER_NO_PEERS => (ReasonKind::Unreachable, Retry::Later),
        _ => (ReasonKind::Other, Retry::Later),
    };
    (Reason::new(kind, format!("{server}: {error}")), retry)
}

fn unanswered(server: &str, told: &str) -> Reason {
    // Without JetStream nobody answers its requests.
    let (kind, advice) = if told.contains("no responders") {
        (ReasonKind::NotConfigured, "; is JetStream on at this server?")
    } else {
        (ReasonKind::Timeout, "")
    };
    Reason::new(kind, format!("{server}: JetStream does not answer: {told}{advice}"))
}

/// An error with its causes, unless it names them itself.
fn whole(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let line = cause.to_string();
        if !told.contains(&line) {
            told = format!("{told}: {line}");
        }
        next = cause.source();
    }
    told
}
