//! Who is there: told by heartbeats, to nobody but friends.

use skcomm_tui::node::{Command, Peer, Presence, Reply};

use crate::support::{TestNode, tcp, until};

async fn peer(node: &TestNode, name: &str) -> Peer {
    match node.call(Command::Peer { peer: name.to_owned() }).await {
        Reply::Peer(peer) => *peer,
        other => panic!("{other:?}"),
    }
}

/// Two who have written to each other over tcp; everything else of theirs is forgotten with the restart.
async fn friends(first: &mut TestNode, second: &mut TestNode) {
    first.know(second, &[("tcp", &second.address("tcp").await)]).await;
    second.know(first, &[("tcp", &first.address("tcp").await)]).await;
    let sent = first.send(&second.name, "hello").await;
    first.delivered(&sent).await;
    let sent = second.send(&first.name, "hello").await;
    second.delivered(&sent).await;
}

#[tokio::test]
async fn friends_see_each_other_without_a_message_and_strangers_see_nobody() {
    let mut alice = TestNode::start("alice", &[("tcp", tcp())]).await;
    let mut bob = TestNode::start("bob", &[("tcp", tcp())]).await;
    let mallory = TestNode::start("mallory", &[("tcp", tcp())]).await;
    friends(&mut alice, &mut bob).await;
    // Alice holds mallory's key and an address, and does not accept her.
    let address = alice.address("tcp").await;
    mallory.know(&alice, &[("tcp", &address)]).await;
    mallory.send("alice", "who are you?").await;
    until("the request", || async {
        let Reply::Peers(all) = alice.call(Command::Peers).await else { panic!() };
        all.iter().any(|peer| peer.request).then_some(())
    })
    .await;
    // Only the port that bob listens on is another after a restart: he finds alice.
    let before = peer(&alice, "bob").await.last_seen;
    bob.stop().await;
    bob.restart();
    assert_eq!(peer(&bob, "alice").await.presence, Presence::Unknown, "it is forgotten at the end");
    until("alice hears of bob again", || async { (peer(&alice, "bob").await.last_seen > before).then_some(()) }).await;
    assert_eq!(peer(&alice, "bob").await.presence, Presence::Online);
    let (alices, bobs) = (alice.messages().await.len(), bob.messages().await.len());
    assert_eq!((alices, bobs), (3, 2), "heartbeats are no messages");
    assert_eq!(peer(&mallory, "alice").await.presence, Presence::Unknown);
    assert!(peer(&mallory, "alice").await.last_seen.is_none());
}
