use std::sync::Mutex;

use tokio::{sync::mpsc, time::advance};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::transport::lock;

#[derive(Debug, Default)]
struct Session {
    life: Life,
    unused: Mutex<Duration>,
}

impl Session {
    fn breaks(&self, failure: Failure) {
        self.life.end(failure);
        self.life.finish();
    }
}

impl Live for Session {
    fn life(&self) -> &Life {
        &self.life
    }

    fn close(&self) {
        self.breaks(Failure::new(ReasonKind::Stopping, "closed"));
    }
}

/// Dials with the outcomes that the test puts in.
struct Scripted {
    outcomes: mpsc::Receiver<Result<Arc<Session>, Failure>>,
    idle: Option<Duration>,
}

impl Dial for Scripted {
    type Session = Session;

    const PACE: Pace = Pace { good_after: Duration::from_secs(5), ..Pace::USUAL };

    fn is_on_demand(&self) -> bool {
        self.idle.is_some()
    }

    async fn dial(&mut self) -> Result<Arc<Session>, Failure> {
        self.outcomes.recv().await.unwrap()
    }

    async fn attend(&mut self, session: Arc<Session>, board: &Board<Session>) -> Option<Failure> {
        board.up(&session);
        match self.idle {
            Some(idle) => until_unused(&session, board, idle, |session| *lock(&session.unused)).await,
            None => Some(session.life.ended().await),
        }
    }
}

struct Rig {
    link: Arc<Link<Session>>,
    outcomes: mpsc::Sender<Result<Arc<Session>, Failure>>,
    changed: Arc<Notify>,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

fn rig(idle: Option<Duration>) -> Rig {
    let (outcomes, outcome) = mpsc::channel(8);
    let (changed, stop) = (Arc::new(Notify::new()), CancellationToken::new());
    let (link, keeper) = link("there", Scripted { outcomes: outcome, idle }, changed.clone());
    let running = tokio::spawn(keeper.run(stop.clone()));
    Rig { link: Arc::new(link), outcomes, changed, stop, running }
}

impl Rig {
    async fn dialled(&self, outcome: Result<Arc<Session>, Failure>) {
        self.outcomes.send(outcome).await.unwrap();
    }

    /// Waits until the link is as `wanted`.
    async fn until(&self, wanted: impl Fn(&LinkState<Session>) -> bool) -> LinkState<Session> {
        self.link.state.clone().wait_for(wanted).await.unwrap().clone()
    }

    /// The wait after the next failure.
    async fn waits(&self) -> Duration {
        let state = self.until(|state| matches!(state, LinkState::Waiting { .. })).await;
        let LinkState::Waiting { until, .. } = state else { unreachable!() };
        until - Instant::now()
    }
}

fn refused(wait: Option<u64>) -> Failure {
    Failure { wait: wait.map(Duration::from_secs), ..Failure::new(ReasonKind::Unreachable, "nobody is there") }
}

#[tokio::test(start_paused = true)]
async fn who_sends_waits_for_the_dial_and_is_refused_with_its_reason() {
    let rig = rig(None);
    let (link, asking) = (rig.link.clone(), rig.link.clone());
    let asking = tokio::spawn(async move { asking.wait_for_session().await });
    rig.until(|state| matches!(state, LinkState::Connecting(None))).await;
    rig.dialled(Err(refused(Some(30)))).await;
    let error = asking.await.unwrap().unwrap_err();
    assert_eq!(error.reason.to_string(), "nobody is there");
    assert!(matches!(error.retry, Retry::After(wait) if wait > Duration::from_secs(29)), "{:?}", error.retry);
    // A probe does not wait that long.
    let probing = tokio::spawn(async move { link.session_now().await });
    let before = rig.until(|state| matches!(state, LinkState::Connecting(Some(_)))).await;
    let LinkState::Connecting(Some(reason)) = &before else { unreachable!() };
    assert_eq!(reason.to_string(), "nobody is there", "it stays to be seen while it is tried again");
    assert!(matches!(overall([before]), TransportState::Down { retry_in_ms: None, .. }));
    let session = Arc::<Session>::default();
    rig.dialled(Ok(session.clone())).await;
    assert!(Arc::ptr_eq(&probing.await.unwrap().unwrap(), &session));
    assert!(rig.link.session().is_some());
    assert_eq!(overall([rig.link.state()]), TransportState::Up);
}

#[tokio::test(start_paused = true)]
async fn waits_grow_and_start_over_after_a_good_session() {
    let rig = rig(None);
    let mut last = Duration::ZERO;
    for _ in 0..5 {
        rig.dialled(Err(refused(None))).await;
        let wait = rig.waits().await;
        assert!(wait > last, "{wait:?} after {last:?}");
        last = wait;
        rig.until(|state| matches!(state, LinkState::Connecting(_))).await;
    }
    // One that breaks at once is no good one.
    for (lasts, shortest) in [(0, false), (6, true)] {
        let session = Arc::<Session>::default();
        rig.dialled(Ok(session.clone())).await;
        rig.until(|state| matches!(state, LinkState::Up(_))).await;
        advance(Duration::from_secs(lasts)).await;
        session.breaks(refused(None));
        assert!(rig.link.session().is_none(), "nobody is given what is over");
        assert_eq!(rig.waits().await < Duration::from_secs(1), shortest);
        rig.until(|state| matches!(state, LinkState::Connecting(_))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn on_demand_means_made_when_asked_for_and_closed_when_unused() {
    let rig = rig(Some(Duration::from_secs(60)));
    let session = Arc::<Session>::default();
    rig.dialled(Ok(session.clone())).await;
    advance(Duration::from_secs(3600)).await;
    assert!(matches!(rig.link.state(), LinkState::Idle), "nobody asked");
    let held = rig.link.wait_for_session().await.unwrap();
    drop(session);
    advance(Duration::from_secs(59)).await;
    assert!(rig.link.session().is_some());
    *lock(&held.unused) = Duration::from_secs(60);
    rig.until(|state| matches!(state, LinkState::Connecting(None))).await;
    assert!(!held.life.is_over(), "who has it may finish");
    drop(held);
    rig.until(|state| matches!(state, LinkState::Idle)).await;
    assert!(!rig.running.is_finished());
    drop(rig.link);
    rig.running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_session_and_those_who_wait() {
    let up = rig(None);
    let session = Arc::<Session>::default();
    up.dialled(Ok(session.clone())).await;
    up.until(|state| matches!(state, LinkState::Up(_))).await;
    let connecting = rig(None);
    let asking = connecting.link.clone();
    let asking = tokio::spawn(async move { asking.wait_for_session().await });
    for rig in [up, connecting] {
        rig.stop.cancel();
        rig.running.await.unwrap();
    }
    assert_eq!(session.life.cause().reason.kind, ReasonKind::Stopping);
    assert_eq!(asking.await.unwrap().unwrap_err().reason.kind, ReasonKind::Stopping);
}

#[tokio::test(start_paused = true)]
async fn the_state_of_many_names_the_first_that_is_wrong_and_counts_the_others() {
    let until = Instant::now() + Duration::from_secs(3);
    let up = || LinkState::Up(Arc::<Session>::default());
    let waiting = || LinkState::Waiting { reason: refused(None).reason, until };
    let down = |retry_in_ms, text: &str| TransportState::Down {
        reason: Reason::new(ReasonKind::Unreachable, text),
        retry_in_ms,
    };
    assert_eq!(overall::<Session>([]), TransportState::Up);
    assert_eq!(overall([up(), LinkState::Connecting(None)]), TransportState::Starting);
    assert_eq!(overall([waiting()]), down(Some(3000), "nobody is there"));
    assert_eq!(overall([waiting(), waiting()]), down(Some(3000), "nobody is there (and 1 more)"));
    let degraded = TransportState::Degraded { reason: refused(None).reason };
    assert_eq!(overall([waiting(), up()]), degraded);
}

#[tokio::test(start_paused = true)]
async fn too_many_links_push_out_the_idle_ones_only() {
    let links: Links<u32, Session> = Links::new(std::collections::BTreeMap::new());
    let mut rigs = Vec::new();
    let mut make = |number: u32| {
        let rig = rig(Some(Duration::from_secs(60)));
        links.other(&number, || rig.link.clone()).map(|_| rigs.push((rig.outcomes, rig.running, rig.changed, rig.stop)))
    };
    for number in 0..1024 {
        make(number).unwrap();
    }
    make(1024).unwrap();
    assert!(links.to_probe().is_some(), "the one that was used last");
}
