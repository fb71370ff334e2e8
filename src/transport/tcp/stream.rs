//! Reads and writes frames on one connection within bounds of time and memory.

use std::time::Duration;

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::codec::Encoder as _;

use super::frame::{self, Frame, FrameCodec, FrameError, Header};

/// Room that is made in the read buffer at a time.
const READ_BYTES: usize = 64 * 1024;
/// Payloads above this are written from where they lie instead of being copied together.
const GATHER_BYTES: usize = 64 * 1024;
/// Once so much is gathered it is written out.
pub(super) const FLUSH_BYTES: usize = 256 * 1024;
/// A frame that was begun must be whole within so many idle times …
const FRAME_IDLES: u32 = 2;
/// … plus its size at this rate, in bytes a second: slow links live, a slow-loris attack does not.
const FRAME_RATE: f64 = 16.0 * 1024.0;

/// The reading half.
pub(super) struct FrameReader<R> {
    inner: R,
    buffer: BytesMut,
    /// Longest silence.
    idle: Duration,
    /// When the frame at the beginning of the buffer must be whole.
    due: Option<Instant>,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(super) fn new(inner: R, idle: Duration) -> Self {
        Self { inner, buffer: BytesMut::with_capacity(READ_BYTES), idle, due: None }
    }

    /// Waits for the other side's preamble.
    pub(super) async fn preamble(&mut self) -> Result<(), FrameError> {
        while !frame::take_preamble(&mut self.buffer)? {
            if self.read_some().await? == 0 {
                return Err(FrameError::Cut);
            }
        }
        Ok(())
    }

    /// Waits for the beginning of a frame; none when the other side ended the connection between two frames.
    pub(super) async fn header(&mut self) -> Result<Option<Header>, FrameError> {
        loop {
            if let Some(header) = Header::peek(&self.buffer)? {
                return Ok(Some(header));
            }
            self.due =
                (!self.buffer.is_empty()).then(|| self.due.unwrap_or_else(|| Instant::now() + self.idle * FRAME_IDLES));
            if self.read_some().await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(FrameError::Cut) };
            }
        }
    }

    /// Reads the rest of the frame that `header` begins.
    pub(super) async fn frame(&mut self, header: Header) -> Result<Frame, FrameError> {
        if self.buffer.len() < header.frame_bytes() {
            let allowed = self.idle * FRAME_IDLES + Duration::from_secs_f64(header.payload as f64 / FRAME_RATE);
            self.due = Some(Instant::now() + allowed);
        }
        loop {
            if let Some(frame) = frame::take(&mut self.buffer, header) {
                self.due = None;
                return Ok(frame);
            }
            if self.read_some().await? == 0 {
                return Err(FrameError::Cut);
            }
        }
    }

    async fn read_some(&mut self) -> Result<usize, FrameError> {
        if self.buffer.capacity() - self.buffer.len() < READ_BYTES / 4 {
            self.buffer.reserve(READ_BYTES);
        }
        let silence = Instant::now() + self.idle;
        let (end, error) = match self.due {
            Some(due) if due < silence => (due, FrameError::Slow),
            _ => (silence, FrameError::Silent(self.idle)),
        };
        match timeout_at(end, self.inner.read_buf(&mut self.buffer)).await {
            Ok(read) => Ok(read?),
            Err(_) => Err(error),
        }
    }
}

/// The writing half: gathers frames and writes many at once.
pub(super) struct FrameWriter<W> {
    inner: W,
    buffer: BytesMut,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    pub(super) fn new(inner: W) -> Self {
        Self { inner, buffer: BytesMut::with_capacity(READ_BYTES) }
    }

    /// Writes the preamble.
    pub(super) async fn preamble(&mut self) -> Result<(), FrameError> {
        Ok(self.inner.write_all(&frame::PREAMBLE).await?)
    }

    /// Gathers `frame`, writing out what was gathered when that is much.
    pub(super) async fn put(&mut self, frame: &Frame) -> Result<(), FrameError> {
        if frame.payload.len() <= GATHER_BYTES {
            FrameCodec.encode(frame, &mut self.buffer)?;
        } else {
            frame::put_header(frame, &mut self.buffer)?;
            self.flush().await?;
            self.inner.write_all(&frame.payload).await?;
        }
        if self.gathered() >= FLUSH_BYTES { self.flush().await } else { Ok(()) }
    }

    /// Bytes gathered and not written.
    pub(super) fn gathered(&self) -> usize {
        self.buffer.len()
    }

    /// Writes out what was gathered.
    pub(super) async fn flush(&mut self) -> Result<(), FrameError> {
        if !self.buffer.is_empty() {
            self.inner.write_all(&self.buffer).await?;
            self.buffer.clear();
        }
        Ok(self.inner.flush().await?)
    }

    /// The same within `limit`: a reader that does not read is not waited for.
    pub(super) async fn flush_within(&mut self, limit: Duration) -> Result<(), FrameError> {
        timeout(limit, self.flush()).await.unwrap_or(Err(FrameError::Slow))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{
        super::frame::{FrameType, HEADER_BYTES},
        *,
    };
    use crate::transport::testing::LIMIT;

    /// Writes `bytes` one by one, each well within the idle time.
    async fn trickle(mut to: tokio::io::DuplexStream, bytes: BytesMut) {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        for byte in bytes {
            tick.tick().await;
            if to.write_all(&[byte]).await.is_err() {
                return;
            }
        }
    }

    fn data(payload: usize) -> BytesMut {
        let mut bytes = BytesMut::new();
        let frame = Frame { kind: FrameType::Data, sequence: 1, payload: Bytes::from(vec![1; payload]) };
        FrameCodec.encode(&frame, &mut bytes).unwrap();
        bytes
    }

    #[tokio::test]
    async fn a_frame_that_trickles_is_given_up_though_it_is_never_silent() {
        let (to, from) = tokio::io::duplex(64);
        let mut reader = FrameReader::new(from, Duration::from_millis(300));
        tokio::spawn(trickle(to, data(1000)));
        let header = timeout(LIMIT, reader.header()).await.unwrap().unwrap().unwrap();
        let end = timeout(LIMIT, reader.frame(header)).await.unwrap();
        assert_eq!(end, Err(FrameError::Slow));
    }

    #[tokio::test]
    async fn a_header_that_trickles_is_given_up_as_well() {
        let (to, from) = tokio::io::duplex(64);
        let mut reader = FrameReader::new(from, Duration::from_millis(60));
        tokio::spawn(trickle(to, data(1)));
        let end = timeout(LIMIT, reader.header()).await.unwrap();
        assert_eq!(end, Err(FrameError::Slow));
    }

    #[tokio::test]
    async fn the_buffer_grows_with_what_arrives_not_with_what_is_claimed() {
        let (mut to, from) = tokio::io::duplex(1 << 20);
        let mut reader = FrameReader::new(from, Duration::from_millis(50));
        to.write_all(&data(8 << 20)[..HEADER_BYTES + 1000]).await.unwrap();
        let header = reader.header().await.unwrap().unwrap();
        assert_eq!(header.payload, 8 << 20);
        assert!(matches!(reader.frame(header).await, Err(FrameError::Silent(_))));
        assert!(reader.buffer.capacity() <= 4 * READ_BYTES, "{}", reader.buffer.capacity());
    }
}
