//! The link to one relay: a connection that is always kept where we read our mail, and made when it is needed elsewhere.

use std::{sync::Arc, time::Duration};

use nostr_sdk::Keys;
use rustls::ClientConfig;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    config::{LoginAs, NostrSettings},
    connection::Connection,
    mail::MailPlan,
    session::{self, Manner, SOCKET_BYTES},
};
use crate::{
    delivery::{Reason, ReasonKind},
    transport::{
        Retry, SendError,
        backoff::Backoff,
        websocket::{
            address::RelayAddress,
            dial::{Failure, Socket, open, web_config},
        },
    },
    wire::SafeText,
};

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A connection that lasted this long was a good one: the next failure begins with the shortest wait.
const GOOD_AFTER: Duration = Duration::from_secs(20);

/// How a link is.
#[derive(Clone, Debug)]
pub(super) enum LinkState {
    /// Not connected, and nobody needs it.
    Idle,
    /// Connecting; with what went wrong before.
    Connecting(Option<Reason>),
    /// Connected.
    Up(Arc<Connection>),
    /// It failed; the next try is due then.
    Waiting { reason: Reason, until: Instant },
}

/// What all links have in common.
pub(super) struct Common {
    pub(super) settings: NostrSettings,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) keys: Keys,
    /// Told whenever a link's state has changed.
    pub(super) changed: Arc<Notify>,
    pub(super) stop: CancellationToken,
}

/// The users' end of a link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) relay: SafeText,
    state: watch::Receiver<LinkState>,
    demand: Arc<Notify>,
    again: Arc<Notify>,
}

/// The end that connects.
pub(super) struct LinkTask {
    address: RelayAddress,
    relay: SafeText,
    /// Present where we read our mail.
    mail: Option<MailPlan>,
    common: Arc<Common>,
    state: watch::Sender<LinkState>,
    demand: Arc<Notify>,
    again: Arc<Notify>,
    backoff: Backoff,
}

/// A link, and the task that must be driven for it.
pub(super) fn link(address: &RelayAddress, mail: Option<MailPlan>, common: Arc<Common>) -> (Link, LinkTask) {
    let (tx, rx) = watch::channel(LinkState::Idle);
    let (demand, again) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let relay = SafeText::line(&address.authority());
    let task = LinkTask {
        address: address.clone(),
        relay: relay.clone(),
        mail,
        common,
        state: tx,
        demand: demand.clone(),
        again: again.clone(),
        backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
    };
    (Link { relay, state: rx, demand, again }, task)
}

impl Link {
    /// How it is.
    pub(super) fn state(&self) -> LinkState {
        self.state.borrow().clone()
    }

    /// The connection; made when there is none. Fails at once while the link waits after a failure.
    pub(super) async fn connection(&self) -> Result<Arc<Connection>, SendError> {
        let mut state = self.state.clone();
        loop {
            let now = state.borrow_and_update().clone();
            match now {
                LinkState::Up(connection) if !connection.is_ended() => return Ok(connection),
                LinkState::Waiting { reason, until } => {
                    let wait = until.saturating_duration_since(Instant::now());
                    return Err(SendError { reason, retry: Retry::After(wait.max(Duration::from_millis(100))) });
                }
                LinkState::Idle => self.demand.notify_one(),
                LinkState::Up(_) | LinkState::Connecting(_) => {}
            }
            state.changed().await.map_err(|_| stopping())?;
        }
    }

    /// The connection; a link that waits after a failure tries again now.
    pub(super) async fn connection_now(&self) -> Result<Arc<Connection>, SendError> {
        if let LinkState::Waiting { .. } = self.state() {
            self.again.notify_one();
            let mut state = self.state.clone();
            let moved = state.wait_for(|state| !matches!(state, LinkState::Waiting { .. })).await;
            moved.map_err(|_| stopping())?;
        }
        self.connection().await
    }
}

fn stopping() -> SendError {
    SendError { reason: Reason::new(ReasonKind::Stopping, "the transport is stopping"), retry: Retry::Later }
}

impl LinkTask {
    /// Keeps the link until it is stopped.
    pub(super) async fn run(mut self) {
        let stop = self.common.stop.clone();
        if stop.run_until_cancelled(self.keep()).await.is_none() {
            let last = self.state.borrow().clone();
            if let LinkState::Up(connection) = last {
                connection.close();
                connection.ended().await;
            }
        }
    }

    async fn keep(&mut self) {
        let mut last = None;
        loop {
            if self.mail.is_none() && matches!(*self.state.borrow(), LinkState::Idle) {
                self.demand.notified().await;
            }
            self.set(LinkState::Connecting(last.take()));
            let failure = match self.dial().await {
                Ok(socket) => self.use_up(socket).await,
                Err(failure) => Some(failure),
            };
            match failure {
                Some(failure) => last = Some(self.wait(failure).await),
                None => self.set(LinkState::Idle),
            }
        }
    }

    async fn dial(&self) -> Result<Socket, Failure> {
        let (limit, tls) = (self.common.settings.connect, self.common.tls.clone());
        let opened = timeout(limit, open(&self.address, tls, None, web_config(SOCKET_BYTES))).await;
        opened.unwrap_or_else(|_| {
            let detail = format!("{} did not answer within {} s", self.relay, limit.as_secs());
            Err(Failure::new(ReasonKind::Timeout, detail))
        })
    }

    /// Until the connection breaks, which is a failure, or nobody has used it for long, which is none.
    async fn use_up(&mut self, socket: Socket) -> Option<Failure> {
        let settings = &self.common.settings;
        // Mail is only given to its owner; to leave something, no name is needed.
        let own = self.mail.is_some() || settings.login == LoginAs::Own;
        let manner = Manner {
            relay: self.relay.clone(),
            url: self.address.to_string(),
            login: if own { self.common.keys.clone() } else { Keys::generate() },
            answer: settings.answer,
            keepalive: settings.keepalive,
        };
        let (connection, ends) = Connection::new(self.relay.clone());
        tokio::spawn(session::run(socket, manner, self.mail.as_ref().map(MailPlan::mail), ends));
        connection.ready().await;
        self.set(LinkState::Up(connection.clone()));
        let failure = self.wait_for_end(&connection).await;
        if connection.age() >= GOOD_AFTER {
            self.backoff.reset();
        }
        failure
    }

    async fn wait_for_end(&self, connection: &Arc<Connection>) -> Option<Failure> {
        if self.mail.is_some() {
            let mut trouble = connection.watch_trouble();
            loop {
                tokio::select! {
                    failure = connection.ended() => return Some(failure),
                    // What the session finds out later on is told as well.
                    () = connection.trouble_changed(&mut trouble) => self.common.changed.notify_one(),
                }
            }
        }
        let idle = self.common.settings.idle;
        loop {
            let unused = connection.unused_for();
            if unused >= idle {
                break;
            }
            tokio::select! {
                failure = connection.ended() => return Some(failure),
                () = sleep(idle - unused) => {}
            }
        }
        // From here on nobody new finds it; those who have it may finish.
        self.set(LinkState::Connecting(None));
        while Arc::strong_count(connection) > 1 && !connection.is_ended() {
            sleep(Duration::from_millis(20)).await;
        }
        connection.close();
        connection.ended().await;
        None
    }

    async fn wait(&mut self, failure: Failure) -> Reason {
        let Failure { reason, wait } = failure;
        let wait = self.backoff.fail().max(wait.unwrap_or_default());
        let until = Instant::now() + wait;
        tracing::info!(relay = %self.relay, %reason, ?wait, "the link to a relay is down");
        self.set(LinkState::Waiting { reason: reason.clone(), until });
        tokio::select! {
            () = sleep_until(until) => {}
            () = self.again.notified() => {}
        }
        if self.mail.is_none() {
            self.set(LinkState::Idle);
        }
        reason
    }

    fn set(&self, state: LinkState) {
        self.state.send_replace(state);
        self.common.changed.notify_one();
    }
}
