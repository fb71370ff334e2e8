//! A frame as the content of a Matrix event.
//!
//! A small frame lies in the event itself, in base64; a larger one is sealed once more with a key of its own and left in the
//! homeserver's media repository, and the event says where and with which key. Both are `m.room.message` events, so that other
//! clients show something sensible: the `body` says what it is. The content travels encrypted (Megolm).

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use bytes::Bytes;
use chacha20poly1305::{AeadInPlace as _, ChaCha20Poly1305, Key, KeyInit as _, Nonce};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::wire::limits;

/// Largest frame that lies in the event itself. An event has at most 65 536 bytes with everything the servers add; base64 inside
/// Megolm's base64 makes 16 bytes out of 9.
pub(super) const INLINE_BYTES: usize = 32 * 1024;
/// What sealing adds to a stored frame, in bytes.
pub(super) const SEAL_BYTES: usize = 16;
/// Largest content that is looked at, in bytes; homeservers let no larger event pass.
const CONTENT_BYTES: usize = 64 * 1024;
/// Longest address in a media repository, in bytes.
const URL_BYTES: usize = 512;
const VERSION: u8 = 1;
const BODY: &str = "A sealed message for skcomm-tui.";

/// A frame, or where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The frame itself.
    Inline(Bytes),
    /// It must be fetched.
    Stored(Stored),
}

/// A frame in the media repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// `mxc://SERVER/ID`.
    pub url: String,
    /// Opens it; used for nothing else.
    pub key: Zeroizing<[u8; 32]>,
    /// Bytes of the frame, without what sealing adds.
    pub size: usize,
}

/// A content is no frame.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ContentError {
    /// Somebody wrote something else into the room.
    #[error("a message that is no frame")]
    NoFrame,
    /// A later version of this program.
    #[error("a frame of version {0}; this program knows version {VERSION}")]
    Version(u8),
    /// More than the limit that is named.
    #[error("a frame of {0} bytes; at most {max} are taken", max = limits::ENVELOPE_BYTES)]
    TooLarge(u64),
    /// The part that is named is missing or not valid.
    #[error("a frame without a valid {0}")]
    Malformed(&'static str),
}

#[derive(Serialize, Deserialize)]
struct Message {
    msgtype: String,
    body: String,
    #[serde(rename = "skcomm.frame", default, skip_serializing_if = "Option::is_none")]
    frame: Option<Part>,
}

#[derive(Serialize, Deserialize)]
struct Part {
    v: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

impl Content {
    /// The JSON of the event's content.
    ///
    /// # Errors
    /// Never in practice: the parts are strings and numbers.
    pub fn write(&self) -> Result<serde_json::Value, serde_json::Error> {
        let part = match self {
            Self::Inline(frame) => {
                Part { v: VERSION, data: Some(BASE64.encode(frame)), url: None, key: None, size: None }
            }
            Self::Stored(stored) => Part {
                v: VERSION,
                data: None,
                url: Some(stored.url.clone()),
                key: Some(BASE64.encode(stored.key.as_slice())),
                size: Some(stored.size as u64),
            },
        };
        serde_json::to_value(Message { msgtype: "m.notice".to_owned(), body: BODY.to_owned(), frame: Some(part) })
    }

    /// Reads the JSON of an event's content, which somebody else wrote.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn read(content: &str) -> Result<Self, ContentError> {
        if content.len() > CONTENT_BYTES {
            return Err(ContentError::TooLarge(content.len() as u64));
        }
        // What is not even a message is no frame either: nothing more is to be said about it.
        let message: Message = serde_json::from_str(content).map_err(|_| ContentError::NoFrame)?;
        let part = message.frame.ok_or(ContentError::NoFrame)?;
        if part.v != VERSION {
            return Err(ContentError::Version(part.v));
        }
        match (part.data, part.url) {
            (Some(data), None) => {
                let frame = BASE64.decode(data).map_err(|_| ContentError::Malformed("data"))?;
                if frame.is_empty() { Err(ContentError::Malformed("data")) } else { Ok(Self::Inline(frame.into())) }
            }
            (None, Some(url)) => stored(url, part.key, part.size).map(Self::Stored),
            _ => Err(ContentError::Malformed("data or url")),
        }
    }
}

fn stored(url: String, key: Option<String>, size: Option<u64>) -> Result<Stored, ContentError> {
    let size = size.filter(|size| *size > 0).ok_or(ContentError::Malformed("size"))?;
    let within = usize::try_from(size).ok().filter(|size| *size <= limits::ENVELOPE_BYTES);
    let size = within.ok_or(ContentError::TooLarge(size))?;
    if url.len() > URL_BYTES || !url.starts_with("mxc://") {
        return Err(ContentError::Malformed("url"));
    }
    let key = key.map(Zeroizing::new).and_then(|text| BASE64.decode(text.as_bytes()).map(Zeroizing::new).ok());
    let key = key.and_then(|key| <[u8; 32]>::try_from(key.as_slice()).ok()).ok_or(ContentError::Malformed("key"))?;
    Ok(Stored { url, key: Zeroizing::new(key), size })
}

/// Seals a frame for the media repository: what lies there, and the key, which is used for this frame only (hence the nonce
/// may be zero).
pub(super) fn seal(frame: &[u8]) -> Option<(Vec<u8>, Zeroizing<[u8; 32]>)> {
    let key: Zeroizing<[u8; 32]> = Zeroizing::new(rand::random());
    let mut sealed = Vec::with_capacity(frame.len() + SEAL_BYTES);
    sealed.extend_from_slice(frame);
    let cipher = ChaCha20Poly1305::new(Key::from_slice(key.as_slice()));
    cipher.encrypt_in_place(&Nonce::default(), b"", &mut sealed).ok()?;
    Some((sealed, key))
}

/// Opens what was fetched; none when it is not what was left there.
pub(super) fn open(mut sealed: Vec<u8>, stored: &Stored) -> Option<Bytes> {
    let cipher = ChaCha20Poly1305::new(Key::from_slice(stored.key.as_slice()));
    cipher.decrypt_in_place(&Nonce::default(), b"", &mut sealed).ok()?;
    (sealed.len() == stored.size).then(|| sealed.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round(content: &Content) -> Content {
        Content::read(&content.write().unwrap().to_string()).unwrap()
    }

    #[test]
    fn the_largest_inline_frame_fits_into_an_event() {
        let frame = Content::Inline(vec![0xff; INLINE_BYTES].into());
        let plain = frame.write().unwrap().to_string().len() + 200;
        let megolm = (plain + 16 + 128).div_ceil(3) * 4;
        assert!(megolm + 4096 < 65_536, "{megolm} bytes leave too little for what clients and servers add");
    }

    #[test]
    fn what_is_stored_is_sealed_and_opens_only_with_its_key_and_size() {
        let (sealed, key) = seal(b"frame").unwrap();
        assert_eq!(sealed.len(), 5 + SEAL_BYTES);
        let stored = Stored { url: "mxc://x.example/abc".into(), key, size: 5 };
        assert_eq!(open(sealed.clone(), &stored).unwrap(), "frame");
        let Content::Stored(again) = round(&Content::Stored(stored.clone())) else { panic!() };
        assert_eq!(open(sealed.clone(), &again).unwrap(), "frame");
        assert!(open(sealed.clone(), &Stored { size: 4, ..stored.clone() }).is_none());
        assert!(open(sealed.clone(), &Stored { key: Zeroizing::new([0; 32]), ..stored.clone() }).is_none());
        assert!(open(sealed[..20].to_vec(), &stored).is_none());
        assert!(open(Vec::new(), &stored).is_none());
    }

    #[test]
    fn what_is_no_frame_is_named() {
        let key = "A".repeat(43);
        let stored = |url: &str, key: &str, size: u64| {
            format!(
                r#"{{"msgtype":"m.notice","body":"","skcomm.frame":{{"v":1,"url":"{url}","key":"{key}","size":{size}}}}}"#
            )
        };
        assert!(Content::read(&stored("mxc://x/y", &key, 16 * 1024 * 1024)).is_ok());
        for (content, error) in [
            ("".to_owned(), ContentError::NoFrame),
            ("[1]".to_owned(), ContentError::NoFrame),
            (r#"{"msgtype":"m.text","body":"hello"}"#.to_owned(), ContentError::NoFrame),
            (r#"{"msgtype":"m","body":"","skcomm.frame":{"v":2}}"#.to_owned(), ContentError::Version(2)),
            (r#"{"msgtype":"m","body":"","skcomm.frame":{"v":1}}"#.to_owned(), ContentError::Malformed("data or url")),
            (
                r#"{"msgtype":"m","body":"","skcomm.frame":{"v":1,"data":"%"}}"#.to_owned(),
                ContentError::Malformed("data"),
            ),
            (
                r#"{"msgtype":"m","body":"","skcomm.frame":{"v":1,"data":""}}"#.to_owned(),
                ContentError::Malformed("data"),
            ),
            (stored("https://x/y", &key, 5), ContentError::Malformed("url")),
            (stored("mxc://x/y", "AAAA", 5), ContentError::Malformed("key")),
            (stored("mxc://x/y", &key, 0), ContentError::Malformed("size")),
            (stored("mxc://x/y", &key, 16 * 1024 * 1024 + 1), ContentError::TooLarge(16 * 1024 * 1024 + 1)),
            (" ".repeat(70_000), ContentError::TooLarge(70_000)),
            ("[".repeat(60_000), ContentError::NoFrame),
        ] {
            assert_eq!(Content::read(&content), Err(error), "{}", &content[..content.len().min(100)]);
        }
    }

    proptest! {
        #[test]
        fn every_small_frame_survives(frame in proptest::collection::vec(any::<u8>(), 1..INLINE_BYTES)) {
            let content = Content::Inline(frame.into());
            prop_assert_eq!(round(&content), content);
        }

        #[test]
        fn nothing_foreign_is_fatal(content in ".{0,200}", v in any::<u8>(), data in ".{0,40}", size in any::<u64>()) {
            let _ = Content::read(&content);
            let part = serde_json::json!({"v": v, "data": data, "url": content, "key": data, "size": size});
            let message = serde_json::json!({"msgtype": "m.text", "body": content, "skcomm.frame": part});
            prop_assert!(Content::read(&message.to_string()).is_err(), "data and url at once");
        }
    }
}
