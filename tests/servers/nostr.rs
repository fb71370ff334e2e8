//! nostr-relay, a relay that shares no code with ours.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{Server, free_port, program};

/// A relay with a database of its own, which can be killed and started again.
pub(crate) struct Relay {
    python: PathBuf,
    folder: TempDir,
    pub(crate) port: u16,
    server: Option<Server>,
}

impl Relay {
    /// None where it is not installed.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_with(|_| String::new()).await
    }

    /// One that takes from and gives to members only: those who log in (NIP-42) and were admitted.
    pub(crate) async fn for_members() -> Option<Self> {
        // It compares what a login says to the letter.
        Self::start_with(|port| {
            format!(
                "authentication:\n  enabled: true\n  relay_urls: [\"ws://127.0.0.1:{port}\", \"ws://127.0.0.1:{port}/\"]\n  \
                 actions: {{save: w, query: r}}\n"
            )
        })
        .await
    }

    async fn start_with(more: impl Fn(u16) -> String) -> Option<Self> {
        let python = program("NOSTR")?;
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let database = folder.path().join("events.sqlite3").display().to_string();
        let config = format!(
            "storage:\n  sqlalchemy.url: sqlite+aiosqlite:///{database}\n  validators:\n    \
             - nostr_relay.validators.is_not_too_large\n    - nostr_relay.validators.is_signed\n\
             gunicorn:\n  bind: 127.0.0.1:{port}\n  workers: 1\n  loglevel: warning\n\
             max_event_size: 65536\nmax_limit: 100\n{}",
            more(port)
        );
        std::fs::write(folder.path().join("config.yaml"), config).unwrap();
        let mut relay = Self { python, folder, port, server: None };
        relay.revive().await;
        Some(relay)
    }

    pub(crate) async fn revive(&mut self) {
        self.server = Some(Server::start(self.command(&["serve", "--use-uvicorn"]), self.port).await);
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.python.parent().map(|bin| bin.join("nostr-relay")).unwrap());
        command.arg("-c").arg(self.folder.path().join("config.yaml")).args(arguments).current_dir(self.folder.path());
        command
    }

    /// Makes the key (hexadecimal) a member's, who may read and write. The relay must have been started before.
    pub(crate) fn admit(&self, key: &str) {
        let done = self.command(&["role", "set", "-p", key, "-r", "rw"]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    pub(crate) fn kill(&mut self) {
        self.server.take().expect("the relay runs").kill();
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub(crate) fn address(&self) -> String {
        format!("ws://127.0.0.1:{}/", self.port)
    }

    /// Where its database is.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}
