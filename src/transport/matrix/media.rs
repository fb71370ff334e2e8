//! Large frames in the homeserver's media repository, read with a bound.

use std::time::Duration;

use matrix_sdk::{
    config::RequestConfig,
    reqwest::{Client as HttpClient, StatusCode, Url},
    ruma::{MxcUri, api::client::media::create_content},
};
use serde::Deserialize;

use super::{
    answer::read_on,
    content::{self, Stored},
    session::Session,
    trouble::{Trouble, from_network, limited},
};
use crate::delivery::ReasonKind;

/// Most bytes of an answer that says why not.
const ERROR_BYTES: usize = 16 * 1024;
/// Time for fetching one frame.
const FETCH: Duration = Duration::from_secs(120);

impl Session {
    /// Leaves a frame in the media repository. The bytes that went out come with it.
    ///
    /// # Errors
    /// Why it is not there.
    pub(super) async fn store(&self, frame: &[u8], deadline: Duration) -> Result<Stored, Trouble> {
        let size = frame.len();
        let most = self.client.load_or_fetch_max_upload_size().await?;
        if (size + content::SEAL_BYTES) as u64 > u64::from(most) {
            let told = format!("{size} bytes; {} takes at most {most} bytes", self.server);
            return Err(Trouble::new(ReasonKind::TooLarge, told));
        }
        let (sealed, key) =
            content::seal(frame).ok_or_else(|| Trouble::new(ReasonKind::Other, "the frame could not be sealed"))?;
        let mut request = create_content::v3::Request::new(sealed);
        request.content_type = Some("application/octet-stream".to_owned());
        let config = RequestConfig::new().disable_retry().timeout(deadline);
        let response = self.client.send(request).with_request_config(config).await?;
        Ok(Stored { url: response.content_uri.to_string(), key, size })
    }

    /// Fetches a frame that somebody left in the media repository.
    ///
    /// # Errors
    /// Why it is not here; `refused` when it never will be.
    pub(super) async fn fetch(&self, stored: &Stored) -> Result<bytes::Bytes, Trouble> {
        let never = |told: &str| Trouble { refused: true, ..Trouble::new(ReasonKind::Protocol, told) };
        let uri = <&MxcUri>::from(stored.url.as_str());
        let (server, id) = uri.parts().map_err(|_| never("a frame without a valid url"))?;
        let mut url = self.gate.homeserver.clone();
        let path = url.path().trim_end_matches('/').to_owned();
        // The id is checked by the parser to be of letters, digits, '-' and '_' only.
        url.set_path(&format!("{path}/_matrix/client/v1/media/download/{server}/{id}"));
        let token = zeroize::Zeroizing::new(self.client.access_token().unwrap_or_default());
        let sealed = get(&self.http, url, &token, stored.size + content::SEAL_BYTES, FETCH).await?;
        content::open(sealed, stored).ok_or_else(|| never("what lies at the frame's url is not the frame"))
    }
}

/// Reads what is at `url`, at most `limit` bytes of it, within `time`.
///
/// # Errors
/// When it is larger (`refused`), when the server refuses, when the network fails.
pub(super) async fn get(
    http: &HttpClient,
    url: Url,
    token: &str,
    limit: usize,
    time: Duration,
) -> Result<Vec<u8>, Trouble> {
    let mut response =
        http.get(url).bearer_auth(token).timeout(time).send().await.map_err(|error| from_network(&error))?;
    let status = response.status();
    let limit = if status.is_success() { limit } else { ERROR_BYTES };
    let mut body = Vec::new();
    if !read_on(&mut response, &mut body, limit).await? || body.len() > limit {
        let told = format!("the homeserver sends more than the {limit} bytes that were announced");
        return Err(Trouble { refused: true, ..Trouble::new(ReasonKind::TooLarge, told) });
    }
    if status.is_success() { Ok(body) } else { Err(refusal(status, &body)) }
}

fn refusal(status: StatusCode, body: &[u8]) -> Trouble {
    #[derive(Default, Deserialize)]
    struct Told {
        #[serde(default)]
        error: String,
        #[serde(default)]
        retry_after_ms: Option<u64>,
    }
    let told: Told = serde_json::from_slice(body).unwrap_or_default();
    if status == StatusCode::TOO_MANY_REQUESTS {
        let wait = Duration::from_millis(told.retry_after_ms.unwrap_or(30_000).clamp(100, 3_600_000));
        return Trouble { wait: Some(wait), ..Trouble::from(limited(wait)) };
    }
    let kind = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ReasonKind::AuthRefused,
        status if status.is_server_error() => ReasonKind::Unreachable,
        _ => ReasonKind::Protocol,
    };
    Trouble::new(kind, format!("the homeserver answers {}: {}", status.as_u16(), told.error))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_refusal_says_what_the_homeserver_said() {
        let told = |status: u16, body: &str| refusal(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        let trouble = told(403, r#"{"errcode":"M_FORBIDDEN","error":"not \u001byours"}"#);
        assert_eq!(trouble.reason.kind, ReasonKind::AuthRefused);
        assert!(!trouble.reason.to_string().contains('\u{1b}'), "foreign text is made safe");
        assert_eq!(told(429, r#"{"retry_after_ms":5000}"#).wait, Some(Duration::from_secs(5)));
        assert_eq!(told(429, r#"{"retry_after_ms":18446744073709551615}"#).wait, Some(Duration::from_secs(3600)));
        assert_eq!(told(502, "<html>").reason.kind, ReasonKind::Unreachable);
    }

    proptest! {
        #[test]
        fn no_refusal_is_fatal(
            status in 100_u16..1000,
            body in proptest::collection::vec(any::<u8>(), 0..200),
            wait in any::<i64>(),
            words in ".{0,50}",
        ) {
            let status = StatusCode::from_u16(status).unwrap();
            let json = serde_json::json!({"error": words, "retry_after_ms": wait}).to_string();
            for body in [body.as_slice(), json.as_bytes()] {
                let longest = refusal(status, body).wait.unwrap_or_default();
                prop_assert!(longest <= Duration::from_secs(3600), "{:?}", longest);
            }
        }
    }
}
