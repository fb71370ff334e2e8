//! The node's interface: every face (screen, command line, agents' tools) speaks this and nothing else,
//! in the same process or over the control socket, where each [`Command`] is a JSON-RPC 2.0 request
//! (`method` and `params`) and each [`Event`] a notification.

mod command;
mod error;
mod event;
mod message;
mod peer;
mod request;
mod status;

pub use command::{Command, PeerRef, Reply};
pub use error::{NodeError, NodeErrorKind};
pub use event::{Event, NoticeLevel};
pub use message::{ConversationSummary, Message, Trace};
pub use peer::{KeyEvent, KeyInfo, Peer};
pub use request::{HistoryQuery, PeerAdd, PeerDefaults, RouteQuestion, SendRequest};
pub use status::{Status, TransportHealth};

pub use crate::delivery::{Breaker, Candidate, RoutePlan, Skipped};
