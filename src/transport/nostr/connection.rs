//! One open connection to a relay, as those who use it see it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use nostr_sdk::{Event, EventId, Filter, JsonUtil as _};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::sync::CancellationToken;

use crate::{
    delivery::Reason,
    transport::{
        SendError,
        link::{Life, Live},
        lock,
    },
    wire::SafeText,
};

/// Orders that wait to be taken; those who come later wait themselves.
pub(super) const ORDERS: usize = 64;

/// An event, ready to be published at any number of relays.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub(super) id: EventId,
    /// The whole message: `["EVENT",{…}]`.
    pub(super) text: Utf8Bytes,
}

impl Ready {
    /// Encodes `event`.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub(super) fn new(event: &Event) -> Result<Self, String> {
        let json = event.try_as_json().map_err(|error| error.to_string())?;
        Ok(Self { id: event.id, text: format!("[\"EVENT\",{json}]").into() })
    }
}

/// What a connection is asked to do.
#[derive(Debug)]
pub(super) enum Order {
    /// Publish an event; the answer is the relay's OK.
    Publish { event: Ready, reply: oneshot::Sender<Result<(), SendError>> },
    /// Ask for stored events; the answer comes with the relay's EOSE.
    Fetch { filter: Box<Filter>, reply: oneshot::Sender<Result<Vec<Event>, SendError>> },
    /// Measure a round trip.
    Ping(oneshot::Sender<()>),
}

/// What the session tells those who hold the connection.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) life: Life,
    /// Whether mail is being received; always where none is wanted.
    pub(super) ready: watch::Sender<bool>,
    /// What does not work although the connection is up.
    trouble: watch::Sender<Option<Reason>>,
    used: Mutex<Instant>,
}

/// An open connection. It ends when it is closed or dropped, or when the relay is gone.
#[derive(Debug)]
pub(super) struct Connection {
    relay: SafeText,
    orders: mpsc::Sender<Order>,
    told: Arc<Told>,
    closing: CancellationToken,
}

/// The session's ends of a connection.
pub(super) struct Ends {
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) told: Arc<Told>,
    pub(super) closing: CancellationToken,
}

impl Told {
    /// Sets what does not work.
    pub(super) fn set_trouble(&self, reason: Option<Reason>) {
        self.trouble.send_replace(reason);
    }

    /// The connection is in use at this moment.
    pub(super) fn touch(&self) {
        *lock(&self.used) = Instant::now();
    }
}

impl Live for Connection {
    fn life(&self) -> &Life {
        &self.told.life
    }

    fn close(&self) {
        self.closing.cancel();
    }

    fn trouble(&self) -> Option<Reason> {
        self.told.trouble.borrow().clone()
    }
}

impl Drop for Connection {
    /// Nobody has it any more, perhaps before it was ready: its session is not left running.
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

impl Connection {
    /// A connection to `relay`, and the ends its session works with.
    pub(super) fn new(relay: SafeText) -> (Arc<Self>, Ends) {
        let (orders, queue) = mpsc::channel(ORDERS);
        let told = Arc::new(Told {
            life: Life::default(),
            ready: watch::Sender::new(false),
            trouble: watch::Sender::new(None),
            used: Mutex::new(Instant::now()),
        });
        let closing = CancellationToken::new();
        let ends = Ends { orders: queue, told: told.clone(), closing: closing.clone() };
        (Arc::new(Self { relay, orders, told, closing }), ends)
    }

    /// Publishes an event and waits for the relay's OK. May be dropped at any time; the relay may then have it or not.
    pub(super) async fn publish(&self, event: Ready) -> Result<(), SendError> {
        self.told.touch();
        let (reply, answer) = oneshot::channel();
        self.orders.send(Order::Publish { event, reply }).await.map_err(|_| self.broken())?;
        let outcome = answer.await.map_err(|_| self.broken())?;
        self.told.touch();
        outcome
    }

    /// Stored events that fit; unchecked.
    pub(super) async fn fetch(&self, filter: Filter) -> Result<Vec<Event>, SendError> {
        self.told.touch();
        let (reply, answer) = oneshot::channel();
        let order = Order::Fetch { filter: Box::new(filter), reply };
        self.orders.send(order).await.map_err(|_| self.broken())?;
        answer.await.map_err(|_| self.broken())?
    }

    /// Measures a round trip.
    pub(super) async fn ping(&self) -> Result<Duration, Reason> {
        let (reply, answer) = oneshot::channel();
        let start = Instant::now();
        self.orders.send(Order::Ping(reply)).await.map_err(|_| self.broken().reason)?;
        answer.await.map_err(|_| self.broken().reason)?;
        Ok(start.elapsed())
    }

    /// Waits until mail is being received, or the end.
    pub(super) async fn ready(&self) {
        let mut ready = self.told.ready.subscribe();
        tokio::select! {
            _ = ready.wait_for(|ready| *ready) => {}
            _ = self.told.life.ended() => {}
        }
    }

    /// Waits until what does not work changes.
    pub(super) async fn trouble_changed(&self, seen: &mut watch::Receiver<Option<Reason>>) {
        if seen.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// For [`Connection::trouble_changed`].
    pub(super) fn watch_trouble(&self) -> watch::Receiver<Option<Reason>> {
        self.told.trouble.subscribe()
    }

    /// How long nobody has used it.
    pub(super) fn unused_for(&self) -> Duration {
        lock(&self.told.used).elapsed()
    }

    fn broken(&self) -> SendError {
        self.told.life.cause().at(&self.relay).send_error()
    }
}
