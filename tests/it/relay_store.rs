//! Relays that keep their mailboxes together in JetStream: real relay programs, real nodes, the real server.

use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use skcomm_tui::{
    delivery::MessageState,
    node::{Command as Ask, Message, Reply},
    transport::{TransportState, registry::TransportConfig},
};

use crate::{
    nats::Nats,
    servers::{Server, free_port},
    support::{TestNode, until},
};

/// A relay in a process of its own, which can be killed and started again on the same port.
pub(crate) struct Relay {
    port: u16,
    store: String,
    home: tempfile::TempDir,
    running: Option<Server>,
}

impl Relay {
    async fn start(nats: &Nats) -> Self {
        Self::with_store(&nats.url()).await
    }

    pub(crate) async fn with_store(store: &str) -> Self {
        let (port, store) = (free_port(), store.to_owned());
        let mut relay = Self { port, store, home: tempfile::tempdir().unwrap(), running: None };
        relay.revive().await;
        relay
    }

    async fn revive(&mut self) {
        let listen = SocketAddr::from(([127, 0, 0, 1], self.port)).to_string();
        let mut command = serve(&self.home, &self.store);
        command.args(["--listen", &listen]);
        let log = OpenOptions::new().create(true).append(true).open(self.home.path().join("log")).unwrap();
        self.running = Some(Server::start_logging(command, self.port, log.into()).await);
        // It listens before it has the store, and ends if that cannot be had.
        let ready = async || self.health().await.contains("\"ok\"").then_some(());
        until(&format!("a relay is ready: {}", self.home.path().join("log").display()), ready).await;
    }

    pub(crate) fn kill(&mut self) {
        self.running.take().unwrap().kill();
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// What it tells about its health; empty when it tells nothing.
    pub(crate) async fn health(&self) -> String {
        let mut told = Vec::new();
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)).await {
            // Whoever is killed meanwhile tells nothing.
            let _ = stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
            let _ = stream.read_to_end(&mut told).await;
        }
        String::from_utf8(told).unwrap()
    }

    /// What it said on its standard error.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap()
    }
}

impl Drop for Relay {
    /// Whoever reads of a failed test wants to know what the relay said.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the relay at {}:\n{}", self.url(), self.log());
        }
    }
}

fn serve(home: &tempfile::TempDir, store: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skcomm"));
    command.env_clear().env("SKCOMM_HOME", home.path().join("home")).env("HOME", home.path());
    // Bounds that fit into the tests' server.
    command.args(["serve", "--store", store, "--total-mib", "32"]);
    command
}

/// A node with its mailbox at these relays.
async fn node(name: &str, relays: &[&Relay]) -> TestNode {
    let relays: Vec<String> = relays.iter().map(|relay| relay.url()).collect();
    let config = TransportConfig::new("websocket").with("relays", relays).with("keepalive_seconds", 1);
    TestNode::start(name, &[("websocket", config)]).await
}

async fn state(node: &TestNode) -> TransportState {
    let Reply::Transports(all) = node.call(Ask::Transports).await else { panic!() };
    all.into_iter().find(|t| t.transport.as_str() == "websocket").unwrap().state
}

async fn up(node: &TestNode) {
    until(&format!("{} is connected", node.name), || async { (state(node).await == TransportState::Up).then_some(()) })
        .await;
}

/// Each of these texts came once, and nothing else.
pub(crate) async fn once(node: &TestNode, count: usize) {
    let expected: BTreeMap<String, usize> = (0..count).map(|n| (n.to_string(), 1)).collect();
    let mut counts = BTreeMap::new();
    for text in node.received().await {
        *counts.entry(text).or_insert(0) += 1;
    }
    assert_eq!(counts, expected, "{}", node.name);
}

#[tokio::test]
async fn two_relays_serve_one_realm_and_nothing_is_lost_when_they_are_killed_in_turn() {
    let Some(nats) = Nats::start("").await else { return };
    let (mut a, mut b) = (Relay::start(&nats).await, Relay::start(&nats).await);
    // Each talks to one relay only: what passes between them passes through the store.
    let (alice, bob) = (node("alice", &[&a]).await, node("bob", &[&b]).await);
    alice.know(&bob, &[("websocket", &a.url())]).await;
    bob.know(&alice, &[("websocket", &b.url())]).await;
    let mut sent: Vec<Message> = Vec::new();
    for n in 0..60 {
        sent.push(alice.send("bob", &n.to_string()).await);
        sent.push(bob.send("alice", &n.to_string()).await);
        match n {
            15 => a.kill(),
            25 => a.revive().await,
            35 => b.kill(),
            45 => b.revive().await,
            _ => {}
        }
    }
    for (n, message) in sent.iter().enumerate() {
        if n % 2 == 0 {
            alice.delivered(message).await
        } else {
            bob.delivered(message).await
        };
    }
    once(&alice, 60).await;
    once(&bob, 60).await;
}

#[tokio::test]
async fn a_recipient_with_two_relays_gets_everything_once_while_one_of_them_dies_for_good() {
    let Some(nats) = Nats::start("").await else { return };
    let (mut a, b) = (Relay::start(&nats).await, Relay::start(&nats).await);
    let (alice, bob) = (node("alice", &[&b]).await, node("bob", &[&a, &b]).await);
    alice.know(&bob, &[("websocket", &b.url())]).await;
    bob.know(&alice, &[("websocket", &b.url())]).await;
    let mut sent = Vec::new();
    for n in 0..60 {
        sent.push(alice.send("bob", &n.to_string()).await);
        if n == 30 {
            a.kill();
        }
    }
    for message in &sent {
        alice.delivered(message).await;
    }
    once(&bob, 60).await;
}

#[tokio::test]
async fn what_one_relay_stored_another_gives_to_the_recipient_who_comes_back() {
    let Some(nats) = Nats::start("").await else { return };
    let (mut a, b) = (Relay::start(&nats).await, Relay::start(&nats).await);
    let (alice, mut bob) = (node("alice", &[&b]).await, node("bob", &[&b]).await);
    alice.know(&bob, &[("websocket", &a.url())]).await;
    bob.know(&alice, &[("websocket", &b.url())]).await;
    up(&bob).await;
    bob.stop().await;
    let mut sent = Vec::new();
    for n in 0..20 {
        sent.push(alice.send("bob", &n.to_string()).await);
    }
    for message in &sent {
        let stored = |state: &MessageState| format!("{state:?}").contains("127.0.0.1");
        alice.wait_for_state(message, "stored by the relay", stored).await;
    }
    a.kill();
    bob.restart();
    for message in &sent {
        alice.delivered(message).await;
    }
    once(&bob, 20).await;
}

#[tokio::test]
async fn while_the_store_is_away_clients_stay_connected_and_are_told_and_then_everything_arrives() {
    let Some(mut nats) = Nats::start("").await else { return };
    let relay = Relay::start(&nats).await;
    let (alice, bob) = (node("alice", &[&relay]).await, node("bob", &[&relay]).await);
    alice.know(&bob, &[("websocket", &relay.url())]).await;
    bob.know(&alice, &[("websocket", &relay.url())]).await;
    let first = alice.send("bob", "0").await;
    alice.delivered(&first).await;
    nats.kill();
    let refused = alice.send("bob", "1").await;
    let trace = until("the refusal is in the trace", || async {
        let Reply::Trace(trace) = alice.call(Ask::Trace { envelope_id: refused.envelope_id }).await else { panic!() };
        let told = format!("{trace:?}");
        told.contains("reach its store").then_some(told)
    })
    .await;
    assert!(trace.contains("Io"), "{trace}");
    assert_eq!((state(&alice).await, state(&bob).await), (TransportState::Up, TransportState::Up));
    nats.revive().await;
    alice.delivered(&refused).await;
    let last = alice.send("bob", "2").await;
    alice.delivered(&last).await;
    once(&bob, 3).await;
}

#[tokio::test]
async fn the_command_says_why_a_store_cannot_be_used_and_shows_no_secret() {
    let Some(nats) = Nats::start("authorization { token: \"s3cret\" }").await else { return };
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("token");
    std::fs::write(&file, "guess\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let store = format!("{}?token_file={}", nats.url(), file.display());
    let run = |store: &str| {
        let output = serve(&home, store).args(["--listen", "127.0.0.1:0"]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = run(&store);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("authorization violation") && !said.contains("guess"), "{said}");
    let (code, said) = run("nats://127.0.0.1?token=s3cret");
    assert!(code == Some(1) && said.contains("token_file") && !said.contains("s3cret"), "{said}");
    std::fs::write(&file, "s3cret\n").unwrap();
    let mut relay = serve(&home, &store);
    relay.args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut relay = relay.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(relay.stdout.take().unwrap()).read_line(&mut line).unwrap();
    relay.kill().unwrap();
    relay.wait().unwrap();
    assert!(line.contains("listens on ws://127.0.0.1:"), "{line}");
}
