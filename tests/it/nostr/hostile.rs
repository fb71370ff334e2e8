//! Relays that want a login, say no, say nothing, or lie.

use nostr_sdk::{EventBuilder, JsonUtil as _, Keys, Kind, PublicKey, Timestamp, nips::nip44};
use skcomm_tui::{
    delivery::ReasonKind,
    transport::{TransportState, registry::TransportConfig},
};

use super::{
    failure,
    fake::{Fake, Manners},
    node, pair, refused, state, up, wait_for_state,
};
use crate::support::{TestNode, until};

#[tokio::test]
async fn a_relay_that_wants_a_login_gets_one_and_not_the_senders_key() {
    let fake = Fake::start(Manners { login: true, ..Manners::default() }).await;
    let (alice, bob) = pair(&[fake.address()]).await;
    alice.delivered(&alice.send("bob", "behind the door").await).await;
    assert_eq!(bob.received().await, ["behind the door"]);
    let mut own = Vec::new();
    for node in [&alice, &bob] {
        let address = node.address("nostr").await;
        own.push(PublicKey::parse(address.split_once('@').unwrap().0).unwrap().to_hex());
    }
    let logins = fake.logins();
    assert!(logins.iter().any(|login| login.reads) && logins.iter().any(|login| !login.reads), "{logins:?}");
    for login in logins {
        assert_eq!(own.contains(&login.key), login.reads, "who reads says who it is, who sends does not");
    }
}

#[tokio::test]
async fn a_refused_login_is_told() {
    let fake = Fake::start(Manners { login: true, no_entry: true, ..Manners::default() }).await;
    let alice = node("alice", &[fake.address()]).await;
    let reason = wait_for_state(&alice, "down", |state| match state {
        TransportState::Down { reason, .. } => Some(reason.clone()),
        _ => None,
    })
    .await;
    assert_eq!(reason.kind, ReasonKind::AuthRefused, "{reason}");
    assert!(reason.to_string().contains("members only"), "{reason}");
}

#[tokio::test]
async fn a_relay_that_only_gives_notice_is_down_with_its_words() {
    let fake = Fake::start(Manners { only_notice: Some("closed for \u{1b}[7mrepairs"), ..Manners::default() }).await;
    let settings = super::nostr(&[fake.address()]).with("answer_seconds", 1);
    let alice = TestNode::start("alice", &[("nostr", settings)]).await;
    let reason = wait_for_state(&alice, "down", |state| match state {
        TransportState::Down { reason, .. } => Some(reason.clone()),
        _ => None,
    })
    .await;
    assert_eq!(reason.kind, ReasonKind::Timeout, "{reason}");
    let told = reason.to_string();
    assert!(told.contains("closed for") && told.contains("repairs") && !told.contains('\u{1b}'), "{told:?}");
}

#[tokio::test]
async fn a_refusal_has_its_reason() {
    for (words, kind) in [
        ("rate-limited: slow down", ReasonKind::RateLimited),
        ("blocked: not here", ReasonKind::AuthRefused),
        ("pow: 28 bits", ReasonKind::NotConfigured),
        ("invalid: event too large", ReasonKind::TooLarge),
    ] {
        let fake = Fake::start(Manners { refuse: Some(words), ..Manners::default() }).await;
        let (alice, _bob) = pair(&[fake.address()]).await;
        let reason = failure(&alice, &alice.send("bob", "hello").await).await;
        assert_eq!(reason.kind, kind, "{reason}");
        assert!(reason.to_string().contains(words), "{reason}");
    }
}

#[tokio::test]
async fn one_relay_that_takes_it_is_enough() {
    let refusing = Fake::start(Manners { refuse: Some("blocked: not here"), ..Manners::default() }).await;
    let taking = Fake::start(Manners::default()).await;
    let (alice, bob) = pair(&[refusing.address(), taking.address()]).await;
    alice.delivered(&alice.send("bob", "round the corner").await).await;
    assert_eq!(bob.received().await, ["round the corner"]);
}

/// What a hostile relay, or a stranger through a decent one, may send to the reader `KEY` on `SUB`.
fn garbage() -> Vec<String> {
    let keys = Keys::generate();
    let now = Timestamp::now();
    let other = Keys::generate().public_key();
    let event = |kind: Kind, tag: PublicKey, content: &str, at: Timestamp| {
        EventBuilder::new(kind, content)
            .tag(nostr_sdk::Tag::public_key(tag))
            .custom_created_at(at)
            .sign_with_keys(&keys)
            .unwrap()
            .as_json()
    };
    let on = |event: String| format!("[\"EVENT\",\"SUB\",{event}]");
    let forged = event(Kind::GiftWrap, other, "AAAA", now).replace(&other.to_hex(), "KEY");
    let stranger = nip44::encrypt(keys.secret_key(), &other, "not for you", nip44::Version::V2).unwrap();
    let mut all = vec![
        "no JSON".to_owned(),
        "[]".to_owned(),
        "{\"a\":1}".to_owned(),
        "[\"EVENT\",\"SUB\",{\"id\":5}]".to_owned(),
        format!("[\"EVENT\",\"SUB\",{}{}]", "[".repeat(5000), "]".repeat(5000)),
        format!("[\"NOTICE\",\"{}\"]", "n".repeat(1_000_000)),
        "[\"OK\",\"\",false,\"\"]".to_owned(),
        "[\"EOSE\",\"nothing that was asked\"]".to_owned(),
        "[\"CLOSED\",\"nothing that was asked\",\"error: bye\"]".to_owned(),
        format!("[\"AUTH\",\"{}\"]", "c".repeat(5000)),
        on(forged),
        on(event(Kind::GiftWrap, other, &stranger, now)),
        on(event(Kind::TextNote, other, "a note", now)),
        on(event(Kind::GiftWrap, other, "", Timestamp::from_secs(1))),
        on(event(Kind::GiftWrap, other, "", Timestamp::from_secs(u64::MAX / 4))),
        format!("[\"EVENT\",\"never asked\",{}]", event(Kind::GiftWrap, other, "", now)),
    ];
    all.extend((0..100).map(|n| on(event(Kind::GiftWrap, other, &n.to_string(), now))));
    all
}

#[tokio::test]
async fn garbage_is_counted_and_nothing_breaks() {
    let fake = Fake::start(Manners { pour: garbage(), ..Manners::default() }).await;
    let (alice, bob) = pair(&[fake.address()]).await;
    alice.delivered(&alice.send("bob", "through the dirt").await).await;
    assert_eq!(bob.received().await, ["through the dirt"]);
    assert!(refused(&bob).await > 10, "{}", refused(&bob).await);
    assert_eq!(state(&bob).await, TransportState::Up);
    // Each of the two has one connection to read and one to write or look up with; none was given up over garbage.
    assert_eq!(fake.connections(), 4);
}

/// A wrap that `sender` made for `to`, with a rumor of that kind and content.
fn gift(sender: &Keys, to: &PublicKey, kind: u16, content: &str) -> String {
    let rumor = nostr_sdk::UnsignedEvent::new(sender.public_key(), Timestamp::now(), Kind::Custom(kind), [], content);
    let sealed = nip44::encrypt(sender.secret_key(), to, rumor.as_json(), nip44::Version::V2).unwrap();
    let seal = EventBuilder::new(Kind::Seal, sealed).sign_with_keys(sender).unwrap();
    EventBuilder::gift_wrap_from_seal(to, &seal, []).unwrap().as_json()
}

#[tokio::test]
async fn gifts_of_strangers_are_counted_and_do_not_hold_up_friends() {
    use futures_util::{SinkExt as _, StreamExt as _};
    let fake = Fake::start(Manners::default()).await;
    let (alice, bob) = pair(&[fake.address()]).await;
    let bobs = PublicKey::parse(bob.address("nostr").await.split_once('@').unwrap().0).unwrap();
    let (mut socket, _) = tokio_tungstenite::connect_async(fake.address()).await.unwrap();
    let stranger = Keys::generate();
    let mut sent = 0;
    for n in 0..40 {
        for (kind, content) in [(14, "buy something"), (1407, "not base64"), (1407, "AAAA"), (1407, "")] {
            let text =
                format!("[\"EVENT\",{}]", gift(&stranger, &bobs, kind, &format!("{content}{}", " ".repeat(n % 2))));
            socket.send(tokio_tungstenite::tungstenite::Message::text(text)).await.unwrap();
            // The relay's OK.
            socket.next().await.unwrap().unwrap();
            sent += 1;
        }
    }
    alice.delivered(&alice.send("bob", "still here").await).await;
    assert_eq!(bob.received().await, ["still here"]);
    assert!(sent == 160 && refused(&bob).await > 10);
    assert_eq!(state(&bob).await, TransportState::Up);
}

#[tokio::test]
async fn a_stranger_introduces_itself_over_nostr_and_is_answered_there() {
    use skcomm_tui::node::{Command, Reply};
    let fake = Fake::start(Manners::default()).await;
    let (alice, bob) = (node("alice", &[fake.address()]).await, node("bob", &[fake.address()]).await);
    up(&alice).await;
    up(&bob).await;
    alice.know(&bob, &[("nostr", &bob.address("nostr").await)]).await;
    let sent = alice.send("bob", "we have not met").await;
    until("bob has a request", || async {
        let Reply::Peers(peers) = bob.call(Command::Peers).await else { panic!() };
        (!peers.is_empty()).then_some(())
    })
    .await;
    bob.call(Command::RequestAccept { peer: "alice".into() }).await;
    // Her address came with the introduction.
    bob.delivered(&bob.send("alice", "now we have").await).await;
    alice.delivered(&sent).await;
}

#[tokio::test]
async fn settings_that_do_not_fit_are_named_and_a_key_file_is_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let fake = Fake::start(Manners::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let keys = Keys::generate();
    std::fs::write(&path, keys.secret_key().to_secret_hex()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let settings: TransportConfig = super::nostr(&[fake.address()]).with("key_file", path.display().to_string());
    let alice = TestNode::start("alice", &[("nostr", settings)]).await;
    let address = alice.address("nostr").await;
    assert_eq!(PublicKey::parse(address.split_once('@').unwrap().0).unwrap(), keys.public_key());
}
