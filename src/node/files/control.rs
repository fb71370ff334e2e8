//! What users and the other end want of a transfer: accept, pause, resume, cancel.

use std::sync::Arc;

use super::{Key, Live, Loaded, Transfer, TransferState, bitmap::Bitmap, receive::Prepare, source::Sums};
use crate::{
    delivery::{Reason, ReasonKind},
    node::{NodeError, NodeErrorKind, NoticeLevel, Reply, acks::Arrival, core::Core, handle::Answer, refusal::Refusal},
    transport::Receipt,
    wire::{EnvelopeId, FileStatus, FileWord, SafeText},
};

impl Core {
    /// [`crate::node::Command::Files`].
    pub(in crate::node) fn files(&self, peer: Option<String>, answer: Answer) {
        let only = match peer.map(|peer| self.find_peer(&peer)).transpose() {
            Ok(peer) => peer.map(|peer| peer.fingerprint),
            Err(error) => return answer.give(Err(error)),
        };
        let mut keys: Vec<&Key> = self.files.live.keys().filter(|key| only.is_none_or(|o| o == Some(key.0))).collect();
        keys.sort_by_key(|key| self.files.live.get(key).map(|live| live.record.since));
        let views: Vec<Transfer> = keys.into_iter().filter_map(|key| self.transfer_view(key)).collect();
        answer.give(Ok(Reply::Transfers(views)));
    }

    fn find_transfer(&self, id: &EnvelopeId) -> Result<Key, NodeError> {
        let mut found = self.files.live.keys().filter(|key| key.1 == *id);
        match (found.next(), found.next()) {
            (Some(key), None) => Ok(*key),
            (None, _) => Err(NodeError::new(NodeErrorKind::NotFound, format!("no file transfer is called {id}"))),
            (Some(_), Some(_)) => {
                Err(NodeError::new(NodeErrorKind::Ambiguous, format!("two peers offer a file under the name {id}")))
            }
        }
    }

    /// The transfer, its state and direction; or the answer is given.
    fn asked(&self, id: &EnvelopeId, answer: Answer) -> Option<(Key, TransferState, bool, Answer)> {
        match self.find_transfer(id) {
            Ok(key) => {
                let record = &self.files.live.get(&key)?.record;
                Some((key, record.state.clone(), record.incoming, answer))
            }
            Err(error) => {
                answer.give(Err(error));
                None
            }
        }
    }

    /// [`crate::node::Command::FileAccept`].
    pub(in crate::node) fn file_accept(&mut self, id: &EnvelopeId, answer: Answer) {
        let Some((key, state, incoming, answer)) = self.asked(id, answer) else { return };
        match state {
            TransferState::Offered if incoming => self.prepare(key, Prepare::Accept, Some(answer)),
            TransferState::Offered => not_possible(answer, "you offered it: its recipient accepts it"),
            state => not_possible(answer, &format!("it is {} already", state.name())),
        }
    }

    /// [`crate::node::Command::FilePause`].
    pub(in crate::node) fn file_pause(&mut self, id: &EnvelopeId, answer: Answer) {
        let Some((key, state, _, answer)) = self.asked(id, answer) else { return };
        if state != TransferState::Running {
            return not_possible(answer, &format!("it is {}; only one that runs can be paused", state.name()));
        }
        self.set_state_of(key, TransferState::Paused { by_peer: false, reason: None });
        self.call_back(key);
        self.say(key, Some(answer));
        self.show_transfer(&key);
    }

    /// [`crate::node::Command::FileResume`].
    pub(in crate::node) fn file_resume(&mut self, id: &EnvelopeId, answer: Answer) {
        let Some((key, state, incoming, answer)) = self.asked(id, answer) else { return };
        match state {
            TransferState::Paused { .. } if incoming => self.resume_incoming(key, answer),
            TransferState::Damaged { .. } if incoming => {
                if let Some(record) = self.files.record(&key) {
                    record.have = Bitmap::empty(record.chunks());
                }
                self.prepare(key, Prepare::Anew, Some(answer));
            }
            TransferState::Paused { .. } => {
                self.set_state_of(key, TransferState::Running);
                self.ask_what_is_there(key, Some(answer));
                self.show_transfer(&key);
            }
            TransferState::Running => not_possible(answer, "it runs, unless the other end paused it"),
            TransferState::Offered => not_possible(answer, "it was not accepted yet"),
            state => not_possible(answer, &format!("it is {}; send the file anew", state.name())),
        }
    }

    fn resume_incoming(&mut self, key: Key, answer: Answer) {
        let whole = self.files.record(&key).is_some_and(|record| record.is_whole() && record.size > 0);
        if !whole {
            return self.prepare(key, Prepare::Resume, Some(answer));
        }
        self.set_state_of(key, TransferState::Verifying);
        self.save_transfer(key, Some(answer));
        self.finish_if_whole(key);
    }

    /// [`crate::node::Command::FileCancel`].
    pub(in crate::node) fn file_cancel(&mut self, id: &EnvelopeId, answer: Answer) {
        let Some((key, state, _, answer)) = self.asked(id, answer) else { return };
        if state.is_final() {
            return not_possible(answer, &format!("it is {} already", state.name()));
        }
        self.set_state_of(key, TransferState::Cancelled { by_peer: false, reason: None });
        self.call_back(key);
        self.discard_part(key);
        self.say(key, Some(answer));
        self.show_transfer(&key);
        self.prune_transfers();
        self.fill(key.0);
    }

    fn set_state_of(&mut self, key: Key, state: TransferState) {
        if let Some(record) = self.files.record(&key) {
            record.state = state;
        }
    }

    /// The other end's word on a transfer. It is noted before it is acked.
    pub(in crate::node) fn word_came(
        &mut self,
        status: FileStatus,
        arrival: Arrival,
        receipt: Receipt,
    ) -> Result<(), Box<(Refusal, Receipt)>> {
        let key = (arrival.from, status.transfer);
        let Some(live) = self.files.live.get_mut(&key) else {
            return Err(Box::new((Refusal::UnknownTransfer, receipt)));
        };
        let overtaken = status.turn <= live.record.turn_there;
        if !overtaken {
            if let Err(refusal) = check(live, &status.word) {
                return Err(Box::new((refusal, receipt)));
            }
            live.record.turn_there = status.turn;
        }
        let what = if overtaken { Then::Nothing } else { apply(live, status.word) };
        let now = self.clock.now().wall;
        let record = live.record.clone();
        let (from, id, digest) = (arrival.from, arrival.envelope_id, *arrival.digest.as_bytes());
        self.write(
            move |store| {
                record.put(store)?;
                store.mark_seen(&from, &id, &digest, now)
            },
            move |core, noted| match noted {
                Ok(()) => {
                    receipt.durable();
                    core.ack(arrival);
                }
                Err(error) => core.storage_failed("the word on a file transfer", &error),
            },
        );
        self.then(key, what);
        Ok(())
    }

    fn then(&mut self, key: Key, what: Then) {
        match what {
            Then::Nothing => return,
            Then::Fill => {
                self.check_whole(key);
                self.fill(key.0);
            }
            // A question ends nothing here: whatever did was told when it happened, and is not told at each question again.
            Then::Answer => {
                self.say(key, None);
                return self.show_transfer(&key);
            }
            Then::CallBack => self.call_back(key),
            Then::End => {
                self.call_back(key);
                self.discard_part(key);
                self.prune_transfers();
                self.fill(key.0);
            }
        }
        self.show_transfer(&key);
        self.tell_end(key);
    }

    /// An end that the other side brought about is told.
    fn tell_end(&self, key: Key) {
        let Some(record) = self.files.live.get(&key).map(|live| &live.record) else { return };
        let name = record.view_name();
        match &record.state {
            TransferState::Cancelled { by_peer: true, reason } => {
                let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                self.notice(NoticeLevel::Warning, format!("The other end gave up the transfer of {name}{why}"));
            }
            TransferState::Damaged { .. } if !record.incoming => {
                self.notice(NoticeLevel::Warning, format!("{name} came damaged at its recipient"));
            }
            TransferState::Done { .. } if !record.incoming => {
                self.notice(NoticeLevel::Info, format!("{name} was received whole"));
            }
            _ => {}
        }
    }

    /// Takes up what an earlier run left.
    pub(in crate::node) fn begin_files(&mut self, loaded: Loaded) {
        let mut keys = Vec::new();
        for (record, sums) in loaded.0 {
            let mut live = Live::new(record);
            let chunks = live.record.chunks();
            live.sums = sums.and_then(|bytes| Sums::from_bytes(bytes, chunks)).map(Arc::new);
            keys.push(live.record.key());
            self.files.live.insert(live.record.key(), live);
        }
        for key in keys {
            self.begin_transfer(key);
        }
    }

    fn begin_transfer(&mut self, key: Key) {
        let Some(record) = self.files.live.get(&key).map(|live| live.record.clone()) else { return };
        let open = matches!(record.state, TransferState::Running | TransferState::Verifying);
        if record.incoming && open {
            // An empty file is whole before anything was made for it.
            let whole = record.is_whole() && record.size > 0;
            match whole || record.state == TransferState::Verifying {
                true => self.finish_if_whole(key),
                false => self.prepare(key, Prepare::Reopen, None),
            }
        } else if record.state == TransferState::Running {
            self.ask_what_is_there(key, None);
        } else if record.untold {
            self.say(key, None);
        }
    }
}

/// What a word leads to.
enum Then {
    Nothing,
    /// The sender goes on: the recipient says how the transfer stands here.
    Answer,
    Fill,
    CallBack,
    End,
}

/// Refuses words that the other end has no right to say.
fn check(live: &Live, word: &FileWord) -> Result<(), Refusal> {
    let bad = |text: &str| Err(Refusal::BadContent(text.to_owned()));
    match word {
        FileWord::Done | FileWord::Damaged(_) if live.record.incoming => bad("only a recipient ends a file"),
        FileWord::Go(have) => match have {
            Some(have) if Bitmap::from_peer(have, live.record.chunks()).is_none() => {
                bad("it names other chunks than were offered")
            }
            None if !live.record.incoming => bad("it does not say which chunks are there"),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

fn apply(live: &mut Live, word: FileWord) -> Then {
    live.asked = false;
    let record = &mut live.record;
    let outgoing = !record.incoming;
    match word {
        FileWord::Go(_) if !outgoing => {
            record.paused_there = false;
            Then::Answer
        }
        _ if record.state.is_final() => Then::Nothing,
        FileWord::Go(have) => {
            record.paused_there = false;
            let begins = matches!(
                record.state,
                TransferState::Offered | TransferState::Verifying | TransferState::Damaged { .. }
            );
            if let Some(have) = have.and_then(|have| Bitmap::from_peer(&have, record.chunks())) {
                record.have = have;
            }
            if begins {
                record.state = TransferState::Running;
            }
            Then::Fill
        }
        FileWord::Pause => {
            record.paused_there = true;
            Then::CallBack
        }
        FileWord::Done => {
            (0..record.chunks()).filter_map(|index| u32::try_from(index).ok()).for_each(|i| record.have.set(i));
            record.state = TransferState::Done { path: None };
            Then::End
        }
        FileWord::Damaged(reason) => {
            let reason = Reason::new(ReasonKind::HashMismatch, SafeText::line(&reason));
            record.state = TransferState::Damaged { path: None, reason };
            Then::CallBack
        }
        FileWord::Cancel(reason) => {
            let reason = Some(SafeText::line(&reason)).filter(|reason| !reason.is_empty());
            record.state = TransferState::Cancelled { by_peer: true, reason };
            Then::End
        }
    }
}

fn not_possible(answer: Answer, text: &str) {
    answer.give(Err(NodeError::new(NodeErrorKind::Refused, text)));
}
