//! A face's end of a node.

use super::{Command, Event, NodeError, Reply};

/// A face's end of a node, in this process or over the control socket. Cheap to clone.
#[derive(Clone)]
pub struct NodeHandle {
    calls: tokio::sync::mpsc::Sender<Call>,
    events: tokio::sync::broadcast::Sender<Event>,
}

/// A command on its way, with the place for its answer.
pub(crate) type Call = (Command, tokio::sync::oneshot::Sender<Result<Reply, NodeError>>);

/// The node's events from the moment of subscription on.
pub struct EventStream(tokio::sync::broadcast::Receiver<Event>);

impl NodeHandle {
    pub(crate) fn new(calls: tokio::sync::mpsc::Sender<Call>, events: tokio::sync::broadcast::Sender<Event>) -> Self {
        Self { calls, events }
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// As the command's own; `Gone` when the node stopped.
    pub async fn call(&self, command: Command) -> Result<Reply, NodeError> {
        let gone = || NodeError::new(super::NodeErrorKind::Gone, "The node has stopped; start it again");
        let (tx, rx) = tokio::sync::oneshot::channel();
        self.calls.send((command, tx)).await.map_err(|_| gone())?;
        rx.await.map_err(|_| gone())?
    }

    /// Events from now on.
    pub fn subscribe(&self) -> EventStream {
        EventStream(self.events.subscribe())
    }
}

impl EventStream {
    /// The next event; none when the node is gone.
    pub async fn next(&mut self) -> Option<Event> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(tokio::sync::broadcast::error::RecvError::Lagged(missed)) => Some(Event::Lagged(missed)),
            Err(tokio::sync::broadcast::error::RecvError::Closed) => None,
        }
    }
}
