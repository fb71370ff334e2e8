//! Who is there: told by heartbeats, to nobody but friends.

use std::time::{Duration, Instant};

use skcomm_tui::{
    node::{Command, Peer, Presence, Reply},
    serve::{Relay, RelayConfig},
    transport::registry::TransportConfig,
};
use tempfile::TempDir;

use crate::support::{TestNode, tcp, until};

/// Longer than the first heartbeat after a start takes.
const FIRST_HEARTBEAT: Duration = Duration::from_secs(4);

async fn peer(node: &TestNode, name: &str) -> Peer {
    match node.call(Command::Peer { peer: name.to_owned() }).await {
        Reply::Peer(peer) => *peer,
        other => panic!("{other:?}"),
    }
}

/// Two who have written to each other over tcp; everything else of theirs is forgotten with the restart.
async fn friends(first: &mut TestNode, second: &mut TestNode) {
    first.know(second, &[("tcp", &second.address("tcp").await)]).await;
    second.know(first, &[("tcp", &first.address("tcp").await)]).await;
    let sent = first.send(&second.name, "hello").await;
    first.delivered(&sent).await;
    let sent = second.send(&first.name, "hello").await;
    second.delivered(&sent).await;
}

#[tokio::test]
async fn friends_see_each_other_without_a_message_and_strangers_see_nobody() {
    let mut alice = TestNode::start("alice", &[("tcp", tcp())]).await;
    let mut bob = TestNode::start("bob", &[("tcp", tcp())]).await;
    let mallory = TestNode::start("mallory", &[("tcp", tcp())]).await;
    friends(&mut alice, &mut bob).await;
    // Alice holds mallory's key and an address, and does not accept her.
    let address = alice.address("tcp").await;
    mallory.know(&alice, &[("tcp", &address)]).await;
    mallory.send("alice", "who are you?").await;
    until("the request", || async {
        let Reply::Peers(all) = alice.call(Command::Peers).await else { panic!() };
        all.iter().any(|peer| peer.request).then_some(())
    })
    .await;
    // Only the port that bob listens on is another after a restart: he finds alice.
    let before = peer(&alice, "bob").await.last_seen;
    bob.stop().await;
    bob.restart();
    assert_eq!(peer(&bob, "alice").await.presence, Presence::Unknown, "it is forgotten at the end");
    until("alice hears of bob again", || async { (peer(&alice, "bob").await.last_seen > before).then_some(()) }).await;
    assert_eq!(peer(&alice, "bob").await.presence, Presence::Online);
    let (alices, bobs) = (alice.messages().await.len(), bob.messages().await.len());
    assert_eq!((alices, bobs), (3, 2), "heartbeats are no messages");
    assert_eq!(peer(&mallory, "alice").await.presence, Presence::Unknown);
    assert!(peer(&mallory, "alice").await.last_seen.is_none());
}

/// Two who have written to each other over a server, whose address outlives their restarts.
async fn friends_at(server: &TransportConfig, route: &str) -> (TestNode, TestNode) {
    let alice = TestNode::start("alice", &[("server", server.clone())]).await;
    let bob = TestNode::start("bob", &[("server", server.clone())]).await;
    for (one, other) in [(&alice, &bob), (&bob, &alice)] {
        one.know(other, &[("server", route)]).await;
    }
    for (one, other) in [(&alice, "bob"), (&bob, "alice")] {
        let sent = one.send(other, "hello").await;
        one.delivered(&sent).await;
    }
    (alice, bob)
}

/// Starts both again: what they know of each other from then on, they know from heartbeats.
async fn start_again(alice: &mut TestNode, bob: &mut TestNode) {
    alice.stop().await;
    bob.stop().await;
    alice.restart();
    bob.restart();
}

async fn sees(one: &TestNode, other: &str) {
    until(&format!("{} sees {other}", one.name), || async {
        (peer(one, other).await.presence == Presence::Online).then_some(())
    })
    .await;
}

async fn see_each_other_over(server: &TransportConfig, route: &str) {
    let (mut alice, mut bob) = friends_at(server, route).await;
    start_again(&mut alice, &mut bob).await;
    sees(&alice, "bob").await;
    sees(&bob, "alice").await;
    assert_eq!((alice.messages().await.len(), bob.messages().await.len()), (2, 2), "heartbeats are no messages");
}

/// A relay that lives as long as the test.
async fn relay(data: &TempDir) -> (TransportConfig, String) {
    let config = RelayConfig::new(([127, 0, 0, 1], 0).into(), data.path().to_owned());
    let relay = Relay::bind(config).await.unwrap();
    let url = format!("ws://{}", relay.address());
    tokio::spawn(relay.run(std::future::pending()));
    (TransportConfig::new("websocket").with("relays", url.clone()), url)
}

#[tokio::test]
async fn friends_see_each_other_over_the_relay() {
    let data = tempfile::tempdir().unwrap();
    let (server, url) = relay(&data).await;
    see_each_other_over(&server, &url).await;
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn friends_see_each_other_over_nats() {
    let Some(nats) = crate::nats::Nats::start("").await else { return };
    see_each_other_over(&nats.config(), "skcomm").await;
}

#[tokio::test]
async fn who_switches_it_off_is_not_seen_and_still_sees() {
    let data = tempfile::tempdir().unwrap();
    let (server, url) = relay(&data).await;
    let (mut alice, mut bob) = friends_at(&server, &url).await;
    switch(&bob, false);
    start_again(&mut alice, &mut bob).await;
    let started = Instant::now();
    sees(&bob, "alice").await;
    until("a first heartbeat would have come", || async { (started.elapsed() > FIRST_HEARTBEAT).then_some(()) }).await;
    let seen = peer(&alice, "bob").await;
    assert_eq!((seen.presence, seen.last_seen), (Presence::Unknown, None));
    // It was nothing else that kept it back.
    bob.stop().await;
    switch(&bob, true);
    bob.restart();
    sees(&alice, "bob").await;
}

/// As the user does it: in config.yml.
fn switch(node: &TestNode, on: bool) {
    let mut config = node.home.config().unwrap();
    config.defaults.presence = on;
    node.home.save_config(&config).unwrap();
    let text = std::fs::read_to_string(node.home.root().join("config.yml")).unwrap();
    assert!(text.contains(&format!("presence: {on}")), "{text}");
}
