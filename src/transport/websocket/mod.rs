//! The `websocket` transport: frames through relays that keep them until the recipient fetches them.
//!
//! Our own mailbox is on the relays in the setting `relays`, to which a connection is always kept; frames for a
//! peer go to the relay that its route names, over a connection that is made when it is needed. A relay sees
//! sealed frames, who leaves them and for whom: see [`Capabilities::leaks`] and `docs/transports/websocket.md`.

pub(crate) mod address;
mod config;
pub(crate) mod connection;
pub(crate) mod dial;
mod inbox;
mod link;
pub(crate) mod moving;
pub mod protocol;
pub(in crate::transport) mod tls;
mod wires;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    address::RelayAddress,
    config::WebsocketSettings,
    connection::lock,
    dial::{Dialer, Login},
    inbox::{Mail, WINDOW},
    link::{Link, LinkSettings, LinkState, link},
    protocol::Window,
};
use super::{
    Accepted, ConfigError, Context, EventSink, Kind, Retry, Route, SendError, Transport, TransportConfig,
    TransportEvent, TransportState,
};
use crate::{
    delivery::{Capabilities, Cost, Guarantee, LatencyClass, Leak, Reason, ReasonKind, TransportId},
    wire::{SafeText, limits},
};

/// The registry's line for this kind.
pub const KIND: Kind = Kind {
    name: "websocket",
    summary: "through relays that keep messages while the recipient is away",
    default_priority: 30,
    public_address: true,
    build,
};

/// Relays of peers that are remembered at once.
const LINKS: usize = 1024;
/// How long [`Transport::stop`] waits for the tasks.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// Checks the settings and makes the transport; touches neither disk nor network.
///
/// # Errors
/// Names the setting at fault.
pub fn build(config: &TransportConfig, context: Context) -> Result<Arc<dyn Transport>, ConfigError> {
    Ok(Arc::new(WebsocketTransport::new(WebsocketSettings::read(config)?, context)))
}

/// Frames through relays.
struct WebsocketTransport {
    context: Context,
    settings: WebsocketSettings,
    capabilities: Capabilities,
    running: Mutex<Option<Arc<Running>>>,
}

/// What exists between start and stop.
struct Running {
    settings: WebsocketSettings,
    dialer: Arc<Dialer>,
    /// Our own relays.
    homes: BTreeMap<RelayAddress, Arc<Link>>,
    /// The relays of peers.
    others: Mutex<BTreeMap<RelayAddress, Arc<Link>>>,
    /// The relay of a peer that was used last, for a probe when we have none of our own.
    last: Mutex<Option<RelayAddress>>,
    changed: Arc<Notify>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl WebsocketTransport {
    fn new(settings: WebsocketSettings, context: Context) -> Self {
        let mut leaks = vec![Leak::AddressToServer, Leak::BothEndsToServer, Leak::Timing];
        if settings.relays.iter().any(|relay| !relay.tls() && !relay.is_loopback()) {
            leaks.push(Leak::BothEndsToNetwork);
        }
        let capabilities = Capabilities {
            duplex: !settings.relays.is_empty(),
            offline: true,
            next_hop_stores: true,
            latency: LatencyClass::Fast,
            max_frame: limits::ENVELOPE_BYTES,
            leaks,
            guarantee: Guarantee::Durable,
            cost: Cost::Shared,
        };
        Self { context, settings, capabilities, running: Mutex::new(None) }
    }

    fn running(&self) -> Result<Arc<Running>, Reason> {
        lock(&self.running).clone().ok_or_else(|| Reason::new(ReasonKind::Stopping, "the transport is not started"))
    }

    fn launch(&self, tls: Arc<rustls::ClientConfig>, sink: &EventSink) -> Result<(), Reason> {
        let mut slot = lock(&self.running);
        if slot.is_some() {
            return Err(Reason::new(ReasonKind::Other, "the transport is started already"));
        }
        let authenticator = self.context.authenticator.clone();
        let mut running = Running {
            settings: self.settings.clone(),
            dialer: Arc::new(Dialer { authenticator, tls, limit: self.settings.connect }),
            homes: BTreeMap::new(),
            others: Mutex::default(),
            last: Mutex::default(),
            changed: Arc::new(Notify::new()),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        for address in &self.settings.relays {
            let origin = SafeText::line(&address.authority());
            let mail = Mail { id: self.context.id.clone(), sink: sink.clone(), origin };
            let link = running.link(address, Some(mail));
            running.homes.insert(address.clone(), link);
        }
        let running = Arc::new(running);
        let (reporter, stop) = (running.clone(), running.stop.clone());
        let (id, sink) = (self.context.id.clone(), sink.clone());
        running.tasks.spawn(async move { stop.run_until_cancelled(reporter.report(id, sink)).await });
        *slot = Some(running);
        Ok(())
    }
}

impl Running {
    fn link(&self, address: &RelayAddress, mail: Option<Mail>) -> Arc<Link> {
        let (receive, token) = match mail {
            Some(_) => (WINDOW, self.settings.token.clone()),
            // The token is not for the relays of others: a proof would let them guess at it.
            None => (Window { messages: 0, bytes: 0 }, None),
        };
        let settings = LinkSettings {
            address: address.clone(),
            login: Login { receive, token },
            mail,
            idle: self.settings.idle,
            keepalive: self.settings.keepalive,
        };
        let (link, task) = link(settings, self.dialer.clone(), self.changed.clone(), self.stop.clone());
        self.tasks.spawn(task.run());
        Arc::new(link)
    }

    fn link_to(&self, address: &RelayAddress) -> Result<Arc<Link>, SendError> {
        if let Some(home) = self.homes.get(address) {
            return Ok(home.clone());
        }
        let mut others = lock(&self.others);
        if let Some(link) = others.get(address) {
            return Ok(link.clone());
        }
        if others.len() >= LINKS {
            let reason = Reason::new(ReasonKind::QueueFull, format!("more than {LINKS} relays of peers are in use"));
            return Err(SendError { reason, retry: Retry::Later });
        }
        let link = self.link(address, None);
        others.insert(address.clone(), link.clone());
        Ok(link)
    }

    /// Tells the node whenever the state of our own relays changes.
    async fn report(&self, id: TransportId, sink: EventSink) {
        let mut last = None;
        loop {
            let state = self.state();
            if last.as_ref() != Some(&state) {
                last = Some(state.clone());
                if sink.send(TransportEvent::State(id.clone(), state)).await.is_err() {
                    return;
                }
            }
            self.changed.notified().await;
        }
    }

    fn state(&self) -> TransportState {
        let mut up = 0;
        let mut down: Vec<(&RelayAddress, Reason, Option<Instant>)> = Vec::new();
        for (address, link) in &self.homes {
            match link.state() {
                LinkState::Up(connection) if !connection.is_ended() => up += 1,
                LinkState::Connecting(Some(reason)) => down.push((address, reason, None)),
                LinkState::Waiting { reason, until } => down.push((address, reason, Some(until))),
                LinkState::Idle | LinkState::Connecting(None) | LinkState::Up(_) => {}
            }
        }
        let Some((address, reason, _)) = down.first() else {
            return if up == self.homes.len() { TransportState::Up } else { TransportState::Starting };
        };
        let more = if down.len() > 1 { format!(" (and {} more)", down.len() - 1) } else { String::new() };
        let reason = Reason::new(reason.kind, format!("{}: {reason}{more}", address.authority()));
        if up > 0 {
            return TransportState::Degraded { reason };
        }
        let next = down.iter().filter_map(|(_, _, until)| *until).min();
        let retry_in = next.map(|until| until.saturating_duration_since(Instant::now()).as_millis());
        TransportState::Down { reason, retry_in_ms: retry_in.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX)) }
    }

    /// The relay to probe: one of our own that is up, else any of our own, else the one that was used last.
    fn to_probe(&self) -> Option<Arc<Link>> {
        let up = |link: &&Arc<Link>| matches!(link.state(), LinkState::Up(_));
        if let Some(home) = self.homes.values().find(up).or_else(|| self.homes.values().next()) {
            return Some(home.clone());
        }
        let last = lock(&self.last).clone()?;
        lock(&self.others).get(&last).cloned()
    }
}

#[async_trait]
impl Transport for WebsocketTransport {
    fn id(&self) -> &TransportId {
        &self.context.id
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn check_address(&self, address: &str) -> Result<(), ConfigError> {
        RelayAddress::parse("address", address).map(drop)
    }

    fn address(&self) -> Option<String> {
        self.settings.relays.first().map(ToString::to_string)
    }

    async fn start(&self, sink: EventSink) -> Result<(), Reason> {
        let ca_file = self.settings.ca_file.clone();
        let tls = tokio::task::spawn_blocking(move || tls::client_config(ca_file.as_deref())).await;
        let tls = tls.map_err(|_| Reason::new(ReasonKind::Stopping, "the start was interrupted"))??;
        self.launch(tls, &sink)
    }

    async fn send(&self, frame: Bytes, route: &Route, deadline: Duration) -> Result<Accepted, SendError> {
        let never = |kind, detail: String| SendError { reason: Reason::new(kind, detail), retry: Retry::Never };
        if frame.is_empty() || frame.len() > limits::ENVELOPE_BYTES {
            let detail = format!("{} bytes; a frame has 1 to {}", frame.len(), limits::ENVELOPE_BYTES);
            return Err(never(ReasonKind::TooLarge, detail));
        }
        let address = RelayAddress::parse("address", &route.address);
        let address = address.map_err(|error| never(ReasonKind::NotConfigured, error.to_string()))?;
        let running = self.running().map_err(|reason| SendError { reason, retry: Retry::Later })?;
        let link = running.link_to(&address)?;
        if !running.homes.contains_key(&address) {
            *running.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(address.clone());
        }
        let sending = async { link.connection().await?.put(route.recipient, frame).await };
        timeout(deadline, sending).await.unwrap_or_else(|_| {
            let (relay, seconds) = (address.authority(), deadline.as_secs_f32());
            let reason = Reason::new(ReasonKind::Timeout, format!("no answer from {relay} within {seconds:.1} s"));
            Err(SendError { reason, retry: Retry::Later })
        })
    }

    async fn probe(&self, deadline: Duration) -> Result<Duration, Reason> {
        // Without a relay of our own, and before anything was sent, there is nothing that could be broken.
        let Some(link) = self.running()?.to_probe() else { return Ok(Duration::ZERO) };
        let probing = async {
            let connection = link.connection_now().await.map_err(|error| error.reason)?;
            connection.ping().await
        };
        timeout(deadline, probing)
            .await
            .unwrap_or_else(|_| Err(Reason::new(ReasonKind::Timeout, "the relay did not answer the probe in time")))
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
