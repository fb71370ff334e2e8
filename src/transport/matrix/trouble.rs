//! What went wrong with the homeserver, as a reason.

use std::{
    error::Error as _,
    time::{Duration, SystemTime},
};

use matrix_sdk::{
    Error, HttpError,
    reqwest::StatusCode,
    ruma::api::error::{Error as ApiError, ErrorKind, RetryAfter},
};

use super::gate;
use crate::{
    delivery::{Reason, ReasonKind},
    transport::{Retry, SendError},
};

/// The wait when a server limits us and does not say how long.
const LIMITED: Duration = Duration::from_secs(30);
/// The longest wait that a server can impose.
const LONGEST: Duration = Duration::from_secs(3600);

/// A request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// Why.
    pub(super) reason: Reason,
    /// The server named a time.
    pub(super) wait: Option<Duration>,
    /// Our token is not valid any more.
    pub(super) token_gone: Option<Gone>,
    /// Whether the server has certainly not done what was asked for.
    pub(super) refused: bool,
    /// The server's answer was larger than what is taken of it.
    pub(super) cut: bool,
}

/// How a token ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// The device still exists: logging in again may go on with it.
    Soft,
    /// The device is gone, with its keys.
    Hard,
}

impl Trouble {
    /// Something without the server.
    pub(super) fn new(kind: ReasonKind, detail: impl AsRef<str>) -> Self {
        Self { reason: Reason::new(kind, detail), wait: None, token_gone: None, refused: false, cut: false }
    }

    /// The refusal that the router is told.
    pub(super) fn send_error(self) -> SendError {
        let retry = match (self.wait, self.reason.kind) {
            (Some(wait), _) => Retry::After(wait),
            (None, ReasonKind::TooLarge) => Retry::Never,
            _ => Retry::Later,
        };
        SendError { reason: self.reason, retry }
    }
}

/// `rate limited, retry in 45 s`.
pub(super) fn limited(wait: Duration) -> Reason {
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    Reason::new(ReasonKind::RateLimited, format!("rate limited, retry in {seconds} s"))
}

impl From<Reason> for Trouble {
    fn from(reason: Reason) -> Self {
        Self { reason, wait: None, token_gone: None, refused: false, cut: false }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::Http(error) => Self::from(*error),
            Error::Timeout => Self::new(ReasonKind::Timeout, "the homeserver did not answer in time"),
            other => Self::new(ReasonKind::Other, with_causes(&other)),
        }
    }
}

impl From<HttpError> for Trouble {
    fn from(error: HttpError) -> Self {
        if let Some(error) = error.as_client_api_error() {
            return from_api(error);
        }
        match error {
            HttpError::Cached(error) => from_http(&error),
            error => from_http(&error),
        }
    }
}

fn from_http(error: &HttpError) -> Trouble {
    if let Some(error) = error.as_client_api_error() {
        return from_api(error);
    }
    match error {
        HttpError::Reqwest(error) => from_network(error),
        other => Trouble::new(ReasonKind::Protocol, with_causes(other)),
    }
}

/// An error on the way to the server.
pub(super) fn from_network(error: &matrix_sdk::reqwest::Error) -> Trouble {
    let kind = if error.is_timeout() {
        ReasonKind::Timeout
    } else if error.is_connect() || error.is_builder() {
        ReasonKind::Unreachable
    } else {
        ReasonKind::Disconnected
    };
    // The address is in the error, with the user and the room: none of that is for a log.
    let cause = error.source().map_or_else(|| "no answer".to_owned(), with_causes);
    Trouble::new(kind, format!("homeserver: {cause}"))
}

fn from_api(error: &ApiError) -> Trouble {
    if let Some(trouble) = gate::told(error) {
        return trouble;
    }
    let told = |kind, what: &str| Trouble { refused: true, ..Trouble::new(kind, format!("{what}: {error}")) };
    let limit = |wait: Duration| {
        let wait = wait.clamp(Duration::from_millis(100), LONGEST);
        Trouble { wait: Some(wait), refused: true, ..Trouble::from(limited(wait)) }
    };
    match error.error_kind() {
        Some(ErrorKind::LimitExceeded(data)) => limit(data.retry_after.map_or(LIMITED, delay)),
        Some(ErrorKind::UnknownToken(data)) => {
            let gone = if data.soft_logout { Gone::Soft } else { Gone::Hard };
            let refusal = told(ReasonKind::AuthRefused, "the homeserver does not take the access token any more");
            Trouble { token_gone: Some(gone), ..refusal }
        }
        Some(ErrorKind::MissingToken | ErrorKind::UserDeactivated | ErrorKind::Forbidden) => {
            told(ReasonKind::AuthRefused, "the homeserver refused it")
        }
        Some(ErrorKind::TooLarge) => told(ReasonKind::TooLarge, "the homeserver refused it"),
        Some(ErrorKind::ResourceLimitExceeded(_)) => told(ReasonKind::NoSpace, "the homeserver refused it"),
        _ if error.status_code == StatusCode::TOO_MANY_REQUESTS => limit(LIMITED),
        _ if error.status_code.is_server_error() => {
            Trouble { refused: false, ..told(ReasonKind::Unreachable, "the homeserver has trouble") }
        }
        _ => told(ReasonKind::Protocol, "the homeserver refused it"),
    }
}

fn delay(after: RetryAfter) -> Duration {
    match after {
        RetryAfter::Delay(delay) => delay,
        RetryAfter::DateTime(date) => date.duration_since(SystemTime::now()).unwrap_or_default(),
    }
}

/// An error with everything that caused it, each said once.
pub(super) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let line = cause.to_string();
        if !text.contains(&line) {
            text = format!("{text}: {line}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::api::error::{ErrorBody, LimitExceededErrorData, StandardErrorBody, UnknownTokenErrorData};

    use super::*;

    fn api(status: u16, kind: ErrorKind) -> Trouble {
        let body = ErrorBody::Standard(StandardErrorBody::new(kind, "it says \u{1b}[31mso".to_owned()));
        from_api(&ApiError::new(StatusCode::from_u16(status).unwrap(), body))
    }

    #[test]
    fn a_limit_names_its_time() {
        let mut data = LimitExceededErrorData::new();
        data.retry_after = Some(RetryAfter::Delay(Duration::from_millis(44_200)));
        let trouble = api(429, ErrorKind::LimitExceeded(data));
        assert_eq!(trouble.reason.to_string(), "rate limited, retry in 45 s");
        assert_eq!(trouble.send_error().retry, Retry::After(Duration::from_millis(44_200)));
        let mut data = LimitExceededErrorData::new();
        data.retry_after = Some(RetryAfter::Delay(Duration::from_secs(u64::MAX)));
        assert_eq!(
            api(429, ErrorKind::LimitExceeded(data)).wait,
            Some(LONGEST),
            "a hostile server cannot stop us for ever"
        );
        assert_eq!(api(429, ErrorKind::Unknown).wait, Some(LIMITED));
    }

    #[test]
    fn a_lost_token_and_a_refusal_are_told_apart() {
        let mut data = UnknownTokenErrorData::new();
        assert_eq!(api(401, ErrorKind::UnknownToken(data.clone())).token_gone, Some(Gone::Hard));
        data.soft_logout = true;
        let trouble = api(401, ErrorKind::UnknownToken(data));
        assert_eq!((trouble.token_gone, trouble.reason.kind), (Some(Gone::Soft), ReasonKind::AuthRefused));
        assert!(!trouble.reason.to_string().contains('\u{1b}'), "foreign text is made safe");
        assert_eq!(api(403, ErrorKind::Forbidden).reason.kind, ReasonKind::AuthRefused);
        assert_eq!(api(413, ErrorKind::TooLarge).send_error().retry, Retry::Never);
        let trouble = api(502, ErrorKind::Unknown);
        assert_eq!((trouble.reason.kind, trouble.refused), (ReasonKind::Unreachable, false));
    }
}
