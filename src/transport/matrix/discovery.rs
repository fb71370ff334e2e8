//! Where a user's homeserver is, as the user's server tells.

use std::time::Duration;

use matrix_sdk::{
    reqwest::{Client, Url},
    ruma::ServerName,
};
use serde::Deserialize;

use super::{
    answer::read_on,
    config,
    trouble::{Trouble, from_network},
};
use crate::delivery::ReasonKind;

/// Most bytes of the answer.
const BYTES: usize = 64 * 1024;
/// Time for it.
const TIME: Duration = Duration::from_secs(30);

/// Asks the server of a user's name.
///
/// # Errors
/// When it cannot be asked, or does not say.
pub(super) async fn homeserver_of(server: &ServerName, http: &Client) -> Result<Url, Trouble> {
    ask(&format!("https://{server}"), http).await
}

async fn ask(server: &str, http: &Client) -> Result<Url, Trouble> {
    #[derive(Deserialize)]
    struct Told {
        #[serde(rename = "m.homeserver")]
        homeserver: Place,
    }
    #[derive(Deserialize)]
    struct Place {
        base_url: String,
    }
    let silent = || {
        let told = "the user's server does not say where its homeserver is; name it in the setting homeserver";
        Trouble::new(ReasonKind::NotConfigured, told)
    };
    let url = Url::parse(&format!("{server}/.well-known/matrix/client")).map_err(|_| silent())?;
    let mut answer = http.get(url).timeout(TIME).send().await.map_err(|error| from_network(&error))?;
    let status = answer.status();
    if status.is_server_error() {
        let told = format!("the user's server has trouble saying where its homeserver is: {status}");
        return Err(Trouble::new(ReasonKind::Unreachable, told));
    }
    let mut body = Vec::new();
    if !status.is_success() || !read_on(&mut answer, &mut body, BYTES).await? || body.len() > BYTES {
        return Err(silent());
    }
    let told: Told = serde_json::from_slice(&body).map_err(|_| silent())?;
    let homeserver = config::homeserver(&told.homeserver.base_url).map_err(|_| silent())?;
    if config::is_readable_on_the_way(&homeserver) {
        let told = "the user's server names a homeserver without encryption; if that is meant, name it in the setting homeserver";
        return Err(Trouble::new(ReasonKind::NotConfigured, told));
    }
    Ok(homeserver)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::matrix::testing::{Fake, answer, endless, http};

    #[tokio::test]
    async fn the_users_server_is_believed_when_it_names_a_homeserver() {
        const PATH: &str = "GET /.well-known/matrix/client";
        let names = |url: &str| serde_json::json!({"m.homeserver": {"base_url": url}, "m.other": {}}).to_string();
        let good = names("https://matrix.example/p");
        let long = format!("{good}{}", " ".repeat(BYTES - good.len()));
        let silent = "the user's server does not say where its homeserver is; name it in the setting homeserver";
        let open = "the user's server names a homeserver without encryption";
        for (status, body, wanted) in [
            (200, good.clone(), Ok("https://matrix.example/p")),
            (200, long.clone(), Ok("https://matrix.example/p")),
            (200, names("http://127.0.0.1:8008"), Ok("http://127.0.0.1:8008/")),
            (200, names("http://matrix.example"), Err((ReasonKind::NotConfigured, open))),
            (200, names("ftp://matrix.example"), Err((ReasonKind::NotConfigured, silent))),
            (200, format!("{long} "), Err((ReasonKind::NotConfigured, silent))),
            (200, "<html>".into(), Err((ReasonKind::NotConfigured, silent))),
            (404, good.clone(), Err((ReasonKind::NotConfigured, silent))),
            (503, good.clone(), Err((ReasonKind::Unreachable, "the user's server has trouble"))),
        ] {
            let fake = Fake::start(move |line| match line {
                PATH => answer(302, "Location: /moved\r\n", b""),
                _ => answer(status, "", body.as_bytes()),
            })
            .await;
            let found = ask(fake.url.as_str().trim_end_matches('/'), &http().direct).await;
            match (found, wanted) {
                (Ok(url), Ok(wanted)) => assert_eq!(url.as_str(), wanted),
                (Err(trouble), Err((kind, told))) => {
                    assert_eq!(trouble.reason.kind, kind, "{}", trouble.reason);
                    assert!(trouble.reason.to_string().starts_with(told), "{}", trouble.reason);
                }
                (found, wanted) => panic!("{found:?} instead of {wanted:?}"),
            }
        }
        let fake = Fake::start(|_| endless()).await;
        let found = ask(fake.url.as_str().trim_end_matches('/'), &http().direct).await;
        assert_eq!(found.unwrap_err().reason.to_string(), silent);
        assert!(fake.sent() < 24 * 1024 * 1024, "{} bytes were taken", fake.sent());
    }
}
