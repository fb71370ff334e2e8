//! Calls of the node, made in the order in which the screen asked, answered in any order.

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    app::Outcome,
    update::{Msg, Tag},
};
use crate::node::{Command, NodeError, NodeHandle, Reply};

/// The screen's end.
pub(super) struct Dispatcher {
    queue: Option<mpsc::UnboundedSender<(Tag, Command)>>,
    task: Option<JoinHandle<()>>,
}

/// Starts the task that calls the node. What a person can ask for by hand is little, so that the queue needs no bound;
/// what is asked for by itself is asked for once.
pub(super) fn dispatcher(node: NodeHandle, outcomes: mpsc::Sender<Outcome>) -> Dispatcher {
    let (queue, calls) = mpsc::unbounded_channel();
    let task = tokio::spawn(run(node, calls, outcomes));
    Dispatcher { queue: Some(queue), task: Some(task) }
}

impl Dispatcher {
    /// Asks the node; the answer comes as [`Msg::Reply`].
    pub(super) fn call(&self, tag: Tag, command: Command) {
        if let Some(queue) = &self.queue {
            // The task ends only when this end is dropped.
            let _ = queue.send((tag, command));
        }
    }

    /// Waits until every call was answered.
    pub(super) async fn finish(&mut self) {
        self.queue = None;
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the task that calls the node failed");
        }
    }
}

async fn run(node: NodeHandle, mut calls: mpsc::UnboundedReceiver<(Tag, Command)>, outcomes: mpsc::Sender<Outcome>) {
    let mut running = FuturesUnordered::new();
    let mut open = true;
    while open || !running.is_empty() {
        tokio::select! {
            call = calls.recv(), if open => match call {
                None => open = false,
                Some((tag, command)) => {
                    let node = node.clone();
                    let mut call = Box::pin(async move { (tag, node.call(command).await) });
                    // Polled once here, so that it is in the node's queue before the next one is looked at: two
                    // drafts or two messages must not overtake each other.
                    match futures_util::poll!(&mut call) {
                        std::task::Poll::Ready((tag, reply)) => tell(&outcomes, tag, reply).await,
                        std::task::Poll::Pending => running.push(call),
                    }
                }
            },
            Some((tag, reply)) = running.next(), if !running.is_empty() => tell(&outcomes, tag, reply).await,
        }
    }
}

async fn tell(outcomes: &mpsc::Sender<Outcome>, tag: Tag, reply: Result<Reply, NodeError>) {
    // The screen may have been left; the call itself is done.
    let _ = outcomes.send(Outcome::Msg(Msg::Reply(tag, Box::new(reply)))).await;
}
