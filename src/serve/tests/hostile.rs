use tokio::io::AsyncWriteExt;

use super::*;
use crate::transport::websocket::protocol::RefusalKind;

async fn ends_with(raw: &mut Raw, expected: RefusalKind) {
    match raw.hear().await {
        Some(FromRelay::Bye(refusal)) => assert_eq!(refusal.kind, expected, "{refusal}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(raw.hear().await, None);
}

#[tokio::test]
async fn garbage_ends_the_connection_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |_| {}).await;
    let mut neighbour = Raw::logged_in(relay.address, &BOB, WINDOW).await;
    let garbage = [
        Message::Binary(Bytes::new()),
        Message::Binary(Bytes::from_static(&[0xFF; 40])),
        Message::Binary(Bytes::from_static(&[0x10, 1, 2])),
        Message::Text("hello".into()),
    ];
    for message in garbage.clone() {
        let mut raw = Raw::connect(relay.address).await;
        raw.socket.send(message).await.unwrap();
        ends_with(&mut raw, RefusalKind::Protocol).await;
    }
    for message in garbage {
        let mut raw = Raw::logged_in(relay.address, &ALICE, WINDOW).await;
        raw.socket.send(message).await.unwrap();
        ends_with(&mut raw, RefusalKind::Protocol).await;
    }
    // Bytes that are no WebSocket at all, after the login.
    let mut raw = Raw::logged_in(relay.address, &ALICE, WINDOW).await;
    raw.socket.get_mut().write_all(&[0xFF; 100]).await.unwrap();
    ends_with(&mut raw, RefusalKind::Protocol).await;
    assert_eq!(neighbour.put(1, &BOB, b"still there").await, STORED(1));
    assert_eq!(neighbour.take().await, "still there");
    relay.stop().await;
}

#[tokio::test]
async fn a_put_before_the_login_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |_| {}).await;
    let mut raw = Raw::connect(relay.address).await;
    raw.put_nowait(1, &BOB, b"x").await;
    ends_with(&mut raw, RefusalKind::Protocol).await;
    let mut raw = Raw::connect(relay.address).await;
    raw.put_nowait(1, &BOB, &vec![0; 400_000]).await;
    match raw.hear().await {
        Some(FromRelay::Bye(refusal)) => assert_eq!(refusal.kind, RefusalKind::Protocol),
        None => {}
        other => panic!("{other:?}"),
    }
    relay.stop().await;
}

#[tokio::test]
async fn half_sent_large_messages_take_only_the_places_for_such() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |config| config.limits.large_messages = 1).await;
    let mut stuck = Raw::logged_in(relay.address, &ALICE, SEND_ONLY).await;
    // The head of a masked frame of 10 MB and its first 200 kB.
    let mut head = vec![0x82, 0xFF];
    head.extend(10_000_000u64.to_be_bytes());
    head.extend([0; 4]);
    head.extend(vec![0; 200_000]);
    stuck.socket.get_mut().write_all(&head).await.unwrap();
    let mut bob = Raw::logged_in(relay.address, &BOB, WINDOW).await;
    assert_eq!(bob.put(1, &BOB, b"small").await, STORED(1), "small messages pass");
    assert_eq!(bob.take().await, "small");
    drop(stuck);
    assert_eq!(bob.put(2, &BOB, &vec![1; 300_000]).await, STORED(2), "and the place becomes free");
    assert_eq!(bob.take().await.len(), 300_000);
    relay.stop().await;
}

#[tokio::test]
async fn silence_is_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |config| config.limits.silence = Duration::from_millis(150)).await;
    let mut raw = Raw::logged_in(relay.address, &ALICE, WINDOW).await;
    ends_with(&mut raw, RefusalKind::Idle).await;
    relay.stop().await;
}
