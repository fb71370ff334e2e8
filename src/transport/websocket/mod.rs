//! The `websocket` transport: frames through relays that keep them until the recipient fetches them.
//!
//! Our own mailbox is on the relays in the setting `relays`, to which a connection is always kept; frames for a
//! peer go to the relay that its route names, over a connection that is made when it is needed. A relay sees
//! sealed frames, who leaves them and for whom: see [`Capabilities::leaks`] and `docs/transports/websocket.md`.

pub(crate) mod address;
mod config;
mod connection;
pub(crate) mod dial;
mod inbox;
mod link;
pub(crate) mod moving;
pub mod protocol;
pub(in crate::transport) mod tls;
mod wires;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{sync::Notify, time::timeout};

use self::{
    address::RelayAddress,
    config::WebsocketSettings,
    connection::Connection,
    dial::{Dialer, Login},
    inbox::{Mail, WINDOW},
    link::Relay,
    protocol::Window,
};
use super::{
    Accepted, ConfigError, Context, EventSink, Kind, Route, SendError, Transport, TransportConfig,
    link::{Link, Links, link},
    running::{Slot, Tasks, blocking, report},
    sending::check_size,
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
    running: Slot<Running>,
}

/// What exists between start and stop.
struct Running {
    settings: WebsocketSettings,
    dialer: Arc<Dialer>,
    links: Links<RelayAddress, Connection>,
    changed: Arc<Notify>,
    tasks: Tasks,
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
            per_peer: None,
            guarantee: Guarantee::Durable,
            cost: Cost::Shared,
        };
        Self { context, settings, capabilities, running: Slot::default() }
    }

    fn launch(&self, tls: Arc<rustls::ClientConfig>, sink: &EventSink) -> Arc<Running> {
        let authenticator = self.context.authenticator.clone();
        let mut running = Running {
            settings: self.settings.clone(),
            dialer: Arc::new(Dialer { authenticator, tls, limit: self.settings.connect }),
            links: Links::new(BTreeMap::new()),
            changed: Arc::new(Notify::new()),
            tasks: Tasks::default(),
        };
        let home = |address: &RelayAddress| {
            let origin = SafeText::line(&address.authority());
            let mail = Mail { id: self.context.id.clone(), sink: sink.clone(), origin };
            (address.clone(), running.link(address, Some(mail)))
        };
        running.links = Links::new(self.settings.relays.iter().map(home).collect());
        let running = Arc::new(running);
        let (shown, changed) = (running.clone(), running.changed.clone());
        running.tasks.spawn(report(self.context.id.clone(), sink.clone(), changed, move || shown.links.state()));
        running
    }
}

impl Running {
    fn link(&self, address: &RelayAddress, mail: Option<Mail>) -> Arc<Link<Connection>> {
        let (receive, token) = match mail {
            Some(_) => (WINDOW, self.settings.token.clone()),
            // The token is not for the relays of others: a proof would let them guess at it.
            None => (Window { messages: 0, bytes: 0 }, None),
        };
        let relay = Relay {
            address: address.clone(),
            login: Login { receive, token },
            mail,
            idle: self.settings.idle,
            keepalive: self.settings.keepalive,
            dialer: self.dialer.clone(),
        };
        let (link, keeper) = link(address.authority(), relay, self.changed.clone());
        self.tasks.track(keeper.run(self.tasks.stop().clone()));
        Arc::new(link)
    }

    fn link_to(&self, address: &RelayAddress) -> Result<Arc<Link<Connection>>, SendError> {
        match self.links.home(address) {
            Some(home) => Ok(home),
            None => self.links.other(address, || self.link(address, None)),
        }
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
        let tls = blocking(move || tls::client_config(ca_file.as_deref())).await?;
        self.running.fill(|| self.launch(tls, &sink))
    }

    async fn send(&self, frame: Bytes, route: &Route, deadline: Duration) -> Result<Accepted, SendError> {
        check_size(&frame, limits::ENVELOPE_BYTES)?;
        let address = RelayAddress::parse("address", &route.address);
        let address = address.map_err(|error| SendError::never(ReasonKind::NotConfigured, error))?;
        let link = self.running.get().map_err(SendError::later)?.link_to(&address)?;
        let sending = async { link.wait_for_session().await?.put(route.recipient, frame).await };
        timeout(deadline, sending).await.unwrap_or_else(|_| Err(SendError::late(address.authority(), deadline)))
    }

    async fn probe(&self, deadline: Duration) -> Result<Duration, Reason> {
        // Without a relay of our own, and before anything was sent, there is nothing that could be broken.
        let Some(link) = self.running.get()?.links.to_probe() else { return Ok(Duration::ZERO) };
        let probing = async { link.session_now().await.map_err(|error| error.reason)?.ping().await };
        timeout(deadline, probing)
            .await
            .unwrap_or_else(|_| Err(Reason::new(ReasonKind::Timeout, "the relay did not answer the probe in time")))
    }

    async fn stop(&self) {
        if let Some(running) = self.running.take() {
            running.tasks.end(&self.context.id).await;
        }
    }
}
