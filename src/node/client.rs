//! A handle to a node in another process, over its control socket.

use std::{collections::BTreeMap, path::Path};

use futures_util::{Sink, SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::{
    net::UnixStream,
    sync::{broadcast, mpsc},
};
use tokio_util::codec::{Framed, LinesCodec, LinesCodecError};

use super::{
    Event, NodeError, NodeErrorKind, NodeHandle,
    handle::{Answer, Call},
    rpc::{LINE_BYTES_MAX, Line, REQUEST_BYTES_MAX, Request},
};

/// Most commands that wait for their answers at once; further ones wait with their callers.
const WAITING_MAX: usize = 256;

impl NodeHandle {
    /// Connects to the node that listens at `socket`. Events flow from now on.
    ///
    /// # Errors
    /// The system's word when nobody listens there.
    pub async fn connect(socket: &Path) -> std::io::Result<Self> {
        let stream = UnixStream::connect(socket).await?;
        let events = broadcast::Sender::new(4096);
        let (handle, calls) = Self::from_parts(events.clone());
        tokio::spawn(converse(stream, calls, events));
        Ok(handle)
    }
}

async fn converse(stream: UnixStream, mut calls: mpsc::Receiver<Call>, events: broadcast::Sender<Event>) {
    let (out, mut lines) = Framed::new(stream, LinesCodec::new_with_max_length(LINE_BYTES_MAX)).split();
    let mut waiting: BTreeMap<u64, Answer> = BTreeMap::new();
    let mut next_id = 1;
    // Written elsewhere: if the node is slow to read because its answers are not fetched, fetching must go on.
    let (requests, to_send) = mpsc::channel(WAITING_MAX + 1);
    let writer = tokio::spawn(write_requests(out, to_send));
    let subscribed = encode(&Request::subscribe(0)).is_ok_and(|line| requests.try_send(line).is_ok());
    if !subscribed {
        return;
    }
    loop {
        tokio::select! {
            call = calls.recv(), if waiting.len() < WAITING_MAX => {
                let Some((command, answer)) = call else { break };
                match Request::command(next_id, &command).and_then(|request| encode(&request)) {
                    Ok(line) => {
                        if requests.try_send(line).is_err() {
                            break;
                        }
                        waiting.insert(next_id, answer);
                    }
                    Err(error) => answer.give(Err(error)),
                }
                next_id += 1;
            }
            line = lines.next() => {
                let Some(Ok(text)) = line else { break };
                match Line::read(&text) {
                    Ok(line) => take(line, &mut waiting, &events),
                    Err(error) => tracing::warn!(%error, "the node said something unknown"),
                }
            }
        }
    }
    writer.abort();
    // Receivers that are left see the end of the stream once `events` is dropped here.
    let _ = events.send(Event::Stopping);
}

fn take(line: Line, waiting: &mut BTreeMap<u64, Answer>, events: &broadcast::Sender<Event>) {
    let (id, answer) = match line {
        Line::Event(event) => {
            // Nobody may be listening to events in this process.
            let _ = events.send(event);
            return;
        }
        Line::Result { id, result } => (id, Ok(result)),
        Line::Error { id, error } => (id, Err(error.into_node_error())),
    };
    if let Some(to) = id.as_u64().and_then(|id| waiting.remove(&id)) {
        to.give(answer);
    } else if id == Value::Null {
        tracing::warn!("the node could not read a request");
    }
}

async fn write_requests(
    mut out: impl Sink<String, Error = LinesCodecError> + Unpin,
    mut lines: mpsc::Receiver<String>,
) {
    while let Some(line) = lines.recv().await {
        if out.send(line).await.is_err() {
            return;
        }
    }
}

fn encode(request: &Request) -> Result<String, NodeError> {
    let invalid = |text: String| NodeError::new(NodeErrorKind::Invalid, text);
    let line = serde_json::to_string(request).map_err(|e| invalid(e.to_string()))?;
    if line.len() < REQUEST_BYTES_MAX {
        Ok(line)
    } else {
        Err(invalid(format!("the request has {} bytes; at most {REQUEST_BYTES_MAX} are taken", line.len())))
    }
}
