//! Sizes, full streams, and what neighbours at the same server do.

use async_nats::jetstream;
use bytes::Bytes;
use futures_util::StreamExt as _;
use skcomm_tui::{
    delivery::{ReasonKind, Retry},
    node::{Command, Reply},
    transport::{Route, TransportState},
};

use super::{Bare, Nats, fingerprint, pair, state};
use crate::support::{LIMIT, until};

#[tokio::test]
async fn the_largest_frame_passes_and_one_byte_more_is_refused_by_name() {
    let Some(nats) = Nats::start("max_payload: 65536").await else { return };
    // A limit of our own, then that of the server, which is learned when it is there.
    for (config, most, by) in [
        (nats.config().with("max_frame_bytes", 10_000), 10_000, "10000"),
        (nats.config().with("realm", "other"), 65_536 - 512, "max_payload"),
    ] {
        let mut alice = Bare::start(1, &config).await;
        let mut bob = Bare::start(2, &config).await;
        alice.up().await;
        bob.up().await;
        let route = Route { recipient: fingerprint(2), address: alice.transport.address().unwrap() };
        let frame = Bytes::from(vec![7; most]);
        let accepted = alice.transport.send(frame.clone(), &route, LIMIT).await.unwrap();
        assert!(accepted.stored_by.is_some_and(|by| by.as_str().starts_with("127.0.0.1")));
        assert!(accepted.bytes > most as u64);
        let inbound = bob.inbound("the largest frame").await;
        assert_eq!(inbound.frame, frame);
        inbound.receipt.durable();
        let refused = alice.transport.send(vec![7; most + 1].into(), &route, LIMIT).await.unwrap_err();
        assert_eq!((refused.reason.kind, refused.retry), (ReasonKind::TooLarge, Retry::Never));
        let line = refused.reason.to_string();
        assert!(line.contains(&most.to_string()) && line.contains(by), "{line}");
    }
}

#[tokio::test]
async fn a_full_stream_refuses_and_keeps_what_it_has() {
    let Some(nats) = Nats::start("").await else { return };
    let config = nats.config().with("stream_mib", 1);
    let mut alice = Bare::start(1, &config).await;
    alice.up().await;
    let mut stored = 0_u8;
    let refused = loop {
        match alice.send(vec![stored; 100_000], 2).await {
            Ok(_) => stored += 1,
            Err(refused) => break refused,
        }
        assert!(stored < 20, "the stream has a bound");
    };
    assert_eq!(refused.reason.kind, ReasonKind::NoSpace, "{refused}");
    assert!(stored > 5, "{stored}");
    let mut bob = Bare::start(2, &config).await;
    for n in 0..stored {
        let inbound = bob.inbound("what was stored").await;
        assert_eq!(inbound.frame[0], n);
        inbound.receipt.durable();
    }
    // What was taken makes room.
    until("there is room again", || async { alice.send(vec![99; 100_000], 2).await.ok() }).await;
}

#[tokio::test]
async fn foreign_messages_in_our_subject_are_refused_and_cost_no_neighbour() {
    let Some(nats) = Nats::start("").await else { return };
    let (alice, bob) = pair(nats.config(), nats.config()).await;
    let neighbour = nats.neighbour().await;
    let mut seen = neighbour.subscribe("skc.>").await.unwrap();
    neighbour.flush().await.unwrap();
    let sent = alice.send("bob", "before").await;
    alice.delivered(&sent).await;
    let subject = seen.next().await.unwrap().subject;
    let text = subject.to_string();
    let fingerprints = [&alice, &bob].map(|node| node.certificate.clone());
    assert!(text.len() < 80 && !fingerprints.iter().any(|certificate| certificate.contains(&text)), "{text}");
    let jetstream = jetstream::new(neighbour);
    for n in 0..300_u32 {
        let garbage = match n % 3 {
            0 => Bytes::new(),
            1 => Bytes::from(vec![0xff; 1 + n as usize]),
            _ => Bytes::from(format!("{{\"skcomm_version\":\"{}", "[".repeat(n as usize))),
        };
        jetstream.publish(subject.clone(), garbage).await.unwrap().await.unwrap();
    }
    let sent = alice.send("bob", "after").await;
    alice.delivered(&sent).await;
    assert_eq!(bob.received().await, ["before", "after"]);
    until("the refusals are counted", || async {
        let Reply::Status(status) = bob.call(Command::Status).await else { panic!() };
        let counted: u64 = status.refused.values().sum();
        (counted >= 200).then_some(())
    })
    .await;
    assert_eq!(state(&bob).await, TransportState::Up);
}

#[tokio::test]
async fn a_stream_that_would_drop_messages_is_not_used() {
    let Some(nats) = Nats::start("").await else { return };
    let mut alice = Bare::start(1, &nats.config()).await;
    alice.up().await;
    alice.transport.stop().await;
    let jetstream = jetstream::new(nats.neighbour().await);
    let name = jetstream.stream_names().next().await.unwrap().unwrap();
    let mut config = jetstream.get_stream(&name).await.unwrap().cached_info().config.clone();
    config.discard = jetstream::stream::DiscardPolicy::Old;
    config.discard_new_per_subject = false;
    jetstream.update_stream(config).await.unwrap();
    let mut alice = Bare::start(1, &nats.config()).await;
    let reason = alice.down().await;
    assert_eq!(reason.kind, ReasonKind::NotConfigured);
    assert!(reason.to_string().contains(&name), "{reason}");
}
