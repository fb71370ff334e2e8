//! The end of a link that makes sessions.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{Failure, LinkState, Live};
use crate::{delivery::Reason, transport::backoff::Backoff, wire::SafeText};

/// How often it is looked whether the last user of an unused session has finished.
const LINGER: Duration = Duration::from_millis(20);

/// How fast a link tries again.
#[derive(Clone, Copy, Debug)]
pub(in crate::transport) struct Pace {
    /// The wait after the first failure; it doubles with each.
    pub(in crate::transport) first: Duration,
    /// The longest wait that the failures alone cause.
    pub(in crate::transport) longest: Duration,
    /// A session that lasted this long was a good one: the next failure begins with the shortest wait.
    pub(in crate::transport) good_after: Duration,
}

impl Pace {
    /// That of a server somewhere in the network.
    pub(in crate::transport) const USUAL: Self = Self {
        first: Duration::from_millis(500),
        longest: Duration::from_secs(60),
        good_after: Duration::from_secs(20),
    };
}

/// How a transport makes its sessions, and what goes on while one lasts.
pub(in crate::transport) trait Dial: Send + 'static {
    /// What is made.
    type Session: Live;

    /// How fast it is tried again.
    const PACE: Pace = Pace::USUAL;

    /// Whether a session is made only when somebody asks for it.
    fn is_on_demand(&self) -> bool {
        false
    }

    /// Makes a session, within a time of its own.
    fn dial(&mut self) -> impl Future<Output = Result<Arc<Self::Session>, Failure>> + Send;

    /// Puts the session on the board and attends to it until it has ended, which is a failure, or nobody has needed it for long,
    /// which is none.
    fn attend(
        &mut self,
        session: Arc<Self::Session>,
        board: &Board<Self::Session>,
    ) -> impl Future<Output = Option<Failure>> + Send {
        async move {
            board.up(&session);
            Some(session.life().ended().await)
        }
    }
}

/// Where the state of a link is shown to its users.
#[derive(Debug)]
pub(in crate::transport) struct Board<S> {
    /// The other end, for people.
    pub(in crate::transport) place: SafeText,
    state: watch::Sender<LinkState<S>>,
    changed: Arc<Notify>,
}

impl<S: Live> Board<S> {
    pub(super) fn new(place: SafeText, state: watch::Sender<LinkState<S>>, changed: Arc<Notify>) -> Self {
        Self { place, state, changed }
    }

    /// From now on this session is used.
    pub(in crate::transport) fn up(&self, session: &Arc<S>) {
        self.set(LinkState::Up(session.clone()));
    }

    /// For so long nobody is to send.
    pub(in crate::transport) fn wait(&self, reason: Reason, wait: Duration) -> Instant {
        let until = Instant::now() + wait;
        self.set(LinkState::Waiting { reason, until });
        until
    }

    /// Whether there is a session to send over.
    #[cfg_attr(not(feature = "matrix"), expect(dead_code, reason = "only matrix asks while it synchronises"))]
    pub(in crate::transport) fn is_up(&self) -> bool {
        matches!(*self.state.borrow(), LinkState::Up(_))
    }

    /// Something in the state of the session is another one.
    pub(in crate::transport) fn touch(&self) {
        self.changed.notify_one();
    }

    fn set(&self, state: LinkState<S>) {
        self.state.send_replace(state);
        self.touch();
    }
}

/// Makes the sessions of one link.
pub(in crate::transport) struct Keeper<D: Dial> {
    dial: D,
    board: Board<D::Session>,
    demand: Arc<Notify>,
    again: Arc<Notify>,
    backoff: Backoff,
}

impl<D: Dial> Keeper<D> {
    pub(super) fn new(dial: D, board: Board<D::Session>, demand: Arc<Notify>, again: Arc<Notify>) -> Self {
        Self { dial, board, demand, again, backoff: Backoff::new(D::PACE.first, D::PACE.longest) }
    }

    /// Keeps the link until it is stopped, and then ends its session.
    pub(in crate::transport) async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(self.keep()).await;
        let last = self.board.state.borrow().clone();
        if let LinkState::Up(session) = last {
            session.close();
            session.life().ended().await;
        }
    }

    /// Ends only when a link that is made on demand has no users any more.
    async fn keep(&mut self) {
        let mut last = None;
        loop {
            if self.dial.is_on_demand() && matches!(*self.board.state.borrow(), LinkState::Idle) {
                tokio::select! {
                    () = self.demand.notified() => {}
                    () = self.board.state.closed() => return,
                }
            }
            self.board.set(LinkState::Connecting(last.take()));
            let failure = match self.dial.dial().await {
                Ok(session) => {
                    let began = Instant::now();
                    let failure = self.dial.attend(session, &self.board).await;
                    if began.elapsed() >= D::PACE.good_after {
                        self.backoff.reset();
                    }
                    failure
                }
                Err(failure) => Some(failure),
            };
            match failure {
                Some(failure) => last = Some(self.rest(failure).await),
                None => self.board.set(LinkState::Idle),
            }
        }
    }

    async fn rest(&mut self, failure: Failure) -> Reason {
        let Failure { reason, wait } = failure;
        let wait = self.backoff.fail().max(wait.unwrap_or_default());
        tracing::info!(place = %self.board.place, %reason, ?wait, "a link is down");
        let until = self.board.wait(reason.clone(), wait);
        tokio::select! {
            () = sleep_until(until) => {}
            () = self.again.notified() => {}
        }
        if self.dial.is_on_demand() {
            self.board.set(LinkState::Idle);
        }
        reason
    }
}

/// Until the session ends, which is a failure, or was not used for as long as `idle`, as `unused_for` tells: then it is closed as soon
/// as those who have it have finished, which is none.
pub(in crate::transport) async fn until_unused<S: Live>(
    session: &Arc<S>,
    board: &Board<S>,
    idle: Duration,
    unused_for: impl Fn(&S) -> Duration + Send,
) -> Option<Failure> {
    loop {
        let unused = unused_for(session);
        if unused >= idle {
            break;
        }
        tokio::select! {
            failure = session.life().ended() => return Some(failure),
            () = sleep(idle - unused) => {}
        }
    }
    // From here on nobody new finds it.
    board.set(LinkState::Connecting(None));
    while Arc::strong_count(session) > 1 && !session.life().is_over() {
        sleep(LINGER).await;
    }
    session.close();
    session.life().ended().await;
    None
}
