//! Nodes over Matrix, against a real Synapse; and matrix-nio, an independent client, in the same encrypted room.

mod carrier;
mod hostile;

use std::process::Stdio;

use bytes::Bytes;
use skcomm_tui::{
    delivery::{AttemptOutcome, AttemptRecord, MessageState, ReasonKind},
    node::{Command, Reply, TransportHealth},
    transport::{Retry, TransportEvent, TransportState},
    wire::limits,
};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use self::carrier::Carrier;
use crate::{
    servers::matrix::{self as homeserver, Homeserver, shared},
    support::{LIMIT, TestNode, until},
};

/// Rooms of ours have this type.
const ROOM_TYPE: &str = "skcomm.direct";

/// A node of that user that is connected.
async fn node(server: &Homeserver, name: &str, user: &str) -> TestNode {
    let node = TestNode::start(name, &[("matrix", server.transport(user))]).await;
    up(&node).await;
    node
}

async fn health(node: &TestNode) -> TransportHealth {
    let Reply::Transports(mut all) = node.call(Command::Transports).await else { panic!() };
    all.remove(0)
}

async fn up(node: &TestNode) {
    until(&format!("{} is up", node.name), || async {
        matches!(health(node).await.state, TransportState::Up).then_some(())
    })
    .await;
}

/// The reason why a node's transport is not up, once there is one.
async fn down(node: &TestNode) -> String {
    until(&format!("{} is down", node.name), || async {
        match health(node).await.state {
            TransportState::Down { reason, .. } => Some(reason.to_string()),
            _ => None,
        }
    })
    .await
}

/// Two connected nodes that know each other, of two new users whose names begin with `test`.
async fn pair(server: &Homeserver, test: &str) -> (TestNode, TestNode) {
    let (a, b) = (server.user(&format!("{test}-a")).await, server.user(&format!("{test}-b")).await);
    let (alice, bob) = (node(server, "alice", &a).await, node(server, "bob", &b).await);
    alice.know(&bob, &[("matrix", &b)]).await;
    bob.know(&alice, &[("matrix", &a)]).await;
    (alice, bob)
}

async fn delivered(node: &TestNode, to: &str, text: &str) {
    let sent = node.send(to, text).await;
    match node.delivered(&sent).await {
        MessageState::Delivered { via, .. } => assert_eq!(via.as_str(), "matrix"),
        other => panic!("{other:?}"),
    }
}

/// The encrypted rooms of ours that a user is in.
async fn rooms(server: &Homeserver, user: &str) -> Vec<String> {
    let (token, _) = server.token(user).await;
    let joined = server.get("/_matrix/client/v3/joined_rooms", &token).await;
    let mut rooms = Vec::new();
    for room in joined["joined_rooms"].as_array().unwrap() {
        let room = room.as_str().unwrap();
        let state = server.get(&format!("/_matrix/client/v3/rooms/{room}/state"), &token).await;
        let event = |kind: &str| state.as_array().unwrap().iter().find(|event| event["type"] == kind).cloned();
        if event("m.room.create").is_some_and(|event| event["content"]["type"] == ROOM_TYPE) {
            let encryption = event("m.room.encryption").unwrap_or_default();
            if encryption["content"]["algorithm"] == "m.megolm.v1.aes-sha2" {
                rooms.push(room.to_owned());
            }
        }
    }
    rooms
}

#[tokio::test]
async fn messages_and_acks_go_both_ways_in_one_encrypted_room() {
    let Some(server) = shared().await else { return };
    let (alice, bob) = pair(&server, "both").await;
    delivered(&alice, "bob", "hello bob").await;
    delivered(&bob, "alice", "hello alice").await;
    for n in 0..10 {
        delivered(&alice, "bob", &n.to_string()).await;
    }
    assert_eq!(bob.received().await.len(), 11);
    assert_eq!(alice.received().await, ["hello alice"]);
    let (a, b) = (rooms(&server, "both-a").await, rooms(&server, "both-b").await);
    assert_eq!(a.len(), 1, "one room for the two");
    assert_eq!(a, b);
}

#[tokio::test]
async fn a_node_that_was_away_gets_everything_in_order_over_the_same_device_and_room() {
    let Some(server) = shared().await else { return };
    let (alice, mut bob) = pair(&server, "away").await;
    delivered(&alice, "bob", "0").await;
    let (device, room) = (devices(&server, "away-b").await, rooms(&server, "away-b").await);
    bob.stop().await;
    let mut sent = Vec::new();
    // More than the homeserver puts into one answer.
    for n in 1..=60 {
        sent.push(alice.send("bob", &n.to_string()).await);
    }
    for message in &sent {
        let gone = |s: &MessageState| matches!(s, MessageState::Accepted { .. });
        alice.wait_for_state(message, "accepted", gone).await;
    }
    bob.restart();
    for message in &sent {
        alice.delivered(message).await;
    }
    let expected: Vec<String> = (0..=60).map(|n| n.to_string()).collect();
    assert_eq!(bob.received().await, expected);
    assert_eq!(devices(&server, "away-b").await, device, "no other device");
    assert_eq!(rooms(&server, "away-b").await, room, "no other room");
}

/// The keys of a room change after a hundred messages, by Matrix's defaults.
#[tokio::test]
async fn many_messages_at_once_go_through_a_change_of_keys() {
    let Some(server) = shared().await else { return };
    let (alice, bob) = pair(&server, "many").await;
    delivered(&alice, "bob", "first").await;
    let mut sent = Vec::new();
    for n in 0..150 {
        sent.push(alice.send("bob", &n.to_string()).await);
    }
    for message in &sent {
        alice.delivered(message).await;
    }
    assert_eq!(bob.received().await.len(), 151);
    for message in &sent {
        let Reply::Trace(trace) = alice.call(Command::Trace { envelope_id: message.envelope_id }).await else {
            panic!()
        };
        // On a busy machine one may wait too long for its turn; none may fail on the library.
        let broke = |attempt: &AttemptRecord| matches!(&attempt.outcome, AttemptOutcome::Failed { reason } if reason.kind != ReasonKind::Timeout);
        assert!(!trace.attempts.iter().any(broke), "{:?}", trace.attempts);
    }
}

#[tokio::test]
async fn a_homeserver_that_dies_in_mid_stream_loses_nothing() {
    let Some(server) = Homeserver::start("{per_second: 10000, burst_count: 10000}").await else { return };
    let (alice, bob) = pair(&server, "dies").await;
    let mut sent = Vec::new();
    for n in 0..20 {
        sent.push((alice.send("bob", &format!("a{n}")).await, bob.send("alice", &format!("b{n}")).await));
        if n == 10 {
            server.kill().await;
            let reason = down(&alice).await;
            assert!(reason.starts_with("homeserver: "), "{reason}");
        }
    }
    server.run().await;
    up(&alice).await;
    up(&bob).await;
    for node in [&alice, &bob] {
        node.call(Command::QueueRetry { envelope_id: None }).await;
    }
    for (from_alice, from_bob) in &sent {
        alice.delivered(from_alice).await;
        bob.delivered(from_bob).await;
    }
    assert_eq!((alice.received().await.len(), bob.received().await.len()), (20, 20), "each once");
}

#[tokio::test]
async fn what_the_homeserver_does_not_accept_is_said() {
    let Some(server) = shared().await else { return };
    let (a, b) = (server.user("login-a").await, server.user("login-b").await);
    let wrong = server.without_login(&a).with("password", "not the password");
    let alice = TestNode::start("alice", &[("matrix", wrong)]).await;
    let reason = down(&alice).await;
    assert!(reason.contains(&a) && reason.contains("Invalid username or password"), "{reason}");
    let stranger = server.without_login(&a).with("token", server.token(&b).await.0);
    let alice = TestNode::start("alice", &[("matrix", stranger)]).await;
    let reason = down(&alice).await;
    assert!(reason.contains(&b) && reason.contains(&a), "{reason}");
    let invented = server.without_login(&a).with("token", "syt_invented");
    let alice = TestNode::start("alice", &[("matrix", invented)]).await;
    let reason = down(&alice).await;
    assert!(reason.contains("does not take the access token"), "{reason}");
}

#[tokio::test]
async fn a_token_works_until_it_is_revoked_and_a_password_makes_another_device() {
    let Some(server) = shared().await else { return };
    let (a, b) = (server.user("token-a").await, server.user("token-b").await);
    let dir = tempfile::tempdir().unwrap();
    let (token, _) = server.token(&a).await;
    std::fs::write(dir.path().join("token"), format!("{token}\n")).unwrap();
    let file = dir.path().join("token").display().to_string();
    let (here, there) = (dir.path().join("a"), dir.path().join("b"));
    let mut alice = Carrier::start(&server.without_login(&a).with("token_file", file), &here).await;
    let mut bob = Carrier::start(&server.transport(&b), &there).await;
    alice.send(&b, "one").await.unwrap();
    assert_eq!(bob.take("the frame").await, "one");
    assert!(alice.probe().await.is_ok());
    let before = devices(&server, "token-b").await;

    let gone = |event| match event {
        TransportEvent::State(_, TransportState::Down { reason, .. }) => Some(reason),
        _ => None,
    };
    server.post("/_matrix/client/v3/logout", Some(&token), &serde_json::json!({})).await;
    let reason = alice.event("the token is refused", gone).await;
    assert_eq!(reason.kind, ReasonKind::AuthRefused, "{reason}");
    assert_eq!(alice.send(&b, "two").await.unwrap_err().reason.kind, ReasonKind::AuthRefused);

    // All of bob's devices at once; the node has a password and comes back.
    let (other, _) = server.token(&b).await;
    server.post("/_matrix/client/v3/logout/all", Some(&other), &serde_json::json!({})).await;
    bob.event("the session is over", gone).await;
    bob.event("up again", |event| match event {
        TransportEvent::State(_, TransportState::Up) => Some(()),
        _ => None,
    })
    .await;
    let after = devices(&server, "token-b").await;
    assert!(after.len() == 1 && before.len() == 1 && after != before, "{before:?} {after:?}");
    alice.transport.stop().await;
    let alice = Carrier::start(&server.transport(&a), &here).await;
    alice.send(&b, "three").await.unwrap();
    assert_eq!(bob.take("a frame for the new device").await, "three");
    assert_eq!(rooms(&server, "token-a").await.len(), 1, "the room of the old device serves the new one");
}

#[tokio::test]
async fn the_largest_frame_passes_and_one_byte_more_is_refused() {
    let Some(server) = shared().await else { return };
    let (a, b) = (server.user("large-a").await, server.user("large-b").await);
    let dir = tempfile::tempdir().unwrap();
    let alice = Carrier::start(&server.transport(&a), &dir.path().join("a")).await;
    let mut bob = Carrier::start(&server.transport(&b), &dir.path().join("b")).await;
    // The largest within an event, the smallest beside it, the largest of all.
    for size in [32 * 1024, 32 * 1024 + 1, limits::ENVELOPE_BYTES] {
        let frame: Bytes = (0..size).map(|n| (n % 251) as u8).collect();
        let accepted = alice.send(&b, frame.clone()).await.unwrap();
        assert_eq!(accepted.stored_by.unwrap().as_str(), "127.0.0.1");
        assert!(bob.take("the frame").await == frame, "{size} bytes");
    }
    let error = alice.send(&b, vec![0; limits::ENVELOPE_BYTES + 1]).await.unwrap_err();
    assert_eq!((error.reason.kind, error.retry), (ReasonKind::TooLarge, Retry::Never));
    assert!(error.reason.to_string().contains("1 to 16777216"), "{error}");
}

#[tokio::test]
async fn limits_of_the_homeserver_are_respected_and_named() {
    let tight = "{per_second: 0.02, burst_count: 3}\nmax_upload_size: 1M";
    let Some(server) = Homeserver::start(tight).await else { return };
    let (alice, bob) = pair(&server, "limits").await;
    let dir = tempfile::tempdir().unwrap();
    let c = server.user("limits-c").await;
    let carrier = Carrier::start(&server.transport(&c), dir.path()).await;
    let error = carrier.send("@limits-b:hs.test", vec![1; 1024 * 1024]).await.unwrap_err();
    assert_eq!((error.reason.kind, error.retry), (ReasonKind::TooLarge, Retry::Never));
    assert!(error.reason.to_string().contains("at most 1048576 bytes"), "{error}");

    let mut sent = Vec::new();
    for n in 0..8 {
        sent.push(alice.send("bob", &n.to_string()).await);
    }
    let reason = until("alice is limited", || async {
        match health(&alice).await.state {
            TransportState::Degraded { reason } => Some(reason),
            _ => None,
        }
    })
    .await;
    assert_eq!(reason.kind, ReasonKind::RateLimited);
    let seconds = reason.to_string();
    let seconds = seconds.strip_prefix("rate limited, retry in ").and_then(|rest| rest.strip_suffix(" s"));
    assert!(seconds.is_some_and(|n| (1..=60).contains(&n.parse::<u64>().unwrap())), "{reason}");
    until("the ledger says so", || async {
        for message in &sent {
            let Reply::Trace(trace) = alice.call(Command::Trace { envelope_id: message.envelope_id }).await else {
                panic!()
            };
            let limited = |attempt: &AttemptRecord| match &attempt.outcome {
                AttemptOutcome::Failed { reason } => reason.kind == ReasonKind::RateLimited,
                _ => false,
            };
            if trace.attempts.iter().any(limited) {
                return Some(());
            }
        }
        None
    })
    .await;
    until("the first got through", || async { (!bob.received().await.is_empty()).then_some(()) }).await;
}

#[tokio::test]
async fn what_is_not_durable_comes_again_after_a_restart_and_what_is_does_not() {
    let Some(server) = shared().await else { return };
    let (a, b) = (server.user("again-a").await, server.user("again-b").await);
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (dir.path().join("a"), dir.path().join("b"));
    let alice = Carrier::start(&server.transport(&a), &here).await;
    let mut bob = Carrier::start(&server.transport(&b), &there).await;
    alice.send(&b, "one").await.unwrap();
    assert_eq!(bob.take("the first").await, "one");
    alice.send(&b, "two").await.unwrap();
    let unanswered = bob.inbound("the second").await;
    assert_eq!(unanswered.frame, "two");
    alice.send(&b, "three").await.unwrap();
    assert_eq!(bob.take("the third").await, "three");
    bob.transport.stop().await;
    drop(unanswered);
    let mut bob = Carrier::start_only(&server.transport(&b), &there).await;
    assert_eq!(bob.take("the second again").await, "two");
    assert_eq!(bob.take("what came after it").await, "three", "the node recognises it");
    alice.send(&b, "four").await.unwrap();
    assert_eq!(bob.take("the fourth").await, "four");
    bob.transport.stop().await;
    let mut bob = Carrier::start(&server.transport(&b), &there).await;
    alice.send(&b, "five").await.unwrap();
    assert_eq!(bob.take("nothing old").await, "five");
}

#[tokio::test]
async fn two_who_make_a_room_at_the_same_time_end_in_one() {
    let Some(server) = shared().await else { return };
    let (a, b) = (server.user("race-a").await, server.user("race-b").await);
    let dir = tempfile::tempdir().unwrap();
    let mut alice = Carrier::start(&server.transport(&a), &dir.path().join("a")).await;
    let mut bob = Carrier::start(&server.transport(&b), &dir.path().join("b")).await;
    let (one, two) = tokio::join!(alice.send(&b, "from a"), bob.send(&a, "from b"));
    one.unwrap();
    two.unwrap();
    assert_eq!(bob.take("alice's").await, "from a");
    assert_eq!(alice.take("bob's").await, "from b");
    let common = until("both are in the same rooms", || async {
        let (mut a, mut b) = (rooms(&server, "race-a").await, rooms(&server, "race-b").await);
        a.sort();
        b.sort();
        (a == b).then_some(a)
    })
    .await;
    // Both must have heard of each other's coming before they agree.
    let (token, _) = server.token(&a).await;
    until("both write into the first room", || async {
        alice.send(&b, "again").await.unwrap();
        bob.send(&a, "again").await.unwrap();
        let path = format!("/_matrix/client/v3/rooms/{}/messages?dir=b&limit=2", common[0]);
        let last = server.get(&path, &token).await;
        let mut senders: Vec<_> = last["chunk"].as_array()?.iter().filter_map(|e| e["sender"].as_str()).collect();
        senders.sort_unstable();
        (senders == [a.as_str(), b.as_str()]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn invitations_are_bounded_and_rooms_that_are_not_ours_are_left_alone() {
    let Some(server) = shared().await else { return };
    let (b, m) = (server.user("flood-b").await, server.user("flood-m").await);
    let (mallory, _) = server.token(&m).await;
    let dir = tempfile::tempdir().unwrap();
    let mut bob = Carrier::start(&server.transport(&b).with("strangers", 2), dir.path()).await;
    let make = |kind: Option<&str>, encrypted: bool| {
        let mut body = serde_json::json!({"invite": [b], "is_direct": true, "preset": "trusted_private_chat"});
        if let Some(kind) = kind {
            body["creation_content"] = serde_json::json!({"type": kind});
        }
        if encrypted {
            let content = serde_json::json!({"algorithm": "m.megolm.v1.aes-sha2"});
            body["initial_state"] =
                serde_json::json!([{"type": "m.room.encryption", "state_key": "", "content": content}]);
        }
        body
    };
    let path = "/_matrix/client/v3/createRoom";
    let own = server.post(path, Some(&mallory), &make(None, true)).await;
    let own = own["room_id"].as_str().unwrap().to_owned();
    let open = server.post(path, Some(&mallory), &make(Some(ROOM_TYPE), false)).await;
    let open = open["room_id"].as_str().unwrap().to_owned();
    let reason = bob.refusal("the unencrypted room").await;
    assert_eq!(reason, format!("left a room of {m} that is not encrypted"));
    for _ in 0..6 {
        server.post(path, Some(&mallory), &make(Some(ROOM_TYPE), true)).await;
    }
    for _ in 0..4 {
        let reason = bob.refusal("a declined invitation").await;
        assert!(reason.starts_with(&format!("declined an invitation of {m}, a stranger")), "{reason}");
    }
    assert_eq!(rooms(&server, "flood-b").await.len(), 2);
    let membership = |room: &str| {
        let path = format!("/_matrix/client/v3/rooms/{room}/state/m.room.member/{b}");
        let (server, mallory) = (&server, &mallory);
        async move { server.get(&path, mallory).await["membership"].as_str().unwrap().to_owned() }
    };
    assert_eq!(membership(&own).await, "invite", "for the user's other clients");
    assert_eq!(membership(&open).await, "leave");

    // What the stranger writes in clear, with or without a frame, is counted and not taken.
    let room = rooms(&server, "flood-b").await.into_iter().next().unwrap();
    let path = format!("/_matrix/client/v3/rooms/{room}/send/m.room.message");
    let frame = serde_json::json!({"v": 1, "data": "AAAA"});
    let text = serde_json::json!({"msgtype": "m.text", "body": "\u{1b}[31mred", "skcomm.frame": frame});
    server.post(&path, Some(&mallory), &text).await;
    let reason = bob.refusal("a message in clear").await;
    assert_eq!(reason, format!("{m} sent a message that is not encrypted"));
}

#[tokio::test]
async fn an_independent_client_reads_and_writes_in_the_same_encrypted_room() {
    let Some(server) = shared().await else { return };
    let (a, n) = (server.user("nio-a").await, server.user("nio-n").await);
    let dir = tempfile::tempdir().unwrap();
    let mut alice = Carrier::start(&server.transport(&a), &dir.path().join("a")).await;
    std::fs::create_dir(dir.path().join("nio")).unwrap();
    let mut nio = tokio::process::Command::new(&server.python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/matrix/nio_peer.py"))
        .args([&server.url(), &n, homeserver::PASSWORD])
        .arg(dir.path().join("nio"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(nio.stdout.take().unwrap()).lines();
    let mut said = async |why: &str| -> serde_json::Value {
        let line = tokio::time::timeout(LIMIT, lines.next_line()).await.unwrap_or_else(|_| panic!("in vain: {why}"));
        serde_json::from_str(&line.unwrap().unwrap_or_else(|| panic!("nio ended before: {why}"))).unwrap()
    };
    assert!(said("logged in").await["ready"].is_string());
    alice.send(&n, "a frame for nio").await.unwrap();
    let read = said("our event").await;
    assert_eq!((&read["sender"], &read["encrypted"]), (&a.as_str().into(), &true.into()), "{read}");
    assert_eq!(read["content"]["skcomm.frame"]["data"], "YSBmcmFtZSBmb3Igbmlv");
    assert_eq!(read["content"]["body"], "A sealed message for skcomm-tui.");
    assert_eq!(said("its own").await["sent"], true);
    assert_eq!(alice.refusal("the person's text").await, format!("{n} sent a message that is no frame"));
    let inbound = alice.inbound("nio's frame").await;
    assert_eq!((&inbound.frame[..], inbound.origin.as_str()), (&b"a frame of nio"[..], n.as_str()));
    inbound.receipt.durable();
}

/// The devices of ours that a user has.
async fn devices(server: &Homeserver, user: &str) -> Vec<String> {
    let (token, _) = server.token(user).await;
    let all = server.get("/_matrix/client/v3/devices", &token).await;
    let ours = all["devices"].as_array().unwrap().iter().filter(|device| device["display_name"] == "skcomm-tui");
    ours.map(|device| device["device_id"].as_str().unwrap().to_owned()).collect()
}
