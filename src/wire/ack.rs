//! What acks and read receipts say.

use serde_json::{Map, Value};

use super::{
    Content, Digest, EnvelopeId, Timestamp,
    codec::{put, put_some},
    fields::{FieldError, Fields, is_token, parsed},
    limits,
};

/// The content of an envelope of type `ack`: "these are on my disk". 1 to [`limits::ACK_ITEMS`] items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckBody {
    /// What is acknowledged.
    pub items: Vec<AckItem>,
}

/// One acknowledged envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckItem {
    /// The envelope.
    pub envelope_id: EnvelopeId,
    /// What was received under that id: the digest of its canonical bytes. The sender compares it with the
    /// digest of what it sent; an ack with another digest does not count.
    pub digest: Digest,
    /// The recipient's name for the transport that brought it first, 1 to 64 bytes of visible ASCII.
    pub via: Option<String>,
    /// `routing.retry_count` of the copy that came: tells the sender which of its attempts that was. Nobody signs it
    /// on the way, so it decides nothing but what the ledger shows.
    pub retry_count: Option<u32>,
    /// When it came, by the recipient's clock.
    pub received_at: Timestamp,
}

impl AckBody {
    /// As the content of a sealed body.
    pub fn to_content(&self) -> Content {
        let items: Vec<Value> = self.items.iter().map(|item| Value::Object(item.to_map())).collect();
        let mut map = Map::new();
        put(&mut map, "items", items);
        Content::Object(map)
    }

    /// From the content of a sealed body of type `ack`.
    ///
    /// # Errors
    /// Names the field at fault; a list that is empty or longer than [`limits::ACK_ITEMS`] is refused.
    pub fn from_content(content: &Content) -> Result<Self, FieldError> {
        let mut body = object(content)?;
        let items = body.list("items", 1..=limits::ACK_ITEMS)?;
        Ok(Self { items: items.into_iter().map(AckItem::read).collect::<Result<_, _>>()? })
    }
}

impl AckItem {
    fn to_map(&self) -> Map<String, Value> {
        let mut map = Map::new();
        put(&mut map, "envelope_id", self.envelope_id.to_string());
        put(&mut map, "digest", self.digest.to_string());
        put_some(&mut map, "via", self.via.as_deref());
        put_some(&mut map, "retry_count", self.retry_count);
        put(&mut map, "received_at", self.received_at.to_string());
        map
    }

    fn read(value: Value) -> Result<Self, FieldError> {
        let mut item = Fields::new(value, "items")?;
        let via = item.optional_text("items.via", 1..=limits::TRANSPORT_NAME_BYTES)?;
        if via.as_deref().is_some_and(|via| !is_token(via)) {
            return Err(FieldError::new("items.via", "must be visible ASCII"));
        }
        Ok(Self {
            envelope_id: item.parsed("items.envelope_id", 36)?,
            digest: item.parsed("items.digest", 64)?,
            via,
            retry_count: item
                .optional_integer("items.retry_count", u32::MAX.into())?
                .and_then(|n| u32::try_from(n).ok()),
            received_at: item.parsed("items.received_at", 35)?,
        })
    }
}

/// The content of an envelope of type `read_receipt`: "these were on my screen". 1 to [`limits::ACK_ITEMS`]
/// envelopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadReceiptBody {
    /// The envelopes.
    pub envelope_ids: Vec<EnvelopeId>,
    /// When they were seen, by the recipient's clock.
    pub read_at: Timestamp,
}

impl ReadReceiptBody {
    /// As the content of a sealed body.
    pub fn to_content(&self) -> Content {
        let ids: Vec<Value> = self.envelope_ids.iter().map(|id| id.to_string().into()).collect();
        let mut map = Map::new();
        put(&mut map, "envelope_ids", ids);
        put(&mut map, "read_at", self.read_at.to_string());
        Content::Object(map)
    }

    /// From the content of a sealed body of type `read_receipt`.
    ///
    /// # Errors
    /// Names the field at fault; a list that is empty or longer than [`limits::ACK_ITEMS`] is refused.
    pub fn from_content(content: &Content) -> Result<Self, FieldError> {
        const IDS: &str = "envelope_ids";
        let mut body = object(content)?;
        let ids = body.list(IDS, 1..=limits::ACK_ITEMS)?;
        Ok(Self {
            envelope_ids: ids.into_iter().map(|id| parsed(id, IDS, 36)).collect::<Result<_, _>>()?,
            read_at: body.parsed("read_at", 35)?,
        })
    }
}

pub(super) fn object(content: &Content) -> Result<Fields, FieldError> {
    match content {
        Content::Object(map) => Fields::new(Value::Object(map.clone()), "content"),
        Content::Text(_) => Err(FieldError::new("content", "must be an object")),
    }
}
