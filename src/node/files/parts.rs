//! Chunks and words on their way out: sealed on another thread, beside the messages and not in a line with them, and
//! followed until they are acked.

use bytes::Bytes;

use super::{Key, Part, What};
use crate::{
    delivery::{Input, MessageState, Outgoing, Reason, ReasonKind},
    node::{
        compose::{self, Draft, Sealed},
        core::Core,
    },
    store::CrashPoint,
    wire::{Content, EnvelopeId, FileBody, FileStatus, FileWord, Mode, PayloadType, Urgency},
};

use super::api::TransferState;

/// Seconds after which a part that did not arrive is made anew.
const PART_TTL_SECONDS: u64 = 86_400;

/// What a file's parts may cost: only stealth means something for them, otherwise one path at a time is enough.
pub(super) fn part_mode(mode: Mode) -> Mode {
    if mode == Mode::Stealth { Mode::Stealth } else { Mode::Failover }
}

impl Core {
    /// Makes a part's body on another thread, seals it there and hands it to the router.
    pub(super) fn send_part(
        &mut self,
        key: Key,
        what: What,
        make: impl FnOnce() -> Result<FileBody, Reason> + Send + 'static,
    ) {
        let Some(live) = self.files.live.get(&key) else { return };
        let Some(to) = self.keys.get(&key.0).cloned() else {
            let reason = Reason::new(ReasonKind::NoKey, "the certificate of the other end is gone");
            return self.part_failed(key, what, reason);
        };
        let Some(peer) = self.people.book.by_key(&key.0) else {
            return self.part_failed(key, what, Reason::new(ReasonKind::NoRoute, "the other end is no peer any more"));
        };
        let (mode, policy) = (part_mode(live.record.mode), live.record.policy);
        let mut draft = Draft {
            envelope_id: EnvelopeId::from_random(rand::random()),
            kind: PayloadType::File,
            content: Content::Text(String::new()),
            content_type: "application/json".to_owned(),
            thread_id: None,
            in_reply_to: None,
            // Whatever a person writes goes first.
            urgency: if matches!(what, What::Chunk(_)) { Urgency::Low } else { Urgency::Normal },
            mode,
            policy,
            ttl_seconds: PART_TTL_SECONDS,
            max_retries: self.config.defaults.max_retries,
            composed: self.clock.now().wall,
            to_name: peer.name.to_string(),
            to_fqid: None,
            introduction: None,
            by_person: false,
        };
        let me = self.me.clone();
        let sealing = tokio::task::spawn_blocking(move || {
            draft.content = make()?.to_content();
            let unusable = |error: &dyn std::fmt::Display| Reason::new(ReasonKind::KeyUnusable, error.to_string());
            to.check_usable(draft.composed).map_err(|error| unusable(&error))?;
            let sealed = compose::seal(&me, &to, &draft).map_err(|error| unusable(&error))?;
            draft.content = Content::Text(String::new());
            Ok((draft, sealed))
        });
        self.later(sealing, move |core, sealed| match sealed {
            Ok(Ok((draft, sealed))) => core.submit_part(key, what, draft, sealed),
            Ok(Err(reason)) => core.part_failed(key, what, reason),
            Err(error) => core.part_failed(key, what, Reason::new(ReasonKind::Other, error.to_string())),
        });
    }

    fn submit_part(&mut self, key: Key, what: What, draft: Draft, sealed: Sealed) {
        let id = draft.envelope_id;
        let Some(live) = self.files.live.get_mut(&key) else { return };
        // Overtaken by a later one while it was being sealed.
        if matches!(what, What::Word(turn) if turn != live.record.turn_here) {
            return;
        }
        if let What::Chunk(index) = what {
            CrashPoint::ChunkSealed.pass();
            // It may have been paused or given up while the chunk was being sealed.
            if !live.record.is_running() {
                live.sending.remove(&index);
                return;
            }
            live.sending.insert(index, Some(id));
            live.chunks_out += 1;
        }
        self.files.parts.insert(id, Part { key, what });
        self.files.expected.map().insert(id, (key.0, sealed.digest));
        let size = sealed.bytes.len();
        self.ledger.keep_frame(id, Bytes::from(sealed.bytes), true);
        self.drive(Input::Submit(Outgoing {
            envelope_id: id,
            peer: key.0,
            kind: draft.kind,
            mode: draft.mode,
            policy: draft.policy,
            urgency: draft.urgency,
            size,
            composed: draft.composed,
            ttl_seconds: draft.ttl_seconds,
            max_retries: draft.max_retries,
            prefer: Vec::new(),
            fallback: Vec::new(),
            wants_ack: true,
        }));
    }

    /// The delivery machine says that a state changed. Whether it was that of a part, which no face follows.
    pub(in crate::node) fn part_changed(&mut self, id: &EnvelopeId, state: &MessageState) -> bool {
        let Some(part) = self.files.parts.get(id).copied() else { return false };
        if state.is_final() || matches!(state, MessageState::Delivered { .. }) {
            self.files.parts.remove(id);
            self.files.expected.map().remove(id);
        }
        match (part.what, state) {
            (What::Chunk(index), MessageState::Delivered { via, .. } | MessageState::Read { via, .. }) => {
                self.chunk_delivered(part.key, index, via.clone());
            }
            (What::Word(turn), MessageState::Delivered { .. } | MessageState::Read { .. }) => {
                self.word_told(part.key, turn);
            }
            (what, MessageState::Failed { reason }) => self.part_failed(part.key, what, reason.clone()),
            (what, MessageState::Expired) => {
                self.part_failed(part.key, what, Reason::new(ReasonKind::Expired, "the other end was away for a day"));
            }
            _ => {}
        }
        true
    }

    /// A part did not arrive and is not tried any more.
    fn part_failed(&mut self, key: Key, what: What, reason: Reason) {
        match what {
            What::Chunk(index) => self.chunk_failed(key, index, reason),
            What::Word(turn) => {
                let latest = self.files.record(&key).is_some_and(|record| record.untold && record.turn_here == turn);
                match reason.kind {
                    _ if !latest => {}
                    ReasonKind::Expired => self.say(key, None),
                    // It is said again with the next start, or when the user changes something.
                    _ => {
                        tracing::warn!("the other end could not be told how a file stands: {reason}");
                        self.go_on_unanswered(key);
                    }
                }
            }
        }
    }

    fn word_told(&mut self, key: Key, turn: u64) {
        let Some(record) = self.files.record(&key).filter(|record| record.turn_here == turn) else { return };
        record.untold = false;
        self.files.dirty.insert(key);
        self.wait_for_answer(key);
    }

    /// Tells the other end how this end sees the transfer, once that is durable; then answers if somebody waits.
    pub(super) fn say(&mut self, key: Key, answer: Option<crate::node::handle::Answer>) {
        let Some(record) = self.files.record(&key) else { return };
        let Some(word) = our_word(record.incoming, &record.state, record.have.as_bytes()) else {
            return self.save_transfer(key, answer);
        };
        record.turn_here += 1;
        record.untold = true;
        let (turn, transfer) = (record.turn_here, record.id);
        self.save_transfer(key, answer);
        // Writes are done in order: when this one is through, so is the record.
        self.write(
            |_| Ok(()),
            move |core, written| {
                if written.is_ok() {
                    CrashPoint::WordKept.pass();
                    core.take_back_words(key);
                    let status = FileStatus { transfer, turn, word };
                    core.send_part(key, What::Word(turn), move || Ok(FileBody::Status(status)));
                }
            },
        );
    }

    /// Takes back the words on a transfer that are on their way, because a later one overtakes them: however often the other
    /// end asks, or the user changes their mind, one word at a time waits.
    fn take_back_words(&mut self, key: Key) {
        let is_word = |part: &Part| part.key == key && matches!(part.what, What::Word(_));
        let words: Vec<EnvelopeId> =
            self.files.parts.iter().filter(|(_, part)| is_word(part)).map(|(id, _)| *id).collect();
        for envelope_id in words {
            self.drive(Input::Cancel { envelope_id });
        }
    }

    /// Takes back the chunks of a transfer that are on their way.
    pub(super) fn call_back(&mut self, key: Key) {
        let Some(live) = self.files.live.get_mut(&key) else { return };
        let under_way: Vec<EnvelopeId> = std::mem::take(&mut live.sending).into_values().flatten().collect();
        for envelope_id in under_way {
            self.drive(Input::Cancel { envelope_id });
        }
    }
}

/// What this end has to say in a state; none where the other end has the word.
fn our_word(incoming: bool, state: &TransferState, have: &[u8]) -> Option<FileWord> {
    let short = |text: &str| text[..text.floor_char_boundary(512)].to_owned();
    Some(match state {
        TransferState::Running | TransferState::Verifying if incoming => FileWord::Go(Some(have.to_vec())),
        TransferState::Running => FileWord::Go(None),
        TransferState::Paused { .. } => FileWord::Pause,
        TransferState::Done { .. } if incoming => FileWord::Done,
        // What lies where, and why a file cannot be read, is nobody's business.
        TransferState::Damaged { .. } if incoming => FileWord::Damaged("the hash is wrong".to_owned()),
        TransferState::Cancelled { by_peer: false, .. } => FileWord::Cancel("given up".to_owned()),
        TransferState::Failed { reason } => FileWord::Cancel(short(told_to_peer(reason))),
        _ => return None,
    })
}

/// Why a transfer failed, without paths of this machine.
fn told_to_peer(reason: &Reason) -> &'static str {
    match reason.kind {
        ReasonKind::FileChanged => "the file was changed after it was offered",
        ReasonKind::TooLarge => "the file is too large for the recipient",
        ReasonKind::Quota | ReasonKind::NoSpace => "the recipient has no room for it",
        _ => "it could not go on",
    }
}
