//! Knocking transports out, and bringing them back.

use std::{net::SocketAddr, path::PathBuf};

use tokio::{sync::oneshot, task::JoinHandle};

use crate::{
    delivery::TransportId,
    node::{Command, NodeHandle},
    serve::{Relay, RelayConfig, ServeError},
};

/// What the user does to the demo's world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DemoAction {
    /// The transport breaks: every peer's listener closes, the relay stops, or the shared folder goes away.
    Knock(TransportId),
    /// The transport is mended.
    Revive(TransportId),
}

/// The relay, and how to stop it.
pub(super) struct RunningRelay {
    config: RelayConfig,
    running: Option<(oneshot::Sender<()>, JoinHandle<Result<(), ServeError>>)>,
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
}

impl Breakables {
    /// Breaks or mends something; unknown names do nothing.
    pub(super) async fn act(&mut self, action: DemoAction) {
        let (transport, alive) = match action {
            DemoAction::Knock(transport) => (transport, false),
            DemoAction::Revive(transport) => (transport, true),
        };
        match (transport.as_str(), alive) {
            ("tcp", alive) => self.listeners(&transport, alive).await,
            ("relay", true) => self.relay.revive().await,
            ("relay", false) => self.relay.knock().await,
            ("file", alive) => self.shared_folder(alive).await,
            (other, _) => tracing::warn!("the demo has no transport {other}"),
        }
    }

    async fn listeners(&self, transport: &TransportId, enabled: bool) {
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
