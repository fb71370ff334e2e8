//! Frames that came in: opened elsewhere, judged here, made durable, and only then acked and shown.

use std::sync::{Arc, OnceLock};

use super::{
    Event, NoticeLevel,
    acks::Arrival,
    core::{Core, Done},
    loops::Link,
    refusal::Refusal,
    strangers::Strangers,
    unseal::{Fresh, Meaning, Opened, Opener},
    views,
};
use crate::{
    delivery::{Input, MessageState, TransportId},
    identity::{Fqid, KeyVerdict, PeerProfile, RouteEntry, TrustLevel},
    pgp::Certificate,
    store::{CrashPoint, Insert, MessageRecord, Query, Seen, StoreError},
    transport::{Inbound, Receipt, registry},
    wire::{Conversation, Digest, FileManifest, Fingerprint, ReplyRoute, SafeText, SealedBody, ThreadId},
};

/// Most messages of a stranger that are acked when it is accepted; the bounds on strangers keep fewer.
const WAITED_MAX: usize = 200;

impl Core {
    /// Takes a frame: opens it on another thread and goes on in the order of arrival.
    pub(super) fn receive(&mut self, frame: Inbound) {
        let opener = Opener {
            me: self.me.clone(),
            keys: self.keys.clone(),
            store: self.store.clone(),
            strangers: self.people.strangers(),
            expected: self.files.expected(),
            held_back: self.pace.held_back(self.clock.now().mono),
        };
        let now = self.clock.now().wall;
        let Inbound { via, frame, origin, receipt } = frame;
        let opening = self.workers.run(move || opener.open(&frame, now));
        self.opening.push_back(Box::pin(async move {
            let opened = outcome(opening.await);
            Box::new(move |core: &mut Self| core.opened(opened, via, &origin, receipt)) as Done
        }));
    }

    fn opened(&mut self, opened: Result<Opened, Refusal>, via: TransportId, origin: &SafeText, receipt: Receipt) {
        let accepted = match opened {
            Ok(Opened::Known { envelope, digest }) => {
                let (from, mode) = (envelope.from.fingerprint, envelope.routing.mode);
                let (envelope_id, retry_count) = (envelope.envelope_id, Some(envelope.routing.retry_count));
                let arrival = Arrival { from, envelope_id, digest, via, mode, retry_count };
                return self.duplicate(arrival, receipt);
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
                if peer.blocked {
                    return Err(Refusal::Blocked(name.to_string()));
                }
                let trust = peer.trust;
                self.within_bounds(fresh)?;
                let keep = matches!(fresh.meaning, Meaning::Keep);
                if keep && !self.pace.take(body.from, self.clock.now().mono) {
                    return Err(Refusal::TooFast(name.to_string()));
                }
                Ok(trust)
            }
            KeyVerdict::Conflict(name) => {
                if let Some(certificate) = fresh.introduced.clone() {
                    self.raise_conflict(&name, certificate);
                }
                // Only the key the user is asked about may be taken later.
                let disputed = self.people.book.get(&name).is_some_and(|peer| peer.conflict == Some(body.from));
                let name = name.to_string();
                Err(if disputed { Refusal::KeyConflict(name) } else { Refusal::OtherKey(name) })
            }
            KeyVerdict::Stranger => {
                if fresh.meaning.is_of_a_file() {
                    return Err(Refusal::FileOfAStranger);
                }
                let Some(certificate) = fresh.introduced.clone() else {
                    return Err(Refusal::UnknownSender(body.from));
                };
                self.admit_stranger(body, fqid, certificate)?;
                self.within_bounds(fresh).map(|()| TrustLevel::Untrusted)
            }
        }
    }

    /// What people may leave here whom the user has not accepted is bounded.
    fn within_bounds(&mut self, fresh: &Fresh) -> Result<(), Refusal> {
        let (from, strangers) = (fresh.body.from, self.people.strangers());
        if matches!(fresh.meaning, Meaning::Offer(_)) {
            self.admit_offer(&from)?;
        }
        if !strangers.contains(&from) {
            return Ok(());
        }
        if fresh.meaning.is_of_a_file() {
            return Err(Refusal::FileOfAStranger);
        }
        if !matches!(fresh.meaning, Meaning::Keep) {
            return Ok(());
        }
        if !Strangers::fits(views::content_text(&fresh.body.content).len()) {
            return Err(Refusal::TooLargeForAStranger);
        }
        if !strangers.admit(&from) {
            return Err(Refusal::TooManyStrangers);
        }
        self.people.count_stranger(&from);
        Ok(())
    }

    /// The first key for a name is pinned. The stranger waits to be accepted and learns nothing until then.
    fn admit_stranger(
        &mut self,
        body: &SealedBody,
        fqid: Option<Fqid>,
        certificate: Certificate,
    ) -> Result<(), Refusal> {
        if !self.people.strangers().admit_another() {
            return Err(Refusal::TooManyStrangers);
        }
        let (key, now) = (certificate.fingerprint(), self.clock.now().wall);
        let claimed = body.from_name.as_deref().unwrap_or_default();
        let name = self.people.book.free_name(claimed, &key, self.me.name());
        let mut peer = PeerProfile::new(name.clone());
        peer.fingerprint = Some(key);
        peer.request = true;
        peer.heard = true;
        peer.note(now, "pinned: it wrote to you first");
        if fqid.is_some() && fqid.as_ref() == self.me.fqid() {
            peer.note(now, "it claimed your own FQID");
        } else {
            peer.fqid = fqid;
        }
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
        // What a stranger names may lead to a network, never to our own disk.
        if !registry::kinds().iter().any(|kind| kind.name == route.kind && kind.public_address) {
            return None;
        }
        let transport = self.paths.of_kind(&route.kind)?.clone();
        self.paths.check_address(&transport, &route.address).ok()?;
        Some(RouteEntry { transport, address: route.address.clone() })
    }

    fn accept(&mut self, mut fresh: Fresh, trust: TrustLevel, via: TransportId, receipt: Receipt) {
        let from = fresh.body.from;
        // What was long under way is no fresh sign of life.
        self.heard_from(from, fresh.body.timestamp.min(self.clock.now().wall));
        self.drive(Input::Heard { peer: from, via: via.clone() });
        match std::mem::replace(&mut fresh.meaning, Meaning::Keep) {
            Meaning::Keep => self.keep(fresh, None, trust, via, receipt),
            Meaning::Offer(manifest) => self.keep(fresh, Some(&manifest), trust, via, receipt),
            Meaning::Chunk(chunk) => {
                let taken = self.chunk_came(chunk, arrival(&fresh, &via), receipt);
                self.refuse_part(taken, via);
            }
            Meaning::Word(status) => {
                let taken = self.word_came(status, arrival(&fresh, &via), receipt);
                self.refuse_part(taken, via);
            }
            Meaning::Acks(acks) => {
                for ack in acks {
                    self.acked(from, &ack, &via);
                }
                receipt.durable();
            }
            Meaning::Receipts(ids, at) => {
                for id in ids {
                    self.was_read(from, id, at, &via);
                }
                receipt.durable();
            }
            Meaning::Alive => receipt.durable(),
        }
    }

    fn refuse_part(&mut self, taken: Result<(), Box<(Refusal, Receipt)>>, via: TransportId) {
        if let Err(turned_away) = taken {
            let (refusal, receipt) = *turned_away;
            self.refuse(&refusal, via, &SafeText::default(), receipt);
        }
    }

    /// Keeps a message, and with it the file that it offers.
    fn keep(
        &mut self,
        fresh: Fresh,
        offer: Option<&FileManifest>,
        trust: TrustLevel,
        via: TransportId,
        receipt: Receipt,
    ) {
        let arrival = arrival(&fresh, &via);
        let now = self.clock.now();
        let link = Link { id: fresh.body.envelope_id, in_reply_to: fresh.body.in_reply_to, at: now.mono };
        let record = incoming(fresh, trust, &via, now.wall);
        CrashPoint::ReceiveOpened.pass();
        let offer = offer.map(|manifest| self.offer_record(&record, manifest));
        let (kept, kept_offer) = (record.clone(), offer.clone());
        let bytes = record.content.len();
        // What follows when it is durable and acked.
        let show = move |core: &mut Self, position: u64, late: bool| {
            core.loops.incoming(&record.conversation, &link);
            let record = MessageRecord { late, ..record };
            let message = views::message(position, record, &core.people.names(), core.me.name());
            core.emit(Event::Message(Box::new(message)));
            if let Some(offer) = offer {
                core.offer_kept(offer, trust);
            }
        };
        let placed = Arc::new(OnceLock::new());
        let place = placed.clone();
        self.write(
            move |store| {
                // The offer comes first: when its message is there, so is the offer.
                if let Some(offer) = kept_offer
                    && let Some(digest) = &kept.digest
                    && store.seen(&kept.conversation.peer, &kept.envelope_id, digest)? == Seen::No
                {
                    offer.put_new(store)?;
                }
                let inserted = store.insert_incoming(&kept)?;
                if let Insert::New { position, late } = inserted {
                    // There is nobody else who sets it.
                    let _ = place.set((position, late));
                }
                Ok(inserted)
            },
            move |core, inserted| match inserted {
                Ok(Insert::New { position, late }) => {
                    CrashPoint::ReceiveDurable.pass();
                    receipt.durable();
                    CrashPoint::ReceiveTold.pass();
                    core.ack(arrival);
                    show(core, position, late);
                }
                Ok(Insert::Duplicate) => core.duplicate(arrival, receipt),
                Ok(Insert::Forgery) => {
                    core.refuse(&Refusal::ReusedId, via, &SafeText::default(), receipt);
                }
                Err(error) => {
                    // The receipt is dropped unanswered: who has the original keeps it.
                    core.storage_failed("a received message; it stays with its sender", &error);
                    if let Some(&(position, late)) = placed.get() {
                        let show = Box::new(move |core: &mut Self| show(core, position, late));
                        core.unshown.keep(arrival.from, arrival.envelope_id, bytes, show);
                    }
                }
            },
        );
    }

    /// A known envelope came again: its sender may have missed the ack. That the store knows it does not mean that
    /// it is on the disk: the flush may have failed. So the ack waits for another one.
    fn duplicate(&mut self, arrival: Arrival, receipt: Receipt) {
        self.counters.duplicates += 1;
        let (from, id, path) = (arrival.from, arrival.envelope_id, arrival.via.clone());
        self.emit(Event::Duplicate { envelope_id: id, via: path.clone() });
        self.write(
            move |store| Ok(store.add_path(&from, &id, &path)),
            move |core, flushed| match flushed {
                Ok(added) => {
                    receipt.durable();
                    core.ack(arrival);
                    if let Some(show) = core.unshown.take(from, id) {
                        show(core);
                    }
                    // What is no message (a part of a file) has no list of paths.
                    match added {
                        Ok(_) | Err(StoreError::NoMessage(_)) => {}
                        Err(error) => core.storage_failed("a path", &error),
                    }
                }
                // As for a new one: the receipt is dropped unanswered.
                Err(error) => core.storage_failed("a received message; it stays with its sender", &error),
            },
        );
    }

    fn refuse(&mut self, refusal: &Refusal, via: TransportId, origin: &SafeText, receipt: Receipt) {
        *self.counters.refused.entry(refusal.kind()).or_default() += 1;
        if !refusal.is_of_no_interest() {
            self.show_refusal(via, &format!("refused a frame from {origin}: {refusal}"), refusal.concerns_security());
        }
        if !refusal.is_temporary() {
            receipt.refused(refusal.reason());
        }
    }

    /// A transport refused something before it was a frame.
    pub(super) fn refused_below(&mut self, via: TransportId, reason: &crate::delivery::Reason) {
        *self.counters.refused.entry("transport".to_owned()).or_default() += 1;
        self.show_refusal(via, &reason.to_string(), false);
    }

    /// Tells of a refusal, unless too many were told of lately; all are counted.
    fn show_refusal(&mut self, via: TransportId, what: &str, security: bool) {
        let now = self.clock.now().mono;
        let Some(untold) = self.counters.shown.pass(now) else { return };
        let more = if untold == 0 { String::new() } else { format!(" (and {untold} more that were not shown)") };
        let text = SafeText::line(&format!("{via}: {what}{more}"));
        if security && self.counters.notices.pass(now).is_some() {
            self.notice(NoticeLevel::Security, text.as_str());
        } else {
            tracing::warn!("{text}");
        }
        self.emit(Event::Refused { via, reason: text });
    }

    /// [`super::Command::RequestAccept`].
    pub(super) fn request_accept(&mut self, reference: &str, answer: super::handle::Answer) {
        let key = self.find_peer(reference).ok().and_then(|peer| peer.fingerprint);
        self.change_peer(reference, answer, |profile, now| {
            profile.request = false;
            profile.note(now, "you accepted it");
            Ok(())
        });
        if let Some(key) = key {
            self.ack_what_waited(key);
        }
    }

    /// Acks what a stranger had written before it was accepted.
    fn ack_what_waited(&mut self, from: Fingerprint) {
        let wanted = Query { peer: Some(from), incoming: Some(true), limit: WAITED_MAX, ..Query::default() };
        self.write(
            move |store| store.history(&wanted),
            move |core, found| {
                let records = match found {
                    Ok(found) => found,
                    Err(error) => return core.storage_failed("the acks of a new peer", &error),
                };
                for (_, record) in records {
                    if let (Some(digest), Some(via)) = (record.digest, record.paths.last().cloned()) {
                        let digest = Digest::from_bytes(digest);
                        let (envelope_id, mode) = (record.envelope_id, record.mode);
                        core.ack(Arrival { from, envelope_id, digest, via, mode, retry_count: None });
                    }
                }
            },
        );
    }
}

/// A defect while opening a hostile frame must not bring that frame back for ever: it counts as refused.
fn outcome(opening: Option<Result<Opened, Refusal>>) -> Result<Opened, Refusal> {
    opening.unwrap_or(Err(Refusal::Crashed))
}

/// An envelope that is about to be durable.
fn arrival(fresh: &Fresh, via: &TransportId) -> Arrival {
    Arrival {
        from: fresh.body.from,
        envelope_id: fresh.body.envelope_id,
        digest: fresh.digest,
        via: via.clone(),
        mode: fresh.envelope.routing.mode,
        retry_count: Some(fresh.envelope.routing.retry_count),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_frame_that_crashes_its_opening_is_refused_for_good() {
        let workers = crate::node::workers::Workers::start().unwrap();
        let crashed = workers.run(|| -> Result<Opened, Refusal> { panic!("a defect") }).await;
        let Err(refusal) = outcome(crashed) else { panic!("accepted") };
        assert_eq!(refusal.kind(), "crashed");
        assert!(!refusal.is_temporary(), "it must not come again");
    }
}
