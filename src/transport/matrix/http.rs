//! The HTTP clients: to the homeserver, and from the SDK to the [gate](super::gate).

use std::{path::Path, sync::Arc, time::Duration};

use matrix_sdk::reqwest::{Client, ClientBuilder, Url, redirect::Policy};
use rustls::ClientConfig;

use super::{tls, trouble::with_causes};
use crate::delivery::{Reason, ReasonKind};

const CONNECT: Duration = Duration::from_secs(10);
/// How long a connection may be silent; longer than the homeserver holds back an answer.
const SILENCE: Duration = Duration::from_secs(90);
/// Redirects that are followed one after another.
const REDIRECTS: usize = 4;

/// The clients of one run. They trust whom the other transports trust, and use no proxy that they were not told about.
pub(super) struct Http {
    tls: Arc<ClientConfig>,
    /// For what we ask ourselves, and read with a bound.
    pub(super) direct: Client,
    /// For what the SDK asks.
    pub(super) upstream: Client,
}

impl Http {
    /// Makes them. Reads a file: for threads that may block.
    ///
    /// # Errors
    /// When the certificates cannot be read.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, Reason> {
        let tls = tls::client_config(ca_file)?;
        let outward = || builder(&tls).connect_timeout(CONNECT).read_timeout(SILENCE);
        let direct = build(outward())?;
        let upstream = build(outward().redirect(same_host()))?;
        Ok(Self { tls, direct, upstream })
    }

    /// One that reaches the socket of a gate, whatever its URLs say.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn to_gate(&self, socket: &Path) -> Result<Client, Reason> {
        // Whether the homeserver is still there, the gate sees, and requests have a time-out of their own. What is compressed is
        // opened in the gate: the bound is on what the SDK gets.
        build(builder(&self.tls).unix_socket(socket).http1_only().no_gzip().redirect(Policy::none()))
    }
}

fn builder(tls: &Arc<ClientConfig>) -> ClientBuilder {
    Client::builder().user_agent("skcomm-tui").tls_backend_preconfigured((**tls).clone()).no_proxy()
}

fn build(builder: ClientBuilder) -> Result<Client, Reason> {
    builder.build().map_err(|error| Reason::new(ReasonKind::Other, format!("HTTP: {}", with_causes(&error))))
}

/// The password and the token are in these requests: a homeserver may send them to another path or from `http` to `https`, but to
/// nobody else.
fn same_host() -> Policy {
    Policy::custom(|attempt| {
        let same = attempt.previous().last().is_some_and(|from| may_lead(from, attempt.url()));
        if same && attempt.previous().len() <= REDIRECTS { attempt.follow() } else { attempt.stop() }
    })
}

fn may_lead(from: &Url, to: &Url) -> bool {
    let same = from.scheme() == to.scheme() && from.port_or_known_default() == to.port_or_known_default();
    from.host() == to.host() && (same || (from.scheme(), to.scheme()) == ("http", "https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_stays_at_the_host_and_loses_no_encryption() {
        for (from, to, wanted) in [
            ("https://x.example/a", "https://x.example/b?c", true),
            ("https://x.example/a", "https://x.example:443/a", true),
            ("http://x.example/a", "https://x.example/a", true),
            ("http://x.example:8008/a", "https://x.example:8448/a", true),
            ("https://x.example/a", "http://x.example/a", false),
            ("https://x.example/a", "https://x.example:8448/a", false),
            ("https://x.example/a", "https://y.example/a", false),
            ("https://x.example/a", "https://x.example.y.example/a", false),
        ] {
            let (from, to) = (Url::parse(from).unwrap(), Url::parse(to).unwrap());
            assert_eq!(may_lead(&from, &to), wanted, "{from} -> {to}");
        }
    }
}
