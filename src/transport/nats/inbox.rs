//! From the server's deliveries to the node, and the node's receipts back.

use std::{sync::Arc, time::Duration};

use async_nats::{
    Subject,
    jetstream::{AckKind, Message},
};
use futures_util::StreamExt as _;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    mailbox::{Mailbox, Verdict},
    session::{Session, TAG_HEADER},
};
use crate::{
    delivery::{Reason, ReasonKind},
    transport::{
        Disposition, EventSink,
        handover::{Delivery, Handover, Settle},
        link::Link,
        refusals::Refusals,
    },
};

/// Frames at the node without a receipt.
pub(super) const WINDOW: usize = 128;
/// When the server brings a frame again that the node had no answer for.
const AGAIN: Duration = Duration::from_secs(2);
/// Longest wait until an answer is on its way to the server; lost ones are made up for by a redelivery.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// How often an idle server says that it lives, and how long one request for frames stays open.
const HEARTBEAT: Duration = Duration::from_secs(5);
const EXPIRES: Duration = Duration::from_secs(30);

/// Takes frames from one session after the other.
pub(super) struct Puller {
    pub(super) mailbox: Mailbox,
    pub(super) queue: mpsc::Sender<Delivery<Subject>>,
    pub(super) refusals: Refusals,
    pub(super) sink: EventSink,
}

impl Puller {
    /// Pulls until the session ends or the stream of deliveries breaks; says why.
    pub(super) async fn run(&self, session: &Session) -> Reason {
        let failed = |kind, told: String| session.explain(Reason::new(kind, format!("{}: {told}", session.server)));
        let pulling = session.consumer.stream().max_messages_per_batch(session.batch());
        let messages = pulling.heartbeat(HEARTBEAT).expires(EXPIRES).messages().await;
        let mut messages = match messages {
            Ok(messages) => messages,
            Err(error) => return failed(ReasonKind::Timeout, error.to_string()),
        };
        while let Some(message) = messages.next().await {
            let message = match message {
                Ok(message) => message,
                Err(error) => return failed(ReasonKind::Disconnected, error.to_string()),
            };
            match self.judge(session, message) {
                Ok(Some(delivery)) => {
                    if self.queue.send(delivery).await.is_err() {
                        // The node takes nothing any more: what is left waits at the server.
                        std::future::pending::<()>().await;
                    }
                }
                Ok(None) => {}
                Err(reply) => answer(session, reply, AckKind::Term).await,
            }
        }
        failed(ReasonKind::Disconnected, "no more is delivered".to_owned())
    }

    /// A frame for the node; or none, when it is not ours to take; or what the server need not bring again.
    fn judge(&self, session: &Session, message: Message) -> Result<Option<Delivery<Subject>>, Subject> {
        let refuse = |kind, detail: &str| {
            let reason = Reason::new(kind, format!("{}: {detail}", session.server));
            self.refusals.report(&self.sink, reason);
        };
        let message = message.message;
        let tag = message.headers.as_ref().and_then(|headers| headers.get(TAG_HEADER));
        let verdict = self.mailbox.judge(message.reply.as_deref(), tag.map(|tag| tag.as_str()), message.payload.len());
        match (verdict, message.reply) {
            (Verdict::Unackable, _) | (_, None) => {
                refuse(ReasonKind::Protocol, "a delivery that cannot be acked");
                Ok(None)
            }
            (Verdict::NoFrame, Some(reply)) => {
                let (size, most) = (message.payload.len(), self.mailbox.max_frame());
                refuse(ReasonKind::TooLarge, &format!("{size} bytes are no frame; it has 1 to {most}"));
                Err(reply)
            }
            // Most frames of a realm are for others: nothing to report.
            (Verdict::Foreign, Some(reply)) => Err(reply),
            (Verdict::Frame, Some(key)) => {
                Ok(Some(Delivery { key, frame: message.payload, origin: session.server.clone() }))
            }
        }
    }
}

/// Brings the node's answers to whichever session is there then.
pub(super) struct Answers(pub(super) Arc<Link<Session>>);

impl Answers {
    /// Hands frames on until it is closed; what has no answer by then is given back to the server.
    pub(super) async fn run(mut self, handover: Handover<Subject>, closing: CancellationToken) {
        for reply in handover.run(&mut self, closing).await {
            self.give(reply, AckKind::Nak(None)).await;
        }
    }

    async fn give(&self, reply: Subject, kind: AckKind) {
        // Without a session the frame comes again, and the node knows it.
        if let Some(session) = self.0.session() {
            answer(&session, reply, kind).await;
        }
    }
}

impl Settle<Subject> for Answers {
    async fn settle(&mut self, reply: Subject, _bytes: usize, answer: Option<Disposition>) -> bool {
        let kind = match answer {
            Some(Disposition::Durable) => AckKind::Ack,
            Some(Disposition::Refused(_)) => AckKind::Term,
            None => AckKind::Nak(Some(AGAIN)),
        };
        self.give(reply, kind).await;
        true
    }
}

async fn answer(session: &Session, reply: Subject, kind: AckKind) {
    let told = timeout(ANSWER_LIMIT, session.client.publish(reply, kind.into())).await;
    if !matches!(told, Ok(Ok(()))) {
        tracing::debug!(server = %session.server, "an answer did not reach the server; the frame comes again");
    }
}
