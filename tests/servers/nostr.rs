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
        let python = program("NOSTR")?;
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let database = folder.path().join("events.sqlite3").display().to_string();
        let config = format!(
            "storage:\n  sqlalchemy.url: sqlite+aiosqlite:///{database}\n  validators:\n    \
             - nostr_relay.validators.is_not_too_large\n    - nostr_relay.validators.is_signed\n\
             gunicorn:\n  bind: 127.0.0.1:{port}\n  workers: 1\n  loglevel: warning\n\
             max_event_size: 65536\nmax_limit: 100\n"
        );
        std::fs::write(folder.path().join("config.yaml"), config).unwrap();
        let mut relay = Self { python, folder, port, server: None };
        relay.revive().await;
        Some(relay)
    }

    pub(crate) async fn revive(&mut self) {
        let program = self.python.parent().map(|bin| bin.join("nostr-relay")).unwrap();
        let mut command = Command::new(program);
        command.arg("-c").arg(self.folder.path().join("config.yaml")).args(["serve", "--use-uvicorn"]);
        command.current_dir(self.folder.path());
        self.server = Some(Server::start(command, self.port).await);
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
