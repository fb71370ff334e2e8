//! Messages on their way out: composed, sealed, made durable, and only then given to the delivery machine.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    Event, NodeError, NodeErrorKind, NoticeLevel, Reply, SendRequest,
    compose::{self, Draft, SealError, Sealed},
    core::{Core, Done},
    handle::Answer,
    loops::{Link, Verdict},
    views,
};
use crate::{
    delivery::{AttemptRecord, Input, MessageState, Outgoing, Policy, Reason, ReasonKind, TransportId},
    identity::{PeerProfile, RoutingDefaults},
    pgp::Certificate,
    store::{CrashPoint, MessageRecord, OutboxEntry, Store, StoreError},
    wire::{
        Content, Conversation, EnvelopeId, Fingerprint, Mode, PayloadType, ReplyRoute, ThreadId, Timestamp, Urgency,
        limits,
    },
};

/// Seconds after which an ack or receipt is no longer worth sending: its message would have been sent again.
const CONTROL_TTL_SECONDS: u64 = 3600;

/// How far composition times may run ahead of the clock in a burst, in milliseconds.
const AHEAD_MS: i64 = 1000;

/// What the store keeps for us beside an outbox entry.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Facts {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) prefer: Vec<TransportId>,
    #[serde(default)]
    pub(super) policy: Policy,
}

impl Facts {
    /// Those of an entry; none that could be read are as none.
    pub(super) fn of(entry: &OutboxEntry) -> Self {
        serde_json::from_slice(&entry.facts).unwrap_or_default()
    }
}

/// What the store did with a message of ours.
enum Kept {
    /// It is new, at this position.
    New(u64),
    /// A face repeated a send: it was there.
    Before(u64, Box<MessageRecord>),
}

impl Core {
    /// [`super::Command::Send`].
    pub(super) fn send(&mut self, request: SendRequest, answer: Answer) {
        let peer = match self.find_peer(&request.to) {
            Ok(peer) => peer,
            Err(error) => return answer.give(Err(error)),
        };
        if let Some((request, answer)) = self.find_room(&peer, request, answer) {
            self.send_now(request, answer);
        }
    }

    /// Composes and sends, whether there is room or not.
    pub(super) fn send_now(&mut self, request: SendRequest, answer: Answer) {
        match self.draft(request) {
            Ok((peer, draft)) => match peer.fingerprint.and_then(|key| self.keys.get(&key).cloned()) {
                Some(certificate) => self.seal_and_store(&peer, certificate, draft, Some(answer)),
                None => self.hold_without_key(&peer, draft, answer),
            },
            Err(error) => answer.give(Err(error)),
        }
    }

    /// When a message is composed: later than the one before it, so that a burst has an order at its recipient,
    /// whatever paths it takes. Runs ahead of the clock by a second at most.
    fn compose_time(&mut self) -> Timestamp {
        let now = self.clock.now().wall;
        let next = self.composed.plus_ms(1);
        self.composed = if (0..=AHEAD_MS).contains(&next.ms_since(now)) { next } else { now };
        self.composed
    }

    pub(super) fn draft(&mut self, request: SendRequest) -> Result<(PeerProfile, Draft), NodeError> {
        let peer = self.find_peer(&request.to)?;
        if peer.blocked {
            let text = format!("you blocked {}; unblock it to write to it", peer.name);
            return Err(NodeError::new(NodeErrorKind::Refused, text));
        }
        if request.content.len() > limits::TEXT_BYTES {
            let text = format!(
                "the text has {} bytes; at most {} fit in a message, send a file instead",
                request.content.len(),
                limits::TEXT_BYTES
            );
            return Err(NodeError::new(NodeErrorKind::Invalid, text));
        }
        let asked = RoutingDefaults {
            mode: request.mode,
            policy: request.policy,
            urgency: request.urgency,
            ttl_seconds: request.ttl_seconds,
        };
        let wishes = self.wishes(asked, &peer, request.thread_id.as_ref());
        let ttl_seconds = wishes.ttl_seconds.value;
        if ttl_seconds == 0 || ttl_seconds > limits::TTL_SECONDS_MAX {
            let text = format!("the time to live is 1 to {} seconds", limits::TTL_SECONDS_MAX);
            return Err(NodeError::new(NodeErrorKind::Invalid, text));
        }
        let draft = Draft {
            envelope_id: request.envelope_id.unwrap_or_else(|| EnvelopeId::from_random(rand::random())),
            kind: request.kind.unwrap_or(PayloadType::Message),
            content: Content::Text(request.content),
            content_type: request.content_type.unwrap_or_else(|| "text/plain".to_owned()),
            thread_id: request.thread_id,
            in_reply_to: request.in_reply_to,
            urgency: wishes.urgency.value,
            mode: wishes.mode.value,
            policy: wishes.policy.value,
            ttl_seconds,
            max_retries: self.config.defaults.max_retries,
            by_person: request.by_person,
            composed: self.compose_time(),
            to_name: peer.name.to_string(),
            to_fqid: peer.fqid.as_ref().map(ToString::to_string),
            introduction: self.introduction_for(&peer),
        };
        Ok((peer, draft))
    }

    /// Our reply routes, for a peer that may not hold our certificate yet.
    fn introduction_for(&self, peer: &PeerProfile) -> Option<Vec<ReplyRoute>> {
        (!peer.heard).then(|| {
            let own = self.paths.own_addresses();
            own.into_iter().take(8).map(|(kind, address)| ReplyRoute { kind, address }).collect()
        })
    }

    /// Seals a draft on another thread and goes on with [`Core::store_outgoing`], in the order of the calls.
    pub(super) fn seal_and_store(
        &mut self,
        peer: &PeerProfile,
        certificate: Certificate,
        draft: Draft,
        answer: Option<Answer>,
    ) {
        let me = self.me.clone();
        let trust = peer.trust;
        let to = certificate.fingerprint();
        self.room.enter(to);
        self.seal_with(certificate, draft, move |core, draft, sealed| match sealed {
            Ok(sealed) => {
                let mut record = record(draft, to, me.name());
                record.trust = trust;
                record.digest = Some(*sealed.digest.as_bytes());
                core.store_outgoing(record, draft, sealed, answer);
            }
            Err(error) => {
                core.room.leave(to);
                let error =
                    NodeError::new(NodeErrorKind::Refused, format!("{} cannot be written to: {error}", draft.to_name));
                match answer {
                    Some(answer) => answer.give(Err(error)),
                    None => core.notice(NoticeLevel::Error, error.message.as_str()),
                }
            }
        });
    }

    pub(super) fn seal_with(
        &mut self,
        to: Certificate,
        draft: Draft,
        then: impl FnOnce(&mut Self, &Draft, Result<Sealed, SealError>) + Send + 'static,
    ) {
        let me = self.me.clone();
        let now = draft.composed;
        let draft = Arc::new(draft);
        let kept = draft.clone();
        let sealing = self
            .workers
            .run(move || to.check_usable(now).map_err(SealError::from).and_then(|()| compose::seal(&me, &to, &draft)));
        self.sealing.push_back(Box::pin(async move {
            // A defect in there must not take the draft and its answer along.
            let sealed = sealing.await.unwrap_or(Err(SealError::Crashed));
            Box::new(move |core: &mut Self| then(core, &kept, sealed)) as Done
        }));
    }

    fn store_outgoing(&mut self, mut record: MessageRecord, draft: &Draft, sealed: Sealed, answer: Option<Answer>) {
        let to = record.conversation.peer;
        let held = self.held_as_loop(&record.conversation, draft);
        if let Some(reason) = &held {
            record.state = MessageState::Held { reason: reason.clone() };
        }
        let outgoing = Outgoing {
            envelope_id: draft.envelope_id,
            peer: to,
            kind: draft.kind.clone(),
            mode: draft.mode,
            policy: draft.policy,
            urgency: draft.urgency,
            size: sealed.bytes.len(),
            composed: draft.composed,
            ttl_seconds: draft.ttl_seconds,
            max_retries: draft.max_retries,
            prefer: Vec::new(),
            fallback: Vec::new(),
            wants_ack: true,
        };
        let entry = outbox_entry(&outgoing, record.state.clone());
        let frame = Bytes::from(sealed.bytes);
        let (names, me, kept) = (self.people.names(), self.me.clone(), record.clone());
        let bytes = frame.clone();
        let (inserted, known) = (Arc::new(AtomicBool::new(false)), outgoing.envelope_id);
        let new = inserted.clone();
        self.write(
            move |store| {
                let kept = insert_once(store, &kept, &entry, &bytes)?;
                new.store(matches!(kept, Kept::New(_)), Ordering::Relaxed);
                Ok(kept)
            },
            move |core, stored| {
                core.room.leave(to);
                match stored {
                    Ok(Kept::Before(position, record)) => {
                        if let Some(answer) = answer {
                            let message = views::message(position, *record, &names, me.name());
                            answer.give(Ok(Reply::Sent(Box::new(message))));
                        }
                    }
                    Ok(Kept::New(position)) => {
                        let message = views::message(position, record, &names, me.name());
                        core.ledger.follow(outgoing.envelope_id, message.conversation(), position);
                        core.ledger.keep_frame(outgoing.envelope_id, frame, false);
                        let plan = core.plan_for(&outgoing);
                        core.ledger.keep_plan(outgoing.envelope_id, plan);
                        core.emit(Event::Message(Box::new(message.clone())));
                        CrashPoint::SendKept.pass();
                        if let Some(answer) = answer {
                            answer.give(Ok(Reply::Sent(Box::new(message))));
                        }
                        CrashPoint::SendAnswered.pass();
                        core.drive(match held {
                            Some(reason) => Input::SubmitHeld { outgoing, reason },
                            None => Input::Submit(outgoing),
                        });
                    }
                    Err(error) => {
                        core.storage_failed("a message", &error);
                        if inserted.load(Ordering::Relaxed) {
                            core.take_back(known);
                        }
                        if let Some(answer) = answer {
                            let text = format!("not sent, the store failed: {error}");
                            answer.give(Err(NodeError::new(NodeErrorKind::Storage, text)));
                        }
                    }
                }
            },
        );
    }

    /// A message that could not be made durable was called not sent. The store still has it in memory and writes it when
    /// there is space again: so that it is not sent then, it leaves the outbox by the same way.
    fn take_back(&self, id: EnvelopeId) {
        let reason = Reason::new(ReasonKind::NoSpace, "the store could not keep it; it was not sent");
        self.write(
            move |store| {
                store.set_state(&id, &MessageState::Failed { reason }, 0)?;
                store.remove_from_outbox(&id)
            },
            // That the store fails was told; this goes to the disk together with the message or not at all.
            move |_, taken_back| match taken_back {
                Ok(_) => {}
                Err(error) => tracing::warn!(%id, %error, "an unsent message is not yet written off"),
            },
        );
    }

    /// Seals and sends an ack or receipt. It is not kept: if it is lost, its cause comes again.
    pub(super) fn send_control(
        &mut self,
        to: Fingerprint,
        mode: Mode,
        kind: PayloadType,
        content: Content,
        prefer: Option<TransportId>,
    ) {
        let Some(certificate) = self.keys.get(&to).cloned() else { return };
        let Some(peer) = self.people.book.by_key(&to) else { return };
        let draft = Draft {
            envelope_id: EnvelopeId::from_random(rand::random()),
            kind,
            content,
            content_type: "application/json".to_owned(),
            thread_id: None,
            in_reply_to: None,
            urgency: Urgency::High,
            mode,
            policy: Policy::default(),
            ttl_seconds: CONTROL_TTL_SECONDS,
            max_retries: 2,
            by_person: false,
            composed: self.clock.now().wall,
            to_name: peer.name.to_string(),
            to_fqid: None,
            introduction: None,
        };
        self.seal_with(certificate, draft, move |core, draft, sealed| match sealed {
            Ok(sealed) => {
                core.ledger.keep_frame(draft.envelope_id, sealed.bytes.into(), true);
                let size = core.ledger.frame(&draft.envelope_id).map_or(0, |frame| frame.len());
                core.drive(Input::Submit(Outgoing {
                    envelope_id: draft.envelope_id,
                    peer: to,
                    kind: draft.kind.clone(),
                    mode: draft.mode,
                    policy: draft.policy,
                    urgency: draft.urgency,
                    size,
                    composed: draft.composed,
                    ttl_seconds: draft.ttl_seconds,
                    max_retries: draft.max_retries,
                    prefer: prefer.into_iter().collect(),
                    fallback: Vec::new(),
                    wants_ack: false,
                }));
            }
            Err(error) => {
                core.notice(NoticeLevel::Error, format!("no {} to {}: {error}", draft.kind.as_str(), draft.to_name))
            }
        });
    }

    /// Takes up what an earlier run left in the outbox.
    pub(super) fn restore(&mut self, left: Vec<LeftOver>) {
        for LeftOver { entry, place, attempts } in left {
            let facts = Facts::of(&entry);
            let ttl_ms = entry.expires.ms_since(entry.composed);
            if let Some((conversation, position)) = place {
                if matches!(&entry.state, MessageState::Held { reason } if reason.kind == ReasonKind::Loop) {
                    self.loops.stop(&conversation);
                }
                self.ledger.follow(entry.envelope_id, conversation, position);
            }
            self.drive(Input::Restore {
                outgoing: Outgoing {
                    envelope_id: entry.envelope_id,
                    peer: entry.to,
                    kind: entry.kind,
                    mode: entry.mode,
                    policy: facts.policy,
                    urgency: entry.urgency,
                    size: usize::try_from(entry.size).unwrap_or(usize::MAX),
                    composed: entry.composed,
                    ttl_seconds: u64::try_from(ttl_ms / 1000).unwrap_or(0),
                    max_retries: entry.max_retries,
                    prefer: facts.prefer,
                    fallback: Vec::new(),
                    wants_ack: true,
                },
                state: entry.state,
                attempts,
                retries: entry.retries,
            });
        }
    }

    /// Whether the loop breaker holds a message, and why. The user is told once.
    fn held_as_loop(&mut self, conversation: &Conversation, draft: &Draft) -> Option<Reason> {
        let link = Link { id: draft.envelope_id, in_reply_to: draft.in_reply_to, at: self.clock.now().mono };
        let name = &draft.to_name;
        let text = format!(
            "you and {name} seem to answer each other by program in thread {}; `skcomm queue release --peer {name}` lets \
             it go on",
            conversation.thread_id
        );
        match self.loops.outgoing(conversation, &link, draft.by_person) {
            Verdict::Pass => return None,
            Verdict::Trip => self.notice(NoticeLevel::Warning, format!("Held: {text}")),
            Verdict::Stopped => {}
        }
        Some(Reason::new(ReasonKind::Loop, text))
    }

    /// [`super::Command::QueueRelease`]: says how many messages were let go.
    pub(super) fn queue_release(&mut self, id: Option<EnvelopeId>, peer: Option<&str>) -> Result<usize, NodeError> {
        let peer = peer.map(|peer| self.find_peer(peer)).transpose()?.and_then(|peer| peer.fingerprint);
        let mut held = self.machine.held_for(ReasonKind::Loop);
        held.retain(|(_, to)| peer.is_none_or(|peer| *to == peer));
        match id.map(|id| self.ledger.conversation(&id).cloned()) {
            Some(conversation) => {
                held.retain(|(id, _)| self.ledger.conversation(id) == conversation.as_ref() && conversation.is_some());
                conversation.iter().for_each(|conversation| self.loops.release(conversation));
            }
            None => self.loops.release_all(peer),
        }
        for (envelope_id, _) in &held {
            self.drive(Input::Release { envelope_id: *envelope_id });
        }
        Ok(held.len())
    }

    /// The store failed: the person must know, nothing pretends to be saved.
    pub(super) fn storage_failed(&self, what: &str, error: &StoreError) {
        self.notice(NoticeLevel::Error, format!("The store could not keep {what}: {error}"));
    }
}

/// What an earlier run left in the outbox.
pub(super) struct LeftOver {
    pub(super) entry: OutboxEntry,
    /// The conversation, and the position in the store.
    pub(super) place: Option<(Conversation, u64)>,
    pub(super) attempts: Vec<AttemptRecord>,
}

/// Stores a message unless exactly it is there: a face that did not get its answer may repeat a send.
fn insert_once(store: &Store, record: &MessageRecord, entry: &OutboxEntry, frame: &[u8]) -> Result<Kept, StoreError> {
    match store.insert_outgoing(record, entry, frame) {
        Ok(position) => Ok(Kept::New(position)),
        Err(StoreError::Exists(id)) => {
            let before = store.message_with(&record.conversation.peer, &id)?;
            let same = |before: &MessageRecord| {
                !before.incoming && (&before.conversation, &before.content) == (&record.conversation, &record.content)
            };
            match before {
                Some((position, before)) if same(&before) => Ok(Kept::Before(position, Box::new(before))),
                _ => Err(StoreError::Exists(id)),
            }
        }
        Err(error) => Err(error),
    }
}

fn record(draft: &Draft, to: Fingerprint, own_name: &str) -> MessageRecord {
    let thread_id = draft.thread_id.clone().unwrap_or_else(ThreadId::general);
    MessageRecord {
        envelope_id: draft.envelope_id,
        conversation: Conversation { peer: to, thread_id },
        incoming: false,
        from_name: own_name.to_owned(),
        kind: draft.kind.clone(),
        content_type: draft.content_type.clone(),
        content: views::content_text(&draft.content),
        in_reply_to: draft.in_reply_to,
        composed: draft.composed,
        stored: draft.composed,
        state: MessageState::Queued { next_try: None, reason: None },
        paths: Vec::new(),
        urgency: draft.urgency,
        mode: draft.mode,
        late: false,
        trust: crate::identity::TrustLevel::Untrusted,
        digest: None,
    }
}

fn outbox_entry(outgoing: &Outgoing, state: MessageState) -> OutboxEntry {
    let facts = Facts { prefer: outgoing.prefer.clone(), policy: outgoing.policy };
    let facts = serde_json::to_vec(&facts).unwrap_or_default();
    let ttl_ms = i64::try_from(outgoing.ttl_seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
    OutboxEntry {
        envelope_id: outgoing.envelope_id,
        to: outgoing.peer,
        kind: outgoing.kind.clone(),
        composed: outgoing.composed,
        expires: outgoing.composed.plus_ms(ttl_ms),
        mode: outgoing.mode,
        urgency: outgoing.urgency,
        state,
        retries: 0,
        max_retries: outgoing.max_retries,
        size: outgoing.size as u64,
        facts,
    }
}
