//! Two transports over loopback, and strangers who speak something else.

use std::collections::BTreeSet;

use bytes::BytesMut;
use futures_util::{StreamExt as _, stream::FuturesOrdered};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_util::codec::Encoder as _;

use super::{
    frame::{Frame, FrameCodec, FrameType, HEADER_BYTES, PREAMBLE},
    *,
};
use crate::transport::{
    Retry, TransportEvent, TransportState,
    testing::{Events, LIMIT, fingerprint, wait_until},
};

fn settings(listen: Option<&str>) -> TcpSettings {
    TcpSettings {
        listen: listen.map(|text| text.parse().unwrap()),
        max_connections: 64,
        max_per_host: 64,
        connect_timeout: Duration::from_secs(5),
        idle: Duration::from_secs(10),
        unused: Duration::from_secs(60),
    }
}

async fn started(settings: TcpSettings, room: usize) -> (Arc<TcpTransport>, Events) {
    let transport = Arc::new(TcpTransport::new(settings, "tcp".parse().unwrap()));
    let (sink, events) = mpsc::channel(room);
    transport.start(sink).await.unwrap();
    let mut events = Events(events);
    events.state("up", |state| *state == TransportState::Up).await;
    (transport, events)
}

/// A listening transport, its events and the route to it.
async fn receiver() -> (Arc<TcpTransport>, Events, Route) {
    let (transport, events) = started(settings(Some("127.0.0.1:0")), 64).await;
    let route = route(&transport.address().unwrap());
    (transport, events, route)
}

fn route(address: &str) -> Route {
    Route { recipient: fingerprint(2), address: address.to_owned() }
}

fn frame(number: usize) -> Bytes {
    Bytes::from(format!("frame {number} {}", "x".repeat(number % 300)))
}

/// Answers everything with "durable" and gives the frames that came.
fn durable(mut events: Events) -> (tokio::task::JoinHandle<()>, Arc<Mutex<Vec<Bytes>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let list = seen.clone();
    let task = tokio::spawn(async move {
        while let Some(event) = events.0.recv().await {
            if let TransportEvent::Inbound(inbound) = event {
                list.lock().unwrap().push(inbound.frame);
                inbound.receipt.durable();
            }
        }
    });
    (task, seen)
}

#[tokio::test]
async fn a_frame_is_accepted_when_the_peer_has_it_not_before() {
    let (to, mut events, route) = receiver().await;
    let (from, _quiet) = started(settings(None), 8).await;
    let sending = tokio::spawn({
        let (from, route) = (from.clone(), route.clone());
        async move { from.send(frame(1), &route, LIMIT).await }
    });
    let inbound = events.inbound("the frame").await;
    assert_eq!(inbound.frame, frame(1));
    assert!(inbound.origin.as_str().starts_with("127.0.0.1:"));
    assert!(!sending.is_finished(), "accepted before the node had answered");
    inbound.receipt.durable();
    let accepted = sending.await.unwrap().unwrap();
    assert_eq!(accepted, Accepted { stored_by: None, bytes: (HEADER_BYTES + frame(1).len()) as u64 });
    from.stop().await;
    to.stop().await;
}

#[tokio::test]
async fn refused_and_kept_back_reach_the_sender_with_their_reasons() {
    let (_to, mut events, route) = receiver().await;
    let (from, _quiet) = started(settings(None), 8).await;
    let send = |number| {
        let (from, route) = (from.clone(), route.clone());
        tokio::spawn(async move { from.send(frame(number), &route, LIMIT).await })
    };
    let (refused, dropped) = (send(1), send(2));
    for _ in 0..2 {
        let inbound = events.inbound("both frames").await;
        match inbound.frame == frame(1) {
            true => inbound.receipt.refused(Reason::new(ReasonKind::Blocked, "not \u{1b}[31myou")),
            false => drop(inbound.receipt),
        }
    }
    let error = refused.await.unwrap().unwrap_err();
    assert_eq!((error.reason.kind, error.retry), (ReasonKind::Blocked, Retry::Never));
    assert!(!error.to_string().contains('\u{1b}'));
    let error = dropped.await.unwrap().unwrap_err();
    assert_eq!((error.reason.kind, error.retry), (ReasonKind::QueueFull, Retry::Later));
}

#[tokio::test]
async fn a_thousand_pipelined_frames_arrive_in_order_over_one_connection() {
    let (to, events, route) = receiver().await;
    let (from, _quiet) = started(settings(None), 8).await;
    let (_task, seen) = durable(events);
    let mut sends: FuturesOrdered<_> = (0..1000).map(|n| from.send(frame(n), &route, LIMIT)).collect();
    while let Some(result) = sends.next().await {
        result.unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), (0..1000).map(frame).collect::<Vec<_>>());
    to.stop().await;
}

#[tokio::test]
async fn the_largest_frame_passes_and_a_larger_one_never_leaves() {
    let (_to, events, route) = receiver().await;
    let (from, _quiet) = started(settings(None), 8).await;
    let (_task, seen) = durable(events);
    let largest = Bytes::from(vec![7; limits::ENVELOPE_BYTES]);
    let (first, second) = tokio::join!(
        from.send(largest.clone(), &route, LIMIT),
        from.send(Bytes::from_static(b"small behind large"), &route, LIMIT)
    );
    first.unwrap();
    second.unwrap();
    assert!(seen.lock().unwrap()[0] == largest);
    for wrong in [Bytes::from(vec![7; limits::ENVELOPE_BYTES + 1]), Bytes::new()] {
        let error = from.send(wrong, &route, LIMIT).await.unwrap_err();
        assert_eq!((error.reason.kind, error.retry), (ReasonKind::TooLarge, Retry::Never));
    }
}

#[tokio::test]
async fn a_receiver_that_dies_in_mid_stream_and_comes_back_gets_everything() {
    let (to, events, route) = receiver().await;
    let (from, _quiet) = started(settings(None), 8).await;
    let (_task, early) = durable(events);
    let sends = (0..400).map(|n| {
        let (from, route) = (from.clone(), route.clone());
        tokio::spawn(async move {
            let mut failures = BTreeSet::new();
            while let Err(error) = from.send(frame(n), &route, LIMIT).await {
                assert_ne!(error.retry, Retry::Never, "{error}");
                failures.insert(error.reason.kind);
                if let Retry::After(wait) = error.retry {
                    tokio::time::sleep(wait).await;
                }
            }
            failures
        })
    });
    let sends: Vec<_> = sends.collect();
    wait_until("some arrive", || early.lock().unwrap().len() > 20).await;
    to.stop().await;
    let early = early.lock().unwrap().clone();
    let again = started(settings(Some(&route.address)), 64).await;
    let (_task, late) = durable(again.1);
    for send in sends {
        let failures = tokio::time::timeout(LIMIT, send).await.expect("sent in the end").unwrap();
        let known = [ReasonKind::Disconnected, ReasonKind::Unreachable];
        assert!(failures.iter().all(|kind| known.contains(kind)), "{failures:?}");
    }
    let got: BTreeSet<Bytes> = early.into_iter().chain(late.lock().unwrap().clone()).collect();
    assert_eq!(got, (0..400).map(frame).collect());
}

#[tokio::test]
async fn nobody_there_is_told_quickly_and_not_dialled_again_at_once() {
    let (from, _quiet) = started(settings(None), 8).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let route = route(&closed.to_string());
    let error = from.send(frame(1), &route, LIMIT).await.unwrap_err();
    assert_eq!(error.reason.kind, ReasonKind::Unreachable);
    assert!(matches!(error.retry, Retry::After(wait) if wait <= dialled_again()), "{error:?}");
    let error = from.send(frame(1), &route, LIMIT).await.unwrap_err();
    assert!(error.to_string().contains("dialled again in"), "{error}");
}

fn dialled_again() -> Duration {
    Duration::from_millis(320)
}

#[tokio::test]
async fn a_black_hole_that_never_greets_costs_its_own_deadline_only() {
    let hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_to, events, good) = receiver().await;
    let (_task, seen) = durable(events);
    let (from, _quiet) =
        started(TcpSettings { connect_timeout: Duration::from_millis(300), ..settings(None) }, 8).await;
    let bad = route(&hole.local_addr().unwrap().to_string());
    let (black, fine) = tokio::join!(from.send(frame(1), &bad, LIMIT), from.send(frame(2), &good, LIMIT));
    assert_eq!(black.unwrap_err().reason.kind, ReasonKind::Timeout);
    fine.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_black_hole_that_greets_and_takes_but_never_answers_times_out() {
    let hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let route = route(&hole.local_addr().unwrap().to_string());
    tokio::spawn(async move {
        let (mut stream, _) = hole.accept().await.unwrap();
        stream.write_all(&PREAMBLE).await.unwrap();
        while stream.read_u8().await.is_ok() {}
    });
    let (from, _quiet) = started(TcpSettings { idle: Duration::from_millis(400), ..settings(None) }, 8).await;
    let error = from.send(frame(1), &route, Duration::from_millis(100)).await.unwrap_err();
    assert_eq!((error.reason.kind, error.retry), (ReasonKind::Timeout, Retry::Later));
    // With more patience the silence itself is noticed: no sign of life within the idle time.
    let error = from.send(frame(2), &route, LIMIT).await.unwrap_err();
    assert_eq!(error.reason.kind, ReasonKind::Timeout);
    assert!(error.to_string().contains("nothing was heard"), "{error}");
}

#[tokio::test]
async fn an_idle_connection_lives_on_signs_of_life() {
    let quick = |listen| TcpSettings { idle: Duration::from_millis(150), ..settings(listen) };
    let (to, mut events) = started(quick(Some("127.0.0.1:0")), 64).await;
    let (from, _quiet) = started(quick(None), 8).await;
    let route = route(&to.address().unwrap());
    let mut origins = BTreeSet::new();
    for number in 0..3 {
        let send = from.send(frame(number), &route, LIMIT);
        let (sent, inbound) = tokio::join!(send, async {
            let inbound = events.inbound("the frame").await;
            // Longer than the idle time, with an envelope in flight all the while.
            let end = Instant::now() + Duration::from_millis(400);
            wait_until("the idle time passes", || Instant::now() > end).await;
            inbound.receipt.durable();
            inbound.origin
        });
        sent.unwrap();
        origins.insert(inbound);
    }
    assert_eq!(origins.len(), 1, "the same connection all the time");
}

#[tokio::test]
async fn a_connection_that_is_not_used_is_closed_and_opened_again() {
    let (_to, mut events, route) = receiver().await;
    let short = TcpSettings { unused: Duration::from_millis(50), idle: Duration::from_millis(60), ..settings(None) };
    let (from, _quiet) = started(short, 8).await;
    let mut origins = BTreeSet::new();
    for number in 0..2 {
        let (sent, inbound) = tokio::join!(from.send(frame(number), &route, LIMIT), async {
            let inbound = events.inbound("the frame").await;
            inbound.receipt.durable();
            inbound.origin
        });
        sent.unwrap();
        origins.insert(inbound);
        let end = Instant::now() + Duration::from_millis(400);
        wait_until("it is unused", || Instant::now() > end).await;
    }
    assert_eq!(origins.len(), 2);
}

/// Connects, writes `bytes` and gives what came back until the transport closed the connection.
async fn stranger(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut back = Vec::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut back)).await.expect("closed");
    // A reset is as good an end as any.
    let _ = read;
    back
}

fn greeted(frames: &[u8]) -> Vec<u8> {
    [&PREAMBLE, frames].concat()
}

#[tokio::test]
async fn garbage_is_refused_and_reported_and_neighbours_live() {
    let (_to, mut events, route) = receiver().await;
    assert!(stranger(&route.address, b"GET / HTTP/1.1\r\n\r\n").await.is_empty(), "a stranger learns nothing");
    assert!(events.refusal("http").await.to_string().contains("does not speak this protocol"));
    stranger(&route.address, b"SKCOMM\0\x09").await;
    assert!(events.refusal("version").await.to_string().contains("version 9"));

    let oversized = [&u32::MAX.to_be_bytes()[..], &[1], &1u64.to_be_bytes()].concat();
    let backwards = {
        let mut out = BytesMut::new();
        let data = Frame { kind: FrameType::Data, sequence: 2, payload: Bytes::from_static(b"x") };
        FrameCodec.encode(&data, &mut out).unwrap();
        out.to_vec()
    };
    let unknown = [&9u32.to_be_bytes()[..], &[99], &1u64.to_be_bytes()].concat();
    let taken = [&9u32.to_be_bytes()[..], &[2], &1u64.to_be_bytes()].concat();
    for (frames, wanted) in [
        (oversized, "Data frame of 4294967286 bytes"),
        (backwards, "envelope number 2 where 1 was due"),
        (unknown, "unknown type 99"),
        (taken, "unexpected Taken"),
    ] {
        assert!(stranger(&route.address, &greeted(&frames)).await.starts_with(&PREAMBLE));
        let reason = events.refusal(wanted).await;
        assert_eq!(reason.kind, ReasonKind::Protocol);
        assert!(reason.to_string().contains(wanted), "{reason}");
    }
    let (from, _quiet) = started(settings(None), 8).await;
    let (sent, got) = tokio::join!(from.send(frame(1), &route, LIMIT), events.take("a good frame"));
    sent.unwrap();
    assert_eq!(got, frame(1));
}

#[tokio::test]
async fn half_a_frame_reaches_nobody() {
    let (_to, mut events, route) = receiver().await;
    let mut whole = BytesMut::new();
    let data = Frame { kind: FrameType::Data, sequence: 1, payload: Bytes::from_static(b"half of this") };
    FrameCodec.encode(&data, &mut whole).unwrap();
    for cut in 0..whole.len() {
        let mut stream = TcpStream::connect(&route.address).await.unwrap();
        stream.write_all(&greeted(&whole[..cut])).await.unwrap();
    }
    let (from, _quiet) = started(settings(None), 8).await;
    let (sent, got) = tokio::join!(from.send(frame(7), &route, LIMIT), events.take("the whole frame"));
    sent.unwrap();
    assert_eq!(got, frame(7), "the first frame that arrives is the whole one");
}

/// Connections that each claim a frame of the largest size and then say nothing.
async fn claimants(address: &str, count: usize) -> Vec<TcpStream> {
    let claim = [&(limits::ENVELOPE_BYTES as u32 + 9).to_be_bytes()[..], &[1], &1u64.to_be_bytes()].concat();
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&greeted(&claim)).await.unwrap();
        stream.read_exact(&mut [0; 8]).await.unwrap();
        streams.push(stream);
    }
    streams
}

#[tokio::test]
async fn claims_that_hold_the_memory_for_large_frames_do_not_hold_up_small_ones() {
    let patient = TcpSettings { idle: Duration::from_secs(600), ..settings(Some("127.0.0.1:0")) };
    let (to, mut events) = started(patient, 8).await;
    let route = route(&to.address().unwrap());
    let _held = claimants(&route.address, 8).await;
    let (from, _quiet) = started(settings(None), 8).await;
    let (sent, got) = tokio::join!(from.send(frame(3), &route, LIMIT), events.take("a small frame"));
    sent.unwrap();
    assert_eq!(got, frame(3));
}

#[tokio::test]
async fn a_claim_of_sixteen_mebibytes_that_never_comes_is_dropped() {
    let strict = TcpSettings { idle: Duration::from_millis(200), ..settings(Some("127.0.0.1:0")) };
    let (to, _events) = started(strict, 8).await;
    for mut stream in claimants(&to.address().unwrap(), 2).await {
        let end = tokio::time::timeout(LIMIT, stream.read_to_end(&mut Vec::new())).await;
        assert!(end.is_ok(), "a connection that stalls within a frame is closed");
    }
}

#[tokio::test]
async fn a_connection_that_did_its_work_is_dialled_again_at_once() {
    let peer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let route = route(&peer.local_addr().unwrap().to_string());
    tokio::spawn(async move {
        // Takes one envelope on each connection, then closes it.
        while let Ok((mut stream, _)) = peer.accept().await {
            stream.write_all(&PREAMBLE).await.unwrap();
            let mut first = vec![0; PREAMBLE.len() + HEADER_BYTES + frame(1).len()];
            stream.read_exact(&mut first).await.unwrap();
            let taken = [&9u32.to_be_bytes()[..], &[2], &1u64.to_be_bytes()].concat();
            stream.write_all(&taken).await.unwrap();
        }
    });
    let quiet = TcpSettings { idle: Duration::from_secs(600), ..settings(None) };
    let (from, _quiet) = started(quiet, 8).await;
    let mut taken = 0;
    while taken < 5 {
        match from.send(frame(1), &route, LIMIT).await {
            Ok(_) => taken += 1,
            Err(error) => assert_eq!((error.reason.kind, error.retry), (ReasonKind::Disconnected, Retry::Later)),
        }
    }
}

#[tokio::test]
async fn connections_beyond_the_bound_are_turned_away_with_a_reason() {
    let (to, mut events) =
        started(TcpSettings { max_per_host: 2, max_connections: 3, ..settings(Some("127.0.0.1:0")) }, 8).await;
    let address = to.address().unwrap();
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(&PREAMBLE).await.unwrap();
        stream.read_exact(&mut [0; 8]).await.unwrap();
        kept.push(stream);
    }
    stranger(&address, b"").await;
    let reason = events.refusal("the third connection").await;
    assert_eq!(reason.kind, ReasonKind::RateLimited);
    assert!(reason.to_string().contains("2 connections from there"), "{reason}");
    drop(kept.pop());
    let (from, _quiet) = started(settings(None), 8).await;
    let sent = tokio::spawn(async move {
        loop {
            match from.send(frame(1), &route(&address), LIMIT).await {
                Err(SendError { retry: Retry::After(wait), .. }) => tokio::time::sleep(wait).await,
                done => break done,
            }
        }
    });
    assert_eq!(events.take("a frame through the place that became free").await, frame(1));
    sent.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_node_that_does_not_read_slows_the_sender_and_loses_nothing() {
    let (to, mut events) = started(settings(Some("127.0.0.1:0")), 1).await;
    let (from, _quiet) = started(settings(None), 8).await;
    let route = route(&to.address().unwrap());
    let sends: Vec<_> = (0..2000)
        .map(|n| {
            let (from, route) = (from.clone(), route.clone());
            tokio::spawn(async move { from.send(frame(n), &route, LIMIT).await })
        })
        .collect();
    let mut got = BTreeSet::new();
    while got.len() < 2000 {
        got.insert(events.take("every frame").await);
    }
    for send in sends {
        send.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_send_that_is_dropped_leaves_the_line_usable() {
    let (_to, mut events, route) = receiver().await;
    let (from, _quiet) = started(settings(None), 8).await;
    for number in 0..50 {
        let send = from.send(frame(number), &route, LIMIT);
        let _ = tokio::time::timeout(Duration::from_micros(number as u64 * 20), send).await;
    }
    let last = Bytes::from_static(b"the last");
    let send = tokio::spawn({
        let (from, route, last) = (from.clone(), route.clone(), last.clone());
        async move { from.send(last, &route, LIMIT).await }
    });
    while events.take("the last").await != last {}
    send.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_told_and_taken_when_it_is_free() {
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = other.local_addr().unwrap().to_string();
    let transport = TcpTransport::new(settings(Some(&address)), "tcp".parse().unwrap());
    let (sink, events) = mpsc::channel(8);
    let mut events = Events(events);
    transport.start(sink).await.unwrap();
    let state = events.state("degraded", |state| matches!(state, TransportState::Degraded { .. })).await;
    let TransportState::Degraded { reason } = state else { unreachable!() };
    assert!(reason.to_string().contains("is in use by another program"), "{reason}");
    assert!(transport.probe(LIMIT).await.unwrap_err().to_string().contains("is in use"));
    assert_eq!(transport.address(), None);
    drop(other);
    events.state("up", |state| *state == TransportState::Up).await;
    transport.probe(LIMIT).await.unwrap();
    assert_eq!(transport.address(), Some(address));
    transport.stop().await;
}

#[tokio::test]
async fn stopping_ends_everything_and_it_can_be_started_again() {
    let (to, mut events, route) = receiver().await;
    let (from, _quiet) = started(settings(None), 8).await;
    let waiting = tokio::spawn({
        let (from, route) = (from.clone(), route.clone());
        async move { from.send(frame(1), &route, LIMIT).await }
    });
    let kept = events.inbound("a frame").await;
    from.stop().await;
    assert_eq!(waiting.await.unwrap().unwrap_err().reason.kind, ReasonKind::Stopping);
    assert_eq!(from.send(frame(1), &route, LIMIT).await.unwrap_err().retry, Retry::Later);
    assert_eq!(from.probe(LIMIT).await.unwrap_err().kind, ReasonKind::Stopping);
    to.stop().await;
    kept.receipt.durable();
    assert!(events.0.recv().await.is_none(), "nothing is pushed after stop, and the sink is given back");
    assert!(TcpStream::connect(&route.address).await.is_err());
    let (sink, again) = mpsc::channel(8);
    to.start(sink.clone()).await.unwrap();
    assert!(to.start(sink).await.is_err(), "twice is an error");
    let mut again = Events(again);
    again.state("up again", |state| *state == TransportState::Up).await;
    to.probe(LIMIT).await.unwrap();
}

#[tokio::test]
async fn what_comes_back_over_our_own_connection_is_checked_as_well() {
    let evil = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let route = route(&evil.local_addr().unwrap().to_string());
    let answers: [&[u8]; 4] = [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        &greeted(&[&9u32.to_be_bytes()[..], &[2], &77u64.to_be_bytes()].concat()),
        &greeted(&[&10u32.to_be_bytes()[..], &[1], &1u64.to_be_bytes(), b"x"].concat()),
        &greeted(&[&(u32::MAX).to_be_bytes()[..], &[3], &1u64.to_be_bytes()].concat()),
    ];
    for answer in answers {
        let (from, _quiet) = started(settings(None), 8).await;
        let (result, _stream) = tokio::join!(from.send(frame(1), &route, LIMIT), async {
            let (mut stream, _) = evil.accept().await.unwrap();
            stream.write_all(answer).await.unwrap();
            stream
        });
        let error = result.unwrap_err();
        assert_eq!(error.reason.kind, ReasonKind::Protocol, "{error}");
    }
}
