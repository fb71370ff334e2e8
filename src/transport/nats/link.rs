//! Keeps one session: dials, says how it goes, and dials again with a back-off.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    inbox::Puller,
    session::{Dialer, Session},
};
use crate::{
    delivery::{Reason, ReasonKind, TransportId},
    transport::{EventSink, Retry, SendError, TransportEvent, TransportState, backoff::Backoff},
};

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Refused credentials become right only when somebody changes something.
const REFUSED_WAIT: Duration = Duration::from_secs(30);
/// A session that lived this long was a good one.
const GOOD: Duration = Duration::from_secs(10);

/// How the link is.
#[derive(Clone)]
pub(super) enum Status {
    Connecting,
    Up(Arc<Session>),
    Waiting { reason: Reason, until: Instant },
}

impl Status {
    /// The session, if there is one.
    pub(super) fn session(&self) -> Option<Arc<Session>> {
        match self {
            Self::Up(session) => Some(session.clone()),
            _ => None,
        }
    }

    /// What the node is told.
    fn state(&self) -> TransportState {
        match self {
            Self::Connecting => TransportState::Starting,
            Self::Up(_) => TransportState::Up,
            Self::Waiting { reason, until } => TransportState::Down {
                reason: reason.clone(),
                retry_in_ms: Some(u64::try_from(rest(*until).as_millis()).unwrap_or(u64::MAX)),
            },
        }
    }
}

fn rest(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

/// The session of now, or of the dialling that is under way; fails at once when the next try is yet to come.
pub(super) async fn session(mut status: watch::Receiver<Status>) -> Result<Arc<Session>, SendError> {
    loop {
        match &*status.borrow_and_update() {
            Status::Up(session) => return Ok(session.clone()),
            Status::Waiting { reason, until } => {
                return Err(SendError { reason: reason.clone(), retry: Retry::After(rest(*until)) });
            }
            Status::Connecting => {}
        }
        if status.changed().await.is_err() {
            let reason = Reason::new(ReasonKind::Stopping, "the transport is stopping");
            return Err(SendError { reason, retry: Retry::Later });
        }
    }
}

/// Keeps the session.
pub(super) struct Link {
    pub(super) id: TransportId,
    pub(super) dialer: Dialer,
    pub(super) puller: Puller,
    pub(super) status: watch::Sender<Status>,
    pub(super) sink: EventSink,
}

impl Link {
    /// Runs until it is dropped or the node is gone.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        self.tell().await;
        loop {
            let reason = match self.dial().await {
                Ok(session) => {
                    let (session, began) = (Arc::new(session), Instant::now());
                    self.set(Status::Up(session.clone())).await;
                    let reason = tokio::select! {
                        reason = self.puller.run(&session) => reason,
                        reason = session.life.ended() => reason,
                    };
                    session.life.end(reason);
                    if began.elapsed() >= GOOD {
                        backoff.reset();
                    }
                    session.life.ended().await
                }
                Err(reason) => reason,
            };
            if reason.kind == ReasonKind::Stopping {
                return;
            }
            let wait = backoff.fail();
            let wait = if reason.kind == ReasonKind::AuthRefused { wait.max(REFUSED_WAIT) } else { wait };
            let until = Instant::now() + wait;
            tracing::info!(transport = %self.id, %reason, ?wait, "not connected");
            // Not followed by "connecting": the reason stays to be seen while it is tried again.
            self.set(Status::Waiting { reason, until }).await;
            sleep_until(until).await;
        }
    }

    /// The first server of the cluster that lets us in, or what the last one said.
    async fn dial(&self) -> Result<Session, Reason> {
        let mut last = Reason::new(ReasonKind::NotConfigured, "no server is configured");
        for address in &self.dialer.settings.servers {
            match self.dialer.dial(address).await {
                Ok(session) => return Ok(session),
                Err(reason) => last = reason,
            }
        }
        Err(last)
    }

    async fn set(&self, status: Status) {
        self.status.send_replace(status);
        self.tell().await;
    }

    async fn tell(&self) {
        let state = self.status.borrow().state();
        // A node that is gone needs no state.
        let _ = self.sink.send(TransportEvent::State(self.id.clone(), state)).await;
    }
}
