//! The control socket's language: JSON-RPC 2.0, one object a line.
//!
//! A request's `method` and `params` are a [`Command`] as serde writes it; `subscribe` (no params) turns on
//! notifications, whose method is `event` and whose params are an [`Event`].

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Command, Event, NodeError, NodeErrorKind, Reply};

/// Longest request, in bytes: the longest text with every character escaped, or a certificate, fits.
pub(super) const REQUEST_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest line from the node, in bytes: an answer of many messages of full size fits.
pub(super) const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// JSON-RPC's codes.
const NO_JSON: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const NO_SUCH_METHOD: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
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

    /// Reads a line: the id for the answer and what is asked, or the line that says why it cannot be done.
    pub(super) fn read(line: &str) -> Result<(Value, Asked), Box<Line>> {
        let value: Value =
            serde_json::from_str(line).map_err(|e| Line::refusal(Value::Null, NO_JSON, format!("no JSON: {e}")))?;
        let id = value.get("id").cloned().unwrap_or_default();
        let invalid = |text: String| Line::refusal(id.clone(), INVALID_REQUEST, format!("no JSON-RPC request: {text}"));
        let request: Self = serde_json::from_value(value).map_err(|e| invalid(e.to_string()))?;
        if request.jsonrpc != "2.0" {
            return Err(invalid("`jsonrpc` must be \"2.0\"".to_owned()));
        }
        let unknown = format!("unknown variant `{}`", request.method);
        match request.parse() {
            Ok(asked) => Ok((id, asked)),
            Err(error) => {
                let code = if error.starts_with(&unknown) { NO_SUCH_METHOD } else { INVALID_PARAMS };
                Err(Line::refusal(id, code, error))
            }
        }
    }

    fn parse(self) -> Result<Asked, String> {
        if self.method == "subscribe" {
            return Ok(Asked::Subscribe);
        }
        let empty = self.params.is_null() || self.params.as_object().is_some_and(serde_json::Map::is_empty);
        let mut value = serde_json::json!({ "method": self.method });
        if !empty {
            value["params"] = self.params;
        }
        serde_json::from_value(value).map(|command| Asked::Command(Box::new(command))).map_err(|e| e.to_string())
    }
}

impl Line {
    /// The notification of an event.
    pub(super) fn event(event: Event) -> Self {
        Self::Event { jsonrpc: version(), method: "event".into(), params: event }
    }

    /// The answer to what is no valid request.
    fn refusal(id: Value, code: i64, why: String) -> Box<Self> {
        let error = NodeError::new(NodeErrorKind::Invalid, why);
        let error = RpcError { code, message: error.message.to_string(), data: Some(error) };
        Box::new(Self::Error { jsonrpc: version(), id, error })
    }

    /// The answer to bytes that are no line.
    pub(super) fn unreadable(why: String) -> Self {
        *Self::refusal(Value::Null, NO_JSON, why)
    }

    /// The line as text, without its end. What is too long for the other side becomes an error that says so.
    pub(super) fn encode(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_else(|e| self.instead(&e.to_string()));
        if text.len() < LINE_BYTES_MAX { text } else { self.instead("the answer is too long; ask for fewer messages") }
    }

    fn instead(&self, why: &str) -> String {
        let id = match self {
            Self::Event { .. } => return serde_json::to_string(&Self::event(Event::Lagged(1))).unwrap_or_default(),
            Self::Result { id, .. } | Self::Error { id, .. } => id.clone(),
        };
        let error = NodeError::new(NodeErrorKind::Invalid, why);
        serde_json::to_string(&Self::answer(id, Err(error))).unwrap_or_default()
    }

    /// The answer to request `id`.
    pub(super) fn answer(id: Value, answer: Result<Reply, NodeError>) -> Self {
        match answer {
            Ok(result) => Self::Result { jsonrpc: version(), id, result },
            Err(error) => Self::Error {
                jsonrpc: version(),
                id,
                error: RpcError {
                    code: if error.kind == NodeErrorKind::Invalid { INVALID_PARAMS } else { COMMAND_FAILED },
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
            match Request::read(&line) {
                Ok((id, Asked::Command(back))) => assert_eq!((id, *back), (7.into(), command)),
                _ => panic!("{line}"),
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
            assert!(Request::read(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused_with_the_code_of_the_standard() {
        let deep = "[".repeat(100_000);
        for (line, expected) in [
            ("", -32700),
            ("{", -32700),
            (deep.as_str(), -32700),
            ("[]", -32600),
            (r#"{"id":1,"method":"peers"}"#, -32600),
            (r#"{"jsonrpc":"1.0","id":1,"method":"peers"}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":1,"method":"explode"}"#, -32601),
            (r#"{"jsonrpc":"2.0","id":1,"method":"trace","params":{"envelope_id":"x"}}"#, -32602),
        ] {
            match Request::read(line) {
                Err(refusal) => match *refusal {
                    Line::Error { error, .. } => assert_eq!(error.code, expected, "{line}"),
                    _ => panic!("{line}"),
                },
                Ok(_) => panic!("{line}"),
            }
        }
    }

    #[test]
    fn an_answer_that_is_too_long_becomes_an_error() {
        let line = Line::answer(3.into(), Ok(Reply::Certificate("x".repeat(LINE_BYTES_MAX))));
        match serde_json::from_str(&line.encode()).unwrap() {
            Line::Error { id, error, .. } => assert_eq!((id, error.code), (3.into(), INVALID_PARAMS)),
            _ => panic!("sent as it is"),
        }
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
