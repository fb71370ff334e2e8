//! Messages and acks, absent recipients, servers that die in mid-stream.

use std::{collections::BTreeMap, time::Duration};

use async_nats::jetstream;
use futures_util::StreamExt as _;
use skcomm_tui::{
    delivery::{Leak, Reason, ReasonKind},
    node::{Message, SendRequest},
    transport::TransportState,
    wire::Mode,
};

use super::{Bare, Nats, down, pair, route, state};
use crate::support::{LIMIT, request, until};

#[tokio::test]
async fn messages_and_acks_go_both_ways() {
    let Some(nats) = Nats::start("authorization { token: \"s3cret\" }").await else { return };
    let config = nats.config().with("token", "s3cret");
    let (alice, bob) = pair(config.clone(), config).await;
    let there = alice.send("bob", "through the server").await;
    alice.delivered(&there).await;
    let back = bob.send("alice", "and back").await;
    bob.delivered(&back).await;
    assert_eq!(bob.received().await, ["through the server"]);
    assert_eq!(alice.received().await, ["and back"]);
    assert_eq!(state(&alice).await, TransportState::Up);
    assert_eq!(alice.address("nats").await, "skcomm");
}

#[tokio::test]
async fn a_recipient_who_was_away_fetches_what_waits() {
    let Some(nats) = Nats::start("").await else { return };
    let (alice, mut bob) = pair(nats.config(), nats.config()).await;
    bob.stop().await;
    let mut sent = Vec::new();
    for n in 0..20 {
        sent.push(alice.send("bob", &format!("{n}")).await);
    }
    let stored = |s: &skcomm_tui::delivery::MessageState| format!("{s:?}").contains("127.0.0.1");
    alice.wait_for_state(&sent[19], "stored by the server", stored).await;
    bob.restart();
    for message in &sent {
        alice.delivered(message).await;
    }
    let mut received = bob.received().await;
    received.sort_by_key(|text| text.parse::<u32>().unwrap());
    assert_eq!(received, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_server_killed_in_mid_stream_loses_and_repeats_nothing() {
    let Some(mut nats) = Nats::start("").await else { return };
    let (alice, bob) = pair(nats.config(), nats.config()).await;
    let first = alice.send("bob", "first").await;
    alice.delivered(&first).await;
    let mut sent: Vec<Message> = Vec::new();
    for n in 0..60 {
        sent.push(alice.send("bob", &format!("{n}")).await);
        sent.push(bob.send("alice", &format!("{n}")).await);
        if n == 20 {
            nats.kill();
            let reason = down(&alice, ReasonKind::Disconnected).await;
            assert!(reason.to_string().contains("127.0.0.1"), "{reason}");
        }
        if n == 40 {
            nats.revive().await;
        }
    }
    for (n, message) in sent.iter().enumerate() {
        if n % 2 == 0 {
            alice.delivered(message).await
        } else {
            bob.delivered(message).await
        };
    }
    let expected: BTreeMap<String, usize> = (0..60).map(|n| (n.to_string(), 1)).collect();
    for (node, extra) in [(&bob, Some("first")), (&alice, None)] {
        let mut counts = BTreeMap::new();
        for text in node.received().await {
            *counts.entry(text).or_insert(0) += 1;
        }
        assert_eq!(extra.map(|text| counts.remove(text)), extra.map(|_| Some(1)));
        assert_eq!(counts, expected, "{}", node.name);
    }
}

#[tokio::test]
async fn a_frame_stays_until_the_node_has_it_or_refuses_it() {
    let Some(nats) = Nats::start("").await else { return };
    let mut alice = Bare::start(1, &nats.config()).await;
    let mut bob = Bare::start(2, &nats.config()).await;
    alice.up().await;
    alice.send("one", 2).await.unwrap();
    alice.send("one", 2).await.unwrap();
    let first = bob.inbound("the frame").await;
    assert_eq!(first.frame, "one");
    drop(first.receipt);
    let again = bob.inbound("the frame again, because nobody answered for it").await;
    assert_eq!(again.frame, "one", "the server knew the repeated one");
    // Unanswered when the transport stops: given back, and there at the next start.
    bob.transport.stop().await;
    drop(again);
    let mut bob = Bare::start(2, &nats.config()).await;
    bob.inbound("the frame after the restart").await.receipt.durable();
    alice.send("two", 2).await.unwrap();
    bob.inbound("another").await.receipt.refused(Reason::new(ReasonKind::Protocol, "no envelope"));
    let jetstream = jetstream::new(nats.neighbour().await);
    until("nothing is kept of what was taken or refused", || async {
        let name = jetstream.stream_names().next().await?.ok()?;
        let stream = jetstream.get_stream(name).await.ok()?;
        (stream.cached_info().state.messages == 0).then_some(())
    })
    .await;
    assert!(bob.transport.probe(LIMIT).await.unwrap() < LIMIT);
}

#[tokio::test]
async fn on_the_realms_common_subject_only_the_recipient_takes_a_frame() {
    let Some(nats) = Nats::start("").await else { return };
    let config = nats.config().with("addressing", "realm");
    let (alice, bob) = pair(config.clone(), config.clone()).await;
    let mut carol = Bare::start(3, &config).await;
    carol.up().await;
    assert!(!carol.transport.capabilities().leaks.contains(&Leak::BothEndsToServer));
    // Stealth takes no path that shows who talks to whom: this one does not.
    let sent = alice.send_as(SendRequest { mode: Some(Mode::Stealth), ..request("bob", "to all and one") }).await;
    alice.delivered(&sent).await;
    let sent = alice.send_as(SendRequest { mode: Some(Mode::Broadcast), ..request("bob", "again") }).await;
    alice.delivered(&sent).await;
    assert_eq!(bob.received().await, ["to all and one", "again"]);
    // What carol gets next is what is for her, not what went by before.
    let other = Bare::start(4, &config).await;
    other.send("for carol", 3).await.unwrap();
    assert_eq!(carol.inbound("her frame").await.frame, "for carol");
}

#[tokio::test]
async fn a_silent_server_is_noticed_by_its_missing_heartbeat() {
    let Some(nats) = Nats::start("").await else { return };
    let gate = crate::gate::Gate::before(([127, 0, 0, 1], nats.port).into()).await;
    let config = nats.config().with("servers", format!("nats://{}", gate.address())).with("keepalive_seconds", 1);
    let mut alice = Bare::start(1, &config).await;
    alice.up().await;
    gate.set(crate::gate::Passage::Swallow);
    let refused = alice.transport.send("into nothing".into(), &route(2), Duration::from_secs(1)).await.unwrap_err();
    assert!(matches!(refused.reason.kind, ReasonKind::Timeout | ReasonKind::Disconnected), "{refused}");
    alice.down().await;
    gate.set(crate::gate::Passage::Open);
    alice.up().await;
    alice.send("heard again", 2).await.unwrap();
}
