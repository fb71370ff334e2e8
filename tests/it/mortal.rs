//! A node in a process of its own, that dies at a marked point or is killed.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Child, Stdio},
    sync::mpsc,
};

use skcomm_tui::{
    home::Home,
    node::{Command, Event, FileSend, Node, Reply, unlock_identity},
    store::CrashPoint,
};

use crate::support::{LIMIT, request};

const HOME: &str = "SKCOMM_TEST_CRASH_HOME";
const POINT: &str = "SKCOMM_TEST_CRASH_POINT";
const SPARED: &str = "SKCOMM_TEST_CRASH_SPARED";
const TEXT: &str = "SKCOMM_TEST_CRASH_TEXT";
const FILE: &str = "SKCOMM_TEST_CRASH_FILE";

/// What such a node does.
#[derive(Clone, Copy, Default)]
pub(crate) struct Task<'a> {
    /// Where it dies.
    pub(crate) dies_at: Option<CrashPoint>,
    /// How often it passes there alive.
    pub(crate) spared: usize,
    /// What it sends to bob.
    pub(crate) text: &'a str,
    /// The file it offers to bob.
    pub(crate) file: Option<&'a Path>,
}

/// A node in a process of its own.
pub(crate) struct Mortal {
    process: Child,
    lines: mpsc::Receiver<String>,
    told: Vec<String>,
}

impl Mortal {
    pub(crate) fn start(home: &Home, task: Task<'_>) -> Self {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["mortal::child", "--exact", "--ignored", "--nocapture"]).env(HOME, home.root());
        command.env(POINT, task.dies_at.map_or(String::new(), |point| format!("{point:?}")));
        command.env(SPARED, task.spared.to_string()).env(TEXT, task.text);
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
    pub(crate) fn dies_at(mut self, point: CrashPoint) -> Vec<String> {
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

#[test]
#[ignore = "is run as a child, to die"]
fn child() {
    let Some(home) = std::env::var_os(HOME) else { return };
    let said = |name: &str| std::env::var(name).unwrap();
    let (point, spared, text, file) = (said(POINT), said(SPARED), said(TEXT), said(FILE));
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let home = Home::at(home);
        let node = Node::start(home.clone(), unlock_identity(&home, None).unwrap()).unwrap();
        let handle = node.handle();
        let mut events = handle.subscribe();
        handle.call(Command::Status).await.unwrap();
        // Only now: what a node does while it starts is no step of a message.
        let known = CrashPoint::OF_MESSAGES.into_iter().chain(CrashPoint::OF_FILES);
        if let Some(point) = known.into_iter().find(|known| format!("{known:?}") == point) {
            point.arm(spared.parse().unwrap());
        }
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
        std::future::pending::<()>().await;
    });
}
