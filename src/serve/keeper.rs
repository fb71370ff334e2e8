//! What a relay wants of whoever keeps its mailboxes. [`super::disk`] keeps them on this machine, `super::jetstream` in a
//! JetStream cluster that several relays share.

use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::usage::Amount;
use crate::{
    transport::websocket::protocol::Refusal,
    wire::{Fingerprint, Timestamp},
};

/// A keeper of mailboxes.
///
/// - What it answered with success is durable, as far as its page in the guide says so, and stays until its owner took it or
///   it is older than [`StorageLimits::keep`](super::StorageLimits); nothing is pushed out by what comes later.
/// - What does not fit into [`StorageLimits`](super::StorageLimits) is refused with the bound that it meets, and so is
///   everything while the keeper cannot write.
/// - A frame that is put again while it waits may be kept once or twice; recipients recognise repetitions.
/// - The owner's line on the [`Switchboard`](super::switchboard::Switchboard) is rung for each frame that can be looked at.
/// - Ids rise in the order in which frames become visible to [`Keeper::look`], also over a restart; the frames that one
///   connection puts into one mailbox are visible in that order.
/// - What was taken is not shown again, unless the keeper ended before it could delete it.
#[async_trait]
pub(super) trait Keeper: Send + Sync {
    /// Puts a frame; the answer goes by the ticket once it is durable or refused. Waits while too much waits to be written.
    async fn put(&self, put: Put, ticket: Ticket);

    /// Deletes a message that its owner has.
    async fn taken(&self, owner: Fingerprint, id: u64);

    /// Looks into a mailbox; none when it cannot be read or the relay stops.
    async fn look(&self, look: Look) -> Option<Found>;

    /// The owner of a mailbox is here, which gives it a mailbox of full size.
    async fn claim(&self, owner: Fingerprint);

    /// What all mailboxes hold; none when the relay stops.
    async fn count(&self) -> Option<Amount>;

    /// Whether it can neither store nor show anything at present; what it accepted is safe.
    fn is_cut_off(&self) -> bool;
}

/// Waits for the end of a keeper, which comes when the last handle to it is gone.
#[derive(Debug)]
pub(super) struct KeeperEnd(pub(super) oneshot::Receiver<()>);

impl KeeperEnd {
    /// Returns when everything is written and closed.
    pub(super) async fn ended(self) {
        // An error means that the keeper is gone, which is what is waited for.
        let _ = self.0.await;
    }
}

/// A frame to be put into a mailbox.
#[derive(Clone, Debug)]
pub(super) struct Put {
    pub(super) recipient: Fingerprint,
    pub(super) sender: Fingerprint,
    pub(super) frame: Bytes,
}

/// What a look into a mailbox finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing after the given id.
    Nothing,
    /// Some of the messages, in order of arrival.
    Some(Vec<(u64, Bytes)>),
    /// The next message alone is over the given size; it has this many bytes.
    Large(u64),
}

/// The answer to a PUT, on its way to the connection.
#[derive(Debug)]
pub(super) struct Answer {
    /// The number of the PUT.
    pub(super) seq: u64,
    /// Stored, or why not.
    pub(super) outcome: Result<(), Refusal>,
    /// The place in the connection's window, free once the answer is written.
    pub(super) place: OwnedSemaphorePermit,
}

/// Where the answer to a PUT goes. The channel has room for the whole window, so that answering never waits.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) seq: u64,
    pub(super) place: OwnedSemaphorePermit,
    /// The bytes' part of what may wait unwritten; free when they are written.
    pub(super) memory: Option<OwnedSemaphorePermit>,
    pub(super) answers: mpsc::Sender<Answer>,
}

impl Ticket {
    /// Answers. A connection that is gone does not hear it; its client will ask again.
    pub(super) fn answer(self, outcome: Result<(), Refusal>) {
        drop(self.memory);
        if self.answers.try_send(Answer { seq: self.seq, outcome, place: self.place }).is_err() {
            tracing::debug!("an answer came too late for its connection");
        }
    }
}

/// A look into a mailbox.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) owner: Fingerprint,
    pub(super) after: u64,
    /// Ids that are under way already.
    pub(super) skip: Vec<u64>,
    pub(super) messages: usize,
    pub(super) bytes: u64,
}

/// The wall clock.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
