//! Two nodes in one process, 1 KiB messages, sealed, durable on both sides and acked, over each transport.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use skcomm_tui::{
    delivery::MessageState,
    node::{Command, Event, SendRequest},
    pgp::{self, Identity},
    serve::{Relay, RelayConfig},
    transport::{
        registry::TransportConfig,
        websocket::protocol::{Auth, FromClient, FromRelay, SUBPROTOCOL, Window, signed_bytes},
    },
    wire::EnvelopeId,
};
use tokio::{
    net::TcpStream,
    sync::{Semaphore, oneshot},
    task::JoinHandle,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Message,
        client::IntoClientRequest as _,
        http::{HeaderValue, header},
    },
};

use crate::{
    crypto,
    figures::{Figure, median, percentile},
    process::cpu_time,
    world::{Inhabitant, now, text},
};

/// Messages under way at once when the nodes are busy.
pub(crate) const BUSY: usize = 128;
/// A busy run and the bare cryptography take turns, so many …
const TURNS: usize = 5;
/// … and the bare cryptography takes so long in each.
const TURN: Duration = Duration::from_millis(700);
/// No run takes longer.
const LIMIT: Duration = Duration::from_secs(120);

/// What a run came to.
pub(crate) struct Run {
    pub(crate) per_second: f64,
    /// Processor time of this process a message.
    pub(crate) cpu_us: f64,
    /// Envelopes that the recipient answered with.
    answers: u64,
    /// From send to delivered, for each message.
    pub(crate) took: Vec<Duration>,
}

/// Sends so many messages from one node to the other, `at_once` of them under way, and waits until all are delivered.
pub(crate) async fn exchange(from: &Inhabitant, to: &Inhabitant, content: &str, count: usize, at_once: usize) -> Run {
    let begun: Arc<Mutex<HashMap<EnvelopeId, Instant>>> = Arc::default();
    let places = Arc::new(Semaphore::new(at_once));
    let mut events = from.handle().subscribe();
    let (watched, freed) = (begun.clone(), places.clone());
    let watching = tokio::spawn(async move {
        let mut took = Vec::with_capacity(count);
        while took.len() < count {
            match events.next().await.expect("the node runs") {
                Event::State { envelope_id, state: MessageState::Delivered { .. }, .. } => {
                    if let Some(begun) = watched.lock().unwrap().remove(&envelope_id) {
                        took.push(begun.elapsed());
                        freed.add_permits(1);
                    }
                }
                Event::Lagged(missed) => panic!("{missed} events were missed"),
                _ => {}
            }
        }
        took
    });
    let answered = to.sent().await;
    let (start, cpu) = (Instant::now(), cpu_time(std::process::id()));
    let sending = async {
        for _ in 0..count {
            places.acquire().await.unwrap().forget();
            let envelope_id = EnvelopeId::from_random(rand::random());
            begun.lock().unwrap().insert(envelope_id, Instant::now());
            let request = request(to.name, content.to_owned(), envelope_id);
            let node = from.handle();
            tokio::spawn(async move { node.call(Command::Send(request)).await.unwrap() });
        }
    };
    let all = async {
        sending.await;
        watching.await.unwrap()
    };
    let took = tokio::time::timeout(LIMIT, all).await;
    let took = took.unwrap_or_else(|_| {
        panic!("{} of {count} messages were not delivered within {LIMIT:?}", begun.lock().unwrap().len())
    });
    let elapsed = start.elapsed().as_secs_f64();
    let cpu = cpu_time(std::process::id()) - cpu;
    let (per_second, cpu_us) = (count as f64 / elapsed, cpu.as_secs_f64() * 1e6 / count as f64);
    Run { per_second, cpu_us, answers: to.sent().await - answered, took }
}

pub(crate) fn request(to: &str, content: String, envelope_id: EnvelopeId) -> SendRequest {
    SendRequest { to: to.to_owned(), content, envelope_id: Some(envelope_id), ..SendRequest::default() }
}

/// How many messages a section sends.
struct Counts {
    warm: usize,
    alone: usize,
    busy: usize,
}

/// Both directions know each other; measures an idle and a busy pair.
async fn measure(alice: &Inhabitant, bob: &Inhabitant, counts: Counts, what: &str, target: bool) -> Vec<Figure> {
    let content = text(1024, 1);
    // The first messages introduce the two to each other and fill caches.
    exchange(bob, alice, &content, counts.warm, 8).await;
    exchange(alice, bob, &content, counts.warm, 8).await;
    let mut alone = exchange(alice, bob, &content, counts.alone, 1).await;
    // In turns with the bare cryptography, so that the machine's moods hit both.
    let (mut by_clock, mut by_cpu, mut speed, mut took) = (vec![], vec![], vec![], vec![]);
    let (mut cpu, mut bare_cpu, mut answers) = (vec![], vec![], 0);
    for _ in 0..TURNS {
        let load = tokio::task::spawn_blocking(|| crypto::bare_load(TURN, 1024)).await.unwrap();
        let busy = exchange(alice, bob, &content, counts.busy / TURNS, BUSY).await;
        by_clock.push(busy.per_second / load.per_second);
        by_cpu.push(load.cpu_us / busy.cpu_us);
        speed.push(busy.per_second);
        cpu.push(busy.cpu_us);
        answers += busy.answers;
        bare_cpu.push(load.cpu_us);
        took.extend(busy.took);
    }
    let held = |figure: Figure| if target { figure.at_least(60.0) } else { figure };
    let busy_ms = |name: &str, percent, took: &mut Vec<Duration>| {
        Figure::ms(format!("send to delivered, {BUSY} under way, {name}"), percentile(took, percent).unwrap())
    };
    vec![
        Figure::new(what, median(&mut speed), "messages/s").note(format!(
            "{} messages, {BUSY} under way, {answers} ack envelopes; {:.0} µs of processor each",
            counts.busy,
            median(&mut cpu)
        )),
        // By the clock the nodes look better than they are when others want the processors too: they have more threads
        // than the bare loops and are given more of them. So the processor time is held to the target.
        Figure::share(format!("{what}, speed compared to bare cryptography alone"), median(&mut by_clock), 1.0)
            .note("by the clock; says something only on a quiet machine"),
        held(Figure::share(
            format!("{what}, bare cryptography's part of the processor time"),
            median(&mut by_cpu),
            1.0,
        ))
        .note(format!("bare: {:.0} µs a message", median(&mut bare_cpu))),
        Figure::ms("send to delivered, one at a time, p50", percentile(&mut alone.took, 50).unwrap()),
        Figure::ms("send to delivered, one at a time, p99", percentile(&mut alone.took, 99).unwrap()),
        busy_ms("p50", 50, &mut took),
        busy_ms("p99", 99, &mut took),
    ]
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

pub(crate) fn tcp() -> Vec<Figure> {
    runtime().block_on(async {
        let config = || TransportConfig::new("tcp").with("listen", "127.0.0.1:0");
        let mut alice = Inhabitant::start("alice", Some(("tcp", config())));
        let mut bob = Inhabitant::start("bob", Some(("tcp", config())));
        alice.befriend(&bob, "tcp", bob.address("tcp").await).await;
        bob.befriend(&alice, "tcp", alice.address("tcp").await).await;
        let counts = Counts { warm: 200, alone: 300, busy: 10_000 };
        let mut figures = measure(&alice, &bob, counts, "tcp on the loopback", true).await;
        figures.push(bare_sync());
        alice.stop().await;
        bob.stop().await;
        figures
    })
}

pub(crate) fn file() -> Vec<Figure> {
    runtime().block_on(async {
        let shared = tempfile::tempdir().unwrap();
        let folder = shared.path().display().to_string();
        let config = || TransportConfig::new("file").with("folders", vec![folder.clone()]).with("latency", "fast");
        let mut alice = Inhabitant::start("alice", Some(("file", config())));
        let mut bob = Inhabitant::start("bob", Some(("file", config())));
        alice.befriend(&bob, "file", folder.clone()).await;
        bob.befriend(&alice, "file", folder.clone()).await;
        let counts = Counts { warm: 50, alone: 100, busy: 2_000 };
        let mut figures = measure(&alice, &bob, counts, "shared folder", false).await;
        figures.push(bare_files(shared.path()));
        alice.stop().await;
        bob.stop().await;
        figures
    })
}

/// What the disk allows: 4 KiB appended to a file and synced, twice, as sender and recipient must one after the other.
fn bare_sync() -> Figure {
    let mut file = tempfile::tempfile().unwrap();
    let mut both = || {
        let begun = Instant::now();
        for _ in 0..2 {
            std::io::Write::write_all(&mut file, &[7; 4096]).unwrap();
            file.sync_data().unwrap();
        }
        begun.elapsed()
    };
    let mut took: Vec<Duration> = (0..200).map(|_| both()).collect();
    Figure::ms("for comparison: two bare writes with fdatasync, p50", median(&mut took))
}

/// What the disk allows: a file written, synced, renamed and its folder synced, one after the other.
fn bare_files(folder: &Path) -> Figure {
    const FILES: u32 = 200;
    let frame = text(4096, 1);
    let begun = Instant::now();
    for n in 0..FILES {
        let (partial, whole) = (folder.join(format!(".bare-{n}")), folder.join(format!("bare-{n}")));
        let mut file = std::fs::File::create(&partial).unwrap();
        std::io::Write::write_all(&mut file, frame.as_bytes()).unwrap();
        file.sync_all().unwrap();
        std::fs::rename(&partial, &whole).unwrap();
        std::fs::File::open(folder).unwrap().sync_all().unwrap();
        std::fs::remove_file(&whole).unwrap();
    }
    let per_second = f64::from(FILES) / begun.elapsed().as_secs_f64();
    Figure::new("for comparison: bare file, fsync, rename, fsync of the folder", per_second, "files/s")
}

pub(crate) fn relay() -> Vec<Figure> {
    let clients = std::env::var("SKCOMM_BENCH_CLIENTS").ok().map_or(1_000, |n| n.parse().unwrap());
    runtime().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let (address, stop, relay) = start_relay(dir.path()).await;
        let url = format!("ws://{address}");
        let config = || TransportConfig::new("websocket").with("relays", vec![url.clone()]);
        let mut alice = Inhabitant::start("alice", Some(("relay", config())));
        let mut bob = Inhabitant::start("bob", Some(("relay", config())));
        alice.befriend(&bob, "relay", url.clone()).await;
        bob.befriend(&alice, "relay", url.clone()).await;
        let counts = || Counts { warm: 100, alone: 200, busy: 5_000 };
        let mut figures = measure(&alice, &bob, counts(), "relay, nobody else there", false).await;
        let keys = tokio::task::spawn_blocking(move || keys(clients)).await.unwrap();
        let begun = Instant::now();
        let crowd = crowd(address, keys).await;
        let logins = crowd.len() as f64 / begun.elapsed().as_secs_f64();
        figures.push(
            Figure::new("logins, 16 at a time", logins, "clients/s")
                .note(format!("{clients} clients, the clients' signatures included")),
        );
        figures.extend(measure(&alice, &bob, counts(), &format!("relay, {clients} idle clients"), false).await);
        drop(crowd);
        alice.stop().await;
        bob.stop().await;
        drop(stop);
        relay.await.unwrap();
        figures
    })
}

pub(crate) async fn start_relay(folder: &Path) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let mut config = RelayConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)), folder.to_owned());
    // Whatever stands in front of it and counts has another port.
    config.hosts = vec!["127.0.0.1".to_owned()];
    // The pace of one sender is bounded by policy, 500 messages a second; here the machine shall be the bound.
    config.limits.sender.messages_per_second = 1_000_000;
    config.limits.sender.messages_burst = 1_000_000;
    config.limits.sender.bytes_per_second = 1 << 40;
    config.limits.sender.bytes_burst = 1 << 40;
    let relay = Relay::bind(config).await.unwrap();
    let (stop, stopped) = oneshot::channel();
    let address = relay.address();
    let task = tokio::spawn(async move {
        let ended = relay.run(async move {
            // The sender is dropped to stop it.
            let _ = stopped.await;
        });
        ended.await.unwrap();
    });
    (address, stop, task)
}

type Socket = WebSocketStream<TcpStream>;

/// Keys of so many clients.
fn keys(clients: usize) -> Vec<pgp::Generated> {
    let identity = Identity { name: "Idle".to_owned(), email: "idle@example.org".to_owned(), fqid: None };
    let made = now().plus_ms(-60_000);
    (0..clients).map(|_| pgp::generate(identity.clone(), None, made).unwrap()).collect()
}

/// Clients with keys of their own that are logged in, ready to receive, and do nothing.
async fn crowd(address: SocketAddr, keys: Vec<pgp::Generated>) -> Vec<Socket> {
    futures_util::stream::iter(keys).map(|key| log_in(address, key)).buffered(16).collect().await
}

async fn log_in(address: SocketAddr, key: pgp::Generated) -> Socket {
    let host = address.to_string();
    let mut request = format!("ws://{host}/").into_client_request().unwrap();
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    let (mut socket, _) = client_async(request, TcpStream::connect(address).await.unwrap()).await.unwrap();
    let FromRelay::Challenge(challenge) = hear(&mut socket).await else { panic!("no challenge") };
    let signed = pgp::sign_detached(&key.secret, &signed_bytes(&host, &challenge.nonce), now()).unwrap();
    let auth = Auth {
        fingerprint: key.secret.fingerprint(),
        host,
        receive: Window { messages: 64, bytes: 1024 * 1024 },
        token_proof: None,
        certificate: Bytes::from(key.public_armored),
        signature: Bytes::from(signed),
    };
    socket.send(Message::Binary(FromClient::Auth(auth).encode())).await.unwrap();
    match hear(&mut socket).await {
        FromRelay::Welcome(_) => socket,
        other => panic!("not welcome but {other:?}"),
    }
}

async fn hear(socket: &mut Socket) -> FromRelay {
    loop {
        if let Message::Binary(bytes) = socket.next().await.unwrap().unwrap() {
            return FromRelay::decode(bytes).unwrap();
        }
    }
}
