//! A homeserver that answers without an end: what it costs the node, and what the node says about it.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::{Request, Response, StatusCode, body::Frame, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::json;
use skcomm_tui::{
    node::{Command, Reply},
    transport::registry::TransportConfig,
};
use tokio::{net::TcpListener, task::JoinHandle};

use super::{down, up};
use crate::support::{TestNode, until};

const MIB: usize = 1024 * 1024;
/// More than what lies in the buffers of a loopback connection.
const BUFFERS: usize = 24 * MIB;
/// Where it gives up sending for ever.
const ENOUGH: usize = 256 * MIB;
const USER: &str = "@a:hostile.test";

/// How it answers those requests whose path ends so.
#[derive(Clone, Copy, PartialEq)]
enum Malice {
    Endless(&'static str),
    Announced(&'static str),
}

#[derive(Default)]
struct Hostile {
    malice: Mutex<Option<Malice>>,
    /// What of each malicious answer was taken, in bytes.
    taken: Mutex<Vec<usize>>,
    /// The queries of all requests for what is new.
    asked: Mutex<Vec<String>>,
}

impl Hostile {
    async fn start() -> (Arc<Self>, SocketAddr, JoinHandle<()>) {
        // More than one TLS provider is linked; programs choose in main, tests here.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (this, address) = (Arc::new(Self::default()), listener.local_addr().unwrap());
        let shared = this.clone();
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let this = shared.clone();
                let service = service_fn(move |request| {
                    let this = this.clone();
                    async move { Ok::<_, Infallible>(this.answer(&request)) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        (this, address, serving)
    }

    fn set(&self, malice: Option<Malice>) {
        *self.malice.lock().unwrap() = malice;
        self.taken.lock().unwrap().clear();
        self.asked.lock().unwrap().clear();
    }

    /// The most that was taken of one answer since the last change.
    fn taken(&self) -> usize {
        self.taken.lock().unwrap().iter().copied().max().unwrap_or_default()
    }

    /// Whether so many events of a room were asked for.
    fn asked_for(&self, events: u32) -> bool {
        let limit = |end: &str| format!("%22limit%22%3A{events}%{end}");
        self.asked.lock().unwrap().iter().any(|query| query.contains(&limit("2C")) || query.contains(&limit("7D")))
    }

    fn answer<B>(self: &Arc<Self>, request: &Request<B>) -> Response<BoxBody<Bytes, Infallible>> {
        let path = request.uri().path();
        if path.ends_with("/sync") {
            self.asked.lock().unwrap().push(request.uri().query().unwrap_or_default().to_owned());
        }
        let malice = *self.malice.lock().unwrap();
        match malice {
            Some(Malice::Endless(end)) if path.ends_with(end) => return Response::new(self.endless()),
            Some(Malice::Announced(end)) if path.ends_with(end) => {
                let response = Response::builder().header("content-length", 1_u64 << 40);
                return response.body(self.endless()).unwrap();
            }
            _ => {}
        }
        let (status, told) = match path.rsplit('/').next().unwrap() {
            "versions" => (StatusCode::OK, json!({"versions": ["v1.11"]})),
            "login" => (StatusCode::OK, json!({"user_id": USER, "access_token": "t", "device_id": "D"})),
            "sync" => (StatusCode::OK, json!({"next_batch": "s1"})),
            "upload" => (StatusCode::OK, json!({"one_time_key_counts": {"signed_curve25519": 50}})),
            "query" => (StatusCode::OK, json!({"device_keys": {}})),
            "whoami" => (StatusCode::OK, json!({"user_id": USER, "device_id": "D"})),
            _ => (StatusCode::NOT_FOUND, json!({"errcode": "M_UNRECOGNIZED", "error": "unknown"})),
        };
        let mut response = Response::new(Full::from(told.to_string()).boxed());
        *response.status_mut() = status;
        response
    }

    fn endless(self: &Arc<Self>) -> BoxBody<Bytes, Infallible> {
        let (this, chunk) = (self.clone(), Bytes::from(vec![b' '; 64 * 1024]));
        let number = {
            let mut taken = self.taken.lock().unwrap();
            taken.push(0);
            taken.len() - 1
        };
        let chunks = stream::iter((0..ENOUGH / chunk.len()).map(move |_| {
            if let Some(taken) = this.taken.lock().unwrap().get_mut(number) {
                *taken += chunk.len();
            }
            Ok(Frame::data(chunk.clone()))
        }));
        StreamBody::new(chunks).boxed()
    }
}

/// Waits until the reason for which the node is not connected is this one.
async fn told(node: &TestNode, wanted: &str) {
    until(wanted, || async { (down(node).await == wanted).then_some(()) }).await;
}

#[tokio::test]
async fn a_homeserver_that_answers_without_an_end_costs_no_memory_and_is_named() {
    let (hostile, address, _serving) = Hostile::start().await;
    hostile.set(Some(Malice::Endless("/login")));
    let config = TransportConfig::new("matrix").with("user", USER).with("password", "p");
    let node = TestNode::start("alice", &[("matrix", config.with("homeserver", format!("http://{address}")))]).await;
    let small = format!("login of {USER}: the homeserver sends more than 1 MiB in one answer");
    told(&node, &small).await;
    assert!((1..MIB + BUFFERS).contains(&hostile.taken()), "{} bytes were taken", hostile.taken());
    hostile.set(Some(Malice::Announced("/login")));
    until("it has logged in again", || async { (hostile.taken() > 0).then_some(()) }).await;
    told(&node, &small).await;
    hostile.set(None);
    up(&node).await;

    let large = "the homeserver sends more than 32 MiB in one answer";
    for malice in [Malice::Endless("/sync"), Malice::Announced("/sync")] {
        hostile.set(Some(malice));
        told(&node, large).await;
        let most = if malice == Malice::Endless("/sync") { 32 * MIB } else { 0 } + BUFFERS;
        assert!((1..most).contains(&hostile.taken()), "{} bytes were taken", hostile.taken());
        until("fewer events are asked for", || async { hostile.asked_for(1).then_some(()) }).await;
        let Reply::Transports(all) = node.call(Command::Transports).await else { panic!() };
        assert_eq!(all.len(), 1, "the node lives");
        hostile.set(None);
        up(&node).await;
    }
}
