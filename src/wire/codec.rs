//! The native envelope as bytes: strict reading within limits, writing, canonical bytes.

use serde_json::{Map, Value};
use thiserror::Error;

use super::{
    Digest, Envelope, Metadata, Party, Payload, PayloadType, Routing, SafeText, Urgency, canonical,
    fields::{FieldError, Fields, is_token, text},
    json::{self, JsonError},
    limits,
};

/// An envelope that came in, well formed. Its signature is not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What was read. Fields of later minor versions are not in it.
    pub envelope: Envelope,
    /// What `payload.signature` must cover: the RFC 8785 form of the JSON that came, unknown fields included,
    /// without `payload.signature` and `routing.retry_count`.
    pub canonical: Vec<u8>,
    /// SHA-256 of `canonical`.
    pub digest: Digest,
}

/// A way other programs write envelopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// The Python skcomm 0.1 and the legacy form of skcomms 0.2: `sender` and `recipient` are strings.
    SkcommPython,
    /// The SignedEnvelope of skcomms 0.2: an `envelope` object with its signature beside it.
    SkcommsSigned,
}

impl std::fmt::Display for Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::SkcommPython => "Python skcomm 0.1",
            Self::SkcommsSigned => "skcomms 0.2 SignedEnvelope",
        })
    }
}

/// Why bytes were refused as an envelope.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Larger than [`limits::ENVELOPE_BYTES`].
    #[error("the envelope has {bytes} bytes, more than {}", limits::ENVELOPE_BYTES)]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not JSON as this program reads it.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A field is missing or not as it must be.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// Another major version than 1.
    #[error("envelope version {0}, but only 1.x can be read")]
    UnsupportedVersion(SafeText),
    /// Another program's envelope.
    #[error("an envelope in the form of {0}, which cannot be read yet; ask the sender to use the native form")]
    ForeignDialect(Dialect),
    /// JSON, but neither the native form nor a known dialect.
    #[error("not an envelope: there is no `from` object")]
    NotAnEnvelope,
    /// Nobody signed it.
    #[error("payload.signature: is missing, and unsigned envelopes are refused")]
    Unsigned,
}

impl DecodeError {
    /// A stable name for counting refusals.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::Json(e) => e.kind(),
            Self::Field(_) => "bad_field",
            Self::UnsupportedVersion(_) => "unsupported_version",
            Self::ForeignDialect(_) => "foreign_dialect",
            Self::NotAnEnvelope => "not_an_envelope",
            Self::Unsigned => "unsigned",
        }
    }
}

impl Envelope {
    /// Reads an envelope that came in. Limits are checked before anything is built; the signature is the
    /// caller's to verify, over [`Received::canonical`].
    ///
    /// # Errors
    /// [`DecodeError`], which names the field at fault.
    pub fn decode(bytes: &[u8]) -> Result<Received, DecodeError> {
        if bytes.len() > limits::ENVELOPE_BYTES {
            return Err(DecodeError::TooLarge { bytes: bytes.len() });
        }
        let mut root = match json::parse(bytes)? {
            Value::Object(root) => root,
            _ => return Err(DecodeError::NotAnEnvelope),
        };
        recognise(&root)?;
        check_version(&root)?;
        let uncovered = Uncovered::take_from(&mut root);
        let root = Value::Object(root);
        let canonical = canonical::to_vec(&root);
        let envelope = read(root, uncovered)?;
        if envelope.payload.signature.is_none() {
            return Err(DecodeError::Unsigned);
        }
        Ok(Received { envelope, digest: Digest::of(&canonical), canonical })
    }

    /// Whether a receiver would read this envelope: the same bounds as [`Envelope::decode`], but for the
    /// signature, which may still be missing.
    ///
    /// # Errors
    /// As [`Envelope::decode`].
    pub fn validate(&self) -> Result<(), DecodeError> {
        let bytes = self.encode().len();
        if bytes > limits::ENVELOPE_BYTES {
            return Err(DecodeError::TooLarge { bytes });
        }
        let mut root = self.to_map();
        check_version(&root)?;
        let uncovered = Uncovered::take_from(&mut root);
        read(Value::Object(root), uncovered).map(drop)
    }

    /// The envelope as it travels: compact JSON, in fact its RFC 8785 form.
    pub fn encode(&self) -> Vec<u8> {
        canonical::to_vec(&Value::Object(self.to_map()))
    }

    /// What `payload.signature` covers: the RFC 8785 form of the envelope without `payload.signature` and
    /// `routing.retry_count`. For an envelope that came in use [`Received::canonical`] instead: it also
    /// covers fields that this version does not know.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let mut root = self.to_map();
        Uncovered::take_from(&mut root);
        canonical::to_vec(&Value::Object(root))
    }

    fn to_map(&self) -> Map<String, Value> {
        let mut root = Map::new();
        put(&mut root, "skcomm_version", self.skcomm_version.as_str());
        put(&mut root, "envelope_id", self.envelope_id.to_string());
        put(&mut root, "timestamp", self.timestamp.to_string());
        put(&mut root, "from", party_map(&self.from));
        put(&mut root, "to", party_map(&self.to));
        put(&mut root, "payload", payload_map(&self.payload));
        put(&mut root, "routing", routing_map(&self.routing));
        if !self.metadata.is_empty() {
            put(&mut root, "metadata", metadata_map(&self.metadata));
        }
        root
    }
}

/// The two fields that the signature does not cover.
struct Uncovered {
    signature: Option<Value>,
    retry_count: Option<Value>,
}

impl Uncovered {
    fn take_from(root: &mut Map<String, Value>) -> Self {
        let mut take = |object: &str, key: &str| root.get_mut(object)?.as_object_mut()?.remove(key);
        Self { signature: take("payload", "signature"), retry_count: take("routing", "retry_count") }
    }
}

/// Tells native envelopes from those of other programs by their shape.
fn recognise(root: &Map<String, Value>) -> Result<(), DecodeError> {
    let dialect = match (root.get("from"), root.get("sender"), root.get("envelope")) {
        (Some(Value::Object(_)), _, _) => return Ok(()),
        (None, Some(Value::String(_)), _) => Dialect::SkcommPython,
        (None, None, Some(Value::Object(_))) => Dialect::SkcommsSigned,
        _ => return Err(DecodeError::NotAnEnvelope),
    };
    Err(DecodeError::ForeignDialect(dialect))
}

/// `1.MINOR.PATCH`, each up to five digits.
fn check_version(root: &Map<String, Value>) -> Result<(), DecodeError> {
    const FIELD: &str = "skcomm_version";
    let version = root.get(FIELD).ok_or_else(|| FieldError::new(FIELD, "is missing"))?;
    let version = version.as_str().ok_or_else(|| FieldError::new(FIELD, "must be a string"))?;
    let number = |part: &&str| (1..=5).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = version.splitn(4, '.').collect();
    if parts.len() != 3 || !parts.iter().all(number) {
        return Err(FieldError::new(FIELD, "must be three numbers with dots between").into());
    }
    if parts[0] != "1" {
        return Err(DecodeError::UnsupportedVersion(SafeText::line_bounded(version, 32)));
    }
    Ok(())
}

fn read(root: Value, uncovered: Uncovered) -> Result<Envelope, DecodeError> {
    let mut root = Fields::new(root, "envelope")?;
    Ok(Envelope {
        skcomm_version: root.text("skcomm_version", 5..=17)?,
        envelope_id: root.parsed("envelope_id", 36)?,
        timestamp: root.parsed("timestamp", 35)?,
        from: read_party(root.object("from")?, ["from.name", "from.fingerprint", "from.fqid", "from.certificate"])?,
        to: read_party(root.object("to")?, ["to.name", "to.fingerprint", "to.fqid", "to.certificate"])?,
        payload: read_payload(root.object("payload")?, uncovered.signature)?,
        routing: read_routing(root.object("routing")?, uncovered.retry_count)?,
        metadata: root.optional_object("metadata")?.map(read_metadata).transpose()?.unwrap_or_default(),
    })
}

fn read_party(
    mut party: Fields,
    [name, fingerprint, fqid, certificate]: [&'static str; 4],
) -> Result<Party, FieldError> {
    Ok(Party {
        name: party.optional_text(name, 1..=limits::NAME_BYTES)?,
        fingerprint: party.parsed(fingerprint, 64)?,
        fqid: party.optional_text(fqid, 1..=limits::NAME_BYTES)?,
        certificate: match party.optional_text(certificate, 1..=limits::INTRODUCTION_BYTES)? {
            Some(_) if certificate == "to.certificate" => {
                return Err(FieldError::new(certificate, "only the sender introduces itself"));
            }
            given => given,
        },
    })
}

fn read_payload(mut payload: Fields, signature: Option<Value>) -> Result<Payload, FieldError> {
    let kind = payload_type(&mut payload, "payload.type")?;
    let content_encrypted = payload.text("payload.content_encrypted", 1..=limits::ENVELOPE_BYTES)?;
    armored(&content_encrypted, "payload.content_encrypted", "MESSAGE")?;
    let signature = signature.map(|value| {
        let signature = text(value, "payload.signature", 1..=limits::SIGNATURE_BYTES)?;
        armored(&signature, "payload.signature", "SIGNATURE")?;
        Ok(signature)
    });
    Ok(Payload { kind, content_encrypted, signature: signature.transpose()? })
}

/// The name of a payload type, known or not.
pub(super) fn payload_type(fields: &mut Fields, field: &'static str) -> Result<PayloadType, FieldError> {
    let name = fields.text(field, 1..=limits::PAYLOAD_TYPE_BYTES)?;
    if !is_token(&name) {
        return Err(FieldError::new(field, "must be visible ASCII"));
    }
    Ok(name.into())
}

/// A media type, or what a sender takes for one.
pub(super) fn content_type(fields: &mut Fields, field: &'static str) -> Result<Option<String>, FieldError> {
    let name = fields.optional_text(field, 1..=limits::CONTENT_TYPE_BYTES)?;
    if name.as_deref().is_some_and(|name| !name.bytes().all(|b| b.is_ascii_graphic() || b == b' ')) {
        return Err(FieldError::new(field, "must be visible ASCII"));
    }
    Ok(name)
}

/// Checks that `armor` has the first and last line of an OpenPGP armor (RFC 9580 section 6.2) and nothing
/// but ASCII; what is between is for the `pgp` room to judge.
fn armored(armor: &str, field: &'static str, label: &str) -> Result<(), FieldError> {
    let bare = |line: Option<&str>, edge: &str| {
        line.and_then(|l| l.strip_prefix("-----")?.strip_prefix(edge)?.strip_prefix(" PGP ")?.strip_suffix("-----"))
            == Some(label)
    };
    let mut lines = armor.lines();
    let first = lines.next();
    if !armor.is_ascii() || !bare(first, "BEGIN") || !bare(lines.next_back(), "END") {
        return Err(FieldError::new(field, format!("must be one armored PGP {label} with nothing around it")));
    }
    Ok(())
}

fn read_routing(mut routing: Fields, retry_count: Option<Value>) -> Result<Routing, FieldError> {
    let retry_count = retry_count.unwrap_or_else(|| 0.into());
    Ok(Routing {
        mode: routing.optional_parsed("routing.mode", 32)?.unwrap_or_default(),
        priority_transports: transports(&mut routing, "routing.priority_transports")?,
        fallback_transports: transports(&mut routing, "routing.fallback_transports")?,
        retry_count: retry_count.as_u64().and_then(|n| u32::try_from(n).ok()).ok_or_else(|| {
            FieldError::new("routing.retry_count", format!("must be an integer from 0 to {}", u32::MAX))
        })?,
        max_retries: routing.integer_or(
            "routing.max_retries",
            limits::RETRIES_MAX.into(),
            Routing::default_max_retries().into(),
        )? as u32,
        ttl_seconds: routing.integer_or(
            "routing.ttl_seconds",
            limits::TTL_SECONDS_MAX,
            Routing::default_ttl_seconds(),
        )?,
    })
}

fn transports(routing: &mut Fields, field: &'static str) -> Result<Vec<String>, FieldError> {
    let names = routing.optional_list(field, 0..=limits::TRANSPORTS)?;
    names.into_iter().map(|name| text(name, field, 1..=limits::TRANSPORT_NAME_BYTES)).collect()
}

fn read_metadata(mut metadata: Fields) -> Result<Metadata, FieldError> {
    Ok(Metadata {
        thread_id: metadata.optional_parsed("metadata.thread_id", limits::THREAD_ID_BYTES)?,
        in_reply_to: metadata.optional_parsed("metadata.in_reply_to", 36)?,
        content_type: content_type(&mut metadata, "metadata.content_type")?,
        urgency: metadata.optional_parsed("metadata.urgency", 32)?,
    })
}

/// Sets a field of an object that is being written.
pub(super) fn put(map: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    map.insert(key.to_owned(), value.into());
}

/// Sets a field if there is something to say.
pub(super) fn put_some(map: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        put(map, key, value);
    }
}

fn party_map(party: &Party) -> Map<String, Value> {
    let mut map = Map::new();
    put_some(&mut map, "name", party.name.as_deref());
    put(&mut map, "fingerprint", party.fingerprint.to_string());
    put_some(&mut map, "fqid", party.fqid.as_deref());
    put_some(&mut map, "certificate", party.certificate.as_deref());
    map
}

fn payload_map(payload: &Payload) -> Map<String, Value> {
    let mut map = Map::new();
    put(&mut map, "type", payload.kind.as_str());
    put(&mut map, "content_encrypted", payload.content_encrypted.as_str());
    put_some(&mut map, "signature", payload.signature.as_deref());
    map
}

fn routing_map(routing: &Routing) -> Map<String, Value> {
    let mut map = Map::new();
    put(&mut map, "mode", routing.mode.as_str());
    if !routing.priority_transports.is_empty() {
        put(&mut map, "priority_transports", routing.priority_transports.clone());
    }
    if !routing.fallback_transports.is_empty() {
        put(&mut map, "fallback_transports", routing.fallback_transports.clone());
    }
    put(&mut map, "retry_count", routing.retry_count);
    put(&mut map, "max_retries", routing.max_retries);
    put(&mut map, "ttl_seconds", routing.ttl_seconds);
    map
}

fn metadata_map(metadata: &Metadata) -> Map<String, Value> {
    let mut map = Map::new();
    put_some(&mut map, "thread_id", metadata.thread_id.as_ref().map(|t| t.as_str()));
    put_some(&mut map, "in_reply_to", metadata.in_reply_to.map(|id| id.to_string()));
    put_some(&mut map, "content_type", metadata.content_type.as_deref());
    put_some(&mut map, "urgency", metadata.urgency.map(Urgency::as_str));
    map
}
