//! The link to one relay: a connection that is made when it is needed, or always kept where our own mailbox is.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    address::RelayAddress,
    connection::Connection,
    dial::{Dialer, Failure, Login},
    inbox::Mail,
};
use crate::{
    delivery::{Reason, ReasonKind},
    transport::{Retry, SendError, backoff::Backoff},
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

/// The settings of one link.
pub(super) struct LinkSettings {
    pub(super) address: RelayAddress,
    pub(super) login: Login,
    /// Present where our own mailbox is: the link is always kept, and this is where the mail goes.
    pub(super) mail: Option<Mail>,
    pub(super) idle: Duration,
    pub(super) keepalive: Duration,
}

/// The users' end of a link.
#[derive(Debug)]
pub(super) struct Link {
    state: watch::Receiver<LinkState>,
    demand: Arc<Notify>,
    again: Arc<Notify>,
}

/// The end that connects.
pub(super) struct LinkTask {
    settings: LinkSettings,
    dialer: Arc<Dialer>,
    state: watch::Sender<LinkState>,
    demand: Arc<Notify>,
    again: Arc<Notify>,
    /// Told whenever the state has changed.
    changed: Arc<Notify>,
    stop: CancellationToken,
    backoff: Backoff,
}

/// A link, and the task that must be driven for it.
pub(super) fn link(
    settings: LinkSettings,
    dialer: Arc<Dialer>,
    changed: Arc<Notify>,
    stop: CancellationToken,
) -> (Link, LinkTask) {
    let (tx, rx) = watch::channel(LinkState::Idle);
    let (demand, again) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    let task =
        LinkTask { settings, dialer, state: tx, demand: demand.clone(), again: again.clone(), changed, stop, backoff };
    (Link { state: rx, demand, again }, task)
}

impl Link {
    /// How it is.
    pub(super) fn state(&self) -> LinkState {
        self.state.borrow().clone()
    }

    /// The connection; made when there is none. Fails at once while the link waits after a failure.
    pub(super) async fn connection(&self) -> Result<Arc<Connection>, SendError> {
        self.wait_for_connection(true).await
    }

    /// The connection; a link that waits after a failure tries again now.
    pub(super) async fn connection_now(&self) -> Result<Arc<Connection>, SendError> {
        self.again.notify_one();
        if let LinkState::Waiting { .. } = self.state() {
            let mut state = self.state.clone();
            let moved = state.wait_for(|state| !matches!(state, LinkState::Waiting { .. })).await;
            moved.map_err(|_| stopping())?;
        }
        self.wait_for_connection(false).await
    }

    async fn wait_for_connection(&self, wait_out_ends: bool) -> Result<Arc<Connection>, SendError> {
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
                LinkState::Up(_) if !wait_out_ends => return Err(stopping()),
                LinkState::Up(_) | LinkState::Connecting(_) => {}
            }
            state.changed().await.map_err(|_| stopping())?;
        }
    }
}

fn stopping() -> SendError {
    SendError { reason: Reason::new(ReasonKind::Stopping, "the transport is stopping"), retry: Retry::Later }
}

impl LinkTask {
    /// Keeps the link until it is stopped.
    pub(super) async fn run(mut self) {
        let stop = self.stop.clone();
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
            if self.settings.mail.is_none() && matches!(*self.state.borrow(), LinkState::Idle) {
                self.demand.notified().await;
            }
            self.set(LinkState::Connecting(last.take()));
            match self.dialer.dial(&self.settings.address, &self.settings.login).await {
                Ok(logged_in) => {
                    let origin = SafeText::line(&self.settings.address.authority());
                    let mail = self.settings.mail.clone();
                    let (connection, running) = Connection::open(logged_in, origin, self.settings.keepalive, mail);
                    tokio::spawn(running);
                    self.set(LinkState::Up(connection.clone()));
                    match self.use_up(&connection).await {
                        Some(failure) => {
                            if connection.age() >= GOOD_AFTER {
                                self.backoff.reset();
                            }
                            last = Some(self.wait(failure).await);
                        }
                        None => self.set(LinkState::Idle),
                    }
                }
                Err(failure) => last = Some(self.wait(failure).await),
            }
        }
    }

    /// Until the connection breaks, which is a failure, or nobody has used it for long, which is none.
    async fn use_up(&self, connection: &Arc<Connection>) -> Option<Failure> {
        if self.settings.mail.is_some() {
            return Some(connection.ended().await);
        }
        loop {
            let unused = connection.unused_for();
            if unused >= self.settings.idle {
                break;
            }
            tokio::select! {
                failure = connection.ended() => return Some(failure),
                () = sleep(self.settings.idle - unused) => {}
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
        tracing::info!(relay = %self.settings.address.authority(), %reason, ?wait, "the link to a relay is down");
        self.set(LinkState::Waiting { reason: reason.clone(), until });
        tokio::select! {
            () = sleep_until(until) => {}
            () = self.again.notified() => {}
        }
        if self.settings.mail.is_none() {
            self.set(LinkState::Idle);
        }
        reason
    }

    fn set(&self, state: LinkState) {
        self.state.send_replace(state);
        self.changed.notify_one();
    }
}
