//! The `tcp` transport: frames over direct connections.
//!
//! One connection to each address is kept while it is used; a frame counts as accepted when the peer's node has
//! answered that it is durable there. Envelopes are sealed, so the connection itself is not encrypted; what that
//! gives away is said in [`Capabilities::leaks`] and in `docs/transports/tcp.md`.

mod address;
mod config;
mod dial;
pub mod frame;
mod listen;
mod session;
mod stream;
#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::{Instant, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    address::Address,
    config::TcpSettings,
    dial::Dialer,
    listen::{Bound, Listener},
};
use super::{
    Accepted, ConfigError, Context, EventSink, Kind, Retry, Route, SendError, Transport, TransportConfig,
    TransportEvent, TransportState, refusals::Refusals,
};
use crate::{
    delivery::{Capabilities, Cost, Guarantee, LatencyClass, Leak, Reason, ReasonKind, TransportId},
    wire::limits,
};

/// The registry's line for this kind.
pub const KIND: Kind = Kind {
    name: "tcp",
    summary: "direct connections between machines that reach each other",
    default_priority: 20,
    public_address: true,
    build,
};

/// Frames on one connection that are not yet answered; more wait at the sender.
const WINDOW_FRAMES: usize = 512;
/// How long [`Transport::stop`] waits for the tasks.
const STOP_LIMIT: Duration = Duration::from_secs(3);

fn build(config: &TransportConfig, context: Context) -> Result<Arc<dyn Transport>, ConfigError> {
    Ok(Arc::new(TcpTransport::new(TcpSettings::read(config)?, context.id)))
}

/// Frames over direct connections.
struct TcpTransport {
    id: TransportId,
    settings: Arc<TcpSettings>,
    capabilities: Capabilities,
    running: Mutex<Option<Arc<Running>>>,
}

/// What exists between start and stop.
struct Running {
    token: CancellationToken,
    tracker: TaskTracker,
    dialer: Dialer,
    bound: Bound,
}

impl TcpTransport {
    fn new(settings: TcpSettings, id: TransportId) -> Self {
        let capabilities = Capabilities {
            duplex: settings.listen.is_some(),
            offline: false,
            next_hop_stores: false,
            latency: LatencyClass::Instant,
            max_frame: limits::ENVELOPE_BYTES,
            leaks: vec![Leak::AddressToPeer, Leak::BothEndsToNetwork, Leak::Timing],
            guarantee: Guarantee::Confirmed,
            cost: Cost::Free,
        };
        Self { id, settings: Arc::new(settings), capabilities, running: Mutex::new(None) }
    }

    fn running(&self) -> Result<Arc<Running>, Reason> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.clone().ok_or_else(|| Reason::new(ReasonKind::Stopping, "the transport is not started"))
    }

    fn launch(&self, sink: &EventSink) -> Result<Arc<Running>, Reason> {
        let mut slot = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_some() {
            return Err(Reason::new(ReasonKind::Other, "the transport is started already"));
        }
        let (token, tracker) = (CancellationToken::new(), TaskTracker::new());
        let bound: Bound = Arc::new(Mutex::new(Err(Reason::new(ReasonKind::NotConfigured, "it does not listen"))));
        let dialer = Dialer::new(self.settings.clone(), token.clone(), tracker.clone());
        if let Some(address) = self.settings.listen {
            let listener = Listener {
                id: self.id.clone(),
                settings: self.settings.clone(),
                sink: sink.clone(),
                token: token.clone(),
                tracker: tracker.clone(),
                refusals: Refusals::new(self.id.clone()),
                bound: bound.clone(),
            };
            let token = token.clone();
            tracker.spawn(async move {
                token.run_until_cancelled(listener.run(address)).await;
            });
        }
        let running = Arc::new(Running { token, tracker, dialer, bound });
        *slot = Some(running.clone());
        Ok(running)
    }
}

#[async_trait]
impl Transport for TcpTransport {
    fn id(&self) -> &TransportId {
        &self.id
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn check_address(&self, address: &str) -> Result<(), ConfigError> {
        Address::parse("address", address).map(drop)
    }

    fn address(&self) -> Option<String> {
        self.running().ok()?.bound_at().ok().map(|bound| bound.to_string())
    }

    async fn start(&self, sink: EventSink) -> Result<(), Reason> {
        let running = self.launch(&sink)?;
        if self.settings.listen.is_none() {
            let event = TransportEvent::State(self.id.clone(), TransportState::Up);
            running.tracker.spawn(running.token.clone().run_until_cancelled_owned(async move {
                // A node that hung up is stopping; it needs no state any more.
                let _ = sink.send(event).await;
            }));
        }
        Ok(())
    }

    async fn send(&self, frame: Bytes, route: &Route, deadline: Duration) -> Result<Accepted, SendError> {
        let never = |kind, detail: String| SendError { reason: Reason::new(kind, detail), retry: Retry::Never };
        if frame.is_empty() || frame.len() > limits::ENVELOPE_BYTES {
            let detail = format!("{} bytes; a frame has 1 to {}", frame.len(), limits::ENVELOPE_BYTES);
            return Err(never(ReasonKind::TooLarge, detail));
        }
        let address = Address::parse("address", &route.address);
        let address = address.map_err(|e| never(ReasonKind::NotConfigured, e.to_string()))?;
        let running = self.running().map_err(|reason| SendError { reason, retry: Retry::Later })?;
        timeout(deadline, running.dialer.send(&address, frame)).await.unwrap_or_else(|_| {
            let detail = format!("no answer from {} within {:.1} s", route.address, deadline.as_secs_f32());
            Err(SendError { reason: Reason::new(ReasonKind::Timeout, detail), retry: Retry::Later })
        })
    }

    async fn probe(&self, deadline: Duration) -> Result<Duration, Reason> {
        let running = self.running()?;
        let began = Instant::now();
        if self.settings.listen.is_none() {
            return Ok(began.elapsed());
        }
        let socket = reachable(running.bound_at()?);
        match timeout(deadline, running.dialer.ping(socket)).await {
            Ok(Ok(())) => Ok(began.elapsed()),
            Ok(Err(error)) => {
                Err(Reason::new(ReasonKind::Unreachable, format!("own listener at {socket} does not answer: {error}")))
            }
            Err(_) => {
                Err(Reason::new(ReasonKind::Timeout, format!("own listener at {socket} does not answer in time")))
            }
        }
    }

    async fn stop(&self) {
        let Some(running) = self.running.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        running.token.cancel();
        running.tracker.close();
        if timeout(STOP_LIMIT, running.tracker.wait()).await.is_err() {
            tracing::error!(transport = %self.id, "tasks did not end in time");
        }
    }
}

impl Running {
    fn bound_at(&self) -> Result<SocketAddr, Reason> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Where to reach a listener on this machine: one bound to every address is reached over loopback.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(ip, bound.port())
}
