//! A cluster of three servers that keep three copies: one dies, or two, and come back.

use std::{collections::BTreeMap, time::Duration};

use skcomm_tui::{
    delivery::{Reason, ReasonKind},
    node::Message,
    transport::{TransportEvent, TransportState},
};

use super::{Bare, Nats, down, pair, route, state};
use crate::{servers::nats_cluster::Cluster, support::until};

/// The realm's stream, made by a node that has left again, and the server that leads it.
async fn leader(cluster: &Cluster) -> (String, usize) {
    let mut first = Bare::start(9, &cluster.config(0)).await;
    first.up().await;
    first.transport.stop().await;
    let stream = cluster.stream("").await;
    let leader = cluster.leader(&stream).await;
    (stream, leader)
}

#[tokio::test]
async fn a_leader_killed_in_mid_stream_loses_and_repeats_nothing() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let (stream, leader) = leader(&cluster).await;
    // Both are connected to the one that dies.
    let (alice, bob) = pair(cluster.config(leader), cluster.config(leader)).await;
    alice.delivered(&alice.send("bob", "0").await).await;
    bob.delivered(&bob.send("alice", "0").await).await;
    let mut sent: Vec<Message> = Vec::new();
    for n in 1..40 {
        sent.push(alice.send("bob", &n.to_string()).await);
        sent.push(bob.send("alice", &n.to_string()).await);
        if n == 20 {
            cluster.kill(leader);
            let reason = down(&alice, ReasonKind::Disconnected).await;
            assert!(reason.to_string().contains("127.0.0.1"), "{reason}");
        }
    }
    for (n, message) in sent.iter().enumerate() {
        let node = if n % 2 == 0 { &alice } else { &bob };
        node.delivered(message).await;
    }
    let expected: BTreeMap<String, usize> = (0..40).map(|n| (n.to_string(), 1)).collect();
    for node in [&alice, &bob] {
        let mut counts = BTreeMap::new();
        for text in node.received().await {
            *counts.entry(text).or_insert(0) += 1;
        }
        assert_eq!(counts, expected, "{}", node.name);
        until("the transport is up", || async { (state(node).await == TransportState::Up).then_some(()) }).await;
    }
    cluster.revive(leader).await;
    cluster.complete(&stream).await;
}

#[tokio::test]
async fn without_a_majority_nothing_is_called_stored_and_with_it_the_transport_is_up_again() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let (_, leader) = leader(&cluster).await;
    let mut alice = Bare::start(1, &cluster.config(leader)).await;
    alice.up().await;
    alice.send("before", 2).await.unwrap();
    let others = [(leader + 1) % 3, (leader + 2) % 3];
    others.iter().for_each(|n| cluster.kill(*n));
    // The leader has the frame and can get no other to keep it. Also not when it is asked a second time.
    let sender = alice.transport.clone();
    let send = async || sender.send("alone".into(), &route(2), Duration::from_secs(4)).await;
    for _ in 0..2 {
        let refused = send().await.unwrap_err();
        assert!(matches!(refused.reason.kind, ReasonKind::Timeout | ReasonKind::Unreachable), "{refused}");
    }
    let reason = alice.down().await;
    assert!(reason.to_string().contains("127.0.0.1"), "{reason}");
    for n in others {
        cluster.revive(n).await;
    }
    alice.up().await;
    until("frames are stored again", async || send().await.ok()).await;
    let mut bob = Bare::start(2, &cluster.config(leader)).await;
    let mut came = Vec::new();
    while !came.ends_with(&["alone".to_owned()]) {
        let inbound = bob.inbound("what was stored").await;
        came.push(String::from_utf8(inbound.frame.to_vec()).unwrap());
        inbound.receipt.durable();
    }
    assert_eq!(came[0], "before");
}

#[tokio::test]
async fn copies_that_cannot_be_had_are_told_with_the_remedy() {
    let Some(nats) = Nats::start("").await else { return };
    let wanted = nats.config().with("replicas", 3);
    let mut alice = Bare::start(1, &wanted).await;
    let reason = alice.down().await;
    assert_eq!(reason.kind, ReasonKind::NotConfigured);
    assert!(reason.to_string().contains("set replicas to 1"), "{reason}");
    alice.transport.stop().await;
    // Another node makes the stream, with one copy: it is used, and the difference shown.
    Bare::start(2, &nats.config()).await.up().await;
    let mut alice = Bare::start(1, &wanted).await;
    let reason: Reason = alice
        .next("degraded", |event| match event {
            TransportEvent::State(_, TransportState::Degraded { reason }) => Some(reason),
            _ => None,
        })
        .await;
    assert!(reason.to_string().contains("--replicas 3"), "{reason}");
    alice.send("all the same", 2).await.unwrap();
}
