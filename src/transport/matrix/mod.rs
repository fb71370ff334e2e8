//! The `matrix` transport: frames as end-to-end encrypted events in one direct room a peer.
//!
//! Matrix's own encryption (Olm and Megolm) is a second layer: what travels in an event is a frame that is sealed and signed with
//! OpenPGP already. Which device of a peer Matrix encrypts to is therefore not verified; see `docs/transports/matrix.md`.
//!
//! Matrix client-server API 1.11 or later.

mod address;
mod answer;
mod batches;
mod config;
mod content;
mod discovery;
mod events;
mod gate;
mod http;
mod inbox;
mod link;
mod media;
mod outgoing;
mod place;
mod rooms;
mod session;
mod sync;
#[cfg(test)]
mod testing;
mod trouble;
mod vault;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};

pub use self::content::{Content, ContentError, Stored};
use self::{
    config::MatrixSettings,
    http::Http,
    link::Home,
    session::Session,
    trouble::{Trouble, limited},
    vault::Vault,
};
use super::{
    Accepted, ConfigError, Context, EventSink, Kind, Route, SendError, Transport, TransportConfig, TransportState,
    link::{Link, link, overall},
    lock,
    refusals::Refusals,
    running::{Slot, Tasks, blocking, report},
    sending::check_size,
    websocket::tls,
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

/// Frames for one peer in our hands: they take turns in its room, so more would not be faster, only too late. Enough that the room is
/// never idle, and that large ones are brought to the media repository meanwhile.
const IN_HAND: u32 = 4;

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
    running: Slot<Running>,
}

/// What all parts of a run share.
struct Common {
    id: TransportId,
    settings: MatrixSettings,
    vault: Arc<Vault>,
    http: Http,
    sink: EventSink,
    /// Until when the homeserver takes no more events from us.
    limited: Mutex<Option<Instant>>,
    refusals: Refusals,
    changed: Arc<Notify>,
    tasks: Tasks,
}

/// What exists between start and stop.
struct Running {
    common: Arc<Common>,
    link: Link<Session>,
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
            per_peer: Some(IN_HAND),
            guarantee: Guarantee::Confirmed,
            cost: Cost::Shared,
        };
        Self { context, settings, capabilities, running: Slot::default() }
    }

    fn launch(&self, http: Http, sink: EventSink) -> Arc<Running> {
        let id = self.context.id.clone();
        let common = Arc::new(Common {
            id: id.clone(),
            settings: self.settings.clone(),
            vault: Arc::new(Vault::new(self.context.data_dir.clone(), self.context.secret.clone())),
            http,
            sink: sink.clone(),
            limited: Mutex::default(),
            refusals: Refusals::new(id.clone()),
            changed: Arc::new(Notify::new()),
            tasks: Tasks::default(),
        });
        let (changed, tasks) = (common.changed.clone(), common.tasks.clone());
        let (link, keeper) = link(self.settings.user.server_name(), Home(common.clone()), changed.clone());
        tasks.track(keeper.run(tasks.stop().clone()));
        let running = Arc::new(Running { common, link });
        let shown = running.clone();
        tasks.spawn(report(id, sink, changed, move || shown.state()));
        running
    }
}

impl Common {
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
        let changed = self.changed.clone();
        self.tasks.spawn(async move {
            sleep_until(until).await;
            changed.notify_one();
        });
    }

    /// How long the homeserver takes nothing yet.
    fn limited_for(&self) -> Option<Duration> {
        let until = (*lock(&self.limited))?;
        until.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero())
    }
}

impl Running {
    fn state(&self) -> TransportState {
        match (overall([self.link.state()]), self.common.limited_for()) {
            (TransportState::Up, Some(rest)) => TransportState::Degraded { reason: limited(rest) },
            (state, _) => state,
        }
    }
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
        let (ca_file, dir) = (self.settings.ca_file.clone(), self.context.data_dir.clone());
        let prepared = blocking(move || {
            let failed = |error| Reason::new(ReasonKind::Io, format!("{}: {error}", dir.display()));
            gate::clear(&dir).map_err(failed)?;
            Http::new(ca_file.as_deref())
        });
        let http = prepared.await?;
        self.running.fill(|| self.launch(http, sink))
    }

    async fn send(&self, frame: Bytes, route: &Route, deadline: Duration) -> Result<Accepted, SendError> {
        check_size(&frame, limits::ENVELOPE_BYTES)?;
        let user = address::user("address", &route.address);
        let user = user.map_err(|error| SendError::never(ReasonKind::NotConfigured, error))?;
        if user == self.settings.user {
            return Err(SendError::never(ReasonKind::NotConfigured, format!("{user} is this node's own address")));
        }
        let running = self.running.get().map_err(SendError::later)?;
        let carried = timeout(deadline, running.carry(frame, &user, deadline)).await;
        carried.unwrap_or_else(|_| Err(SendError::late("the homeserver", deadline)))
    }

    async fn probe(&self, deadline: Duration) -> Result<Duration, Reason> {
        let running = self.running.get()?;
        let probing = async {
            let session = running.link.wait_for_session().await.map_err(|error| error.reason)?;
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
        if let Some(running) = self.running.take() {
            running.common.tasks.end(&self.context.id).await;
        }
    }
}
