//! A large file over loopback tcp between two nodes in processes of their own: how fast, in how much memory, and what is
//! sent again after both were killed in the middle of it.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use skcomm_tui::{
    home::{Config, FilesConfig},
    node::{Command, FileSend, Reply, Transfer, TransferState},
    transport::registry::TransportConfig,
    wire::EnvelopeId,
};

use crate::{apart::Apart, crypto, figures::Figure, paths::runtime, world::Inhabitant};

const MIB: u64 = 1024 * 1024;
/// The node's chunk on a path that carries large frames (`node/files/send.rs`).
const CHUNK: u64 = 240 * 1024;
/// The bare cryptography of chunks is watched for so long.
const BARE: Duration = Duration::from_secs(2);
/// No transfer takes longer.
const LIMIT: Duration = Duration::from_secs(300);

/// Both ends, at rest.
struct Pair {
    alice: Inhabitant,
    bob: Inhabitant,
}

/// Both ends, running.
struct Running {
    alice: Apart,
    bob: Apart,
}

impl Pair {
    async fn new() -> Self {
        let config = || TransportConfig::new("tcp").with("listen", "127.0.0.1:0");
        let mut alice = Inhabitant::start("alice", Some(("tcp", config())));
        let mut bob = Inhabitant::start("bob", Some(("tcp", config())));
        let (at_alice, at_bob) = (alice.address("tcp").await, bob.address("tcp").await);
        alice.befriend(&bob, "tcp", at_bob.clone()).await;
        bob.befriend(&alice, "tcp", at_alice.clone()).await;
        for (node, address) in [(&mut alice, at_alice), (&mut bob, at_bob)] {
            node.stop().await;
            // It comes back under its old address.
            let config = TransportConfig::new("tcp").with("listen", address);
            node.home.save_transport(&"tcp".parse().unwrap(), &config).unwrap();
            // Whatever the size, nobody is asked.
            let files = FilesConfig { auto_accept_bytes: u64::MAX >> 1, ..FilesConfig::default() };
            node.home.save_config(&Config { files, ..node.home.config().unwrap() }).unwrap();
        }
        Self { alice, bob }
    }

    async fn start(&self) -> Running {
        Running { alice: Apart::start(&self.alice.home).await, bob: Apart::start(&self.bob.home).await }
    }
}

impl Running {
    async fn offer(&self, file: &Path) -> EnvelopeId {
        let path = file.display().to_string();
        let request = FileSend { to: "bob".to_owned(), path, ..FileSend::default() };
        match self.alice.call(Command::FileSend(request)).await {
            Reply::Sent(message) => message.envelope_id,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until it is done on both sides; where it lies, and how often chunks were sent since the sender was started.
    async fn done(&self, id: EnvelopeId) -> (String, u64) {
        let there = until(&self.bob, id, |transfer| match &transfer.state {
            TransferState::Done { path: Some(path) } => Some(path.to_string()),
            _ => None,
        });
        let there = there.await;
        let sent = until(&self.alice, id, |transfer| {
            matches!(transfer.state, TransferState::Done { .. }).then_some(transfer.chunks_out)
        });
        (there, sent.await)
    }
}

async fn transfer(node: &Apart, id: EnvelopeId) -> Option<Transfer> {
    match node.call(Command::Files { peer: None }).await {
        Reply::Transfers(all) => all.into_iter().find(|transfer| transfer.transfer == id),
        other => panic!("{other:?}"),
    }
}

async fn until<T>(node: &Apart, id: EnvelopeId, fits: impl Fn(&Transfer) -> Option<T>) -> T {
    let begun = Instant::now();
    let mut step = tokio::time::interval(Duration::from_millis(10));
    loop {
        let found = transfer(node, id).await;
        if let Some(answer) = found.as_ref().and_then(&fits) {
            return answer;
        }
        assert!(begun.elapsed() < LIMIT, "the transfer does not get there: {found:?}");
        step.tick().await;
    }
}

/// Bytes that do not repeat and do not shrink when they are compressed.
fn write_noise(path: &Path, size: u64) {
    let (mut file, mut state) = (File::create(path).unwrap(), 0x9E37_79B9_7F4A_7C15_u64);
    let mut block = vec![0; MIB as usize];
    let mut left = size;
    while left > 0 {
        for word in block.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        let now = left.min(MIB);
        file.write_all(&block[..now as usize]).unwrap();
        left -= now;
    }
    file.sync_all().unwrap();
}

/// Whether both hold the same.
fn same(one: &Path, other: &Path) -> bool {
    let (mut one, mut other) = (File::open(one).unwrap(), File::open(other).unwrap());
    if one.metadata().unwrap().len() != other.metadata().unwrap().len() {
        return false;
    }
    let (mut a, mut b) = (vec![0; MIB as usize], vec![0; MIB as usize]);
    loop {
        let read = one.read(&mut a).unwrap();
        if read == 0 {
            return true;
        }
        other.read_exact(&mut b[..read]).unwrap();
        if a[..read] != b[..read] {
            return false;
        }
    }
}

fn mb_per_second(size: u64, took: Duration) -> f64 {
    size as f64 / 1e6 / took.as_secs_f64()
}

pub(crate) fn measure() -> Vec<Figure> {
    let size = std::env::var("SKCOMM_BENCH_FILE").ok().map_or(1024, |n| n.parse().unwrap()) * MIB;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("noise.bin");
    write_noise(&file, size);
    let begun = Instant::now();
    let copy = dir.path().join("copy.bin");
    std::fs::copy(&file, &copy).unwrap();
    File::open(&copy).unwrap().sync_all().unwrap();
    let copied = mb_per_second(size, begun.elapsed());
    std::fs::remove_file(copy).unwrap();
    let bare = crypto::bare_load(BARE, CHUNK as usize);
    let mut figures = runtime().block_on(async {
        let pair = Pair::new().await;
        let mut figures = whole(&pair, &file, size, &bare).await;
        figures.extend(interrupted(&pair, &file, size).await);
        figures
    });
    figures.push(Figure::new("for comparison: the file copied and synced", copied, "MB/s"));
    figures
}

/// One transfer without a disturbance.
async fn whole(pair: &Pair, file: &Path, size: u64, bare: &crypto::Bare) -> Vec<Figure> {
    let nodes = pair.start().await;
    let idle = nodes.alice.memory_mib("VmRSS");
    let cpu = || nodes.alice.cpu_time() + nodes.bob.cpu_time();
    let (begun, before) = (Instant::now(), cpu());
    let id = nodes.offer(file).await;
    let (there, _) = nodes.done(id).await;
    let (took, cpu) = (begun.elapsed(), cpu() - before);
    assert!(same(file, there.as_ref()), "what came is not what was sent");
    let Reply::Transports(all) = nodes.alice.call(Command::Transports).await else { panic!() };
    let wire: u64 = all.iter().map(|transport| transport.bytes_out).sum();
    let most = |node: &Apart| node.memory_mib("VmHWM");
    let (sender, recipient) = (most(&nodes.alice), most(&nodes.bob));
    nodes.alice.stop();
    nodes.bob.stop();
    std::fs::remove_file(there).unwrap();
    let chunks = size.div_ceil(CHUNK);
    let speed = mb_per_second(size, took);
    let bare_speed = bare.per_second * CHUNK as f64 / 1e6;
    let cpu_us = cpu.as_secs_f64() * 1e6 / chunks as f64;
    vec![
        Figure::new("a file over tcp on the loopback", speed, "MB/s").note(format!(
            "{} MiB in {:.1} s, hashed before and after; {chunks} chunks of {} KiB, {cpu_us:.0} µs of processor each",
            size / MIB,
            took.as_secs_f64(),
            CHUNK / 1024
        )),
        Figure::share("a file over tcp, speed compared to bare cryptography alone", speed, bare_speed)
            .note(format!("by the clock; bare: chunks sealed, signed, verified and opened, {bare_speed:.0} MB/s")),
        Figure::share("a file over tcp, bare cryptography's part of the processor time", bare.cpu_us, cpu_us)
            .note(format!("bare: {:.0} µs a chunk", bare.cpu_us)),
        Figure::share("bytes handed to the transport compared to the file's", wire as f64, size as f64),
        Figure::new("memory of the sender, most", sender, "MiB").note(format!("resident; {idle:.0} MiB before")),
        Figure::new("memory of the recipient, most", recipient, "MiB").note("resident"),
    ]
}

/// Both are killed when half of the file is safe, and started again.
async fn interrupted(pair: &Pair, file: &Path, size: u64) -> Vec<Figure> {
    let nodes = pair.start().await;
    let id = nodes.offer(file).await;
    until(&nodes.bob, id, |transfer| (transfer.bytes >= size / 2).then_some(())).await;
    nodes.alice.kill();
    nodes.bob.kill();
    let begun = Instant::now();
    let bob = Apart::start(&pair.bob.home).await;
    let safe = transfer(&bob, id).await.expect("it knows what it takes").bytes;
    let nodes = Running { alice: Apart::start(&pair.alice.home).await, bob };
    until(&nodes.bob, id, |transfer| (transfer.bytes > safe).then_some(())).await;
    let resumed = begun.elapsed();
    let (there, sent) = nodes.done(id).await;
    assert!(same(file, there.as_ref()), "what came is not what was sent");
    let missing = size.div_ceil(CHUNK) - safe.div_ceil(CHUNK);
    let again = (sent * CHUNK).saturating_sub(missing * CHUNK);
    nodes.alice.stop();
    nodes.bob.stop();
    vec![
        Figure::new("sent again of what was safe, after both were killed", again as f64 / MIB as f64, "MiB")
            .at_most(0.0)
            .note(format!(
                "{} of {} MiB were safe when both came back; the file that came in the end is the same, byte for byte",
                safe / MIB,
                size / MIB
            )),
        Figure::ms("from the start of both to the next chunk that is safe", resumed),
    ]
}
