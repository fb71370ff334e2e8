//! The sending side: one task and one persistent connection for each address.
//!
//! Many frames are in flight on a connection; each is answered by its number. When the connection ends, what was
//! in flight fails with a reason and what was not yet written goes over the next connection, in order.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    net::{TcpStream, lookup_host},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
    time::{Instant, MissedTickBehavior, interval, timeout, timeout_at},
};

use super::{
    WINDOW_FRAMES,
    address::Address,
    config::TcpSettings,
    frame::{Frame, FrameError, FrameType, HEADER_BYTES},
    stream::{FLUSH_BYTES, FrameReader, FrameWriter},
};
use crate::{
    delivery::{Reason, ReasonKind},
    transport::{Accepted, Retry, SendError, backoff::Backoff, lock, running::Tasks},
};

/// Frames that wait for room on the connection to one address before more are sent away. Callers hold what they
/// send anyway, so the queue costs little; it keeps frames in the order of the calls.
const QUEUE_FRAMES: usize = 4096;
/// Shortest and longest wait before a lost connection is dialled again.
const REDIAL: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// A frame on its way to the connection, and who wants to know what became of it.
struct Outgoing {
    frame: Bytes,
    answer: oneshot::Sender<Result<Accepted, SendError>>,
}

/// Sends frames to any address.
pub(super) struct Dialer {
    settings: Arc<TcpSettings>,
    tasks: Tasks,
    lines: Arc<Mutex<Lines>>,
}

/// The queue of each address that has a task.
type Lines = BTreeMap<Address, mpsc::Sender<Outgoing>>;

impl Dialer {
    pub(super) fn new(settings: Arc<TcpSettings>, tasks: Tasks) -> Self {
        Self { settings, tasks, lines: Arc::default() }
    }

    /// Sends `frame` to `address` and waits for its answer. May be dropped at any time: a frame that was not yet
    /// written is then not written any more.
    pub(super) async fn send(&self, address: &Address, frame: Bytes) -> Result<Accepted, SendError> {
        let (answer, answered) = oneshot::channel();
        let mut outgoing = Outgoing { frame, answer };
        loop {
            if self.tasks.stop().is_cancelled() {
                return Err(SendError::stopping());
            }
            match self.line(address).try_send(outgoing) {
                Ok(()) => break,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    let detail = format!("{QUEUE_FRAMES} frames wait for {}:{} already", address.host, address.port);
                    return Err(later(ReasonKind::QueueFull, detail));
                }
                // The line's task just ended for want of work: the next turn starts another.
                Err(mpsc::error::TrySendError::Closed(back)) => outgoing = back,
            }
        }
        answered.await.unwrap_or_else(|_| match self.tasks.stop().is_cancelled() {
            true => Err(SendError::stopping()),
            false => Err(later(ReasonKind::Disconnected, "the connection broke before the frame was written")),
        })
    }

    fn line(&self, address: &Address) -> mpsc::Sender<Outgoing> {
        let mut lines = lock(&self.lines);
        if let Some(line) = lines.get(address).filter(|line| !line.is_closed()) {
            return line.clone();
        }
        let (tx, rx) = mpsc::channel(QUEUE_FRAMES);
        lines.insert(address.clone(), tx.clone());
        let line = Line {
            address: address.clone(),
            settings: self.settings.clone(),
            backoff: Backoff::new(REDIAL.0, REDIAL.1),
            closed_until: None,
        };
        self.tasks.spawn(line.run(rx));
        tx
    }

    /// Connects to `socket`, asks "are you there?" and waits for the answer.
    pub(super) async fn ping(&self, socket: SocketAddr) -> Result<(), FrameError> {
        let stream = TcpStream::connect(socket).await?;
        let (reader, writer) = stream.into_split();
        let (mut reader, mut writer) = (FrameReader::new(reader, self.settings.idle), FrameWriter::new(writer));
        writer.preamble().await?;
        writer.put(&Frame::bare(FrameType::Ping, 1)).await?;
        writer.flush().await?;
        reader.preamble().await?;
        loop {
            let header = reader.header().await?.ok_or(FrameError::Cut)?;
            match reader.frame(header).await?.kind {
                FrameType::Pong => return Ok(()),
                FrameType::Ping => {}
                other => return Err(FrameError::Unexpected(other)),
            }
        }
    }
}

fn later(kind: ReasonKind, detail: impl AsRef<str>) -> SendError {
    SendError::later(Reason::new(kind, detail))
}

/// One address: its back-off and, in [`Line::run`], its connection.
struct Line {
    address: Address,
    settings: Arc<TcpSettings>,
    backoff: Backoff,
    /// Not dialled before, and why.
    closed_until: Option<(Instant, Reason)>,
}

impl Line {
    /// Serves the queue until there was nothing to do for long.
    async fn run(mut self, mut queue: mpsc::Receiver<Outgoing>) {
        loop {
            let Ok(Some(first)) = timeout(self.settings.unused, queue.recv()).await else { break };
            if let Some(error) = self.still_closed() {
                let _ = first.answer.send(Err(error));
                continue;
            }
            match self.connect().await {
                Ok(connection) => self.converse(connection, first, &mut queue).await,
                Err(reason) => {
                    self.close(&reason);
                    self.fail_waiting(first, &mut queue, &reason);
                }
            }
        }
        // Senders that still hold this queue are told that it is closed and open another.
        queue.close();
        while let Some(outgoing) = queue.recv().await {
            let _ = outgoing.answer.send(Err(later(ReasonKind::Disconnected, "the connection was closed as unused")));
        }
    }

    fn still_closed(&self) -> Option<SendError> {
        let (until, reason) = self.closed_until.as_ref()?;
        let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        let detail = format!("{reason}; dialled again in {:.1} s", left.as_secs_f32());
        Some(SendError { reason: Reason::new(reason.kind, detail), retry: Retry::After(left) })
    }

    fn close(&mut self, reason: &Reason) {
        self.closed_until = Some((Instant::now() + self.backoff.fail(), reason.clone()));
    }

    fn fail_waiting(&self, first: Outgoing, queue: &mut mpsc::Receiver<Outgoing>, reason: &Reason) {
        let retry = self.still_closed().map_or(Retry::Later, |error| error.retry);
        let mut next = Some(first);
        while let Some(outgoing) = next {
            let _ = outgoing.answer.send(Err(SendError { reason: reason.clone(), retry }));
            next = queue.try_recv().ok();
        }
    }

    /// Connects and exchanges preambles, all within the connect time-out.
    async fn connect(&self) -> Result<Connection, Reason> {
        let Address { host, port } = &self.address;
        let limit = self.settings.connect_timeout;
        let end = Instant::now() + limit;
        let shake = async {
            let stream = connect_any(host, *port, end).await?;
            // Only a hint to the kernel; small frames merely wait a little longer without it.
            let _ = stream.set_nodelay(true);
            let (reader, writer) = stream.into_split();
            let (mut reader, mut writer) = (FrameReader::new(reader, self.settings.idle), FrameWriter::new(writer));
            let greet = async {
                writer.preamble().await?;
                reader.preamble().await
            };
            greet.await.map_err(|e| self.broken(&e))?;
            Ok(Connection { reader, writer })
        };
        timeout_at(end, shake).await.unwrap_or_else(|_| {
            let detail = format!("{host}:{port} did not answer within {:.1} s", limit.as_secs_f32());
            Err(Reason::new(ReasonKind::Timeout, detail))
        })
    }

    fn broken(&self, error: &FrameError) -> Reason {
        let kind = match error {
            FrameError::Io(_) | FrameError::Cut => ReasonKind::Disconnected,
            FrameError::Silent(_) | FrameError::Slow => ReasonKind::Timeout,
            _ => ReasonKind::Protocol,
        };
        Reason::new(kind, format!("{}:{}: {error}", self.address.host, self.address.port))
    }

    /// Uses `connection` until it ends.
    async fn converse(&mut self, connection: Connection, first: Outgoing, queue: &mut mpsc::Receiver<Outgoing>) {
        let Connection { mut reader, mut writer } = connection;
        let (flight, mut first) = (Flight::default(), Some(first));
        let (pings, asked) = watch::channel(None);
        let end = tokio::select! {
            end = read_answers(&mut reader, &flight, &pings) => end,
            end = write_frames(&mut writer, &flight, asked, &mut first, queue, &self.settings) => end,
        };
        let reason = match end {
            Ok(()) => Reason::new(ReasonKind::Disconnected, "the connection was closed as unused"),
            Err(error) => self.broken(&error),
        };
        // A connection over which something was answered is dialled again at once for what still waits; one that
        // breaks before that counts like one that could not be made.
        if flight.any_answered() {
            self.backoff.reset();
            self.closed_until = None;
        } else {
            self.close(&reason);
        }
        flight.fail_all(&reason);
        if let Some(unwritten) = first {
            let _ = unwritten.answer.send(Err(SendError { reason, retry: Retry::Later }));
        }
    }
}

/// Resolves `host` and tries its addresses in turn, each with its share of the time that is left.
async fn connect_any(host: &str, port: u16, end: Instant) -> Result<TcpStream, Reason> {
    let unreachable = |detail: String| Reason::new(ReasonKind::Unreachable, detail);
    let found = lookup_host((host, port)).await;
    let sockets: Vec<SocketAddr> = found.map_err(|e| unreachable(format!("{host} is not found: {e}")))?.collect();
    let mut last = unreachable(format!("{host} has no address"));
    for (tried, socket) in sockets.iter().enumerate() {
        let left = end.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(sockets.len() - tried).unwrap_or(u32::MAX);
        last = match timeout(share, TcpStream::connect(socket)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => unreachable(format!("{socket}: {error}")),
            Err(_) => {
                Reason::new(ReasonKind::Timeout, format!("{socket} did not answer in {:.1} s", share.as_secs_f32()))
            }
        };
    }
    Err(last)
}

/// A connection whose preambles were exchanged.
struct Connection {
    reader: FrameReader<tokio::net::tcp::OwnedReadHalf>,
    writer: FrameWriter<tokio::net::tcp::OwnedWriteHalf>,
}

/// The frames written on one connection and not yet answered.
struct Flight {
    waiting: Mutex<BTreeMap<u64, InFlight>>,
    window: Arc<Semaphore>,
    answered: AtomicBool,
}

struct InFlight {
    bytes: u64,
    answer: oneshot::Sender<Result<Accepted, SendError>>,
    _slot: OwnedSemaphorePermit,
}

impl Default for Flight {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            window: Arc::new(Semaphore::new(WINDOW_FRAMES)),
            answered: AtomicBool::new(false),
        }
    }
}

impl Flight {
    fn any_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    fn is_empty(&self) -> bool {
        lock(&self.waiting).is_empty()
    }

    /// Applies the other side's answer.
    fn settle(&self, frame: &Frame) -> Result<(), FrameError> {
        let Some(waiting) = lock(&self.waiting).remove(&frame.sequence) else {
            return Err(FrameError::Unexpected(frame.kind));
        };
        self.answered.store(true, Ordering::Relaxed);
        let result = match frame.kind {
            FrameType::Taken => Ok(Accepted { stored_by: None, bytes: waiting.bytes }),
            FrameType::Refused => Err(SendError { reason: frame.reason(), retry: Retry::Never }),
            _ => Err(SendError { reason: frame.reason(), retry: Retry::Later }),
        };
        // Whoever asked may have given up meanwhile.
        let _ = waiting.answer.send(result);
        Ok(())
    }

    fn fail_all(&self, reason: &Reason) {
        for (_, waiting) in std::mem::take(&mut *lock(&self.waiting)) {
            let _ = waiting.answer.send(Err(SendError { reason: reason.clone(), retry: Retry::Later }));
        }
    }
}

/// Reads answers until the connection ends. A question for a sign of life is passed to the writer.
async fn read_answers<R: tokio::io::AsyncRead + Unpin>(
    reader: &mut FrameReader<R>,
    flight: &Flight,
    pings: &watch::Sender<Option<u64>>,
) -> Result<(), FrameError> {
    while let Some(header) = reader.header().await? {
        if header.kind == FrameType::Data {
            return Err(FrameError::Unexpected(FrameType::Data));
        }
        let frame = reader.frame(header).await?;
        match frame.kind {
            FrameType::Ping => {
                pings.send_replace(Some(frame.sequence));
            }
            FrameType::Pong => {}
            _ => flight.settle(&frame)?,
        }
    }
    Err(FrameError::Io("the other side closed the connection".to_owned()))
}

/// Writes frames as they come, many at once; ends well when there was nothing to send for long.
async fn write_frames<W: tokio::io::AsyncWrite + Unpin>(
    writer: &mut FrameWriter<W>,
    flight: &Flight,
    mut asked: watch::Receiver<Option<u64>>,
    first: &mut Option<Outgoing>,
    queue: &mut mpsc::Receiver<Outgoing>,
    settings: &TcpSettings,
) -> Result<(), FrameError> {
    let mut sequence = 0;
    let mut ping = interval(settings.ping_every());
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut used = Instant::now();
    loop {
        // The slot first: a frame leaves the queue only when there is room for it on the connection.
        let outgoing = async {
            let slot = flight.window.clone().acquire_owned().await.ok()?;
            let outgoing = match first.take() {
                Some(first) => first,
                None => queue.recv().await?,
            };
            Some((slot, outgoing))
        };
        tokio::select! {
            Ok(()) = asked.changed() => {
                let question = *asked.borrow_and_update();
                writer.put(&Frame::bare(FrameType::Pong, question.unwrap_or_default())).await?;
            }
            _ = ping.tick() => {
                if used.elapsed() >= settings.unused && flight.is_empty() {
                    return Ok(());
                }
                writer.put(&Frame::bare(FrameType::Ping, sequence)).await?;
            }
            outgoing = outgoing => {
                let Some((slot, outgoing)) = outgoing else { return Ok(()) };
                launch(writer, flight, &mut sequence, slot, outgoing).await?;
                used = Instant::now();
                while writer.gathered() < FLUSH_BYTES
                    && let Ok(slot) = flight.window.clone().try_acquire_owned()
                    && let Ok(outgoing) = queue.try_recv()
                {
                    launch(writer, flight, &mut sequence, slot, outgoing).await?;
                }
            }
        }
        writer.flush().await?;
    }
}

/// Gives `outgoing` its number and gathers it, unless its sender has given up.
async fn launch<W: tokio::io::AsyncWrite + Unpin>(
    writer: &mut FrameWriter<W>,
    flight: &Flight,
    sequence: &mut u64,
    slot: OwnedSemaphorePermit,
    outgoing: Outgoing,
) -> Result<(), FrameError> {
    let Outgoing { frame: payload, answer } = outgoing;
    if answer.is_closed() {
        return Ok(());
    }
    *sequence += 1;
    let bytes = (HEADER_BYTES + payload.len()) as u64;
    lock(&flight.waiting).insert(*sequence, InFlight { bytes, answer, _slot: slot });
    writer.put(&Frame { kind: FrameType::Data, sequence: *sequence, payload }).await
}
