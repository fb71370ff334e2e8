use super::*;
use crate::transport::websocket::protocol::RefusalKind;

fn kind(answer: Option<FromRelay>, seq: u64) -> RefusalKind {
    match answer {
        Some(FromRelay::Refused { seq: refused, refusal }) if refused == seq => refusal.kind,
        other => panic!("not refused but {other:?}"),
    }
}

#[tokio::test]
async fn a_full_mailbox_refuses_and_takes_again_when_it_is_emptied() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |config| {
        config.limits.storage.mailbox_messages = 3;
        config.limits.storage.sender_share_percent = 100;
    })
    .await;
    drop(Raw::logged_in(relay.address, &BOB, WINDOW).await);
    let mut alice = Raw::logged_in(relay.address, &ALICE, SEND_ONLY).await;
    for seq in 0..3 {
        assert_eq!(alice.put(seq, &BOB, b"x").await, STORED(seq));
    }
    assert_eq!(kind(alice.put(3, &BOB, b"x").await, 3), RefusalKind::MailboxFull);
    let mut bob = Raw::logged_in(relay.address, &BOB, WINDOW).await;
    bob.take().await;
    // An answer to a later question tells that the deletion has been handled.
    bob.put(1, &ALICE, b"done").await;
    assert_eq!(alice.put(4, &BOB, b"x").await, STORED(4));
    relay.stop().await;
}

#[tokio::test]
async fn strangers_and_single_senders_get_a_share_only() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |config| {
        config.limits.storage.mailbox_bytes = 10_000;
        config.limits.storage.unclaimed_bytes = 2_000;
        config.limits.storage.sender_share_percent = 50;
    })
    .await;
    let stranger = Key::new();
    let mut alice = Raw::logged_in(relay.address, &ALICE, SEND_ONLY).await;
    assert_eq!(alice.put(1, &stranger, &[0; 900]).await, STORED(1));
    assert_eq!(kind(alice.put(2, &stranger, &[0; 900]).await, 2), RefusalKind::MailboxFull, "half of 2000");
    drop(Raw::logged_in(relay.address, &BOB, WINDOW).await);
    assert_eq!(alice.put(3, &BOB, &[0; 4900]).await, STORED(3));
    assert_eq!(kind(alice.put(4, &BOB, &[0; 4900]).await, 4), RefusalKind::MailboxFull, "half of 10000");
    let mut other = Raw::logged_in(relay.address, &stranger, SEND_ONLY).await;
    assert_eq!(other.put(5, &BOB, &[0; 4900]).await, STORED(5), "another sender has its own share");
    relay.stop().await;
}

#[tokio::test]
async fn a_sender_over_its_rate_is_told_when_to_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |config| {
        config.limits.sender.messages_burst = 2;
        config.limits.sender.messages_per_second = 1;
    })
    .await;
    let mut alice = Raw::logged_in(relay.address, &ALICE, SEND_ONLY).await;
    assert_eq!(alice.put(1, &BOB, b"x").await, STORED(1));
    assert_eq!(alice.put(2, &BOB, b"x").await, STORED(2));
    match alice.put(3, &BOB, b"x").await {
        Some(FromRelay::Refused { refusal, .. }) => {
            assert_eq!(refusal.kind, RefusalKind::RateLimited);
            let wait = refusal.retry_after.unwrap();
            assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
        }
        other => panic!("{other:?}"),
    }
    relay.stop().await;
}

#[tokio::test]
async fn an_oversized_frame_is_refused_and_a_huge_one_ends_the_connection() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |config| config.limits.frame_bytes = 10_000).await;
    let mut alice = Raw::logged_in(relay.address, &ALICE, SEND_ONLY).await;
    assert_eq!(alice.put(1, &BOB, &[0; 10_000]).await, STORED(1));
    assert_eq!(kind(alice.put(2, &BOB, &[0; 10_005]).await, 2), RefusalKind::TooLarge);
    match alice.put(3, &BOB, &[0; 20_000]).await {
        Some(FromRelay::Bye(refusal)) => assert_eq!(refusal.kind, RefusalKind::TooLarge),
        // The relay closed while the rest was still on its way.
        None => {}
        other => panic!("{other:?}"),
    }
    let mut bob = Raw::logged_in(relay.address, &BOB, WINDOW).await;
    assert_eq!(bob.take().await.len(), 10_000);
    relay.stop().await;
}

#[tokio::test]
async fn a_full_relay_refuses_everybody() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |config| config.limits.storage.total_bytes = 1500).await;
    drop(Raw::logged_in(relay.address, &BOB, WINDOW).await);
    let mut alice = Raw::logged_in(relay.address, &ALICE, WINDOW).await;
    assert_eq!(alice.put(1, &BOB, &[0; 1000]).await, STORED(1));
    assert_eq!(kind(alice.put(2, &ALICE, &[0; 1000]).await, 2), RefusalKind::RelayFull);
    relay.stop().await;
}

#[tokio::test]
async fn there_are_only_so_many_places() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |config| config.limits.connections = 1).await;
    let alice = Raw::logged_in(relay.address, &ALICE, WINDOW).await;
    let (bob, mut events) = client(&BOB, config(&relay.url())).await;
    let down =
        |state: &crate::transport::TransportState| matches!(state, crate::transport::TransportState::Down { .. });
    events.state("to be turned away", down).await;
    drop(alice);
    // The relay asked for half a minute; a probe does not wait for it.
    let end = tokio::time::Instant::now() + LIMIT;
    while bob.probe(PATIENT).await.is_err() {
        assert!(tokio::time::Instant::now() < end, "the place did not become free");
    }
    events.state("the free place", |state| *state == crate::transport::TransportState::Up).await;
    bob.stop().await;
    relay.stop().await;
}

#[tokio::test]
async fn a_second_relay_on_the_same_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |_| {}).await;
    let config = RelayConfig::new("127.0.0.1:0".parse().unwrap(), dir.path().to_owned());
    match Relay::bind(config).await {
        Err(ServeError::Storage { folder, .. }) => assert_eq!(folder, dir.path()),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("two relays on one folder"),
    }
    relay.stop().await;
}
