//! A link: one session with one other end, that is made, kept and made again.
//!
//! Transports over a connection have this in common. What differs is behind [`Dial`]: how a session comes about, and what goes on
//! while it lasts. The link waits longer after each failure and at least as long as the failure asks for; it is either always
//! kept, or made on demand and given up when it is not used. Those who send ask the [`Link`] for the session; they wait while
//! it is being made, and are refused with the reason while the link itself waits after a failure.
//!
//! ```text
//!            demand             dialled               ended
//!   Idle ------------> Connecting ------> Up(session) ------> Waiting --+
//!    ^                     | failed                              ^      |
//!    |                     +-------------------------------------+      |
//!    +------------------------------------------------------------------+
//!                 (a link that is always kept is never Idle)
//! ```

mod keep;
mod life;
mod pool;

use std::{fmt::Display, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

// Others are content with the usual pace.
#[cfg(any(test, feature = "nats", feature = "matrix"))]
pub(super) use self::keep::Pace;
pub(super) use self::{
    keep::{Board, Dial, Keeper, until_unused},
    life::Life,
    pool::Links,
};
use super::{Retry, SendError, TransportState};
use crate::{
    delivery::{Reason, ReasonKind},
    wire::SafeText,
};

/// Least time that somebody who sends is told to wait.
const LEAST_WAIT: Duration = Duration::from_millis(100);

/// Why no session came about, or why one ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    /// The least time to wait before the next try.
    pub(crate) wait: Option<Duration>,
}

impl Failure {
    pub(crate) fn new(kind: ReasonKind, detail: impl AsRef<str>) -> Self {
        Self { reason: Reason::new(kind, detail), wait: None }
    }

    /// The same with the name of the other end, unless it is in there already.
    pub(super) fn at(mut self, place: &SafeText) -> Self {
        if !self.reason.detail.as_str().contains(place.as_str()) {
            self.reason = Reason::new(self.reason.kind, format!("{place}: {}", self.reason));
        }
        self
    }

    /// What those are told who were about to send.
    pub(super) fn send_error(self) -> SendError {
        SendError { reason: self.reason, retry: self.wait.map_or(Retry::Later, Retry::After) }
    }
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self { reason, wait: None }
    }
}

/// A session that a link can keep.
pub(super) trait Live: Send + Sync + 'static {
    /// Whether, when and why it ended.
    fn life(&self) -> &Life;

    /// Ends it; [`Life::ended`] tells when that is done.
    fn close(&self);

    /// What does not work although it lives.
    fn trouble(&self) -> Option<Reason> {
        None
    }
}

/// How a link is.
#[derive(Debug)]
pub(super) enum LinkState<S> {
    /// No session, and nobody needs it.
    Idle,
    /// One is being made; with what went wrong before.
    Connecting(Option<Reason>),
    /// There is one.
    Up(Arc<S>),
    /// It failed; the next try is due then.
    Waiting { reason: Reason, until: Instant },
}

impl<S> Clone for LinkState<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Idle => Self::Idle,
            Self::Connecting(before) => Self::Connecting(before.clone()),
            Self::Up(session) => Self::Up(session.clone()),
            Self::Waiting { reason, until } => Self::Waiting { reason: reason.clone(), until: *until },
        }
    }
}

/// The users' end of a link. When the last one is gone, so is a link that is made on demand.
#[derive(Debug)]
pub(super) struct Link<S> {
    /// The other end, for people.
    #[cfg_attr(not(feature = "nostr"), expect(dead_code, reason = "only nostr has many links to name"))]
    pub(super) place: SafeText,
    state: watch::Receiver<LinkState<S>>,
    demand: Arc<Notify>,
    again: Arc<Notify>,
}

impl<S: Live> Link<S> {
    /// How it is.
    pub(super) fn state(&self) -> LinkState<S> {
        self.state.borrow().clone()
    }

    /// The session that there is, if there is one.
    #[cfg_attr(
        not(any(test, feature = "nats")),
        expect(dead_code, reason = "only nats has something to flush at the end")
    )]
    pub(super) fn session(&self) -> Option<Arc<S>> {
        match &*self.state.borrow() {
            LinkState::Up(session) if !session.life().is_over() => Some(session.clone()),
            _ => None,
        }
    }

    /// The session; made when there is none. Fails at once while the link waits after a failure.
    ///
    /// # Errors
    /// What went wrong last, and how long the link still waits.
    pub(super) async fn wait_for_session(&self) -> Result<Arc<S>, SendError> {
        let mut state = self.state.clone();
        loop {
            let now = state.borrow_and_update().clone();
            match now {
                LinkState::Up(session) if !session.life().is_over() => return Ok(session),
                LinkState::Waiting { reason, until } => {
                    let wait = until.saturating_duration_since(Instant::now());
                    return Err(SendError { reason, retry: Retry::After(wait.max(LEAST_WAIT)) });
                }
                LinkState::Idle => self.demand.notify_one(),
                LinkState::Up(_) | LinkState::Connecting(_) => {}
            }
            state.changed().await.map_err(|_| SendError::stopping())?;
        }
    }

    /// The session; a link that waits after a failure tries again now.
    ///
    /// # Errors
    /// What went wrong last.
    pub(super) async fn session_now(&self) -> Result<Arc<S>, SendError> {
        if let LinkState::Waiting { .. } = self.state() {
            self.again.notify_one();
            let mut state = self.state.clone();
            let moved = state.wait_for(|state| !matches!(state, LinkState::Waiting { .. })).await;
            moved.map_err(|_| SendError::stopping())?;
        }
        self.wait_for_session().await
    }
}

/// How all these links are together: what is wrong with the first of those that do not work, and with how many more.
pub(super) fn overall<S: Live>(links: impl IntoIterator<Item = LinkState<S>>) -> TransportState {
    let (mut all, mut up) = (0_usize, 0_usize);
    let mut wrong: Vec<(Reason, Option<Instant>)> = Vec::new();
    for state in links {
        all += 1;
        match state {
            LinkState::Up(session) if !session.life().is_over() => {
                up += 1;
                wrong.extend(session.trouble().map(|reason| (reason, None)));
            }
            LinkState::Connecting(Some(reason)) => wrong.push((reason, None)),
            LinkState::Waiting { reason, until } => wrong.push((reason, Some(until))),
            LinkState::Idle | LinkState::Connecting(None) | LinkState::Up(_) => {}
        }
    }
    let Some((reason, _)) = wrong.first() else {
        return if up == all { TransportState::Up } else { TransportState::Starting };
    };
    let reason = match wrong.len() - 1 {
        0 => reason.clone(),
        more => Reason::new(reason.kind, format!("{reason} (and {more} more)")),
    };
    if up > 0 {
        return TransportState::Degraded { reason };
    }
    let next = wrong.iter().filter_map(|(_, until)| *until).min();
    let retry_in = next.map(|until| until.saturating_duration_since(Instant::now()).as_millis());
    TransportState::Down { reason, retry_in_ms: retry_in.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX)) }
}

/// A link to `place`, and the task that must be driven for it. `changed` is told whenever its state is another one.
pub(super) fn link<D: Dial>(place: impl Display, dial: D, changed: Arc<Notify>) -> (Link<D::Session>, Keeper<D>) {
    let (tx, state) = watch::channel(LinkState::Idle);
    let (demand, again) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let place = SafeText::line(&place.to_string());
    let board = Board::new(place.clone(), tx, changed);
    (Link { place, state, demand: demand.clone(), again: again.clone() }, Keeper::new(dial, board, demand, again))
}

#[cfg(test)]
mod tests;
