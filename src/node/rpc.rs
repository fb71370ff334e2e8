//! The control socket's language: JSON-RPC 2.0, one object a line.
//!
//! A request's `method` and `params` are a [`Command`] as serde writes it; `subscribe` (no params) turns on
//! notifications, whose method is `event` and whose params are an [`Event`].

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Command, Event, NodeError, NodeErrorKind, Reply};

/// Longest line in either direction, in bytes: an answer of many messages of full size fits.
pub(super) const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// JSON-RPC's code for a request that is no valid method or has bad params.
const INVALID_REQUEST: i64 = -32600;
/// Our code for a command that failed; `data.kind` says how.
const COMMAND_FAILED: i64 = -32000;

/// A line from a face.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Request {
    pub(super) jsonrpc: String,
    pub(super) id: Value,
    pub(super) method: String,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(super) params: Value,
}

/// What a request asks.
#[derive(Debug)]
pub(super) enum Asked {
    Subscribe,
    Command(Box<Command>),
}

/// A line from the node.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(super) enum Line {
    Event { jsonrpc: String, method: String, params: Event },
    Result { jsonrpc: String, id: Value, result: Reply },
    Error { jsonrpc: String, id: Value, error: RpcError },
}

/// JSON-RPC's error object.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct RpcError {
    code: i64,
    message: String,
    data: Option<NodeError>,
}

fn version() -> String {
    "2.0".to_owned()
}

impl Request {
    /// The request for `command`.
    pub(super) fn command(id: u64, command: &Command) -> Result<Self, NodeError> {
        let mut value = serde_json::to_value(command)
            .map_err(|e| NodeError::new(NodeErrorKind::Internal, format!("the command cannot be written: {e}")))?;
        let method = value["method"].take();
        Ok(Self {
            jsonrpc: version(),
            id: id.into(),
            method: method.as_str().unwrap_or_default().to_owned(),
            params: value["params"].take(),
        })
    }

    /// The request to be told of events.
    pub(super) fn subscribe(id: u64) -> Self {
        Self { jsonrpc: version(), id: id.into(), method: "subscribe".into(), params: Value::Null }
    }

    /// What it asks.
    pub(super) fn parse(self) -> Result<Asked, NodeError> {
        if self.method == "subscribe" {
            return Ok(Asked::Subscribe);
        }
        let empty = self.params.is_null() || self.params.as_object().is_some_and(serde_json::Map::is_empty);
        let mut value = serde_json::json!({ "method": self.method });
        if !empty {
            value["params"] = self.params;
        }
        serde_json::from_value(value)
            .map(|command| Asked::Command(Box::new(command)))
            .map_err(|e| NodeError::new(NodeErrorKind::Invalid, e.to_string()))
    }
}

impl Line {
    /// The notification of an event.
    pub(super) fn event(event: Event) -> Self {
        Self::Event { jsonrpc: version(), method: "event".into(), params: event }
    }

    /// The answer to request `id`.
    pub(super) fn answer(id: Value, answer: Result<Reply, NodeError>) -> Self {
        match answer {
            Ok(result) => Self::Result { jsonrpc: version(), id, result },
            Err(error) => Self::Error {
                jsonrpc: version(),
                id,
                error: RpcError {
                    code: if error.kind == NodeErrorKind::Invalid { INVALID_REQUEST } else { COMMAND_FAILED },
                    message: error.message.to_string(),
                    data: Some(error),
                },
            },
        }
    }
}

impl RpcError {
    /// The error as the node meant it.
    pub(super) fn into_node_error(self) -> NodeError {
        self.data.unwrap_or_else(|| NodeError::new(NodeErrorKind::Internal, self.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::HistoryQuery;

    #[test]
    fn commands_survive_the_wire() {
        let commands = [
            Command::Peers,
            Command::Status,
            Command::History(HistoryQuery { limit: 5, ..Default::default() }),
            Command::PeerRemove { peer: "x".into() },
        ];
        for command in commands {
            let line = serde_json::to_string(&Request::command(7, &command).unwrap()).unwrap();
            match serde_json::from_str::<Request>(&line).unwrap().parse().unwrap() {
                Asked::Command(back) => assert_eq!(*back, command),
                Asked::Subscribe => panic!("{line}"),
            }
        }
    }

    #[test]
    fn params_may_be_left_out_empty_or_null() {
        for line in [
            r#"{"jsonrpc":"2.0","id":1,"method":"peers"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"peers","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":"a","method":"peers","params":null}"#,
        ] {
            assert!(serde_json::from_str::<Request>(line).unwrap().parse().is_ok(), "{line}");
        }
        let unknown = serde_json::from_str::<Request>(r#"{"jsonrpc":"2.0","id":1,"method":"explode"}"#).unwrap();
        assert_eq!(unknown.parse().unwrap_err().kind, NodeErrorKind::Invalid);
    }

    #[test]
    fn answers_and_events_are_told_apart() {
        let lines = [
            Line::event(Event::Stopping),
            Line::answer(1.into(), Ok(Reply::Done)),
            Line::answer(2.into(), Err(NodeError::new(NodeErrorKind::Refused, "no"))),
        ];
        let back: Vec<Line> =
            lines.iter().map(|l| serde_json::from_str(&serde_json::to_string(l).unwrap()).unwrap()).collect();
        assert!(matches!(&back[0], Line::Event { params: Event::Stopping, .. }));
        assert!(matches!(&back[1], Line::Result { result: Reply::Done, .. }));
        assert!(matches!(&back[2], Line::Error { .. }));
    }
}
