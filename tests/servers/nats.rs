//! nats-server with JetStream.

use std::{net::SocketAddr, path::PathBuf, process::Command};

use skcomm_tui::transport::registry::TransportConfig;
use tempfile::TempDir;

use super::{Server, free_port, program};

/// A server that can be killed and started again on the same port and data.
pub(crate) struct Nats {
    dir: TempDir,
    program: PathBuf,
    pub(crate) port: u16,
    server: Option<Server>,
}

impl Nats {
    /// A started server with this beside the usual configuration; none, loudly, without the program.
    pub(crate) async fn start(more: &str) -> Option<Self> {
        let program = program("NATS")?;
        let mut nats = Self { dir: tempfile::tempdir().unwrap(), program, port: free_port(), server: None };
        nats.configure(more);
        nats.revive().await;
        Some(nats)
    }

    pub(crate) fn configure(&self, more: &str) {
        let store = self.dir.path().join("js");
        let config = format!(
            "listen: \"127.0.0.1:{}\"\njetstream {{ store_dir: {store:?}, max_mem: 16MB, max_file: 256MB }}\n{more}\n",
            self.port
        );
        std::fs::write(self.dir.path().join("nats.conf"), config).unwrap();
    }

    pub(crate) async fn revive(&mut self) {
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(self.dir.path().join("nats.conf"));
        self.server = Some(Server::start(command, self.port).await);
    }

    pub(crate) fn kill(&mut self) {
        self.server.take().unwrap().kill();
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub(crate) fn config(&self) -> TransportConfig {
        TransportConfig::new("nats").with("servers", self.url()).with("stream_mib", 64).with("ack_wait_seconds", 2)
    }

    /// A client of the tests' own: a neighbour at the same server.
    pub(crate) async fn neighbour(&self) -> async_nats::Client {
        async_nats::connect(self.url()).await.unwrap()
    }
}
