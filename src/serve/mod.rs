//! The relay: a WebSocket server that keeps sealed envelopes for recipients that are away.
//!
//! It authenticates every connection by a signature of an OpenPGP key, stores what it accepts durably
//! and within bounds, and never sees plaintext: frames are opaque to it. It writes no log of who talks to
//! whom. `docs/relay.md` describes the protocol and what a relay can see.
//!
//! A relay is no face of a node; it stands beside it and shares only the protocol with the websocket transport.

mod auth;
mod config;
mod disk;
#[cfg(feature = "nats")]
pub mod jetstream;
mod keeper;
mod mailboxes;
mod pace;
mod reading;
mod session;
mod socket;
mod switchboard;
#[cfg(test)]
mod tests;
mod usage;
mod writing;

use std::{
    future::Future,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use config::{Access, Limits, RelayConfig, SenderLimits, StorageLimits, TlsFiles};
pub use mailboxes::StorageError;

use self::{
    disk::DiskKeeper,
    keeper::{Keeper, KeeperEnd},
    mailboxes::Mailboxes,
    pace::{Failures, Pace},
    switchboard::Switchboard,
};
use crate::{store::outlive_file_size_limit, transport::websocket::protocol::SUBPROTOCOL, wire::limits};

/// Logins whose signature is checked at once; the others wait.
const LOGINS_AT_ONCE: usize = 8;
/// How long connections have to end when the relay is stopped.
const STOPPING: Duration = Duration::from_secs(3);
/// How often the keeper looks for old messages when nothing else happens.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// Why a relay cannot be started or run.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The mailboxes cannot be opened, for instance because another relay has them open.
    #[error("cannot open the mailboxes in {}: {source}", folder.display())]
    Storage {
        /// The relay's folder.
        folder: PathBuf,
        /// Why.
        source: StorageError,
    },
    /// The store that several relays share cannot be used.
    #[error("cannot use the store {address}: {problem}")]
    Store {
        /// Its address, without settings.
        address: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The certificate or its key cannot be used.
    #[error("cannot use {}: {problem}", file.display())]
    Tls {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A limit has a value that cannot work.
    #[error("the limit {name}: {problem}")]
    Limit {
        /// The limit.
        name: &'static str,
        /// What would be right.
        problem: &'static str,
    },
    /// The keeper's thread could not be started or failed.
    #[error("cannot start the keeper of the mailboxes: {0}")]
    Keeper(String),
}

/// What all connections of a relay share.
pub(crate) struct Shared {
    name: String,
    hosts: Vec<String>,
    limits: Limits,
    access: Access,
    tls: Option<TlsAcceptor>,
    board: Arc<Switchboard>,
    keeper: Arc<dyn Keeper>,
    pace: Pace,
    failures: Failures,
    connections: Arc<Semaphore>,
    logins: Semaphore,
    large_in: Arc<Semaphore>,
    large_out: Arc<Semaphore>,
    unwritten: Arc<Semaphore>,
    unwritten_kib: u32,
    started: Instant,
}

impl Shared {
    /// The state as JSON: counts only, nothing about anybody.
    async fn health(&self) -> String {
        let held = self.keeper.count().await;
        let connections = self.limits.connections - self.connections.available_permits();
        let body = serde_json::json!({
            "status": match held {
                None => "stopping",
                Some(_) if self.keeper.is_cut_off() => "no store",
                Some(_) => "ok",
            },
            "protocol": SUBPROTOCOL,
            "uptime_seconds": self.started.elapsed().as_secs(),
            "connections": connections,
            "receiving": self.board.receiving(),
            "messages": held.map(|amount| amount.messages),
            "bytes": held.map(|amount| amount.bytes),
        });
        format!("{body}\n")
    }
}

/// A relay that listens.
pub struct Relay {
    shared: Arc<Shared>,
    listener: TcpListener,
    address: SocketAddr,
    keeper_end: KeeperEnd,
}

impl Relay {
    /// Opens the mailboxes and begins to listen; connections are served by [`Relay::run`].
    ///
    /// # Errors
    /// When something of it does not work; says what.
    pub async fn bind(config: RelayConfig) -> Result<Self, ServeError> {
        check_limits(&config.limits)?;
        let tls = config.tls.as_ref().map(tls_acceptor).transpose()?;
        let listen_error = |source| ServeError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let board = Arc::new(Switchboard::default());
        let mut limits = config.limits;
        let (keeper, keeper_end) = match &config.store {
            None => disk_keeper(&config.data_dir, &limits, board.clone()).await?,
            Some(store) => shared_keeper(store, &mut limits, board.clone()).await?,
        };
        let unwritten_kib = u32::try_from(limits.unwritten_bytes / 1024).unwrap_or(u32::MAX).min(u32::MAX >> 3);
        let shared = Shared {
            name: config.name,
            hosts: config.hosts,
            access: config.access,
            tls,
            board,
            keeper,
            pace: Pace::new(limits.sender.clone()),
            failures: Failures::new(limits.failed_logins_per_minute),
            connections: Arc::new(Semaphore::new(limits.connections)),
            logins: Semaphore::new(LOGINS_AT_ONCE),
            large_in: Arc::new(Semaphore::new(limits.large_messages)),
            large_out: Arc::new(Semaphore::new(limits.large_messages)),
            unwritten: Arc::new(Semaphore::new(unwritten_kib as usize)),
            unwritten_kib,
            started: Instant::now(),
            limits,
        };
        Ok(Self { shared: Arc::new(shared), listener, address, keeper_end })
    }

    /// Where it listens, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is done, then closes all connections and writes everything out.
    ///
    /// # Errors
    /// None at present: trouble with single connections is logged, not returned.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), ServeError> {
        let Self { shared, listener, address, keeper_end } = self;
        tracing::info!(%address, "the relay listens");
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tokio::select! {
            () = accept(&shared, &listener, &stop, &tasks) => {}
            () = housekeeping(&shared) => {}
            () = shutdown => {}
        }
        drop(listener);
        stop.cancel();
        tasks.close();
        if timeout(STOPPING, tasks.wait()).await.is_err() {
            tracing::warn!(left = tasks.len(), "some connections did not end in time");
        }
        // The keeper ends, and closes the mailboxes, when the last handle to it is gone.
        drop(shared);
        if timeout(STOPPING, keeper_end.ended()).await.is_err() {
            tracing::warn!("the keeper is still writing");
        }
        Ok(())
    }
}

async fn accept(shared: &Arc<Shared>, listener: &TcpListener, stop: &CancellationToken, tasks: &TaskTracker) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => match shared.connections.clone().try_acquire_owned() {
                Ok(place) => {
                    tasks.spawn(session::serve(shared.clone(), stream, from, place, stop.clone()));
                }
                Err(_) => turn_away(stream, shared.tls.is_some()),
            },
            Err(error) => {
                // Mostly too many open files: others must end first.
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Tells a client that there is no place, without waiting for it.
fn turn_away(stream: TcpStream, tls: bool) {
    const FULL: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    if !tls {
        // A fresh connection takes these few bytes at once, or is gone.
        let _ = stream.try_write(FULL);
    }
    tracing::debug!("a connection was turned away: all places are taken");
}

async fn housekeeping(shared: &Arc<Shared>) {
    loop {
        sleep(HOUSEKEEPING).await;
        if shared.keeper.count().await.is_none() {
            tracing::error!("the keeper of the mailboxes is gone");
            return;
        }
    }
}

async fn disk_keeper(
    folder: &Path,
    limits: &Limits,
    board: Arc<Switchboard>,
) -> Result<(Arc<dyn Keeper>, KeeperEnd), ServeError> {
    let keeper_error = |error: io::Error| ServeError::Keeper(error.to_string());
    outlive_file_size_limit().map_err(keeper_error)?;
    let mailboxes = open_mailboxes(folder, limits).await?;
    let (keeper, end) = DiskKeeper::start(mailboxes, board).map_err(keeper_error)?;
    Ok((Arc::new(keeper), end))
}

/// Clients are told the smaller of our limit and the store's.
#[cfg(feature = "nats")]
async fn shared_keeper(
    store: &str,
    limits: &mut Limits,
    board: Arc<Switchboard>,
) -> Result<(Arc<dyn Keeper>, KeeperEnd), ServeError> {
    let (keeper, end, most) = jetstream::JetStreamKeeper::start(store, limits, board).await?;
    limits.frame_bytes = limits.frame_bytes.min(most);
    Ok((Arc::new(keeper), end))
}

#[cfg(not(feature = "nats"))]
async fn shared_keeper(
    store: &str,
    _limits: &mut Limits,
    _board: Arc<Switchboard>,
) -> Result<(Arc<dyn Keeper>, KeeperEnd), ServeError> {
    let address = store.split_once('?').map_or(store, |(servers, _)| servers).to_owned();
    let problem = "this program was built without NATS; build it with `--features nats`".to_owned();
    Err(ServeError::Store { address, problem })
}

async fn open_mailboxes(folder: &Path, limits: &Limits) -> Result<Mailboxes, ServeError> {
    let (path, storage) = (folder.to_owned(), limits.storage.clone());
    let opened = tokio::task::spawn_blocking(move || Mailboxes::open(&path, storage)).await;
    opened
        .map_err(|error| ServeError::Keeper(error.to_string()))?
        .map_err(|source| ServeError::Storage { folder: folder.to_owned(), source })
}

fn check_limits(limits: &Limits) -> Result<(), ServeError> {
    let check = |fine: bool, name, problem| if fine { Ok(()) } else { Err(ServeError::Limit { name, problem }) };
    let most = limits::ENVELOPE_BYTES;
    check((1..=1_000_000).contains(&limits.connections), "connections", "from 1 to 1000000")?;
    check((1024..=most).contains(&limits.frame_bytes), "frame_bytes", "from 1 KiB to 16 MiB")?;
    check(limits.window_messages > 0, "window_messages", "at least 1")?;
    check(limits.large_messages > 0, "large_messages", "at least 1")?;
    check(limits.unwritten_bytes >= most, "unwritten_bytes", "at least 16 MiB")?;
    check(limits.silence >= Duration::from_millis(100), "silence", "at least 100 ms")?;
    check(limits.sender.messages_burst > 0, "messages_burst", "at least 1")
}

fn tls_acceptor(files: &TlsFiles) -> Result<TlsAcceptor, ServeError> {
    let problem = |file: &Path, problem: String| ServeError::Tls { file: file.to_owned(), problem };
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(&files.certificate).and_then(|certificates| certificates.collect());
    let chain = chain.map_err(|error| problem(&files.certificate, error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| problem(&files.key, error.to_string()))?;
    // Named here because more than one provider may be linked into the program.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| problem(&files.certificate, error.to_string()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
