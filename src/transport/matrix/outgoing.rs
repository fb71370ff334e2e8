//! One frame to one peer.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt as _;
use matrix_sdk::{
    Room,
    config::RequestConfig,
    ruma::{OwnedTransactionId, RoomId, TransactionId, UserId},
};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, SemaphorePermit};

use super::{
    Common, Running,
    content::{Content, INLINE_BYTES},
    lock,
    session::Session,
    trouble::{Trouble, limited},
};
use crate::{
    delivery::{Reason, ReasonKind},
    transport::{Accepted, Retry, SendError},
};

/// Sends of unknown outcome that are remembered.
const UNSURE: usize = 1024;
/// Rooms whose turns are remembered while nobody writes into them.
const TURNS: usize = 1024;

impl Running {
    /// Hands a frame to the homeserver.
    ///
    /// # Errors
    /// Why it has not taken it.
    pub(super) async fn carry(&self, frame: Bytes, user: &UserId, deadline: Duration) -> Result<Accepted, SendError> {
        if let Some(rest) = self.common.limited_for() {
            return Err(SendError { reason: limited(rest), retry: Retry::After(rest) });
        }
        let session = self.link.wait_for_session().await?;
        self.common.carry_over(&session, frame, user, deadline).await.map_err(|trouble| {
            if let (ReasonKind::RateLimited, Some(wait)) = (trouble.reason.kind, trouble.wait) {
                self.common.limit(wait);
            }
            trouble.send_error()
        })
    }
}

impl Common {
    async fn carry_over(
        &self,
        session: &Arc<Session>,
        frame: Bytes,
        user: &UserId,
        deadline: Duration,
    ) -> Result<Accepted, Trouble> {
        let place = session.place().await?;
        session.keeper.know(user.as_str()).await?;
        let room = session.room_for(user, &self.tasks).await?;
        let (content, stored) = match frame.len() {
            size if size <= INLINE_BYTES => (Content::Inline(frame.clone()), 0),
            size => (Content::Stored(session.store(&frame, deadline).await?), size as u64),
        };
        drop(place);
        let content = content.write().map_err(|error| Trouble::new(ReasonKind::Other, error.to_string()))?;
        let turn = session.turn(room.room_id());
        let (_turn, _place) = (turn.lock().await, session.place().await?);
        let bytes = content.to_string().len() as u64 + stored;
        let number = session.number(&room, &frame);
        let sent = session.put(&room, content, number.clone(), deadline).await;
        if sent.as_ref().map_or_else(|trouble| trouble.refused, |()| true) {
            session.sure(&number);
        }
        sent.map(|()| Accepted { stored_by: Some(session.server.clone()), bytes })
    }
}

impl Session {
    /// One of the places at the homeserver.
    async fn place(&self) -> Result<SemaphorePermit<'_>, Trouble> {
        let stopping = |_| Trouble::new(ReasonKind::Stopping, "the transport is stopping");
        self.sends.acquire().await.map_err(stopping)
    }

    /// What only one at a time has for a room: the SDK changes a room's key after so many messages, looks whether that is due before
    /// it encrypts, and panics when another message was the last one in between.
    fn turn(&self, room: &RoomId) -> Arc<Mutex<()>> {
        let mut turns = lock(&self.turns);
        if turns.len() >= TURNS {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        turns.entry(room.to_owned()).or_default().clone()
    }

    async fn put(
        &self,
        room: &Room,
        content: serde_json::Value,
        number: OwnedTransactionId,
        deadline: Duration,
    ) -> Result<(), Trouble> {
        // The SDK would send it in the clear; nothing lies between this look and its own.
        if !room.encryption_state().is_encrypted() {
            return Err(Trouble::new(ReasonKind::NoRoute, "the room is not encrypted"));
        }
        let config = RequestConfig::new().disable_retry().timeout(deadline);
        let sending = room.send_raw("m.room.message", content).with_transaction_id(&number).with_request_config(config);
        // The key may also be over by its age, between the SDK's look and its use.
        let sent = AssertUnwindSafe(sending.into_future()).catch_unwind().await;
        let sent = sent.map_err(|_| Trouble::new(ReasonKind::Other, "the Matrix library failed on this message"))??;
        if sent.encryption_info.is_none() {
            return Err(Trouble::new(ReasonKind::Protocol, "the frame went out without Matrix's encryption"));
        }
        Ok(())
    }

    /// The transaction number of a send: that of the same one before, if nobody knows what became of it. After a sure answer it
    /// is another one, so that a frame which the peer could not decrypt is truly sent again.
    fn number(&self, room: &Room, frame: &[u8]) -> OwnedTransactionId {
        let digest = Sha256::new().chain_update(room.room_id().as_bytes()).chain_update([0]).chain_update(frame);
        let mut unsure = lock(&self.unsure);
        if unsure.len() >= UNSURE {
            unsure.clear();
        }
        unsure.entry(digest.finalize().into()).or_insert_with(TransactionId::new).clone()
    }

    fn sure(&self, number: &OwnedTransactionId) {
        lock(&self.unsure).retain(|_, other| other != number);
    }
}

/// A room that cannot be had is for the router a peer that cannot be reached this way.
impl From<Trouble> for Reason {
    fn from(trouble: Trouble) -> Self {
        trouble.reason
    }
}
