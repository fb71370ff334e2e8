//! A face's end of a node.

use futures_util::future::BoxFuture;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::{Command, Event, NodeError, NodeErrorKind, Reply};

/// A face's end of a node, in this process or over the control socket. Cheap to clone.
#[derive(Clone)]
pub struct NodeHandle {
    calls: mpsc::Sender<Call>,
    events: broadcast::Sender<Event>,
}

/// A command on its way, with the place for its answer.
pub(super) type Call = (Command, Answer);

/// The place for the answer to one command.
#[derive(Debug)]
pub struct Answer(oneshot::Sender<Result<Reply, NodeError>>);

/// The node's events from the moment of subscription on.
pub struct EventStream(broadcast::Receiver<Event>);

impl NodeHandle {
    /// A handle whose calls come out of the returned receiver and whose events are sent into `events`: for whoever
    /// answers commands otherwise than the node does (a test, a replay).
    pub fn from_parts(events: broadcast::Sender<Event>) -> (Self, mpsc::Receiver<(Command, Answer)>) {
        let (calls, receiver) = mpsc::channel(256);
        (Self { calls, events }, receiver)
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// As the command's own; `Gone` when the node stopped.
    pub async fn call(&self, command: Command) -> Result<Reply, NodeError> {
        self.ask(command).await.await
    }

    /// Asks; the returned future is the answer, as of [`NodeHandle::call`]. The node takes up commands in the order
    /// in which they were asked, so many can be under way at once. Waits while too many are.
    pub async fn ask(&self, command: Command) -> BoxFuture<'static, Result<Reply, NodeError>> {
        let gone = || NodeError::new(NodeErrorKind::Gone, "the node has stopped; start it again");
        let (tx, rx) = oneshot::channel();
        // If the node is gone, the place for the answer goes with the command.
        let asked = self.calls.send((command, Answer(tx))).await;
        Box::pin(async move {
            asked.map_err(|_| gone())?;
            rx.await.map_err(|_| gone())?
        })
    }

    /// Events from now on.
    pub fn subscribe(&self) -> EventStream {
        EventStream(self.events.subscribe())
    }
}

impl Answer {
    /// A place for an answer, and the answer as it will come; none if it is never given.
    pub(super) fn new() -> (Self, impl Future<Output = Option<Result<Reply, NodeError>>> + Send) {
        let (tx, rx) = oneshot::channel();
        (Self(tx), async move { rx.await.ok() })
    }

    /// Whether nobody waits for it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.0.is_closed()
    }

    /// Answers. The face may have gone; then nobody needs it.
    pub fn give(self, answer: Result<Reply, NodeError>) {
        let _ = self.0.send(answer);
    }
}

impl EventStream {
    /// The next event; none when the node is gone. Safe to cancel.
    pub async fn next(&mut self) -> Option<Event> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Event::Lagged(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
