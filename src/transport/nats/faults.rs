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
        stream::{Config as StreamConfig, ConsumerError, ConsumerErrorKind},
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
        // Nobody listens for the stream. It was there when we connected.
        PublishErrorKind::StreamNotFound => {
            let told = "no server leads the stream at present, or the stream was removed";
            return SendError {
                reason: Reason::new(ReasonKind::Unreachable, format!("{server}: {told}")),
                retry: Retry::Later,
            };
        }
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
        ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED => (ReasonKind::NotConfigured, Retry::Later),
        _ if is_of_cluster(error.error_code()) => (ReasonKind::Unreachable, Retry::Later),
        _ => (ReasonKind::Other, Retry::Later),
    };
    let advice = match error.error_code() {
        ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED => "; set replicas to 1, or make this server one of a cluster",
        ErrorCode::CLUSTER_NO_PEERS => "; replicas may be no more than the servers that run and have room",
        code if is_of_cluster(code) => "; do more than half of the cluster's servers run and reach each other?",
        _ => "",
    };
    (Reason::new(kind, format!("{server}: {error}{advice}")), retry)
}

/// Whether the servers of a cluster lack each other, which passes.
fn is_of_cluster(code: ErrorCode) -> bool {
    [
        ErrorCode::CLUSTER_INCOMPLETE,
        ErrorCode::CLUSTER_NO_PEERS,
        ErrorCode::CLUSTER_NOT_ACTIVE,
        ErrorCode::CLUSTER_NOT_ASSIGNED,
        ErrorCode::CLUSTER_NOT_AVAILABLE,
        ErrorCode::CLUSTER_NOT_LEADER,
        ErrorCode::STREAM_OFFLINE,
        ErrorCode::CONSUMER_OFFLINE,
    ]
    .contains(&code)
}

/// What is wrong with a stream of which fewer servers than `wanted` keep a copy.
pub(crate) fn copies(server: &str, found: &StreamConfig, wanted: usize) -> Option<Reason> {
    let (name, copies) = (&found.name, found.num_replicas.max(1));
    (copies < wanted).then(|| {
        let detail = format!(
            "{server}: the stream {name} was made with replicas {copies}, not {wanted}; \
             `nats stream edit {name} --replicas {wanted}` changes that"
        );
        Reason::new(ReasonKind::NotConfigured, detail)
    })
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
