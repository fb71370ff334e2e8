//! Policies and defaults, as the user meets them: set by the command, kept over a restart, told by the plan.

use skcomm_tui::{
    delivery::{Cost, MessageState, Policy, ReasonKind},
    identity::{RoutingDefault, RoutingDefaults, TrustLevel},
    node::{Command, NodeErrorKind, PeerDefaults, Reply, RoutePlan, RouteQuestion, SendRequest},
    transport::registry::TransportConfig,
    wire::{Mode, Urgency},
};

use crate::support::{TestNode, folder, request, tcp, until};

async fn plan(node: &TestNode, question: RouteQuestion) -> RoutePlan {
    match node.call(Command::RouteExplain(RouteQuestion { peer: "bob".to_owned(), ..question })).await {
        Reply::Plan(plan) => plan,
        other => panic!("{other:?}"),
    }
}

fn decided(plan: &RoutePlan, what: &str) -> String {
    let found = plan.decided.iter().find(|(name, _)| name.as_str() == what);
    found.map(|(_, by)| by.to_string()).unwrap_or_default()
}

/// Alice, who knows Bob over two transports: tcp, which she says is metered, and a folder.
async fn alice(shared: &std::path::Path) -> (TestNode, TestNode) {
    let metered = TransportConfig { cost: Some(Cost::Metered), ..tcp() };
    let alice = TestNode::start("alice", &[("tcp", metered), ("file", folder(shared))]).await;
    let bob = TestNode::start("bob", &[("tcp", tcp()), ("file", folder(shared))]).await;
    let route = shared.display().to_string();
    alice.know(&bob, &[("tcp", &bob.address("tcp").await), ("file", &route)]).await;
    bob.know(&alice, &[("tcp", &alice.address("tcp").await), ("file", &route)]).await;
    (alice, bob)
}

#[tokio::test]
async fn the_nearest_word_decides_and_outlives_a_restart() {
    let shared = tempfile::tempdir().unwrap();
    let (mut alice, bob) = alice(shared.path()).await;
    let set = |thread: Option<&str>, set: RoutingDefaults, clear: &[RoutingDefault]| {
        let thread = thread.map(|thread| thread.parse().unwrap());
        Command::PeerDefaults(PeerDefaults { peer: "bob".to_owned(), thread, set, clear: clear.to_vec() })
    };
    let cheap = RoutingDefaults { policy: Some(Policy::Cheapest), ..RoutingDefaults::default() };
    let fast = RoutingDefaults { policy: Some(Policy::Fastest), urgency: Some(Urgency::High), ..Default::default() };
    alice.call(set(None, RoutingDefaults { ttl_seconds: Some(600), ..cheap }, &[])).await;
    alice.call(set(Some("alarm"), fast, &[])).await;
    alice.stop().await;
    alice.restart();
    until("both transports are up", || async {
        (plan(&alice, RouteQuestion::default()).await.candidates.len() == 2).then_some(())
    })
    .await;
    let general = plan(&alice, RouteQuestion::default()).await;
    assert_eq!((general.policy, decided(&general, "policy").as_str()), (Policy::Cheapest, "peer"));
    assert_eq!(decided(&general, "ttl"), "600 s by peer");
    assert_eq!(general.candidates[0].transport.as_str(), "file", "{general:?}");
    let alarm = RouteQuestion { thread_id: "alarm".parse().ok(), ..RouteQuestion::default() };
    let of_thread = plan(&alice, alarm.clone()).await;
    assert_eq!((of_thread.policy, of_thread.urgency), (Policy::Fastest, Urgency::High));
    assert_eq!(decided(&of_thread, "urgency"), "thread");
    assert_eq!(of_thread.candidates[0].transport.as_str(), "tcp", "{of_thread:?}");
    let asked = RouteQuestion { policy: Some(Policy::MostPrivate), mode: Some(Mode::Stealth), ..alarm };
    let asked = plan(&alice, asked).await;
    assert_eq!((asked.policy, decided(&asked, "mode").as_str()), (Policy::MostPrivate, "message"));
    // Taken back, the more general word counts again.
    alice.call(set(Some("alarm"), RoutingDefaults::default(), &RoutingDefault::ALL)).await;
    let Reply::Peer(peer) = alice.call(set(None, RoutingDefaults::default(), &[RoutingDefault::Policy])).await else {
        panic!()
    };
    assert!(peer.threads.is_empty() && peer.defaults.policy.is_none());
    let general = plan(&alice, RouteQuestion::default()).await;
    assert_eq!((general.policy, decided(&general, "policy").as_str()), (Policy::Balanced, "config"));
    drop(bob);
}

#[tokio::test]
async fn a_message_takes_the_way_its_policy_names() {
    let shared = tempfile::tempdir().unwrap();
    let (alice, bob) = alice(shared.path()).await;
    let by = |policy| SendRequest { policy: Some(policy), ..request("bob", "which way?") };
    for (policy, expected) in [(Policy::Fastest, "tcp"), (Policy::Cheapest, "file")] {
        let sent = alice.send_as(by(policy)).await;
        alice.delivered(&sent).await;
        let Reply::Trace(trace) = alice.call(Command::Trace { envelope_id: sent.envelope_id }).await else { panic!() };
        assert_eq!(trace.attempts[0].via.as_str(), expected, "{policy}: {:?}", trace.attempts);
    }
    assert_eq!(bob.received().await.len(), 2);
}

#[tokio::test]
async fn a_default_that_makes_no_sense_is_refused() {
    let shared = tempfile::tempdir().unwrap();
    let (alice, _bob) = alice(shared.path()).await;
    let set = RoutingDefaults { ttl_seconds: Some(0), ..RoutingDefaults::default() };
    let ask = PeerDefaults { peer: "bob".to_owned(), set, ..PeerDefaults::default() };
    let error = alice.handle().call(Command::PeerDefaults(ask)).await.unwrap_err();
    assert_eq!(error.kind, NodeErrorKind::Invalid);
    let Reply::Peer(peer) = alice.call(Command::Peer { peer: "bob".to_owned() }).await else { panic!() };
    assert!(peer.defaults.is_empty() && peer.trust == TrustLevel::Verified);
}

/// A day of the week on which it is certainly not now, by UTC.
fn another_day() -> &'static str {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    // The epoch was a Thursday.
    ["thu", "fri", "sat", "sun", "mon", "tue", "wed"][usize::try_from((since.as_secs() / 86_400 + 3) % 7).unwrap()]
}

#[tokio::test]
async fn a_transport_outside_its_windows_is_left_alone_and_one_reload_opens_it() {
    let bob = TestNode::start("bob", &[("tcp", tcp())]).await;
    let closed = tcp().with("windows", vec![another_day()]).with("time_zone", "UTC");
    let alice = TestNode::start("alice", &[("tcp", closed)]).await;
    alice.know(&bob, &[("tcp", &bob.address("tcp").await)]).await;
    bob.know(&alice, &[("tcp", &alice.address("tcp").await)]).await;
    let sent = alice.send("bob", "not today").await;
    let waits = |state: &MessageState| {
        matches!(state, MessageState::Queued { next_try: Some(_), reason: Some(reason) }
            if reason.kind == ReasonKind::OutsideWindow)
    };
    alice.wait_for_state(&sent, "waiting for the window", waits).await;
    // Bob's side is open: what he sends arrives, and alice's ack waits with her message.
    bob.send("alice", "are you there?").await;
    let before = alice.address("tcp").await;
    until("alice has it", || async { (alice.received().await.len() == 1).then_some(()) }).await;
    alice.home.save_transport(&"tcp".parse().unwrap(), &tcp()).unwrap();
    alice.call(Command::TransportReload { transport: "tcp".parse().unwrap() }).await;
    // She listens elsewhere now.
    let old = Command::PeerRemove { peer: "alice".to_owned() };
    until("the new one listens", || async { (alice.address("tcp").await != before).then_some(()) }).await;
    bob.call(old).await;
    bob.know(&alice, &[("tcp", &alice.address("tcp").await)]).await;
    alice.delivered(&sent).await;
}
