//! Frames that came in: opened elsewhere, judged here, made durable, and only then acked and shown.

use super::{
    Event, NoticeLevel,
    core::{Core, Done},
    refusal::Refusal,
    unseal::{Fresh, Meaning, Opened, Opener},
    views,
};
use crate::{
    delivery::{AttemptRecord, Input, MessageState, TransportId},
    identity::{Fqid, KeyVerdict, PeerName, PeerProfile, RouteEntry, TrustLevel},
    pgp::Certificate,
    store::{Insert, MessageRecord},
    transport::{Inbound, Receipt},
    wire::{Conversation, Digest, EnvelopeId, Fingerprint, ReplyRoute, SafeText, SealedBody, ThreadId},
};

/// Most strangers who may wait to be accepted.
const REQUESTS_MAX: usize = 100;
/// Most security notices a minute; more are only counted and logged.
const NOTICES_A_MINUTE: usize = 6;
/// Kinds of transports whose addresses a stranger may tell us: they lead to a network, never to our own disk.
const KINDS_A_STRANGER_MAY_NAME: [&str; 2] = ["tcp", "websocket"];

impl Core {
    /// Takes a frame: opens it on another thread and goes on in the order of arrival.
    pub(super) fn receive(&mut self, frame: Inbound) {
        let opener = Opener { me: self.me.clone(), keys: self.keys.clone(), store: self.store.clone() };
        let now = self.clock.now().wall;
        let Inbound { via, frame, origin, receipt } = frame;
        let opening = tokio::task::spawn_blocking(move || opener.open(&frame, now));
        self.opening.push_back(Box::pin(async move {
            match opening.await {
                Ok(opened) => Box::new(move |core: &mut Self| core.opened(opened, via, &origin, receipt)) as Done,
                Err(error) => Box::new(move |core: &mut Self| {
                    core.notice(NoticeLevel::Error, format!("opening a frame failed: {error}"));
                }),
            }
        }));
    }

    fn opened(&mut self, opened: Result<Opened, Refusal>, via: TransportId, origin: &SafeText, receipt: Receipt) {
        let accepted = match opened {
            Ok(Opened::Known { envelope, digest }) => {
                self.duplicate(envelope.from.fingerprint, envelope.envelope_id, digest, via.clone());
                receipt.durable();
                return;
            }
            Ok(Opened::Fresh(fresh)) => self.judge(&fresh).map(|trust| (fresh, trust)),
            Err(refusal) => Err(refusal),
        };
        match accepted {
            Ok((fresh, trust)) => self.accept(*fresh, trust, via, receipt),
            Err(refusal) => self.refuse(&refusal, via, origin, receipt),
        }
    }

    /// What an authentic sender may do here: its trust, or why it may not.
    fn judge(&mut self, fresh: &Fresh) -> Result<TrustLevel, Refusal> {
        let body = &fresh.body;
        let fqid = body.from_fqid.as_ref().and_then(|id| id.parse::<Fqid>().ok());
        match self.people.book.judge(&body.from, body.from_name.as_deref(), fqid.as_ref()) {
            KeyVerdict::Pinned(name) => {
                let Some(peer) = self.people.book.get(&name) else { return Ok(TrustLevel::Untrusted) };
                if peer.blocked { Err(Refusal::Blocked(name.to_string())) } else { Ok(peer.trust) }
            }
            KeyVerdict::Conflict(name) => {
                if let Some(certificate) = fresh.introduced.clone() {
                    self.raise_conflict(&name, certificate);
                }
                Err(Refusal::KeyConflict(name.to_string()))
            }
            KeyVerdict::Stranger => {
                let Some(certificate) = fresh.introduced.clone() else {
                    return Err(Refusal::UnknownSender(body.from));
                };
                self.admit_stranger(body, fqid, certificate)?;
                Ok(TrustLevel::Untrusted)
            }
        }
    }

    /// The first key for a name is pinned. The stranger waits to be accepted and learns nothing until then.
    fn admit_stranger(
        &mut self,
        body: &SealedBody,
        fqid: Option<Fqid>,
        certificate: Certificate,
    ) -> Result<(), Refusal> {
        if self.people.book.iter().filter(|peer| peer.request).count() >= REQUESTS_MAX {
            return Err(Refusal::TooManyStrangers);
        }
        let key = certificate.fingerprint();
        let name = self.people.book.free_name(body.from_name.as_deref().unwrap_or_default(), &key);
        let mut peer = PeerProfile::new(name.clone());
        peer.fingerprint = Some(key);
        peer.fqid = fqid;
        peer.request = true;
        peer.heard = true;
        peer.note(self.clock.now().wall, "pinned: it wrote to you first");
        for route in &body.reply_to {
            if let Some(entry) = self.usable_route(route) {
                peer.add_route(entry);
            }
        }
        self.keys.insert(certificate);
        self.put_peer(peer);
        self.notice(NoticeLevel::Info, format!("{name} wrote to you for the first time; accept or block it"));
        Ok(())
    }

    fn usable_route(&self, route: &ReplyRoute) -> Option<RouteEntry> {
        if !KINDS_A_STRANGER_MAY_NAME.contains(&route.kind.as_str()) {
            return None;
        }
        let transport = self.paths.of_kind(&route.kind)?.clone();
        self.paths.check_address(&transport, &route.address).ok()?;
        Some(RouteEntry { transport, address: route.address.clone() })
    }

    fn accept(&mut self, fresh: Fresh, trust: TrustLevel, via: TransportId, receipt: Receipt) {
        let from = fresh.body.from;
        self.heard_from(from, self.clock.now().wall);
        self.drive(Input::Heard { peer: from, via: via.clone() });
        match fresh.meaning {
            Meaning::Keep => self.keep(fresh, trust, via, receipt),
            Meaning::Acks(acks) => {
                for (envelope_id, named) in acks {
                    let via_named = named.and_then(|named| self.path_named(&envelope_id, &named));
                    self.drive(Input::Acked { envelope_id, via: via_named, ack_via: via.clone() });
                }
                receipt.durable();
            }
            Meaning::Receipts(envelope_ids, at) => {
                for envelope_id in envelope_ids {
                    self.drive(Input::Read { envelope_id, at });
                }
                receipt.durable();
            }
            Meaning::Alive => receipt.durable(),
        }
    }

    /// Which of our paths the recipient means: it names the kind, the attempts tell which of that kind.
    fn path_named(&self, id: &EnvelopeId, kind: &str) -> Option<TransportId> {
        let used = self.machine.attempts(id).iter().map(|attempt: &AttemptRecord| &attempt.via);
        used.rev().find(|via| self.paths.kind(via) == Some(kind)).cloned()
    }

    fn keep(&mut self, fresh: Fresh, trust: TrustLevel, via: TransportId, receipt: Receipt) {
        let (from, id, digest) = (fresh.body.from, fresh.body.envelope_id, fresh.digest);
        let mut record = incoming(fresh, trust, &via, self.clock.now().wall);
        let kept = record.clone();
        let (names, me) = (self.people.names(), self.me.clone());
        self.write(
            move |store| store.insert_incoming(&kept),
            move |core, inserted| match inserted {
                Ok(Insert::New { position, late }) => {
                    receipt.durable();
                    core.ack(from, id, digest, &via);
                    record.late = late;
                    core.emit(Event::Message(Box::new(views::message(position, record, &names, me.name()))));
                }
                Ok(Insert::Duplicate) => {
                    receipt.durable();
                    core.duplicate(from, id, digest, via);
                }
                Ok(Insert::Forgery) => {
                    core.refuse(&Refusal::ReusedId, via, &SafeText::default(), receipt);
                }
                Err(error) => {
                    // The receipt is dropped unanswered: who has the original keeps it.
                    core.storage_failed("a received message; it stays with its sender", &error);
                }
            },
        );
    }

    /// A known envelope came again: its sender may have missed the ack.
    fn duplicate(&mut self, from: Fingerprint, id: EnvelopeId, digest: Digest, via: TransportId) {
        self.counters.duplicates += 1;
        self.ack(from, id, digest, &via);
        self.emit(Event::Duplicate { envelope_id: id, via: via.clone() });
        self.write(
            move |store| store.add_path(&id, &via),
            |core, added| {
                if let Err(error) = added {
                    core.storage_failed("a path", &error);
                }
            },
        );
    }

    fn refuse(&mut self, refusal: &Refusal, via: TransportId, origin: &SafeText, receipt: Receipt) {
        *self.counters.refused.entry(refusal.kind()).or_default() += 1;
        let text = SafeText::line(&format!("{via}: refused a frame from {origin}: {refusal}"));
        if refusal.concerns_security() && self.may_notice() {
            self.notice(NoticeLevel::Security, text.as_str());
        } else {
            tracing::warn!(kind = refusal.kind(), "{text}");
        }
        self.emit(Event::Refused { via, reason: text });
        if !refusal.is_temporary() {
            receipt.refused(refusal.reason());
        }
    }

    /// A transport refused something before it was a frame.
    pub(super) fn refused_below(&mut self, via: TransportId, reason: &crate::delivery::Reason) {
        *self.counters.refused.entry("transport".to_owned()).or_default() += 1;
        let text = SafeText::line(&format!("{via}: {reason}"));
        tracing::warn!("{text}");
        self.emit(Event::Refused { via, reason: text });
    }

    fn may_notice(&mut self) -> bool {
        let now = self.clock.now().mono;
        let recent = &mut self.counters.notices;
        while recent.front().is_some_and(|at| now.saturating_sub(*at).as_secs() >= 60) {
            recent.pop_front();
        }
        let may = recent.len() < NOTICES_A_MINUTE;
        if may {
            recent.push_back(now);
        }
        may
    }

    /// [`super::Command::RequestAccept`].
    pub(super) fn request_accept(&mut self, reference: &str, answer: super::handle::Answer) {
        let accepted: Result<PeerName, _> = self.find_peer(reference).map(|peer| peer.name);
        if let Ok(name) = &accepted {
            tracing::info!(peer = %name, "accepted by the user");
        }
        self.change_peer(reference, answer, |profile, now| {
            profile.request = false;
            profile.note(now, "you accepted it");
            Ok(())
        });
    }
}

fn incoming(fresh: Fresh, trust: TrustLevel, via: &TransportId, now: crate::wire::Timestamp) -> MessageRecord {
    let Fresh { envelope, body, digest, .. } = fresh;
    let thread_id = body.thread_id.unwrap_or_else(ThreadId::general);
    MessageRecord {
        envelope_id: body.envelope_id,
        conversation: Conversation { peer: body.from, thread_id },
        incoming: true,
        from_name: body.from_name.unwrap_or_default(),
        kind: body.kind,
        content_type: body.content_type.unwrap_or_else(|| "text/plain".to_owned()),
        content: views::content_text(&body.content),
        in_reply_to: body.in_reply_to,
        composed: body.timestamp,
        stored: now,
        state: MessageState::Received,
        paths: vec![via.clone()],
        urgency: body.urgency,
        mode: envelope.routing.mode,
        late: false,
        trust,
        digest: Some(*digest.as_bytes()),
    }
}
