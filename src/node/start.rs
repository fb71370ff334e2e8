//! From a home folder to a running node.

use std::{collections::BTreeMap, sync::Arc};

use thiserror::Error;
use tokio::{
    sync::{broadcast, mpsc},
    task::JoinHandle,
};

use super::{
    Command, Event, NodeHandle,
    acks::AckQueue,
    clock::{self, Clock},
    core::{Core, Counters, Sources},
    files,
    held::HeldDrafts,
    identity::Me,
    keyring::Keyring,
    ledger::Ledger,
    loops::Loops,
    outbound::LeftOver,
    pace::Pace,
    paths::Paths,
    people::People,
    room::Room,
    socket::ControlSocket,
    strangers::Strangers,
    workers::Workers,
    writer::Writer,
};
use crate::{
    delivery::{Machine, TransportId},
    home::{Config, Home, HomeError, HomeLock, StoredPeer, write_private},
    identity::PeerBook,
    pgp::{self, Certificate, PgpError, SecretKey},
    store::{Store, StoreError, StoreKey, outlive_file_size_limit},
    transport::registry::TransportConfig,
    wire::SafeText,
};

/// Events that a face may fall behind before it is told that it missed some.
const EVENTS_MAX: usize = 8192;
/// Frames that wait to be opened before transports are held back.
const FRAMES_MAX: usize = 256;

/// Why a node cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The home folder is in use or broken.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The key of the store cannot be opened with this identity.
    #[error("the store's key {path}: {source}")]
    StoreKey {
        /// The file.
        path: String,
        /// Why.
        source: PgpError,
    },
    /// The store's key is gone while the store is there.
    #[error(
        "{0} is missing, and without it the messages in store/ cannot be read; restore it from a backup, or move store/ away to begin anew"
    )]
    StoreKeyLost(String),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system refused something.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The task that opened the store died.
    #[error("opening the store was interrupted")]
    Interrupted,
}

/// A running node. It ends with [`Node::stop`] or [`Command::Shutdown`]; dropping this lets it run on.
pub struct Node {
    handle: NodeHandle,
    task: JoinHandle<Result<(), StartError>>,
}

impl Node {
    /// Starts a node on `home` with its unlocked key. Returns at once; commands wait until the store is open, and
    /// fail as `Gone` if it cannot be opened (then [`Node::wait`] says why).
    ///
    /// # Errors
    /// When the home is in use or its configuration is not valid.
    pub fn start(home: Home, secret: SecretKey) -> Result<Self, StartError> {
        home.create()?;
        let lock = home.lock()?;
        let config = home.config()?;
        let events = broadcast::Sender::new(EVENTS_MAX);
        let (handle, calls) = NodeHandle::from_parts(events.clone());
        let opening = Opening { home, secret, config, events, handle: handle.clone(), lock };
        let task = tokio::spawn(opening.run(calls));
        Ok(Self { handle, task })
    }

    /// A face's end of it.
    pub fn handle(&self) -> NodeHandle {
        self.handle.clone()
    }

    /// Stops it cleanly and waits until everything is on disk.
    ///
    /// # Errors
    /// When it could not start in the first place.
    pub async fn stop(self) -> Result<(), StartError> {
        // If it is stopping already, there is nobody to answer.
        let _ = self.handle.call(Command::Shutdown).await;
        self.wait().await
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// When it could not start in the first place.
    pub async fn wait(self) -> Result<(), StartError> {
        self.task.await.unwrap_or(Err(StartError::Interrupted))
    }
}

/// What is at hand before the store is open.
struct Opening {
    home: Home,
    secret: SecretKey,
    config: Config,
    events: broadcast::Sender<Event>,
    handle: NodeHandle,
    lock: HomeLock,
}

/// What is read from disk before the node runs.
struct Loaded {
    store: Arc<Store>,
    store_key: StoreKey,
    warnings: Vec<SafeText>,
    held: HeldDrafts,
    files: files::Loaded,
    outbox: Vec<LeftOver>,
    book: PeerBook,
    strangers: Strangers,
    keys: Keyring,
    conflicting: BTreeMap<crate::wire::Fingerprint, Certificate>,
    transports: Vec<(TransportId, TransportConfig)>,
}

impl Opening {
    async fn run(self, calls: mpsc::Receiver<super::handle::Call>) -> Result<(), StartError> {
        let Self { home, secret, config, events, handle, lock } = self;
        let (from, key) = (home.clone(), secret.clone());
        outlive_file_size_limit()?;
        let loaded = tokio::task::spawn_blocking(move || load(&from, &key)).await;
        let loaded = loaded.map_err(|_| StartError::Interrupted)??;
        let name = if config.identity.name.is_empty() { "me".to_owned() } else { config.identity.name.clone() };
        let me = Me::new(secret, name, config.identity.fqid.clone());
        let (sink, frames) = mpsc::channel(FRAMES_MAX);
        let (done_tx, done) = mpsc::unbounded_channel();
        let socket = ControlSocket::listen(&home.socket_path(), handle)?;
        let mut core = Core {
            clock: Clock::start(),
            writer: Writer::start(loaded.store.clone(), done_tx.clone())?,
            workers: Workers::start()?,
            store: loaded.store,
            store_key: loaded.store_key,
            people: People::new(loaded.book, loaded.strangers, loaded.conflicting),
            keys: loaded.keys,
            machine: Machine::new(machine_config(&config), rand::random()),
            paths: Paths::new(sink),
            ledger: Ledger::default(),
            acks: AckQueue::default(),
            room: Room::default(),
            loops: Loops::new(&config.limits),
            pace: Pace::new(config.limits.peer_messages_per_second),
            held: loaded.held,
            heartbeats: Default::default(),
            files: Default::default(),
            unshown: Default::default(),
            counters: Counters::default(),
            warnings: loaded.warnings,
            searches: BTreeMap::new(),
            sealing: Default::default(),
            opening: Default::default(),
            done: done_tx,
            composed: Default::default(),
            stopping: None,
            events,
            home: home.clone(),
            me,
            config,
        };
        core.begin(loaded.transports, loaded.outbox, loaded.files);
        core.run(Sources { calls, frames, done }).await;
        socket.close().await;
        drop(lock);
        Ok(())
    }
}

impl Core {
    /// Takes up transports, peers and what an earlier run left, in the order the delivery machine wants.
    fn begin(&mut self, transports: Vec<(TransportId, TransportConfig)>, outbox: Vec<LeftOver>, files: files::Loaded) {
        for (id, config) in transports {
            if let Err(error) = self.add_transport(id, config) {
                self.warnings.push(error.message);
            }
        }
        let peers: Vec<_> = self.people.book.iter().cloned().collect();
        for peer in &peers {
            self.tell_machine(peer);
        }
        self.restore(outbox);
        self.release_all_held();
        self.begin_files(files);
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
    }
}

/// The delivery machine's numbers, with what the user set.
fn machine_config(config: &Config) -> crate::delivery::Config {
    crate::delivery::Config {
        queued_per_peer: config.limits.queue_per_peer.get(),
        queued_total: config.limits.queue_total.get(),
        ..crate::delivery::Config::default()
    }
}

fn load(home: &Home, secret: &SecretKey) -> Result<Loaded, StartError> {
    let key = store_key(home, secret)?;
    let now = clock::wall();
    let opened = Store::open(&home.store_dir(), &key, now)?;
    let store = Arc::new(opened.store);
    let mut warnings = opened.warnings;
    store.prune(now)?;
    let mut outbox = Vec::new();
    for entry in store.outbox()? {
        let message = store.message_with(&entry.to, &entry.envelope_id)?;
        let place = message.map(|(position, record)| (record.conversation, position));
        let attempts = store.attempts(&entry.envelope_id)?;
        outbox.push(LeftOver { entry, place, attempts });
    }
    let (book, keys, conflicting) = load_peers(home, &mut warnings)?;
    let mut transports = Vec::new();
    for read in home.transports()? {
        match read {
            Ok(transport) => transports.push(transport),
            Err(error) => warnings.push(SafeText::line(&error.to_string())),
        }
    }
    let held = HeldDrafts::load(&store, &mut warnings)?;
    let files = files::Loaded::read(&store, &mut warnings)?;
    let strangers = Strangers::load(&book, &store)?;
    Ok(Loaded { store, store_key: key, warnings, held, files, outbox, book, strangers, keys, conflicting, transports })
}

type Known = (PeerBook, Keyring, BTreeMap<crate::wire::Fingerprint, Certificate>);

fn load_peers(home: &Home, warnings: &mut Vec<SafeText>) -> Result<Known, StartError> {
    let mut profiles = Vec::new();
    let (mut keys, mut conflicting) = (Keyring::default(), BTreeMap::new());
    for read in home.peers()? {
        let StoredPeer { mut profile, certificate, conflicting: disputed } = match read {
            Ok(peer) => peer,
            Err(error) => {
                warnings.push(SafeText::line(&error.to_string()));
                continue;
            }
        };
        let parsed = certificate.map(|armor| Certificate::parse(armor.as_bytes()));
        match (profile.fingerprint, parsed) {
            (Some(pinned), Some(Ok(certificate))) if certificate.fingerprint() == pinned => keys.insert(certificate),
            (None, None) => {}
            (None, Some(Ok(certificate))) => {
                // Written by hand: the certificate beside the file is the pin.
                profile.fingerprint = Some(certificate.fingerprint());
                keys.insert(certificate);
            }
            _ => warnings.push(SafeText::line(&format!(
                "{}'s certificate file does not hold its pinned key; messages to it are held",
                profile.name
            ))),
        }
        if let Some(Ok(certificate)) = disputed.map(|armor| Certificate::parse(armor.as_bytes())) {
            conflicting.insert(certificate.fingerprint(), certificate);
        }
        profiles.push(profile);
    }
    let (book, left_over) = PeerBook::new(profiles);
    for profile in left_over {
        warnings.push(SafeText::line(&format!("{} is left out: another peer has its name or key", profile.name)));
    }
    Ok((book, keys, conflicting))
}

/// The store's key: random, sealed to our own certificate. Made with the first start.
fn store_key(home: &Home, secret: &SecretKey) -> Result<StoreKey, StartError> {
    let path = home.store_key_path();
    let failed = |source| StartError::StoreKey { path: path.display().to_string(), source };
    let now = clock::wall();
    match std::fs::read(&path) {
        Ok(sealed) => {
            let opened = pgp::open(secret, secret.certificate(), &sealed, 32, now).map_err(failed)?;
            let bytes = <[u8; 32]>::try_from(opened.plaintext.as_slice());
            Ok(StoreKey::new(bytes.map_err(|_| StartError::StoreKeyLost(path.display().to_string()))?))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if std::fs::read_dir(home.store_dir()).is_ok_and(|mut entries| entries.next().is_some()) {
                return Err(StartError::StoreKeyLost(path.display().to_string()));
            }
            let bytes: [u8; 32] = rand::random();
            let sealed = pgp::seal(secret, secret.certificate(), &bytes, now).map_err(failed)?;
            write_private(&path, sealed.as_bytes())?;
            Ok(StoreKey::new(bytes))
        }
        Err(error) => Err(StartError::Io(error)),
    }
}
