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
pub(crate) mod names;
mod session;
#[cfg(test)]
mod tests;
mod watch;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{
    sync::{mpsc, watch as tokio_watch},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

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
    inbox::{Inbox, Puller},
    link::{Link, Status},
    names::Addressing,
    session::{Dialer, Session},
};
use super::{
    Accepted, ConfigError, Context, EventSink, Kind, Retry, Route, SendError, Transport, TransportConfig,
    refusals::Refusals, settings::problem,
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
/// How long [`Transport::stop`] waits for the tasks.
const STOP_LIMIT: Duration = Duration::from_secs(3);
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
    running: Mutex<Option<Running>>,
}

/// What exists between start and stop.
#[derive(Clone)]
struct Running {
    status: tokio_watch::Receiver<Status>,
    /// Ends the link, last.
    stop: CancellationToken,
    /// Ends the inbox first, so that its last answers find a session.
    stop_inbox: CancellationToken,
    inbox: TaskTracker,
    tasks: TaskTracker,
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
            guarantee: Guarantee::Confirmed,
            cost: Cost::Shared,
        };
        Self { context, settings, capabilities, running: Mutex::new(None) }
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn status(&self) -> Result<tokio_watch::Receiver<Status>, Reason> {
        let running = self.running();
        let running = running.as_ref();
        let running = running.ok_or_else(|| Reason::new(ReasonKind::Stopping, "the transport is not started"))?;
        Ok(running.status.clone())
    }

    fn launch(&self, login: Login, sink: EventSink) -> Result<(), Reason> {
        let mut slot = self.running();
        if slot.is_some() {
            return Err(Reason::new(ReasonKind::Other, "the transport is started already"));
        }
        let (status, seen) = tokio_watch::channel(Status::Connecting);
        let (queue, deliveries) = mpsc::channel(QUEUE);
        let running = Running {
            status: seen.clone(),
            stop: CancellationToken::new(),
            stop_inbox: CancellationToken::new(),
            inbox: TaskTracker::new(),
            tasks: TaskTracker::new(),
        };
        let (id, owner) = (self.context.id.clone(), self.context.authenticator.fingerprint());
        let (names, addressing) = (Names::new(&self.settings.realm), self.settings.addressing);
        let puller = Puller {
            names: names.clone(),
            addressing,
            owner,
            max_frame: self.settings.max_frame,
            queue,
            refusals: Refusals::new(id.clone()),
            sink: sink.clone(),
        };
        let dialer = Dialer { settings: self.settings.clone(), names, owner, login };
        let link = Link { id: id.clone(), dialer, puller, status, sink: sink.clone() };
        let inbox = Inbox { id, sink, queue: deliveries, status: seen, stop: running.stop_inbox.clone() };
        running.inbox.spawn(inbox.run());
        let stop = running.stop.clone();
        running.tasks.spawn(async move { stop.run_until_cancelled(link.run()).await });
        *slot = Some(running);
        Ok(())
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
        let login = tokio::task::spawn_blocking(move || Login::read(&settings)).await;
        let login = login.map_err(|_| Reason::new(ReasonKind::Stopping, "the start was interrupted"))??;
        self.launch(login, sink)
    }

    async fn send(&self, frame: Bytes, route: &Route, deadline: Duration) -> Result<Accepted, SendError> {
        let never = |kind, detail: String| SendError { reason: Reason::new(kind, detail), retry: Retry::Never };
        if frame.is_empty() || frame.len() > self.settings.max_frame {
            let detail = format!("{} bytes; a frame has 1 to {} here", frame.len(), self.settings.max_frame);
            return Err(never(ReasonKind::TooLarge, detail));
        }
        self.check_realm(&route.address).map_err(|error| never(ReasonKind::NotConfigured, error.to_string()))?;
        let status = self.status().map_err(|reason| SendError { reason, retry: Retry::Later })?;
        let mut used: Option<Arc<Session>> = None;
        let sending = async {
            let session = link::session(status).await?;
            used = Some(session.clone());
            session.publish(route.recipient, frame).await
        };
        let sent = timeout(deadline, sending).await;
        sent.unwrap_or_else(|_| {
            let server = used.as_ref().map_or_else(|| "the server".to_owned(), |session| session.server.to_string());
            let detail = format!("no answer from {server} within {:.1} s", deadline.as_secs_f32());
            let reason = Reason::new(ReasonKind::Timeout, detail);
            let reason = used.as_ref().map_or(reason.clone(), |session| session.explain(reason));
            Err(SendError { reason, retry: Retry::Later })
        })
    }

    async fn probe(&self, deadline: Duration) -> Result<Duration, Reason> {
        let status = self.status()?;
        let probing = async { link::session(status).await.map_err(|error| error.reason)?.probe().await };
        timeout(deadline, probing)
            .await
            .unwrap_or_else(|_| Err(Reason::new(ReasonKind::Timeout, "the server did not answer the probe in time")))
    }

    async fn stop(&self) {
        let Some(running) = self.running().take() else { return };
        let session = running.status.borrow().session();
        let ending = async {
            running.stop_inbox.cancel();
            running.inbox.close();
            running.inbox.wait().await;
            if let Some(session) = session {
                // Acks that are lost cost one redelivery each.
                let _ = timeout(FLUSH_LIMIT, session.client.flush()).await;
                session.life.end(Reason::new(ReasonKind::Stopping, "the transport is stopping"));
            }
            running.stop.cancel();
            running.tasks.close();
            running.tasks.wait().await;
        };
        if timeout(STOP_LIMIT, ending).await.is_err() {
            running.stop.cancel();
            tracing::error!(transport = %self.context.id, "tasks did not end in time");
        }
    }
}
