//! Knocking transports out, and bringing them back.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf};

use tokio::{sync::oneshot, task::JoinHandle};

use crate::{
    delivery::TransportId,
    node::{Command, NodeHandle},
    serve::{Relay, RelayConfig, ServeError},
    tui::app::DemoAction,
};

/// What can be knocked out, in the order in which messages take it.
const TRANSPORTS: [&str; 3] = ["tcp", "relay", "file"];

/// How to stop a relay, and its end.
type Running = (oneshot::Sender<()>, JoinHandle<Result<(), ServeError>>);

/// The relay, and how to stop it.
pub(super) struct RunningRelay {
    config: RelayConfig,
    running: Option<Running>,
}

impl RunningRelay {
    /// Starts a relay with its mailboxes in `data_dir`, on a free port that it keeps when it comes back.
    pub(super) async fn start(data_dir: PathBuf) -> Result<Self, ServeError> {
        let mut config = RelayConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)), data_dir);
        config.name = "demo-relay".to_owned();
        let relay = Relay::bind(config.clone()).await?;
        config.listen = relay.address();
        let mut this = Self { config, running: None };
        this.run(relay);
        Ok(this)
    }

    fn run(&mut self, relay: Relay) {
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(relay.run(async move {
            // Either an explicit stop or the end of the demo.
            let _ = stopped.await;
        }));
        self.running = Some((stop, task));
    }

    /// Its URL.
    pub(super) fn url(&self) -> String {
        format!("ws://{}", self.config.listen)
    }

    async fn knock(&mut self) {
        if let Some((stop, task)) = self.running.take() {
            drop(stop);
            if let Ok(Err(error)) = task.await {
                tracing::warn!(%error, "the demo's relay ended badly");
            }
        }
    }

    async fn revive(&mut self) {
        if self.running.is_some() {
            return;
        }
        match Relay::bind(self.config.clone()).await {
            Ok(relay) => self.run(relay),
            Err(error) => tracing::warn!(%error, "the demo's relay cannot come back"),
        }
    }
}

/// Everything that can break.
pub(super) struct Breakables {
    pub(super) relay: RunningRelay,
    pub(super) folder: PathBuf,
    pub(super) peers: Vec<NodeHandle>,
    pub(super) broken: BTreeSet<&'static str>,
}

impl Breakables {
    /// Breaks or mends something: without a name, the first transport that still works, or all.
    pub(super) async fn act(&mut self, action: DemoAction) {
        match action {
            DemoAction::Knock(Some(transport)) => self.set(transport.as_str(), false).await,
            DemoAction::Revive(Some(transport)) => self.set(transport.as_str(), true).await,
            DemoAction::Knock(None) => {
                if let Some(first) = TRANSPORTS.iter().find(|name| !self.broken.contains(**name)) {
                    self.set(first, false).await;
                }
            }
            DemoAction::Revive(None) => {
                for name in TRANSPORTS {
                    self.set(name, true).await;
                }
            }
        }
    }

    async fn set(&mut self, transport: &str, alive: bool) {
        let Some(name) = TRANSPORTS.iter().find(|name| **name == transport) else {
            tracing::warn!("the demo has no transport {transport}");
            return;
        };
        let changes = if alive { self.broken.remove(name) } else { self.broken.insert(name) };
        match (*name, alive) {
            _ if !changes => {}
            ("tcp", alive) => self.listeners(alive).await,
            ("relay", true) => self.relay.revive().await,
            ("relay", false) => self.relay.knock().await,
            (_, alive) => self.shared_folder(alive).await,
        }
    }

    async fn listeners(&self, enabled: bool) {
        let Ok(transport) = "tcp".parse::<TransportId>() else { return };
        for peer in &self.peers {
            let command = Command::TransportEnable { transport: transport.clone(), enabled };
            if let Err(error) = peer.call(command).await {
                tracing::warn!("a demo peer did not follow: {error}");
            }
        }
    }

    async fn shared_folder(&self, alive: bool) {
        let gone = self.folder.with_extension("gone");
        let (from, to) = if alive { (&gone, &self.folder) } else { (&self.folder, &gone) };
        if let Err(error) = tokio::fs::rename(from, to).await {
            tracing::warn!(%error, "the demo's shared folder did not move");
        }
    }
}
