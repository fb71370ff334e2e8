//! The receiving side: accepts connections within limits and hands what they bring to the node.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    time::timeout,
};

use super::{
    config::TcpSettings,
    frame::FrameError,
    session::{self, Budget},
};
use crate::{
    delivery::{Reason, ReasonKind, TransportId},
    transport::{
        EventSink, TransportEvent, TransportState, backoff::Backoff, lock, refusals::Refusals, running::Tasks,
    },
};

/// Shortest and longest wait before a port that is in use is tried again.
const REBIND: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Rest after the system could not accept a connection (no file descriptors left).
const ACCEPT_REST: Duration = Duration::from_millis(200);

/// Why nothing is being received, for the health panel and the probe; none while bound.
pub(super) type Bound = Arc<Mutex<Result<SocketAddr, Reason>>>;

/// The listening side of one transport.
pub(super) struct Listener {
    pub(super) id: TransportId,
    pub(super) settings: Arc<TcpSettings>,
    pub(super) sink: EventSink,
    pub(super) tasks: Tasks,
    pub(super) refusals: Refusals,
    pub(super) bound: Bound,
}

impl Listener {
    /// Binds (again and again until it succeeds) and serves. Ends when dropped or when the node hangs up.
    pub(super) async fn run(self, address: SocketAddr) {
        let mut backoff = Backoff::new(REBIND.0, REBIND.1);
        let this = Arc::new(self);
        loop {
            let error = match TcpListener::bind(address).await.and_then(|l| Ok((l.local_addr()?, l))) {
                Ok((bound, listener)) => {
                    this.set_bound(Ok(bound));
                    if this.report(TransportState::Up).await {
                        this.serve(listener).await;
                    }
                    return;
                }
                Err(error) => error,
            };
            let wait = backoff.fail();
            let reason = bind_reason(address, &error, wait);
            this.set_bound(Err(reason.clone()));
            // Only the listening side is down: sending works, so the transport is not.
            if !this.report(TransportState::Degraded { reason }).await {
                return;
            }
            tokio::time::sleep(wait).await;
        }
    }

    fn set_bound(&self, bound: Result<SocketAddr, Reason>) {
        *lock(&self.bound) = bound;
    }

    async fn report(&self, state: TransportState) -> bool {
        self.sink.send(TransportEvent::State(self.id.clone(), state)).await.is_ok()
    }

    async fn serve(self: &Arc<Self>, listener: TcpListener) {
        let slots = Arc::new(Semaphore::new(self.settings.max_connections));
        let hosts = Arc::new(Hosts::default());
        let budget = Arc::new(Budget::default());
        loop {
            let (stream, from) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    let detail = format!("a connection could not be accepted: {error}");
                    self.refusals.report(&self.sink, Reason::new(ReasonKind::Io, detail));
                    tokio::time::sleep(ACCEPT_REST).await;
                    continue;
                }
            };
            let Ok(slot) = slots.clone().try_acquire_owned() else {
                self.refuse(from, format!("{} connections are open already", self.settings.max_connections));
                continue;
            };
            let Some(host) = hosts.enter(from.ip(), self.settings.max_per_host) else {
                self.refuse(from, format!("{} connections from there are open already", self.settings.max_per_host));
                continue;
            };
            let (this, budget) = (self.clone(), budget.clone());
            self.tasks.spawn(async move {
                let _places = (slot, host);
                this.attend(stream, from, budget).await;
            });
        }
    }

    fn refuse(&self, from: SocketAddr, why: String) {
        self.refusals
            .report(&self.sink, Reason::new(ReasonKind::RateLimited, format!("{from} was turned away: {why}")));
    }

    /// One connection, from greeting to end.
    async fn attend(&self, stream: TcpStream, from: SocketAddr, budget: Arc<Budget>) {
        match session::serve(stream, from, self, &budget).await {
            Ok(()) => tracing::debug!(transport = %self.id, %from, "connection ended"),
            // Networks break: that is no refusal.
            Err(error @ (FrameError::Io(_) | FrameError::Cut | FrameError::Silent(_))) => {
                tracing::info!(transport = %self.id, %from, %error, "connection broke");
            }
            Err(error) => {
                self.refusals.report(&self.sink, Reason::new(ReasonKind::Protocol, format!("{from}: {error}")));
            }
        }
    }
}

fn bind_reason(address: SocketAddr, error: &std::io::Error, wait: Duration) -> Reason {
    let why = match error.kind() {
        std::io::ErrorKind::AddrInUse => format!("{address} is in use by another program"),
        std::io::ErrorKind::PermissionDenied => {
            format!("this user may not listen at {address}: choose a port from 1024 up")
        }
        std::io::ErrorKind::AddrNotAvailable => format!("{address} is not an address of this machine"),
        _ => format!("cannot listen at {address}: {error}"),
    };
    Reason::new(ReasonKind::Io, format!("{why}; tried again in {:.0} s, sending works", wait.as_secs_f32().ceil()))
}

/// How many connections each host has.
#[derive(Default)]
struct Hosts(Mutex<BTreeMap<IpAddr, usize>>);

/// A place among the connections of one host, given back when dropped.
struct Place {
    hosts: Arc<Hosts>,
    host: IpAddr,
}

impl Hosts {
    fn enter(self: &Arc<Self>, ip: IpAddr, most: usize) -> Option<Place> {
        let host = site(ip);
        let mut counts = lock(&self.0);
        let count = counts.entry(host).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Place { hosts: self.clone(), host })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = lock(&self.hosts.0);
        if let Some(count) = counts.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.host);
            }
        }
    }
}

/// What counts as one host: an IPv4 address, or an IPv6 /64, since whoever has one address of it has all.
fn site(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        v4 => v4,
    }
}

/// Waits for `channel` to have room, at most `limit`.
pub(super) async fn push<T>(channel: &mpsc::Sender<T>, item: T, limit: Duration) -> Result<(), FrameError> {
    match timeout(limit, channel.send(item)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(FrameError::Cut),
        Err(_) => Err(FrameError::Slow),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_ipv4_address_or_an_ipv6_net() {
        let hosts = Arc::new(Hosts::default());
        let enter = |ip: &str| hosts.enter(ip.parse().unwrap(), 2);
        let (first, second) = (enter("2001:db8::1"), enter("2001:db8::ffff"));
        assert!(first.is_some() && second.is_some());
        assert!(enter("2001:db8::2").is_none());
        assert!(enter("2001:db8:0:1::2").is_some());
        drop(second);
        assert!(enter("2001:db8::2").is_some());
        let (_a, _b) = (enter("192.0.2.1"), enter("::ffff:192.0.2.1"));
        assert!(enter("192.0.2.1").is_none(), "a mapped address is the same host");
        drop((first, _a, _b));
        assert!(hosts.0.lock().unwrap().is_empty());
    }
}
