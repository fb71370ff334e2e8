//! From a relay's deliveries to the node, and the node's receipts back.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    dial::Failure,
    protocol::{FromClient, Window},
};
use crate::{
    delivery::{ReasonKind, TransportId},
    transport::{EventSink, Inbound, Receipt, TransportEvent},
    wire::SafeText,
};

/// Deliveries that may be without a receipt, and their bytes.
pub(super) const WINDOW: Window = Window { messages: 128, bytes: 4 * 1024 * 1024 };

/// Where the mail of one connection goes.
#[derive(Clone, Debug)]
pub(super) struct Mail {
    pub(super) id: TransportId,
    pub(super) sink: EventSink,
    pub(super) origin: SafeText,
}

/// The relay's end of the inbox: checks that the relay keeps to the window.
#[derive(Debug)]
pub(super) struct Slot {
    queue: mpsc::Sender<(u64, Bytes)>,
    bytes: Arc<AtomicU64>,
}

/// The node's end of the inbox.
#[derive(Debug)]
pub(super) struct Inbox {
    mail: Mail,
    queue: mpsc::Receiver<(u64, Bytes)>,
    bytes: Arc<AtomicU64>,
}

/// An inbox and the relay's end of it.
pub(super) fn inbox(mail: Mail) -> (Slot, Inbox) {
    let (tx, rx) = mpsc::channel(usize::from(WINDOW.messages));
    let bytes = Arc::new(AtomicU64::new(0));
    (Slot { queue: tx, bytes: bytes.clone() }, Inbox { mail, queue: rx, bytes })
}

impl Slot {
    /// Takes a delivery.
    ///
    /// # Errors
    /// When the relay goes over the window.
    pub(super) fn take(&self, id: u64, frame: Bytes) -> Result<(), Failure> {
        let size = frame.len() as u64;
        let before = self.bytes.fetch_add(size, Ordering::Relaxed);
        let over = before > 0 && before + size > u64::from(WINDOW.bytes);
        if over || self.queue.try_send((id, frame)).is_err() {
            return Err(Failure::new(ReasonKind::Protocol, "the relay delivers more than was asked for"));
        }
        Ok(())
    }
}

impl Inbox {
    /// Hands deliveries to the node and gives its answers to `answers`, until the node is gone.
    /// When `closing` is asked for, what is answered already is handed on before the end.
    pub(super) async fn run(mut self, answers: mpsc::Sender<FromClient>, closing: CancellationToken) -> Failure {
        let mut receipts = FuturesUnordered::new();
        let mut next: Option<(u64, Bytes)> = None;
        loop {
            tokio::select! {
                biased;
                Some((answer, size)) = receipts.next(), if !receipts.is_empty() => {
                    self.bytes.fetch_sub(size, Ordering::Relaxed);
                    if answers.send(answer).await.is_err() {
                        return gone();
                    }
                }
                () = closing.cancelled() => return gone(),
                Some(delivery) = self.queue.recv(), if next.is_none() => next = Some(delivery),
                slot = self.mail.sink.reserve(), if next.is_some() => {
                    let Ok(slot) = slot else { return gone() };
                    let Some((id, frame)) = next.take() else { continue };
                    let size = frame.len() as u64;
                    let (receipt, answer) = Receipt::new();
                    let (via, origin) = (self.mail.id.clone(), self.mail.origin.clone());
                    slot.send(TransportEvent::Inbound(Inbound { via, frame, origin, receipt }));
                    // Refused for good is settled as well: the relay need not know the difference.
                    receipts.push(answer.map(move |disposition| match disposition {
                        Ok(_) => (FromClient::Taken { id }, size),
                        Err(_) => (FromClient::Later { id }, size),
                    }));
                }
            }
        }
    }
}

fn gone() -> Failure {
    Failure::new(ReasonKind::Stopping, "the node is stopping")
}
