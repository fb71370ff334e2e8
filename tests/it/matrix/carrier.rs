//! The transport alone, with the test in the place of the node.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use skcomm_tui::{
    delivery::Reason,
    transport::{
        Accepted, Authenticator, Context, Inbound, Route, Secret, SendError, Transport, TransportConfig,
        TransportEvent, TransportState, registry,
    },
    wire::Fingerprint,
};
use tokio::sync::mpsc;

use crate::support::LIMIT;

/// A running transport and what it reports.
pub(crate) struct Carrier {
    pub(crate) transport: Arc<dyn Transport>,
    events: mpsc::Receiver<TransportEvent>,
}

struct Nobody;

impl Authenticator for Nobody {
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::from_bytes(&[7; 20]).unwrap()
    }
    fn certificate(&self) -> String {
        String::new()
    }
    fn sign(&self, _: &[u8]) -> Result<String, Reason> {
        unreachable!("Matrix asks for no signature")
    }
}

impl Carrier {
    /// Starts it with its files in `dir`, and waits until it is up.
    pub(crate) async fn start(config: &TransportConfig, dir: &Path) -> Self {
        let mut this = Self::start_only(config, dir).await;
        this.event("up", |event| match event {
            TransportEvent::State(_, TransportState::Up) => Some(()),
            _ => None,
        })
        .await;
        this
    }

    pub(crate) async fn start_only(config: &TransportConfig, dir: &Path) -> Self {
        let secret = Secret::new(zeroize::Zeroizing::new([9; 32]));
        let data_dir = dir.join("matrix");
        let context = Context { id: "matrix".parse().unwrap(), authenticator: Arc::new(Nobody), data_dir, secret };
        let transport = registry::build(config, context).unwrap();
        let (sink, events) = mpsc::channel(64);
        transport.start(sink).await.unwrap();
        Self { transport, events }
    }

    pub(crate) async fn send(&self, to: &str, frame: impl Into<Bytes>) -> Result<Accepted, SendError> {
        let route = Route { recipient: Fingerprint::from_bytes(&[8; 20]).unwrap(), address: to.to_owned() };
        self.transport.send(frame.into(), &route, LIMIT).await
    }

    pub(crate) async fn event<T>(&mut self, why: &str, mut fits: impl FnMut(TransportEvent) -> Option<T>) -> T {
        let looking = async {
            loop {
                let event = self.events.recv().await.expect("the transport reports");
                if let Some(found) = fits(event) {
                    return found;
                }
            }
        };
        tokio::time::timeout(LIMIT, looking).await.unwrap_or_else(|_| panic!("waited in vain: {why}"))
    }

    pub(crate) async fn inbound(&mut self, why: &str) -> Inbound {
        self.event(why, |event| match event {
            TransportEvent::Inbound(inbound) => Some(inbound),
            _ => None,
        })
        .await
    }

    /// The next frame, made durable.
    pub(crate) async fn take(&mut self, why: &str) -> Bytes {
        let inbound = self.inbound(why).await;
        inbound.receipt.durable();
        inbound.frame
    }

    pub(crate) async fn refusal(&mut self, why: &str) -> String {
        self.event(why, |event| match event {
            TransportEvent::Refused(_, reason) => Some(reason.to_string()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn probe(&self) -> Result<Duration, Reason> {
        self.transport.probe(LIMIT).await
    }
}
