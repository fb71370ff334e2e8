//! Acks and read receipts. The delivery machine remembers what is on its way and what lately was; for everything
//! older the store does, and the same rules are applied to what it keeps.

use super::{Event, core::Core};
use crate::{
    delivery::{AttemptRecord, Input, MessageState, TransportId},
    store::{Store, StoreError},
    wire::{Conversation, EnvelopeId, Fingerprint, Timestamp},
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
    /// `peer` has our message on its disk; `named` is the kind of the path that brought it, `via` the one the ack
    /// came by.
    pub(super) fn acked(&mut self, peer: Fingerprint, id: EnvelopeId, named: Option<&str>, via: &TransportId) {
        if self.machine.state(&id).is_some() {
            let named = named.and_then(|kind| self.path_named(&id, kind));
            self.drive(Input::Acked { envelope_id: id, via: named, ack_via: via.clone() });
        } else {
            self.late(peer, id, Told::Acked, named, via);
        }
    }

    /// `peer` has seen our message, at `at` by its clock.
    pub(super) fn was_read(&mut self, peer: Fingerprint, id: EnvelopeId, at: Timestamp, via: &TransportId) {
        if self.machine.state(&id).is_some() {
            self.drive(Input::Read { envelope_id: id, at });
        } else {
            self.late(peer, id, Told::Read(at), None, via);
        }
    }

    /// Which of our paths the recipient means: it names the kind, the attempts tell which of that kind.
    fn path_named(&self, id: &EnvelopeId, kind: &str) -> Option<TransportId> {
        let used = self.machine.attempts(id).iter().map(|attempt: &AttemptRecord| &attempt.via);
        used.rev().find(|via| self.paths.kind(via) == Some(kind)).cloned()
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
