//! Files between two nodes: whole, interrupted, refused, damaged.

use std::path::{Path, PathBuf};

use skcomm_tui::{
    delivery::ReasonKind,
    home::{Config, FilesConfig},
    identity::TrustLevel,
    node::{Command, Event, FileSend, NodeError, NodeErrorKind, Reply, Transfer, TransferState},
    transport::registry::TransportConfig,
    wire::EnvelopeId,
};

use crate::support::{TestNode, event, folder, tcp, until};

const MIB: usize = 1024 * 1024;

/// Bytes that do not repeat and do not shrink when they are compressed.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    use rand::{RngExt as _, SeedableRng as _};
    let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
    (0..len).map(|_| rng.random()).collect()
}

/// Alice and Bob who know each other over tcp and a shared folder, and a place for files.
struct Pair {
    alice: TestNode,
    bob: TestNode,
    dir: tempfile::TempDir,
}

impl Pair {
    async fn over_tcp_and_folder() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let shared = dir.path().join("shared");
        std::fs::create_dir(&shared).unwrap();
        let paths = || [("tcp", tcp()), ("file", folder(&shared))];
        let alice = TestNode::start("alice", &paths()).await;
        let bob = TestNode::start("bob", &paths()).await;
        let route = shared.display().to_string();
        alice.know(&bob, &[("tcp", &bob.address("tcp").await), ("file", &route)]).await;
        bob.know(&alice, &[("tcp", &alice.address("tcp").await), ("file", &route)]).await;
        let pair = Self { alice, bob, dir };
        // They come back under their old addresses.
        for node in [&pair.alice, &pair.bob] {
            let config = tcp().with("listen", node.address("tcp").await);
            save_transport(node, "tcp", config);
        }
        pair
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn downloads(&self) -> PathBuf {
        self.bob.home.downloads_dir().join("alice")
    }
}

fn save_transport(node: &TestNode, id: &str, config: TransportConfig) {
    node.home.save_transport(&id.parse().unwrap(), &config).unwrap();
}

async fn configure(node: &mut TestNode, files: FilesConfig) {
    node.stop().await;
    let config = Config { files, ..node.home.config().unwrap() };
    node.home.save_config(&config).unwrap();
    node.restart();
    node.address("tcp").await;
}

async fn send(node: &TestNode, to: &str, path: &Path) -> EnvelopeId {
    let path = path.display().to_string();
    match node.call(Command::FileSend(FileSend { to: to.into(), path, ..FileSend::default() })).await {
        Reply::Sent(message) => message.envelope_id,
        other => panic!("{other:?}"),
    }
}

async fn transfer(node: &TestNode, id: EnvelopeId) -> Option<Transfer> {
    let Reply::Transfers(all) = node.call(Command::Files { peer: None }).await else { panic!() };
    all.into_iter().find(|transfer| transfer.transfer == id)
}

async fn state(node: &TestNode, id: EnvelopeId, what: &str, fits: impl Fn(&Transfer) -> bool) -> Transfer {
    let last = std::cell::RefCell::new(String::new());
    let why = format!("{}: {what}", node.name);
    let asking = until(&why, || async {
        let found = transfer(node, id).await?;
        *last.borrow_mut() = format!("{found:?}");
        fits(&found).then_some(found)
    });
    match tokio::time::timeout(std::time::Duration::from_secs(29), asking).await {
        Ok(found) => found,
        Err(_) => panic!("{} waited in vain: {what}; last: {}", node.name, last.borrow()),
    }
}

async fn done(node: &TestNode, id: EnvelopeId) -> Transfer {
    state(node, id, "done", |t| matches!(t.state, TransferState::Done { .. })).await
}

async fn refused(node: &TestNode, command: Command) -> NodeError {
    node.handle().call(command).await.unwrap_err()
}

/// The one file that is not hidden in a folder.
fn only_file(folder: &Path) -> PathBuf {
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[tokio::test]
async fn a_file_of_a_verified_peer_comes_by_itself_and_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let pair = Pair::over_tcp_and_folder().await;
    let bytes = noise(3 * MIB + 17, 1);
    let mut events = pair.alice.handle().subscribe();
    let id = send(&pair.alice, "bob", &pair.file("-notes.bin", &bytes)).await;
    let there = done(&pair.bob, id).await;
    let here = done(&pair.alice, id).await;
    assert_eq!((here.bytes, there.bytes, here.size), (here.size, here.size, bytes.len() as u64));
    assert!(!here.incoming && there.incoming);
    let path = only_file(&pair.downloads());
    assert_eq!(path.file_name().unwrap(), "_notes.bin");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(
        there.state,
        TransferState::Done { path: Some(skcomm_tui::wire::SafeText::line(path.to_str().unwrap())) }
    );
    let halfway = |e: Event| match e {
        Event::Transfer(t) if t.transfer == id && t.state == TransferState::Running && t.via.is_some() => Some(t),
        _ => None,
    };
    event(&mut events, "progress", halfway).await;
    // One message in the conversation, and none of the chunks.
    let messages = pair.bob.messages().await;
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].content.as_str(), "-notes.bin (3.0 MiB)");
    let Reply::Status(status) = pair.bob.call(Command::Status).await else { panic!() };
    assert!(status.refused.is_empty(), "{:?}", status.refused);
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let pair = Pair::over_tcp_and_folder().await;
    let id = send(&pair.alice, "bob", &pair.file("empty", b"")).await;
    done(&pair.alice, id).await;
    assert_eq!(std::fs::read(only_file(&pair.downloads())).unwrap(), b"");
}

#[tokio::test]
async fn an_untrusted_peers_file_waits_to_be_accepted_and_a_strangers_is_refused() {
    let pair = Pair::over_tcp_and_folder().await;
    pair.bob.call(Command::TrustSet { peer: "alice".into(), level: TrustLevel::Untrusted }).await;
    let id = send(&pair.alice, "bob", &pair.file("a.txt", b"hello")).await;
    state(&pair.bob, id, "offered", |t| t.state == TransferState::Offered).await;
    assert!(!pair.downloads().exists(), "nothing is made before it is accepted");
    pair.bob.call(Command::FileAccept { transfer: id }).await;
    done(&pair.alice, id).await;
    assert_eq!(std::fs::read(only_file(&pair.downloads())).unwrap(), b"hello");

    let eve = TestNode::start("eve", &[("tcp", tcp())]).await;
    eve.know(&pair.bob, &[("tcp", &pair.bob.address("tcp").await)]).await;
    let id = send(&eve, "bob", &pair.file("evil.txt", b"eve")).await;
    until("bob refuses it", || async {
        let Reply::Status(status) = pair.bob.call(Command::Status).await else { panic!() };
        status.refused.contains_key("file_of_a_stranger").then_some(())
    })
    .await;
    assert!(transfer(&pair.bob, id).await.is_none());
    let Reply::Peers(peers) = pair.bob.call(Command::Peers).await else { panic!() };
    assert!(peers.iter().all(|peer| !peer.request), "a file is no way to get into the list of requests");
}

#[tokio::test]
async fn what_is_given_up_on_either_side_ends_on_both() {
    let mut pair = Pair::over_tcp_and_folder().await;
    configure(&mut pair.bob, FilesConfig { auto_accept_bytes: 0, ..FilesConfig::default() }).await;
    let cancelled = |by_peer: bool| move |t: &Transfer| matches!(&t.state, TransferState::Cancelled { by_peer: b, .. } if *b == by_peer);
    let path = pair.file("a.bin", &noise(MIB, 3));
    let id = send(&pair.alice, "bob", &path).await;
    state(&pair.bob, id, "offered", |t| t.state == TransferState::Offered).await;
    pair.bob.call(Command::FileCancel { transfer: id }).await;
    state(&pair.alice, id, "given up by bob", cancelled(true)).await;
    let second = send(&pair.alice, "bob", &path).await;
    state(&pair.bob, second, "offered", |t| t.state == TransferState::Offered).await;
    pair.alice.call(Command::FileCancel { transfer: second }).await;
    state(&pair.bob, second, "given up by alice", cancelled(true)).await;
    let error = refused(&pair.bob, Command::FileAccept { transfer: second }).await;
    assert_eq!(error.kind, NodeErrorKind::Refused);
    let error = refused(&pair.bob, Command::FileResume { transfer: EnvelopeId::from_random([9; 16]) }).await;
    assert_eq!(error.kind, NodeErrorKind::NotFound);
}

/// Lets a transfer come that far, then stops it on the way by pausing at `node`.
async fn pause_midway(node: &TestNode, id: EnvelopeId) -> u64 {
    state(node, id, "on its way", |t| t.bytes >= MIB as u64).await;
    let Reply::Transfer(paused) = node.call(Command::FilePause { transfer: id }).await else { panic!() };
    assert!(paused.bytes < paused.size, "it was paused on its way");
    paused.bytes
}

#[tokio::test]
async fn a_pause_holds_and_each_side_can_resume_its_own() {
    let mut pair = Pair::over_tcp_and_folder().await;
    let big = FilesConfig { auto_accept_bytes: 1 << 30, ..FilesConfig::default() };
    configure(&mut pair.bob, big).await;
    let bytes = noise(12 * MIB, 4);
    let id = send(&pair.alice, "bob", &pair.file("a.bin", &bytes)).await;
    pause_midway(&pair.bob, id).await;
    let by_peer = |t: &Transfer| matches!(t.state, TransferState::Paused { by_peer: true, .. });
    state(&pair.alice, id, "paused by bob", by_peer).await;
    assert_eq!(refused(&pair.alice, Command::FileResume { transfer: id }).await.kind, NodeErrorKind::Refused);
    pair.bob.call(Command::FileResume { transfer: id }).await;
    state(&pair.alice, id, "running again", |t| !by_peer(t)).await;
    done(&pair.alice, id).await;
    assert_eq!(std::fs::read(only_file(&pair.downloads())).unwrap(), bytes);
}

/// While the other end is away one word waits, whatever was said before it.
#[tokio::test]
async fn words_that_were_overtaken_are_not_said() {
    let mut pair = Pair::over_tcp_and_folder().await;
    save_transport(&pair.alice, "file", TransportConfig { enabled: false, ..folder(&pair.dir.path().join("shared")) });
    pair.alice.stop().await;
    pair.alice.restart();
    configure(&mut pair.bob, FilesConfig { auto_accept_bytes: 1 << 30, ..FilesConfig::default() }).await;
    let id = send(&pair.alice, "bob", &pair.file("a.bin", &noise(12 * MIB, 8))).await;
    pause_midway(&pair.alice, id).await;
    pair.bob.stop().await;
    for _ in 0..20 {
        pair.alice.call(Command::FileResume { transfer: id }).await;
        pair.alice.call(Command::FilePause { transfer: id }).await;
    }
    pair.alice.call(Command::FileResume { transfer: id }).await;
    pair.bob.restart();
    pair.alice.call(Command::QueueRetry { envelope_id: None }).await;
    let chunks = done(&pair.alice, id).await.chunks_out;
    let Reply::Status(status) = pair.alice.call(Command::Status).await else { panic!() };
    let sent = status.transports.iter().find(|health| health.transport.as_str() == "tcp").unwrap().sent;
    assert!(sent < chunks + 20, "{sent} frames for {chunks} chunks");
}

#[tokio::test]
async fn it_goes_on_after_restarts_of_both_sides_where_it_was() {
    let mut pair = Pair::over_tcp_and_folder().await;
    configure(&mut pair.bob, FilesConfig { auto_accept_bytes: 1 << 30, ..FilesConfig::default() }).await;
    let bytes = noise(20 * MIB, 5);
    let id = send(&pair.alice, "bob", &pair.file("a.bin", &bytes)).await;
    let came = |least: usize| move |t: &Transfer| t.bytes >= least as u64;
    let before = state(&pair.bob, id, "some of it", came(MIB)).await;
    assert!(before.bytes < before.size, "it was too fast to be interrupted");
    pair.bob.stop().await;
    pair.bob.restart();
    let after = state(&pair.bob, id, "known again", |_| true).await;
    assert!(after.bytes >= before.bytes, "nothing that was durable is lost: {} {}", before.bytes, after.bytes);
    let before = state(&pair.alice, id, "more of it", came(4 * MIB)).await;
    pair.alice.stop().await;
    pair.alice.restart();
    let after = state(&pair.alice, id, "known again", |_| true).await;
    assert!(after.bytes >= before.bytes);
    done(&pair.bob, id).await;
    done(&pair.alice, id).await;
    assert_eq!(std::fs::read(only_file(&pair.downloads())).unwrap(), bytes);
    assert_eq!(pair.bob.messages().await.len(), 1);
}

#[tokio::test]
async fn when_its_path_dies_on_the_way_it_goes_on_over_another() {
    let mut pair = Pair::over_tcp_and_folder().await;
    configure(&mut pair.bob, FilesConfig { auto_accept_bytes: 1 << 30, ..FilesConfig::default() }).await;
    let bytes = noise(12 * MIB, 6);
    let id = send(&pair.alice, "bob", &pair.file("a.bin", &bytes)).await;
    let before = state(&pair.alice, id, "some over tcp", |t| t.bytes >= MIB as u64).await;
    assert_eq!(before.via.unwrap().as_str(), "tcp");
    assert!(before.bytes < before.size, "it was too fast to be interrupted");
    pair.bob.call(Command::TransportEnable { transport: "tcp".parse().unwrap(), enabled: false }).await;
    let after = done(&pair.alice, id).await;
    assert_eq!(after.via.unwrap().as_str(), "file");
    assert_eq!(std::fs::read(only_file(&pair.downloads())).unwrap(), bytes);
}

#[tokio::test]
async fn a_file_that_changes_on_the_way_ends_the_transfer_on_both_sides() {
    let mut pair = Pair::over_tcp_and_folder().await;
    configure(&mut pair.bob, FilesConfig { auto_accept_bytes: 0, ..FilesConfig::default() }).await;
    let path = pair.file("a.bin", &noise(MIB, 7));
    let id = send(&pair.alice, "bob", &path).await;
    state(&pair.bob, id, "offered", |t| t.state == TransferState::Offered).await;
    std::fs::write(&path, noise(MIB, 8)).unwrap();
    pair.bob.call(Command::FileAccept { transfer: id }).await;
    let failed =
        |t: &Transfer| matches!(&t.state, TransferState::Failed { reason } if reason.kind == ReasonKind::FileChanged);
    state(&pair.alice, id, "failed", failed).await;
    let told = state(&pair.bob, id, "told", |t| t.state.is_final()).await;
    assert!(matches!(told.state, TransferState::Cancelled { by_peer: true, .. }), "{told:?}");
    until("what came of it is removed", || async {
        std::fs::read_dir(pair.downloads()).unwrap().next().is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_wrong_hash_puts_the_file_aside_and_it_can_be_fetched_anew() {
    let mut pair = Pair::over_tcp_and_folder().await;
    configure(&mut pair.bob, FilesConfig { auto_accept_bytes: 1 << 30, ..FilesConfig::default() }).await;
    let bytes = noise(8 * MIB, 9);
    let id = send(&pair.alice, "bob", &pair.file("a.bin", &bytes)).await;
    pause_midway(&pair.bob, id).await;
    // The disk lies: what was synced comes back as something else.
    let part = only_file(&pair.downloads());
    let file = std::fs::OpenOptions::new().write(true).open(&part).unwrap();
    // Chunks come in any order: in every one of them, so that those that are durable are hit.
    for offset in (0..file.metadata().unwrap().len()).step_by(100 * 1024) {
        std::os::unix::fs::FileExt::write_all_at(&file, b"flipped", offset).unwrap();
    }
    pair.bob.call(Command::FileResume { transfer: id }).await;
    let damaged = |t: &Transfer| matches!(&t.state, TransferState::Damaged { reason, .. } if reason.kind == ReasonKind::HashMismatch);
    state(&pair.bob, id, "damaged", damaged).await;
    state(&pair.alice, id, "told", damaged).await;
    assert_eq!(only_file(&pair.downloads()).file_name().unwrap(), "a.bin.damaged");
    pair.bob.call(Command::FileResume { transfer: id }).await;
    done(&pair.bob, id).await;
    done(&pair.alice, id).await;
    assert_eq!(std::fs::read(pair.downloads().join("a.bin")).unwrap(), bytes);
}

#[tokio::test]
async fn quotas_and_sizes_are_kept() {
    let mut pair = Pair::over_tcp_and_folder().await;
    let files = FilesConfig {
        max_bytes: 3000,
        peer_quota_bytes: 1500,
        keep_free_bytes: 0,
        auto_accept_bytes: 0,
        ..FilesConfig::default()
    };
    configure(&mut pair.bob, files).await;
    let first = send(&pair.alice, "bob", &pair.file("one", &[1; 1000])).await;
    state(&pair.bob, first, "offered", |t| t.state == TransferState::Offered).await;
    pair.bob.call(Command::FileAccept { transfer: first }).await;
    done(&pair.bob, first).await;
    let second = send(&pair.alice, "bob", &pair.file("two", &[2; 1000])).await;
    state(&pair.bob, second, "offered", |t| t.state == TransferState::Offered).await;
    let error = refused(&pair.bob, Command::FileAccept { transfer: second }).await;
    assert_eq!(error.kind, NodeErrorKind::Full);
    assert!(error.message.as_str().contains("files.peer_quota_bytes"), "{error}");
    std::fs::remove_file(pair.downloads().join("one")).unwrap();
    pair.bob.call(Command::FileAccept { transfer: second }).await;
    done(&pair.alice, second).await;
    let huge = send(&pair.alice, "bob", &pair.file("huge", &[3; 3001])).await;
    let told = state(&pair.alice, huge, "refused by size", |t| t.state.is_final()).await;
    assert!(matches!(told.state, TransferState::Cancelled { by_peer: true, .. }), "{told:?}");
}

#[tokio::test]
async fn messages_overtake_a_big_file() {
    let mut pair = Pair::over_tcp_and_folder().await;
    configure(&mut pair.bob, FilesConfig { auto_accept_bytes: 1 << 30, ..FilesConfig::default() }).await;
    let id = send(&pair.alice, "bob", &pair.file("a.bin", &noise(24 * MIB, 10))).await;
    state(&pair.alice, id, "on its way", |t| t.bytes >= MIB as u64).await;
    for n in 0..10 {
        let message = pair.alice.send("bob", &n.to_string()).await;
        pair.alice.delivered(&message).await;
    }
    let now = transfer(&pair.alice, id).await.unwrap();
    assert!(now.bytes < now.size, "all ten messages were delivered before the file");
    done(&pair.alice, id).await;
}

#[tokio::test]
async fn what_cannot_be_sent_is_said_at_once() {
    let pair = Pair::over_tcp_and_folder().await;
    let ask = |path: &Path| {
        let path = path.display().to_string();
        Command::FileSend(FileSend { to: "bob".into(), path, ..FileSend::default() })
    };
    let missing = refused(&pair.alice, ask(&pair.dir.path().join("missing"))).await;
    assert_eq!(missing.kind, NodeErrorKind::Invalid);
    assert!(missing.message.as_str().contains("missing"), "{missing}");
    assert!(refused(&pair.alice, ask(pair.dir.path())).await.message.as_str().contains("not a file"));
    assert!(refused(&pair.alice, ask(Path::new("relative"))).await.message.as_str().contains("absolute"));
}
