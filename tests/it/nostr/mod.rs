//! The `nostr` transport: against nostr-relay, a relay that shares no code with ours, and against relays written here for what a
//! decent relay does not do.

mod fake;
mod hostile;
mod members;
mod real;

use skcomm_tui::{
    delivery::{AttemptOutcome, AttemptRecord, Reason},
    node::{Command, Message, Reply},
    transport::{TransportState, registry::TransportConfig},
};

use crate::support::{TestNode, until};

/// The settings of a node that reads at these relays.
pub(crate) fn nostr(relays: &[String]) -> TransportConfig {
    TransportConfig::new("nostr").with("relays", relays.to_vec()).with("answer_seconds", 5)
}

/// A node that reads at these relays.
async fn node(name: &str, relays: &[String]) -> TestNode {
    TestNode::start(name, &[("nostr", nostr(relays))]).await
}

/// Both know each other, over nostr alone.
async fn befriend(one: &TestNode, other: &TestNode) {
    one.know(other, &[("nostr", &other.address("nostr").await)]).await;
    other.know(one, &[("nostr", &one.address("nostr").await)]).await;
}

async fn state(node: &TestNode) -> TransportState {
    let Reply::Transports(all) = node.call(Command::Transports).await else { panic!() };
    all.into_iter().find(|transport| transport.transport.as_str() == "nostr").unwrap().state
}

async fn up(node: &TestNode) {
    wait_for_state(node, "up", |state| (*state == TransportState::Up).then_some(())).await;
}

async fn wait_for_state<T>(node: &TestNode, what: &str, fits: impl Fn(&TransportState) -> Option<T>) -> T {
    let why = format!("{} is {what}", node.name);
    until(&why, || async { fits(&state(node).await) }).await
}

/// Two nodes at the same relays that know each other and are ready.
async fn pair(relays: &[String]) -> (TestNode, TestNode) {
    let (alice, bob) = (node("alice", relays).await, node("bob", relays).await);
    befriend(&alice, &bob).await;
    up(&alice).await;
    up(&bob).await;
    (alice, bob)
}

async fn attempts(node: &TestNode, message: &Message) -> Vec<AttemptRecord> {
    match node.call(Command::Trace { envelope_id: message.envelope_id }).await {
        Reply::Trace(trace) => trace.attempts,
        other => panic!("{other:?}"),
    }
}

/// Why the first attempt failed.
async fn failure(node: &TestNode, message: &Message) -> Reason {
    until("an attempt fails", || async {
        attempts(node, message).await.into_iter().find_map(|attempt| match attempt.outcome {
            AttemptOutcome::Failed { reason } => Some(reason),
            _ => None,
        })
    })
    .await
}

/// How many things the transport itself has refused.
async fn refused(node: &TestNode) -> u64 {
    match node.call(Command::Status).await {
        Reply::Status(status) => status.refused.get("transport").copied().unwrap_or(0),
        other => panic!("{other:?}"),
    }
}
