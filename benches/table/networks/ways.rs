//! What each transport needs to be measured: its server, something before it that counts and cuts, and two users.

use std::{
    any::Any,
    path::{Path, PathBuf},
};

use skcomm_tui::{node::Command, transport::registry::TransportConfig};

use super::MEETINGS;
use crate::{
    gate::{Gate, Passage},
    paths::start_relay,
    process::bytes_in,
    servers::free_port,
    wire::settled,
    world::Inhabitant,
};

/// The columns of the table.
pub(super) const NAMES: [&str; 6] = ["file", "tcp", "websocket", "nats", "nostr", "matrix"];

/// A transport that is ready to be used.
pub(super) struct Way {
    /// Kind and name of the transport.
    pub(super) name: &'static str,
    pub(super) line: Line,
    /// Two for each meeting.
    pub(super) users: Vec<[User; 2]>,
    /// Runs as long as this is there.
    _server: Box<dyn Any + Send>,
}

/// Who a node is on the transport.
pub(super) struct User {
    pub(super) config: TransportConfig,
    /// None where the node itself says it.
    pub(super) address: Option<String>,
}

impl User {
    fn known(config: TransportConfig, address: impl Into<String>) -> Self {
        Self { config, address: Some(address.into()) }
    }
}

/// What is between two nodes, which counts what passes and can be cut.
pub(super) struct Line {
    gates: Vec<Gate>,
    folder: Option<PathBuf>,
}

impl Line {
    fn through(gate: Gate) -> Self {
        Self { gates: vec![gate], folder: None }
    }

    /// Lets everything pass from now on, or nothing. A folder is cut by moving it away, and silent when nobody reads.
    pub(super) async fn set(&self, passage: Passage, reader: &Inhabitant) {
        self.gates.iter().for_each(|gate| gate.set(passage));
        let Some(folder) = &self.folder else { return };
        match passage {
            Passage::Shut => std::fs::rename(folder, away(folder)).unwrap(),
            Passage::Swallow => enable(reader, "file", false).await,
            Passage::Open if away(folder).exists() => std::fs::rename(away(folder), folder).unwrap(),
            Passage::Open => enable(reader, "file", true).await,
        }
    }

    /// Bytes that went through so far, in either direction; of a folder, the content of its files.
    pub(super) async fn moved(&self) -> u64 {
        match &self.folder {
            Some(folder) => {
                settled(folder).await;
                bytes_in(folder)
            }
            None => self.gates.iter().map(Gate::passed).sum(),
        }
    }
}

fn away(folder: &Path) -> PathBuf {
    folder.with_extension("away")
}

/// Switches a node's transport on or off.
pub(super) async fn enable(node: &Inhabitant, transport: &str, enabled: bool) {
    let command = Command::TransportEnable { transport: transport.parse().unwrap(), enabled };
    node.handle().call(command).await.unwrap();
}

/// Sets up the transport of that name, or says why it cannot be measured.
pub(super) async fn set_up(name: &'static str) -> Result<Way, &'static str> {
    match name {
        "file" => Ok(file()),
        "tcp" => Ok(tcp().await),
        "websocket" => Ok(websocket().await),
        #[cfg(feature = "nats")]
        "nats" => nats().await.ok_or(NO_SERVER),
        #[cfg(feature = "nostr")]
        "nostr" => nostr().await.ok_or(NO_SERVER),
        #[cfg(feature = "matrix")]
        "matrix" => matrix().await.ok_or(NO_SERVER),
        _ => Err("this build has no such transport; build with --features networks"),
    }
}

#[cfg(any(feature = "nats", feature = "nostr", feature = "matrix"))]
const NO_SERVER: &str = "its server is not installed; tests/run --bench does that";

fn users(mut one: impl FnMut() -> User) -> Vec<[User; 2]> {
    (0..MEETINGS).map(|_| [one(), one()]).collect()
}

/// A shared folder that keeps what was read, so that it can be counted.
fn file() -> Way {
    let dir = tempfile::tempdir().unwrap();
    let shared = dir.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    let path = shared.display().to_string();
    let config = TransportConfig::new("file").with("folders", vec![path.clone()]);
    let config = config.with("latency", "fast").with("keep", "archive");
    let users = users(|| User::known(config.clone(), path.clone()));
    Way { name: "file", line: Line { gates: Vec::new(), folder: Some(shared) }, users, _server: Box::new(dir) }
}

/// No server: each node listens, with a gate before it.
async fn tcp() -> Way {
    let mut gates = Vec::new();
    let mut ports = Vec::new();
    for _ in 0..2 * MEETINGS {
        let port = free_port();
        gates.push(Gate::before(([127, 0, 0, 1], port).into()).await);
        ports.push(port);
    }
    let mut all = gates.iter().zip(ports).map(|(gate, port)| {
        let config = TransportConfig::new("tcp").with("listen", format!("127.0.0.1:{port}"));
        User::known(config, gate.address().to_string())
    });
    let users = users(|| all.next().unwrap());
    drop(all);
    Way { name: "tcp", line: Line { gates, folder: None }, users, _server: Box::new(()) }
}

/// Our own relay, in this process.
async fn websocket() -> Way {
    let dir = tempfile::tempdir().unwrap();
    let (address, stop, _) = start_relay(dir.path()).await;
    let gate = Gate::before(address).await;
    let url = format!("ws://{}", gate.address());
    let config = TransportConfig::new("websocket").with("relays", vec![url.clone()]);
    let users = users(|| User::known(config.clone(), url.clone()));
    Way { name: "websocket", line: Line::through(gate), users, _server: Box::new((stop, dir)) }
}

#[cfg(feature = "nats")]
async fn nats() -> Option<Way> {
    let server = crate::servers::nats::Nats::start("").await?;
    let gate = Gate::before(server.socket()).await;
    let url = format!("nats://{}", gate.address());
    let config = TransportConfig::new("nats").with("servers", url).with("stream_mib", 64);
    let users = users(|| User::known(config.clone(), "skcomm"));
    Some(Way { name: "nats", line: Line::through(gate), users, _server: Box::new(server) })
}

#[cfg(feature = "nostr")]
async fn nostr() -> Option<Way> {
    let relay = crate::servers::nostr::Relay::start().await?;
    let gate = Gate::before(relay.socket()).await;
    let config = TransportConfig::new("nostr").with("relays", vec![format!("ws://{}/", gate.address())]);
    let users = users(|| User { config: config.clone(), address: None });
    Some(Way { name: "nostr", line: Line::through(gate), users, _server: Box::new(relay) })
}

/// A homeserver whose limits are lifted, with accounts that no node has used yet.
#[cfg(feature = "matrix")]
async fn matrix() -> Option<Way> {
    let server = crate::servers::matrix::Homeserver::start("{per_second: 10000, burst_count: 10000}").await?;
    let gate = Gate::before(server.socket()).await;
    let mut all = Vec::new();
    for number in 0..2 * MEETINGS {
        let user = server.user(&format!("figures-{number}")).await;
        let config = server.transport(&user).with("homeserver", format!("http://{}", gate.address()));
        all.push(User::known(config, user));
    }
    let mut all = all.into_iter();
    let users = users(|| all.next().unwrap());
    Some(Way { name: "matrix", line: Line::through(gate), users, _server: Box::new(server) })
}
