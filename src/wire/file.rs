//! What the envelopes of a file transfer say: the manifest that offers a file, its chunks, and how the transfer stands.
//!
//! A chunk names no offset: its place follows from its index and the chunk size of the manifest, so that there is no
//! offset to lie about.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Map, Value};

use super::{
    Content, Digest, EnvelopeId,
    ack::object,
    codec::{content_type, put, put_some},
    fields::{FieldError, Fields},
    limits,
};

/// The content of an envelope of type `file`, by its `part`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileBody {
    /// `manifest`: a file is offered. The envelope that carries it names the transfer.
    Manifest(FileManifest),
    /// `chunk`: a piece of it.
    Chunk(FileChunk),
    /// `status`: how one end wants or sees the transfer.
    Status(FileStatus),
}

/// What is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileManifest {
    /// The sender's name for it, 1 to [`limits::FILE_NAME_BYTES`] bytes. Foreign: no path and no file name of ours.
    pub name: String,
    /// Bytes in all.
    pub size: u64,
    /// SHA-256 of the whole; only a file that has it is what was offered.
    pub sha256: Digest,
    /// Bytes of every chunk but the last, [`limits::FILE_CHUNK_BYTES_MIN`] to [`limits::FILE_CHUNK_BYTES_MAX`].
    pub chunk_bytes: u64,
    /// Media type of the file, if the sender knows it.
    pub media_type: Option<String>,
}

/// One piece of a file.
#[derive(Clone, PartialEq, Eq)]
pub struct FileChunk {
    /// The envelope of the manifest.
    pub transfer: EnvelopeId,
    /// Which piece, from 0.
    pub index: u32,
    /// Its bytes, 1 to [`limits::FILE_CHUNK_BYTES_MAX`].
    pub data: Vec<u8>,
}

impl std::fmt::Debug for FileChunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileChunk({} of {}, {} bytes)", self.index, self.transfer, self.data.len())
    }
}

/// How one end wants or sees a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStatus {
    /// The envelope of the manifest.
    pub transfer: EnvelopeId,
    /// Counts the words of this end on this transfer, so that one that was overtaken changes nothing.
    pub turn: u64,
    /// The word.
    pub word: FileWord,
}

/// One end's word on a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileWord {
    /// `go`: chunks may come (or will come again). The recipient adds which ones are on its disk: bit `i % 8` of byte
    /// `i / 8`, the lowest bit first.
    Go(Option<Vec<u8>>),
    /// `pause`: not now.
    Pause,
    /// `done`: the recipient has the file and its hash is right.
    Done,
    /// `damaged`: all chunks came and the hash is wrong.
    Damaged(String),
    /// `cancel`: the transfer is over, and why.
    Cancel(String),
}

impl FileManifest {
    /// How many chunks it has.
    pub fn chunks(&self) -> u64 {
        self.size.div_ceil(self.chunk_bytes.max(1))
    }

    /// Bytes of one chunk; none when there is no such chunk.
    pub fn chunk_len(&self, index: u64) -> Option<u64> {
        let start = index.checked_mul(self.chunk_bytes)?;
        self.size.checked_sub(start).filter(|rest| *rest > 0).map(|rest| rest.min(self.chunk_bytes))
    }

    fn to_map(&self) -> Map<String, Value> {
        let mut map = Map::new();
        put(&mut map, "part", "manifest");
        put(&mut map, "name", self.name.as_str());
        put(&mut map, "size", self.size);
        put(&mut map, "sha256", self.sha256.to_string());
        put(&mut map, "chunk_bytes", self.chunk_bytes);
        put(&mut map, "chunks", self.chunks());
        put_some(&mut map, "media_type", self.media_type.as_deref());
        map
    }

    fn read(mut body: Fields) -> Result<Self, FieldError> {
        let most = limits::FILE_CHUNKS * limits::FILE_CHUNK_BYTES_MAX;
        let manifest = Self {
            name: body.text("name", 1..=limits::FILE_NAME_BYTES)?,
            size: body.integer("size", most)?,
            sha256: body.parsed("sha256", 64)?,
            chunk_bytes: body.integer("chunk_bytes", limits::FILE_CHUNK_BYTES_MAX)?,
            media_type: content_type(&mut body, "media_type")?,
        };
        if manifest.chunk_bytes < limits::FILE_CHUNK_BYTES_MIN {
            let least = limits::FILE_CHUNK_BYTES_MIN;
            return Err(FieldError::new("chunk_bytes", format!("must be at least {least}")));
        }
        if body.integer("chunks", limits::FILE_CHUNKS)? != manifest.chunks() {
            return Err(FieldError::new("chunks", "does not fit size and chunk_bytes"));
        }
        Ok(manifest)
    }
}

impl FileChunk {
    fn to_map(&self) -> Map<String, Value> {
        let mut map = Map::new();
        put(&mut map, "part", "chunk");
        put(&mut map, "transfer", self.transfer.to_string());
        put(&mut map, "index", self.index);
        put(&mut map, "data", BASE64.encode(&self.data));
        map
    }

    fn read(mut body: Fields) -> Result<Self, FieldError> {
        let transfer = body.parsed("transfer", 36)?;
        let index = body.integer("index", limits::FILE_CHUNKS - 1)?;
        let index = u32::try_from(index).map_err(|_| FieldError::new("index", "is too large"))?;
        let data = bytes(&mut body, "data", limits::FILE_CHUNK_BYTES_MAX)?;
        match data {
            Some(data) if !data.is_empty() => Ok(Self { transfer, index, data }),
            _ => Err(FieldError::new("data", "is missing")),
        }
    }
}

impl FileStatus {
    fn to_map(&self) -> Map<String, Value> {
        let mut map = Map::new();
        put(&mut map, "part", "status");
        put(&mut map, "transfer", self.transfer.to_string());
        put(&mut map, "turn", self.turn);
        let (word, have, reason) = match &self.word {
            FileWord::Go(have) => ("go", have.as_ref(), None),
            FileWord::Pause => ("pause", None, None),
            FileWord::Done => ("done", None, None),
            FileWord::Damaged(reason) => ("damaged", None, Some(reason.as_str())),
            FileWord::Cancel(reason) => ("cancel", None, Some(reason.as_str())),
        };
        put(&mut map, "word", word);
        put_some(&mut map, "have", have.map(|have| BASE64.encode(have)));
        put_some(&mut map, "reason", reason);
        map
    }

    fn read(mut body: Fields) -> Result<Self, FieldError> {
        let transfer = body.parsed("transfer", 36)?;
        let turn = body.integer("turn", (1 << 53) - 1)?;
        let reason = body.optional_text("reason", 0..=limits::FILE_REASON_BYTES)?.unwrap_or_default();
        let word = match body.text("word", 1..=16)?.as_str() {
            "go" => FileWord::Go(bytes(&mut body, "have", limits::FILE_CHUNKS / 8)?),
            "pause" => FileWord::Pause,
            "done" => FileWord::Done,
            "damaged" => FileWord::Damaged(reason),
            "cancel" => FileWord::Cancel(reason),
            _ => return Err(FieldError::new("word", "must be go, pause, done, damaged or cancel")),
        };
        Ok(Self { transfer, turn, word })
    }
}

impl FileBody {
    /// As the content of a sealed body.
    pub fn to_content(&self) -> Content {
        Content::Object(match self {
            Self::Manifest(manifest) => manifest.to_map(),
            Self::Chunk(chunk) => chunk.to_map(),
            Self::Status(status) => status.to_map(),
        })
    }

    /// From the content of a sealed body of type `file`; none for a form that is not ours, which is kept and shown as
    /// it is.
    ///
    /// # Errors
    /// Names the field at fault of a part that is ours.
    pub fn from_content(content: &Content) -> Result<Option<Self>, FieldError> {
        let part = match content {
            Content::Object(map) => map.get("part").and_then(Value::as_str),
            Content::Text(_) => None,
        };
        Ok(match part {
            Some("manifest") => Some(Self::Manifest(FileManifest::read(object(content)?)?)),
            Some("chunk") => Some(Self::Chunk(FileChunk::read(object(content)?)?)),
            Some("status") => Some(Self::Status(FileStatus::read(object(content)?)?)),
            _ => None,
        })
    }
}

/// Base64 with padding (RFC 4648 section 4) of at most `most` bytes. The length is checked before anything is decoded.
fn bytes(body: &mut Fields, field: &'static str, most: u64) -> Result<Option<Vec<u8>>, FieldError> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let Some(text) = body.optional_text(field, 0..=most.div_ceil(3) * 4)? else { return Ok(None) };
    let decoded = BASE64.decode(text).map_err(|_| FieldError::new(field, "must be base64"))?;
    if decoded.len() > most {
        return Err(FieldError::new(field, format!("must have at most {most} bytes")));
    }
    Ok(Some(decoded))
}
