//! The nats transport against the real server. What servers that misbehave do to it is tested beside it.

mod cluster;
mod delivery;
mod limits;
mod login;
mod operator;

use std::sync::Arc;

use bytes::Bytes;
use skcomm_tui::{
    delivery::{Reason, ReasonKind},
    node::{Command, Reply},
    transport::{
        Accepted, Authenticator, Context, EventSink, Inbound, Route, Secret, SendError, Transport, TransportEvent,
        TransportState,
        registry::{TransportConfig, build},
    },
    wire::Fingerprint,
};
use tempfile::TempDir;
use tokio::sync::mpsc;

pub(crate) use crate::servers::nats::Nats;
use crate::support::{LIMIT, TestNode, until};

/// A transport without a node.
struct Bare {
    transport: Arc<dyn Transport>,
    events: mpsc::Receiver<TransportEvent>,
    _dir: TempDir,
}

struct Someone(Fingerprint);

impl Authenticator for Someone {
    fn fingerprint(&self) -> Fingerprint {
        self.0
    }
    fn certificate(&self) -> String {
        String::new()
    }
    fn sign(&self, _challenge: &[u8]) -> Result<String, Reason> {
        Err(Reason::new(ReasonKind::KeyUnusable, "signs nothing"))
    }
}

fn fingerprint(who: u8) -> Fingerprint {
    Fingerprint::from_bytes(&[who; 20]).unwrap()
}

fn route(who: u8) -> Route {
    Route { recipient: fingerprint(who), address: "skcomm".to_owned() }
}

impl Bare {
    async fn start(who: u8, config: &TransportConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let context = Context {
            id: "nats".parse().unwrap(),
            authenticator: Arc::new(Someone(fingerprint(who))),
            data_dir: dir.path().to_owned(),
            secret: Secret::new(zeroize::Zeroizing::new([who; 32])),
        };
        let transport = build(config, context).unwrap();
        let (sink, events): (EventSink, _) = mpsc::channel(64);
        transport.start(sink).await.unwrap();
        Self { transport, events, _dir: dir }
    }

    async fn next<T>(&mut self, why: &str, mut pick: impl FnMut(TransportEvent) -> Option<T>) -> T {
        let search = async {
            loop {
                if let Some(found) = pick(self.events.recv().await.expect("the transport runs")) {
                    return found;
                }
            }
        };
        tokio::time::timeout(LIMIT, search).await.unwrap_or_else(|_| panic!("waited in vain for: {why}"))
    }

    async fn up(&mut self) {
        self.next("up", |event| matches!(event, TransportEvent::State(_, TransportState::Up)).then_some(())).await;
    }

    async fn down(&mut self) -> Reason {
        self.next("down", |event| match event {
            TransportEvent::State(_, TransportState::Down { reason, .. }) => Some(reason),
            _ => None,
        })
        .await
    }

    async fn inbound(&mut self, why: &str) -> Inbound {
        self.next(why, |event| match event {
            TransportEvent::Inbound(inbound) => Some(inbound),
            _ => None,
        })
        .await
    }

    async fn send(&self, frame: impl Into<Bytes>, who: u8) -> Result<Accepted, SendError> {
        self.transport.send(frame.into(), &route(who), LIMIT).await
    }
}

const ROUTE: [(&str, &str); 1] = [("nats", "skcomm")];

async fn pair(alice: TransportConfig, bob: TransportConfig) -> (TestNode, TestNode) {
    let alice = TestNode::start("alice", &[("nats", alice)]).await;
    let bob = TestNode::start("bob", &[("nats", bob)]).await;
    alice.know(&bob, &ROUTE).await;
    bob.know(&alice, &ROUTE).await;
    (alice, bob)
}

async fn state(node: &TestNode) -> TransportState {
    let Reply::Transports(all) = node.call(Command::Transports).await else { panic!() };
    all.into_iter().find(|t| t.transport.as_str() == "nats").unwrap().state
}

/// Waits until the health panel shows the transport down for this kind of reason, and returns the line.
async fn down(node: &TestNode, kind: ReasonKind) -> Reason {
    until(&format!("{} shows {kind:?}", node.name), || async {
        match state(node).await {
            TransportState::Down { reason, .. } if reason.kind == kind => Some(reason),
            _ => None,
        }
    })
    .await
}
