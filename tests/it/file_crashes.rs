//! A node dies (SIGKILL) at every marked point of a file transfer; then both are started again: the file is there
//! once and whole, and no chunk was sent again that the recipient had.

use std::path::{Path, PathBuf};

use skcomm_tui::{
    node::{Command, Reply, Transfer, TransferState},
    store::CrashPoint,
    transport::registry::TransportConfig,
    wire::EnvelopeId,
};

use crate::{
    mortal::{Death, Task, hurry, one_dies, pair_with},
    support::{TestNode, folder, tcp, until},
};

/// Bytes that a path may carry in one frame here, so that a small file has many chunks ...
const FRAME: usize = 32 * 1024;
/// ... of this size.
const CHUNK: usize = 16 * 1024;
/// Chunks of the file that is sent.
const CHUNKS: u64 = 80;

/// Who comes to the point, and how often it is passed alive so that it lies in the middle of the transfer.
fn comes_to(point: CrashPoint) -> (Option<usize>, Option<usize>) {
    use CrashPoint as P;
    match point {
        P::OfferKept => (Some(0), None),
        P::ChunkSealed | P::ChunkDelivered => (Some(50), None),
        P::PartWrite | P::PartWritten | P::PartSynced | P::ChunkTold => (None, Some(50)),
        // Chunks that are synced together are noted together.
        P::ChunkNoted => (None, Some(5)),
        P::FileWhole | P::FileHashed | P::FileNamed => (None, Some(0)),
        // The second word of the recipient is that it has the file.
        P::WordKept => (None, Some(1)),
        // Points of messages that chunks and their acks come to as well.
        P::Sending | P::Sent => (Some(50), None),
        P::AckReceived => (Some(3), None),
        P::ReceiveFrame => (None, Some(50)),
        P::AckReady => (None, Some(3)),
        _ => (None, None),
    }
}

fn noise(seed: u64) -> Vec<u8> {
    use rand::{RngExt as _, SeedableRng as _};
    let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
    // The last chunk is not whole.
    (0..usize::try_from(CHUNKS).unwrap() * CHUNK - 100).map(|_| rng.random()).collect()
}

fn small(mut config: TransportConfig) -> TransportConfig {
    config.rules.max_bytes = Some(FRAME);
    config
}

async fn pair(shared: &Path) -> (TestNode, TestNode) {
    let (mut alice, mut bob) = pair_with(shared, &small(folder(shared))).await;
    alice.stop().await;
    bob.stop().await;
    (alice, bob)
}

async fn transfers(node: &TestNode) -> Vec<Transfer> {
    match node.call(Command::Files { peer: None }).await {
        Reply::Transfers(all) => all,
        other => panic!("{other:?}"),
    }
}

async fn transfer(node: &TestNode, id: EnvelopeId) -> Option<Transfer> {
    transfers(node).await.into_iter().find(|transfer| transfer.transfer == id)
}

async fn done(node: &TestNode, id: EnvelopeId, why: &str) -> Transfer {
    until(&format!("{why}: {} has it done", node.name), || async {
        transfer(node, id).await.filter(|transfer| matches!(transfer.state, TransferState::Done { .. }))
    })
    .await
}

/// Chunks that are safe at the recipient.
fn durable(transfer: &Transfer) -> u64 {
    transfer.bytes.div_ceil(CHUNK as u64)
}

/// What lies in the downloads, hidden files as well.
fn received(bob: &TestNode) -> Vec<PathBuf> {
    let folder = bob.home.downloads_dir().join("alice");
    std::fs::read_dir(folder).map_or_else(|_| Vec::new(), |all| all.map(|entry| entry.unwrap().path()).collect())
}

/// Both are started again. Whatever was promised holds, and the transfer goes on where it was.
async fn compare(alice: &mut TestNode, bob: &mut TestNode, path: &Path, told: &[String], why: &str) {
    let bytes = std::fs::read(path).unwrap();
    bob.restart();
    let there = transfers(bob).await.iter().map(durable).max().unwrap_or(0);
    alice.restart();
    let offers: Vec<_> = alice.messages().await.into_iter().filter(|message| !message.incoming()).collect();
    assert!(offers.len() <= 1, "{why}: offered twice");
    let answered = told.iter().any(|line| line.starts_with("offered "));
    assert!(!answered || offers.len() == 1, "{why}: answered as offered, and gone");
    assert_eq!(
        transfers(alice).await.len(),
        offers.len(),
        "{why}: a transfer without an offer, or an offer without one"
    );
    for offer in &offers {
        for node in [&*alice, &*bob] {
            hurry(node).await;
        }
        let sent = done(alice, offer.envelope_id, why).await;
        done(bob, offer.envelope_id, why).await;
        let most = CHUNKS - there;
        assert!(sent.chunks_out <= most, "{why}: {there} were there, and {} were sent again", sent.chunks_out);
        assert_eq!(bob.received().await.len(), 1, "{why}: one message offers it");
    }
    let files = received(bob);
    assert_eq!(files.len(), offers.len(), "{why}: {files:?}");
    assert!(files.iter().all(|file| std::fs::read(file).unwrap() == bytes), "{why}: what came is not what was sent");
    alice.stop().await;
    bob.stop().await;
}

async fn die_everywhere(sender_dies: bool) {
    for point in CrashPoint::OF_FILES.into_iter().chain(CrashPoint::OF_MESSAGES) {
        let (sender, receiver) = comes_to(point);
        let reached = sender.is_some() || receiver.is_some();
        assert!(reached || CrashPoint::OF_MESSAGES.contains(&point), "{point:?} is reached by nobody");
        let Some(spared) = (if sender_dies { sender } else { receiver }) else { continue };
        let shared = tempfile::tempdir().unwrap();
        let (mut alice, mut bob) = pair(shared.path()).await;
        let path = shared.path().join("noise.bin");
        std::fs::write(&path, noise(spared as u64)).unwrap();
        let task = Task { file: Some(&path), ..Task::default() };
        let told = one_dies(&alice, &bob, task, Death { at: point, spared }, sender_dies);
        compare(&mut alice, &mut bob, &path, &told, &format!("{point:?}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_dies_at_any_point_of_a_file_goes_on_where_it_was() {
    die_everywhere(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_that_dies_at_any_point_of_a_file_goes_on_where_it_was() {
    die_everywhere(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_that_has_its_name_when_the_recipient_dies_does_not_come_twice() {
    for point in [CrashPoint::FileWhole, CrashPoint::FileHashed, CrashPoint::FileNamed] {
        let shared = tempfile::tempdir().unwrap();
        let (mut alice, mut bob) = pair(shared.path()).await;
        let path = shared.path().join("empty");
        std::fs::write(&path, b"").unwrap();
        let task = Task { file: Some(&path), ..Task::default() };
        let told = one_dies(&alice, &bob, task, Death { at: point, spared: 0 }, false);
        compare(&mut alice, &mut bob, &path, &told, &format!("empty, {point:?}")).await;
    }
}

/// Begun over tcp; both die in the middle of it; tcp is gone when they come back.
#[tokio::test(flavor = "multi_thread")]
async fn what_began_over_one_path_goes_on_over_another_after_both_were_killed() {
    let shared = tempfile::tempdir().unwrap();
    let (folders, path) = (shared.path().join("folder"), shared.path().join("noise.bin"));
    std::fs::create_dir(&folders).unwrap();
    std::fs::write(&path, noise(7)).unwrap();
    let paths = || [("tcp", small(tcp())), ("file", small(folder(&folders)))];
    let mut alice = TestNode::start("alice", &paths()).await;
    let mut bob = TestNode::start("bob", &paths()).await;
    let (at_alice, at_bob) = (alice.address("tcp").await, bob.address("tcp").await);
    let folder = folders.to_str().unwrap();
    alice.know(&bob, &[("tcp", &at_bob), ("file", folder)]).await;
    bob.know(&alice, &[("tcp", &at_alice), ("file", folder)]).await;
    for (node, address) in [(&mut alice, at_alice), (&mut bob, at_bob)] {
        node.stop().await;
        // It comes back under its old address.
        let config = small(tcp().with("listen", address));
        node.home.save_transport(&"tcp".parse().unwrap(), &config).unwrap();
    }
    let task = Task { file: Some(&path), ..Task::default() };
    let told = one_dies(&alice, &bob, task, Death { at: CrashPoint::PartSynced, spared: 50 }, false);
    assert!(told.contains(&"file over tcp".to_owned()), "{told:?}");
    for node in [&alice, &bob] {
        let off = TransportConfig { enabled: false, ..small(tcp()) };
        node.home.save_transport(&"tcp".parse().unwrap(), &off).unwrap();
    }
    bob.restart();
    let begun = transfers(&bob).await.remove(0);
    let there = durable(&begun);
    assert!((17..CHUNKS).contains(&there), "it died in the middle: {begun:?}");
    bob.stop().await;
    compare(&mut alice, &mut bob, &path, &told, "over another path").await;
    alice.restart();
    let ended = transfer(&alice, begun.transfer).await.unwrap();
    assert!(matches!(ended.state, TransferState::Done { .. }), "{ended:?}");
    alice.stop().await;
}
