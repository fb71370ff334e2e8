//! The control socket: other processes of the same user speak to the running node.

use std::{os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};
use tokio_util::codec::{Framed, LinesCodec};

use super::{
    EventStream, NodeError, NodeErrorKind, NodeHandle,
    rpc::{Asked, LINE_BYTES_MAX, Line, Request},
};

/// Most faces at once.
const CONNECTIONS_MAX: usize = 64;
/// Most commands of one face that are worked on at once; its further ones wait in the socket.
const CALLS_MAX: usize = 64;

/// Listens at `path` until the returned task is aborted. A left-over socket of a dead process is replaced: the
/// caller holds the home's lock.
///
/// # Errors
/// When the socket cannot be made.
pub(super) fn listen(path: &Path, node: NodeHandle) -> std::io::Result<JoinHandle<()>> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(tokio::spawn(accept(listener, node)))
}

async fn accept(listener: UnixListener, node: NodeHandle) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) if same_user(&stream) => {
                let node = node.clone();
                tokio::spawn(async move {
                    serve(stream, node).await;
                    drop(slot);
                });
            }
            Ok(_) => tracing::warn!("another user tried the control socket"),
            Err(error) => {
                tracing::warn!(%error, "the control socket cannot accept");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

/// The folder's permissions keep others out; this holds even if somebody loosened them.
fn same_user(stream: &UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|cred| cred.uid() == rustix::process::getuid().as_raw())
}

async fn serve(stream: UnixStream, node: NodeHandle) {
    let (mut out, mut lines) = Framed::new(stream, LinesCodec::new_with_max_length(LINE_BYTES_MAX)).split();
    let (answers, mut to_send) = mpsc::channel::<Line>(256);
    let writer = tokio::spawn(async move {
        while let Some(line) = to_send.recv().await {
            let Ok(text) = serde_json::to_string(&line) else { continue };
            if out.send(text).await.is_err() {
                return;
            }
        }
    });
    let calls = Arc::new(Semaphore::new(CALLS_MAX));
    let mut tasks = tokio::task::JoinSet::new();
    while let Some(Ok(line)) = lines.next().await {
        while tasks.try_join_next().is_some() {}
        match parse(&line) {
            Ok((id, Asked::Subscribe)) => {
                // Subscribed here, so that nothing which the face's next request causes is missed.
                tasks.spawn(forward_events(node.subscribe(), answers.clone(), id));
            }
            Ok((id, Asked::Command(command))) => {
                let Ok(slot) = calls.clone().acquire_owned().await else { break };
                let answers = answers.clone();
                // Asked here, so that a face's commands are taken up in its order.
                let answer = node.ask(*command).await;
                tasks.spawn(async move {
                    let line = Line::answer(id, answer.await);
                    // The face may have hung up before its answer.
                    let _ = answers.send(line).await;
                    drop(slot);
                });
            }
            Err((id, error)) => {
                if answers.send(Line::answer(id, Err(error))).await.is_err() {
                    break;
                }
            }
        }
    }
    // The face hung up: commands under way still run to their end in the node, only their answers are lost.
    tasks.abort_all();
    writer.abort();
}

fn parse(line: &str) -> Result<(serde_json::Value, Asked), (serde_json::Value, NodeError)> {
    let request: Request = serde_json::from_str(line).map_err(|e| {
        (serde_json::Value::Null, NodeError::new(NodeErrorKind::Invalid, format!("no JSON-RPC request: {e}")))
    })?;
    let id = request.id.clone();
    match request.parse() {
        Ok(asked) => Ok((id, asked)),
        Err(error) => Err((id, error)),
    }
}

async fn forward_events(mut events: EventStream, to: mpsc::Sender<Line>, id: serde_json::Value) {
    if to.send(Line::answer(id, Ok(super::Reply::Done))).await.is_err() {
        return;
    }
    while let Some(event) = events.next().await {
        if to.send(Line::event(event)).await.is_err() {
            return;
        }
    }
}
