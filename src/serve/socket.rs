//! A connection before it speaks the relay protocol: TLS, the HTTP request, and the measure that bounds the
//! memory of large messages.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::{
    handshake::{
        machine::TryParse,
        server::{Request, create_response, write_response},
    },
    http::{HeaderValue, header},
};
use tokio_util::sync::PollSemaphore;

use crate::transport::websocket::{
    moving::{Counted, Moved},
    protocol::SUBPROTOCOL,
};

/// Largest HTTP request, in bytes.
const REQUEST_BYTES: usize = 8 * 1024;
/// A message above this many bytes is large.
pub(super) const LARGE_BYTES: usize = 64 * 1024;
/// How many bytes of a message must move in each period of the silence that is allowed.
pub(super) const LEAST_BYTES: u64 = 64 * 1024;

/// A byte stream, with or without TLS.
pub(super) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// What a client wanted by its HTTP request.
pub(super) enum Wanted {
    /// The relay protocol; the bytes came behind the request already.
    Relay(Vec<u8>),
    /// The state of the relay.
    Health,
    /// Something else; it got its answer.
    Nothing,
}

/// Takes up TLS where it is configured.
pub(super) async fn secure(stream: TcpStream, tls: Option<&TlsAcceptor>) -> io::Result<Box<dyn ByteStream>> {
    stream.set_nodelay(true)?;
    Ok(match tls {
        Some(acceptor) => Box::new(acceptor.accept(stream).await?),
        None => Box::new(stream),
    })
}

/// Reads the HTTP request and answers it, except for [`Wanted::Health`], whose answer the caller knows.
pub(super) async fn receive_request(stream: &mut Box<dyn ByteStream>) -> io::Result<Wanted> {
    let mut head = Vec::with_capacity(1024);
    let (request, rest) = loop {
        match Request::try_parse(&head) {
            Ok(Some((size, request))) => break (request, head.split_off(size)),
            Ok(None) if head.len() < REQUEST_BYTES => {}
            _ => {
                respond(stream, "400 Bad Request", "text/plain", "not an HTTP request\n").await?;
                return Ok(Wanted::Nothing);
            }
        }
        let mut chunk = [0; 1024];
        let room = chunk.len().min(REQUEST_BYTES - head.len());
        let read = stream.read(&mut chunk[..room]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(&chunk[..read]);
    };
    answer(stream, &request, rest).await
}

async fn answer(stream: &mut Box<dyn ByteStream>, request: &Request, rest: Vec<u8>) -> io::Result<Wanted> {
    let Ok(mut response) = create_response(request) else {
        if request.method() == "GET" && request.uri().path() == "/health" {
            return Ok(Wanted::Health);
        }
        let text = "this is a relay of skcomm; it speaks WebSocket\n";
        respond(stream, "426 Upgrade Required", "text/plain", text).await?;
        return Ok(Wanted::Nothing);
    };
    let offered = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut offered = offered.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    if !offered.any(|protocol| protocol.trim() == SUBPROTOCOL) {
        let text = format!("this relay speaks {SUBPROTOCOL}\n");
        respond(stream, "400 Bad Request", "text/plain", &text).await?;
        return Ok(Wanted::Nothing);
    }
    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    let mut raw = Vec::with_capacity(256);
    write_response(&mut raw, &response).map_err(io::Error::other)?;
    stream.write_all(&raw).await?;
    stream.flush().await?;
    Ok(Wanted::Relay(rest))
}

/// Sends a whole HTTP response and closes the connection.
pub(super) async fn respond(
    stream: &mut (impl AsyncWrite + Unpin + ?Sized),
    status: &str,
    content_type: &str,
    body: &str,
) -> io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
         Upgrade: websocket\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

/// How much of a message has been read; shared by the stream below and the reader above the WebSocket.
#[derive(Debug, Default)]
pub(super) struct Meter {
    read: AtomicUsize,
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Meter {
    /// A whole message came out; the next one starts at nothing.
    pub(super) fn reset(&self) {
        self.read.store(0, Ordering::Relaxed);
        drop(self.lock().take());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream whose large messages wait for one of a few places, so that many clients that each send part of a
/// large message cannot fill the memory.
pub(super) struct Metered {
    stream: Counted<Box<dyn ByteStream>>,
    meter: Arc<Meter>,
    places: PollSemaphore,
}

impl Metered {
    pub(super) fn new(stream: Box<dyn ByteStream>, places: Arc<Semaphore>) -> Self {
        Self { stream: Counted::new(stream), meter: Arc::default(), places: PollSemaphore::new(places) }
    }

    pub(super) fn meter(&self) -> Arc<Meter> {
        self.meter.clone()
    }

    pub(super) fn moved(&self) -> Arc<Moved> {
        self.stream.moved()
    }
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.meter.read.load(Ordering::Relaxed) > LARGE_BYTES && this.meter.lock().is_none() {
            let Some(place) = ready!(this.places.poll_acquire(cx)) else {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            };
            *this.meter.lock() = Some(place);
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        this.meter.read.fetch_add(buf.filled().len() - before, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
