//! The sealed body: what is inside the encryption, and the only truth about a message.

use std::io::{Read, Write};

use flate2::{Compression, bufread::ZlibDecoder, write::ZlibEncoder};
use serde_json::{Map, Value};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{
    Envelope, EnvelopeId, Fingerprint, PayloadType, ThreadId, Timestamp, Urgency, canonical,
    codec::{content_type, payload_type, put, put_some},
    fields::{FieldError, Fields},
    json::{self, JsonError},
    limits,
};

/// The content of a message with a copy of every header that means anything. It is the literal of the
/// OpenPGP message, so the sender's signature inside the encryption covers all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedBody {
    /// As in the envelope.
    pub envelope_id: EnvelopeId,
    /// As in the envelope.
    pub timestamp: Timestamp,
    /// The sender's certificate.
    pub from: Fingerprint,
    /// The recipient's certificate: who re-wraps a body for somebody else is found out.
    pub to: Fingerprint,
    /// The sender's name, at most 256 bytes.
    pub from_name: Option<String>,
    /// The sender's FQID, at most 256 bytes.
    pub from_fqid: Option<String>,
    /// What is carried.
    pub kind: PayloadType,
    /// The thread; none means the general one.
    pub thread_id: Option<ThreadId>,
    /// The message this one answers.
    pub in_reply_to: Option<EnvelopeId>,
    /// Media type of the content.
    pub content_type: Option<String>,
    /// How much it matters.
    pub urgency: Urgency,
    /// Seconds after `timestamp` at which it expires, at most [`limits::TTL_SECONDS_MAX`].
    pub ttl_seconds: u64,
    /// Whether the sender hid every header that can be hidden: the outer type is `message`, names, FQIDs and
    /// metadata are absent and the length is padded.
    pub sealed: bool,
    /// The content.
    pub content: Content,
    /// In an introduction: where the sender can be reached, at most [`limits::REPLY_ROUTES`].
    pub reply_to: Vec<ReplyRoute>,
}

/// One way to reach the sender, as it says itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyRoute {
    /// The kind of transport: `tcp`, `websocket`, ...
    pub kind: String,
    /// The address in that kind's notation. Foreign: checked before use.
    pub address: String,
}

/// What a message says. Its `Debug` form tells the size only, so that no plaintext gets into a log.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// Text, at most [`limits::TEXT_BYTES`]. Foreign: shown through `SafeText` only.
    Text(String),
    /// A JSON object, its form given by the payload's type.
    Object(Map<String, Value>),
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Object(map) => write!(f, "Object({} keys)", map.len()),
        }
    }
}

/// Why a decrypted literal was refused as a sealed body, or a body cannot be encoded.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BodyError {
    /// Larger than [`limits::BODY_BYTES`], as it is or after inflation.
    #[error("the body has more than {} bytes", limits::BODY_BYTES)]
    TooLarge,
    /// Neither JSON nor a zlib stream.
    #[error("the body is neither JSON nor zlib")]
    UnknownForm,
    /// The zlib stream is damaged or cut off.
    #[error("the compressed body is damaged")]
    BadCompression,
    /// Something other than padding follows the body.
    #[error("something other than padding follows the body")]
    BadPadding,
    /// Not JSON as this program reads it.
    #[error("body: {0}")]
    Json(#[from] JsonError),
    /// A field is missing or not as it must be.
    #[error("body: {0}")]
    Field(#[from] FieldError),
}

impl BodyError {
    /// A stable name for counting refusals.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TooLarge => "body_too_large",
            Self::UnknownForm => "body_unknown_form",
            Self::BadCompression => "body_bad_compression",
            Self::BadPadding => "body_bad_padding",
            Self::Json(_) => "body_bad_json",
            Self::Field(_) => "body_bad_field",
        }
    }
}

/// An outer header is present and says something else than the signed body.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the outer header {field} differs from the signed one")]
pub struct HeaderMismatch {
    /// The header, such as `metadata.thread_id`.
    pub field: &'static str,
}

impl HeaderMismatch {
    /// A stable name for counting refusals.
    pub fn kind(&self) -> &'static str {
        "header_mismatch"
    }
}

impl SealedBody {
    /// The bytes to be sealed: canonical JSON; as a zlib stream if that is longer than
    /// [`limits::COMPRESS_ABOVE_BYTES`] and gains from it; padded to the ladder in sealed mode.
    ///
    /// # Errors
    /// [`BodyError`] if a receiver would refuse it.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, BodyError> {
        let value = Value::Object(self.to_map());
        let json = Zeroizing::new(canonical::to_vec(&value));
        if json.len() > limits::BODY_BYTES {
            return Err(BodyError::TooLarge);
        }
        Self::read(value)?;
        let (mut bytes, filler) = match compress(&json)? {
            Some(compressed) => (compressed, 0),
            None => (json, b' '),
        };
        if self.sealed {
            pad_to_ladder(&mut bytes, filler);
        }
        Ok(bytes)
    }

    /// Reads the literal of an authenticated OpenPGP message.
    ///
    /// # Errors
    /// [`BodyError`], which names the field at fault.
    pub fn decode(bytes: &[u8]) -> Result<Self, BodyError> {
        if bytes.len() > limits::BODY_BYTES {
            return Err(BodyError::TooLarge);
        }
        let value = match bytes.first() {
            Some(b'{') => {
                let padding = bytes.iter().rev().take_while(|b| **b == b' ').count();
                let json = &bytes[..bytes.len() - padding];
                if json.ends_with(b"\n") || json.ends_with(b"\r") || json.ends_with(b"\t") {
                    return Err(BodyError::BadPadding);
                }
                json::parse(json)?
            }
            Some(&ZLIB) => json::parse(&inflate(bytes)?)?,
            _ => return Err(BodyError::UnknownForm),
        };
        Ok(Self::read(value)?)
    }

    /// Compares the outer headers with the signed ones, which alone are true.
    ///
    /// # Errors
    /// The first outer header that is present and differs; in sealed mode also one that should not be there.
    pub fn check_against(&self, envelope: &Envelope) -> Result<(), HeaderMismatch> {
        let outer = &envelope.metadata;
        let kind = if self.sealed { &PayloadType::Message } else { &self.kind };
        let headers = [
            ("envelope_id", envelope.envelope_id == self.envelope_id),
            ("timestamp", envelope.timestamp == self.timestamp),
            ("from.fingerprint", envelope.from.fingerprint == self.from),
            ("to.fingerprint", envelope.to.fingerprint == self.to),
            ("payload.type", envelope.payload.kind == *kind),
            ("routing.ttl_seconds", envelope.routing.ttl_seconds == self.ttl_seconds),
            ("from.name", self.agrees(&envelope.from.name, &self.from_name)),
            ("from.fqid", self.agrees(&envelope.from.fqid, &self.from_fqid)),
            ("to.name", !self.sealed || envelope.to.name.is_none()),
            ("to.fqid", !self.sealed || envelope.to.fqid.is_none()),
            ("metadata.thread_id", self.agrees(&outer.thread_id, &self.thread_id)),
            ("metadata.in_reply_to", self.agrees(&outer.in_reply_to, &self.in_reply_to)),
            ("metadata.content_type", self.agrees(&outer.content_type, &self.content_type)),
            ("metadata.urgency", self.agrees(&outer.urgency, &Some(self.urgency))),
        ];
        match headers.into_iter().find(|(_, agrees)| !agrees) {
            Some((field, _)) => Err(HeaderMismatch { field }),
            None => Ok(()),
        }
    }

    /// An optional outer header may be left out (in sealed mode it must be), but not say something else.
    fn agrees<T: PartialEq>(&self, outer: &Option<T>, inner: &Option<T>) -> bool {
        outer.is_none() || (!self.sealed && outer == inner)
    }

    fn to_map(&self) -> Map<String, Value> {
        let mut map = Map::new();
        put(&mut map, "envelope_id", self.envelope_id.to_string());
        put(&mut map, "timestamp", self.timestamp.to_string());
        put(&mut map, "from", self.from.to_string());
        put(&mut map, "to", self.to.to_string());
        put_some(&mut map, "from_name", self.from_name.as_deref());
        put_some(&mut map, "from_fqid", self.from_fqid.as_deref());
        put(&mut map, "type", self.kind.as_str());
        put_some(&mut map, "thread_id", self.thread_id.as_ref().map(ThreadId::as_str));
        put_some(&mut map, "in_reply_to", self.in_reply_to.map(|id| id.to_string()));
        put_some(&mut map, "content_type", self.content_type.as_deref());
        put(&mut map, "urgency", self.urgency.as_str());
        put(&mut map, "ttl_seconds", self.ttl_seconds);
        put_some(&mut map, "sealed", self.sealed.then_some(true));
        match &self.content {
            Content::Text(text) => put(&mut map, "content", text.as_str()),
            Content::Object(object) => put(&mut map, "content", object.clone()),
        }
        if !self.reply_to.is_empty() {
            put(&mut map, "reply_to", self.reply_to.iter().map(ReplyRoute::to_value).collect::<Vec<_>>());
        }
        map
    }

    fn read(value: Value) -> Result<Self, FieldError> {
        let mut body = Fields::new(value, "body")?;
        Ok(Self {
            envelope_id: body.parsed("envelope_id", 36)?,
            timestamp: body.parsed("timestamp", 35)?,
            from: body.parsed("from", 64)?,
            to: body.parsed("to", 64)?,
            from_name: body.optional_text("from_name", 1..=limits::NAME_BYTES)?,
            from_fqid: body.optional_text("from_fqid", 1..=limits::NAME_BYTES)?,
            kind: payload_type(&mut body, "type")?,
            thread_id: body.optional_parsed("thread_id", limits::THREAD_ID_BYTES)?,
            in_reply_to: body.optional_parsed("in_reply_to", 36)?,
            content_type: content_type(&mut body, "content_type")?,
            urgency: body.optional_parsed("urgency", 32)?.unwrap_or_default(),
            ttl_seconds: body.integer("ttl_seconds", limits::TTL_SECONDS_MAX)?,
            sealed: body.flag_or("sealed", false)?,
            content: match body.required("content")? {
                Value::String(text) if text.len() <= limits::TEXT_BYTES => Content::Text(text),
                Value::String(_) => {
                    return Err(FieldError::new("content", format!("text has more than {} bytes", limits::TEXT_BYTES)));
                }
                Value::Object(object) => Content::Object(object),
                _ => return Err(FieldError::new("content", "must be a string or an object")),
            },
            reply_to: body
                .optional_list("reply_to", 1..=limits::REPLY_ROUTES)?
                .into_iter()
                .map(ReplyRoute::read)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl ReplyRoute {
    fn to_value(&self) -> Value {
        let mut map = Map::new();
        put(&mut map, "kind", self.kind.as_str());
        put(&mut map, "address", self.address.as_str());
        Value::Object(map)
    }

    fn read(value: Value) -> Result<Self, FieldError> {
        let mut route = Fields::new(value, "reply_to")?;
        Ok(Self {
            kind: route.text("reply_to.kind", 1..=limits::TRANSPORT_NAME_BYTES)?,
            address: route.text("reply_to.address", 1..=limits::ADDRESS_BYTES)?,
        })
    }
}

/// The first byte of a zlib stream with a window of 32 KiB (RFC 1950).
const ZLIB: u8 = 0x78;

/// The zlib form, if the rules want it and it is shorter.
fn compress(json: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, BodyError> {
    if json.len() <= limits::COMPRESS_ABOVE_BYTES {
        return Ok(None);
    }
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(json.len() / 2), Compression::fast());
    encoder.write_all(json).map_err(|_| BodyError::BadCompression)?;
    let compressed = Zeroizing::new(encoder.finish().map_err(|_| BodyError::BadCompression)?);
    Ok((compressed.len() < json.len()).then_some(compressed))
}

/// Inflates one zlib stream, at most [`limits::BODY_BYTES`], which only zero bytes may follow.
fn inflate(bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, BodyError> {
    let mut json = Zeroizing::new(Vec::new());
    let mut decoder = ZlibDecoder::new(bytes);
    let bound = limits::BODY_BYTES as u64 + 1;
    decoder.by_ref().take(bound).read_to_end(&mut json).map_err(|_| BodyError::BadCompression)?;
    if json.len() > limits::BODY_BYTES {
        return Err(BodyError::TooLarge);
    }
    if decoder.into_inner().iter().any(|b| *b != 0) {
        return Err(BodyError::BadPadding);
    }
    Ok(json)
}

/// Fills `bytes` up to the next step of the ladder: 512, 1024, 2048, ... bytes.
fn pad_to_ladder(bytes: &mut Vec<u8>, filler: u8) {
    let step = bytes.len().next_power_of_two().max(limits::PAD_STEP_BYTES);
    bytes.resize(step, filler);
}
