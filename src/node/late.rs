//! Acks and read receipts. The delivery machine remembers what is on its way and what lately was; for everything
//! older the store does, and the same rules are applied to what it keeps.

use super::{Event, core::Core};
use crate::{
    delivery::{AttemptRecord, Input, MessageState, TransportId},
    store::{CrashPoint, Store, StoreError},
    wire::{AckItem, Conversation, EnvelopeId, Fingerprint, Timestamp},
};

/// What a peer told of one of our messages.
#[derive(Clone, Debug)]
enum Told {
    Acked,
    Read(Timestamp),
}

/// A peer's word on a message that the delivery machine has forgotten.
struct Late {
    peer: Fingerprint,
    id: EnvelopeId,
    told: Told,
    /// The transports of the kind the peer named, and the one its word came by.
    named: Vec<TransportId>,
    via: TransportId,
    now: Timestamp,
}

impl Core {
    /// `peer` has our message on its disk, as `ack` says; `via` is the path the ack came by.
    pub(super) fn acked(&mut self, peer: Fingerprint, ack: &AckItem, via: &TransportId) {
        CrashPoint::AckReceived.pass();
        let id = ack.envelope_id;
        // Ids are unique per peer: who saw one in transit may have sent us something under it, and acks that.
        if self.machine.recipient(&id) == Some(peer) {
            let named = self.path_named(ack);
            self.drive(Input::Acked { envelope_id: id, via: named, ack_via: via.clone() });
        } else {
            self.late(peer, id, Told::Acked, ack.via.as_deref(), via);
        }
    }

    /// `peer` has seen our message, at `at` by its clock.
    pub(super) fn was_read(&mut self, peer: Fingerprint, id: EnvelopeId, at: Timestamp, via: &TransportId) {
        if self.machine.recipient(&id) == Some(peer) {
            self.drive(Input::Read { envelope_id: id, at });
        } else {
            self.late(peer, id, Told::Read(at), None, via);
        }
    }

    /// Which of our paths the recipient means: it names the kind, and by the retry count the attempt. Where the two do
    /// not fit together the latest attempt of that kind is meant.
    fn path_named(&self, ack: &AckItem) -> Option<TransportId> {
        let kind = ack.via.as_deref()?;
        let fits = |attempt: &&AttemptRecord| self.paths.kind(&attempt.via) == Some(kind);
        let attempts = || self.machine.attempts(&ack.envelope_id).iter().rev().filter(fits);
        let number = ack.retry_count.and_then(|count| count.checked_add(1));
        let meant = attempts().find(|attempt| Some(attempt.number) == number).or_else(|| attempts().next())?;
        Some(meant.via.clone())
    }

    fn late(&self, peer: Fingerprint, id: EnvelopeId, told: Told, named: Option<&str>, via: &TransportId) {
        let named = named.map(|kind| self.paths.all_of_kind(kind)).unwrap_or_default();
        let late = Late { peer, id, told, named, via: via.clone(), now: self.clock.now().wall };
        self.write(
            move |store| late.apply(store),
            move |core, applied| match applied {
                Ok(Some((conversation, state))) => core.emit(Event::State { envelope_id: id, conversation, state }),
                Ok(None) => {}
                Err(error) => core.storage_failed("a state", &error),
            },
        );
    }
}

impl Late {
    /// Brings what is stored up to date; the new state, if it changed anything.
    fn apply(&self, store: &Store) -> Result<Option<(Conversation, MessageState)>, StoreError> {
        let found = store.message_with(&self.peer, &self.id)?.filter(|(_, record)| !record.incoming);
        let Some((_, record)) = found else { return Ok(None) };
        let attempts = store.attempts(&self.id)?;
        let mut used = attempts.iter().rev().map(|attempt| &attempt.via);
        let via = used.find(|via| self.named.contains(via)).unwrap_or(&self.via);
        let waited = attempts.first().map_or(0, |first| self.now.ms_since(first.started));
        let latency_ms = u64::try_from(waited).unwrap_or(0);
        let state = match self.told {
            Told::Acked => record.state.after_ack(via, latency_ms),
            Told::Read(at) => record.state.after_read(via, latency_ms, at),
        };
        let Some(state) = state else { return Ok(None) };
        let retries = u32::try_from(attempts.len().saturating_sub(1)).unwrap_or(u32::MAX);
        if !store.set_state(&self.id, &state, retries)? {
            return Ok(None);
        }
        store.remove_from_outbox(&self.id)?;
        Ok(Some((record.conversation, state)))
    }
}
