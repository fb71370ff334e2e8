//! Bytes on the wire for a small message: all that a transport moves until the message is delivered, acks and the
//! transport's own framing included, counted outside of the nodes.

use std::{
    hint::black_box,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use skcomm_tui::{
    transport::registry::TransportConfig,
    wire::{Envelope, PayloadType},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    figures::{Figure, median},
    paths::{BUSY, exchange, runtime, start_relay},
    process::{bytes_in, thread_cpu_time},
    world::{Inhabitant, text},
};

/// Content of a message, in bytes.
const CONTENT: usize = 100;
/// Messages one at a time, each with an ack of its own …
const ALONE: usize = 100;
/// … and with many under way, whose acks are gathered.
const CROWDED: usize = 1_000;
/// Messages that introduce the two nodes before anything is counted.
const WARM: usize = 20;
/// Frames coded for one sample …
const CODEC_BATCH: u32 = 200;
/// … and samples.
const CODEC_TURNS: usize = 25;
/// How long files that were read may take to be put away.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn measure() -> Vec<Figure> {
    runtime().block_on(async { [tcp().await, relay().await, file().await].concat() })
}

async fn tcp() -> Vec<Figure> {
    let config = || TransportConfig::new("tcp").with("listen", "127.0.0.1:0");
    let mut alice = Inhabitant::start("alice", Some(("tcp", config())));
    let mut bob = Inhabitant::start("bob", Some(("tcp", config())));
    let bytes = Arc::new(AtomicU64::new(0));
    let to_alice = tap(alice.address("tcp").await.parse().unwrap(), bytes.clone()).await;
    let to_bob = tap(bob.address("tcp").await.parse().unwrap(), bytes.clone()).await;
    alice.befriend(&bob, "tcp", to_bob.to_string()).await;
    bob.befriend(&alice, "tcp", to_alice.to_string()).await;
    let figures = count("tcp", &alice, &bob, "above TCP", async || bytes.load(Ordering::Relaxed)).await;
    alice.stop().await;
    bob.stop().await;
    figures
}

async fn relay() -> Vec<Figure> {
    let dir = tempfile::tempdir().unwrap();
    let (address, stop, relay) = start_relay(dir.path()).await;
    let bytes = Arc::new(AtomicU64::new(0));
    let url = format!("ws://{}", tap(address, bytes.clone()).await);
    let config = || TransportConfig::new("websocket").with("relays", vec![url.clone()]);
    let mut alice = Inhabitant::start("alice", Some(("relay", config())));
    let mut bob = Inhabitant::start("bob", Some(("relay", config())));
    alice.befriend(&bob, "relay", url.clone()).await;
    bob.befriend(&alice, "relay", url.clone()).await;
    let what = "to the relay and on to the recipient, above TCP";
    let figures = count("relay", &alice, &bob, what, async || bytes.load(Ordering::Relaxed)).await;
    alice.stop().await;
    bob.stop().await;
    drop(stop);
    relay.await.unwrap();
    figures
}

async fn file() -> Vec<Figure> {
    let shared = tempfile::tempdir().unwrap();
    let folder = shared.path().display().to_string();
    let config = || {
        let config = TransportConfig::new("file").with("folders", vec![folder.clone()]);
        config.with("latency", "fast").with("keep", "archive")
    };
    let mut alice = Inhabitant::start("alice", Some(("file", config())));
    let mut bob = Inhabitant::start("bob", Some(("file", config())));
    alice.befriend(&bob, "file", folder.clone()).await;
    bob.befriend(&alice, "file", folder.clone()).await;
    let archived = async || {
        settled(shared.path()).await;
        bytes_in(shared.path())
    };
    let mut figures = count("file", &alice, &bob, "content of the files", archived).await;
    exchange(&alice, &bob, &text(1024, 2), 1, 1).await;
    settled(shared.path()).await;
    figures.extend(frame(&largest_message_in(shared.path())));
    alice.stop().await;
    bob.stop().await;
    figures
}

/// What the JSON of a frame costs: the most that another encoding could save.
fn frame(bytes: &[u8]) -> Vec<Figure> {
    let us = |work: &mut dyn FnMut()| {
        let mut once = || {
            let begun = thread_cpu_time();
            (0..CODEC_BATCH).for_each(|_| work());
            (thread_cpu_time() - begun).as_secs_f64() * 1e6 / f64::from(CODEC_BATCH)
        };
        median(&mut (0..CODEC_TURNS).map(|_| once()).collect::<Vec<_>>())
    };
    let envelope = Envelope::decode(bytes).unwrap().envelope;
    let decoding = us(&mut || drop(black_box(Envelope::decode(black_box(bytes)).unwrap())));
    let encoding = us(&mut || drop(black_box(black_box(&envelope).encode())));
    vec![
        Figure::new("frame of a message of 1 KiB", bytes.len() as f64, "bytes"),
        Figure::new("frame of a message of 1 KiB, decoded", decoding, "µs")
            .note("with the canonical form and its digest, which a binary form would need, too"),
        Figure::new("frame of a message of 1 KiB, encoded", encoding, "µs"),
    ]
}

/// The largest frame of a message below `folder` that does not introduce its sender with a certificate.
fn largest_message_in(folder: &Path) -> Vec<u8> {
    fn files(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
    }
    let all = files(folder).into_iter().map(|path| std::fs::read(path).unwrap());
    let wanted = |frame: &Vec<u8>| {
        let envelope = Envelope::decode(frame).unwrap().envelope;
        envelope.payload.kind == PayloadType::Message && envelope.from.certificate.is_none()
    };
    all.filter(wanted).max_by_key(Vec::len).unwrap()
}

/// Counts what `moved` grows by, for each message.
async fn count(
    transport: &str,
    alice: &Inhabitant,
    bob: &Inhabitant,
    what: &str,
    moved: impl AsyncFn() -> u64,
) -> Vec<Figure> {
    let content = text(CONTENT, 1);
    exchange(bob, alice, &content, WARM, 4).await;
    exchange(alice, bob, &content, WARM, 4).await;
    let mut figures = Vec::new();
    for (messages, at_once, how) in
        [(ALONE, 1, "one at a time".to_owned()), (CROWDED, BUSY, format!("{BUSY} under way"))]
    {
        let before = moved().await;
        exchange(alice, bob, &content, messages, at_once).await;
        let each = (moved().await - before) as f64 / messages as f64;
        assert!(each > CONTENT as f64, "not all was counted on {transport}");
        let name = format!("{transport}, a message of {CONTENT} bytes and its ack, {how}");
        figures.push(Figure::new(name, each, "bytes").note(what));
    }
    figures
}

/// Listens, forwards to `target`, and counts what goes through in either direction.
async fn tap(target: SocketAddr, bytes: Arc<AtomicU64>) -> SocketAddr {
    let listener = TcpListener::bind((target.ip(), 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let near = listener.accept().await.unwrap().0;
            let far = TcpStream::connect(target).await.unwrap();
            let ((near_out, near_in), (far_out, far_in)) = (near.into_split(), far.into_split());
            tokio::spawn(forward(near_out, far_in, bytes.clone()));
            tokio::spawn(forward(far_out, near_in, bytes.clone()));
        }
    });
    address
}

/// Ends when either side does: the nodes are being stopped then.
async fn forward(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, bytes: Arc<AtomicU64>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        bytes.fetch_add(read as u64, Ordering::Relaxed);
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// Waits until all files in the mailboxes of `folder` have been put into the archive.
pub(crate) async fn settled(folder: &Path) {
    let begun = Instant::now();
    let waiting = || {
        let mailboxes = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        mailboxes.flat_map(|mailbox| std::fs::read_dir(mailbox).unwrap()).any(|entry| {
            let kind = entry.unwrap().file_type();
            kind.is_ok_and(|kind| kind.is_file())
        })
    };
    while waiting() {
        assert!(begun.elapsed() < PATIENCE, "files stay in the mailboxes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
