//! Servers that misbehave. What needs a real server is in `tests/it/nats`.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::transport::{
    Retry, TransportState,
    testing::{Events, LIMIT, context, fingerprint},
};

/// A fresh seed of a user's key.
pub(super) fn user_seed() -> String {
    nkeys::KeyPair::new_user().seed().unwrap()
}

const INFO: &str = "INFO {\"server_id\":\"x\",\"server_name\":\"x\",\"version\":\"2.9.10\",\"go\":\"go1\",\"host\":\"x\",\
     \"port\":1,\"headers\":true,\"max_payload\":1048576,\"proto\":1,\"client_id\":1}\r\n";

/// A server that says `first` to whoever connects, reads the login, says `then` and after that `flood` without end.
async fn server(first: &'static str, then: &'static str, flood: Option<&'static [u8]>) -> (String, Rogue) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("nats://{}", listener.local_addr().unwrap());
    let (count, counted) = watch::channel(0);
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.send_modify(|count| *count += 1);
            tokio::spawn(misbehave(stream, first, then, flood));
        }
    });
    (address, Rogue { counted, _task: AbortOnDropHandle::new(task) })
}

/// A server that misbehaves, until it is dropped.
struct Rogue {
    counted: watch::Receiver<usize>,
    _task: AbortOnDropHandle<()>,
}

impl Rogue {
    /// How often somebody has connected.
    fn connections(&self) -> usize {
        *self.counted.borrow()
    }

    /// Waits for one more connection than these.
    async fn connects_after(&self, before: usize) {
        let mut counted = self.counted.clone();
        tokio::time::timeout(LIMIT, counted.wait_for(|count| *count > before))
            .await
            .expect("it is dialled again")
            .unwrap();
    }
}

async fn misbehave(mut stream: TcpStream, first: &str, then: &str, flood: Option<&[u8]>) -> std::io::Result<()> {
    stream.write_all(first.as_bytes()).await?;
    let mut login = [0; 4096];
    if stream.read(&mut login).await? == 0 {
        return Ok(());
    }
    stream.write_all(then.as_bytes()).await?;
    while let Some(flood) = flood {
        stream.write_all(flood).await?;
    }
    // Silent, but there.
    while stream.read(&mut login).await? > 0 {}
    Ok(())
}

async fn started(address: &str) -> (NatsTransport, Events, tempfile::TempDir) {
    let config = TransportConfig::new("nats").with("servers", address).with("connect_seconds", 2);
    let dir = tempfile::tempdir().unwrap();
    let settings = NatsSettings::read(&config).unwrap();
    let transport = NatsTransport::new(settings, context("nats", 1, dir.path()));
    let (sink, events) = mpsc::channel(64);
    transport.start(sink).await.unwrap();
    (transport, Events(events), dir)
}

/// The first reason for which the transport is down.
async fn down(events: &mut Events) -> (Reason, Option<u64>) {
    let state = events.state("down", |state| matches!(state, TransportState::Down { .. })).await;
    let TransportState::Down { reason, retry_in_ms } = state else { unreachable!() };
    (reason, retry_in_ms)
}

#[tokio::test]
async fn servers_that_misbehave_are_left_with_a_reason() {
    static BLOCK: [u8; 65_536] = [b'x'; 65_536];
    for (first, then, flood, kind, says) in [
        ("HTTP/1.1 400 Bad Request\r\n\r\n", "", None, ReasonKind::Unreachable, ""),
        ("INFO nonsense\r\n", "", None, ReasonKind::Unreachable, ""),
        (INFO, "-ERR 'Authorization Violation'\r\n", None, ReasonKind::AuthRefused, "authorization violation"),
        (INFO, "-ERR 'User Authentication Expired'\r\n", None, ReasonKind::AuthRefused, "Expired"),
        // Accepts the login and never answers: the time for all or that for one request ends first.
        (INFO, "PONG\r\n", None, ReasonKind::Timeout, "answer"),
        // A message without end, and a line without end.
        (INFO, "PONG\r\nMSG a 1 999999999999\r\n", Some(&BLOCK[..]), ReasonKind::Protocol, "more than"),
        (INFO, "PONG\r\n", Some(&BLOCK[..]), ReasonKind::Protocol, "more than"),
        // Lengths that overflow whoever adds to them, after the login and in place of its answer.
        (INFO, "PONG\r\nMSG a 1 18446744073709551615\r\n", None, ReasonKind::Protocol, "library failed"),
        (INFO, "PONG\r\nHMSG a 1 4 18446744073709551615\r\n", None, ReasonKind::Protocol, "library failed"),
        (INFO, "MSG a 1 18446744073709551615\r\n", None, ReasonKind::Protocol, "library failed"),
    ] {
        let (address, server) = server(first, then, flood).await;
        let (transport, mut events, _dir) = started(&address).await;
        let (reason, retry) = down(&mut events).await;
        assert_eq!(reason.kind, kind, "{then:?}: {reason}");
        assert!(reason.to_string().contains(says), "{then:?}: {reason}");
        assert!(retry.is_some(), "{then:?} is tried again");
        if kind != ReasonKind::AuthRefused {
            server.connects_after(server.connections()).await;
        }
        let route = Route { recipient: fingerprint(2), address: "skcomm".to_owned() };
        let refused = transport.send(Bytes::from_static(b"frame"), &route, LIMIT).await.unwrap_err();
        assert_eq!(refused.reason.kind, kind, "{refused}");
        transport.stop().await;
    }
}

#[tokio::test]
async fn what_cannot_go_is_refused_before_it_is_tried() {
    let (transport, _events, _dir) = started("nats://127.0.0.1:1").await;
    let route = |address: &str| Route { recipient: fingerprint(2), address: address.to_owned() };
    let most = transport.capabilities().max_frame;
    for (frame, address, kind) in [
        (Bytes::new(), "skcomm", ReasonKind::TooLarge),
        (Bytes::from(vec![0; most + 1]), "skcomm", ReasonKind::TooLarge),
        (Bytes::from_static(b"frame"), "elsewhere", ReasonKind::NotConfigured),
    ] {
        let refused = transport.send(frame, &route(address), LIMIT).await.unwrap_err();
        assert_eq!((refused.reason.kind, refused.retry), (kind, Retry::Never), "{refused}");
    }
    assert!(transport.check_address("skcomm").is_ok() && transport.check_address("elsewhere").is_err());
    transport.stop().await;
    let stopped = transport.send(Bytes::from_static(b"frame"), &route("skcomm"), LIMIT).await.unwrap_err();
    assert_eq!(stopped.reason.kind, ReasonKind::Stopping);
}
