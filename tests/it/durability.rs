//! Restarts, lost time and SIGKILL.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use skcomm_tui::{
    delivery::MessageState,
    home::Home,
    node::{Command, Event, Node, SendRequest, unlock_identity},
    transport::registry::TransportConfig,
};

use crate::support::{TestNode, event, folder, request, until};

/// Alice and Bob who know each other over a shared folder.
pub(crate) async fn pair(shared: &Path) -> (TestNode, TestNode) {
    let alice = TestNode::start("alice", &[("file", folder(shared))]).await;
    let bob = TestNode::start("bob", &[("file", folder(shared))]).await;
    let route = [("file", shared.to_str().unwrap())];
    alice.know(&bob, &route).await;
    bob.know(&alice, &route).await;
    (alice, bob)
}

async fn switch(node: &TestNode, enabled: bool) {
    node.call(Command::TransportEnable { transport: "file".parse().unwrap(), enabled }).await;
}

fn switched_on(shared: &Path) -> TransportConfig {
    TransportConfig { enabled: true, ..folder(shared) }
}

#[tokio::test]
async fn what_was_queued_goes_out_promptly_after_a_restart() {
    let shared = tempfile::tempdir().unwrap();
    let (mut alice, bob) = pair(shared.path()).await;
    switch(&alice, false).await;
    let waiting = [alice.send("bob", "one").await, alice.send("bob", "two").await];
    alice.stop().await;
    alice.home.save_transport(&"file".parse().unwrap(), &switched_on(shared.path())).unwrap();
    let started = Instant::now();
    alice.restart();
    for message in &waiting {
        alice.wait_for_state(message, "on its way", |s| s.rank() >= 1).await;
    }
    // The first rest between two tries is five seconds.
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    alice.delivered(&waiting[1]).await;
    assert_eq!(bob.received().await, ["one", "two"]);
}

#[tokio::test]
async fn what_expired_while_we_were_away_is_told_and_never_sent() {
    let shared = tempfile::tempdir().unwrap();
    let (mut alice, bob) = pair(shared.path()).await;
    switch(&alice, false).await;
    let short = alice.send_as(SendRequest { ttl_seconds: Some(1), ..request("bob", "too late") }).await;
    alice.stop().await;
    let ends = short.timestamp.plus_ms(1100).unix_ms();
    until("its time has passed", || async {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
        (i64::try_from(now).unwrap() > ends).then_some(())
    })
    .await;
    alice.home.save_transport(&"file".parse().unwrap(), &switched_on(shared.path())).unwrap();
    alice.restart();
    let mut events = alice.handle().subscribe();
    event(&mut events, "the word that it expired", |e| match e {
        Event::State { envelope_id, state: MessageState::Expired, .. } => {
            (envelope_id == short.envelope_id).then_some(())
        }
        _ => None,
    })
    .await;
    let next = alice.send("bob", "in time").await;
    alice.delivered(&next).await;
    assert_eq!(bob.received().await, ["in time"]);
}

#[tokio::test]
async fn an_ack_for_a_message_that_was_given_up_and_forgotten_still_counts() {
    let shared = tempfile::tempdir().unwrap();
    let (mut alice, mut bob) = pair(shared.path()).await;
    bob.stop().await;
    let sent = alice.send_as(SendRequest { ttl_seconds: Some(1), ..request("bob", "in the folder") }).await;
    alice.wait_for_state(&sent, "expired", |s| matches!(s, MessageState::Expired)).await;
    alice.stop().await;
    alice.restart();
    let mut events = alice.handle().subscribe();
    bob.restart();
    event(&mut events, "the late ack", |e| match e {
        Event::State { envelope_id, state: MessageState::Delivered { via, .. }, .. } => {
            (envelope_id == sent.envelope_id && via.as_str() == "file").then_some(())
        }
        _ => None,
    })
    .await;
    alice.delivered(&sent).await;
    let got = bob.messages().await.remove(0);
    bob.call(Command::MarkRead { conversation: got.conversation(), up_to: got.envelope_id }).await;
    alice.wait_for_state(&sent, "read", |s| matches!(s, MessageState::Read { .. })).await;
}

const HOME: &str = "SKCOMM_TEST_NODE_HOME";
const PREFIX: &str = "SKCOMM_TEST_NODE_SENDS";

/// A node in a process of its own, which sends texts that begin with its prefix as fast as they are taken.
struct Killable {
    process: Child,
    lines: mpsc::Receiver<String>,
}

impl Killable {
    fn start(home: &Home, prefix: Option<&str>) -> Self {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["durability::child", "--exact", "--ignored", "--nocapture"]).env(HOME, home.root());
        command.env(PREFIX, prefix.unwrap_or_default()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let this = Self { process, lines };
        while this.lines.recv_timeout(crate::support::LIMIT).expect("the child starts") != "TOLD ready" {}
        this
    }

    /// Kills it and returns what it had said.
    fn kill(mut self) -> Vec<String> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.lines.iter().filter_map(|line| Some(line.strip_prefix("TOLD ")?.to_owned())).collect()
    }
}

#[test]
#[ignore = "is run as a child, to be killed"]
fn child() {
    let Some(home) = std::env::var_os(HOME) else { return };
    let prefix = std::env::var(PREFIX).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let home = Home::at(home);
        let node = Node::start(home.clone(), unlock_identity(&home, None).unwrap()).unwrap();
        let handle = node.handle();
        let mut events = handle.subscribe();
        handle.call(Command::Status).await.unwrap();
        println!("\nTOLD ready");
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                match event {
                    Event::Message(message) if message.incoming() => println!("TOLD got {}", message.content),
                    _ => {}
                }
            }
        });
        for number in 0.. {
            if prefix.is_empty() {
                std::future::pending::<()>().await;
            }
            let text = format!("{prefix}-{number}");
            handle.call(Command::Send(request("bob", &text))).await.unwrap();
            println!("TOLD sent {text}");
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_nothing_is_lost_and_nothing_shown_twice() {
    let seed = std::env::var("SKCOMM_TEST_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("SKCOMM_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let shared = tempfile::tempdir().unwrap();
    let (mut alice, mut bob) = pair(shared.path()).await;
    alice.stop().await;
    bob.stop().await;
    let (mut answered, mut shown) = (Vec::new(), BTreeMap::<String, u32>::new());
    for round in 0..4 {
        let sender = Killable::start(&alice.home, Some(&format!("r{round}")));
        let receiver = Killable::start(&bob.home, None);
        // The moment is what this test is about; nothing is waited for.
        std::thread::sleep(Duration::from_millis(random.random_range(0..400)));
        let (first, second) = if random.random() { (receiver, sender) } else { (sender, receiver) };
        let mut told = first.kill();
        std::thread::sleep(Duration::from_millis(random.random_range(0..50)));
        told.extend(second.kill());
        answered.extend(told.iter().filter_map(|line| Some(line.strip_prefix("sent ")?.to_owned())));
        for text in told.iter().filter_map(|line| line.strip_prefix("got ")) {
            *shown.entry(text.to_owned()).or_default() += 1;
        }
    }
    alice.restart();
    bob.restart();
    let all = alice.messages().await;
    assert!(!all.is_empty(), "nothing was sent");
    for message in &all {
        // Where an ack died with its sender, the next try is minutes away; this only spares the wait.
        alice.call(Command::QueueRetry { envelope_id: Some(message.envelope_id) }).await;
    }
    for message in &all {
        alice.delivered(message).await;
    }
    let mut sent: Vec<String> = all.iter().map(|message| message.content.to_string()).collect();
    let mut received = bob.received().await;
    for text in &answered {
        assert!(sent.contains(text), "{text} was answered as kept and is gone");
    }
    sent.sort();
    received.sort();
    assert_eq!(received, sent, "each once");
    for (text, times) in shown {
        assert_eq!(times, 1, "{text} was shown more than once");
    }
}
