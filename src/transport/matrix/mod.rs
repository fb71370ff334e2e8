//! The `matrix` transport: frames as end-to-end encrypted events in one direct room a peer.
//!
//! Matrix's own encryption (Olm and Megolm) is a second layer: what travels in an event is a frame that is sealed and signed with
//! OpenPGP already. Which device of a peer Matrix encrypts to is therefore not verified; see `docs/transports/matrix.md`.
//!
//! Matrix client-server API 1.11 or later.

mod address;
mod batches;
mod config;
mod content;
mod events;
mod inbox;
mod media;
mod outgoing;
mod place;
mod rooms;
mod session;
mod sync;
mod trouble;
mod vault;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use matrix_sdk::reqwest;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    config::{LoginWay, MatrixSettings},
    session::{Door, Session},
    sync::{Follower, answer_invitations},
    trouble::{Trouble, limited},
    vault::Vault,
};
use super::{
    Accepted, ConfigError, Context, EventSink, Kind, Retry, Route, SendError, Transport, TransportConfig,
    TransportEvent, TransportState, backoff::Backoff, refusals::Refusals, websocket::tls,
};
use crate::{
    delivery::{Capabilities, Cost, Guarantee, LatencyClass, Leak, Reason, ReasonKind, TransportId},
    wire::limits,
};

/// The registry's line for this kind.
pub const KIND: Kind = Kind {
    name: "matrix",
    summary: "through Matrix homeservers, in an encrypted room with each peer",
    default_priority: 45,
    public_address: true,
    build,
};

/// Waits between logins that failed for want of a connection.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The wait after a login that was refused: nobody's password is to be tried again and again.
const REFUSED_WAIT: Duration = Duration::from_secs(300);
const CONNECT: Duration = Duration::from_secs(10);
/// How long a connection may be silent; longer than the homeserver holds back an answer.
const SILENCE: Duration = Duration::from_secs(90);
/// How long [`Transport::stop`] waits for the tasks.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// Checks the settings and makes the transport; touches neither disk nor network.
///
/// # Errors
/// Names the setting at fault.
pub fn build(config: &TransportConfig, context: Context) -> Result<Arc<dyn Transport>, ConfigError> {
    Ok(Arc::new(MatrixTransport::new(MatrixSettings::read(config)?, context)))
}

/// Frames through Matrix.
struct MatrixTransport {
    context: Context,
    settings: MatrixSettings,
    capabilities: Capabilities,
    running: Mutex<Option<Arc<Running>>>,
}

/// How we stand to the homeserver.
#[derive(Clone)]
enum Link {
    /// Logging in or reading for the first time.
    Starting,
    /// All is well.
    Up(Arc<Session>),
    /// It failed; the next try is due then.
    Waiting { reason: Reason, until: Instant },
}

/// What exists between start and stop.
struct Running {
    id: TransportId,
    settings: MatrixSettings,
    vault: Arc<Vault>,
    http: reqwest::Client,
    sink: EventSink,
    link: watch::Sender<Link>,
    /// Until when the homeserver takes no more events from us.
    limited: Mutex<Option<Instant>>,
    refusals: Refusals,
    changed: Notify,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl MatrixTransport {
    fn new(settings: MatrixSettings, context: Context) -> Self {
        let mut leaks = vec![Leak::AddressToServer, Leak::BothEndsToServer, Leak::Timing];
        if settings.is_open_to_the_network() {
            leaks.push(Leak::BothEndsToNetwork);
        }
        let capabilities = Capabilities {
            duplex: true,
            offline: true,
            next_hop_stores: true,
            latency: LatencyClass::Fast,
            max_frame: limits::ENVELOPE_BYTES,
            leaks,
            // In its database; how well that keeps, the homeserver does not say.
            guarantee: Guarantee::Confirmed,
            cost: Cost::Shared,
        };
        Self { context, settings, capabilities, running: Mutex::new(None) }
    }

    fn running(&self) -> Result<Arc<Running>, Reason> {
        lock(&self.running).clone().ok_or_else(|| Reason::new(ReasonKind::Stopping, "the transport is not started"))
    }

    fn launch(&self, http: reqwest::Client, sink: EventSink) -> Result<(), Reason> {
        let mut slot = lock(&self.running);
        if slot.is_some() {
            return Err(Reason::new(ReasonKind::Other, "the transport is started already"));
        }
        let running = Arc::new(Running {
            id: self.context.id.clone(),
            settings: self.settings.clone(),
            vault: Arc::new(Vault::new(self.context.data_dir.clone(), self.context.secret.clone())),
            http,
            sink,
            link: watch::Sender::new(Link::Starting),
            limited: Mutex::default(),
            refusals: Refusals::new(self.context.id.clone()),
            changed: Notify::new(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        for task in [Task::Report, Task::Sessions] {
            let running = running.clone();
            running.tasks.clone().spawn(async move {
                let stop = running.stop.clone();
                stop.run_until_cancelled(async {
                    match task {
                        Task::Report => running.report().await,
                        Task::Sessions => running.sessions().await,
                    }
                })
                .await
            });
        }
        *slot = Some(running);
        Ok(())
    }
}

/// What runs beside the sends.
#[derive(Clone, Copy)]
enum Task {
    Report,
    Sessions,
}

impl Running {
    /// Logs in and follows the homeserver, again and again.
    async fn sessions(self: &Arc<Self>) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let door = Door { settings: &self.settings, vault: &self.vault, http: &self.http };
            let over = match door.enter().await {
                Ok(session) => {
                    let session = Arc::new(session);
                    let (follower, inbox) = Follower::new(self.clone(), session.clone());
                    let ending = CancellationToken::new();
                    let _end = ending.clone().drop_guard();
                    let (running, stop) = (self.clone(), self.stop.clone());
                    self.tasks.spawn(async move {
                        let answering = answer_invitations(&running, &session);
                        tokio::select! {
                            () = stop.cancelled() => {}
                            () = ending.cancelled() => {}
                            () = async { tokio::join!(inbox, answering); } => {}
                        }
                    });
                    let over = follower.follow().await;
                    backoff.reset();
                    over
                }
                Err(trouble) => trouble,
            };
            let wait = self.after(&door, &over, &mut backoff).await;
            if wait > Duration::ZERO {
                self.set_link(Link::Waiting { reason: over.reason, until: Instant::now() + wait });
                sleep(wait).await;
            }
        }
    }

    /// How long to wait before the next login.
    async fn after(&self, door: &Door<'_>, over: &Trouble, backoff: &mut Backoff) -> Duration {
        if let Some(gone) = over.token_gone {
            if let Err(reason) = door.forget(gone).await {
                tracing::error!(transport = %self.id, %reason, "the old session is not forgotten");
            } else if matches!(self.settings.login, LoginWay::Password(_)) {
                tracing::warn!(transport = %self.id, reason = %over.reason, "logging in again");
                // Not at once, in case the homeserver takes tokens back as fast as it gives them.
                return backoff.fail();
            }
        }
        match over.reason.kind {
            _ if over.wait.is_some() => over.wait.unwrap_or_default(),
            ReasonKind::AuthRefused | ReasonKind::NotConfigured => REFUSED_WAIT,
            _ => backoff.fail(),
        }
    }

    fn set_link(&self, link: Link) {
        self.link.send_replace(link);
        self.changed.notify_one();
    }

    fn is_up(&self) -> bool {
        matches!(*self.link.borrow(), Link::Up(_))
    }

    /// Counts and reports what came in and was no frame.
    fn refuse(&self, reason: Reason) {
        self.refusals.report(&self.sink, reason);
    }

    /// The homeserver takes nothing for a while.
    fn limit(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut limited = lock(&self.limited);
        *limited = Some(limited.map_or(until, |before| before.max(until)));
        drop(limited);
        self.changed.notify_one();
    }

    /// How long the homeserver takes nothing yet.
    fn limited_for(&self) -> Option<Duration> {
        let until = (*lock(&self.limited))?;
        until.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero())
    }

    /// The session; waits while it is being made.
    async fn session(&self) -> Result<Arc<Session>, SendError> {
        let mut link = self.link.subscribe();
        let stopping = |_| SendError {
            reason: Reason::new(ReasonKind::Stopping, "the transport is stopping"),
            retry: Retry::Later,
        };
        let link = link.wait_for(|link| !matches!(link, Link::Starting)).await.map_err(stopping)?.clone();
        match link {
            Link::Up(session) => Ok(session),
            Link::Waiting { reason, until } => {
                let wait = until.saturating_duration_since(Instant::now());
                Err(SendError { reason, retry: Retry::After(wait) })
            }
            Link::Starting => Err(SendError {
                reason: Reason::new(ReasonKind::Unreachable, "the transport is starting"),
                retry: Retry::Later,
            }),
        }
    }

    /// Tells the node whenever the state changes.
    async fn report(&self) {
        let mut last = None;
        loop {
            let state = self.state();
            if last.as_ref() != Some(&state) {
                last = Some(state.clone());
                if self.sink.send(TransportEvent::State(self.id.clone(), state)).await.is_err() {
                    return;
                }
            }
            let limit = *lock(&self.limited);
            tokio::select! {
                () = self.changed.notified() => {}
                () = sleep_until(limit.unwrap_or_else(Instant::now)), if self.limited_for().is_some() => {}
            }
        }
    }

    fn state(&self) -> TransportState {
        match &*self.link.borrow() {
            Link::Starting => TransportState::Starting,
            Link::Up(_) => match self.limited_for() {
                Some(rest) => TransportState::Degraded { reason: limited(rest) },
                None => TransportState::Up,
            },
            Link::Waiting { reason, until } => {
                let wait = until.saturating_duration_since(Instant::now()).as_millis();
                let retry_in_ms = Some(u64::try_from(wait).unwrap_or(u64::MAX));
                TransportState::Down { reason: reason.clone(), retry_in_ms }
            }
        }
    }
}

/// A client that trusts whom the other transports trust, and uses no proxy that it was not told about.
fn http_client(ca_file: Option<&std::path::Path>) -> Result<reqwest::Client, Reason> {
    let tls = tls::client_config(ca_file)?;
    let builder =
        reqwest::Client::builder().user_agent("skcomm-tui").tls_backend_preconfigured((*tls).clone()).no_proxy();
    let builder = builder.connect_timeout(CONNECT).read_timeout(SILENCE);
    builder.build().map_err(|error| Reason::new(ReasonKind::Other, format!("HTTP: {}", trouble::with_causes(&error))))
}

#[async_trait]
impl Transport for MatrixTransport {
    fn id(&self) -> &TransportId {
        &self.context.id
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn check_address(&self, address: &str) -> Result<(), ConfigError> {
        address::user("address", address).map(drop)
    }

    fn address(&self) -> Option<String> {
        Some(self.settings.user.to_string())
    }

    async fn start(&self, sink: EventSink) -> Result<(), Reason> {
        let ca_file = self.settings.ca_file.clone();
        let http = place::blocking(move || http_client(ca_file.as_deref())).await?;
        self.launch(http, sink)
    }

    async fn send(&self, frame: Bytes, route: &Route, deadline: Duration) -> Result<Accepted, SendError> {
        let never = |kind, detail: String| SendError { reason: Reason::new(kind, detail), retry: Retry::Never };
        if frame.is_empty() || frame.len() > limits::ENVELOPE_BYTES {
            let detail = format!("{} bytes; a frame has 1 to {}", frame.len(), limits::ENVELOPE_BYTES);
            return Err(never(ReasonKind::TooLarge, detail));
        }
        let user = address::user("address", &route.address);
        let user = user.map_err(|error| never(ReasonKind::NotConfigured, error.to_string()))?;
        if user == self.settings.user {
            return Err(never(ReasonKind::NotConfigured, format!("{user} is this node's own address")));
        }
        let running = self.running().map_err(|reason| SendError { reason, retry: Retry::Later })?;
        timeout(deadline, running.carry(frame, &user, deadline)).await.unwrap_or_else(|_| {
            let seconds = deadline.as_secs_f32();
            let reason =
                Reason::new(ReasonKind::Timeout, format!("the homeserver did not take it within {seconds:.1} s"));
            Err(SendError { reason, retry: Retry::Later })
        })
    }

    async fn probe(&self, deadline: Duration) -> Result<Duration, Reason> {
        let running = self.running()?;
        let probing = async {
            let session = running.session().await.map_err(|error| error.reason)?;
            let began = Instant::now();
            // Also tells whether our token is still good.
            session.client.whoami().await.map_err(|error| Trouble::from(error).reason)?;
            Ok(began.elapsed())
        };
        timeout(deadline, probing).await.unwrap_or_else(|_| {
            Err(Reason::new(ReasonKind::Timeout, "the homeserver did not answer the probe in time"))
        })
    }

    async fn stop(&self) {
        let Some(running) = lock(&self.running).take() else { return };
        running.stop.cancel();
        running.tasks.close();
        if timeout(STOP_LIMIT, running.tasks.wait()).await.is_err() {
            tracing::error!(transport = %self.context.id, "tasks did not end in time");
        }
    }
}

/// Locks; what was behind a lock when somebody panicked is still usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
