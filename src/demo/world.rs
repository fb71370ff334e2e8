//! The world is made, lives, and goes.

use std::{collections::BTreeSet, path::Path, time::Duration};

use thiserror::Error;
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    cast::{CAST, Character, NEW_PHONE},
    outage::{Breakables, RunningRelay},
    scratch::Scratch,
};
use crate::{
    delivery::TransportId,
    home::Home,
    identity::TrustLevel,
    node::{
        Command, Event, NewIdentity, Node, NodeError, NodeHandle, PeerAdd, Reply, SendRequest, SetupError, StartError,
        create_identity,
    },
    serve::ServeError,
    transport::registry::TransportConfig,
    tui::app::DemoAction,
    wire::{PayloadType, ThreadId},
};

/// How long a peer thinks before it answers.
const THINKING: Duration = Duration::from_millis(700);
/// How long a peer is silent before it says something by itself.
const CHATTER: Duration = Duration::from_secs(25);
/// How long a listener may take to be there.
const LISTENING_WITHIN: Duration = Duration::from_secs(10);

/// Why the demo cannot start.
#[derive(Debug, Error)]
pub enum DemoError {
    /// The temporary folder, or a port.
    #[error("no temporary folder or port: {0}")]
    Scratch(#[from] std::io::Error),
    /// An identity.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A node.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A node refused a command.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The relay.
    #[error(transparent)]
    Relay(#[from] ServeError),
    /// A name in the cast is not valid.
    #[error("the demo's cast: {0}")]
    Cast(String),
    /// A listener did not come up.
    #[error("a tcp listener on the loopback did not come up")]
    NotListening,
}

/// How the world behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoOptions {
    /// When nova's new phone turns up, counted from the moment the world is complete.
    pub new_phone_after: Duration,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self { new_phone_after: Duration::from_secs(40) }
    }
}

/// Whose conversation is worth opening first.
pub const GREETER: &str = CAST[0].name;

/// The demo's world, seen by its user.
pub struct Demo {
    user: Node,
    peers: Vec<Node>,
    lives: JoinSet<()>,
    actions: mpsc::Sender<DemoAction>,
    // Dropped last: the folder goes when everything else is gone.
    _scratch: Scratch,
}

/// One node of the world.
struct Inhabitant {
    name: String,
    node: Node,
    certificate: String,
    tcp: String,
}

impl Demo {
    /// Makes the world: keys, nodes, transports, acquaintances. Takes a second or so.
    ///
    /// # Errors
    /// When the temporary folder, a port or a key cannot be had.
    pub async fn start(options: DemoOptions) -> Result<Self, DemoError> {
        let scratch = Scratch::new()?;
        let folder = scratch.path().join("shared");
        std::fs::create_dir(&folder)?;
        let relay = RunningRelay::start(scratch.path().join("relay")).await?;
        let place = Place { root: scratch.path(), folder: &folder, relay: relay.url() };
        let user = place.inhabit("you", "you@home.demo", "you").await?;
        let mut lives = JoinSet::new();
        let mut peers = Vec::new();
        for character in CAST {
            let peer = place.inhabit(character.name, character.fqid, character.name).await?;
            place.introduce(&user, &peer, character.trust).await?;
            place.introduce(&peer, &user, TrustLevel::Trusted).await?;
            lives.spawn(live(peer.node.handle(), character));
            peers.push(peer.node);
        }
        let new_phone = place.inhabit("nova", "nova@orbit.demo", "nova-new").await?;
        place.introduce(&new_phone, &user, TrustLevel::Trusted).await?;
        lives.spawn(turn_up(new_phone.node.handle(), options.new_phone_after));
        peers.push(new_phone.node);
        let (actions, wanted) = mpsc::channel(16);
        let handles = peers.iter().map(Node::handle).collect();
        lives.spawn(break_things(Breakables { relay, folder, peers: handles, broken: BTreeSet::new() }, wanted));
        Ok(Self { user: user.node, peers, lives, actions, _scratch: scratch })
    }

    /// The user's node.
    pub fn handle(&self) -> NodeHandle {
        self.user.handle()
    }

    /// Where knocks and revivals go. The transports are called `tcp`, `relay` and `file`.
    pub fn actions(&self) -> mpsc::Sender<DemoAction> {
        self.actions.clone()
    }

    /// Ends the world and removes every trace of it.
    ///
    /// # Errors
    /// When a node could not even start.
    pub async fn stop(mut self) -> Result<(), DemoError> {
        self.lives.shutdown().await;
        let ends = self.peers.drain(..).map(Node::stop);
        for end in futures_util::future::join_all(ends).await {
            end?;
        }
        self.user.stop().await?;
        Ok(())
    }
}

/// Where the inhabitants live.
struct Place<'a> {
    root: &'a Path,
    folder: &'a Path,
    relay: String,
}

impl Place<'_> {
    async fn inhabit(&self, name: &str, fqid: &str, dir: &str) -> Result<Inhabitant, DemoError> {
        let home = Home::at(self.root.join("homes").join(dir));
        let identity = NewIdentity {
            name: name.to_owned(),
            email: None,
            fqid: Some(fqid.parse().map_err(|e| DemoError::Cast(format!("{fqid}: {e}")))?),
        };
        let folders = vec![self.folder.display().to_string()];
        // A port of its own that stays the same when the listener goes and comes back: the others know it.
        let listen = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let transports = [
            (id("tcp")?, TransportConfig::new("tcp").with("listen", listen)),
            (id("relay")?, TransportConfig::new("websocket").with("relays", vec![self.relay.clone()])),
            (
                id("file")?,
                TransportConfig::new("file").with("folders", folders).with("poll_seconds", 1).with("latency", "fast"),
            ),
        ];
        let (made, place) = (identity.clone(), home.clone());
        let secret = tokio::task::spawn_blocking(move || create_identity(&place, &made, None, &transports)).await;
        let secret = secret.map_err(|e| DemoError::Cast(e.to_string()))??;
        let certificate = secret.certificate().armored();
        let node = Node::start(home, secret)?;
        let tcp = listening(&node.handle()).await?;
        Ok(Inhabitant { name: name.to_owned(), node, certificate, tcp })
    }

    /// `who` gets to know `whom`, with a route over each transport.
    async fn introduce(&self, who: &Inhabitant, whom: &Inhabitant, trust: TrustLevel) -> Result<(), DemoError> {
        let add = PeerAdd {
            name: whom.name.clone(),
            certificate: Some(whom.certificate.clone()),
            routes: vec![
                (id("tcp")?, whom.tcp.clone()),
                (id("relay")?, self.relay.clone()),
                (id("file")?, self.folder.display().to_string()),
            ],
            ..PeerAdd::default()
        };
        let node = who.node.handle();
        node.call(Command::PeerAdd(add)).await?;
        if trust > TrustLevel::Untrusted {
            node.call(Command::TrustSet { peer: whom.name.clone(), level: trust }).await?;
        }
        Ok(())
    }
}

fn id(name: &str) -> Result<TransportId, DemoError> {
    name.parse().map_err(|e| DemoError::Cast(format!("{name}: {e}")))
}

/// Waits until a node listens on tcp; its address.
async fn listening(node: &NodeHandle) -> Result<String, DemoError> {
    let mut events = node.subscribe();
    let looking = async {
        loop {
            if let Reply::Transports(transports) = node.call(Command::Transports).await? {
                let tcp = transports.into_iter().find(|t| t.transport.as_str() == "tcp");
                if let Some(address) = tcp.and_then(|t| t.address) {
                    return Ok(address.to_string());
                }
            }
            if events.next().await.is_none() {
                return Err(DemoError::NotListening);
            }
        }
    };
    tokio::time::timeout(LISTENING_WITHIN, looking).await.unwrap_or(Err(DemoError::NotListening))
}

/// A peer's life: it greets, answers, and sometimes speaks by itself.
async fn live(node: NodeHandle, character: &'static Character) {
    let mut events = node.subscribe();
    for (thread, text) in character.opening {
        say(&node, thread, text, None).await;
    }
    let mut answers = character.answers.iter().cycle();
    let mut chatter = character.chatter.iter();
    let mut speak = tokio::time::interval_at(tokio::time::Instant::now() + CHATTER, CHATTER);
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::Message(message)) if message.incoming() && message.kind == PayloadType::Message => {
                    let read = Command::MarkRead { conversation: message.conversation(), up_to: message.envelope_id };
                    tell(&node, read).await;
                    tokio::time::sleep(THINKING).await;
                    if let Some(answer) = answers.next() {
                        say(&node, message.thread_id.as_str(), answer, Some(message.envelope_id)).await;
                    }
                }
                Some(_) => {}
                None => return,
            },
            _ = speak.tick() => if let Some((thread, text)) = chatter.next() {
                say(&node, thread, text, None).await;
            },
        }
    }
}

/// Somebody with nova's name and another key writes to the user.
async fn turn_up(node: NodeHandle, after: Duration) {
    tokio::time::sleep(after).await;
    say(&node, ThreadId::GENERAL, NEW_PHONE, None).await;
}

async fn break_things(mut world: Breakables, mut wanted: mpsc::Receiver<DemoAction>) {
    while let Some(action) = wanted.recv().await {
        world.act(action).await;
    }
    // The relay must outlive the last sender: it stops with this task.
    std::future::pending::<()>().await;
}

async fn say(node: &NodeHandle, thread: &str, text: &str, in_reply_to: Option<crate::wire::EnvelopeId>) {
    let request = SendRequest {
        to: "you".to_owned(),
        content: text.to_owned(),
        content_type: Some("text/markdown".to_owned()),
        thread_id: thread.parse().ok(),
        in_reply_to,
        ..SendRequest::default()
    };
    tell(node, Command::Send(request)).await;
}

async fn tell(node: &NodeHandle, command: Command) {
    if let Err(error) = node.call(command).await {
        tracing::warn!("a demo peer: {error}");
    }
}
