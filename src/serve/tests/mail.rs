use super::*;

#[tokio::test]
async fn what_is_stored_while_the_recipient_is_away_comes_in_order_later() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |_| {}).await;
    let mut alice = Raw::logged_in(relay.address, &ALICE, SEND_ONLY).await;
    for seq in 0..100u64 {
        alice.put_nowait(seq, &BOB, format!("message {seq}").as_bytes()).await;
    }
    for seq in 0..100 {
        assert_eq!(alice.hear().await, STORED(seq));
    }
    let mut bob = Raw::logged_in(relay.address, &BOB, WINDOW).await;
    for seq in 0..100 {
        assert_eq!(bob.take().await, format!("message {seq}"));
    }
    // And what comes now is pushed at once.
    assert_eq!(alice.put(100, &BOB, b"live").await, STORED(100));
    assert_eq!(bob.take().await, "live");
    relay.stop().await;
}

#[tokio::test]
async fn what_is_not_taken_comes_again_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |_| {}).await;
    let mut alice = Raw::logged_in(relay.address, &ALICE, SEND_ONLY).await;
    for (seq, frame) in [b"one", b"two"].into_iter().enumerate() {
        assert_eq!(alice.put(seq as u64, &BOB, frame).await, STORED(seq as u64));
    }
    let mut bob = Raw::logged_in(relay.address, &BOB, WINDOW).await;
    assert_eq!(bob.take().await, "one");
    assert_eq!(bob.mail().await.1, "two");
    drop(bob);
    let mut bob = Raw::logged_in(relay.address, &BOB, WINDOW).await;
    assert_eq!(bob.mail().await.1, "two");
    relay.stop().await;
    let relay = Running::start(dir.path(), |_| {}).await;
    let mut alice = Raw::logged_in(relay.address, &ALICE, SEND_ONLY).await;
    assert_eq!(alice.put(7, &BOB, b"three").await, STORED(7));
    let mut bob = Raw::logged_in(relay.address, &BOB, WINDOW).await;
    assert_eq!(bob.take().await, "two", "`one` was taken and is gone");
    assert_eq!(bob.take().await, "three");
    relay.stop().await;
}

#[tokio::test]
async fn nobody_can_take_another_ones_mail() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |_| {}).await;
    let mut alice = Raw::logged_in(relay.address, &ALICE, WINDOW).await;
    assert_eq!(alice.put(1, &BOB, b"for bob").await, STORED(1));
    let mut bob = Raw::logged_in(relay.address, &BOB, WINDOW).await;
    let (id, _) = bob.mail().await;
    alice.say(FromClient::Taken { id }).await;
    assert_eq!(alice.put(2, &ALICE, b"to myself").await, STORED(2));
    assert_eq!(alice.take().await, "to myself", "what was said before has been handled");
    drop(bob);
    let mut bob = Raw::logged_in(relay.address, &BOB, WINDOW).await;
    assert_eq!(bob.take().await, "for bob");
    relay.stop().await;
}

#[tokio::test]
async fn the_window_of_the_recipient_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |_| {}).await;
    let mut alice = Raw::logged_in(relay.address, &ALICE, SEND_ONLY).await;
    for seq in 0..5 {
        assert_eq!(alice.put(seq, &BOB, &[b'0' + seq as u8; 1000]).await, STORED(seq));
    }
    let small = Window { messages: 4, bytes: 2500 };
    let mut bob = Raw::logged_in(relay.address, &BOB, small).await;
    let (first, _) = bob.mail().await;
    let (second, _) = bob.mail().await;
    // Nothing more fits: an answer to a question of ours is the next thing said.
    assert_eq!(bob.put(9, &ALICE, b"x").await, STORED(9));
    bob.say(FromClient::Taken { id: first }).await;
    assert_eq!(bob.mail().await.1, vec![b'2'; 1000]);
    bob.say(FromClient::Taken { id: second }).await;
    assert_eq!(bob.mail().await.1, vec![b'3'; 1000]);
    relay.stop().await;
}

#[tokio::test]
async fn a_message_over_the_window_comes_alone() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |_| {}).await;
    let mut alice = Raw::logged_in(relay.address, &ALICE, SEND_ONLY).await;
    let large = vec![b'L'; 3_000_000];
    assert_eq!(alice.put(1, &BOB, b"small").await, STORED(1));
    assert_eq!(alice.put(2, &BOB, &large).await, STORED(2));
    assert_eq!(alice.put(3, &BOB, b"after").await, STORED(3));
    let mut bob = Raw::logged_in(relay.address, &BOB, WINDOW).await;
    assert_eq!(bob.take().await, "small");
    assert!(bob.take().await == large);
    assert_eq!(bob.take().await, "after");
    relay.stop().await;
}

#[tokio::test]
async fn the_newest_connection_of_a_mailbox_receives() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |_| {}).await;
    let mut old = Raw::logged_in(relay.address, &BOB, WINDOW).await;
    let mut alice = Raw::logged_in(relay.address, &ALICE, SEND_ONLY).await;
    assert_eq!(alice.put(1, &BOB, b"first").await, STORED(1));
    assert_eq!(old.mail().await.1, "first");
    let mut new = Raw::logged_in(relay.address, &BOB, WINDOW).await;
    assert_eq!(new.take().await, "first");
    assert_eq!(alice.put(2, &BOB, b"second").await, STORED(2));
    assert_eq!(new.mail().await.1, "second");
    drop(new);
    assert_eq!(old.mail().await.1, "second", "the older connection takes over");
    relay.stop().await;
}

#[tokio::test]
async fn a_slow_reader_is_waited_for_and_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |_| {}).await;
    let wide = Window { messages: 256, bytes: 8 * 1024 * 1024 };
    let mut slow = Raw::logged_in(relay.address, &BOB, wide).await;
    let mut alice = Raw::logged_in(relay.address, &ALICE, WINDOW).await;
    // Far more than the sockets' buffers hold.
    let frame = |n: u64| [n.to_be_bytes().as_slice(), &vec![b'.'; 60_000]].concat();
    for seq in 0..300 {
        assert_eq!(alice.put(seq, &BOB, &frame(seq)).await, STORED(seq));
    }
    // Bob reads nothing, and yet answers to others come, and mail for others.
    assert_eq!(alice.put(300, &ALICE, b"to myself").await, STORED(300));
    assert_eq!(alice.take().await, "to myself");
    for seq in 0..300 {
        assert!(slow.take().await == frame(seq), "message {seq}");
    }
    relay.stop().await;
}
