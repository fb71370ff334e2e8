//! From received bytes to an authentic body, or a refusal. Runs on worker threads; changes nothing.

use std::{collections::BTreeSet, sync::Arc};

use super::{files::Expected, identity::Me, keyring::Keyring, refusal::Refusal, strangers::Strangers};
use crate::{
    pgp::{self, Certificate},
    store::{Seen, Store, StoreError},
    wire::{
        AckBody, AckItem, Digest, Envelope, EnvelopeId, FileBody, FileChunk, FileManifest, FileStatus, Fingerprint,
        PayloadType, ReadReceiptBody, Received, SealedBody, Timestamp, limits,
    },
};

/// How long envelope ids are remembered, and so the oldest envelope that is accepted, in milliseconds.
const REPLAY_WINDOW_MS: i64 = 28 * 24 * 3600 * 1000;
/// How far the sender's clock may be behind when its time to live is judged, in milliseconds.
const CLOCK_GRACE_MS: i64 = 10 * 60 * 1000;

/// What is needed to open a frame.
#[derive(Clone)]
pub(super) struct Opener {
    pub(super) me: Me,
    pub(super) keys: Keyring,
    pub(super) store: Arc<Store>,
    pub(super) strangers: Arc<Strangers>,
    /// Parts of files that we sent.
    pub(super) expected: Arc<Expected>,
    /// Known peers who wrote too much of late.
    pub(super) held_back: Arc<BTreeSet<Fingerprint>>,
}

/// A frame that is what it claims to be.
pub(super) enum Opened {
    /// It was stored before: acked again, not shown again.
    Known { envelope: Box<Envelope>, digest: Digest },
    /// Something new.
    Fresh(Box<Fresh>),
}

/// A new authentic envelope.
pub(super) struct Fresh {
    pub(super) envelope: Envelope,
    pub(super) body: SealedBody,
    pub(super) digest: Digest,
    /// The sender's certificate, when it came with the envelope because we did not hold it.
    pub(super) introduced: Option<Certificate>,
    pub(super) meaning: Meaning,
}

/// What an authentic body asks of this node.
pub(super) enum Meaning {
    /// Something to keep and show.
    Keep,
    /// These of our messages are on the sender's disk.
    Acks(Vec<AckItem>),
    /// These of our messages were on the sender's screen.
    Receipts(Vec<EnvelopeId>, Timestamp),
    /// A file is offered: something to keep and show.
    Offer(FileManifest),
    /// A piece of a file.
    Chunk(FileChunk),
    /// How the sender sees a file's transfer.
    Word(FileStatus),
    /// The sender is alive.
    Alive,
}

impl Meaning {
    /// Whether it belongs to a file, which strangers cannot send.
    pub(super) fn is_of_a_file(&self) -> bool {
        matches!(self, Self::Offer(_) | Self::Chunk(_) | Self::Word(_))
    }
}

impl Opener {
    /// Decodes, deduplicates, verifies and opens a frame, cheapest checks first.
    ///
    /// # Errors
    /// The first reason not to accept it.
    pub(super) fn open(&self, frame: &[u8], now: Timestamp) -> Result<Opened, Refusal> {
        let Received { envelope, canonical, digest } = Envelope::decode(frame)?;
        if envelope.to.fingerprint != self.me.fingerprint() {
            return Err(Refusal::NotForUs(envelope.to.fingerprint));
        }
        let from = envelope.from.fingerprint;
        if from == self.me.fingerprint() {
            return Err(Refusal::FromOurselves);
        }
        match self.store.seen(&from, &envelope.envelope_id, digest.as_bytes())? {
            Seen::Same => return Ok(Opened::Known { envelope: Box::new(envelope), digest }),
            Seen::Different => return Err(Refusal::ReusedId),
            Seen::No => {}
        }
        check_times(&envelope, now)?;
        if self.held_back.contains(&from) && !is_control(&envelope.payload.kind) {
            return Err(Refusal::TooFast(from.short()));
        }
        if !self.strangers.worth_opening(&from, self.keys.get(&from).is_some(), frame.len()) {
            return Err(Refusal::TooManyStrangers);
        }
        let introduced = self.introduction(&envelope)?;
        let sender = introduced
            .as_ref()
            .or_else(|| self.keys.get(&envelope.from.fingerprint))
            .ok_or(Refusal::UnknownSender(envelope.from.fingerprint))?;
        let body = self.authentic_body(&envelope, &canonical, sender, now)?;
        let meaning = self.meaning(&body)?;
        Ok(Opened::Fresh(Box::new(Fresh { envelope, body, digest, introduced, meaning })))
    }

    /// The certificate that came along, if we hold none of the sender.
    fn introduction(&self, envelope: &Envelope) -> Result<Option<Certificate>, Refusal> {
        let Some(armor) = &envelope.from.certificate else { return Ok(None) };
        if self.keys.get(&envelope.from.fingerprint).is_some() {
            return Ok(None);
        }
        let bad = |e: &dyn std::fmt::Display| Refusal::BadIntroduction(e.to_string());
        let certificate = Certificate::parse(armor.as_bytes()).map_err(|e| bad(&e))?;
        if certificate.fingerprint() != envelope.from.fingerprint {
            return Err(bad(&"it has another fingerprint than the envelope names"));
        }
        Ok(Some(certificate))
    }

    fn authentic_body(
        &self,
        envelope: &Envelope,
        canonical: &[u8],
        sender: &Certificate,
        now: Timestamp,
    ) -> Result<SealedBody, Refusal> {
        sender.check_usable(now)?;
        let signature = envelope.payload.signature.as_ref().ok_or(Refusal::Unsigned)?;
        pgp::verify_detached(sender, canonical, signature.as_bytes(), now)?;
        let sealed = envelope.payload.content_encrypted.as_bytes();
        let opened = pgp::open(self.me.secret(), sender, sealed, limits::BODY_BYTES, now)?;
        let body = SealedBody::decode(&opened.plaintext)?;
        body.check_against(envelope)?;
        Ok(body)
    }

    fn meaning(&self, body: &SealedBody) -> Result<Meaning, Refusal> {
        let bad = |e: &dyn std::fmt::Display| Refusal::BadContent(e.to_string());
        Ok(match body.kind {
            PayloadType::Ack => {
                let ack = AckBody::from_content(&body.content).map_err(|e| bad(&e))?;
                let mut ours = Vec::new();
                for item in ack.items {
                    // Exchanged with this peer under that id and digest. Which of the two sent it is asked when the ack is
                    // applied (`Core::acked`).
                    let part = self.expected.contains(&item.envelope_id, &body.from, &item.digest);
                    if part || self.store.seen(&body.from, &item.envelope_id, item.digest.as_bytes())? == Seen::Same {
                        ours.push(item);
                    }
                }
                Meaning::Acks(ours)
            }
            PayloadType::ReadReceipt => {
                let receipt = ReadReceiptBody::from_content(&body.content).map_err(|e| bad(&e))?;
                let mut ours = Vec::new();
                for id in receipt.envelope_ids {
                    if self.is_ours(&id, body)? {
                        ours.push(id);
                    }
                }
                Meaning::Receipts(ours, receipt.read_at)
            }
            PayloadType::File => match FileBody::from_content(&body.content).map_err(|e| bad(&e))? {
                Some(FileBody::Manifest(manifest)) => Meaning::Offer(manifest),
                Some(FileBody::Chunk(chunk)) => Meaning::Chunk(chunk),
                Some(FileBody::Status(status)) => Meaning::Word(status),
                // Somebody else's form.
                None => Meaning::Keep,
            },
            PayloadType::Heartbeat => Meaning::Alive,
            _ => Meaning::Keep,
        })
    }

    /// Whether we sent that message to the sender of `body`.
    fn is_ours(&self, id: &EnvelopeId, body: &SealedBody) -> Result<bool, StoreError> {
        match self.store.message_with(&body.from, id) {
            Ok(Some((_, record))) => Ok(!record.incoming),
            // What cannot be read any more cannot be delivered any more either.
            Ok(None) | Err(StoreError::Damaged(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Acks and the like are taken also of who writes too much: others wait for them.
fn is_control(kind: &PayloadType) -> bool {
    matches!(kind, PayloadType::Ack | PayloadType::ReadReceipt | PayloadType::Heartbeat)
}

fn check_times(envelope: &Envelope, now: Timestamp) -> Result<(), Refusal> {
    let age = now.ms_since(envelope.timestamp);
    let ttl_ms = i64::try_from(envelope.routing.ttl_seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
    if age < -limits::FUTURE_SKEW_MS {
        Err(Refusal::FromTheFuture)
    } else if age > REPLAY_WINDOW_MS {
        Err(Refusal::TooOld)
    } else if age > ttl_ms.saturating_add(CLOCK_GRACE_MS) {
        // A server may have kept it while we were away: nothing anybody misses.
        let heartbeat = envelope.payload.kind == PayloadType::Heartbeat;
        Err(if heartbeat { Refusal::StaleHeartbeat } else { Refusal::Expired })
    } else {
        Ok(())
    }
}
