//! The control socket: other processes of the same user speak to the running node.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::{Sink, SinkExt as _, StreamExt as _};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc},
    task::{JoinHandle, JoinSet},
};
use tokio_util::{
    codec::{Framed, LinesCodec, LinesCodecError},
    sync::CancellationToken,
    task::TaskTracker,
};

use super::{
    Event, EventStream, NodeHandle, Reply,
    rpc::{Asked, Line, REQUEST_BYTES_MAX, Request},
};

/// Most faces at once.
const CONNECTIONS_MAX: usize = 64;
/// Most commands of one face that are worked on at once; its further ones wait in the socket.
const CALLS_MAX: usize = 64;

/// How long faces may take to fetch their last answers.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The socket while the node runs.
pub(super) struct ControlSocket {
    path: PathBuf,
    accepting: JoinHandle<()>,
    faces: TaskTracker,
    closing: CancellationToken,
}

impl ControlSocket {
    /// Listens at `path`. A left-over socket of a dead process is replaced: the caller holds the home's lock.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub(super) fn listen(path: &Path, node: NodeHandle) -> std::io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        let (faces, closing) = (TaskTracker::new(), CancellationToken::new());
        let accepting = tokio::spawn(accept(listener, node, faces.clone(), closing.clone()));
        Ok(Self { path: path.to_owned(), accepting, faces, closing })
    }

    /// Ends it when the node has stopped: every face gets the answers it waits for, within a bound.
    pub(super) async fn close(self) {
        self.accepting.abort();
        self.closing.cancel();
        self.faces.close();
        if tokio::time::timeout(LAST_WORDS, self.faces.wait()).await.is_err() {
            tracing::warn!("a face did not fetch its last answer");
        }
        // A stale socket is replaced at the next start; this is only tidiness.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn accept(listener: UnixListener, node: NodeHandle, faces: TaskTracker, closing: CancellationToken) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) if same_user(&stream) => {
                let (node, closing) = (node.clone(), closing.clone());
                faces.spawn(async move {
                    serve(stream, node, closing).await;
                    drop(slot);
                });
            }
            Ok(_) => tracing::warn!("another user tried the control socket"),
            Err(error) => {
                tracing::warn!(%error, "the control socket cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// The folder's permissions keep others out; this holds even if somebody loosened them.
fn same_user(stream: &UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|cred| cred.uid() == rustix::process::getuid().as_raw())
}

/// One face, until it hangs up or the node has stopped. A face that only closed its writing end, as
/// `echo ... | nc -U` does, still gets its answers.
async fn serve(stream: UnixStream, node: NodeHandle, closing: CancellationToken) {
    let (out, mut lines) = Framed::new(stream, LinesCodec::new_with_max_length(REQUEST_BYTES_MAX)).split();
    let (answers, to_send) = mpsc::channel::<Line>(256);
    let mut writer = tokio::spawn(write_lines(out, to_send));
    let mut face =
        Face { node, answers, calls: Arc::new(Semaphore::new(CALLS_MAX)), under_way: JoinSet::new(), events: None };
    let stopped = loop {
        tokio::select! {
            line = lines.next() => match line {
                Some(Ok(line)) => if !face.take(&line).await { break false },
                Some(Err(LinesCodecError::MaxLineLengthExceeded)) => {
                    let text = format!("a request has at most {REQUEST_BYTES_MAX} bytes");
                    face.cannot_read(text).await;
                    break false;
                }
                Some(Err(error)) => {
                    face.cannot_read(format!("the request cannot be read: {error}")).await;
                    break false;
                }
                None => break false,
            },
            () = closing.cancelled() => break true,
        }
    };
    let last_words = async {
        face.finish(stopped).await;
        (&mut writer).await
    };
    if tokio::time::timeout(LAST_WORDS, last_words).await.is_err() {
        writer.abort();
    }
}

/// Writes lines until there are no more or the face is gone.
async fn write_lines(mut out: impl Sink<String, Error = LinesCodecError> + Unpin, mut lines: mpsc::Receiver<Line>) {
    while let Some(line) = lines.recv().await {
        if out.send(line.encode()).await.is_err() {
            return;
        }
    }
}

/// What is under way for one connection.
struct Face {
    node: NodeHandle,
    answers: mpsc::Sender<Line>,
    calls: Arc<Semaphore>,
    under_way: JoinSet<()>,
    events: Option<JoinHandle<()>>,
}

impl Face {
    /// Does what a line asks; false when the face is gone.
    async fn take(&mut self, line: &str) -> bool {
        while self.under_way.try_join_next().is_some() {}
        match Request::read(line) {
            Ok((id, Asked::Subscribe)) if self.events.is_some() => {
                self.answers.send(Line::answer(id, Ok(Reply::Done))).await.is_ok()
            }
            Ok((id, Asked::Subscribe)) => {
                // Subscribed here, so that nothing which the face's next request causes is missed.
                self.events = Some(tokio::spawn(forward_events(self.node.subscribe(), self.answers.clone(), id)));
                true
            }
            Ok((id, Asked::Command(command))) => {
                let Ok(slot) = self.calls.clone().acquire_owned().await else { return false };
                let answers = self.answers.clone();
                // Asked here, so that a face's commands are taken up in its order.
                let answer = self.node.ask(*command).await;
                self.under_way.spawn(async move {
                    let line = Line::answer(id, answer.await);
                    // The face may have hung up before its answer.
                    let _ = answers.send(line).await;
                    drop(slot);
                });
                true
            }
            Err(refusal) => self.answers.send(*refusal).await.is_ok(),
        }
    }

    async fn cannot_read(&self, why: String) {
        // If the face is gone nobody needs it.
        let _ = self.answers.send(Line::unreadable(why)).await;
    }

    /// Waits for the answers that are due. Events end at once, or with the word that the node stopped.
    async fn finish(mut self, stopped: bool) {
        while self.under_way.join_next().await.is_some() {}
        if let Some(events) = self.events {
            if !stopped {
                events.abort();
            }
            // Aborted, or ended with its last event.
            let _ = events.await;
        }
    }
}

async fn forward_events(mut events: EventStream, to: mpsc::Sender<Line>, id: serde_json::Value) {
    if to.send(Line::answer(id, Ok(Reply::Done))).await.is_err() {
        return;
    }
    while let Some(event) = events.next().await {
        let last = matches!(event, Event::Stopping);
        if to.send(Line::event(event)).await.is_err() || last {
            return;
        }
    }
}
