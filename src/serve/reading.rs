//! What a client says.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use futures_util::{StreamExt, stream::SplitStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::{
    Shared,
    keeper::{Answer, Put, Ticket},
    session::{Client, Socket},
    socket::{LEAST_BYTES, Meter},
    writing::Deliveries,
};
use crate::{
    transport::websocket::{
        moving::{Moved, while_moving},
        protocol::{FromClient, Refusal, RefusalKind},
    },
    wire::Fingerprint,
};

/// The reading half of a connection.
pub(super) struct Reading {
    shared: Arc<Shared>,
    client: Client,
    stream: SplitStream<Socket>,
    meter: Arc<Meter>,
    moved: Arc<Moved>,
    answers: mpsc::Sender<Answer>,
    places: Arc<Semaphore>,
    deliveries: Arc<Deliveries>,
}

impl Reading {
    pub(super) fn new(
        shared: Arc<Shared>,
        client: Client,
        stream: SplitStream<Socket>,
        (meter, moved): (Arc<Meter>, Arc<Moved>),
        (answers, places): (mpsc::Sender<Answer>, Arc<Semaphore>),
        deliveries: Arc<Deliveries>,
    ) -> Self {
        Self { shared, client, stream, meter, moved, answers, places, deliveries }
    }

    /// Reads until the connection ends; the refusal to close with, if the other side is still there.
    pub(super) async fn run(&mut self) -> Option<Refusal> {
        loop {
            let (silence, moved) = (self.shared.limits.silence, &self.moved);
            let message = match while_moving(silence, LEAST_BYTES, || moved.read(), self.stream.next()).await {
                Some(Some(Ok(message))) => message,
                Some(Some(Err(error))) => return refusal_for(&error, self.shared.limits.frame_bytes),
                Some(None) => return None,
                None => return Some(Refusal::new(RefusalKind::Idle, "nothing was heard for too long")),
            };
            self.meter.reset();
            match message {
                Message::Binary(bytes) => {
                    if let Err(refusal) = self.handle(bytes).await {
                        return Some(refusal);
                    }
                }
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Close(_) => return None,
                Message::Text(_) | Message::Frame(_) => {
                    return Some(Refusal::new(RefusalKind::Protocol, "messages are binary"));
                }
            }
        }
    }

    async fn handle(&mut self, bytes: Bytes) -> Result<(), Refusal> {
        let message =
            FromClient::decode(bytes).map_err(|error| Refusal::new(RefusalKind::Protocol, &error.to_string()))?;
        match message {
            FromClient::Put { seq, recipient, frame } => self.put(seq, recipient, frame).await,
            FromClient::Taken { id } => {
                if self.deliveries.taken(id) {
                    self.shared.keeper.taken(self.client.fingerprint, id).await;
                }
                Ok(())
            }
            FromClient::Later { id } => {
                self.deliveries.later(id, Instant::now());
                Ok(())
            }
            FromClient::Auth(_) => Err(Refusal::new(RefusalKind::Protocol, "you are logged in already")),
        }
    }

    /// Waits for a place in the window, which holds up a client that is too far ahead.
    async fn put(&mut self, seq: u64, recipient: Fingerprint, frame: Bytes) -> Result<(), Refusal> {
        let place = acquire(&self.places, 1).await?;
        let mut ticket = Ticket { seq, place, memory: None, answers: self.answers.clone() };
        if let Err(refusal) = self.check(&recipient, &frame) {
            ticket.answer(Err(refusal));
            return Ok(());
        }
        let kib = u32::try_from(frame.len().div_ceil(1024)).unwrap_or(u32::MAX);
        ticket.memory = Some(acquire(&self.shared.unwritten, kib.min(self.shared.unwritten_kib)).await?);
        let put = Put { recipient, sender: self.client.fingerprint, frame };
        self.shared.keeper.put(put, ticket).await;
        Ok(())
    }

    fn check(&self, recipient: &Fingerprint, frame: &Bytes) -> Result<(), Refusal> {
        if frame.len() > self.shared.limits.frame_bytes {
            let text = format!("the relay takes frames up to {} bytes", self.shared.limits.frame_bytes);
            return Err(Refusal::new(RefusalKind::TooLarge, &text));
        }
        if !self.shared.access.is_member(recipient) {
            return Err(Refusal::new(RefusalKind::NoMailbox, "the recipient has no mailbox on this relay"));
        }
        let sender = &self.client.fingerprint;
        self.shared.pace.admit(sender, frame.len() as u64, Instant::now()).map_err(|wait| {
            Refusal::new(RefusalKind::RateLimited, "you send faster than this relay allows").after(wait)
        })
    }
}

async fn acquire(semaphore: &Arc<Semaphore>, permits: u32) -> Result<OwnedSemaphorePermit, Refusal> {
    let permit = semaphore.clone().acquire_many_owned(permits).await;
    permit.map_err(|_| Refusal::new(RefusalKind::Stopping, "the relay is being stopped"))
}

/// What to tell the client about an error, where it can still hear it.
fn refusal_for(error: &WsError, most: usize) -> Option<Refusal> {
    match error {
        WsError::Capacity(_) => {
            let text = format!("the relay takes frames up to {most} bytes");
            Some(Refusal::new(RefusalKind::TooLarge, &text))
        }
        WsError::Protocol(_) | WsError::Utf8(_) => {
            Some(Refusal::new(RefusalKind::Protocol, &format!("this is not WebSocket: {error}")))
        }
        other => {
            tracing::debug!(error = %other, "a connection broke");
            None
        }
    }
}
