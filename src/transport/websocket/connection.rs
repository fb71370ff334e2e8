//! One connection that is logged in: frames out, answers and mail in.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    dial::LoggedIn,
    inbox::Mail,
    protocol::{OVERHEAD_BYTES, Refusal, RefusalKind, Welcome},
    wires,
};
use crate::{
    delivery::{Reason, ReasonKind},
    transport::{
        Accepted, Retry, SendError,
        link::{Life, Live},
        lock,
    },
    wire::{Fingerprint, SafeText, limits},
};

/// Frames that wait to be written; those who come later wait themselves.
const QUEUE: usize = 64;
/// Most frames sent ahead of answers, whatever the relay allows.
const WINDOW_MESSAGES: u16 = 1024;
/// When to try again at a relay that is full.
const FULL_WAIT: Duration = Duration::from_secs(300);
/// When to try again at a relay where the recipient has no mailbox.
const NO_MAILBOX_WAIT: Duration = Duration::from_secs(3600);

/// Something to be written.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// A frame, and who waits for the answer.
    Put { recipient: Fingerprint, frame: Bytes, waiting: Waiting },
    /// A ping, and who waits for the pong.
    Ping(oneshot::Sender<()>),
}

/// Who waits for an answer to a PUT, with the places that the frame takes in the window.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) reply: oneshot::Sender<Result<(), Refusal>>,
    /// Bytes of the frame.
    pub(super) size: usize,
    _place: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

/// What the halves of a connection share with those who use it.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) puts: Mutex<BTreeMap<u64, Waiting>>,
    pub(super) pings: Mutex<BTreeMap<u64, oneshot::Sender<()>>>,
    life: Life,
    used: AtomicU64,
}

/// A connection that is logged in. It ends when it is closed or the other side is gone.
#[derive(Debug)]
pub(super) struct Connection {
    relay: SafeText,
    welcome: Welcome,
    outgoing: mpsc::Sender<Outgoing>,
    places: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    bytes_kib: u32,
    shared: Arc<Shared>,
    closing: CancellationToken,
    opened: Instant,
}

impl Live for Connection {
    fn life(&self) -> &Life {
        &self.shared.life
    }

    /// Says goodbye to the relay.
    fn close(&self) {
        self.closing.cancel();
    }
}

impl Connection {
    /// Takes a logged-in socket into use. The second part runs the connection and must be driven.
    pub(super) fn open(
        logged_in: LoggedIn,
        relay: SafeText,
        keepalive: Duration,
        mail: Option<Mail>,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send + 'static) {
        let LoggedIn { socket, welcome } = logged_in;
        let (outgoing, queue) = mpsc::channel(QUEUE);
        let window = usize::from(welcome.window.messages.min(WINDOW_MESSAGES));
        let bytes_kib = (welcome.window.bytes / 1024).max(1);
        let connection = Arc::new(Self {
            relay,
            welcome,
            outgoing,
            places: Arc::new(Semaphore::new(window)),
            bytes: Arc::new(Semaphore::new(bytes_kib as usize)),
            bytes_kib,
            shared: Arc::default(),
            closing: CancellationToken::new(),
            opened: Instant::now(),
        });
        let silence = Duration::from_secs(u64::from(welcome.silence_seconds));
        let keepalive = keepalive.min(silence / 3).max(Duration::from_millis(100));
        let (shared, closing) = (connection.shared.clone(), connection.closing.clone());
        let (places, bytes) = (connection.places.clone(), connection.bytes.clone());
        let running = async move {
            let failure = wires::run(socket, queue, &shared, keepalive, mail, closing).await;
            // The reason first: whoever finds its answer gone looks for it.
            shared.life.end(failure);
            places.close();
            bytes.close();
            lock(&shared.puts).clear();
            lock(&shared.pings).clear();
            shared.life.finish();
        };
        (connection, running)
    }

    /// Hands a frame to the relay and waits until it is stored. May be dropped at any time; the relay may
    /// then have the frame or not.
    pub(super) async fn put(&self, recipient: Fingerprint, frame: Bytes) -> Result<Accepted, SendError> {
        let most = limits::ENVELOPE_BYTES.min(self.welcome.max_frame as usize);
        if frame.len() > most {
            let detail = format!("{} takes frames up to {most} bytes, this one has {}", self.relay, frame.len());
            return Err(SendError { reason: Reason::new(ReasonKind::TooLarge, detail), retry: Retry::Never });
        }
        self.touch();
        let kib = u32::try_from(frame.len().div_ceil(1024)).unwrap_or(u32::MAX).min(self.bytes_kib);
        let place = self.places.clone().acquire_owned().await.map_err(|_| self.broken())?;
        let bytes = self.bytes.clone().acquire_many_owned(kib).await.map_err(|_| self.broken())?;
        let size = frame.len() + OVERHEAD_BYTES;
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting { reply, size: frame.len(), _place: place, _bytes: bytes };
        self.outgoing.send(Outgoing::Put { recipient, frame, waiting }).await.map_err(|_| self.broken())?;
        let outcome = answer.await.map_err(|_| self.broken())?;
        self.touch();
        match outcome {
            Ok(()) => Ok(Accepted { stored_by: Some(self.relay.clone()), bytes: size as u64 }),
            Err(refusal) => Err(self.refused(&refusal)),
        }
    }

    /// Measures a round trip.
    pub(super) async fn ping(&self) -> Result<Duration, Reason> {
        let (reply, answer) = oneshot::channel();
        let start = Instant::now();
        self.outgoing.send(Outgoing::Ping(reply)).await.map_err(|_| self.broken().reason)?;
        answer.await.map_err(|_| self.broken().reason)?;
        Ok(start.elapsed())
    }

    /// How long nobody has sent anything over it.
    pub(super) fn unused_for(&self) -> Duration {
        if !lock(&self.shared.puts).is_empty() {
            return Duration::ZERO;
        }
        let used = Duration::from_millis(self.shared.used.load(Ordering::Relaxed));
        self.opened.elapsed().saturating_sub(used)
    }

    fn touch(&self) {
        let ms = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.shared.used.fetch_max(ms, Ordering::Relaxed);
    }

    fn broken(&self) -> SendError {
        self.shared.life.cause().at(&self.relay).send_error()
    }

    fn refused(&self, refusal: &Refusal) -> SendError {
        let (kind, retry) = match refusal.kind {
            RefusalKind::RateLimited | RefusalKind::Busy => {
                (ReasonKind::RateLimited, Retry::After(refusal.retry_after.unwrap_or(Duration::from_secs(1))))
            }
            RefusalKind::MailboxFull | RefusalKind::RelayFull => {
                (ReasonKind::NoSpace, Retry::After(refusal.retry_after.unwrap_or(FULL_WAIT)))
            }
            RefusalKind::TooLarge => (ReasonKind::TooLarge, Retry::Never),
            RefusalKind::NoMailbox => {
                (ReasonKind::NoRoute, Retry::After(refusal.retry_after.unwrap_or(NO_MAILBOX_WAIT)))
            }
            RefusalKind::StorageFailed => (ReasonKind::Io, Retry::Later),
            RefusalKind::AuthRefused => (ReasonKind::AuthRefused, Retry::Later),
            RefusalKind::Protocol => (ReasonKind::Protocol, Retry::Later),
            RefusalKind::Stopping => (ReasonKind::Stopping, Retry::Later),
            RefusalKind::Idle => (ReasonKind::Timeout, Retry::Later),
            RefusalKind::Other => (ReasonKind::Other, refusal.retry_after.map_or(Retry::Later, Retry::After)),
        };
        SendError { reason: Reason::new(kind, format!("{}: {refusal}", self.relay)), retry }
    }
}
