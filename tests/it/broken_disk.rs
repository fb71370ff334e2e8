//! A disk that answers with `EIO`: what was acked is there, what could not be kept was called neither sent nor received, and
//! all goes on when the disk is well again.

use skcomm_tui::{
    node::{Command, Event, NodeError, NodeErrorKind, Reply},
    store::DiskFault,
};

use crate::{
    mortal::pair,
    support::{TestNode, event, request},
};

/// Tries to send, in vain; the error.
async fn refused(alice: &TestNode, text: &str) -> NodeError {
    let error = alice.handle().call(Command::Send(request("bob", text))).await.unwrap_err();
    assert_eq!(error.kind, NodeErrorKind::Storage, "{error}");
    assert!(error.message.as_str().contains("not sent"), "{error}");
    error
}

/// Bob writes, and Alice says that she cannot keep it.
async fn comes_in_vain(bob: &TestNode, alice: &TestNode, text: &str) -> skcomm_tui::node::Message {
    let mut events = alice.handle().subscribe();
    let coming = bob.send("alice", text).await;
    event(&mut events, "the word that it could not be kept", |event| match event {
        Event::Notice { text, .. } => text.as_str().contains("it stays with its sender").then_some(()),
        _ => None,
    })
    .await;
    bob.wait_for_state(&coming, "accepted", |state| state.rank() == 1).await;
    coming
}

#[tokio::test]
async fn a_disk_that_does_not_write_is_told_and_all_goes_on_when_it_does() {
    let shared = tempfile::tempdir().unwrap();
    let (mut alice, bob) = pair(shared.path()).await;
    let disk = alice.home.root().to_owned();
    DiskFault::Write.strike(&disk);
    let error = refused(&alice, "into a broken disk").await;
    assert!(error.message.as_str().to_lowercase().contains("input/output error"), "{error}");
    let coming = comes_in_vain(&bob, &alice, "out of a broken disk").await;

    let mut events = alice.handle().subscribe();
    DiskFault::heal(&disk);
    let fits = alice.send("bob", "well again").await;
    alice.delivered(&fits).await;
    bob.call(Command::QueueRetry { envelope_id: Some(coming.envelope_id) }).await;
    bob.delivered(&coming).await;
    // It was in the store's memory already; the faces hear of it all the same, now that it is safe.
    event(&mut events, "the message is shown", |event| match event {
        Event::Message(message) => (message.envelope_id == coming.envelope_id).then_some(()),
        _ => None,
    })
    .await;

    alice.stop().await;
    alice.restart();
    let last = alice.send("bob", "the last").await;
    alice.delivered(&last).await;
    assert_eq!(bob.received().await, ["well again", "the last"]);
    assert_eq!(alice.received().await, ["out of a broken disk"]);
}

#[tokio::test]
async fn a_disk_that_does_not_sync_is_not_trusted_before_a_restart() {
    let shared = tempfile::tempdir().unwrap();
    let (mut alice, bob) = pair(shared.path()).await;
    let (there, back) = (alice.send("bob", "kept").await, bob.send("alice", "kept as well").await);
    alice.delivered(&there).await;
    bob.delivered(&back).await;
    let disk = alice.home.root().to_owned();
    DiskFault::Sync.strike(&disk);
    refused(&alice, "never").await;
    DiskFault::heal(&disk);
    // The system may have dropped what it could not write: a sync that succeeds now proves nothing.
    let error = refused(&alice, "never either").await;
    assert!(error.message.as_str().contains("restart"), "{error}");
    let coming = comes_in_vain(&bob, &alice, "not yet").await;
    bob.call(Command::QueueRetry { envelope_id: Some(coming.envelope_id) }).await;
    bob.wait_for_state(&coming, "accepted", |state| state.rank() == 1).await;

    alice.stop().await;
    alice.restart();
    bob.call(Command::QueueRetry { envelope_id: Some(coming.envelope_id) }).await;
    bob.delivered(&coming).await;
    let last = alice.send("bob", "the last").await;
    alice.delivered(&last).await;
    assert_eq!(alice.received().await, ["kept as well", "not yet"]);
    assert_eq!(bob.received().await, ["kept", "the last"], "what was called not sent is not sent");
}

#[tokio::test]
async fn a_database_that_fails_behind_the_journal_is_told_and_nothing_is_lost() {
    let shared = tempfile::tempdir().unwrap();
    let (mut alice, bob) = pair(shared.path()).await;
    let disk = alice.home.root().to_owned();
    DiskFault::Database.strike(&disk);
    // What is in the journal is durable, and acked: that the database does not take it is told.
    let text = "behind the journal ".repeat(50_000);
    let mut sent = Vec::new();
    let told = loop {
        sent.push(alice.send("bob", &text).await);
        alice.delivered(sent.last().unwrap()).await;
        if let Some(told) = warnings(&alice).await.pop() {
            break told;
        }
        assert!(sent.len() < 30, "nothing was brought into the database");
    };
    assert!(told.contains("safe in the journal") && told.contains("restart"), "{told}");
    let coming = bob.send("alice", "meanwhile").await;
    bob.delivered(&coming).await;

    DiskFault::heal(&disk);
    alice.stop().await;
    alice.restart();
    assert_eq!(warnings(&alice).await, [""; 0]);
    let last = alice.send("bob", "the last").await;
    alice.delivered(&last).await;
    assert_eq!(alice.messages().await.len(), sent.len() + 2);
    assert_eq!(bob.received().await.len(), sent.len() + 1);
    // Now it is in the database, and the next start finds it there.
    alice.stop().await;
    alice.restart();
    assert_eq!(alice.messages().await.len(), sent.len() + 2);
}

async fn warnings(node: &TestNode) -> Vec<String> {
    match node.call(Command::Status).await {
        Reply::Status(status) => status.warnings.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}
