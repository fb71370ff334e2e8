//! Telling a slow connection from a dead one: a large message may take long as long as its bytes move.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::timeout,
};

/// Waits for `what`. Each time `silence` has passed, at least `least` must have been added to what `moved` tells;
/// otherwise it is given up.
pub(crate) async fn while_moving<T>(
    silence: Duration,
    least: u64,
    moved: impl Fn() -> u64,
    what: impl Future<Output = T>,
) -> Option<T> {
    let mut what = pin!(what);
    let mut before = moved();
    loop {
        if let Ok(done) = timeout(silence, &mut what).await {
            return Some(done);
        }
        let now = moved();
        if now.saturating_sub(before) < least {
            return None;
        }
        before = now;
    }
}

/// Bytes that came and went.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    read: AtomicU64,
    written: AtomicU64,
}

impl Moved {
    /// Bytes that came.
    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes that went.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}

/// A stream that counts.
#[derive(Debug)]
pub(crate) struct Counted<S> {
    stream: S,
    moved: Arc<Moved>,
}

impl<S> Counted<S> {
    /// Counts what moves through `stream`.
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, moved: Arc::default() }
    }

    /// The counters.
    pub(crate) fn moved(&self) -> Arc<Moved> {
        self.moved.clone()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.moved.read.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.moved.written.fetch_add(written as u64, Ordering::Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        time::interval,
    };

    use super::*;

    const SILENCE: Duration = Duration::from_millis(500);

    #[tokio::test]
    async fn slow_is_waited_for_and_dead_is_given_up() {
        let (mut near, far) = duplex(64);
        let mut far = Counted::new(far);
        let moved = far.moved();
        let writing = async {
            let mut pace = interval(SILENCE / 10);
            for _ in 0..20 {
                pace.tick().await;
                near.write_all(&[1; 40]).await.unwrap();
            }
        };
        let mut buffer = vec![0; 800];
        let reading = while_moving(SILENCE, 50, || moved.read(), far.read_exact(&mut buffer));
        let (read, ()) = tokio::join!(reading, writing);
        assert_eq!(read.unwrap().unwrap(), 800, "longer than the silence, but never silent");
        let more = while_moving(SILENCE, 50, || moved.read(), far.read_u8());
        assert!(more.await.is_none(), "nothing comes any more");
    }
}
