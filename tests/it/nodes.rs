//! Two nodes in one process, over real transports.

use skcomm_tui::{
    delivery::{AttemptOutcome, MessageState, ReasonKind},
    node::{Command, Event, NodeErrorKind, Reply, SendRequest},
    wire::Mode,
};

use crate::support::{TestNode, event, folder, request, tcp, until};

/// Alice and Bob who know each other over tcp.
async fn pair_over_tcp() -> (TestNode, TestNode) {
    let alice = TestNode::start("alice", &[("tcp", tcp())]).await;
    let bob = TestNode::start("bob", &[("tcp", tcp())]).await;
    alice.know(&bob, &[("tcp", &bob.address("tcp").await)]).await;
    bob.know(&alice, &[("tcp", &alice.address("tcp").await)]).await;
    (alice, bob)
}

#[tokio::test]
async fn a_message_is_delivered_and_acked_over_tcp() {
    let (alice, bob) = pair_over_tcp().await;
    let mut events = bob.handle().subscribe();
    let sent = alice.send("bob", "hello bob").await;
    let arrived = event(&mut events, "bob gets it", |e| match e {
        Event::Message(message) => Some(message),
        _ => None,
    })
    .await;
    assert_eq!(arrived.envelope_id, sent.envelope_id);
    assert_eq!((arrived.content.as_str(), arrived.from.as_str()), ("hello bob", "alice"));
    match alice.delivered(&sent).await {
        MessageState::Delivered { via, .. } => assert_eq!(via.as_str(), "tcp"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_read_message_is_receipted() {
    let (alice, bob) = pair_over_tcp().await;
    let sent = alice.send("bob", "read me").await;
    alice.delivered(&sent).await;
    let got = bob.messages().await.remove(0);
    bob.call(Command::MarkRead { conversation: got.conversation(), up_to: got.envelope_id }).await;
    alice.wait_for_state(&sent, "read", |s| matches!(s, MessageState::Read { .. })).await;
}

#[tokio::test]
async fn a_message_over_a_shared_folder_waits_for_its_reader() {
    let shared = tempfile::tempdir().unwrap();
    let alice = TestNode::start("alice", &[("file", folder(shared.path()))]).await;
    let mut bob = TestNode::start("bob", &[("file", folder(shared.path()))]).await;
    let route = shared.path().display().to_string();
    alice.know(&bob, &[("file", &route)]).await;
    bob.know(&alice, &[("file", &route)]).await;
    bob.stop().await;
    let sent = alice.send("bob", "for later").await;
    alice.wait_for_state(&sent, "accepted", |s| matches!(s, MessageState::Accepted { .. })).await;
    bob.restart();
    alice.delivered(&sent).await;
    assert_eq!(bob.received().await, ["for later"]);
}

#[tokio::test]
async fn a_dead_path_fails_over_and_the_trace_tells() {
    let shared = tempfile::tempdir().unwrap();
    let paths = || [("tcp", tcp()), ("file", folder(shared.path()))];
    let alice = TestNode::start("alice", &paths()).await;
    let bob = TestNode::start("bob", &paths()).await;
    let route = shared.path().display().to_string();
    alice.know(&bob, &[("tcp", &bob.address("tcp").await), ("file", &route)]).await;
    bob.know(&alice, &[("tcp", &alice.address("tcp").await), ("file", &route)]).await;
    let first = alice.send("bob", "over tcp").await;
    alice.delivered(&first).await;
    bob.call(Command::TransportEnable { transport: "tcp".parse().unwrap(), enabled: false }).await;
    let mut events = alice.handle().subscribe();
    let second = alice.send("bob", "over the folder").await;
    let (from, to) = event(&mut events, "the failover", |e| match e {
        Event::Failover { envelope_id, from, to, .. } if envelope_id == second.envelope_id => Some((from, to)),
        _ => None,
    })
    .await;
    assert_eq!((from.as_str(), to.unwrap().as_str()), ("tcp", "file"));
    match alice.delivered(&second).await {
        MessageState::Delivered { via, .. } => assert_eq!(via.as_str(), "file"),
        other => panic!("{other:?}"),
    }
    let Reply::Trace(trace) = alice.call(Command::Trace { envelope_id: second.envelope_id }).await else { panic!() };
    assert!(matches!(trace.attempts[0].outcome, AttemptOutcome::Failed { .. }), "{:?}", trace.attempts);
    assert_eq!(bob.received().await, ["over tcp", "over the folder"]);
}

#[tokio::test]
async fn broadcast_is_one_message_at_the_peer_and_a_result_a_path_here() {
    let shared = tempfile::tempdir().unwrap();
    let paths = || [("tcp", tcp()), ("file", folder(shared.path()))];
    let alice = TestNode::start("alice", &paths()).await;
    let bob = TestNode::start("bob", &paths()).await;
    let route = shared.path().display().to_string();
    alice.know(&bob, &[("tcp", &bob.address("tcp").await), ("file", &route)]).await;
    bob.know(&alice, &[("tcp", &alice.address("tcp").await), ("file", &route)]).await;
    let sent = alice.send_as(SendRequest { mode: Some(Mode::Broadcast), ..request("bob", "leave the house") }).await;
    alice.delivered(&sent).await;
    until("both paths have answered", || async {
        let Reply::Trace(trace) = alice.call(Command::Trace { envelope_id: sent.envelope_id }).await else { panic!() };
        let acked = |a: &&skcomm_tui::delivery::AttemptRecord| matches!(a.outcome, AttemptOutcome::Acked { .. });
        (trace.attempts.iter().filter(acked).count() == 2).then_some(())
    })
    .await;
    assert_eq!(bob.received().await, ["leave the house"]);
}

#[tokio::test]
async fn what_is_queued_survives_a_restart_and_goes_out_in_order() {
    let (mut alice, mut bob) = pair_over_tcp().await;
    let first = alice.send("bob", "0").await;
    alice.delivered(&first).await;
    for node in [&alice, &bob] {
        // They come back under their old addresses.
        let config = tcp().with("listen", node.address("tcp").await);
        node.home.save_transport(&"tcp".parse().unwrap(), &config).unwrap();
    }
    bob.stop().await;
    let mut waiting = Vec::new();
    for n in 1..=20 {
        waiting.push(alice.send("bob", &n.to_string()).await);
    }
    alice.stop().await;
    alice.restart();
    bob.restart();
    bob.address("tcp").await;
    alice.call(Command::QueueRetry { envelope_id: None }).await;
    for message in &waiting {
        alice.delivered(message).await;
    }
    let expected: Vec<String> = (0..=20).map(|n| n.to_string()).collect();
    assert_eq!(bob.received().await, expected);
}

#[tokio::test]
async fn a_message_without_a_key_is_held_and_leaves_when_the_key_comes() {
    let alice = TestNode::start("alice", &[("tcp", tcp())]).await;
    let bob = TestNode::start("bob", &[("tcp", tcp())]).await;
    bob.know(&alice, &[("tcp", &alice.address("tcp").await)]).await;
    alice.call(Command::PeerAdd(skcomm_tui::node::PeerAdd { name: "bob".into(), ..Default::default() })).await;
    let held = alice.send("bob", "patience").await;
    match &held.state {
        MessageState::Held { reason } => assert_eq!(reason.kind, ReasonKind::NoKey),
        other => panic!("{other:?}"),
    }
    assert!(bob.received().await.is_empty());
    alice.know(&bob, &[("tcp", &bob.address("tcp").await)]).await;
    alice.delivered(&held).await;
    assert_eq!(bob.received().await, ["patience"]);
}

#[tokio::test]
async fn a_stranger_is_a_request_and_gets_no_ack_until_accepted() {
    let alice = TestNode::start("alice", &[("tcp", tcp())]).await;
    let bob = TestNode::start("bob", &[("tcp", tcp())]).await;
    alice.know(&bob, &[("tcp", &bob.address("tcp").await)]).await;
    let mut events = bob.handle().subscribe();
    let sent = alice.send("bob", "we have not met").await;
    event(&mut events, "the request", |e| match e {
        Event::Peer(peer) if peer.request => Some(()),
        _ => None,
    })
    .await;
    alice.wait_for_state(&sent, "accepted", |s| matches!(s, MessageState::Accepted { .. })).await;
    bob.call(Command::RequestAccept { peer: "alice".into() }).await;
    alice.delivered(&sent).await;
    assert_eq!(bob.received().await, ["we have not met"]);
}

#[tokio::test]
async fn stealth_shows_no_names_and_neither_does_its_ack() {
    let shared = tempfile::tempdir().unwrap();
    let mut alice = TestNode::start("alice", &[("file", folder(shared.path()))]).await;
    let mut bob = TestNode::start("bob", &[("file", folder(shared.path()))]).await;
    let route = shared.path().display().to_string();
    alice.know(&bob, &[("file", &route)]).await;
    bob.know(&alice, &[("file", &route)]).await;
    let mailbox = |node: &TestNode| {
        let key = std::fs::read_to_string(node.home.root().join("identity/fingerprint")).unwrap();
        shared.path().join(key.trim())
    };
    let (to_alice, to_bob) = (mailbox(&alice), mailbox(&bob));
    bob.stop().await;
    let sent = alice.send_as(SendRequest { mode: Some(Mode::Stealth), ..request("bob", "psst") }).await;
    assert_nameless(&until("the message lies in the folder", || async { only_envelope(&to_bob) }).await);
    alice.stop().await;
    bob.restart();
    assert_nameless(&until("the ack lies in the folder", || async { only_envelope(&to_alice) }).await);
    alice.restart();
    alice.delivered(&sent).await;
}

/// The one envelope in a mailbox, once it is there.
fn only_envelope(mailbox: &std::path::Path) -> Option<serde_json::Value> {
    let entries = std::fs::read_dir(mailbox).ok()?.filter_map(Result::ok);
    let mut whole = entries.filter(|e| e.file_name().to_string_lossy().ends_with(".skc.json"));
    serde_json::from_slice(&std::fs::read(whole.next()?.path()).ok()?).ok()
}

fn assert_nameless(envelope: &serde_json::Value) {
    assert_eq!(envelope["payload"]["type"], "message", "also of an ack");
    for shown in
        [&envelope["from"]["name"], &envelope["to"]["name"], &envelope["metadata"], &envelope["from"]["certificate"]]
    {
        assert!(shown.is_null(), "{shown}");
    }
}

#[tokio::test]
async fn another_key_for_a_known_name_is_a_conflict_and_blocks_sending() {
    let (alice, bob) = pair_over_tcp().await;
    let impostor = TestNode::start("bob", &[("tcp", tcp())]).await;
    impostor.know(&alice, &[("tcp", &alice.address("tcp").await)]).await;
    let mut events = alice.handle().subscribe();
    impostor.send("alice", "it is me, bob").await;
    event(&mut events, "the conflict", |e| match e {
        Event::Peer(peer) if peer.conflict.is_some() => Some(()),
        _ => None,
    })
    .await;
    assert!(alice.received().await.is_empty(), "nothing of the impostor is shown");
    let held = alice.send("bob", "are you you?").await;
    alice.wait_for_state(&held, "held", |s| matches!(s, MessageState::Held { .. })).await;
    alice.call(Command::ConflictResolve { peer: "bob".into(), accept_new: false }).await;
    alice.delivered(&held).await;
    assert_eq!(bob.received().await, ["are you you?"]);
}

#[tokio::test]
async fn a_blocked_peer_is_refused_both_ways() {
    let (alice, bob) = pair_over_tcp().await;
    alice.call(Command::Block { peer: "bob".into(), blocked: true }).await;
    let refused = alice.handle().call(Command::Send(request("bob", "x"))).await.unwrap_err();
    assert_eq!(refused.kind, NodeErrorKind::Refused);
    let mut events = alice.handle().subscribe();
    bob.send("alice", "hello?").await;
    event(&mut events, "the refusal", |e| matches!(e, Event::Refused { .. }).then_some(())).await;
    let Reply::Status(status) = alice.call(Command::Status).await else { panic!() };
    assert_eq!(status.refused.get("blocked"), Some(&1));
    assert!(alice.received().await.is_empty());
}

#[tokio::test]
async fn a_second_node_on_the_same_home_is_refused() {
    let alice = TestNode::start("alice", &[]).await;
    let secret = skcomm_tui::node::unlock_identity(&alice.home, None).unwrap();
    let text = match skcomm_tui::node::Node::start(alice.home.clone(), secret) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("two nodes on one home"),
    };
    assert!(text.contains("in use by process"), "{text}");
}

#[tokio::test]
async fn the_control_socket_serves_commands_and_events() {
    let (alice, bob) = pair_over_tcp().await;
    let remote = skcomm_tui::node::NodeHandle::connect(&alice.home.socket_path()).await.unwrap();
    let mut events = remote.subscribe();
    let Reply::Peers(peers) = remote.call(Command::Peers).await.unwrap() else { panic!() };
    assert_eq!(peers.len(), 1);
    bob.send("alice", "over the socket").await;
    let text = event(&mut events, "the event over the socket", |e| match e {
        Event::Message(message) => Some(message.content.to_string()),
        _ => None,
    })
    .await;
    assert_eq!(text, "over the socket");
    let missing = remote.call(Command::PeerRemove { peer: "nobody".into() }).await.unwrap_err();
    assert_eq!(missing.kind, NodeErrorKind::NotFound);
}

#[tokio::test]
async fn quick_changes_of_mind_end_as_the_last_one_said() {
    let shared = tempfile::tempdir().unwrap();
    let route = [("file", shared.path().to_str().unwrap())];
    let alice = TestNode::start("alice", &[("file", folder(shared.path()))]).await;
    let bob = TestNode::start("bob", &[("file", folder(shared.path()))]).await;
    alice.know(&bob, &route).await;
    bob.know(&alice, &route).await;
    for enabled in [false, true].repeat(10) {
        bob.call(Command::TransportEnable { transport: "file".parse().unwrap(), enabled }).await;
    }
    let sent = alice.send("bob", "are you there?").await;
    alice.delivered(&sent).await;
}
