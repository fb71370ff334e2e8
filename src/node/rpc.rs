//! The control socket's language: JSON-RPC 2.0, one object a line.
//!
//! A request's `method` and `params` are a [`Command`]'s name and what it holds; `subscribe` (no params) turns on
//! notifications, whose method is `event` and whose params are an [`Event`]: its name in `event`, what it holds in
//! `data`. A result is a [`Reply`]: its name in `kind`, what it holds in `value`.

use serde::{Deserialize, Serialize, de::DeserializeOwned, ser::Error as _};
use serde_json::{Map, Value};

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
#[derive(Debug)]
pub(super) enum Line {
    Event(Event),
    Result { id: Value, result: Reply },
    Error { id: Value, error: RpcError },
}

/// A line from the node as it is written: an event has `method` and `params`, an answer `id` and one of the others.
///
/// Names and contents of events and replies are values here, taken apart and put together by [`part`] and [`join`]:
/// serde's own tagged enums would be compiled for its buffers as well.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Written {
    jsonrpc: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    params: Option<EventParams>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<ReplyResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<RpcError>,
}

#[derive(Debug, Deserialize, Serialize)]
struct EventParams {
    event: String,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    data: Value,
}

#[derive(Debug, Deserialize, Serialize)]
struct ReplyResult {
    kind: String,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    value: Value,
}

/// An enum's value as its variant's name and what the variant holds (null for nothing).
fn part<T: Serialize>(value: &T) -> serde_json::Result<(String, Value)> {
    match serde_json::to_value(value)? {
        Value::String(name) => Ok((name, Value::Null)),
        Value::Object(named) => named.into_iter().next().ok_or_else(|| serde_json::Error::custom("no variant")),
        _ => Err(serde_json::Error::custom("no variant")),
    }
}

/// The reverse of [`part`]. A variant that holds named fields may be given with null for none of them.
fn join<T: DeserializeOwned>(name: String, content: Value) -> serde_json::Result<T> {
    let holding =
        |name: String, content: Value| serde_json::from_value(Value::Object(Map::from_iter([(name, content)])));
    if !content.is_null() {
        return holding(name, content);
    }
    serde_json::from_value(Value::String(name.clone())).or_else(|_| holding(name, Value::Object(Map::new())))
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
        let (method, params) = part(command)
            .map_err(|e| NodeError::new(NodeErrorKind::Internal, format!("the command cannot be written: {e}")))?;
        Ok(Self { jsonrpc: version(), id: id.into(), method, params })
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
        let params = if empty { Value::Null } else { self.params };
        join(self.method, params).map(|command| Asked::Command(Box::new(command))).map_err(|e| e.to_string())
    }
}

impl Line {
    /// The notification of an event.
    pub(super) fn event(event: Event) -> Self {
        Self::Event(event)
    }

    /// The answer to what is no valid request.
    fn refusal(id: Value, code: i64, why: String) -> Box<Self> {
        let error = NodeError::new(NodeErrorKind::Invalid, why);
        let error = RpcError { code, message: error.message.to_string(), data: Some(error) };
        Box::new(Self::Error { id, error })
    }

    /// The answer to bytes that are no line.
    pub(super) fn unreadable(why: String) -> Self {
        *Self::refusal(Value::Null, NO_JSON, why)
    }

    /// The line as text, without its end. What is too long for the other side becomes an error that says so.
    pub(super) fn encode(self) -> String {
        let id = match &self {
            Self::Event(_) => None,
            Self::Result { id, .. } | Self::Error { id, .. } => Some(id.clone()),
        };
        match self.write() {
            Ok(text) if text.len() < LINE_BYTES_MAX => text,
            Ok(_) => Self::instead(id, "the answer is too long; ask for fewer messages"),
            Err(error) => Self::instead(id, &error.to_string()),
        }
    }

    fn write(self) -> serde_json::Result<String> {
        let written = Written { jsonrpc: version(), ..Written::default() };
        let written = match self {
            Self::Event(event) => {
                let (event, data) = part(&event)?;
                Written { method: Some("event".into()), params: Some(EventParams { event, data }), ..written }
            }
            Self::Result { id, result } => {
                let (kind, value) = part(&result)?;
                Written { id: Some(id), result: Some(ReplyResult { kind, value }), ..written }
            }
            Self::Error { id, error } => Written { id: Some(id), error: Some(error), ..written },
        };
        serde_json::to_string(&written)
    }

    /// What is said instead of an event, or of the answer to `id`, that cannot be.
    fn instead(id: Option<Value>, why: &str) -> String {
        let line = match id {
            None => Self::event(Event::Lagged(1)),
            Some(id) => Self::answer(id, Err(NodeError::new(NodeErrorKind::Invalid, why))),
        };
        line.write().unwrap_or_default()
    }

    /// Reads a line of the node.
    ///
    /// # Errors
    /// What is no such line, and names of events and replies that are not known here.
    pub(super) fn read(text: &str) -> serde_json::Result<Self> {
        let Written { id, params, result, error, .. } = serde_json::from_str(text)?;
        let id = id.unwrap_or_default();
        match (params, result, error) {
            (_, _, Some(error)) => Ok(Self::Error { id, error }),
            (_, Some(ReplyResult { kind, value }), None) => Ok(Self::Result { id, result: join(kind, value)? }),
            (Some(EventParams { event, data }), None, None) => Ok(Self::Event(join(event, data)?)),
            (None, None, None) => Err(serde_json::Error::custom("neither an answer nor an event")),
        }
    }

    /// The answer to request `id`.
    pub(super) fn answer(id: Value, answer: Result<Reply, NodeError>) -> Self {
        match answer {
            Ok(result) => Self::Result { id, result },
            Err(error) => Self::Error {
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
            r#"{"jsonrpc":"2.0","id":1,"method":"queue_list"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"queue_list","params":{}}"#,
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
        match Line::read(&line.encode()).unwrap() {
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
        let back: Vec<Line> = lines.into_iter().map(|line| Line::read(&line.encode()).unwrap()).collect();
        assert!(matches!(&back[0], Line::Event(Event::Stopping)));
        assert!(matches!(&back[1], Line::Result { result: Reply::Done, .. }));
        assert!(matches!(&back[2], Line::Error { .. }));
        assert!(Line::read(r#"{"jsonrpc":"2.0","id":1}"#).is_err());
        assert!(Line::read(r#"{"jsonrpc":"2.0","id":1,"result":{"kind":"unheard"}}"#).is_err());
    }

    #[test]
    fn names_and_contents_stand_apart_on_the_wire() {
        for (line, expected) in [
            (Line::event(Event::Stopping), r#"{"jsonrpc":"2.0","method":"event","params":{"event":"stopping"}}"#),
            (
                Line::event(Event::Lagged(3)),
                r#"{"jsonrpc":"2.0","method":"event","params":{"event":"lagged","data":3}}"#,
            ),
            (Line::answer(1.into(), Ok(Reply::Done)), r#"{"jsonrpc":"2.0","id":1,"result":{"kind":"done"}}"#),
            (
                Line::answer(Value::Null, Ok(Reply::Count(2))),
                r#"{"jsonrpc":"2.0","id":null,"result":{"kind":"count","value":2}}"#,
            ),
        ] {
            assert_eq!(line.encode(), expected);
        }
    }
}
