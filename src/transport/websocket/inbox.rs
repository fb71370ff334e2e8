//! From a relay's deliveries to the node, and the node's receipts back.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::protocol::{FromClient, Window};
use crate::{
    delivery::{ReasonKind, TransportId},
    transport::{
        Disposition, EventSink,
        handover::{Delivery, Handover, Settle},
        link::Failure,
    },
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
    origin: SafeText,
    queue: mpsc::Sender<Delivery<u64>>,
    bytes: Arc<AtomicU64>,
}

/// The node's end of the inbox.
#[derive(Debug)]
pub(super) struct Inbox {
    handover: Handover<u64>,
    bytes: Arc<AtomicU64>,
}

/// An inbox and the relay's end of it.
pub(super) fn inbox(mail: Mail) -> (Slot, Inbox) {
    let Mail { id, sink, origin } = mail;
    let window = usize::from(WINDOW.messages);
    let (tx, queue) = mpsc::channel(window);
    let bytes = Arc::new(AtomicU64::new(0));
    (Slot { origin, queue: tx, bytes: bytes.clone() }, Inbox { handover: Handover { id, sink, queue, window }, bytes })
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
        let delivery = Delivery { key: id, frame, origin: self.origin.clone() };
        if over || self.queue.try_send(delivery).is_err() {
            return Err(Failure::new(ReasonKind::Protocol, "the relay delivers more than was asked for"));
        }
        Ok(())
    }
}

impl Inbox {
    /// Hands deliveries to the node and gives its answers to `answers`, until the node is gone.
    /// When `closing` is asked for, what is answered already is handed on before the end.
    pub(super) async fn run(self, answers: mpsc::Sender<FromClient>, closing: CancellationToken) -> Failure {
        let mut answers = Answers { answers, bytes: self.bytes };
        // The relay brings again what has no answer by then.
        self.handover.run(&mut answers, closing).await;
        Failure::new(ReasonKind::Stopping, "the node is stopping")
    }
}

/// Answers on their way to the writer.
struct Answers {
    answers: mpsc::Sender<FromClient>,
    bytes: Arc<AtomicU64>,
}

impl Settle<u64> for Answers {
    async fn settle(&mut self, id: u64, bytes: usize, answer: Option<Disposition>) -> bool {
        self.bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
        // Refused for good is settled as well: the relay need not know the difference.
        let told = if answer.is_some() { FromClient::Taken { id } } else { FromClient::Later { id } };
        self.answers.send(told).await.is_ok()
    }
}
