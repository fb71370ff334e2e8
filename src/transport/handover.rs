//! From what a server delivers to the node, and the node's receipts back to the server that keeps the original.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Disposition, EventSink, Inbound, Receipt, TransportEvent};
use crate::{delivery::TransportId, wire::SafeText};

/// A frame, and under what the server wants its answer.
#[derive(Debug)]
pub(super) struct Delivery<K> {
    pub(super) key: K,
    pub(super) frame: Bytes,
    pub(super) origin: SafeText,
}

/// Brings the node's answers to the server.
pub(super) trait Settle<K>: Send {
    /// The node has answered for a delivery of so many bytes; none when it wants it again later. Tells whether to go on.
    fn settle(&mut self, key: K, bytes: usize, answer: Option<Disposition>) -> impl Future<Output = bool> + Send;
}

/// The node's end of a queue of deliveries.
#[derive(Debug)]
pub(super) struct Handover<K> {
    pub(super) id: TransportId,
    pub(super) sink: EventSink,
    pub(super) queue: mpsc::Receiver<Delivery<K>>,
    /// Frames that may be at the node without an answer; more wait in the queue.
    pub(super) window: usize,
}

impl<K: Send> Handover<K> {
    /// Hands deliveries to the node and its answers to `answers`, until the node or the server is gone or `closing` is asked for; what
    /// is answered already is handed on before. Returns what has no answer.
    pub(super) async fn run(mut self, answers: &mut impl Settle<K>, closing: CancellationToken) -> Vec<K> {
        let mut receipts = FuturesUnordered::new();
        let mut open: BTreeMap<u64, (K, usize)> = BTreeMap::new();
        let mut next: Option<Delivery<K>> = None;
        let mut count: u64 = 0;
        loop {
            tokio::select! {
                biased;
                Some((number, answer)) = receipts.next(), if !receipts.is_empty() => {
                    if let Some((key, bytes)) = open.remove(&number)
                        && !answers.settle(key, bytes, answer).await
                    {
                        break;
                    }
                }
                () = closing.cancelled() => break,
                Some(delivery) = self.queue.recv(), if next.is_none() && open.len() < self.window => next = Some(delivery),
                slot = self.sink.reserve(), if next.is_some() => {
                    let Ok(slot) = slot else { break };
                    let Some(Delivery { key, frame, origin }) = next.take() else { continue };
                    let (receipt, answer) = Receipt::new();
                    count += 1;
                    let number = count;
                    open.insert(number, (key, frame.len()));
                    receipts.push(answer.map(move |answer| (number, answer.ok())));
                    slot.send(TransportEvent::Inbound(Inbound { via: self.id.clone(), frame, origin, receipt }));
                }
            }
        }
        open.into_values().map(|(key, _)| key).chain(next.map(|delivery| delivery.key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        delivery::{Reason, ReasonKind},
        transport::testing::Events,
    };

    /// Passes answers on to the test; ends after the number 9.
    struct Told(mpsc::Sender<(u8, usize, Option<Disposition>)>);

    impl Settle<u8> for Told {
        async fn settle(&mut self, key: u8, bytes: usize, answer: Option<Disposition>) -> bool {
            self.0.send((key, bytes, answer)).await.unwrap();
            key != 9
        }
    }

    #[tokio::test]
    async fn answers_find_their_delivery_and_what_has_none_is_given_back() {
        let (sink, events) = mpsc::channel(64);
        let mut events = Events(events);
        let (queue, deliveries) = mpsc::channel(8);
        let (tell, mut told) = mpsc::channel(8);
        let closing = CancellationToken::new();
        let handover = Handover { id: "t".parse().unwrap(), sink, queue: deliveries, window: 3 };
        let ending = closing.clone();
        let running = tokio::spawn(async move { handover.run(&mut Told(tell), ending).await });
        for key in 1..=5 {
            let frame = Bytes::from(vec![key; usize::from(key)]);
            queue.send(Delivery { key, frame, origin: SafeText::line("there") }).await.unwrap();
        }
        let (one, two, three) = (events.inbound("1").await, events.inbound("2").await, events.inbound("3").await);
        assert!(events.0.try_recv().is_err(), "the window is full");
        two.receipt.durable();
        assert_eq!(told.recv().await, Some((2, 2, Some(Disposition::Durable))));
        let reason = Reason::new(ReasonKind::Protocol, "no envelope");
        one.receipt.refused(reason.clone());
        assert_eq!(told.recv().await, Some((1, 1, Some(Disposition::Refused(reason)))));
        drop(three);
        assert_eq!(told.recv().await, Some((3, 3, None)));
        let (_four, _five) = (events.inbound("4").await, events.inbound("5").await);
        closing.cancel();
        assert_eq!(running.await.unwrap(), [4, 5]);
    }

    #[tokio::test]
    async fn it_ends_with_the_server_and_with_the_node() {
        for node_goes in [true, false] {
            let (sink, events) = mpsc::channel(64);
            let mut events = Events(events);
            let (queue, deliveries) = mpsc::channel(8);
            let (tell, mut told) = mpsc::channel(8);
            let handover = Handover { id: "t".parse().unwrap(), sink, queue: deliveries, window: 3 };
            let running = tokio::spawn(async move { handover.run(&mut Told(tell), CancellationToken::new()).await });
            let delivery = |key| Delivery { key, frame: Bytes::from_static(b"x"), origin: SafeText::line("there") };
            queue.send(delivery(9)).await.unwrap();
            let nine = events.inbound("9").await;
            if node_goes {
                drop(events);
                queue.send(delivery(8)).await.unwrap();
                let mut left = running.await.unwrap();
                left.sort_unstable();
                assert_eq!(left, [8, 9]);
            } else {
                nine.receipt.durable();
                assert!(told.recv().await.is_some());
                assert!(running.await.unwrap().is_empty());
            }
        }
    }
}
