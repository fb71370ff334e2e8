//! What travels over one TCP connection: a preamble, then frames.
//!
//! Every frame is `length (4 bytes) | type (1) | sequence (8) | payload`, integers in network byte order, where
//! `length` counts what follows it. The bounds of a frame are checked on its first 13 bytes, before anything is
//! read or allocated for the rest; the buffer then grows only as bytes really arrive.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio_util::codec::{Decoder, Encoder};

use crate::{
    delivery::{Reason, ReasonKind},
    wire::limits,
};

/// The first bytes of either side of a connection: a name, a zero byte, the version of the framing.
pub const PREAMBLE: [u8; 8] = *b"SKCOMM\0\x01";
/// Bytes of a frame before its payload: length, type, sequence number.
pub const HEADER_BYTES: usize = 13;
/// Type and sequence number: the part of the header that the length counts.
const COUNTED_BYTES: usize = 9;
/// Largest payload of a frame that carries a reason.
pub const REASON_BYTES: usize = 1024;
/// Payloads up to this size are copied out of the read buffer, so that a small frame never keeps a large
/// buffer alive.
const COPY_BYTES: usize = 64 * 1024;

/// What a frame is. The numbers are the type byte on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameType {
    /// An envelope, from the side that dialled. Payload: 1 to `limits::ENVELOPE_BYTES` bytes.
    Data = 1,
    /// The envelope of that number is durable at the other side. No payload.
    Taken = 2,
    /// It will never be taken. Payload: a reason, at most [`REASON_BYTES`].
    Refused = 3,
    /// It was not taken now and may be sent again. Payload: a reason, at most [`REASON_BYTES`].
    Later = 4,
    /// "Are you there?" No payload; the number is the sender's choice.
    Ping = 5,
    /// The answer, with the number of the question. No payload.
    Pong = 6,
}

impl FrameType {
    fn from_byte(byte: u8) -> Result<Self, FrameError> {
        Ok(match byte {
            1 => Self::Data,
            2 => Self::Taken,
            3 => Self::Refused,
            4 => Self::Later,
            5 => Self::Ping,
            6 => Self::Pong,
            other => return Err(FrameError::UnknownType(other)),
        })
    }

    fn payload_bounds(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Data => 1..=limits::ENVELOPE_BYTES,
            Self::Refused | Self::Later => 0..=REASON_BYTES,
            Self::Taken | Self::Ping | Self::Pong => 0..=0,
        }
    }
}

/// Why what came over a connection is not a frame. The connection is closed: there is no way to find the next one.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// The other side does not begin with [`PREAMBLE`].
    #[error("the other side does not speak this protocol")]
    Preamble,
    /// The other side speaks another version of the framing.
    #[error("the other side speaks version {0} of the framing, this program version {own}", own = PREAMBLE[7])]
    Version(u8),
    /// A type byte of no known type.
    #[error("frame of unknown type {0}")]
    UnknownType(u8),
    /// A payload outside of the bounds of its type.
    #[error("{kind:?} frame of {claimed} bytes, allowed are {low} to {high}")]
    Length {
        /// The type.
        kind: FrameType,
        /// The payload's length as claimed; below zero when even the header does not fit in.
        claimed: i64,
        /// Smallest payload of the type.
        low: usize,
        /// Largest payload of the type.
        high: usize,
    },
    /// The connection ended within a frame.
    #[error("the connection ended in the middle of a frame")]
    Cut,
    /// A frame that this side does not expect.
    #[error("unexpected {0:?} frame")]
    Unexpected(FrameType),
    /// Sequence numbers of envelopes grow by one.
    #[error("envelope number {got} where {expected} was due")]
    Sequence {
        /// The number that came.
        got: u64,
        /// The number that was due.
        expected: u64,
    },
    /// Nothing came for so long, not even a sign of life.
    #[error("nothing was heard for {} s", .0.as_secs_f32())]
    Silent(std::time::Duration),
    /// A frame, or the reading of what we wrote, made no progress worth the name.
    #[error("a frame came too slowly")]
    Slow,
    /// Reading or writing failed.
    #[error("{0}")]
    Io(String),
}

impl From<std::io::Error> for FrameError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

/// The checked beginning of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it is.
    pub kind: FrameType,
    /// Its number: for envelopes 1, 2, 3 …; for answers the number of what is answered.
    pub sequence: u64,
    /// Bytes of payload, within the bounds of the type.
    pub payload: usize,
}

impl Header {
    /// Reads the header at the beginning of `bytes`; none while there are fewer than [`HEADER_BYTES`].
    ///
    /// # Errors
    /// When the type is not known or the length is outside of the type's bounds.
    pub fn peek(mut bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        if bytes.len() < HEADER_BYTES {
            return Ok(None);
        }
        let length = bytes.get_u32() as usize;
        let kind = FrameType::from_byte(bytes.get_u8())?;
        let sequence = bytes.get_u64();
        let bounds = kind.payload_bounds();
        match length.checked_sub(COUNTED_BYTES) {
            Some(payload) if bounds.contains(&payload) => Ok(Some(Self { kind, sequence, payload })),
            _ => Err(FrameError::Length {
                kind,
                claimed: length as i64 - COUNTED_BYTES as i64,
                low: *bounds.start(),
                high: *bounds.end(),
            }),
        }
    }

    /// Bytes of the whole frame.
    pub fn frame_bytes(&self) -> usize {
        HEADER_BYTES + self.payload
    }

    fn put(&self, out: &mut BytesMut) {
        out.put_u32((COUNTED_BYTES + self.payload) as u32);
        out.put_u8(self.kind as u8);
        out.put_u64(self.sequence);
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: FrameType,
    /// Its number.
    pub sequence: u64,
    /// What it carries.
    pub payload: Bytes,
}

impl Frame {
    /// A frame without payload.
    pub fn bare(kind: FrameType, sequence: u64) -> Self {
        Self { kind, sequence, payload: Bytes::new() }
    }

    /// A frame that carries `reason`, cut to [`REASON_BYTES`].
    pub fn with_reason(kind: FrameType, sequence: u64, reason: &Reason) -> Self {
        Self { kind, sequence, payload: encode_reason(reason) }
    }

    /// The reason that a [`FrameType::Refused`] or [`FrameType::Later`] frame carries. Foreign text is made safe;
    /// what cannot be read becomes a reason that says so.
    pub fn reason(&self) -> Reason {
        match serde_json::from_slice::<WrittenReason>(&self.payload) {
            Ok(written) => Reason::new(written.kind, &written.detail),
            Err(_) => Reason::new(ReasonKind::Other, "the peer gave no readable reason"),
        }
    }
}

/// A reason as it travels: `{"kind":"no_space","detail":"…"}`.
#[derive(Serialize, Deserialize)]
struct WrittenReason {
    #[serde(default = "other", deserialize_with = "known_kind")]
    kind: ReasonKind,
    #[serde(default)]
    detail: String,
}

fn other() -> ReasonKind {
    ReasonKind::Other
}

/// Kinds that a later version may have made up are read as [`ReasonKind::Other`].
fn known_kind<'de, D: serde::Deserializer<'de>>(d: D) -> Result<ReasonKind, D::Error> {
    Ok(ReasonKind::deserialize(serde_json::Value::deserialize(d)?).unwrap_or(ReasonKind::Other))
}

fn encode_reason(reason: &Reason) -> Bytes {
    let mut detail = reason.detail.as_str().to_owned();
    loop {
        let written = WrittenReason { kind: reason.kind, detail };
        match serde_json::to_vec(&written) {
            Ok(json) if json.len() <= REASON_BYTES => return json.into(),
            // Serialising two plain fields does not fail; an empty payload still says "no readable reason".
            Err(_) => return Bytes::new(),
            Ok(_) => {
                detail = written.detail;
                let cut = detail.floor_char_boundary((detail.len() / 2).min(REASON_BYTES));
                detail.truncate(cut);
            }
        }
    }
}

/// Takes the frame that `header` was read from off the beginning of `buffer`; none while it is not whole.
pub fn take(buffer: &mut BytesMut, header: Header) -> Option<Frame> {
    if buffer.len() < header.frame_bytes() {
        return None;
    }
    buffer.advance(HEADER_BYTES);
    let payload = if header.payload <= COPY_BYTES {
        let copy = Bytes::copy_from_slice(&buffer[..header.payload]);
        buffer.advance(header.payload);
        copy
    } else {
        buffer.split_to(header.payload).freeze()
    };
    Some(Frame { kind: header.kind, sequence: header.sequence, payload })
}

/// Checks the preamble at the beginning of `buffer` and takes it off; `false` while it may still become one.
///
/// # Errors
/// As soon as one byte is wrong.
pub fn take_preamble(buffer: &mut BytesMut) -> Result<bool, FrameError> {
    let have = buffer.len().min(PREAMBLE.len());
    let name = have.min(PREAMBLE.len() - 1);
    if buffer[..name] != PREAMBLE[..name] {
        return Err(FrameError::Preamble);
    }
    if have < PREAMBLE.len() {
        return Ok(false);
    }
    if buffer[have - 1] != PREAMBLE[have - 1] {
        return Err(FrameError::Version(buffer[have - 1]));
    }
    buffer.advance(PREAMBLE.len());
    Ok(true)
}

/// Frames without the preamble, for `tokio_util::codec`. It never reserves what a header claims: the buffer
/// grows as bytes arrive.
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameCodec;

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        Ok(Header::peek(buffer)?.and_then(|header| take(buffer, header)))
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        match self.decode(buffer)? {
            Some(frame) => Ok(Some(frame)),
            None if buffer.is_empty() => Ok(None),
            None => Err(FrameError::Cut),
        }
    }
}

impl Encoder<&Frame> for FrameCodec {
    type Error = FrameError;

    fn encode(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
        out.reserve(HEADER_BYTES + frame.payload.len());
        put_header(frame, out)?;
        out.put_slice(&frame.payload);
        Ok(())
    }
}

/// Writes the header of `frame` to `out`, for writers that send a large payload from where it lies.
///
/// # Errors
/// When the payload is outside of the bounds of the frame's type.
pub fn put_header(frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
    let (kind, payload) = (frame.kind, frame.payload.len());
    let bounds = kind.payload_bounds();
    if !bounds.contains(&payload) {
        let (low, high) = (*bounds.start(), *bounds.end());
        return Err(FrameError::Length { kind, claimed: payload as i64, low, high });
    }
    Header { kind, sequence: frame.sequence, payload }.put(out);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_frame() -> impl Strategy<Value = Frame> {
        let payload = |max| proptest::collection::vec(any::<u8>(), 1..max).prop_map(Bytes::from);
        let kinds = prop_oneof![
            payload(3000).prop_map(|p| (FrameType::Data, p)),
            payload(REASON_BYTES).prop_map(|p| (FrameType::Refused, p)),
            payload(REASON_BYTES).prop_map(|p| (FrameType::Later, p)),
            Just((FrameType::Taken, Bytes::new())),
            Just((FrameType::Ping, Bytes::new())),
            Just((FrameType::Pong, Bytes::new())),
        ];
        (kinds, any::<u64>()).prop_map(|((kind, payload), sequence)| Frame { kind, sequence, payload })
    }

    fn encoded(frames: &[Frame]) -> BytesMut {
        let mut out = BytesMut::new();
        for frame in frames {
            FrameCodec.encode(frame, &mut out).unwrap();
        }
        out
    }

    /// Feeds `chunks` one after the other and gives every frame that came out.
    fn decoded<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Frame>, FrameError> {
        let (mut buffer, mut frames) = (BytesMut::new(), Vec::new());
        for chunk in chunks {
            buffer.extend_from_slice(chunk);
            while let Some(frame) = FrameCodec.decode(&mut buffer)? {
                frames.push(frame);
            }
        }
        while let Some(frame) = FrameCodec.decode_eof(&mut buffer)? {
            frames.push(frame);
        }
        Ok(frames)
    }

    proptest! {
        #[test]
        fn frames_survive_any_split(frames in proptest::collection::vec(any_frame(), 1..6), size in 1usize..700) {
            let bytes = encoded(&frames);
            prop_assert_eq!(&decoded(bytes.chunks(size)).unwrap(), &frames);
        }

        #[test]
        fn garbage_never_panics_and_never_reserves(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            let before = buffer.capacity();
            while let Ok(Some(_)) = FrameCodec.decode(&mut buffer) {}
            prop_assert!(buffer.capacity() <= before);
        }

        #[test]
        fn a_reason_is_bounded_and_keeps_its_kind(detail in ".{0,3000}") {
            let reason = Reason::new(ReasonKind::NoSpace, &detail);
            let frame = Frame::with_reason(FrameType::Refused, 1, &reason);
            prop_assert!(frame.payload.len() <= REASON_BYTES);
            prop_assert_eq!(frame.reason().kind, ReasonKind::NoSpace);
        }
    }

    #[test]
    fn every_single_split_point_gives_the_same_frames() {
        let frames = [
            Frame { kind: FrameType::Data, sequence: 1, payload: Bytes::from_static(b"one") },
            Frame::bare(FrameType::Ping, 7),
            Frame::with_reason(FrameType::Later, 1, &Reason::new(ReasonKind::QueueFull, "full")),
        ];
        let bytes = encoded(&frames);
        for at in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(at);
            assert_eq!(decoded([head, tail]).unwrap(), frames, "split at {at}");
        }
        for cut in 0..bytes.len() {
            match decoded([&bytes[..cut]]) {
                Err(error) => assert_eq!(error, FrameError::Cut, "cut at {cut}"),
                Ok(got) => assert_eq!(encoded(&got).len(), cut, "cut at {cut} lies between frames"),
            }
        }
    }

    #[test]
    fn claims_outside_of_the_bounds_are_refused_from_the_header_alone() {
        let header = |length: u32, kind: u8| {
            let mut out = BytesMut::new();
            out.put_u32(length);
            out.put_u8(kind);
            out.put_u64(1);
            out
        };
        let largest = (limits::ENVELOPE_BYTES + COUNTED_BYTES) as u32;
        assert!(matches!(Header::peek(&header(largest, 1)), Ok(Some(_))));
        for (length, kind) in [(largest + 1, 1), (u32::MAX, 1), (9, 1), (0, 1), (8, 5), (10, 5), (10, 2), (1034, 3)] {
            let mut bytes = header(length, kind);
            assert!(matches!(FrameCodec.decode(&mut bytes), Err(FrameError::Length { .. })), "{length} {kind}");
        }
        assert_eq!(Header::peek(&header(9, 0)), Err(FrameError::UnknownType(0)));
        assert_eq!(Header::peek(&header(9, 7)), Err(FrameError::UnknownType(7)));
    }

    #[test]
    fn what_is_sent_keeps_the_same_bounds() {
        let mut out = BytesMut::new();
        let empty = Frame { kind: FrameType::Data, sequence: 1, payload: Bytes::new() };
        assert!(matches!(FrameCodec.encode(&empty, &mut out), Err(FrameError::Length { .. })));
        let oversized = Bytes::from(vec![0; limits::ENVELOPE_BYTES + 1]);
        let oversized = Frame { kind: FrameType::Data, sequence: 1, payload: oversized };
        assert!(matches!(FrameCodec.encode(&oversized, &mut out), Err(FrameError::Length { .. })));
        assert!(out.is_empty());
    }

    #[test]
    fn the_preamble_is_checked_byte_by_byte() {
        for upto in 0..PREAMBLE.len() {
            assert_eq!(take_preamble(&mut BytesMut::from(&PREAMBLE[..upto])), Ok(false));
        }
        let mut whole = BytesMut::from(&PREAMBLE[..]);
        whole.extend_from_slice(b"rest");
        assert_eq!(take_preamble(&mut whole), Ok(true));
        assert_eq!(&whole[..], b"rest");
        assert_eq!(take_preamble(&mut BytesMut::from(&b"S\0"[..])), Err(FrameError::Preamble));
        assert_eq!(take_preamble(&mut BytesMut::from(&b"GET / HTTP/1.1"[..])), Err(FrameError::Preamble));
        assert_eq!(take_preamble(&mut BytesMut::from(&b"SKCOMM\0\x02"[..])), Err(FrameError::Version(2)));
    }

    #[test]
    fn a_reason_from_a_stranger_is_made_safe() {
        let frame = |payload: &'static [u8]| Frame {
            kind: FrameType::Refused,
            sequence: 1,
            payload: Bytes::from_static(payload),
        };
        let reason = frame(b"{\"kind\":\"from_the_future\",\"detail\":\"a\\u001b[2Jb\",\"more\":1}").reason();
        assert_eq!(reason.kind, ReasonKind::Other);
        assert!(!reason.to_string().contains('\u{1b}'));
        assert_eq!(frame(b"\xff\xfe").reason().kind, ReasonKind::Other);
    }
}
