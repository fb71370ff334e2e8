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
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::{Instant, timeout};

use self::{
    address::Address,
    config::TcpSettings,
    dial::Dialer,
    listen::{Bound, Listener},
};
use super::{
    Accepted, ConfigError, Context, EventSink, Kind, Route, SendError, Transport, TransportConfig, lock,
    refusals::Refusals,
    running::{Slot, Tasks, tell_up},
    sending::check_size,
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

fn build(config: &TransportConfig, context: Context) -> Result<Arc<dyn Transport>, ConfigError> {
    Ok(Arc::new(TcpTransport::new(TcpSettings::read(config)?, context.id)))
}

/// Frames over direct connections.
struct TcpTransport {
    id: TransportId,
    settings: Arc<TcpSettings>,
    capabilities: Capabilities,
    running: Slot<Running>,
}

/// What exists between start and stop.
struct Running {
    tasks: Tasks,
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
            per_peer: None,
            guarantee: Guarantee::Confirmed,
            cost: Cost::Free,
        };
        Self { id, settings: Arc::new(settings), capabilities, running: Slot::default() }
    }

    fn launch(&self, sink: EventSink) -> Arc<Running> {
        let tasks = Tasks::default();
        let bound: Bound = Arc::new(Mutex::new(Err(Reason::new(ReasonKind::NotConfigured, "it does not listen"))));
        let dialer = Dialer::new(self.settings.clone(), tasks.clone());
        match self.settings.listen {
            Some(address) => {
                let listener = Listener {
                    id: self.id.clone(),
                    settings: self.settings.clone(),
                    sink,
                    tasks: tasks.clone(),
                    refusals: Refusals::new(self.id.clone()),
                    bound: bound.clone(),
                };
                tasks.spawn(listener.run(address));
            }
            None => tasks.spawn(tell_up(self.id.clone(), sink)),
        }
        Arc::new(Running { tasks, dialer, bound })
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
        self.running.get().ok()?.bound_at().ok().map(|bound| bound.to_string())
    }

    async fn start(&self, sink: EventSink) -> Result<(), Reason> {
        self.running.fill(|| self.launch(sink))
    }

    async fn send(&self, frame: Bytes, route: &Route, deadline: Duration) -> Result<Accepted, SendError> {
        check_size(&frame, limits::ENVELOPE_BYTES)?;
        let address = Address::parse("address", &route.address);
        let address = address.map_err(|error| SendError::never(ReasonKind::NotConfigured, error))?;
        let running = self.running.get().map_err(SendError::later)?;
        let sent = timeout(deadline, running.dialer.send(&address, frame)).await;
        sent.unwrap_or_else(|_| Err(SendError::late(&route.address, deadline)))
    }

    async fn probe(&self, deadline: Duration) -> Result<Duration, Reason> {
        let running = self.running.get()?;
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
        if let Some(running) = self.running.take() {
            running.tasks.end(&self.id).await;
        }
    }
}

impl Running {
    fn bound_at(&self) -> Result<SocketAddr, Reason> {
        lock(&self.bound).clone()
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
