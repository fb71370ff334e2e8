//! A disk that is really full, and one that is read-only: a small file system of its own, in a name space of its own. And a
//! limit on the size of files, which fails writes anywhere.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Command as Program,
};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use skcomm_tui::{
    delivery::MessageState,
    home::Home,
    identity::TrustLevel,
    node::{
        Command, Event, HistoryQuery, Message, NewIdentity, Node, NodeErrorKind, NodeHandle, PeerAdd, Reply,
        create_identity, unlock_identity,
    },
    transport::registry::TransportConfig,
};

use crate::{
    cli::{self, Daemon, error, introduce, pair, place_in},
    servers::{Server, free_port},
    support::{TestNode, event, folder, request, until},
};

/// Where the small file system is, for the child.
const SMALL: &str = "SKCOMM_TEST_SMALL_DISK";
/// An ordinary folder, for the child.
const LARGE: &str = "SKCOMM_TEST_LARGE_DISK";

/// Runs a test of this file as a child on a file system of 24 MB. Says so loudly where that is not permitted.
fn on_a_small_disk(child: &str) {
    let (small, large) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // As root a mount name space is enough, others get one with a user name space where the system lets them.
    let user = if rustix::process::geteuid().is_root() { "-m" } else { "-Urm" };
    let mount = "mount -t tmpfs -o size=24m none \"$1\"";
    let tried = Program::new("unshare").args([user, "sh", "-c", mount, "sh"]).arg(small.path()).output();
    if !tried.as_ref().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: {child} (a small file system may not be mounted here: {tried:?})");
        return;
    }
    let test = format!("bad_disks::{child}");
    let ran = Program::new("unshare")
        .args([user, "sh", "-c", &format!("{mount} && exec \"$2\" \"$3\" --exact --ignored --nocapture"), "sh"])
        .arg(small.path())
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(SMALL, small.path())
        .env(LARGE, large.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert!(said.contains("1 passed"), "the child did not run: {said}");
}

fn places() -> Option<(PathBuf, PathBuf)> {
    Some((std::env::var_os(SMALL)?.into(), std::env::var_os(LARGE)?.into()))
}

/// Fills a file system to the last byte.
fn fill(disk: &Path) -> PathBuf {
    let filler = disk.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    for size in [1 << 20, 4096, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
    filler
}

async fn history(handle: &NodeHandle) -> Vec<Message> {
    match handle.call(Command::History(HistoryQuery { limit: 100, ..HistoryQuery::default() })).await.unwrap() {
        Reply::Messages(messages) => messages,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_disk_is_told_and_nothing_is_called_sent_or_acked() {
    on_a_small_disk("full_disk");
}

#[test]
#[ignore = "is run as a child, on a small disk"]
fn full_disk() {
    let Some((small, large)) = places() else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let shared = large.join("shared");
        std::fs::create_dir(&shared).unwrap();
        let bob = TestNode::start("bob", &[("file", folder(&shared))]).await;
        let home = Home::at(small.join("home"));
        let identity = NewIdentity { name: "alice".to_owned(), email: None, fqid: None };
        let secret = create_identity(&home, &identity, None, &[("file".parse().unwrap(), folder(&shared))]).unwrap();
        let certificate = Some(secret.certificate().armored());
        let node = Node::start(home.clone(), secret).unwrap();
        let alice = node.handle();
        let routes = || vec![("file".parse().unwrap(), shared.display().to_string())];
        let known = |name: &str, certificate| PeerAdd {
            name: name.to_owned(),
            certificate,
            routes: routes(),
            ..PeerAdd::default()
        };
        alice.call(Command::PeerAdd(known("bob", Some(bob.certificate.clone())))).await.unwrap();
        bob.call(Command::PeerAdd(known("alice", certificate))).await;
        bob.call(Command::TrustSet { peer: "alice".to_owned(), level: TrustLevel::Verified }).await;
        let filler = fill(&small);

        let long = "does not fit ".repeat(2_000);
        let refused = alice.call(Command::Send(request("bob", &long))).await.unwrap_err();
        assert_eq!(refused.kind, NodeErrorKind::Storage);
        let text = refused.message.to_string();
        assert!(text.contains("not sent") && text.contains("no space left"), "{text}");
        // What comes in stays with its sender, and is not acked.
        let mut events = alice.subscribe();
        let coming = bob.send("alice", &"into a full disk ".repeat(500)).await;
        event(&mut events, "the word that it could not be kept", |event| match event {
            Event::Notice { text, .. } => text.as_str().contains("it stays with its sender").then_some(()),
            _ => None,
        })
        .await;
        bob.wait_for_state(&coming, "accepted", |state| state.rank() == 1).await;

        std::fs::remove_file(filler).unwrap();
        let Reply::Sent(fits) = alice.call(Command::Send(request("bob", "fits again"))).await.unwrap() else {
            panic!()
        };
        until("it is delivered", || async {
            let Reply::Trace(trace) = alice.call(Command::Trace { envelope_id: fits.envelope_id }).await.unwrap()
            else {
                panic!()
            };
            matches!(trace.message.state, MessageState::Delivered { .. }).then_some(())
        })
        .await;
        bob.call(Command::QueueRetry { envelope_id: Some(coming.envelope_id) }).await;
        bob.delivered(&coming).await;
        node.stop().await.unwrap();

        // Also after a restart what was called not sent is not sent.
        let node = Node::start(home.clone(), unlock_identity(&home, None).unwrap()).unwrap();
        let alice = node.handle();
        let Reply::Sent(last) = alice.call(Command::Send(request("bob", "the last"))).await.unwrap() else { panic!() };
        until("the last one came", || async { bob.received().await.contains(&"the last".to_owned()).then_some(()) })
            .await;
        assert_eq!(bob.received().await, ["fits again", "the last"]);
        let all = history(&alice).await;
        assert_eq!(all.iter().filter(|message| message.incoming()).count(), 1);
        for message in all.iter().filter(|message| message.content.as_str() == long) {
            assert_eq!(message.state.name(), "failed", "{:?}", message.state);
        }
        assert!(all.iter().any(|message| message.envelope_id == last.envelope_id));
        node.stop().await.unwrap();
    });
}

#[test]
fn a_full_disk_is_told_by_the_command_line_and_all_goes_on_when_there_is_room() {
    on_a_small_disk("full_disk_of_a_daemon");
}

#[test]
#[ignore = "is run as a child, on a small disk"]
fn full_disk_of_a_daemon() {
    let Some((small, large)) = places() else { return };
    let shared = tempfile::tempdir_in(&large).unwrap();
    let opus = place_in(tempfile::tempdir_in(&small).unwrap(), "Opus", shared.path());
    let lumina = place_in(tempfile::tempdir_in(&large).unwrap(), "Lumina", shared.path());
    introduce(&opus, &lumina, "Lumina", None);
    introduce(&lumina, &opus, "Opus", None);
    let (daemon, _other) = (opus.daemon(), lumina.daemon());
    assert_eq!(opus.json(&["send", "--to", "Lumina", "--wait", "20", "before"]).0, 0);
    let filler = fill(&small);

    let long = "does not fit ".repeat(2_000);
    let refused = opus.run(&["send", "--to", "Lumina", "--json", &long]);
    let said = error(&refused);
    assert_eq!((refused.status.code(), &said["error"]), (Some(1), &"storage".into()), "{refused:?}");
    let told = said["message"].as_str().unwrap();
    assert!(told.contains("not sent") && told.contains("no space left"), "{told}");
    assert!(refused.stdout.is_empty(), "{refused:?}");
    // An identity that cannot be kept is not half made.
    let made = opus.run(&["init", "--home", small.join("second").to_str().unwrap(), "--name", "b", "--no-passphrase"]);
    assert_eq!(made.status.code(), Some(1), "{made:?}");
    assert!(String::from_utf8_lossy(&made.stderr).to_lowercase().contains("no space left"), "{made:?}");
    // What comes in stays with its sender, and is not acked.
    let text = "into a full disk ".repeat(500).trim_end().to_owned();
    let (code, coming) = lumina.json(&["send", "--to", "Opus", "--wait", "1", &text]);
    assert_eq!((code, coming[0]["state"].as_str()), (3, Some("accepted")), "{coming:?}");

    std::fs::remove_file(filler).unwrap();
    let (code, fits) = opus.json(&["send", "--to", "Lumina", "--wait", "20", "fits again"]);
    assert_eq!(code, 0, "{fits:?}");
    cli::until("what stayed with its sender is delivered", || {
        lumina.json(&["queue", "retry"]);
        let (_, told) = lumina.json(&["trace", coming[0]["envelope_id"].as_str().unwrap()]);
        (told[0]["message"]["state"] == "delivered").then_some(())
    });
    assert_eq!(daemon.terminate(), Some(0));
    let _again = opus.daemon();
    assert_eq!(opus.json(&["send", "--to", "Lumina", "--wait", "20", "the last"]).0, 0);
    assert_eq!(lumina.texts(), ["before", "fits again", "the last"]);
    assert_eq!(opus.texts(), [text]);
}

/// Lets a running daemon make no file larger than this.
fn limit_files(daemon: &Daemon, bytes: Option<u64>) {
    let limit = Rlimit { current: bytes, ..getrlimit(Resource::Fsize) };
    prlimit(Some(Pid::from_child(&daemon.0)), Resource::Fsize, limit).unwrap();
}

/// What `status` warns of.
fn warnings(place: &cli::Place) -> Vec<String> {
    let (_, status) = place.json(&["status"]);
    let all = status[0]["warnings"].as_array().unwrap();
    all.iter().map(|warning| warning.as_str().unwrap().to_owned()).collect()
}

/// There is room for the journal, whose files are small, and none for the database behind it.
#[test]
fn a_database_without_room_is_told_loses_nothing_and_is_used_again_when_there_is_some() {
    let (_shared, opus, lumina) = pair();
    let (daemon, _other) = (opus.daemon(), lumina.daemon());
    limit_files(&daemon, Some(14 << 20));
    let send = |text: &str| opus.feed(&["send", "--to", "Lumina", "--wait", "30", "--json", "-"], text.as_bytes());
    let text = |number: usize| format!("{number} {}", "fills the store ".repeat(60_000));
    // Everything is taken and acked as long as memory has room for what the database does not take.
    let (kept, refused) = (0..100)
        .find_map(|number| {
            let sent = send(&text(number));
            (sent.status.code() != Some(0)).then_some((number, sent))
        })
        .expect("memory is bounded");
    assert_eq!((refused.status.code(), &error(&refused)["error"]), (Some(1), &"storage".into()), "{refused:?}");
    let told = error(&refused)["message"].as_str().unwrap().to_owned();
    assert!(told.contains("not sent") && told.contains("database"), "{told}");
    assert!(warnings(&opus).iter().any(|warning| warning.contains("safe in the journal")), "{:?}", warnings(&opus));

    limit_files(&daemon, None);
    cli::until("the database takes it", || {
        let sent = send("there is room again").status.code();
        (sent == Some(0) && warnings(&opus).is_empty()).then_some(())
    });
    assert_eq!(daemon.terminate(), Some(0));
    let _again = opus.daemon();
    assert!(warnings(&opus).is_empty(), "{:?}", warnings(&opus));
    let all = opus.json(&["history", "--limit", "1000"]).1;
    let all: Vec<&str> = all.iter().map(|message| message["content"].as_str().unwrap()).collect();
    assert!((0..kept).all(|number| all.contains(&text(number).as_str())), "{kept} were kept");
    let received = lumina.texts();
    assert_eq!(received.iter().filter(|text| text.contains("fills the store")).count(), kept);
}

#[test]
fn a_limit_on_the_size_of_files_is_told_and_all_goes_on_without_it() {
    let (_shared, opus, lumina) = pair();
    let (daemon, _other) = (opus.daemon(), lumina.daemon());
    assert_eq!(opus.json(&["send", "--to", "Lumina", "--wait", "20", "before"]).0, 0);
    limit_files(&daemon, Some(8192));
    let refused = opus.run(&["send", "--to", "Lumina", "--json", &"does not fit ".repeat(2_000)]);
    let said = error(&refused);
    assert_eq!((refused.status.code(), &said["error"]), (Some(1), &"storage".into()), "{refused:?}");
    let told = said["message"].as_str().unwrap();
    assert!(told.contains("not sent") && told.contains("File too large"), "{told}");
    assert!(refused.stdout.is_empty(), "{refused:?}");
    limit_files(&daemon, None);
    assert_eq!(opus.json(&["send", "--to", "Lumina", "--wait", "20", "after"]).0, 0);
    assert_eq!(lumina.texts(), ["before", "after"]);
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn a_relay_on_a_full_disk_refuses_and_goes_on_by_itself_when_there_is_room() {
    on_a_small_disk("full_disk_of_a_relay");
}

#[test]
#[ignore = "is run as a child, on a small disk"]
fn full_disk_of_a_relay() {
    let Some((small, _)) = places() else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let port = free_port();
        let relay = || async {
            let mut serve = Program::new(env!("CARGO_BIN_EXE_skcomm"));
            serve.env_clear().env("SKCOMM_HOME", small.join("home")).env("HOME", &small);
            serve.args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data"]).arg(small.join("relay"));
            Server::start(serve, port).await
        };
        let (running, url) = (relay().await, format!("ws://127.0.0.1:{port}"));
        let there = || [("websocket", TransportConfig::new("websocket").with("relays", url.as_str()))];
        let (alice, mut bob) = (TestNode::start("alice", &there()).await, TestNode::start("bob", &there()).await);
        alice.know(&bob, &[("websocket", &url)]).await;
        bob.know(&alice, &[("websocket", &url)]).await;
        bob.stop().await;
        let before = alice.send("bob", "before").await;
        alice.wait_for_state(&before, "stored by the relay", |state| state.rank() == 1).await;

        let filler = fill(&small);
        // Of letters that no compression makes fit.
        let long: String = (0..2_000).map(|_| format!("{:016x}", rand::random::<u64>())).collect();
        let refused = alice.send("bob", &long).await;
        until("the refusal is in the trace", || async {
            let Reply::Trace(trace) = alice.call(Command::Trace { envelope_id: refused.envelope_id }).await else {
                panic!()
            };
            format!("{trace:?}").contains("could not write to its disk").then_some(())
        })
        .await;

        std::fs::remove_file(filler).unwrap();
        alice.call(Command::QueueRetry { envelope_id: Some(refused.envelope_id) }).await;
        alice.wait_for_state(&refused, "stored by the relay", |state| state.rank() == 1).await;
        running.kill();
        let _again = relay().await;
        bob.restart();
        for message in [&before, &refused] {
            alice.delivered(message).await;
        }
        assert!(bob.received().await == ["before".to_owned(), long], "each once");
    });
}

#[test]
fn a_read_only_disk_is_told() {
    on_a_small_disk("read_only_disk");
}

#[test]
#[ignore = "is run as a child, on a small disk"]
fn read_only_disk() {
    let Some((small, _)) = places() else { return };
    let home = small.join("home");
    let skcomm = |args: &[&str]| {
        let mut program = Program::new(env!("CARGO_BIN_EXE_skcomm"));
        program.env_clear().env("SKCOMM_HOME", &home).env("HOME", &small).args(args).output().unwrap()
    };
    let made = skcomm(&["init", "--name", "alice", "--no-passphrase"]);
    assert!(made.status.success(), "{made:?}");
    let mounted = Program::new("mount").args(["-o", "remount,ro"]).arg(&small).status().unwrap();
    assert!(mounted.success());
    let sent = skcomm(&["send", "--to", "bob", "into nothing"]);
    let said = String::from_utf8_lossy(&sent.stderr).to_lowercase();
    assert_eq!(sent.status.code(), Some(1), "{sent:?}");
    assert!(said.contains("read-only"), "{said}");
    assert!(sent.stdout.is_empty(), "{sent:?}");
}
