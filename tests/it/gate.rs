//! What stands in a test between a node and the world: a gate that can be shut, or swallow everything, and that counts
//! what it lets through; and a black hole that speaks the tcp transport's protocol, takes every envelope, and delivers none.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::BytesMut;
use futures_util::{SinkExt as _, StreamExt as _};
use skcomm_tui::transport::tcp::frame::{Frame, FrameCodec, FrameType, PREAMBLE, take_preamble};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tokio_util::codec::Framed;

/// What a gate does with what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// Lets it through.
    Open,
    /// Connections end, new ones end at once.
    Shut,
    /// Connections stay, and nothing comes out at the other end: half open.
    Swallow,
}

/// Passes TCP connections on, or not.
pub(crate) struct Gate {
    address: SocketAddr,
    passage: watch::Sender<Passage>,
    passed: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Gate {
    /// An open gate on a port of its own, before `upstream`.
    pub(crate) async fn before(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (passage, seen) = watch::channel(Passage::Open);
        let passed = Arc::new(AtomicU64::new(0));
        let count = passed.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, upstream, seen.clone(), count.clone()));
            }
        });
        Self { address, passage, passed, task }
    }

    /// Where it stands.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it does this with all connections, also those that are there.
    pub(crate) fn set(&self, passage: Passage) {
        self.passage.send_replace(passage);
    }

    /// Bytes that went through, in either direction, since it was built.
    #[allow(dead_code, reason = "the bench table's")]
    pub(crate) fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(near: TcpStream, target: SocketAddr, mut passage: watch::Receiver<Passage>, count: Arc<AtomicU64>) {
    let now = *passage.borrow_and_update();
    let far = match now {
        Passage::Shut => return,
        Passage::Open => TcpStream::connect(target).await.ok(),
        Passage::Swallow => None,
    };
    if far.is_none() && now == Passage::Open {
        return;
    }
    // What it adds should be nothing but the passage.
    let _ = near.set_nodelay(true);
    let (near_in, near_out) = near.into_split();
    match far {
        Some(far) => {
            let _ = far.set_nodelay(true);
            let (far_in, far_out) = far.into_split();
            // When one direction ends so does the other: a half of a connection is of no use to anybody here.
            tokio::select! {
                () = pump(near_in, Some(far_out), passage.clone(), &count) => {}
                () = pump(far_in, Some(near_out), passage, &count) => {}
            }
        }
        None => {
            pump(near_in, None, passage, &count).await;
            drop(near_out);
        }
    }
}

/// Moves bytes until the connection ends or the gate says so. What was swallowed is lost, so that the connection ends
/// when the gate opens again.
async fn pump(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: Option<tokio::net::tcp::OwnedWriteHalf>,
    mut passage: watch::Receiver<Passage>,
    passed: &AtomicU64,
) {
    let mut swallowed = to.is_none();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        tokio::select! {
            changed = passage.changed() => {
                let now = *passage.borrow_and_update();
                if changed.is_err() || now == Passage::Shut || (now == Passage::Open && swallowed) {
                    return;
                }
            }
            read = from.read(&mut buffer) => {
                let Ok(count @ 1..) = read else { return };
                match &mut to {
                    Some(to) if *passage.borrow() == Passage::Open => {
                        if to.write_all(&buffer[..count]).await.is_err() { return; }
                        passed.fetch_add(count as u64, Ordering::Relaxed);
                    }
                    _ => swallowed = true,
                }
            }
        }
    }
}

/// A peer of the tcp transport that says of every envelope that it is taken, and forgets it.
pub(crate) struct BlackHole {
    address: SocketAddr,
    taken: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl BlackHole {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::new(AtomicU64::new(0));
        let count = taken.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let count = count.clone();
                // The dialler going away is the usual end.
                tokio::spawn(async move { swallow(stream, &count).await.ok() });
            }
        });
        Self { address, taken, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many envelopes it has taken.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Drop for BlackHole {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn swallow(mut stream: TcpStream, taken: &AtomicU64) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut greeting = [0; PREAMBLE.len()];
    stream.read_exact(&mut greeting).await?;
    take_preamble(&mut BytesMut::from(&greeting[..]))?;
    stream.write_all(&PREAMBLE).await?;
    let mut frames = Framed::new(stream, FrameCodec);
    while let Some(frame) = frames.next().await {
        let frame = frame?;
        let kind = match frame.kind {
            FrameType::Data => FrameType::Taken,
            FrameType::Ping => FrameType::Pong,
            _ => continue,
        };
        taken.fetch_add(u64::from(kind == FrameType::Taken), Ordering::Relaxed);
        frames.send(&Frame::bare(kind, frame.sequence)).await?;
    }
    Ok(())
}
