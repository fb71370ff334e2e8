//! A homeserver for tests that answers whatever the test wants, byte by byte.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use matrix_sdk::reqwest::Url;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::{http::Http, lock};

/// Where it gives up sending for ever.
const ENOUGH: usize = 256 * 1024 * 1024;

/// What comes back.
pub(super) enum Answer {
    /// These bytes, then the next request.
    Bytes(Vec<u8>),
    /// These bytes and then chunks of an answer without an end.
    Endless(&'static str),
    /// Nothing.
    Silence,
}

/// An answer with that status, these header lines and that body.
pub(super) fn answer(status: u16, headers: &str, body: &[u8]) -> Answer {
    let head = format!("HTTP/1.1 {status} It\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    Answer::Bytes([head.as_bytes(), body].concat())
}

/// An answer in chunks.
pub(super) fn chunked(body: &[u8]) -> Answer {
    let mut all = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(1000) {
        all.extend(format!("{:x}\r\n", chunk.len()).bytes().chain(chunk.iter().copied()).chain(*b"\r\n"));
    }
    all.extend(*b"0\r\n\r\n");
    Answer::Bytes(all)
}

/// An answer without an end.
pub(super) fn endless() -> Answer {
    Answer::Endless("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
}

/// It listens until it is dropped.
pub(super) struct Fake {
    pub(super) url: Url,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    requests: Mutex<Vec<String>>,
    sent: AtomicUsize,
    given_up: AtomicUsize,
}

impl Fake {
    /// Answers each request, by its method and path.
    pub(super) async fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let (state, answer) = (Arc::new(State::default()), Arc::new(answer));
        let shared = state.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, shared.clone(), answer.clone()));
            }
        });
        Self { url, state, task }
    }

    /// The requests that came, whole.
    pub(super) fn requests(&self) -> Vec<String> {
        lock(&self.state.requests).clone()
    }

    /// Bytes of endless answers that the other side has taken.
    pub(super) fn sent(&self) -> usize {
        self.state.sent.load(Ordering::SeqCst)
    }

    /// Requests that the other side gave up before they were answered.
    pub(super) fn given_up(&self) -> usize {
        self.state.given_up.load(Ordering::SeqCst)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>, answer: Arc<impl Fn(&str) -> Answer>) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = read.windows(4).position(|end| end == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut read).await.ok()? == 0 {
                return None;
            }
        };
        let text = String::from_utf8_lossy(&read[..head]).to_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
        let whole = head + length.unwrap_or(0_usize);
        while read.len() < whole {
            stream.read_buf(&mut read).await.ok().filter(|read| *read > 0)?;
        }
        let request = String::from_utf8_lossy(&read[..whole]).into_owned();
        read.drain(..whole);
        let line = request.lines().next().unwrap_or_default();
        let said = answer(line.trim_end_matches(" HTTP/1.1"));
        lock(&state.requests).push(request);
        match said {
            Answer::Bytes(bytes) => stream.write_all(&bytes).await.ok()?,
            Answer::Endless(head) => {
                stream.write_all(head.as_bytes()).await.ok()?;
                let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
                for _ in 0..ENOUGH / chunk.len() {
                    stream.write_all(chunk.as_bytes()).await.ok()?;
                    state.sent.fetch_add(chunk.len(), Ordering::SeqCst);
                }
                return None;
            }
            Answer::Silence => {
                let _ = stream.read_buf(&mut read).await;
                state.given_up.fetch_add(1, Ordering::SeqCst);
                return None;
            }
        }
    }
}

/// Clients that trust the public authorities.
pub(super) fn http() -> Http {
    Http::new(None).unwrap()
}
