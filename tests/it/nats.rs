//! The nats transport against the real server: messages and acks, crashes, credentials, limits, hostile neighbours.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use async_nats::jetstream;
use bytes::Bytes;
use futures_util::StreamExt as _;
use skcomm_tui::{
    delivery::{Leak, Reason, ReasonKind, Retry},
    node::{Command, Message, Reply, SendRequest},
    transport::{
        Authenticator, Context, EventSink, Inbound, Route, Secret, Transport, TransportEvent, TransportState,
        registry::{TransportConfig, build},
    },
    wire::{Fingerprint, Mode},
};
use tempfile::TempDir;
use tokio::sync::mpsc;

pub(crate) use crate::servers::nats::Nats;
use crate::support::{LIMIT, TestNode, request, until};

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

#[tokio::test]
async fn messages_and_acks_go_both_ways() {
    let Some(nats) = Nats::start("authorization { token: \"s3cret\" }").await else { return };
    let config = nats.config().with("token", "s3cret");
    let (alice, bob) = pair(config.clone(), config).await;
    let there = alice.send("bob", "through the server").await;
    alice.delivered(&there).await;
    let back = bob.send("alice", "and back").await;
    bob.delivered(&back).await;
    assert_eq!(bob.received().await, ["through the server"]);
    assert_eq!(alice.received().await, ["and back"]);
    assert_eq!(state(&alice).await, TransportState::Up);
    assert_eq!(alice.address("nats").await, "skcomm");
}

#[tokio::test]
async fn a_recipient_who_was_away_fetches_what_waits() {
    let Some(nats) = Nats::start("").await else { return };
    let (alice, mut bob) = pair(nats.config(), nats.config()).await;
    bob.stop().await;
    let mut sent = Vec::new();
    for n in 0..20 {
        sent.push(alice.send("bob", &format!("{n}")).await);
    }
    let stored = |s: &skcomm_tui::delivery::MessageState| format!("{s:?}").contains("127.0.0.1");
    alice.wait_for_state(&sent[19], "stored by the server", stored).await;
    bob.restart();
    for message in &sent {
        alice.delivered(message).await;
    }
    let mut received = bob.received().await;
    received.sort_by_key(|text| text.parse::<u32>().unwrap());
    assert_eq!(received, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_server_killed_in_mid_stream_loses_and_repeats_nothing() {
    let Some(mut nats) = Nats::start("").await else { return };
    let (alice, bob) = pair(nats.config(), nats.config()).await;
    let first = alice.send("bob", "first").await;
    alice.delivered(&first).await;
    let mut sent: Vec<Message> = Vec::new();
    for n in 0..60 {
        sent.push(alice.send("bob", &format!("{n}")).await);
        sent.push(bob.send("alice", &format!("{n}")).await);
        if n == 20 {
            nats.kill();
            let reason = down(&alice, ReasonKind::Disconnected).await;
            assert!(reason.to_string().contains("127.0.0.1"), "{reason}");
        }
        if n == 40 {
            nats.revive().await;
        }
    }
    for (n, message) in sent.iter().enumerate() {
        if n % 2 == 0 {
            alice.delivered(message).await
        } else {
            bob.delivered(message).await
        };
    }
    let expected: BTreeMap<String, usize> = (0..60).map(|n| (n.to_string(), 1)).collect();
    for (node, extra) in [(&bob, Some("first")), (&alice, None)] {
        let mut counts = BTreeMap::new();
        for text in node.received().await {
            *counts.entry(text).or_insert(0) += 1;
        }
        assert_eq!(extra.map(|text| counts.remove(text)), extra.map(|_| Some(1)));
        assert_eq!(counts, expected, "{}", node.name);
    }
}

#[tokio::test]
async fn refused_credentials_are_shown_with_the_servers_reason() {
    let Some(nats) = Nats::start("authorization { token: \"s3cret\" }").await else { return };
    let alice = TestNode::start("alice", &[("nats", nats.config().with("token", "wrong"))]).await;
    let reason = down(&alice, ReasonKind::AuthRefused).await;
    let line = reason.to_string();
    assert!(line.contains("authorization violation") && line.contains("credentials"), "{line}");
    assert!(!line.contains("wrong"), "the secret stays out of it: {line}");
}

#[tokio::test]
async fn every_way_to_log_in_works_and_its_counterfeit_does_not() {
    let key = nkeys::KeyPair::new_user();
    let users = format!(
        "authorization {{ users: [ {{ nkey: \"{}\" }}, {{ user: \"me\", password: \"s3cret\" }} ] }}",
        key.public_key()
    );
    let Some(nats) = Nats::start(&users).await else { return };
    let stranger = nkeys::KeyPair::new_user();
    for (config, allowed) in [
        (nats.config().with("user", "me").with("password", "s3cret"), true),
        (nats.config().with("user", "me").with("password", "guess"), false),
        (nats.config().with("nkey", key.seed().unwrap()), true),
        (nats.config().with("nkey", stranger.seed().unwrap()), false),
        (nats.config(), false),
    ] {
        let mut node = Bare::start(1, &config).await;
        if allowed {
            node.up().await;
        } else {
            assert_eq!(node.down().await.kind, ReasonKind::AuthRefused, "{:?}", config.settings.keys());
        }
        node.transport.stop().await;
    }
}

#[tokio::test]
async fn what_the_server_forbids_is_said_and_not_taken_for_silence() {
    let users =
        "authorization { users: [ { user: \"me\", password: \"x\", permissions: { publish: \"elsewhere\" } } ] }";
    let Some(nats) = Nats::start(users).await else { return };
    let config = nats.config().with("user", "me").with("password", "x").with("connect_seconds", 2);
    let mut node = Bare::start(1, &config).await;
    let reason = node.down().await;
    assert_eq!(reason.kind, ReasonKind::AuthRefused, "{reason}");
    assert!(reason.to_string().to_lowercase().contains("permissions violation"), "{reason}");
}

#[tokio::test]
async fn the_permissions_in_the_guide_are_enough_and_keep_others_out() {
    let Some(mut nats) = Nats::start("").await else { return };
    let mut bob = Bare::start(2, &nats.config()).await;
    bob.up().await;
    bob.transport.stop().await;
    let jetstream = jetstream::new(nats.neighbour().await);
    let stream = jetstream.stream_names().next().await.unwrap().unwrap();
    let mailbox = jetstream.get_stream(&stream).await.unwrap().consumer_names().next().await.unwrap().unwrap();
    let page = include_str!("../../docs/transports/nats.md");
    let block = page.split_once("permissions: {").unwrap().1.split_once("```").unwrap().0;
    let block = block
        .replace("MAILBOX", &mailbox)
        .replace("INFO.STREAM", "INFO.\u{1}")
        .replace(".STREAM", &format!(".{stream}"));
    let block = block.replace("INFO.\u{1}", &format!("INFO.{stream}")).replace(&format!("API.{stream}"), "API.STREAM");
    nats.kill();
    nats.configure(&format!(
        "authorization {{ users: [ {{ user: \"bob\", password: \"x\", permissions: {{ {block} }} ] }}"
    ));
    nats.revive().await;
    let config = nats.config().with("user", "bob").with("password", "x").with("connect_seconds", 5);
    let mut bob = Bare::start(2, &config).await;
    bob.up().await;
    bob.send("to myself", 2).await.unwrap();
    bob.inbound("the frame").await.receipt.durable();
    bob.transport.probe(LIMIT).await.unwrap();
    // With the same permissions nobody else's mailbox is open.
    let mut mallory = Bare::start(3, &config).await;
    assert_eq!(mallory.down().await.kind, ReasonKind::AuthRefused);
}

#[tokio::test]
async fn tls_is_checked_against_the_authority_and_wants_our_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let (ca_file, files) = certificates(dir.path());
    let path = |name: &str| files[name].clone();
    let tls = format!(
        "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {ca_file:?}, verify: true }}",
        path("server.pem"),
        path("server.key")
    );
    let Some(nats) = Nats::start(&tls).await else { return };
    let url = format!("tls://localhost:{}", nats.port);
    let trusting = nats.config().with("servers", url.clone()).with("ca_file", ca_file);
    let config = trusting.clone().with("client_cert", path("client.pem")).with("client_key", path("client.key"));
    let (alice, bob) = pair(config.clone(), config.clone()).await;
    let sent = alice.send("bob", "over tls").await;
    alice.delivered(&sent).await;
    assert_eq!(bob.received().await, ["over tls"]);
    // Without our certificate, by another name, without the authority: no connection.
    let by_address = config.clone().with("servers", format!("tls://127.0.0.1:{}", nats.port));
    let mut strange = config.clone();
    strange.settings.remove("ca_file");
    for wrong in [trusting, by_address, strange] {
        let mut node = Bare::start(1, &wrong).await;
        let reason = node.down().await;
        assert_eq!(reason.kind, ReasonKind::Unreachable, "{reason}");
        node.transport.stop().await;
    }
}

/// An authority's certificate, and certificates for a server on localhost and for a client with their keys.
fn certificates(dir: &Path) -> (String, BTreeMap<String, String>) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let mut files = BTreeMap::new();
    let mut write = |name: &str, text: String| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        files.insert(name.to_owned(), path.display().to_string());
    };
    write("ca.pem", ca.self_signed(&ca_key).unwrap().pem());
    let issuer = rcgen::Issuer::new(ca, &ca_key);
    for (name, usage) in
        [("server", rcgen::ExtendedKeyUsagePurpose::ServerAuth), ("client", rcgen::ExtendedKeyUsagePurpose::ClientAuth)]
    {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        write(&format!("{name}.pem"), params.signed_by(&key, &issuer).unwrap().pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
    (files["ca.pem"].clone(), files)
}

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

    async fn send(
        &self,
        frame: impl Into<Bytes>,
        who: u8,
    ) -> Result<skcomm_tui::transport::Accepted, skcomm_tui::transport::SendError> {
        self.transport.send(frame.into(), &route(who), LIMIT).await
    }
}

#[tokio::test]
async fn the_largest_frame_passes_and_one_byte_more_is_refused_by_name() {
    let Some(nats) = Nats::start("max_payload: 65536").await else { return };
    // A limit of our own, then that of the server, which is learned when it is there.
    for (config, most, by) in [
        (nats.config().with("max_frame_bytes", 10_000), 10_000, "10000"),
        (nats.config().with("realm", "other"), 65_536 - 512, "max_payload"),
    ] {
        let mut alice = Bare::start(1, &config).await;
        let mut bob = Bare::start(2, &config).await;
        alice.up().await;
        bob.up().await;
        let route = Route { recipient: fingerprint(2), address: alice.transport.address().unwrap() };
        let frame = Bytes::from(vec![7; most]);
        let accepted = alice.transport.send(frame.clone(), &route, LIMIT).await.unwrap();
        assert!(accepted.stored_by.is_some_and(|by| by.as_str().starts_with("127.0.0.1")));
        assert!(accepted.bytes > most as u64);
        let inbound = bob.inbound("the largest frame").await;
        assert_eq!(inbound.frame, frame);
        inbound.receipt.durable();
        let refused = alice.transport.send(vec![7; most + 1].into(), &route, LIMIT).await.unwrap_err();
        assert_eq!((refused.reason.kind, refused.retry), (ReasonKind::TooLarge, Retry::Never));
        let line = refused.reason.to_string();
        assert!(line.contains(&most.to_string()) && line.contains(by), "{line}");
    }
}

#[tokio::test]
async fn a_full_stream_refuses_and_keeps_what_it_has() {
    let Some(nats) = Nats::start("").await else { return };
    let config = nats.config().with("stream_mib", 1);
    let mut alice = Bare::start(1, &config).await;
    alice.up().await;
    let mut stored = 0_u8;
    let refused = loop {
        match alice.send(vec![stored; 100_000], 2).await {
            Ok(_) => stored += 1,
            Err(refused) => break refused,
        }
        assert!(stored < 20, "the stream has a bound");
    };
    assert_eq!(refused.reason.kind, ReasonKind::NoSpace, "{refused}");
    assert!(stored > 5, "{stored}");
    let mut bob = Bare::start(2, &config).await;
    for n in 0..stored {
        let inbound = bob.inbound("what was stored").await;
        assert_eq!(inbound.frame[0], n);
        inbound.receipt.durable();
    }
    // What was taken makes room.
    until("there is room again", || async { alice.send(vec![99; 100_000], 2).await.ok() }).await;
}

#[tokio::test]
async fn a_frame_stays_until_the_node_has_it_or_refuses_it() {
    let Some(nats) = Nats::start("").await else { return };
    let mut alice = Bare::start(1, &nats.config()).await;
    let mut bob = Bare::start(2, &nats.config()).await;
    alice.up().await;
    alice.send("one", 2).await.unwrap();
    alice.send("one", 2).await.unwrap();
    let first = bob.inbound("the frame").await;
    assert_eq!(first.frame, "one");
    drop(first.receipt);
    let again = bob.inbound("the frame again, because nobody answered for it").await;
    assert_eq!(again.frame, "one", "the server knew the repeated one");
    // Unanswered when the transport stops: given back, and there at the next start.
    bob.transport.stop().await;
    drop(again);
    let mut bob = Bare::start(2, &nats.config()).await;
    bob.inbound("the frame after the restart").await.receipt.durable();
    alice.send("two", 2).await.unwrap();
    bob.inbound("another").await.receipt.refused(Reason::new(ReasonKind::Protocol, "no envelope"));
    let jetstream = jetstream::new(nats.neighbour().await);
    until("nothing is kept of what was taken or refused", || async {
        let name = jetstream.stream_names().next().await?.ok()?;
        let stream = jetstream.get_stream(name).await.ok()?;
        (stream.cached_info().state.messages == 0).then_some(())
    })
    .await;
    assert!(bob.transport.probe(LIMIT).await.unwrap() < LIMIT);
}

#[tokio::test]
async fn foreign_messages_in_our_subject_are_refused_and_cost_no_neighbour() {
    let Some(nats) = Nats::start("").await else { return };
    let (alice, bob) = pair(nats.config(), nats.config()).await;
    let neighbour = nats.neighbour().await;
    let mut seen = neighbour.subscribe("skc.>").await.unwrap();
    neighbour.flush().await.unwrap();
    let sent = alice.send("bob", "before").await;
    alice.delivered(&sent).await;
    let subject = seen.next().await.unwrap().subject;
    let text = subject.to_string();
    let fingerprints = [&alice, &bob].map(|node| node.certificate.clone());
    assert!(text.len() < 80 && !fingerprints.iter().any(|certificate| certificate.contains(&text)), "{text}");
    let jetstream = jetstream::new(neighbour);
    for n in 0..300_u32 {
        let garbage = match n % 3 {
            0 => Bytes::new(),
            1 => Bytes::from(vec![0xff; 1 + n as usize]),
            _ => Bytes::from(format!("{{\"skcomm_version\":\"{}", "[".repeat(n as usize))),
        };
        jetstream.publish(subject.clone(), garbage).await.unwrap().await.unwrap();
    }
    let sent = alice.send("bob", "after").await;
    alice.delivered(&sent).await;
    assert_eq!(bob.received().await, ["before", "after"]);
    until("the refusals are counted", || async {
        let Reply::Status(status) = bob.call(Command::Status).await else { panic!() };
        let counted: u64 = status.refused.values().sum();
        (counted >= 200).then_some(())
    })
    .await;
    assert_eq!(state(&bob).await, TransportState::Up);
}

#[tokio::test]
async fn a_stream_that_would_drop_messages_is_not_used() {
    let Some(nats) = Nats::start("").await else { return };
    let mut alice = Bare::start(1, &nats.config()).await;
    alice.up().await;
    alice.transport.stop().await;
    let jetstream = jetstream::new(nats.neighbour().await);
    let name = jetstream.stream_names().next().await.unwrap().unwrap();
    let mut config = jetstream.get_stream(&name).await.unwrap().cached_info().config.clone();
    config.discard = jetstream::stream::DiscardPolicy::Old;
    config.discard_new_per_subject = false;
    jetstream.update_stream(config).await.unwrap();
    let mut alice = Bare::start(1, &nats.config()).await;
    let reason = alice.down().await;
    assert_eq!(reason.kind, ReasonKind::NotConfigured);
    assert!(reason.to_string().contains(&name), "{reason}");
}

#[tokio::test]
async fn on_the_realms_common_subject_only_the_recipient_takes_a_frame() {
    let Some(nats) = Nats::start("").await else { return };
    let config = nats.config().with("addressing", "realm");
    let (alice, bob) = pair(config.clone(), config.clone()).await;
    let mut carol = Bare::start(3, &config).await;
    carol.up().await;
    assert!(!carol.transport.capabilities().leaks.contains(&Leak::BothEndsToServer));
    // Stealth takes no path that shows who talks to whom: this one does not.
    let sent = alice.send_as(SendRequest { mode: Some(Mode::Stealth), ..request("bob", "to all and one") }).await;
    alice.delivered(&sent).await;
    let sent = alice.send_as(SendRequest { mode: Some(Mode::Broadcast), ..request("bob", "again") }).await;
    alice.delivered(&sent).await;
    assert_eq!(bob.received().await, ["to all and one", "again"]);
    // What carol gets next is what is for her, not what went by before.
    let other = Bare::start(4, &config).await;
    other.send("for carol", 3).await.unwrap();
    assert_eq!(carol.inbound("her frame").await.frame, "for carol");
}

#[tokio::test]
async fn a_silent_server_is_noticed_by_its_missing_heartbeat() {
    let Some(nats) = Nats::start("").await else { return };
    let gate = crate::gate::Gate::before(([127, 0, 0, 1], nats.port).into()).await;
    let config = nats.config().with("servers", format!("nats://{}", gate.address())).with("keepalive_seconds", 1);
    let mut alice = Bare::start(1, &config).await;
    alice.up().await;
    gate.set(crate::gate::Passage::Swallow);
    let refused = alice.transport.send("into nothing".into(), &route(2), Duration::from_secs(1)).await.unwrap_err();
    assert!(matches!(refused.reason.kind, ReasonKind::Timeout | ReasonKind::Disconnected), "{refused}");
    alice.down().await;
    gate.set(crate::gate::Passage::Open);
    alice.up().await;
    alice.send("heard again", 2).await.unwrap();
}
