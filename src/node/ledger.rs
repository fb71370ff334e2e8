//! What changed about outgoing messages and is not yet written. A message on a fast path changes half a dozen times
//! within milliseconds; here the changes gather for a moment and are written as one.
//!
//! What a crash may lose here is only how far a message had come: it is then sent again, recognised as a duplicate
//! by its recipient and acked again.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;

use super::{Event, Message, core::Core};
use crate::{
    delivery::{AttemptOutcome, AttemptRecord, MessageState, RoutePlan},
    store::{CrashPoint, Progress},
    wire::{Conversation, EnvelopeId},
};

/// Most bytes of sealed envelopes that are kept in memory; the rest is read from the outbox when it is sent.
const FRAMES_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Most plans that are remembered. Kept in memory only: they explain what was just sent, the attempts on the disk are
/// the lasting record.
const PLANS_MAX: usize = 1_000;

/// Outgoing envelopes while they are under way.
#[derive(Default)]
pub(super) struct Ledger {
    dirty: BTreeMap<EnvelopeId, Progress>,
    followed: HashMap<EnvelopeId, (Conversation, u64)>,
    frames: HashMap<EnvelopeId, Bytes>,
    frame_bytes: usize,
    plans: HashMap<EnvelopeId, RoutePlan>,
    /// In the order they were made.
    planned: VecDeque<EnvelopeId>,
}

impl Ledger {
    /// Begins to follow a message of a conversation, stored at `position`.
    pub(super) fn follow(&mut self, id: EnvelopeId, conversation: Conversation, position: u64) {
        self.followed.insert(id, (conversation, position));
    }

    /// The conversation of a message that is followed; none for acks and the like.
    pub(super) fn conversation(&self, id: &EnvelopeId) -> Option<&Conversation> {
        self.followed.get(id).map(|(conversation, _)| conversation)
    }

    /// Keeps the bytes at hand. `must` for those that are nowhere else (acks); others only while there is room.
    pub(super) fn keep_frame(&mut self, id: EnvelopeId, frame: Bytes, must: bool) {
        if must || self.frame_bytes + frame.len() <= FRAMES_BYTES_MAX {
            self.frame_bytes += frame.len();
            self.frames.insert(id, frame);
        }
    }

    /// The bytes, if they are at hand.
    pub(super) fn frame(&self, id: &EnvelopeId) -> Option<Bytes> {
        self.frames.get(id).cloned()
    }

    /// Remembers the plan a message was sent by; the oldest is forgotten.
    pub(super) fn keep_plan(&mut self, id: EnvelopeId, plan: RoutePlan) {
        if self.plans.insert(id, plan).is_none() {
            self.planned.push_back(id);
        }
        if self.planned.len() > PLANS_MAX
            && let Some(oldest) = self.planned.pop_front()
        {
            self.plans.remove(&oldest);
        }
    }

    /// The plan a message was sent by, while it is remembered.
    pub(super) fn plan(&self, id: &EnvelopeId) -> Option<&RoutePlan> {
        self.plans.get(id)
    }

    fn drop_frame(&mut self, id: &EnvelopeId) {
        if let Some(frame) = self.frames.remove(id) {
            self.frame_bytes -= frame.len();
        }
    }

    /// Whether something waits to be written.
    pub(super) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }
}

impl Core {
    /// The delivery machine says that a message's state changed.
    pub(super) fn state_changed(&mut self, id: EnvelopeId, state: MessageState, retries: u32) {
        if self.part_changed(&id, &state) {
            return;
        }
        if let Some(peer) = self.ledger.conversation(&id).map(|conversation| conversation.peer) {
            self.offer_changed(peer, id, &state);
        }
        let Ledger { followed, dirty, .. } = &mut self.ledger;
        if let Some((conversation, position)) = followed.get(&id).cloned() {
            dirty.entry(id).or_insert_with(|| Progress::of(position)).state = Some((state.clone(), retries));
            self.emit(Event::State { envelope_id: id, conversation, state });
            return;
        }
        // An ack that came after the message was forgotten: the store knows the conversation.
        self.write(
            move |store| match store.outgoing(&id)? {
                Some((_, record)) => {
                    store.set_state(&id, &state, retries)?;
                    Ok(Some((record.conversation, state)))
                }
                None => Ok(None),
            },
            move |core, found| match found {
                Ok(Some((conversation, state))) => core.emit(Event::State { envelope_id: id, conversation, state }),
                Ok(None) => {}
                Err(error) => core.storage_failed("a state", &error),
            },
        );
    }

    /// The delivery machine says that a line of a message's ledger began or changed.
    pub(super) fn attempt_changed(&mut self, id: EnvelopeId, record: AttemptRecord) {
        let Ledger { followed, dirty, .. } = &mut self.ledger;
        let Some((_, position)) = followed.get(&id) else { return };
        // A line that only began is not worth a write: after a crash it is as if it had not been.
        if record.outcome != AttemptOutcome::Running {
            let progress = dirty.entry(id).or_insert_with(|| Progress::of(*position));
            progress.attempts.insert(record.number, record.clone());
        }
        self.emit(Event::Attempt { envelope_id: id, attempt: record });
    }

    /// Brings what the store has of a message up to the present: the store may be a moment behind the delivery machine.
    /// Of the attempts the machine knows only the newest.
    pub(super) fn bring_up_to_date(&self, message: &mut Message) {
        let id = message.envelope_id;
        let Some(state) = self.machine.state(&id).filter(|_| !message.incoming()) else { return };
        message.state = state.clone();
        if let Some(stored) = message.attempts.take() {
            let newer = self.machine.attempts(&id).iter().cloned();
            let lines: BTreeMap<u32, AttemptRecord> =
                stored.into_iter().chain(newer).map(|line| (line.number, line)).collect();
            message.attempts = Some(lines.into_values().collect());
        }
    }

    /// The delivery machine is through with a message.
    pub(super) fn forget(&mut self, id: EnvelopeId) {
        self.ledger.drop_frame(&id);
        let Ledger { followed, dirty, .. } = &mut self.ledger;
        if let Some((_, position)) = followed.remove(&id) {
            dirty.entry(id).or_insert_with(|| Progress::of(position)).done = true;
        }
    }

    /// Writes what gathered.
    pub(super) fn write_ledger(&mut self) {
        if !self.ledger.is_dirty() {
            return;
        }
        let dirty = std::mem::take(&mut self.ledger.dirty);
        CrashPoint::MarkQueued.pass();
        self.write(
            move |store| {
                // What is wrong with one message must not cost the others their progress.
                let failed = dirty.iter().filter_map(|(id, progress)| store.record_progress(id, progress).err());
                failed.last().map_or(Ok(()), Err)
            },
            |core, written| {
                CrashPoint::MarkDone.pass();
                if let Err(error) = written {
                    core.storage_failed("the ledger", &error);
                }
            },
        );
    }
}
