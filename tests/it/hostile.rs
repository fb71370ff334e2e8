//! What others try: ids claimed in transit, strangers, impostors, odd clients of the control socket.

use std::os::unix::fs::PermissionsExt as _;

use skcomm_tui::{
    delivery::MessageState,
    node::{Command, Event, HistoryQuery, NodeErrorKind, NodeHandle, Peer, PeerAdd, Reply, SendRequest},
    wire::EnvelopeId,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
};

use crate::support::{LIMIT, TestNode, event, folder, request, tcp, until};

async fn node(name: &str, shared: &std::path::Path) -> TestNode {
    TestNode::start(name, &[("file", folder(shared))]).await
}

async fn peers(node: &TestNode) -> Vec<Peer> {
    match node.call(Command::Peers).await {
        Reply::Peers(peers) => peers,
        other => panic!("{other:?}"),
    }
}

async fn refused(node: &TestNode, kind: &str) -> u64 {
    match node.call(Command::Status).await {
        Reply::Status(status) => status.refused.get(kind).copied().unwrap_or(0),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_id_claimed_by_another_peer_does_not_keep_the_real_message_out() {
    let shared = tempfile::tempdir().unwrap();
    let route = [("file", shared.path().to_str().unwrap())];
    let (alice, bob, mallory) =
        (node("alice", shared.path()).await, node("bob", shared.path()).await, node("mallory", shared.path()).await);
    for other in [&bob, &mallory] {
        alice.know(other, &route).await;
        other.know(&alice, &route).await;
    }
    let seen_in_transit: EnvelopeId = EnvelopeId::from_random([7; 16]);
    let with_id = |to, text, id| SendRequest { envelope_id: Some(id), ..request(to, text) };
    let claimed = mallory.send_as(with_id("alice", "claimed", seen_in_transit)).await;
    mallory.delivered(&claimed).await;
    let real = bob.send_as(with_id("alice", "real", seen_in_transit)).await;
    bob.delivered(&real).await;
    let mut received = alice.received().await;
    received.sort();
    assert_eq!(received, ["claimed", "real"]);
    // The same for an id of ours.
    let ours = EnvelopeId::from_random([8; 16]);
    let claimed = mallory.send_as(with_id("alice", "claimed too", ours)).await;
    mallory.delivered(&claimed).await;
    let sent = alice.send_as(with_id("bob", "from alice", ours)).await;
    alice.delivered(&sent).await;
    assert_eq!(bob.received().await, ["from alice"]);
    let again = mallory.send("alice", "still there?").await;
    mallory.delivered(&again).await;
    assert_eq!(alice.received().await.len(), 4);
}

#[tokio::test]
async fn a_repeated_send_is_one_message() {
    let shared = tempfile::tempdir().unwrap();
    let route = [("file", shared.path().to_str().unwrap())];
    let (alice, bob) = (node("alice", shared.path()).await, node("bob", shared.path()).await);
    alice.know(&bob, &route).await;
    bob.know(&alice, &route).await;
    let once = SendRequest { envelope_id: Some(EnvelopeId::from_random([1; 16])), ..request("bob", "once") };
    let first = alice.send_as(once.clone()).await;
    let second = alice.send_as(once.clone()).await;
    assert_eq!((first.envelope_id, first.position), (second.envelope_id, second.position));
    let other = SendRequest { content: "twice".into(), ..once };
    alice.handle().call(Command::Send(other)).await.expect_err("the id is taken");
    alice.delivered(&first).await;
    assert_eq!(bob.received().await, ["once"]);
}

#[tokio::test]
async fn a_flood_of_a_stranger_is_bounded_and_ends_nothing() {
    let shared = tempfile::tempdir().unwrap();
    let route = [("file", shared.path().to_str().unwrap())];
    let (mut alice, bob, stranger) =
        (node("alice", shared.path()).await, node("bob", shared.path()).await, node("stranger", shared.path()).await);
    alice.know(&bob, &route).await;
    bob.know(&alice, &route).await;
    stranger.know(&alice, &route).await;
    for n in 0..60 {
        stranger.send("alice", &format!("buy {n}")).await;
    }
    stranger.send("alice", &"large ".repeat(20_000)).await;
    until("what is too much is refused", || async {
        (refused(&alice, "too_many_strangers").await >= 10).then_some(())
    })
    .await;
    assert_eq!(alice.received().await.len(), 50);
    let friend = bob.send("alice", "a friend").await;
    bob.delivered(&friend).await;
    // The bound outlives a restart, and the user's word lifts it.
    alice.stop().await;
    alice.restart();
    let before = refused(&alice, "too_many_strangers").await;
    stranger.send("alice", "and one more").await;
    until("it is refused again", || async { (refused(&alice, "too_many_strangers").await > before).then_some(()) })
        .await;
    assert_eq!(alice.received().await.len(), 51);
    // A shared folder is nothing a stranger may name, so the user adds the way back, and with it accepts.
    let routes = vec![("file".parse().unwrap(), route[0].1.to_owned())];
    alice.call(Command::PeerAdd(PeerAdd { name: "stranger".into(), routes, ..PeerAdd::default() })).await;
    let accepted = stranger.send("alice", "thank you").await;
    stranger.delivered(&accepted).await;
}

#[tokio::test]
async fn a_stranger_with_our_own_name_gets_another_and_a_warning() {
    let shared = tempfile::tempdir().unwrap();
    let (alice, impostor) = (node("alice", shared.path()).await, node("alice", shared.path()).await);
    impostor.know_as(&alice, "target", &[("file", shared.path().to_str().unwrap())]).await;
    impostor.send("target", "I am you").await;
    let peer = until("the request", || async { peers(&alice).await.pop() }).await;
    assert!(peer.request && peer.name.as_str() != "alice", "{}", peer.name);
    let second = TestNode::start("аlice", &[("file", folder(shared.path()))]).await;
    second.know_as(&alice, "target", &[("file", shared.path().to_str().unwrap())]).await;
    second.send("target", "with a Cyrillic letter").await;
    let all = until("the second request", || async { Some(peers(&alice).await).filter(|all| all.len() == 2) }).await;
    let warned = all.iter().find(|peer| peer.name.as_str() == "аlice").expect("it keeps its name");
    assert!(warned.warning.is_some());
}

#[tokio::test]
async fn a_flood_of_keys_for_one_name_is_one_question() {
    let (alice, bob) =
        (TestNode::start("alice", &[("tcp", tcp())]).await, TestNode::start("bob", &[("tcp", tcp())]).await);
    alice.know(&bob, &[("tcp", &bob.address("tcp").await)]).await;
    let mut impostors = Vec::new();
    let conflict = || async { peers(&alice).await.remove(0).conflict };
    for number in 0..4 {
        let impostor = TestNode::start("bob", &[("tcp", tcp())]).await;
        impostor.know(&alice, &[("tcp", &alice.address("tcp").await)]).await;
        impostor.send("alice", "I am bob").await;
        match number {
            0 => drop(until("the conflict", || async { conflict().await }).await),
            n => until("the others", || async { (refused(&alice, "other_key").await >= n).then_some(()) }).await,
        }
        impostors.push(impostor);
    }
    let shown = peers(&alice).await.remove(0);
    let lines = shown.history.iter().filter(|line| line.what.as_str().contains("turned up")).count();
    assert_eq!(lines, 1, "{:?}", shown.history);
    alice.call(Command::ConflictResolve { peer: "bob".into(), accept_new: false }).await;
    let before = refused(&alice, "other_key").await;
    impostors[0].send("alice", "no, really").await;
    until("the refused key stays refused", || async { (refused(&alice, "other_key").await > before).then_some(()) })
        .await;
    assert_eq!(conflict().await, None);
    assert!(alice.received().await.is_empty());
}

#[tokio::test]
async fn what_a_removed_peer_wrote_stays_readable() {
    let (alice, bob) =
        (TestNode::start("alice", &[("tcp", tcp())]).await, TestNode::start("bob", &[("tcp", tcp())]).await);
    alice.know(&bob, &[("tcp", &bob.address("tcp").await)]).await;
    bob.know(&alice, &[("tcp", &alice.address("tcp").await)]).await;
    let sent = bob.send("alice", "remember me").await;
    bob.delivered(&sent).await;
    let key = peers(&alice).await[0].fingerprint.expect("pinned");
    alice.call(Command::PeerRemove { peer: "bob".into() }).await;
    let query = |peer: String| Command::History(HistoryQuery { peer: Some(peer), limit: 9, ..HistoryQuery::default() });
    let Reply::Messages(kept) = alice.call(query(key.to_string())).await else { panic!() };
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].content.as_str(), "remember me");
    assert_eq!(alice.handle().call(query("bob".into())).await.unwrap_err().kind, NodeErrorKind::NotFound);
    assert!(std::fs::read_dir(alice.home.root().join("peers")).unwrap().next().is_none(), "no file is left");
}

#[tokio::test]
async fn the_control_socket_survives_odd_clients() {
    let mut alice = TestNode::start("alice", &[]).await;
    let path = alice.home.socket_path();
    let status = r#"{"jsonrpc":"2.0","id":1,"method":"status"}"#;
    alice.call(Command::Status).await;
    // One that never reads, one that hangs up in the middle of a line, one that leaves before its answer.
    let mut deaf = UnixStream::connect(&path).await.unwrap();
    deaf.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"subscribe\"}\n").await.unwrap();
    let flood = format!("{status}\n").repeat(300);
    let _ = tokio::time::timeout(std::time::Duration::from_millis(300), deaf.write_all(flood.as_bytes())).await;
    let mut rude = UnixStream::connect(&path).await.unwrap();
    rude.write_all(&status.as_bytes()[..20]).await.unwrap();
    drop(rude);
    let mut hasty = UnixStream::connect(&path).await.unwrap();
    hasty.write_all(format!("{status}\n").as_bytes()).await.unwrap();
    drop(hasty);
    // One that closes its writing end, as a pipe does, gets its answer and then the end.
    let mut piped = UnixStream::connect(&path).await.unwrap();
    piped.write_all(format!("{status}\nnonsense\n").as_bytes()).await.unwrap();
    piped.shutdown().await.unwrap();
    let mut text = String::new();
    tokio::time::timeout(LIMIT, piped.read_to_string(&mut text)).await.expect("it ends").unwrap();
    assert!(text.contains("\"fingerprint\"") && text.contains("-32700"), "{text}");
    // One with a line that never ends.
    let mut endless = UnixStream::connect(&path).await.unwrap();
    let chunk = vec![b'x'; 1024 * 1024];
    for _ in 0..64 {
        if endless.write_all(&chunk).await.is_err() {
            break;
        }
    }
    let mut answer = String::new();
    let read = BufReader::new(&mut endless).read_line(&mut answer).await;
    // The refusal may be lost with the connection; what matters is that it ended.
    assert!(read.is_err() || answer.is_empty() || answer.contains("at most"), "{answer}");
    // Faces in order are served meanwhile, and one of them may stop the node and hears that it did.
    let (first, second) = (NodeHandle::connect(&path).await.unwrap(), NodeHandle::connect(&path).await.unwrap());
    let mut events = second.subscribe();
    assert!(matches!(second.call(Command::Status).await, Ok(Reply::Status(_))));
    assert_eq!(first.call(Command::Shutdown).await, Ok(Reply::Done));
    event(&mut events, "the other face is told", |e| matches!(e, Event::Stopping).then_some(())).await;
    drop(deaf);
    alice.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn nobody_else_can_read_anything_and_nothing_readable_is_written() {
    let shared = tempfile::tempdir().unwrap();
    let route = [("file", shared.path().to_str().unwrap())];
    let (mut alice, mut bob) = (node("alice", shared.path()).await, node("bob", shared.path()).await);
    alice.know(&bob, &route).await;
    bob.know(&alice, &route).await;
    alice.call(Command::PeerAdd(PeerAdd { name: "keyless".into(), ..PeerAdd::default() })).await;
    let secret = "the-plaintext-of-this-test";
    alice.send("keyless", secret).await;
    let sent = alice.send("bob", secret).await;
    alice.delivered(&sent).await;
    let message = bob.messages().await.remove(0);
    bob.call(Command::SaveDraft { conversation: message.conversation(), text: secret.into() }).await;
    assert_private(alice.home.root());
    assert_private(bob.home.root());
    bob.stop().await;
    let left = alice.send("bob", secret).await;
    alice.wait_for_state(&left, "accepted", |s| matches!(s, MessageState::Accepted { .. })).await;
    alice.stop().await;
    for root in [alice.home.root(), bob.home.root(), shared.path()] {
        for path in files(root) {
            let bytes = std::fs::read(&path).unwrap_or_default();
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "the plaintext is in {}", path.display());
        }
    }
    assert_private(alice.home.root());
}

fn files(root: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Folders 0700, everything else 0600. Only sled makes its files as the umask wants, in a folder nobody else enters.
fn assert_private(root: &std::path::Path) {
    let mode = |path: &std::path::Path| std::fs::symlink_metadata(path).map(|meta| meta.permissions().mode() & 0o777);
    assert_eq!(mode(root).unwrap(), 0o700, "{}", root.display());
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_private(&path);
        } else if root.ends_with("sled") {
            continue;
        } else if let Ok(mode) = mode(&path) {
            assert_eq!(mode, 0o600, "{}", path.display());
        }
    }
}
