//! A node dies (SIGKILL) at every marked point between a message and its ack, is started again, and compared: nothing
//! acked is lost, nothing is shown twice, at most one send too many.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Child, Stdio},
    sync::mpsc,
};

use skcomm_tui::{
    home::Home,
    node::{Command, Event, Node, Reply, unlock_identity},
    store::CrashPoint,
};

use crate::support::{LIMIT, TestNode, folder, request};

const HOME: &str = "SKCOMM_TEST_CRASH_HOME";
const POINT: &str = "SKCOMM_TEST_CRASH_POINT";
const TEXT: &str = "SKCOMM_TEST_CRASH_TEXT";

/// Who comes to the point when one message goes from a sender to a receiver, and its ack back.
fn comes_to(point: CrashPoint) -> (bool, bool) {
    use CrashPoint as P;
    match point {
        P::StoreWrite | P::FlushWritten | P::FlushSynced | P::FlushDone | P::Sending | P::Sent | P::ReceiveFrame => {
            (true, true)
        }
        P::SendKept | P::SendAnswered | P::MarkQueued | P::MarkDone | P::AckReceived => (true, false),
        P::ReceiveOpened | P::ReceiveDurable | P::ReceiveTold | P::AckReady => (false, true),
    }
}

/// A node in a process of its own.
struct Mortal {
    process: Child,
    lines: mpsc::Receiver<String>,
    told: Vec<String>,
}

impl Mortal {
    fn start(home: &Home, point: Option<CrashPoint>, text: Option<&str>) -> Self {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["crash_points::child", "--exact", "--ignored", "--nocapture"]).env(HOME, home.root());
        command.env(POINT, point.map_or(String::new(), |point| format!("{point:?}")));
        command.env(TEXT, text.unwrap_or_default()).stdout(Stdio::piped()).stderr(Stdio::null());
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

    fn kill(mut self) -> Vec<String> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.told.extend(self.lines.iter().filter_map(|line| Some(line.strip_prefix("TOLD ")?.to_owned())));
        self.told
    }
}

#[test]
#[ignore = "is run as a child, to die"]
fn child() {
    let Some(home) = std::env::var_os(HOME) else { return };
    let (point, text) = (std::env::var(POINT).unwrap(), std::env::var(TEXT).unwrap());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let home = Home::at(home);
        let node = Node::start(home.clone(), unlock_identity(&home, None).unwrap()).unwrap();
        let handle = node.handle();
        let mut events = handle.subscribe();
        handle.call(Command::Status).await.unwrap();
        // Only now: what a node does while it starts is no step of a message.
        if let Some(point) = CrashPoint::ALL.into_iter().find(|known| format!("{known:?}") == point) {
            point.arm();
        }
        println!("\nTOLD ready");
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                match event {
                    Event::Message(message) if message.incoming() => println!("TOLD got {}", message.content),
                    _ => {}
                }
            }
        });
        if !text.is_empty() {
            handle.call(Command::Send(request("bob", &text))).await.unwrap();
            println!("TOLD sent {text}");
        }
        std::future::pending::<()>().await;
    });
}

async fn pair(shared: &Path) -> (TestNode, TestNode) {
    let mut alice = TestNode::start("alice", &[("file", folder(shared))]).await;
    let mut bob = TestNode::start("bob", &[("file", folder(shared))]).await;
    let route = [("file", shared.to_str().unwrap())];
    alice.know(&bob, &route).await;
    bob.know(&alice, &route).await;
    alice.stop().await;
    bob.stop().await;
    (alice, bob)
}

/// Both are started again: whatever was promised holds.
async fn compare(alice: &mut TestNode, bob: &mut TestNode, text: &str, point: CrashPoint, told: &[String]) {
    alice.restart();
    bob.restart();
    let sent: Vec<_> = alice.messages().await.into_iter().filter(|message| message.content.as_str() == text).collect();
    assert!(sent.len() <= 1, "{point:?}: kept twice");
    let answered = told.contains(&format!("sent {text}"));
    assert!(!answered || sent.len() == 1, "{point:?}: answered as kept and gone");
    for message in &sent {
        // Where an ack died with its sender, the next try is minutes away; this only spares the wait.
        alice.call(Command::QueueRetry { envelope_id: Some(message.envelope_id) }).await;
        alice.delivered(message).await;
        let Reply::Trace(trace) = alice.call(Command::Trace { envelope_id: message.envelope_id }).await else {
            panic!()
        };
        assert!(trace.attempts.len() <= 2, "{point:?}: {:#?}", trace.attempts);
    }
    let received = bob.received().await.iter().filter(|received| *received == text).count();
    assert_eq!(received, sent.len(), "{point:?}: received as often as kept, and no more");
    let shown = told.iter().filter(|line| **line == format!("got {text}")).count();
    assert!(shown <= 1, "{point:?}: shown {shown} times");
    alice.stop().await;
    bob.stop().await;
}

async fn die_everywhere(sender_dies: bool) {
    let shared = tempfile::tempdir().unwrap();
    let (mut alice, mut bob) = pair(shared.path()).await;
    for point in CrashPoint::ALL {
        let (sender, receiver) = comes_to(point);
        assert!(sender || receiver, "{point:?} is reached by nobody");
        if !(if sender_dies { sender } else { receiver }) {
            continue;
        }
        let text = format!("{point:?}, {}", if sender_dies { "sender" } else { "receiver" });
        let armed = |dies: bool| dies.then_some(point);
        let reader = Mortal::start(&bob.home, armed(!sender_dies), None);
        let writer = Mortal::start(&alice.home, armed(sender_dies), Some(&text));
        let told = if sender_dies {
            [writer.dies_at(point), reader.kill()].concat()
        } else {
            [reader.dies_at(point), writer.kill()].concat()
        };
        compare(&mut alice, &mut bob, &text, point, &told).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_dies_at_any_point_loses_and_repeats_nothing() {
    die_everywhere(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_dies_at_any_point_loses_and_repeats_nothing() {
    die_everywhere(false).await;
}
