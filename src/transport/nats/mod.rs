//! The `nats` transport: frames through a JetStream stream that keeps them until the recipient fetches them.
//!
//! All nodes of a *realm* share one stream at one NATS server or cluster. Each has a durable consumer of its own; the
//! subjects are hashes of realm and fingerprint (`names.rs`). A server sees sealed frames and pseudonyms: see
//! [`Capabilities::leaks`] and `docs/transports/nats.md`.

mod address;
mod config;
mod connect;
pub(crate) mod faults;
mod inbox;
mod link;
mod login;
mod mailbox;
pub(crate) mod names;
mod session;
#[cfg(test)]
mod tests;
mod watch;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{
    sync::{Notify, mpsc},
    time::timeout,
};

pub use self::mailbox::{Mailbox, Verdict};
// A relay with its mailboxes in JetStream speaks to the server in the same way.
pub(crate) use self::{
    address::ServerAddress,
    config::NatsSettings,
    connect::{Connection, Purpose},
    login::{Login, private_line},
    names::Names,
    session::HEADER_BYTES,
};
use self::{
    config::check_realm,
    inbox::{Answers, Puller, WINDOW},
    link::Realm,
    names::Addressing,
    session::{Dialer, Session},
};
use super::{
    Accepted, ConfigError, Context, EventSink, Kind, Route, SendError, Transport, TransportConfig,
    handover::Handover,
    link::{Link, link, overall},
    refusals::Refusals,
    running::{Slot, Tasks, blocking, report},
    sending::check_size,
    settings::problem,
};
use crate::delivery::{Capabilities, Cost, Guarantee, LatencyClass, Leak, Reason, ReasonKind, TransportId};

/// The registry's line for this kind.
pub const KIND: Kind = Kind {
    name: "nats",
    summary: "through a NATS JetStream server that keeps messages while the recipient is away",
    default_priority: 35,
    public_address: true,
    build,
};

/// Frames between the puller and the node's end of the inbox.
const QUEUE: usize = 16;
/// How long the last answers may take on their way to the server.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// Checks the settings and makes the transport; touches neither disk nor network.
///
/// # Errors
/// Names the setting at fault.
pub fn build(config: &TransportConfig, context: Context) -> Result<Arc<dyn Transport>, ConfigError> {
    Ok(Arc::new(NatsTransport::new(NatsSettings::read(config)?, context)))
}

/// Frames through JetStream.
struct NatsTransport {
    context: Context,
    settings: NatsSettings,
    capabilities: Capabilities,
    running: Slot<Running>,
}

/// What exists between start and stop.
struct Running {
    link: Arc<Link<Session>>,
    /// Ends first, so that its last answers find a session.
    inbox: Tasks,
    tasks: Tasks,
}

impl NatsTransport {
    fn new(settings: NatsSettings, context: Context) -> Self {
        let mut leaks = vec![Leak::AddressToServer, Leak::Timing];
        if settings.addressing == Addressing::Mailbox {
            // Under pseudonyms, but the same connection fetches one mailbox and fills others.
            leaks.push(Leak::BothEndsToServer);
            if settings.servers.iter().any(|server| !server.tls() && !server.is_loopback()) {
                leaks.push(Leak::BothEndsToNetwork);
            }
        }
        let capabilities = Capabilities {
            duplex: true,
            offline: true,
            next_hop_stores: true,
            latency: LatencyClass::Fast,
            max_frame: settings.max_frame,
            leaks,
            // JetStream acks what it has written but not synced: by default its disk has it within two minutes.
            per_peer: None,
            guarantee: Guarantee::Confirmed,
            cost: Cost::Shared,
        };
        Self { context, settings, capabilities, running: Slot::default() }
    }

    fn launch(&self, login: Login, sink: EventSink) -> Arc<Running> {
        let (queue, deliveries) = mpsc::channel(QUEUE);
        let (id, owner) = (self.context.id.clone(), self.context.authenticator.fingerprint());
        let (names, addressing) = (Names::new(&self.settings.realm), self.settings.addressing);
        let puller = Puller {
            mailbox: Mailbox::of(names.clone(), addressing, owner, self.settings.max_frame),
            queue,
            refusals: Refusals::new(id.clone()),
            sink: sink.clone(),
        };
        let realm = Realm { dialer: Dialer { settings: self.settings.clone(), names, owner, login }, puller };
        let changed = Arc::new(Notify::new());
        let (link, keeper) = link(&id, realm, changed.clone());
        let running = Running { link: Arc::new(link), inbox: Tasks::default(), tasks: Tasks::default() };
        let handover = Handover { id: id.clone(), sink: sink.clone(), queue: deliveries, window: WINDOW };
        running.inbox.track(Answers(running.link.clone()).run(handover, running.inbox.stop().clone()));
        running.tasks.track(keeper.run(running.tasks.stop().clone()));
        let shown = running.link.clone();
        running.tasks.spawn(report(id, sink, changed, move || overall([shown.state()])));
        Arc::new(running)
    }

    /// Only what was sent to our realm reaches anybody.
    fn check_realm(&self, address: &str) -> Result<(), ConfigError> {
        check_realm("address", address)?;
        if address != self.settings.realm {
            let detail =
                format!("an address here is the realm's word, and {} is in {:?}", self.context.id, self.settings.realm);
            return Err(problem("address", detail));
        }
        Ok(())
    }
}

#[async_trait]
impl Transport for NatsTransport {
    fn id(&self) -> &TransportId {
        &self.context.id
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn check_address(&self, address: &str) -> Result<(), ConfigError> {
        self.check_realm(address)
    }

    fn address(&self) -> Option<String> {
        Some(self.settings.realm.clone())
    }

    async fn start(&self, sink: EventSink) -> Result<(), Reason> {
        let settings = self.settings.clone();
        let login = blocking(move || Login::read(&settings)).await?;
        self.running.fill(|| self.launch(login, sink))
    }

    async fn send(&self, frame: Bytes, route: &Route, deadline: Duration) -> Result<Accepted, SendError> {
        check_size(&frame, self.settings.max_frame)?;
        self.check_realm(&route.address).map_err(|error| SendError::never(ReasonKind::NotConfigured, error))?;
        let running = self.running.get().map_err(SendError::later)?;
        let mut used: Option<Arc<Session>> = None;
        let sending = async {
            let session = running.link.wait_for_session().await?;
            used = Some(session.clone());
            session.publish(route.recipient, frame).await
        };
        let sent = timeout(deadline, sending).await;
        sent.unwrap_or_else(|_| {
            let server = used.as_ref().map_or_else(|| "the server".to_owned(), |session| session.server.to_string());
            let SendError { reason, retry } = SendError::late(server, deadline);
            let reason = used.as_ref().map_or(reason.clone(), |session| session.explain(reason));
            Err(SendError { reason, retry })
        })
    }

    async fn probe(&self, deadline: Duration) -> Result<Duration, Reason> {
        let running = self.running.get()?;
        let probing = async { running.link.session_now().await.map_err(|error| error.reason)?.probe().await };
        timeout(deadline, probing)
            .await
            .unwrap_or_else(|_| Err(Reason::new(ReasonKind::Timeout, "the server did not answer the probe in time")))
    }

    async fn stop(&self) {
        let Some(running) = self.running.take() else { return };
        running.inbox.end(&self.context.id).await;
        if let Some(session) = running.link.session() {
            // Acks that are lost cost one redelivery each.
            let _ = timeout(FLUSH_LIMIT, session.client.flush()).await;
        }
        running.tasks.end(&self.context.id).await;
    }
}
