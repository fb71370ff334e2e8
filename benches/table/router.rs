//! The router alone: what the delivery machine costs without cryptography, store and network; and how fast real
//! nodes leave a path that fails or stays silent.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use skcomm_tui::{
    delivery::{
        Action, AttemptRecord, Capabilities, Config, Cost, Guarantee, Input, LatencyClass, Leak, Machine, Now,
        Outgoing, Policy, TransportId,
    },
    home::Home,
    node::{Command, NewIdentity, Node, PeerAdd, Reply, SendRequest, create_identity},
    transport::registry::TransportConfig,
    wire::{EnvelopeId, Fingerprint, Mode, PayloadType, Timestamp, Urgency},
};
use tokio::{io::AsyncReadExt as _, net::TcpListener};

use crate::{
    apart::Apart,
    figures::{Figure, percentile},
    paths::{BUSY, exchange, request, runtime},
    process::{cpu_by_thread, memory_mib, thread_cpu_time},
    world::{Inhabitant, text},
};

/// The argument that makes this program the process that queues messages in the machine alone.
pub(crate) const CHILD: &str = "--queue-messages";

const PEERS: u64 = 1_000;
const MESSAGES: u64 = 100_000;
const START: i64 = 1_800_000_000_000;

pub(crate) fn measure() -> Vec<Figure> {
    let mut figures = vec![memory()];
    figures.extend(latency());
    let runtime = runtime();
    figures.push(runtime.block_on(memory_of_a_node()));
    figures.push(runtime.block_on(tasks()));
    figures.push(runtime.block_on(after_error()));
    figures.push(runtime.block_on(after_silence()));
    figures
}

fn at(us: u64) -> Now {
    let ms = i64::try_from(us / 1_000).unwrap();
    Now { mono: Duration::from_micros(us), wall: Timestamp::from_unix_ms(START + ms) }
}

fn peer(number: u64) -> Fingerprint {
    let mut bytes = [7; 20];
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    Fingerprint::from_bytes(&bytes).unwrap()
}

fn message(number: u64) -> Outgoing {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    id[9..].copy_from_slice(&number.to_be_bytes()[1..]);
    Outgoing {
        envelope_id: EnvelopeId::from_random(id),
        peer: peer(number % PEERS),
        kind: PayloadType::Message,
        mode: Mode::Failover,
        policy: Policy::default(),
        urgency: Urgency::Normal,
        size: 1_500,
        composed: at(number).wall,
        ttl_seconds: 86_400,
        max_retries: 5,
        prefer: Vec::new(),
        fallback: Vec::new(),
        wants_ack: true,
    }
}

/// A machine that knows a thousand peers, each over three transports.
fn machine(up: bool) -> Machine {
    let mut machine = Machine::new(Config::default(), 1);
    let vias: Vec<TransportId> = ["tcp", "relay", "file"].map(|id| id.parse().unwrap()).into();
    for (priority, id) in (1..).zip(&vias) {
        let capabilities = Capabilities {
            duplex: true,
            offline: false,
            next_hop_stores: false,
            latency: LatencyClass::Instant,
            max_frame: 1 << 24,
            leaks: vec![Leak::AddressToPeer],
            per_peer: None,
            guarantee: Guarantee::Confirmed,
            cost: Cost::Free,
        };
        machine.handle(at(0), Input::Transport { id: id.clone(), capabilities, priority, enabled: true });
        if up {
            machine.handle(at(0), Input::TransportUp { id: id.clone() });
        }
    }
    for number in 0..PEERS {
        let routes = vias.iter().map(|via| (via.clone(), "192.0.2.1:7777".to_owned())).collect();
        machine.handle(at(0), Input::Peer { peer: peer(number), routes });
    }
    machine
}

/// What queued messages take in the machine; their envelopes are on the disk. Measured by a process of its own: in this one
/// there is memory left of earlier sections, which would take them up.
fn memory() -> Figure {
    let exe = std::env::current_exe().unwrap();
    let child = std::process::Command::new(exe).arg(CHILD).output().unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    let taken: f64 = std::str::from_utf8(&child.stdout).unwrap().trim().parse().unwrap();
    Figure::new("memory of 10 000 queued messages", taken / (MESSAGES / 10_000) as f64, "MiB")
        .note(format!("measured with {MESSAGES} for {PEERS} peers; the sealed envelopes are in the store"))
}

/// Queues the messages and prints how many MiB that took.
pub(crate) fn child() {
    let mut machine = machine(false);
    let before = memory_mib(std::process::id(), "VmRSS");
    for number in 0..MESSAGES {
        black_box(machine.handle(at(number), Input::Submit(message(number))));
    }
    let taken = memory_mib(std::process::id(), "VmRSS") - before;
    assert_eq!(machine.queued().pending(), usize::try_from(MESSAGES).unwrap());
    println!("{taken}");
}

/// What messages take that wait in a whole node, which has a process of its own: of a start that finds them in its outbox,
/// compared to one before they were written.
async fn memory_of_a_node() -> Figure {
    const WAITING: usize = 10_000;
    let (mut alice, mut bob) = (Inhabitant::start("alice", None), Inhabitant::start("bob", None));
    // There is no way to him.
    alice.know_without_way(&bob).await;
    alice.stop().await;
    bob.stop().await;
    let node = Apart::start(&alice.home).await;
    let empty = node.memory_mib("VmRSS");
    let content = text(1024, 1);
    let sending = (0..WAITING).map(|_| {
        let id = EnvelopeId::from_random(rand::random());
        node.call(Command::Send(request(bob.name, content.clone(), id)))
    });
    futures_util::stream::iter(sending).buffer_unordered(BUSY).for_each(|_| async {}).await;
    let queued = node.memory_mib("VmRSS");
    node.stop();
    let node = Apart::start(&alice.home).await;
    let Reply::Status(status) = node.call(Command::Status).await else { panic!() };
    assert_eq!(status.queued, WAITING);
    let found = node.memory_mib("VmRSS");
    node.stop();
    Figure::new("memory of 10 000 queued messages of 1 KiB in a node that was started with them", found - empty, "MiB")
        .note(format!(
            "resident, a process of its own; {empty:.0} MiB without, {queued:.0} MiB just after they were queued"
        ))
}

/// The processor time of a message outside of the threads for cryptography and of the store: the tasks of two nodes and of
/// tcp between them, the router among them.
async fn tasks() -> Figure {
    const MESSAGES: usize = 10_000;
    let config = || TransportConfig::new("tcp").with("listen", "127.0.0.1:0");
    let mut alice = Inhabitant::start("alice", Some(("tcp", config())));
    let mut bob = Inhabitant::start("bob", Some(("tcp", config())));
    alice.befriend(&bob, "tcp", bob.address("tcp").await).await;
    bob.befriend(&alice, "tcp", alice.address("tcp").await).await;
    let content = text(1024, 1);
    exchange(&bob, &alice, &content, 500, 8).await;
    exchange(&alice, &bob, &content, 500, 8).await;
    let before = cpu_by_thread();
    exchange(&alice, &bob, &content, MESSAGES, BUSY).await;
    let spent = |fits: fn(&str) -> bool| {
        let all = cpu_by_thread().into_iter().filter(|(name, _)| fits(name));
        let spent = all.map(|(name, time)| time.saturating_sub(before.get(&name).copied().unwrap_or_default()));
        spent.sum::<Duration>().as_secs_f64() * 1e6 / MESSAGES as f64
    };
    let crypto = spent(|name| name == "crypto");
    let store = spent(|name| name.starts_with("store-"));
    let tasks = spent(|name| name != "crypto" && !name.starts_with("store-"));
    alice.stop().await;
    bob.stop().await;
    Figure::new("a message's processor time in the tasks of both nodes and of tcp", tasks, "µs").note(format!(
        "{MESSAGES} messages of 1 KiB, {BUSY} under way, the calls of this bench included; beside it {crypto:.0} µs in the threads for \
         cryptography and {store:.0} µs in those of the store"
    ))
}

/// The time in the machine of one message on its way to its ack: submitted, accepted, acked.
fn latency() -> Vec<Figure> {
    let mut machine = machine(true);
    let mut all = Vec::new();
    for number in 0..MESSAGES {
        let (now, out) = (at(number * 100), message(number));
        let id = out.envelope_id;
        // Processor time: what other processes take from this one is not the router's.
        let begun = thread_cpu_time();
        let actions = machine.handle(now, Input::Submit(out));
        let mut taken = thread_cpu_time() - begun;
        let sent = actions.iter().find_map(|action| match action {
            Action::Send { attempt, via, .. } => Some((*attempt, via.clone())),
            _ => None,
        });
        let (attempt, via) = sent.expect("it is sent at once");
        let begun = thread_cpu_time();
        black_box(machine.handle(now, Input::AttemptAccepted { attempt, accepted_by: None, bytes: 1_500 }));
        black_box(machine.handle(now, Input::Acked { envelope_id: id, via: Some(via.clone()), ack_via: via }));
        taken += thread_cpu_time() - begun;
        all.push(taken.as_secs_f64() * 1e3);
    }
    let note = format!(
        "processor time; submit, accepted and acked together; {MESSAGES} messages to {PEERS} peers over three transports"
    );
    vec![
        Figure::new("the router's time a message, p50", percentile(&mut all, 50).unwrap(), "ms").note(note),
        Figure::new("the router's time a message, p99", percentile(&mut all, 99).unwrap(), "ms").at_most(1.0),
    ]
}

/// A node with tcp and a folder, and a peer whose tcp address is `address`. Sends one message and returns its first
/// two attempts.
async fn two_attempts(address: String) -> (AttemptRecord, AttemptRecord) {
    let dir = tempfile::tempdir().unwrap();
    let (home, folder) = (Home::at(dir.path().join("home")), dir.path().join("folder").display().to_string());
    std::fs::create_dir(&folder).unwrap();
    let tcp = TransportConfig::new("tcp").with("listen", "127.0.0.1:0");
    let file = TransportConfig::new("file").with("folders", vec![folder.clone()]);
    let named = [("tcp", tcp), ("file", file)].map(|(id, config)| (id.parse().unwrap(), config));
    let identity = |name: &str| NewIdentity { name: name.to_owned(), email: None, fqid: None };
    let secret = create_identity(&home, &identity("alice"), None, &named).unwrap();
    let elsewhere = Home::at(dir.path().join("elsewhere"));
    let bob = create_identity(&elsewhere, &identity("bob"), None, &[]).unwrap();
    let node = Node::start(home, secret).unwrap();
    let handle = node.handle();
    let routes = [("tcp", address), ("file", folder)].map(|(id, to)| (id.parse().unwrap(), to));
    let certificate = Some(bob.certificate().armored());
    let add = PeerAdd { name: "bob".to_owned(), certificate, routes: routes.into(), ..PeerAdd::default() };
    handle.call(Command::PeerAdd(add)).await.unwrap();
    let send = SendRequest {
        to: "bob".to_owned(),
        content: "over the other path".to_owned(),
        by_person: true,
        ..SendRequest::default()
    };
    let Reply::Sent(sent) = handle.call(Command::Send(send)).await.unwrap() else { panic!() };
    let begun = Instant::now();
    let two = loop {
        let Reply::Trace(trace) = handle.call(Command::Trace { envelope_id: sent.envelope_id }).await.unwrap() else {
            panic!()
        };
        if let [first, second, ..] = trace.attempts.as_slice() {
            break (first.clone(), second.clone());
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no second path was taken");
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    node.stop().await.unwrap();
    two
}

/// From the transport's error to the next path's attempt, on real nodes: nobody listens at the address.
async fn after_error() -> Figure {
    let mut waits = Vec::new();
    for _ in 0..10 {
        let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = unused.local_addr().unwrap().to_string();
        drop(unused);
        let (first, second) = two_attempts(address).await;
        let failed = first.started.plus_ms(i64::try_from(first.took_ms.unwrap_or(0)).unwrap());
        waits.push(second.started.ms_since(failed) as f64);
    }
    let slowest = percentile(&mut waits, 100).unwrap();
    Figure::new("failover start after an explicit error", slowest, "ms")
        .at_most(50.0)
        .note("real nodes, tcp to a closed port, then a folder; the slowest of 10")
}

/// From the send to the next path's attempt, on real nodes: somebody listens, takes everything and says nothing.
async fn after_silence() -> Figure {
    let mut waits = Vec::new();
    for _ in 0..5 {
        let hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = hole.local_addr().unwrap().to_string();
        let swallowing = tokio::spawn(async move {
            let mut taken = Vec::new();
            while let Ok((mut socket, _)) = hole.accept().await {
                taken.push(tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    while socket.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
                }));
            }
        });
        let (first, second) = two_attempts(address).await;
        waits.push(second.started.ms_since(first.started) as f64);
        swallowing.abort();
    }
    let slowest = percentile(&mut waits, 100).unwrap();
    let timeout = LatencyClass::Instant.ack_initial().as_secs_f64() * 1e3;
    Figure::new("failover start after silence, from the send", slowest, "ms")
        // The alarm's own lateness is allowed for.
        .at_most(timeout + 50.0)
        .note("real nodes, tcp to a listener that takes all and answers nothing; nothing was learned of the path; the slowest of 5")
}
