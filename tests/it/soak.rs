//! One long conversation over every transport that is built in, while they are killed and revived at random: everything
//! arrives once, in order within its thread, and the ledger explains every message.
//!
//! `SKCOMM_SOAK_MINUTES` lets it go on for so long, `SKCOMM_SOAK_SEED` repeats one course of events.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rand::{
    RngExt as _, SeedableRng as _,
    rngs::StdRng,
    seq::{IndexedRandom as _, SliceRandom as _},
};
use skcomm_tui::{
    delivery::{AttemptOutcome, MessageState, TransportId},
    node::{Command, HistoryQuery, Message, Reply, SendRequest, Trace},
    serve::{Relay, RelayConfig},
    transport::registry::TransportConfig,
    wire::{EnvelopeId, Mode},
};
use tempfile::TempDir;

use crate::{
    gate::{BlackHole, Gate, Passage},
    support::{TestNode, folder, request, tcp, until_within},
};

/// Messages each way in one round.
const MESSAGES: usize = 1_000;
/// Threads they are spread over.
const THREADS: usize = 4;
/// Time between two pairs of messages.
const PACE: Duration = Duration::from_millis(15);
/// Pairs of messages between two blows.
const BETWEEN_BLOWS: usize = 20;
/// How long the rest may take to arrive once everything works again.
const SETTLED_WITHIN: Duration = Duration::from_secs(240);

/// A transport, and how to break it.
struct Way {
    id: &'static str,
    gates: Vec<Gate>,
    folder: Option<PathBuf>,
    broken: bool,
}

impl Way {
    fn gated(id: &'static str, gates: Vec<Gate>) -> Self {
        Self { id, gates, folder: None, broken: false }
    }

    fn knock(&mut self, rng: &mut StdRng) {
        let passage = *[Passage::Shut, Passage::Swallow].choose(rng).unwrap();
        self.gates.iter().for_each(|gate| gate.set(passage));
        if let Some(folder) = &self.folder {
            std::fs::rename(folder, away(folder)).unwrap();
        }
        self.broken = true;
    }

    fn mend(&mut self) {
        self.gates.iter().for_each(|gate| gate.set(Passage::Open));
        if let Some(folder) = &self.folder {
            std::fs::rename(away(folder), folder).unwrap();
        }
        self.broken = false;
    }
}

fn away(folder: &Path) -> PathBuf {
    folder.with_extension("away")
}

/// A relay that lives as long as the test.
async fn relay(data: &Path) -> SocketAddr {
    let mut config = RelayConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)), data.to_owned());
    // It is dialled at its gate, on another port.
    config.hosts = vec!["127.0.0.1".to_owned()];
    let relay = Relay::bind(config).await.unwrap();
    let address = relay.address();
    tokio::spawn(relay.run(std::future::pending()));
    address
}

/// A server with a gate before it, and how the two reach it.
struct Network {
    id: &'static str,
    gate: Gate,
    transports: [TransportConfig; 2],
    /// The addresses of the two; none when each node says its own.
    routes: Option<[String; 2]>,
    /// Lives as long as this does.
    process: Box<dyn std::any::Any + Send>,
}

async fn behind_a_gate(relay: SocketAddr) -> Network {
    let gate = Gate::before(relay).await;
    let url = format!("ws://{}", gate.address());
    let transport = TransportConfig::new("websocket").with("relays", url.clone()).with("keepalive_seconds", 1);
    let transports = [transport.clone(), transport];
    Network { id: "relay", gate, transports, routes: Some([url.clone(), url]), process: Box::new(()) }
}

/// The networks that are built in and whose servers are installed.
async fn networks() -> Vec<Network> {
    #[allow(unused_mut, reason = "a build without networks adds none")]
    let mut all = Vec::new();
    #[cfg(feature = "nats")]
    if let Some(nats) = crate::servers::nats::Nats::start("").await {
        let gate = Gate::before(nats.socket()).await;
        let transport = nats.config().with("servers", format!("nats://{}", gate.address()));
        let transports = [transport.clone(), transport];
        let routes = Some(["skcomm".to_owned(), "skcomm".to_owned()]);
        all.push(Network { id: "nats", gate, transports, routes, process: Box::new(nats) });
    }
    #[cfg(feature = "nostr")]
    if let Some(relay) = crate::servers::nostr::Relay::start().await {
        let gate = Gate::before(relay.socket()).await;
        let transport = crate::nostr::nostr(&[format!("ws://{}/", gate.address())]);
        let transports = [transport.clone(), transport];
        all.push(Network { id: "nostr", gate, transports, routes: None, process: Box::new(relay) });
    }
    #[cfg(feature = "matrix")]
    if let Some(server) = crate::servers::matrix::Homeserver::start("{per_second: 10000, burst_count: 10000}").await {
        let gate = Gate::before(server.socket()).await;
        let users = [server.user("soak-a").await, server.user("soak-b").await];
        let transports = users
            .each_ref()
            .map(|user| server.transport(user).with("homeserver", format!("http://{}", gate.address())));
        all.push(Network { id: "matrix", gate, transports, routes: Some(users), process: Box::new(server) });
    }
    all
}

/// The two who talk, and what is between them.
struct World {
    nodes: [TestNode; 2],
    ways: Vec<Way>,
    hole: BlackHole,
    /// Ways that are yet to go first.
    turns: Vec<usize>,
    _running: Vec<Box<dyn std::any::Any + Send>>,
    _dir: TempDir,
}

impl World {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let shared = dir.path().join("shared");
        std::fs::create_dir(&shared).unwrap();
        let hole = BlackHole::open().await;
        let mut servers = vec![behind_a_gate(relay(&dir.path().join("relay")).await).await];
        servers.extend(networks().await);
        let transports = |who: usize| {
            let through = servers.iter().map(|server| (server.id, server.transports[who].clone()));
            let mut all = vec![("tcp", tcp()), ("file", folder(&shared)), ("hole", TransportConfig::new("tcp"))];
            all.extend(through);
            all
        };
        let nodes = [TestNode::start("alice", &transports(0)).await, TestNode::start("bob", &transports(1)).await];
        let mut doors = Vec::new();
        for node in &nodes {
            doors.push(Gate::before(node.address("tcp").await.parse().unwrap()).await);
        }
        for (from, to) in [(0, 1), (1, 0)] {
            let mut routes = vec![
                ("tcp", doors[to].address().to_string()),
                ("file", shared.display().to_string()),
                ("hole", hole.address().to_string()),
            ];
            for server in &servers {
                let route = match &server.routes {
                    Some(routes) => routes[to].clone(),
                    None => nodes[to].address(server.id).await,
                };
                routes.push((server.id, route));
            }
            let routes: Vec<(&str, &str)> = routes.iter().map(|(id, address)| (*id, address.as_str())).collect();
            nodes[from].know(&nodes[to], &routes).await;
        }
        let mut ways =
            vec![Way::gated("tcp", doors), Way { id: "file", gates: Vec::new(), folder: Some(shared), broken: false }];
        let mut running = Vec::new();
        for Network { id, gate, process, .. } in servers {
            ways.push(Way::gated(id, vec![gate]));
            running.push(process);
        }
        Self { nodes, ways, hole, turns: Vec::new(), _running: running, _dir: dir }
    }

    /// Breaks something or mends something; one way is always whole. Each time another one goes first.
    async fn blow(&mut self, rng: &mut StdRng) {
        let whole = self.ways.iter().filter(|way| !way.broken).count();
        let way = rng.random_range(0..self.ways.len());
        match &mut self.ways[way] {
            way if way.broken => way.mend(),
            way if whole > 1 => way.knock(rng),
            _ => {}
        }
        if self.turns.is_empty() {
            self.turns = (0..=self.ways.len()).collect();
            self.turns.shuffle(rng);
        }
        let first = self.turns.pop().unwrap();
        if let Some(way) = self.ways.get_mut(first).filter(|way| way.broken) {
            way.mend();
        }
        let all = self.ways.iter().map(|way| way.id).chain(["hole"]).enumerate();
        for (place, id) in all {
            let priority = if place == first { 0 } else { 10 };
            for node in &self.nodes {
                node.call(Command::TransportPriority { transport: id.parse().unwrap(), priority }).await;
            }
        }
    }

    async fn talk(&mut self, rng: &mut StdRng, round: usize) -> [Vec<Message>; 2] {
        let mut sent = [Vec::new(), Vec::new()];
        let mut pace = tokio::time::interval(PACE);
        for n in 0..MESSAGES {
            pace.tick().await;
            if n % BETWEEN_BLOWS == 0 {
                self.blow(rng).await;
            }
            for (from, to) in [(0, "bob"), (1, "alice")] {
                let thread = format!("thread-{round}-{}", rng.random_range(0..THREADS));
                let mode = *[Mode::Failover, Mode::Failover, Mode::Speed, Mode::Broadcast].choose(rng).unwrap();
                let ask = SendRequest {
                    thread_id: Some(thread.parse().unwrap()),
                    mode: Some(mode),
                    ..request(to, &format!("{round}/{n}"))
                };
                sent[from].push(self.nodes[from].send_as(ask).await);
            }
        }
        self.ways.iter_mut().filter(|way| way.broken).for_each(Way::mend);
        sent
    }

    async fn settle(&self) {
        for node in &self.nodes {
            node.call(Command::QueueRetry { envelope_id: None }).await;
        }
        for node in &self.nodes {
            until_within(SETTLED_WITHIN, &format!("{}'s queue is empty", node.name), || async {
                match node.call(Command::QueueList { peer: None, attempts: false }).await {
                    Reply::Messages(left) => left.is_empty().then_some(()),
                    other => panic!("{other:?}"),
                }
            })
            .await;
        }
    }
}

/// What the other side has of each thread, in the order in which it is shown.
async fn received(node: &TestNode) -> BTreeMap<String, Vec<EnvelopeId>> {
    let query = HistoryQuery { incoming: Some(true), limit: usize::MAX, ..HistoryQuery::default() };
    let Reply::Messages(all) = node.call(Command::History(query)).await else { panic!() };
    by_thread(&all)
}

fn by_thread(messages: &[Message]) -> BTreeMap<String, Vec<EnvelopeId>> {
    let mut threads: BTreeMap<String, Vec<EnvelopeId>> = BTreeMap::new();
    for message in messages {
        threads.entry(message.thread_id.as_str().to_owned()).or_default().push(message.envelope_id);
    }
    threads
}

/// The ledger tells by which path a message came, and why it did not by the others; what it says does not contradict
/// itself. Returns the path.
fn explained(trace: &Trace) -> TransportId {
    let (MessageState::Delivered { via, .. } | MessageState::Read { via, .. }) = &trace.message.state else {
        panic!("not delivered: {trace:#?}");
    };
    let mut numbers = BTreeSet::new();
    for attempt in &trace.attempts {
        assert!(numbers.insert(attempt.number), "two attempts of one number: {trace:#?}");
        match &attempt.outcome {
            AttemptOutcome::Failed { reason } => assert!(!reason.detail.is_empty(), "without a reason: {trace:#?}"),
            AttemptOutcome::Acked { .. } => assert_ne!(attempt.via.as_str(), "hole", "a black hole acks: {trace:#?}"),
            _ => {}
        }
    }
    let acked =
        |attempt: &&skcomm_tui::delivery::AttemptRecord| matches!(attempt.outcome, AttemptOutcome::Acked { .. });
    let by: Vec<_> = trace.attempts.iter().filter(acked).map(|attempt| &attempt.via).collect();
    assert!(by.contains(&via), "delivered via {via}, which no attempt says: {trace:#?}");
    via.clone()
}

async fn round(seed: u64, number: usize, world: &mut World) {
    let mut rng = StdRng::seed_from_u64(seed);
    let sent = world.talk(&mut rng, number).await;
    world.settle().await;
    let mut used: BTreeMap<TransportId, usize> = BTreeMap::new();
    for (from, messages) in sent.iter().enumerate() {
        let (sender, reader) = (&world.nodes[from], &world.nodes[1 - from]);
        let got = received(reader).await;
        for (thread, expected) in by_thread(messages) {
            assert_eq!(got.get(&thread), Some(&expected), "{}'s {thread}, seed {seed}", sender.name);
        }
        for message in messages {
            let Reply::Trace(trace) = sender.call(Command::Trace { envelope_id: message.envelope_id }).await else {
                panic!()
            };
            *used.entry(explained(&trace)).or_default() += 1;
        }
    }
    println!("seed {seed}: delivered via {used:?}; the black hole took {}", world.hole.taken());
    // A way that goes up and down all the time is rightly used last, so not each of them need have had its turn.
    assert!(used.len() > world.ways.len() / 2, "few ways were used, seed {seed}: {used:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_survives_every_transport_dying_again_and_again() {
    let read = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let end = Instant::now() + Duration::from_secs(60 * read("SKCOMM_SOAK_MINUTES").unwrap_or(0));
    let mut seed = read("SKCOMM_SOAK_SEED").unwrap_or_else(rand::random);
    let mut world = World::start().await;
    for number in 0.. {
        println!("seed {seed}");
        round(seed, number, &mut world).await;
        if Instant::now() >= end {
            return;
        }
        seed = seed.wrapping_add(1);
    }
}
