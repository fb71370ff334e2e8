//! A command's way to the node: the one that runs, or one of its own for as long as it takes.

use std::time::{Duration, Instant};

use super::{
    args::GlobalArgs,
    outcome::CliError,
    passphrase::{self, Source},
};
use crate::{
    home::{Home, HomeError},
    node::{Command, EventStream, Node, NodeHandle, Reply, SetupError, StartError},
    pgp::SecretKey,
    transport::TransportState,
};

/// How long another process may hold the home without answering: it is opening its store, or about to end.
const OPENING: Duration = Duration::from_secs(15);
/// How long transports of a node that was started for this command may take to come up before their state is told.
const STARTING: Duration = Duration::from_secs(5);
/// How often it is asked meanwhile.
const STEP: Duration = Duration::from_millis(25);

/// A command's way to the node.
pub(super) struct Session {
    place: Place,
    handle: NodeHandle,
    own: Option<Node>,
}

/// Where the node is, and how its key is unlocked.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) home: Home,
    pub(super) passphrase: Source,
}

impl Place {
    pub(super) fn of(global: &GlobalArgs) -> Result<Self, CliError> {
        Ok(Self { home: Home::locate(global.home.clone())?, passphrase: Source::of(global) })
    }

    /// The identity, unlocked on another thread.
    pub(super) async fn unlock(&self) -> Result<SecretKey, CliError> {
        let Self { home, passphrase } = self.clone();
        tokio::task::spawn_blocking(move || passphrase::unlock(&home, &passphrase)).await?
    }

    /// Fails when there is no identity.
    pub(super) fn check_identity(&self) -> Result<(), CliError> {
        if self.home.has_identity() {
            return Ok(());
        }
        Err(SetupError::Missing(self.home.root().display().to_string()).into())
    }

    /// Whether a process holds the home.
    pub(super) fn is_held(&self) -> Result<bool, CliError> {
        self.home.create()?;
        match self.home.lock() {
            Ok(_) => Ok(false),
            Err(HomeError::InUse { .. }) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

impl Session {
    /// Connects to the running node, or starts one.
    pub(super) async fn open(place: Place) -> Result<Self, CliError> {
        place.check_identity()?;
        let deadline = Instant::now() + OPENING;
        let mut secret = None;
        loop {
            if let Ok(handle) = NodeHandle::connect(&place.home.socket_path()).await {
                return Ok(Self { place, handle, own: None });
            }
            if !place.is_held()? {
                let key = match secret.take() {
                    Some(key) => key,
                    None => place.unlock().await?,
                };
                match Node::start(place.home.clone(), key.clone()) {
                    Ok(node) => return Ok(Self { handle: node.handle(), own: Some(node), place }),
                    // Another one was quicker.
                    Err(StartError::Home(HomeError::InUse { .. })) => secret = Some(key),
                    Err(error) => return Err(error.into()),
                }
            }
            if Instant::now() > deadline {
                return place.home.lock().map_err(CliError::from).and(Err(CliError::Interrupted));
            }
            tokio::time::sleep(STEP).await;
        }
    }

    /// Whether the node is our own, and ends with this command.
    pub(super) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Waits, within a bound, until every transport of a node of our own is up, or says why it is not: what is asked
    /// before would only say that it is starting.
    pub(super) async fn wait_for_transports(&self) -> Result<(), CliError> {
        let deadline = Instant::now() + STARTING;
        while self.is_own() && Instant::now() < deadline {
            let Reply::Transports(all) = self.call(Command::Transports).await? else { break };
            if !all.iter().any(|transport| transport.state == TransportState::Starting) {
                break;
            }
            tokio::time::sleep(STEP).await;
        }
        Ok(())
    }

    /// The home.
    pub(super) fn home(&self) -> &Home {
        &self.place.home
    }

    /// A face's end of the node.
    pub(super) fn handle(&self) -> NodeHandle {
        self.handle.clone()
    }

    /// Asks the node.
    pub(super) async fn call(&self, command: Command) -> Result<Reply, CliError> {
        Ok(self.handle.call(command).await?)
    }

    /// The node's events from now on.
    pub(super) fn subscribe(&self) -> EventStream {
        self.handle.subscribe()
    }

    /// Finds a node anew when the one that was connected went away. Our own cannot.
    pub(super) async fn reopen(&mut self) -> Result<(), CliError> {
        if self.own.is_some() {
            return Err(crate::node::NodeError::new(crate::node::NodeErrorKind::Gone, "the node has stopped").into());
        }
        *self = Self::open(self.place.clone()).await?;
        Ok(())
    }

    /// Ends the session; a node of our own stops cleanly. If it could not even start, that is the error.
    pub(super) async fn close<T>(self, result: Result<T, CliError>) -> Result<T, CliError> {
        let Some(node) = self.own else { return result };
        drop(self.handle);
        let stopped = node.stop().await;
        match (result, stopped) {
            (Err(error), Err(why)) if error.is_gone() => Err(why.into()),
            (Ok(_), Err(why)) => Err(why.into()),
            (result, _) => result,
        }
    }
}

/// The node answered something else than it was asked: another version of this program.
pub(super) fn unexpected(reply: &Reply) -> CliError {
    let mut text = format!("{reply:?}");
    text.truncate(text.floor_char_boundary(60));
    CliError::Input(format!("the running node is of another version; restart it (it answered {text})"))
}
