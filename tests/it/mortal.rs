//! Nodes in processes of their own, that die at a marked point or are killed, and the pairs of homes they live in.

#[cfg(debug_assertions)]
use std::os::unix::process::ExitStatusExt as _;
use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Stdio},
    sync::mpsc,
};

use skcomm_tui::{
    home::Home,
    node::{Command, Event, FileSend, Node, Reply, unlock_identity},
    store::CrashPoint,
    transport::registry::TransportConfig,
};

use crate::support::{LIMIT, TestNode, folder, request};

const HOME: &str = "SKCOMM_TEST_CRASH_HOME";
const POINT: &str = "SKCOMM_TEST_CRASH_POINT";
const SPARED: &str = "SKCOMM_TEST_CRASH_SPARED";
const TEXT: &str = "SKCOMM_TEST_CRASH_TEXT";
const PREFIX: &str = "SKCOMM_TEST_CRASH_PREFIX";
const FILE: &str = "SKCOMM_TEST_CRASH_FILE";

/// Alice and Bob who know each other over a shared folder.
pub(crate) async fn pair(shared: &Path) -> (TestNode, TestNode) {
    pair_with(shared, &folder(shared)).await
}

/// The same with a transport that says more about the folder than where it is.
pub(crate) async fn pair_with(shared: &Path, config: &TransportConfig) -> (TestNode, TestNode) {
    let alice = TestNode::start("alice", &[("file", config.clone())]).await;
    let bob = TestNode::start("bob", &[("file", config.clone())]).await;
    let route = [("file", shared.to_str().unwrap())];
    alice.know(&bob, &route).await;
    bob.know(&alice, &route).await;
    (alice, bob)
}

/// Where an ack or a word died with its sender, the next try is minutes away; this only spares the wait.
pub(crate) async fn hurry(node: &TestNode) {
    node.call(Command::QueueRetry { envelope_id: None }).await;
}

/// What such a node does.
#[derive(Clone, Copy, Default)]
pub(crate) struct Task<'a> {
    /// What it sends to bob.
    pub(crate) text: &'a str,
    /// What its many texts to bob begin with, a number behind it, as fast as they are taken.
    pub(crate) prefix: &'a str,
    /// The file it offers to bob.
    pub(crate) file: Option<&'a Path>,
}

/// Where such a node dies.
#[derive(Clone, Copy)]
pub(crate) struct Death {
    /// The point.
    pub(crate) at: CrashPoint,
    /// How often it passes there alive.
    pub(crate) spared: usize,
}

/// Alice does something and Bob reads; one of the two dies, then the other is killed. What they had said.
#[cfg(debug_assertions)]
pub(crate) fn one_dies(
    alice: &TestNode,
    bob: &TestNode,
    task: Task<'_>,
    death: Death,
    sender_dies: bool,
) -> Vec<String> {
    let reader = Mortal::start(&bob.home, Task::default(), (!sender_dies).then_some(death));
    let writer = Mortal::start(&alice.home, task, sender_dies.then_some(death));
    let (dying, other) = if sender_dies { (writer, reader) } else { (reader, writer) };
    [dying.dies_at(death.at), other.kill()].concat()
}

/// A node in a process of its own.
pub(crate) struct Mortal {
    process: Child,
    lines: mpsc::Receiver<String>,
    told: Vec<String>,
}

impl Mortal {
    pub(crate) fn start(home: &Home, task: Task<'_>, death: Option<Death>) -> Self {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["mortal::child", "--exact", "--ignored", "--nocapture"]).env(HOME, home.root());
        command.env(POINT, death.map_or(String::new(), |death| format!("{:?}", death.at)));
        command.env(SPARED, death.map_or(0, |death| death.spared).to_string());
        command.env(TEXT, task.text).env(PREFIX, task.prefix);
        command.env(FILE, task.file.map(Path::as_os_str).unwrap_or_default());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let mut this = Self { process, lines, told: Vec::new() };
        while this.told.last().is_none_or(|line| line != "ready") {
            let line = this.lines.recv_timeout(LIMIT).expect("the child starts");
            this.told.extend(line.strip_prefix("TOLD ").map(str::to_owned));
        }
        this
    }

    /// Waits until it dies at its point, and returns what it had said.
    #[cfg(debug_assertions)]
    fn dies_at(mut self, point: CrashPoint) -> Vec<String> {
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) => self.told.extend(line.strip_prefix("TOLD ").map(str::to_owned)),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    self.process.kill().unwrap();
                    panic!("{point:?} is never reached; it said {:?}", self.told);
                }
            }
        }
        assert_eq!(self.process.wait().unwrap().signal(), Some(9), "{point:?}: it ended otherwise, {:?}", self.told);
        self.told
    }

    /// Kills it (SIGKILL) and returns what it had said.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.told.extend(self.lines.iter().filter_map(|line| Some(line.strip_prefix("TOLD ")?.to_owned())));
        self.told
    }
}

/// Only once the node has started: what it does while it starts is no step of a message.
fn arm(point: &str, spared: usize) {
    let known = CrashPoint::OF_MESSAGES.into_iter().chain(CrashPoint::OF_FILES);
    if let Some(point) = known.into_iter().find(|known| format!("{known:?}") == point) {
        #[cfg(debug_assertions)]
        point.arm(spared);
        #[cfg(not(debug_assertions))]
        panic!("{point:?} cannot be armed after {spared} times in this build");
    }
}

#[test]
#[ignore = "is run as a child, to die"]
fn child() {
    let Some(home) = std::env::var_os(HOME) else { return };
    let said = |name: &str| std::env::var(name).unwrap();
    let (point, spared, text, prefix, file) = (said(POINT), said(SPARED), said(TEXT), said(PREFIX), said(FILE));
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let home = Home::at(home);
        let node = Node::start(home.clone(), unlock_identity(&home, None).unwrap()).unwrap();
        let handle = node.handle();
        let mut events = handle.subscribe();
        handle.call(Command::Status).await.unwrap();
        arm(&point, spared.parse().unwrap());
        println!("\nTOLD ready");
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                match event {
                    Event::Message(message) if message.incoming() => println!("TOLD got {}", message.content),
                    Event::Transfer(transfer) => {
                        transfer.via.iter().for_each(|via| println!("TOLD file over {via}"));
                    }
                    _ => {}
                }
            }
        });
        if !text.is_empty() {
            handle.call(Command::Send(request("bob", &text))).await.unwrap();
            println!("TOLD sent {text}");
        }
        if !file.is_empty() {
            let offer = FileSend { to: "bob".to_owned(), path: file, ..FileSend::default() };
            let Reply::Sent(message) = handle.call(Command::FileSend(offer)).await.unwrap() else { panic!() };
            println!("TOLD offered {}", message.envelope_id);
        }
        if !prefix.is_empty() {
            for number in 0.. {
                let text = format!("{prefix}-{number}");
                handle.call(Command::Send(request("bob", &text))).await.unwrap();
                println!("TOLD sent {text}");
            }
        }
        std::future::pending::<()>().await;
    });
}
