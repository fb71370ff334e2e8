//! Against nostr-relay.

use std::path::Path;

use skcomm_tui::{
    delivery::{MessageState, ReasonKind},
    transport::TransportState,
};

use super::{attempts, befriend, failure, node, pair, up, wait_for_state};
use crate::{
    servers::nostr::Relay,
    support::{TestNode, until},
};

fn read_all(folder: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).flat_map(|path| std::fs::read(path).unwrap()).collect()
}

/// Delivered, over nostr, and kept by that relay meanwhile.
async fn delivered(from: &TestNode, message: &skcomm_tui::node::Message) {
    match from.delivered(message).await {
        MessageState::Delivered { via, .. } => assert_eq!(via.as_str(), "nostr"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn messages_and_acks_go_both_ways_and_tell_the_relay_no_names() {
    let Some(relay) = Relay::start().await else { return };
    let (alice, bob) = pair(&[relay.address()]).await;
    for n in 0..5 {
        delivered(&alice, &alice.send("bob", &format!("to bob {n}")).await).await;
        delivered(&bob, &bob.send("alice", &format!("to alice {n}")).await).await;
    }
    assert_eq!(bob.received().await.len(), 5);
    assert_eq!(alice.received().await.len(), 5);
    let kept = read_all(relay.folder());
    let holds = |what: &str| kept.windows(what.len()).any(|window| window.eq_ignore_ascii_case(what.as_bytes()));
    assert!(holds("skcomm-openpgp"), "it is the right file");
    assert!(!holds("to bob"));
    let skcomm_tui::node::Reply::Status(status) = alice.call(skcomm_tui::node::Command::Status).await else { panic!() };
    assert!(!holds(&status.fingerprint.to_string()), "no OpenPGP fingerprint in the clear");
}

#[tokio::test]
async fn mail_waits_for_a_recipient_that_is_away_and_comes_once() {
    let Some(relay) = Relay::start().await else { return };
    let (alice, mut bob) = pair(&[relay.address()]).await;
    delivered(&alice, &alice.send("bob", "first").await).await;
    bob.stop().await;
    let mut sent = Vec::new();
    // More than the relay gives at once (max_limit).
    for n in 0..130 {
        sent.push(alice.send("bob", &format!("while away {n}")).await);
    }
    for message in &sent {
        let accepted = |state: &MessageState| matches!(state, MessageState::Accepted { .. });
        alice.wait_for_state(message, "accepted", accepted).await;
    }
    bob.restart();
    for message in &sent {
        delivered(&alice, message).await;
    }
    assert_eq!(bob.received().await.len(), 131, "everything came, and once");
    // What was seen is not handed to the node again.
    bob.stop().await;
    bob.restart();
    up(&bob).await;
    delivered(&alice, &alice.send("bob", "last").await).await;
    let skcomm_tui::node::Reply::Transports(all) = bob.call(skcomm_tui::node::Command::Transports).await else {
        panic!()
    };
    assert!(all[0].received < 20, "{} frames were unpacked again", all[0].received);
    assert_eq!(bob.received().await.len(), 132);
}

#[tokio::test]
async fn a_relay_that_dies_and_comes_back_loses_nothing() {
    let Some(mut relay) = Relay::start().await else { return };
    let (alice, bob) = pair(&[relay.address()]).await;
    delivered(&alice, &alice.send("bob", "before").await).await;
    let mut sent = Vec::new();
    for n in 0..20 {
        sent.push(alice.send("bob", &format!("in mid-stream {n}")).await);
        if n == 10 {
            relay.kill();
        }
    }
    let reason = wait_for_state(&alice, "down", |state| match state {
        TransportState::Down { reason, .. } => Some(reason.clone()),
        _ => None,
    })
    .await;
    assert!(reason.to_string().starts_with(&format!("127.0.0.1:{}", relay.port)), "{reason}");
    relay.revive().await;
    up(&alice).await;
    up(&bob).await;
    for message in &sent {
        delivered(&alice, message).await;
    }
    let mut received = bob.received().await;
    received.sort();
    received.dedup();
    assert_eq!(received.len(), 21);
    assert_eq!(bob.received().await.len(), 21, "nothing twice");
}

#[tokio::test]
async fn one_of_two_relays_is_enough_and_the_dead_one_is_named() {
    let (Some(one), Some(mut two)) = (Relay::start().await, Relay::start().await) else { return };
    let (alice, bob) = pair(&[one.address(), two.address()]).await;
    delivered(&alice, &alice.send("bob", "over both").await).await;
    two.kill();
    let sent = alice.send("bob", "over one").await;
    delivered(&alice, &sent).await;
    delivered(&bob, &bob.send("alice", "and back").await).await;
    let reason = wait_for_state(&bob, "degraded", |state| match state {
        TransportState::Degraded { reason } => Some(reason.clone()),
        _ => None,
    })
    .await;
    assert!(reason.to_string().contains(&two.port.to_string()), "{reason}");
    assert_eq!(bob.received().await, ["over both", "over one"]);
    two.revive().await;
    up(&bob).await;
}

#[tokio::test]
async fn what_is_larger_than_an_event_goes_in_pieces() {
    let Some(relay) = Relay::start().await else { return };
    let (alice, bob) = pair(&[relay.address()]).await;
    // Text that compression makes little of.
    let text: String = (0..200_000).map(|_| char::from(rand::random_range(b'!'..=b'~'))).collect();
    let sent = alice.send("bob", &text).await;
    delivered(&alice, &sent).await;
    assert_eq!(bob.received().await, [text]);
    let bytes = attempts(&alice, &sent).await[0].bytes;
    assert!(bytes > 100_000, "it was larger than an event: {bytes}");
}

#[tokio::test]
async fn relays_that_the_address_does_not_name_are_looked_up() {
    let Some(relay) = Relay::start().await else { return };
    let (alice, bob) = (node("alice", &[relay.address()]).await, node("bob", &[relay.address()]).await);
    up(&alice).await;
    up(&bob).await;
    let npub = |address: String| address.split_once('@').unwrap().0.to_owned();
    alice.know(&bob, &[("nostr", &npub(bob.address("nostr").await))]).await;
    bob.know(&alice, &[("nostr", &npub(alice.address("nostr").await))]).await;
    delivered(&alice, &alice.send("bob", "found you").await).await;
}

#[tokio::test]
async fn a_key_that_is_not_bound_to_the_peer_gets_nothing() {
    let Some(relay) = Relay::start().await else { return };
    let relays = [relay.address()];
    let (alice, bob, mallory) =
        (node("alice", &relays).await, node("bob", &relays).await, node("mallory", &relays).await);
    for node in [&alice, &bob, &mallory] {
        up(node).await;
    }
    // Somebody has put another's address into Bob's entry.
    alice.know(&bob, &[("nostr", &mallory.address("nostr").await)]).await;
    let reason = failure(&alice, &alice.send("bob", "for bob only").await).await;
    assert_eq!(reason.kind, ReasonKind::KeyUnusable, "{reason}");
    assert!(reason.to_string().contains("another OpenPGP key"), "{reason}");
    // A key that nobody has published.
    let nobody = {
        use nostr_sdk::ToBech32 as _;
        nostr_sdk::Keys::generate().public_key().to_bech32().unwrap()
    };
    alice.know_as(&mallory, "carol", &[("nostr", &format!("{nobody}@{}", relay.address()))]).await;
    let reason = failure(&alice, &alice.send("carol", "hello?").await).await;
    assert_eq!(reason.kind, ReasonKind::NoRoute, "{reason}");
    assert!(reason.to_string().contains("no statement was found"), "{reason}");
    until("mallory got nothing", || async { mallory.received().await.is_empty().then_some(()) }).await;
    befriend(&bob, &mallory).await;
    delivered(&bob, &bob.send("mallory", "the relay works").await).await;
}
