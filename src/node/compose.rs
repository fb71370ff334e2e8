//! From a draft to sealed bytes. Pure but for the randomness of the cryptography; runs on worker threads.

use thiserror::Error;

use super::identity::Me;
use crate::{
    delivery::Policy,
    pgp::{self, Certificate, PgpError},
    wire::{
        BodyError, Content, Digest, Envelope, EnvelopeId, Metadata, Mode, Party, Payload, PayloadType, ReplyRoute,
        Routing, SealedBody, ThreadId, Timestamp, Urgency,
    },
};

/// Everything an envelope is made of, in the clear. It never leaves this process.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) envelope_id: EnvelopeId,
    pub(super) kind: PayloadType,
    pub(super) content: Content,
    pub(super) content_type: String,
    pub(super) thread_id: Option<ThreadId>,
    pub(super) in_reply_to: Option<EnvelopeId>,
    pub(super) urgency: Urgency,
    pub(super) mode: Mode,
    /// Which paths are better; our own affair, so it is not in the envelope.
    pub(super) policy: Policy,
    pub(super) ttl_seconds: u64,
    pub(super) max_retries: u32,
    /// Whether a person wrote it.
    pub(super) by_person: bool,
    pub(super) composed: Timestamp,
    /// The recipient's name and FQID, as we call it.
    pub(super) to_name: String,
    pub(super) to_fqid: Option<String>,
    /// Whether our certificate goes along, and where we can be reached.
    pub(super) introduction: Option<Vec<ReplyRoute>>,
}

/// Why a draft cannot be sealed.
#[derive(Debug, Error)]
pub(super) enum SealError {
    #[error(transparent)]
    Pgp(#[from] PgpError),
    #[error("sealing hit a defect of this program; please report it")]
    Crashed,
    #[error("the content does not fit: {0}")]
    Body(#[from] BodyError),
}

/// A draft, sealed.
#[derive(Debug)]
pub(super) struct Sealed {
    /// The encoded envelope.
    pub(super) bytes: Vec<u8>,
    /// What the recipient's ack must name.
    pub(super) digest: Digest,
}

/// Seals a draft to its recipient: body, encryption, signature over the headers.
///
/// # Errors
/// When the recipient's certificate or our key cannot be used. Then nothing leaves.
pub(super) fn seal(me: &Me, to: &Certificate, draft: &Draft) -> Result<Sealed, SealError> {
    // Stealth hides from every hop what only the reader needs.
    let sealed_mode = draft.mode == Mode::Stealth;
    let body = body(me, to, draft, sealed_mode);
    let content_encrypted = pgp::seal(me.secret(), to, &body.encode()?, draft.composed)?;
    let mut envelope = envelope(me, to, draft, sealed_mode, content_encrypted);
    let canonical = envelope.canonical_bytes();
    envelope.payload.signature = Some(pgp::sign_detached(me.secret(), &canonical, draft.composed)?);
    Ok(Sealed { bytes: envelope.encode(), digest: Digest::of(&canonical) })
}

fn body(me: &Me, to: &Certificate, draft: &Draft, sealed_mode: bool) -> SealedBody {
    SealedBody {
        envelope_id: draft.envelope_id,
        timestamp: draft.composed,
        from: me.fingerprint(),
        to: to.fingerprint(),
        from_name: Some(me.name().to_owned()),
        from_fqid: me.fqid().map(ToString::to_string),
        kind: draft.kind.clone(),
        thread_id: draft.thread_id.clone(),
        in_reply_to: draft.in_reply_to,
        content_type: Some(draft.content_type.clone()),
        urgency: draft.urgency,
        ttl_seconds: draft.ttl_seconds,
        content: draft.content.clone(),
        sealed: sealed_mode,
        reply_to: draft.introduction.clone().unwrap_or_default(),
    }
}

fn envelope(me: &Me, to: &Certificate, draft: &Draft, sealed_mode: bool, content_encrypted: String) -> Envelope {
    let bare = |fingerprint| Party { name: None, fingerprint, fqid: None, certificate: None };
    let introduce = draft.introduction.is_some();
    let (from, recipient, kind, metadata) = if sealed_mode {
        // No introduction either: a certificate carries names.
        (bare(me.fingerprint()), bare(to.fingerprint()), PayloadType::Message, Metadata::default())
    } else {
        let recipient =
            Party { name: Some(draft.to_name.clone()), fqid: draft.to_fqid.clone(), ..bare(to.fingerprint()) };
        let metadata = Metadata {
            thread_id: draft.thread_id.clone(),
            in_reply_to: draft.in_reply_to,
            content_type: Some(draft.content_type.clone()),
            urgency: Some(draft.urgency),
        };
        (me.party(introduce), recipient, draft.kind.clone(), metadata)
    };
    Envelope {
        skcomm_version: Envelope::VERSION.to_owned(),
        envelope_id: draft.envelope_id,
        timestamp: draft.composed,
        from,
        to: recipient,
        payload: Payload { kind, content_encrypted, signature: None },
        routing: Routing {
            mode: draft.mode,
            max_retries: draft.max_retries,
            ttl_seconds: draft.ttl_seconds,
            ..Routing::default()
        },
        metadata,
    }
}
