//! Relays that keep their mailboxes in a cluster of three servers, of which one dies, or two, and come back.

use skcomm_tui::{delivery::MessageState, node::Message, transport::registry::TransportConfig};

use crate::{
    relay_store::{Relay, once},
    servers::nats_cluster::Cluster,
    support::{LIMIT, TestNode, until_within},
};

/// Nodes with their mailboxes at these relays, each reached over a transport of its own: `alice` and `bob`. Alice prefers the first,
/// Bob the last.
async fn pair(relays: &[&Relay]) -> (TestNode, TestNode) {
    let places: Vec<(String, String)> =
        relays.iter().enumerate().map(|(n, relay)| (format!("relay-{n}"), relay.url())).collect();
    let transports = |best: usize| {
        let mut all = Vec::new();
        for (n, (id, url)) in places.iter().enumerate() {
            let config = TransportConfig::new("websocket").with("relays", url.clone()).with("keepalive_seconds", 1);
            let priority = u16::try_from(10 + 10 * n.abs_diff(best)).unwrap();
            all.push((id.as_str(), TransportConfig { priority, ..config }));
        }
        all
    };
    let (alice, bob) =
        (TestNode::start("alice", &transports(0)).await, TestNode::start("bob", &transports(relays.len() - 1)).await);
    let routes: Vec<_> = places.iter().map(|(id, url)| (id.as_str(), url.as_str())).collect();
    alice.know(&bob, &routes).await;
    bob.know(&alice, &routes).await;
    (alice, bob)
}

/// Sends these numbers to `to`.
async fn send(from: &TestNode, to: &TestNode, numbers: std::ops::Range<usize>) -> Vec<Message> {
    let mut sent = Vec::new();
    for n in numbers {
        sent.push(from.send(&to.name, &n.to_string()).await);
    }
    sent
}

async fn stored(node: &TestNode, sent: &[Message]) {
    for message in sent {
        let stored = |state: &MessageState| matches!(state, MessageState::Accepted { stored_by: Some(_), .. });
        node.wait_for_state(message, "stored by a relay", stored).await;
    }
}

async fn delivered(node: &TestNode, sent: &[Message]) {
    for message in sent {
        node.delivered(message).await;
    }
}

#[tokio::test]
async fn nothing_is_lost_when_the_streams_leader_is_killed_and_a_relay_and_the_server_catches_up() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let (mut a, b) = (Relay::with_store(&cluster.store(0)).await, Relay::with_store(&cluster.store(0)).await);
    let stream = cluster.stream("_RELAY").await;
    let (alice, mut bob) = pair(&[&a, &b]).await;
    let (there, back) = (send(&alice, &bob, 0..5).await, send(&bob, &alice, 0..5).await);
    delivered(&alice, &there).await;
    delivered(&bob, &back).await;
    bob.stop().await;
    let mut sent = send(&alice, &bob, 5..20).await;
    let leader = cluster.leader(&stream).await;
    cluster.kill(leader);
    sent.extend(send(&alice, &bob, 20..30).await);
    stored(&alice, &sent).await;
    // A relay says so of nothing that the other servers do not have.
    cluster.info("everything is stored", &stream, |info| (info.state.messages >= 25).then_some(())).await;
    bob.restart();
    let back = send(&bob, &alice, 5..15).await;
    delivered(&alice, &sent).await;
    delivered(&bob, &back).await;
    a.kill();
    let (there, back) = (send(&alice, &bob, 30..40).await, send(&bob, &alice, 15..25).await);
    delivered(&alice, &there).await;
    delivered(&bob, &back).await;
    cluster.revive(leader).await;
    cluster.complete(&stream).await;
    once(&bob, 40).await;
    once(&alice, 25).await;
}

#[tokio::test]
async fn without_a_majority_of_the_servers_nothing_is_called_stored_and_with_it_everything_arrives() {
    let Some(mut cluster) = Cluster::start().await else { return };
    Relay::with_store(&cluster.store(0)).await.kill();
    let leader = cluster.leader(&cluster.stream("_RELAY").await).await;
    // The leader stays, and takes in what it can get no other to keep.
    let relay = Relay::with_store(&cluster.store(leader)).await;
    let (alice, mut bob) = pair(&[&relay]).await;
    delivered(&alice, &send(&alice, &bob, 0..1).await).await;
    bob.stop().await;
    let others = [(leader + 1) % 3, (leader + 2) % 3];
    others.iter().for_each(|n| cluster.kill(*n));
    let sent = send(&alice, &bob, 1..6).await;
    for message in &sent {
        let refused = |state: &MessageState| match state {
            // Its place in the queue comes with the reason; a path that others found broken is not tried.
            MessageState::Queued { reason: Some(reason), .. } => reason.to_string().contains("the relay"),
            MessageState::Accepted { .. } => panic!("one server of three cannot store"),
            _ => false,
        };
        alice.wait_for_state(message, "refused with the relay's reason", refused).await;
    }
    until_within(2 * LIMIT, "the relay says that it has no store", async || {
        relay.health().await.contains("no store").then_some(())
    })
    .await;
    let log = relay.log();
    assert!(log.contains("nothing is accepted until it is back"), "{log}");
    for n in others {
        cluster.revive(n).await;
    }
    bob.restart();
    delivered(&alice, &sent).await;
    once(&bob, 6).await;
    assert!(relay.health().await.contains("\"ok\""));
}

#[tokio::test]
async fn the_servers_can_be_killed_one_after_the_other_while_messages_pass() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let (a, b) = (Relay::with_store(&cluster.store(0)).await, Relay::with_store(&cluster.store(1)).await);
    let stream = cluster.stream("_RELAY").await;
    let (alice, bob) = pair(&[&a, &b]).await;
    // The second can be missed only because the first came back whole. A relay is connected to each.
    for n in 0..2 {
        let numbers = 4 * n..4 * n + 2;
        let mut there = send(&alice, &bob, numbers.clone()).await;
        let mut back = send(&bob, &alice, numbers).await;
        cluster.kill(n);
        let numbers = 4 * n + 2..4 * n + 4;
        there.extend(send(&alice, &bob, numbers.clone()).await);
        back.extend(send(&bob, &alice, numbers).await);
        delivered(&alice, &there).await;
        delivered(&bob, &back).await;
        cluster.revive(n).await;
        cluster.complete(&stream).await;
    }
    once(&bob, 8).await;
    once(&alice, 8).await;
}
