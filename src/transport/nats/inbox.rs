//! From the server's deliveries to the node, and the node's receipts back.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_nats::{
    Subject,
    jetstream::{AckKind, Message},
};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    link::Status,
    names::{Addressing, Names},
    session::{Session, TAG_HEADER},
};
use crate::{
    delivery::{Reason, ReasonKind, TransportId},
    transport::{Disposition, EventSink, Inbound, Receipt, TransportEvent, refusals::Refusals},
    wire::{Fingerprint, SafeText},
};

/// Frames at the node without a receipt.
const WINDOW: usize = 128;
/// When the server brings a frame again that the node had no answer for.
const AGAIN: Duration = Duration::from_secs(2);
/// Longest wait until an answer is on its way to the server; lost ones are made up for by a redelivery.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// Acks go here, and nowhere else whatever a server asks for.
const ACK_SUBJECT: &str = "$JS.ACK.";
/// How often an idle server says that it lives, and how long one request for frames stays open.
const HEARTBEAT: Duration = Duration::from_secs(5);
const EXPIRES: Duration = Duration::from_secs(30);

/// A frame, and where its answer goes.
#[derive(Debug)]
pub(super) struct Delivery {
    reply: Subject,
    frame: Bytes,
    origin: SafeText,
}

/// Takes frames from one session after the other.
pub(super) struct Puller {
    pub(super) names: Names,
    pub(super) addressing: Addressing,
    pub(super) owner: Fingerprint,
    pub(super) max_frame: usize,
    pub(super) queue: mpsc::Sender<Delivery>,
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
                        return Reason::new(ReasonKind::Stopping, "the transport is stopping");
                    }
                }
                Ok(None) => {}
                Err(reply) => answer(session, reply, AckKind::Term).await,
            }
        }
        failed(ReasonKind::Disconnected, "no more is delivered".to_owned())
    }

    /// A frame for the node; or none, when it is not ours to take; or what the server need not bring again.
    fn judge(&self, session: &Session, message: Message) -> Result<Option<Delivery>, Subject> {
        let refuse = |kind, detail: &str| {
            let reason = Reason::new(kind, format!("{}: {detail}", session.server));
            self.refusals.report(&self.sink, reason);
        };
        let message = message.message;
        let Some(reply) = message.reply.filter(|reply| reply.starts_with(ACK_SUBJECT)) else {
            refuse(ReasonKind::Protocol, "a delivery that cannot be acked");
            return Ok(None);
        };
        if message.payload.is_empty() || message.payload.len() > self.max_frame {
            let detail = format!("{} bytes are no frame; it has 1 to {}", message.payload.len(), self.max_frame);
            refuse(ReasonKind::TooLarge, &detail);
            return Err(reply);
        }
        if self.addressing == Addressing::Realm {
            let tag = message.headers.as_ref().and_then(|headers| headers.get(TAG_HEADER));
            if !tag.is_some_and(|tag| self.names.is_for(self.owner, tag.as_str())) {
                // Most frames of a realm are for others: nothing to report.
                return Err(reply);
            }
        }
        Ok(Some(Delivery { reply, frame: message.payload, origin: session.server.clone() }))
    }
}

/// The node's end: hands frames on, and the node's answers to whichever session is there then.
pub(super) struct Inbox {
    pub(super) id: TransportId,
    pub(super) sink: EventSink,
    pub(super) queue: mpsc::Receiver<Delivery>,
    pub(super) status: watch::Receiver<Status>,
    pub(super) stop: CancellationToken,
}

type Answer = Result<Disposition, oneshot::error::RecvError>;

impl Inbox {
    /// Runs until it is stopped; what has no answer by then is given back to the server.
    pub(super) async fn run(mut self) {
        let mut receipts = FuturesUnordered::new();
        let mut open: BTreeMap<u64, Subject> = BTreeMap::new();
        let mut next: Option<Delivery> = None;
        let mut count: u64 = 0;
        loop {
            tokio::select! {
                biased;
                Some((number, answer)) = receipts.next(), if !receipts.is_empty() => {
                    if let Some(reply) = open.remove(&number) {
                        self.settle(reply, answer).await;
                    }
                }
                () = self.stop.cancelled() => break,
                Some(delivery) = self.queue.recv(), if next.is_none() && open.len() < WINDOW => next = Some(delivery),
                slot = self.sink.reserve(), if next.is_some() => {
                    let Ok(slot) = slot else { break };
                    let Some(Delivery { reply, frame, origin }) = next.take() else { continue };
                    let (receipt, answer) = Receipt::new();
                    count += 1;
                    let number = count;
                    open.insert(number, reply);
                    receipts.push(answer.map(move |answer: Answer| (number, answer)));
                    slot.send(TransportEvent::Inbound(Inbound { via: self.id.clone(), frame, origin, receipt }));
                }
            }
        }
        for reply in open.into_values().chain(next.map(|delivery| delivery.reply)) {
            self.give(reply, AckKind::Nak(None)).await;
        }
    }

    async fn settle(&self, reply: Subject, answer: Answer) {
        let kind = match answer {
            Ok(Disposition::Durable) => AckKind::Ack,
            Ok(Disposition::Refused(_)) => AckKind::Term,
            Err(_) => AckKind::Nak(Some(AGAIN)),
        };
        self.give(reply, kind).await;
    }

    async fn give(&self, reply: Subject, kind: AckKind) {
        let session: Option<Arc<Session>> = self.status.borrow().session();
        // Without one the frame comes again, and the node knows it.
        if let Some(session) = session {
            answer(&session, reply, kind).await;
        }
    }
}

async fn answer(session: &Session, reply: Subject, kind: AckKind) {
    let told = timeout(ANSWER_LIMIT, session.client.publish(reply, kind.into())).await;
    if !matches!(told, Ok(Ok(()))) {
        tracing::debug!(server = %session.server, "an answer did not reach the server; the frame comes again");
    }
}
