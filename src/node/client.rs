//! A handle to a node in another process, over its control socket.

use std::{collections::BTreeMap, path::Path};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::{
    net::UnixStream,
    sync::{broadcast, mpsc},
};
use tokio_util::codec::{Framed, LinesCodec};

use super::{
    Event, NodeError, NodeErrorKind, NodeHandle,
    handle::{Answer, Call},
    rpc::{LINE_BYTES_MAX, Line, Request},
};

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
    let (mut out, mut lines) = Framed::new(stream, LinesCodec::new_with_max_length(LINE_BYTES_MAX)).split();
    let mut waiting: BTreeMap<u64, Answer> = BTreeMap::new();
    let mut next_id = 1;
    if send(&mut out, &Request::subscribe(0)).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            call = calls.recv() => {
                let Some((command, answer)) = call else { return };
                match Request::command(next_id, &command) {
                    Ok(request) if send(&mut out, &request).await.is_ok() => { waiting.insert(next_id, answer); }
                    Ok(_) => return,
                    Err(error) => answer.give(Err(error)),
                }
                next_id += 1;
            }
            line = lines.next() => {
                let Some(Ok(text)) = line else { break };
                match serde_json::from_str::<Line>(&text) {
                    Ok(line) => take(line, &mut waiting, &events),
                    Err(error) => tracing::warn!(%error, "the node said something unknown"),
                }
            }
        }
    }
    // Receivers that are left see the end of the stream once `events` is dropped here.
    let _ = events.send(Event::Stopping);
}

fn take(line: Line, waiting: &mut BTreeMap<u64, Answer>, events: &broadcast::Sender<Event>) {
    let (id, answer) = match line {
        Line::Event { params, .. } => {
            // Nobody may be listening to events in this process.
            let _ = events.send(params);
            return;
        }
        Line::Result { id, result, .. } => (id, Ok(result)),
        Line::Error { id, error, .. } => (id, Err(error.into_node_error())),
    };
    if let Some(to) = id.as_u64().and_then(|id| waiting.remove(&id)) {
        to.give(answer);
    } else if id == Value::Null {
        tracing::warn!("the node could not read a request");
    }
}

async fn send(
    out: &mut (impl futures_util::Sink<String, Error = tokio_util::codec::LinesCodecError> + Unpin),
    request: &Request,
) -> Result<(), NodeError> {
    let gone = |e: &dyn std::fmt::Display| NodeError::new(NodeErrorKind::Gone, e.to_string());
    let text = serde_json::to_string(request).map_err(|e| gone(&e))?;
    out.send(text).await.map_err(|e| gone(&e))
}
