//! A node in a process of its own: its memory and its processor time are its own, and it can be killed.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command as Program, Stdio},
    time::Duration,
};

use skcomm_tui::{
    home::Home,
    node::{Command, Node, NodeHandle, Reply, unlock_identity},
};

use crate::{
    paths::runtime,
    process::{cpu_time, memory_mib},
};

/// The argument that makes this program such a node.
pub(crate) const CHILD: &str = "--run-node";
/// What it says when it runs.
const READY: &str = "ready";

/// A running node elsewhere. Killed when dropped.
pub(crate) struct Apart {
    process: Child,
    node: NodeHandle,
}

impl Apart {
    /// Starts the node that lives in `home`, whose key needs no passphrase.
    pub(crate) async fn start(home: &Home) -> Self {
        let exe = std::env::current_exe().unwrap();
        let mut command = Program::new(exe);
        command.arg(CHILD).arg(home.root()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut said = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said.trim_end(), READY, "the node did not start");
        let node = NodeHandle::connect(&home.socket_path()).await.unwrap();
        Self { process, node }
    }

    pub(crate) async fn call(&self, command: Command) -> Reply {
        self.node.call(command).await.unwrap()
    }

    /// A line of its `/proc/PID/status` that counts KiB, in MiB.
    pub(crate) fn memory_mib(&self, line: &str) -> f64 {
        memory_mib(self.process.id(), line)
    }

    /// Processor time so far.
    pub(crate) fn cpu_time(&self) -> Duration {
        cpu_time(self.process.id())
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(self) {}

    /// Ends it as it should be ended.
    pub(crate) fn stop(mut self) {
        // The end of its input is the word for it.
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success(), "the node did not end well");
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs the node in `home` until the end of the input.
pub(crate) fn child(home: &Path) {
    let home = Home::at(home);
    runtime().block_on(async {
        let node = Node::start(home.clone(), unlock_identity(&home, None).unwrap()).unwrap();
        // It answers, so its store is open and its socket is there.
        node.handle().call(Command::Status).await.unwrap();
        println!("{READY}");
        let waiting = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        waiting.await.unwrap().unwrap();
        node.stop().await.unwrap();
    });
}
