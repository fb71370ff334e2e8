//! The websocket transport against the relay.

use tokio::net::TcpListener;
use tokio_tungstenite::accept_hdr_async;

use super::*;
use crate::{
    delivery::{Leak, ReasonKind},
    serve::TlsFiles,
    transport::{Retry, Route, TransportEvent, TransportState, websocket::protocol::Welcome},
    wire::SafeText,
};

fn route(recipient: &Key, relay: &str) -> Route {
    Route { recipient: recipient.fingerprint(), address: relay.to_owned() }
}

async fn up(events: &mut Events) {
    events.state("the relay to be reached", |state| *state == TransportState::Up).await;
}

fn is_down(state: &TransportState) -> bool {
    matches!(state, TransportState::Down { .. })
}

#[tokio::test]
async fn frames_travel_and_are_deleted_only_when_durable() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |_| {}).await;
    let (alice, _alices) = client(&ALICE, sender()).await;
    let to_bob = route(&BOB, &relay.url());
    let accepted = alice.send(Bytes::from_static(b"first"), &to_bob, PATIENT).await.unwrap();
    assert_eq!(accepted.stored_by.unwrap().as_str(), relay.address.to_string());
    assert!(accepted.bytes > 5);

    let (bob, mut events) = client(&BOB, config(&relay.url())).await;
    let inbound = events.inbound("the first frame").await;
    assert_eq!((&inbound.frame[..], inbound.origin.as_str()), (&b"first"[..], &*relay.address.to_string()));
    // The node is killed before the frame is durable.
    drop(inbound);
    bob.stop().await;
    let (bob, mut events) = client(&BOB, config(&relay.url())).await;
    assert_eq!(events.take("the frame again").await, "first");
    alice.send(Bytes::from_static(b"second"), &to_bob, PATIENT).await.unwrap();
    assert_eq!(events.take("the second frame").await, "second");
    bob.stop().await;
    let (bob, mut events) = client(&BOB, config(&relay.url())).await;
    alice.send(Bytes::from_static(b"third"), &to_bob, PATIENT).await.unwrap();
    assert_eq!(events.take("only the third frame").await, "third");
    bob.stop().await;
    alice.stop().await;
    relay.stop().await;
}

#[tokio::test]
async fn many_sends_at_once_all_arrive_once() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |_| {}).await;
    let (bob, mut events) = client(&BOB, config(&relay.url())).await;
    let (alice, _alices) = client(&ALICE, sender()).await;
    let to_bob = route(&BOB, &relay.url());
    alice.send(Bytes::from_static(b"opens the connection"), &to_bob, PATIENT).await.unwrap();
    events.take("the first frame").await;
    let sends = (0..500u32).map(|n| alice.send(Bytes::copy_from_slice(&n.to_be_bytes()), &to_bob, PATIENT));
    let receive = async {
        let mut found = std::collections::BTreeSet::new();
        for _ in 0..500 {
            assert!(found.insert(events.take("the next frame").await), "none comes twice");
        }
    };
    let (outcomes, ()) = tokio::join!(futures_util::future::join_all(sends), receive);
    assert!(outcomes.iter().all(Result::is_ok));
    alice.stop().await;
    bob.stop().await;
    relay.stop().await;
}

#[tokio::test]
async fn a_relay_that_comes_back_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |_| {}).await;
    let (address, url) = (relay.address, relay.url());
    let (bob, mut events) = client(&BOB, config(&url)).await;
    up(&mut events).await;
    assert!(bob.probe(PATIENT).await.unwrap() < LIMIT);
    relay.stop().await;
    let state = events.state("the relay's end", is_down).await;
    let TransportState::Down { reason, .. } = state else { panic!("{state:?}") };
    assert!(reason.to_string().contains(&address.to_string()), "{reason}");
    let failed = bob.send(Bytes::from_static(b"x"), &route(&ALICE, &url), PATIENT).await.unwrap_err();
    assert!(matches!(failed.retry, Retry::After(_) | Retry::Later), "{failed:?}");
    let relay = Running::start_at(address, dir.path(), |_| {}).await;
    up(&mut events).await;
    bob.send(Bytes::from_static(b"to myself"), &route(&BOB, &url), PATIENT).await.unwrap();
    assert_eq!(events.take("the frame").await, "to myself");
    bob.stop().await;
    relay.stop().await;
}

#[tokio::test]
async fn one_relay_of_two_down_is_degraded() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |_| {}).await;
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let both = vec![relay.url(), format!("ws://{unused}")];
    let (bob, mut events) = client(&BOB, TransportConfig::new("websocket").with("relays", both)).await;
    let degraded = |state: &TransportState| matches!(state, TransportState::Degraded { .. });
    let TransportState::Degraded { reason } = events.state("one relay down", degraded).await else { unreachable!() };
    assert_eq!(reason.kind, ReasonKind::Unreachable);
    assert!(reason.to_string().contains(&unused.to_string()), "{reason}");
    bob.stop().await;
    relay.stop().await;
}

#[tokio::test]
async fn refusals_arrive_with_their_reason() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |config| {
        config.limits.frame_bytes = 2000;
        config.limits.storage.unclaimed_messages = 2;
        config.limits.storage.sender_share_percent = 100;
        config.limits.sender.messages_burst = 4;
        config.limits.sender.messages_per_second = 1;
    })
    .await;
    let (alice, _events) = client(&ALICE, sender()).await;
    let to_bob = route(&BOB, &relay.url());
    let send = |size: usize| alice.send(Bytes::from(vec![1; size]), &to_bob, PATIENT);
    let failed = send(2001).await.unwrap_err();
    assert_eq!((failed.reason.kind, failed.retry), (ReasonKind::TooLarge, Retry::Never));
    let failed = send(crate::wire::limits::ENVELOPE_BYTES + 1).await.unwrap_err();
    assert_eq!((failed.reason.kind, failed.retry), (ReasonKind::TooLarge, Retry::Never));
    send(10).await.unwrap();
    send(10).await.unwrap();
    let failed = send(10).await.unwrap_err();
    assert_eq!(failed.reason.kind, ReasonKind::NoSpace, "{failed}");
    assert!(matches!(failed.retry, Retry::After(_)));
    send(10).await.unwrap_err();
    let failed = send(10).await.unwrap_err();
    assert_eq!(failed.reason.kind, ReasonKind::RateLimited, "{failed}");
    assert!(matches!(failed.retry, Retry::After(wait) if wait <= Duration::from_secs(1)), "{failed:?}");
    let failed = alice.send(Bytes::from_static(b"x"), &route(&BOB, "http://x"), PATIENT).await.unwrap_err();
    assert_eq!((failed.reason.kind, failed.retry), (ReasonKind::NotConfigured, Retry::Never));
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let failed = alice.send(Bytes::from_static(b"x"), &route(&BOB, &format!("ws://{unused}")), PATIENT).await;
    assert_eq!(failed.unwrap_err().reason.kind, ReasonKind::Unreachable);
    alice.stop().await;
    let failed = send(10).await.unwrap_err();
    assert_eq!(failed.reason.kind, ReasonKind::Stopping);
    relay.stop().await;
}

#[tokio::test]
async fn a_refused_login_is_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |config| config.access.members = Some([BOB.fingerprint()].into())).await;
    let (alice, mut events) = client(&ALICE, config(&relay.url())).await;
    let state = events.state("the refusal", is_down).await;
    let TransportState::Down { reason, retry_in_ms } = state else { panic!("{state:?}") };
    assert_eq!(reason.kind, ReasonKind::AuthRefused);
    assert!(reason.to_string().contains("not on the relay's list"), "{reason}");
    assert!(retry_in_ms.unwrap() > 50_000, "hammering would not help");
    alice.stop().await;
    relay.stop().await;
}

#[tokio::test]
async fn a_connection_nobody_uses_is_closed_and_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |_| {}).await;
    let (alice, _events) = client(&ALICE, sender().with("idle_seconds", 1)).await;
    let to_bob = route(&BOB, &relay.url());
    alice.send(Bytes::from_static(b"one"), &to_bob, PATIENT).await.unwrap();
    let mut watcher = Raw::logged_in(relay.address, &BOB, WINDOW).await;
    assert_eq!(watcher.take().await, "one");
    let end = tokio::time::Instant::now() + LIMIT;
    while connections(&relay).await != 2 {
        assert!(tokio::time::Instant::now() < end, "the connection was not closed");
        tokio::task::yield_now().await;
    }
    alice.send(Bytes::from_static(b"two"), &to_bob, PATIENT).await.unwrap();
    assert_eq!(watcher.take().await, "two");
    alice.stop().await;
    relay.stop().await;
}

/// As the relay counts them, the question included.
async fn connections(relay: &Running) -> u64 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = TcpStream::connect(relay.address).await.unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let body: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    body["connections"].as_u64().unwrap()
}

#[tokio::test]
async fn tls_is_checked_against_the_private_authority() {
    let dir = tempfile::tempdir().unwrap();
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &rcgen::Issuer::new(ca, &ca_key)).unwrap();
    let write = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let ca_file = write("ca.pem", ca_certificate.pem());
    let tls =
        TlsFiles { certificate: write("cert.pem", certificate.pem()), key: write("key.pem", key.serialize_pem()) };
    let relay = Running::start(&dir.path().join("data"), |config| config.tls = Some(tls)).await;
    let url = format!("wss://localhost:{}", relay.address.port());
    let trusting = config(&url).with("ca_file", ca_file.to_str().unwrap());
    let (bob, mut events) = client(&BOB, trusting).await;
    up(&mut events).await;
    let (alice, _alices) = client(&ALICE, sender().with("ca_file", ca_file.to_str().unwrap())).await;
    alice.send(Bytes::from_static(b"over tls"), &route(&BOB, &url), PATIENT).await.unwrap();
    assert_eq!(events.take("the frame").await, "over tls");

    // Another name than the certificate's, or an authority that is not known: no connection.
    let by_address = format!("wss://127.0.0.1:{}", relay.address.port());
    let failed = alice.send(Bytes::from_static(b"x"), &route(&BOB, &by_address), PATIENT).await.unwrap_err();
    assert!(failed.to_string().contains("certificate"), "{failed}");
    let (stranger, _events) = client(&ALICE, sender()).await;
    let failed = stranger.send(Bytes::from_static(b"x"), &route(&BOB, &url), PATIENT).await.unwrap_err();
    assert!(failed.to_string().contains("certificate"), "{failed}");
    for transport in [alice, bob, stranger] {
        transport.stop().await;
    }
    relay.stop().await;
}

#[tokio::test]
async fn plain_connections_to_elsewhere_are_said_to_leak() {
    let leaks = |relay: &str| {
        let dir = tempfile::tempdir().unwrap();
        let context = crate::transport::testing::context("relay", 1, dir.path());
        build(&config(relay), context).unwrap().capabilities().leaks.clone()
    };
    assert!(!leaks("wss://relay.example").contains(&Leak::BothEndsToNetwork));
    assert!(!leaks("ws://127.0.0.1:9").contains(&Leak::BothEndsToNetwork));
    assert!(leaks("ws://relay.example").contains(&Leak::BothEndsToNetwork));
}

/// A relay that welcomes everybody and then does as the test says.
async fn false_relay(silence_seconds: u16) -> (String, JoinHandle<WebSocketStream<TcpStream>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        #[allow(clippy::result_large_err, reason = "the callback's type is the library's")]
        let accept = |_: &_, mut response: tokio_tungstenite::tungstenite::handshake::server::Response| {
            let name = HeaderValue::from_static(SUBPROTOCOL);
            response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, name);
            Ok(response)
        };
        let mut socket = accept_hdr_async(stream, accept).await.unwrap();
        let name = SafeText::line("false");
        let challenge = Challenge { nonce: [1; 32], time: now(), token_required: false, name };
        socket.send(Message::Binary(FromRelay::Challenge(challenge).encode())).await.unwrap();
        let _login = socket.next().await.unwrap().unwrap();
        let welcome = Welcome { max_frame: 1000, window: WINDOW, keep_seconds: 1, silence_seconds };
        socket.send(Message::Binary(FromRelay::Welcome(welcome).encode())).await.unwrap();
        socket
    });
    (url, task)
}

#[tokio::test]
async fn a_relay_that_falls_silent_is_noticed() {
    let (url, relay) = false_relay(1).await;
    let (bob, mut events) = client(&BOB, config(&url)).await;
    up(&mut events).await;
    // Held open, never read: no pong comes.
    let _socket = relay.await.unwrap();
    let TransportState::Down { reason, .. } = events.state("the silence to be noticed", is_down).await else {
        unreachable!()
    };
    assert_eq!(reason.kind, ReasonKind::Timeout, "{reason}");
    bob.stop().await;
}

#[tokio::test]
async fn a_relay_that_breaks_the_protocol_is_left() {
    let deliver = |id, size: usize| FromRelay::Deliver { id, frame: Bytes::from(vec![1; size]) };
    let cases = [
        vec![FromRelay::Stored { seq: 77, durable: true }],
        vec![FromRelay::Stored { seq: 1, durable: false }],
        vec![deliver(1, 3_000_000), deliver(2, 3_000_000)],
        (0..300).map(|id| deliver(id, 1)).collect(),
    ];
    for case in cases {
        let (url, relay) = false_relay(60).await;
        let (bob, mut events) = client(&BOB, config(&url)).await;
        let mut socket = relay.await.unwrap();
        for message in case {
            // The client may hang up before everything is written.
            if socket.send(Message::Binary(message.encode())).await.is_err() {
                break;
            }
        }
        // What came is held, neither durable nor given back.
        let mut held = Vec::new();
        let given_up = |event| match event {
            TransportEvent::Inbound(inbound) => {
                held.push(inbound);
                None
            }
            TransportEvent::State(_, TransportState::Down { reason, .. }) => Some(reason),
            _ => None,
        };
        let reason = events.next("the connection to be given up", given_up).await;
        assert_eq!(reason.kind, ReasonKind::Protocol, "{reason}");
        bob.stop().await;
    }
}

#[tokio::test]
async fn a_dropped_send_harms_nobody() {
    let (url, relay) = false_relay(60).await;
    let (alice, _events) = client(&ALICE, sender()).await;
    let to_bob = route(&BOB, &url);
    // The relay never answers; the senders give up at once, more of them than the window holds.
    for _ in 0..200 {
        let failed = alice.send(Bytes::from_static(b"x"), &to_bob, Duration::from_millis(5)).await.unwrap_err();
        assert_eq!(failed.reason.kind, ReasonKind::Timeout);
    }
    let mut socket = relay.await.unwrap();
    let mut answered = 0;
    let (waiting, ()) = tokio::join!(alice.send(Bytes::from_static(b"last"), &to_bob, PATIENT), async {
        loop {
            let Some(Ok(Message::Binary(bytes))) = within("a frame", socket.next()).await else { continue };
            let FromClient::Put { seq, frame, .. } = FromClient::decode(bytes).unwrap() else { panic!() };
            answered += 1;
            let stored = FromRelay::Stored { seq, durable: true };
            socket.send(Message::Binary(stored.encode())).await.unwrap();
            if frame == "last" {
                return;
            }
        }
    });
    waiting.unwrap();
    assert!(answered > 1 && answered <= usize::from(WINDOW.messages) + 2, "{answered}");
    alice.stop().await;
}
