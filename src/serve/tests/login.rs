use std::collections::BTreeSet;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::{
    serve::Access,
    transport::websocket::protocol::{RefusalKind, token_proof},
};

fn refusal(answer: Option<FromRelay>) -> (RefusalKind, String) {
    match answer {
        Some(FromRelay::Bye(refusal)) => (refusal.kind, refusal.to_string()),
        other => panic!("not refused but {other:?}"),
    }
}

/// A login spoilt by `spoil` is refused with a text that has `expected` in it, and the connection is closed.
async fn refused(relay: &Running, expected: &str, spoil: impl FnOnce(&mut Raw, &mut Auth)) {
    let mut raw = Raw::connect(relay.address).await;
    let mut auth = raw.auth(&ALICE, WINDOW);
    spoil(&mut raw, &mut auth);
    let (kind, text) = refusal(raw.log_in(auth).await);
    assert_eq!(kind, RefusalKind::AuthRefused, "{text}");
    assert!(text.contains(expected), "{text}");
    assert_eq!(raw.hear().await, None, "the connection is closed");
}

#[tokio::test]
async fn a_login_is_good_only_with_the_right_signature() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |_| {}).await;
    drop(Raw::logged_in(relay.address, &ALICE, WINDOW).await);
    let resign = |raw: &Raw, host: &str, nonce: &[u8; 32]| {
        let _ = raw;
        Bytes::from(ALICE.sign(&signed_bytes(host, nonce)).unwrap())
    };
    let host = relay.address.to_string();
    refused(&relay, "signature", |_, auth| auth.signature = Bytes::from_static(b"nonsense")).await;
    refused(&relay, "signature", |raw, auth| auth.signature = resign(raw, &host, &[7; 32])).await;
    refused(&relay, "signature", |raw, auth| {
        auth.signature = Bytes::from(BOB.sign(&signed_bytes(&host, &raw.challenge.nonce)).unwrap());
    })
    .await;
    refused(&relay, "signature", |raw, auth| {
        auth.signature = Bytes::from(ALICE.sign(&[host.as_bytes(), &raw.challenge.nonce].concat()).unwrap());
    })
    .await;
    refused(&relay, "fingerprint", |_, auth| auth.fingerprint = BOB.fingerprint()).await;
    refused(&relay, "certificate", |_, auth| auth.certificate = Bytes::from_static(b"nonsense")).await;
    refused(&relay, "another host", |raw, auth| {
        auth.host = "evil.example:443".to_owned();
        auth.signature = resign(raw, "evil.example:443", &raw.challenge.nonce);
    })
    .await;
    relay.stop().await;
}

#[tokio::test]
async fn an_old_login_cannot_be_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |_| {}).await;
    let mut first = Raw::connect(relay.address).await;
    let overheard = first.auth(&ALICE, WINDOW);
    assert!(matches!(first.log_in(overheard.clone()).await, Some(FromRelay::Welcome(_))));
    let mut second = Raw::connect(relay.address).await;
    assert_ne!(first.challenge.nonce, second.challenge.nonce);
    let (kind, text) = refusal(second.log_in(overheard).await);
    assert_eq!(kind, RefusalKind::AuthRefused, "{text}");
    relay.stop().await;
}

#[tokio::test]
async fn members_guests_and_the_token() {
    let dir = tempfile::tempdir().unwrap();
    let members = BTreeSet::from([ALICE.fingerprint()]);
    let access = Access { members: Some(members), guests: false, token: Some("long and random".to_owned()) };
    let with_guests = Access { guests: true, token: None, ..access.clone() };
    let relay = Running::start(dir.path(), |config| config.access = access).await;
    let host = relay.address.to_string();
    refused(&relay, "token", |_, _| {}).await;
    refused(&relay, "token", |raw, auth| {
        auth.token_proof = Some(token_proof("guessed", &host, &raw.challenge.nonce));
    })
    .await;
    let mut raw = Raw::connect(relay.address).await;
    assert!(raw.challenge.token_required);
    let mut auth = raw.auth(&BOB, WINDOW);
    auth.token_proof = Some(token_proof("long and random", &host, &raw.challenge.nonce));
    assert!(refusal(raw.log_in(auth).await).1.contains("list"));
    let (alice, mut events) = client(&ALICE, config(&relay.url()).with("token", "long and random")).await;
    events.state("the token to be accepted", |state| *state == crate::transport::TransportState::Up).await;
    alice.stop().await;
    relay.stop().await;

    let relay = Running::start(dir.path(), |config| config.access = with_guests).await;
    let mut guest = Raw::logged_in(relay.address, &BOB, WINDOW).await;
    assert_eq!(guest.put(1, &ALICE, b"for a member").await, STORED(1));
    match guest.put(2, &BOB, b"for a guest").await {
        Some(FromRelay::Refused { seq: 2, refusal }) => assert_eq!(refusal.kind, RefusalKind::NoMailbox),
        other => panic!("{other:?}"),
    }
    relay.stop().await;
}

#[tokio::test]
async fn an_address_that_keeps_failing_is_turned_away() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |config| config.limits.failed_logins_per_minute = 2).await;
    for _ in 0..2 {
        refused(&relay, "signature", |_, auth| auth.signature = Bytes::from_static(b"no")).await;
    }
    let answer = http(&relay, "GET / HTTP/1.1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    relay.stop().await;
}

#[tokio::test]
async fn who_does_not_log_in_in_time_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |config| config.limits.handshake = Duration::from_millis(100)).await;
    let mut silent = Raw::connect(relay.address).await;
    assert_eq!(silent.hear().await, None);
    let mut bare = TcpStream::connect(relay.address).await.unwrap();
    let mut rest = Vec::new();
    within("the end", bare.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty());
    relay.stop().await;
}

async fn http(relay: &Running, request: &str) -> String {
    let mut stream = TcpStream::connect(relay.address).await.unwrap();
    // The relay may answer and close before everything is written.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = within("an HTTP answer", stream.read_to_end(&mut answer)).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn plain_http_gets_plain_answers() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |_| {}).await;
    let mut alice = Raw::logged_in(relay.address, &ALICE, WINDOW).await;
    assert_eq!(alice.put(1, &BOB, b"hello").await, STORED(1));
    let answer = http(&relay, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    let health: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(health["status"], "ok");
    assert_eq!((&health["connections"], &health["receiving"]), (&2.into(), &1.into()), "{health}");
    assert_eq!((&health["messages"], &health["bytes"]), (&1.into(), &5.into()), "{health}");
    assert!(http(&relay, "GET / HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 426 "));
    assert!(http(&relay, "\x16\x03\x01 no TLS here\r\n\r\n").await.starts_with("HTTP/1.1 400 "));
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(20_000));
    assert!(http(&relay, &long).await.starts_with("HTTP/1.1 400 "));
    let no_protocol = "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let answer = http(&relay, no_protocol).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains(SUBPROTOCOL), "{answer}");
    relay.stop().await;
}
