//! Too much of something: full queues, floods, programs that answer each other.

use skcomm_tui::{
    delivery::{MessageState, ReasonKind},
    home::{Config, Limits},
    node::{Command, Event, Message, NodeErrorKind, Reply, SendRequest},
};

use crate::support::{LIMIT, TestNode, event, folder, request, tcp, until};

/// Two who share a folder: a way that stays where it is when one of them starts again.
async fn pair(shared: &std::path::Path) -> (TestNode, TestNode) {
    let alice = TestNode::start("alice", &[("file", folder(shared))]).await;
    let bob = TestNode::start("bob", &[("file", folder(shared))]).await;
    let route = shared.display().to_string();
    alice.know(&bob, &[("file", &route)]).await;
    bob.know(&alice, &[("file", &route)]).await;
    (alice, bob)
}

/// Starts a node again with other limits.
async fn limit(node: &mut TestNode, limits: Limits) {
    node.stop().await;
    let config = node.home.config().unwrap();
    node.home.save_config(&Config { limits, ..config }).unwrap();
    node.restart();
}

fn is_loop(state: &MessageState) -> bool {
    matches!(state, MessageState::Held { reason } if reason.kind == ReasonKind::Loop)
}

async fn refused(node: &TestNode, kind: &str) -> u64 {
    match node.call(Command::Status).await {
        Reply::Status(status) => status.refused.get(kind).copied().unwrap_or(0),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_full_queue_is_told_before_anything_is_stored_and_the_patient_wait_in_order() {
    let shared = tempfile::tempdir().unwrap();
    let (mut alice, bob) = pair(shared.path()).await;
    limit(&mut alice, Limits { queue_per_peer: 3.try_into().unwrap(), ..Limits::default() }).await;
    // Nobody can be reached: what is sent waits.
    alice.call(Command::TransportEnable { transport: "file".parse().unwrap(), enabled: false }).await;
    let mut sent = Vec::new();
    for n in 0..3 {
        sent.push(alice.send("bob", &format!("{n}")).await);
    }
    let error = alice.handle().call(Command::Send(request("bob", "too much"))).await.unwrap_err();
    assert_eq!(error.kind, NodeErrorKind::Full);
    assert!(error.message.as_str().contains("3 messages wait for this peer"), "{error}");
    assert_eq!(alice.messages().await.len(), 3, "what is refused is not kept");
    // Those who can wait do, and stay in their order.
    let handle = alice.handle();
    let mut answers = Vec::new();
    for n in 3..9 {
        let patient = SendRequest { wait_for_room: true, ..request("bob", &format!("{n}")) };
        answers.push(handle.ask(Command::Send(patient)).await);
    }
    // Who gives up meanwhile is not sent for.
    let given_up = SendRequest { wait_for_room: true, ..request("bob", "never mind") };
    drop(handle.ask(Command::Send(given_up)).await);
    assert_eq!(alice.messages().await.len(), 3);
    alice.call(Command::TransportEnable { transport: "file".parse().unwrap(), enabled: true }).await;
    for answer in answers {
        let Ok(Ok(Reply::Sent(message))) = tokio::time::timeout(LIMIT, answer).await else { panic!() };
        sent.push(*message);
    }
    for message in &sent {
        alice.delivered(message).await;
    }
    let expected: Vec<String> = (0..9).map(|n| n.to_string()).collect();
    assert_eq!(bob.received().await, expected);
}

/// One answer after the other, as two programs would.
async fn answer_each_other(alice: &TestNode, bob: &TestNode, turns: usize) -> Option<Message> {
    for n in 0..turns {
        let from_bob = bob.send("alice", &format!("ping {n}")).await;
        bob.delivered(&from_bob).await;
        let answer = alice.send("bob", &format!("pong {n}")).await;
        if is_loop(&answer.state) {
            return Some(answer);
        }
        alice.delivered(&answer).await;
    }
    None
}

#[tokio::test]
async fn two_programs_that_answer_each_other_are_held_until_the_user_lets_them_go_on() {
    let shared = tempfile::tempdir().unwrap();
    let (mut alice, bob) = pair(shared.path()).await;
    limit(&mut alice, Limits { loop_turns: 4, ..Limits::default() }).await;
    let mut events = alice.handle().subscribe();
    let held = answer_each_other(&alice, &bob, 10).await.expect("it is stopped");
    assert_eq!(held.content.as_str(), "pong 4");
    let told = event(&mut events, "the user is told", |e| match e {
        Event::Notice { text, .. } if text.as_str().contains("queue release") => Some(text),
        _ => None,
    })
    .await;
    assert!(told.as_str().contains("bob") && told.as_str().contains("general"), "{told}");
    // Another thread is not concerned, nor is what a person writes.
    let elsewhere = SendRequest { thread_id: "other".parse().ok(), ..request("bob", "elsewhere") };
    let elsewhere = alice.send_as(elsewhere).await;
    alice.delivered(&elsewhere).await;
    let by_hand = alice.send_as(SendRequest { by_person: true, ..request("bob", "it is me") }).await;
    alice.delivered(&by_hand).await;
    // A change of the peer lets nothing go, and neither does a restart.
    alice.call(Command::Mute { peer: "bob".to_owned(), muted: true }).await;
    alice.stop().await;
    alice.restart();
    alice.wait_for_state(&held, "held", is_loop).await;
    let again = alice.send("bob", "still stopped").await;
    assert!(is_loop(&again.state), "{:?}", again.state);
    let Reply::Count(released) =
        alice.call(Command::QueueRelease { envelope_id: Some(held.envelope_id), peer: None }).await
    else {
        panic!()
    };
    assert_eq!(released, 2);
    alice.delivered(&held).await;
    alice.delivered(&again).await;
    let on = alice.send("bob", "and on").await;
    alice.delivered(&on).await;
}

#[tokio::test]
async fn a_peer_that_floods_is_slowed_and_the_others_are_not() {
    let shared = tempfile::tempdir().unwrap();
    let paths = || [("tcp", tcp()), ("file", folder(shared.path()))];
    let mut alice = TestNode::start("alice", &paths()).await;
    let bob = TestNode::start("bob", &paths()).await;
    let carol = TestNode::start("carol", &paths()).await;
    // A minute's worth comes at once: sixty.
    limit(&mut alice, Limits { peer_messages_per_second: 1, ..Limits::default() }).await;
    let route = shared.path().display().to_string();
    let address = alice.address("tcp").await;
    bob.know(&alice, &[("file", &route)]).await;
    carol.know(&alice, &[("tcp", &address)]).await;
    alice.know(&bob, &[("file", &route)]).await;
    alice.know(&carol, &[("tcp", &carol.address("tcp").await)]).await;
    for n in 0..90 {
        bob.send("alice", &format!("flood {n}")).await;
    }
    until("the flood is felt", || async { (refused(&alice, "too_fast").await > 0).then_some(()) }).await;
    let calm = carol.send("alice", "is anybody there?").await;
    carol.delivered(&calm).await;
    let from_bob = |texts: &[String]| texts.iter().filter(|text| text.starts_with("flood")).count();
    let before = from_bob(&alice.received().await);
    assert!((60..90).contains(&before), "{before}");
    // What bob asks for is still answered: acks of who floods are taken.
    let to_bob = alice.send("bob", "slow down").await;
    alice.delivered(&to_bob).await;
    // Nothing is lost: with more patience everything is taken.
    limit(&mut alice, Limits { peer_messages_per_second: 0, ..Limits::default() }).await;
    until("the rest is taken", || async { (from_bob(&alice.received().await) == 90).then_some(()) }).await;
}
