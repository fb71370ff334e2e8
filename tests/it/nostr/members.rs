//! Relays that let in members only (NIP-42): nostr-relay, which never answers a login, and relays written here with its manners.

use std::os::unix::fs::PermissionsExt as _;

use nostr_sdk::Keys;
use skcomm_tui::{
    delivery::{MessageState, Reason, ReasonKind},
    transport::{TransportState, registry::TransportConfig},
};
use tempfile::TempDir;

use super::{
    befriend, failure,
    fake::{Fake, Manners},
    nostr, up, wait_for_state,
};
use crate::{gate::Gate, servers::nostr::Relay, support::TestNode};

/// A key of one's own, in a file.
struct OwnKey {
    keys: Keys,
    folder: TempDir,
}

impl OwnKey {
    fn new() -> Self {
        let (keys, folder) = (Keys::generate(), tempfile::tempdir().unwrap());
        let path = folder.path().join("key");
        std::fs::write(&path, keys.secret_key().to_secret_hex()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        Self { keys, folder }
    }

    fn admitted(relay: &Relay) -> Self {
        let own = Self::new();
        relay.admit(&own.keys.public_key().to_hex());
        own
    }

    /// A node with this key that shows it wherever it is asked.
    async fn node(&self, name: &str, relay: &str) -> TestNode {
        TestNode::start(name, &[("nostr", self.settings(relay).with("login", "own"))]).await
    }

    fn settings(&self, relay: &str) -> TransportConfig {
        nostr(&[relay.to_owned()]).with("key_file", self.folder.path().join("key").display().to_string())
    }
}

async fn talk(alice: &TestNode, bob: &TestNode, times: usize) {
    for n in 0..times {
        for (from, to) in [(alice, "bob"), (bob, "alice")] {
            match from.delivered(&from.send(to, &format!("among us, {n}")).await).await {
                MessageState::Delivered { via, .. } => assert_eq!(via.as_str(), "nostr"),
                other => panic!("{other:?}"),
            }
        }
    }
}

async fn down(node: &TestNode) -> Reason {
    wait_for_state(node, "down", |state| match state {
        TransportState::Down { reason, .. } => Some(reason.clone()),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn members_talk_at_a_relay_for_members_also_after_it_was_away() {
    let Some(mut relay) = Relay::for_members().await else { return };
    let (own, other) = (OwnKey::admitted(&relay), OwnKey::admitted(&relay));
    let alice = own.node("alice", &relay.address()).await;
    let bob = other.node("bob", &relay.address()).await;
    befriend(&alice, &bob).await;
    up(&alice).await;
    up(&bob).await;
    talk(&alice, &bob, 3).await;
    relay.kill();
    down(&alice).await;
    relay.revive().await;
    up(&alice).await;
    up(&bob).await;
    talk(&alice, &bob, 2).await;
    assert_eq!(bob.received().await.len(), 5);
    assert_eq!(alice.received().await.len(), 5);
}

#[tokio::test]
async fn a_stranger_is_told_that_the_relay_is_for_members() {
    let Some(relay) = Relay::for_members().await else { return };
    let own = OwnKey::admitted(&relay);
    let bob = own.node("bob", &relay.address()).await;
    up(&bob).await;
    // Who is no member, …
    let unknown = OwnKey::new();
    let stranger = unknown.node("carol", &relay.address()).await;
    let reason = down(&stranger).await;
    assert_eq!(reason.kind, ReasonKind::AuthRefused, "{reason}");
    assert!(reason.to_string().contains("restricted: permission denied"), "{reason}");
    // … also when it only sends, …
    let sender = TestNode::start("erin", &[("nostr", TransportConfig::new("nostr").with("login", "own"))]).await;
    sender.know(&bob, &[("nostr", &bob.address("nostr").await)]).await;
    let reason = failure(&sender, &sender.send("bob", "let me in").await).await;
    assert_eq!(reason.kind, ReasonKind::AuthRefused, "{reason}");
    assert!(reason.to_string().contains("restricted: permission denied"), "{reason}");
    // … and who is one and does not say so when it sends.
    let known = OwnKey::admitted(&relay);
    let shy = TestNode::start("dave", &[("nostr", known.settings(&relay.address()))]).await;
    up(&shy).await;
    shy.know(&bob, &[("nostr", &bob.address("nostr").await)]).await;
    let reason = failure(&shy, &shy.send("bob", "guess who").await).await;
    assert_eq!(reason.kind, ReasonKind::AuthRefused, "{reason}");
    assert!(reason.to_string().contains("`login: own` uses ours"), "{reason}");
}

#[tokio::test]
async fn what_the_relay_says_of_a_login_is_told() {
    let Some(relay) = Relay::for_members().await else { return };
    let own = OwnKey::admitted(&relay);
    // Under an address that the relay does not know for its own.
    let gate = Gate::before(relay.socket()).await;
    let alice = own.node("alice", &format!("ws://{}/", gate.address())).await;
    let reason = down(&alice).await;
    assert_eq!(reason.kind, ReasonKind::AuthRefused, "{reason}");
    let told = reason.to_string();
    assert!(told.contains("restricted: permission denied") && told.contains("Wrong domain"), "{told}");
}

/// A relay of ours with nostr-relay's manners.
fn curt() -> Manners {
    Manners { login: true, curt: true, ..Manners::default() }
}

#[tokio::test]
async fn a_relay_that_never_answers_a_login_lets_in_whenever_it_asks() {
    for late in [0, 1] {
        let fake = Fake::start(Manners { late, ..curt() }).await;
        let (own, other) = (OwnKey::new(), OwnKey::new());
        let (alice, bob) = (own.node("alice", &fake.address()).await, other.node("bob", &fake.address()).await);
        befriend(&alice, &bob).await;
        up(&alice).await;
        up(&bob).await;
        talk(&alice, &bob, 2).await;
    }
}

#[tokio::test]
async fn a_key_made_for_the_connection_is_shown_to_a_relay_that_never_answers() {
    let fake = Fake::start(curt()).await;
    let (alice, bob) = super::pair(&[fake.address()]).await;
    talk(&alice, &bob, 2).await;
}

#[tokio::test]
async fn a_relay_that_never_lets_in_says_why() {
    let fake = Fake::start(Manners { no_entry: true, ..curt() }).await;
    let own = OwnKey::new();
    let reason = down(&own.node("alice", &fake.address()).await).await;
    assert_eq!(reason.kind, ReasonKind::AuthRefused, "{reason}");
    let told = reason.to_string();
    assert!(told.contains("restricted: go away") && told.contains("invalid: nobody of ours"), "{told}");
}
