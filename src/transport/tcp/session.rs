//! One accepted connection: reads envelopes into the node, writes back what became of them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{MissedTickBehavior, interval, timeout},
};

use super::{
    WINDOW_FRAMES,
    frame::{Frame, FrameError, FrameType, HEADER_BYTES, Header},
    listen::{Listener, push},
    stream::{FLUSH_BYTES, FrameReader, FrameWriter},
};
use crate::{
    delivery::{Reason, ReasonKind},
    transport::{Disposition, Inbound, Receipt, TransportEvent},
    wire::{SafeText, limits},
};

/// Frames up to this size share one budget of memory, larger ones another, so that slow large frames never keep
/// small ones waiting.
const SMALL_BYTES: usize = 64 * 1024;
/// Memory for small frames that the node has not answered, over all connections.
const SMALL_TOTAL: usize = 32 * 1024 * 1024;
/// Memory for large ones, over all connections.
const LARGE_TOTAL: usize = 64 * 1024 * 1024;
/// Memory for frames of one connection.
const CONNECTION_TOTAL: usize = limits::ENVELOPE_BYTES + 4 * 1024 * 1024;
/// The budgets count in this unit.
const UNIT_BYTES: usize = 1024;
/// How long the last answers may take after the other side has ended its half.
const LINGER: Duration = Duration::from_secs(10);

/// Memory that frames may use before the node has answered for them, shared by all connections.
pub(super) struct Budget {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

impl Default for Budget {
    fn default() -> Self {
        let of = |bytes: usize| Arc::new(Semaphore::new(bytes / UNIT_BYTES));
        Self { small: of(SMALL_TOTAL), large: of(LARGE_TOTAL) }
    }
}

/// The right to hold one frame; given back when the frame is answered.
type Claim = [OwnedSemaphorePermit; 3];

/// One connection's own share.
struct Share<'a> {
    budget: &'a Budget,
    frames: Arc<Semaphore>,
    memory: Arc<Semaphore>,
}

impl Share<'_> {
    /// Waits until there is room for the frame that `header` begins, before any of it is kept.
    async fn claim(&self, header: Header) -> Option<Claim> {
        let bytes = header.frame_bytes();
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).ok()?;
        let total = if bytes <= SMALL_BYTES { &self.budget.small } else { &self.budget.large };
        Some([
            self.frames.clone().acquire_owned().await.ok()?,
            self.memory.clone().acquire_many_owned(units).await.ok()?,
            total.clone().acquire_many_owned(units).await.ok()?,
        ])
    }
}

/// What the reading half hands to the writing half.
enum Reply {
    /// The node will answer for the envelope of that number.
    Waiting { sequence: u64, answer: oneshot::Receiver<Disposition>, claim: Claim },
    /// A question for a sign of life.
    Pong(u64),
}

/// Serves one connection until it ends.
pub(super) async fn serve(
    stream: TcpStream,
    from: SocketAddr,
    listener: &Listener,
    budget: &Budget,
) -> Result<(), FrameError> {
    // Only a hint to the kernel; answers merely wait a little longer without it.
    let _ = stream.set_nodelay(true);
    let idle = listener.settings.idle;
    let (reader, writer) = stream.into_split();
    let (mut reader, mut writer) = (FrameReader::new(reader, idle), FrameWriter::new(writer));
    // The dialler greets first: a port scanner that says nothing learns nothing.
    timeout(listener.settings.connect_timeout, reader.preamble()).await.map_err(|_| FrameError::Slow)??;
    timeout(listener.settings.connect_timeout, writer.preamble()).await.map_err(|_| FrameError::Slow)??;

    let (replies, waiting) = mpsc::channel(WINDOW_FRAMES);
    let read = read_frames(reader, from, listener, budget, replies);
    let write = write_replies(writer, waiting, listener);
    tokio::pin!(read, write);
    tokio::select! {
        end = &mut write => end,
        end = &mut read => {
            end?;
            timeout(LINGER, write).await.unwrap_or(Err(FrameError::Slow))
        }
    }
}

async fn read_frames(
    mut reader: FrameReader<tokio::net::tcp::OwnedReadHalf>,
    from: SocketAddr,
    listener: &Listener,
    budget: &Budget,
    replies: mpsc::Sender<Reply>,
) -> Result<(), FrameError> {
    let share = Share {
        budget,
        frames: Arc::new(Semaphore::new(WINDOW_FRAMES)),
        memory: Arc::new(Semaphore::new(CONNECTION_TOTAL / UNIT_BYTES)),
    };
    let origin = SafeText::line(&from.to_string());
    let mut expected = 1;
    while let Some(header) = reader.header().await? {
        match header.kind {
            FrameType::Data if header.sequence == expected => expected += 1,
            FrameType::Data => return Err(FrameError::Sequence { got: header.sequence, expected }),
            FrameType::Ping => {
                reader.frame(header).await?;
                push(&replies, Reply::Pong(header.sequence), listener.settings.idle).await?;
                continue;
            }
            FrameType::Pong => {
                reader.frame(header).await?;
                continue;
            }
            other => return Err(FrameError::Unexpected(other)),
        }
        let Some(claim) = share.claim(header).await else { return Err(FrameError::Cut) };
        let frame = reader.frame(header).await?.payload;
        let (receipt, answer) = Receipt::new();
        let inbound = Inbound { via: listener.id.clone(), frame, origin: origin.clone(), receipt };
        // Waits as long as the node needs: that is the back-pressure which the sender feels.
        listener.sink.send(TransportEvent::Inbound(inbound)).await.map_err(|_| FrameError::Cut)?;
        push(&replies, Reply::Waiting { sequence: header.sequence, answer, claim }, listener.settings.idle).await?;
    }
    Ok(())
}

/// Writes answers in the order in which the node gives them, many at once, and signs of life. Ends when the
/// reading half has ended and everything is answered.
async fn write_replies(
    mut writer: FrameWriter<tokio::net::tcp::OwnedWriteHalf>,
    mut waiting: mpsc::Receiver<Reply>,
    listener: &Listener,
) -> Result<(), FrameError> {
    let idle = listener.settings.idle;
    let mut open = true;
    let mut pending = FuturesUnordered::new();
    let mut ping = interval(listener.settings.ping_every());
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while open || !pending.is_empty() {
        tokio::select! {
            reply = waiting.recv(), if open => match reply {
                None => open = false,
                Some(Reply::Pong(sequence)) => writer.put(&Frame::bare(FrameType::Pong, sequence)).await?,
                Some(Reply::Waiting { sequence, answer, claim }) => {
                    pending.push(answer.map(move |answer| (sequence, answer, claim)));
                    continue;
                }
            },
            Some((sequence, answer, claim)) = pending.next(), if !pending.is_empty() => {
                drop(claim);
                writer.put(&reply_frame(sequence, answer.ok())).await?;
                while writer.gathered() < FLUSH_BYTES
                    && let Some(Some((sequence, answer, claim))) = pending.next().now_or_never()
                {
                    drop(claim);
                    writer.put(&reply_frame(sequence, answer.ok())).await?;
                }
            }
            _ = ping.tick() => writer.put(&Frame::bare(FrameType::Ping, 0)).await?,
        }
        writer.flush_within(idle).await?;
    }
    Ok(())
}

fn reply_frame(sequence: u64, answer: Option<Disposition>) -> Frame {
    match answer {
        Some(Disposition::Durable) => Frame::bare(FrameType::Taken, sequence),
        Some(Disposition::Refused(reason)) => Frame::with_reason(FrameType::Refused, sequence, &reason),
        None => {
            let reason = Reason::new(ReasonKind::QueueFull, "the peer could not take it now");
            Frame::with_reason(FrameType::Later, sequence, &reason)
        }
    }
}

// A frame of the largest size fits into every budget, so no claim waits for ever.
const _: () = assert!(limits::ENVELOPE_BYTES + HEADER_BYTES <= CONNECTION_TOTAL && CONNECTION_TOTAL <= LARGE_TOTAL);
