//! Checks a login.

use std::net::SocketAddr;

use super::{config::Access, keeper::now};
use crate::{
    pgp::{Certificate, verify_detached},
    transport::websocket::protocol::{Auth, Challenge, Refusal, RefusalKind, signed_bytes, token_matches},
};

/// Whether `host`, as the client dialled it, is this relay: one of its configured names, the address the connection
/// came to, or `localhost` on the loopback.
pub(super) fn is_own_host(host: &str, names: &[String], local: SocketAddr) -> bool {
    let bare = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let named = names.iter().any(|name| name.eq_ignore_ascii_case(host) || name.eq_ignore_ascii_case(bare));
    let canonical = SocketAddr::new(local.ip().to_canonical(), local.port());
    named
        || host == canonical.to_string()
        || (canonical.ip().is_loopback() && host == format!("localhost:{}", local.port()))
}

/// Checks everything but the signature, cheapest first.
///
/// # Errors
/// The refusal for the client.
pub(super) fn check_claims(auth: &Auth, challenge: &Challenge, own_host: bool, access: &Access) -> Result<(), Refusal> {
    let refuse = |text: &str| Err(Refusal::new(RefusalKind::AuthRefused, text));
    if !own_host {
        return refuse("the login is for another host; the relay must be told the name you dial (its setting `host`)");
    }
    if let Some(token) = &access.token {
        let proof = auth.token_proof.as_ref();
        if !proof.is_some_and(|proof| token_matches(token, &auth.host, &challenge.nonce, proof)) {
            return refuse("this relay wants a token, and yours is missing or wrong");
        }
    }
    if !access.may_log_in(&auth.fingerprint) {
        return refuse("this key is not on the relay's list");
    }
    Ok(())
}

/// Checks the certificate and the signature. Takes a fraction of a millisecond of computing: call it where
/// that may block.
///
/// # Errors
/// The refusal for the client.
pub(super) fn check_signature(auth: &Auth, challenge: &Challenge) -> Result<(), Refusal> {
    let refuse = |text: String| Refusal::new(RefusalKind::AuthRefused, &text);
    let certificate =
        Certificate::parse(&auth.certificate).map_err(|error| refuse(format!("the certificate: {error}")))?;
    if certificate.fingerprint() != auth.fingerprint {
        return Err(refuse("the certificate has another fingerprint than the login".to_owned()));
    }
    let now = now();
    certificate.check_usable(now).map_err(|error| refuse(format!("the certificate: {error}")))?;
    let bytes = signed_bytes(&auth.host, &challenge.nonce);
    verify_detached(&certificate, &bytes, &auth.signature, now)
        .map_err(|error| refuse(format!("the signature over the challenge: {error}; the relay's clock is {now}")))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_ours() {
        let names = vec!["Relay.example".to_owned(), "other.example:8443".to_owned()];
        let loopback: SocketAddr = "127.0.0.1:9000".parse().unwrap();
        let public: SocketAddr = "192.0.2.7:443".parse().unwrap();
        let check = |host: &str, local, expected| assert_eq!(is_own_host(host, &names, local), expected, "{host}");
        check("relay.example:443", public, true);
        check("relay.example:1", public, true);
        check("other.example:8443", public, true);
        check("other.example:443", public, false);
        check("192.0.2.7:443", public, true);
        check("localhost:443", public, false);
        check("localhost:9000", loopback, true);
        check("127.0.0.1:9000", loopback, true);
        check("127.0.0.1:9001", loopback, false);
        check("evil.example:443", public, false);
        check("", public, false);
        check("[::1]:9000", "[::1]:9000".parse().unwrap(), true);
        check("127.0.0.1:9000", "[::ffff:127.0.0.1]:9000".parse().unwrap(), true);
    }
}
