//! Acks and read receipts. The delivery machine remembers what is on its way and what lately was; for everything
//! older the store does, and the same rules are applied to what it keeps.

use super::{Event, core::Core};
use crate::{
    delivery::{AttemptOutcome, AttemptRecord, Input, MessageState, TransportId},
    store::{CrashPoint, Store, StoreError},
    wire::{AckItem, Conversation, EnvelopeId, Fingerprint, Timestamp},
};

/// What a peer told of one of our messages.
#[derive(Clone, Debug)]
enum Told {
    /// It has it; with the number of the attempt that brought it, where the ack says so.
    Acked(Option<u32>),
    Read(Timestamp),
}

/// A peer's word on a message that the delivery machine has forgotten.
struct Late {
    peer: Fingerprint,
    id: EnvelopeId,
    told: Told,
    /// The transports of the kind the peer named; none when it named no kind.
    named: Option<Vec<TransportId>>,
    /// The one its word came by.
    via: TransportId,
    now: Timestamp,
}

/// What such a word changed.
#[derive(Default)]
struct Applied {
    state: Option<(Conversation, MessageState)>,
    line: Option<AttemptRecord>,
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
            self.late(peer, id, Told::Acked(attempt_named(ack)), ack.via.as_deref(), via);
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

    /// Which of our paths the recipient means.
    fn path_named(&self, ack: &AckItem) -> Option<TransportId> {
        let kind = ack.via.as_deref()?;
        let attempts = self.machine.attempts(&ack.envelope_id);
        let meant = meant(attempts, attempt_named(ack), |via| self.paths.kind(via) == Some(kind))?;
        Some(meant.via.clone())
    }

    fn late(&self, peer: Fingerprint, id: EnvelopeId, told: Told, named: Option<&str>, via: &TransportId) {
        let named = named.map(|kind| self.paths.all_of_kind(kind));
        let late = Late { peer, id, told, named, via: via.clone(), now: self.clock.now().wall };
        self.write(
            move |store| late.apply(store),
            move |core, applied| match applied {
                Ok(Applied { state, line }) => {
                    if let Some(attempt) = line {
                        core.emit(Event::Attempt { envelope_id: id, attempt });
                    }
                    if let Some((conversation, state)) = state {
                        core.emit(Event::State { envelope_id: id, conversation, state });
                    }
                }
                Err(error) => core.storage_failed("a state", &error),
            },
        );
    }
}

impl Late {
    /// Brings what is stored up to date.
    fn apply(&self, store: &Store) -> Result<Applied, StoreError> {
        let found = store.message_with(&self.peer, &self.id)?.filter(|(_, record)| !record.incoming);
        let Some((_, record)) = found else { return Ok(Applied::default()) };
        let attempts = store.attempts(&self.id)?;
        let brought = self.brought(&attempts);
        let via = brought.map_or(&self.via, |attempt| &attempt.via);
        let waited = attempts.first().map_or(0, |first| self.now.ms_since(first.started));
        let latency_ms = u64::try_from(waited).unwrap_or(0);
        let (state, line) = match self.told {
            Told::Acked(_) => (record.state.after_ack(via, latency_ms), brought.and_then(|line| self.acked(line))),
            Told::Read(at) => (record.state.after_read(via, latency_ms, at), None),
        };
        if let Some(line) = &line {
            store.record_attempt(&self.id, line)?;
        }
        let Some(state) = state else { return Ok(Applied { state: None, line }) };
        let retries = u32::try_from(attempts.len().saturating_sub(1)).unwrap_or(u32::MAX);
        if !store.set_state(&self.id, &state, retries)? {
            return Ok(Applied { state: None, line });
        }
        store.remove_from_outbox(&self.id)?;
        Ok(Applied { state: Some((record.conversation, state)), line })
    }

    /// The attempt that brought the message: the one the peer means; where it names no path, the only one.
    fn brought<'a>(&self, attempts: &'a [AttemptRecord]) -> Option<&'a AttemptRecord> {
        let number = match self.told {
            Told::Acked(number) => number,
            Told::Read(_) => None,
        };
        match (&self.named, attempts) {
            (Some(named), _) => meant(attempts, number, |via| named.contains(via)),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    /// The line of an attempt that is now known to have arrived; none when that was known.
    fn acked(&self, line: &AttemptRecord) -> Option<AttemptRecord> {
        if matches!(line.outcome, AttemptOutcome::Acked { .. }) {
            return None;
        }
        let after_ms = u64::try_from(self.now.ms_since(line.started)).unwrap_or(0);
        let outcome = AttemptOutcome::Acked { after_ms, ack_via: Some(self.via.clone()) };
        Some(AttemptRecord { outcome, ..line.clone() })
    }
}

/// The number of the attempt that an ack speaks of.
fn attempt_named(ack: &AckItem) -> Option<u32> {
    ack.retry_count.and_then(|count| count.checked_add(1))
}

/// The attempt that the recipient means, who names the kind of the path and by the retry count the attempt. Where the two
/// do not fit together it is the latest one of that kind.
fn meant(
    attempts: &[AttemptRecord],
    number: Option<u32>,
    fits: impl Fn(&TransportId) -> bool,
) -> Option<&AttemptRecord> {
    let fitting = || attempts.iter().rev().filter(|attempt| fits(&attempt.via));
    fitting().find(|attempt| Some(attempt.number) == number).or_else(|| fitting().next())
}
