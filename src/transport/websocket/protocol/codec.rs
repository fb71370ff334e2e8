//! Messages to bytes and back.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{
    Auth, CERTIFICATE_BYTES, Challenge, FromClient, FromRelay, NAME_BYTES, ProtocolError, Refusal, RefusalKind,
    SIGNATURE_BYTES, TEXT_BYTES, Welcome, Window, refusal::bounded_line,
};
use crate::wire::{Fingerprint, SafeText, Timestamp, limits};

mod tag {
    pub(super) const CHALLENGE: u8 = 0x01;
    pub(super) const AUTH: u8 = 0x02;
    pub(super) const WELCOME: u8 = 0x03;
    pub(super) const PUT: u8 = 0x10;
    pub(super) const STORED: u8 = 0x11;
    pub(super) const REFUSED: u8 = 0x12;
    pub(super) const DELIVER: u8 = 0x20;
    pub(super) const TAKEN: u8 = 0x21;
    pub(super) const LATER: u8 = 0x22;
    pub(super) const BYE: u8 = 0x30;
}

impl FromRelay {
    /// The bytes on the wire. Texts over their bound are cut; they are this side's own.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(64);
        match self {
            Self::Challenge(challenge) => {
                out.put_u8(tag::CHALLENGE);
                out.put_slice(&challenge.nonce);
                out.put_i64(challenge.time.unix_ms());
                out.put_u8(u8::from(challenge.token_required));
                put_short(&mut out, challenge.name.as_str());
            }
            Self::Welcome(welcome) => {
                out.put_u8(tag::WELCOME);
                out.put_u32(welcome.max_frame);
                put_window(&mut out, welcome.window);
                out.put_u32(welcome.keep_seconds);
                out.put_u16(welcome.silence_seconds);
            }
            Self::Stored { seq, durable } => {
                out.put_u8(tag::STORED);
                out.put_u64(*seq);
                out.put_u8(u8::from(*durable));
            }
            Self::Refused { seq, refusal } => {
                out.put_u8(tag::REFUSED);
                out.put_u64(*seq);
                put_refusal(&mut out, refusal);
            }
            Self::Deliver { id, frame } => {
                out.reserve(9 + frame.len());
                out.put_u8(tag::DELIVER);
                out.put_u64(*id);
                out.put_slice(frame);
            }
            Self::Bye(refusal) => {
                out.put_u8(tag::BYE);
                put_refusal(&mut out, refusal);
            }
        }
        out.freeze()
    }

    /// Reads one message of a relay. Frames share the memory of `bytes`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn decode(bytes: Bytes) -> Result<Self, ProtocolError> {
        let mut input = Input(bytes);
        let message = match input.tag()? {
            tag::CHALLENGE => Self::Challenge(Challenge {
                nonce: input.array("nonce")?,
                time: Timestamp::from_unix_ms(i64::from_be_bytes(input.array("time")?)),
                token_required: input.flag("token required")?,
                name: input.short("name")?,
            }),
            tag::WELCOME => Self::Welcome(Welcome {
                max_frame: u32::from_be_bytes(input.array("max frame")?),
                window: input.window()?,
                keep_seconds: u32::from_be_bytes(input.array("keep seconds")?),
                silence_seconds: u16::from_be_bytes(input.array("silence seconds")?),
            }),
            tag::STORED => Self::Stored { seq: input.u64("seq")?, durable: input.flag("durable")? },
            tag::REFUSED => Self::Refused { seq: input.u64("seq")?, refusal: input.refusal()? },
            tag::DELIVER => Self::Deliver { id: input.u64("id")?, frame: input.frame()? },
            tag::BYE => Self::Bye(input.refusal()?),
            other => return Err(ProtocolError::UnknownTag(other)),
        };
        input.end()?;
        Ok(message)
    }
}

impl FromClient {
    /// The bytes on the wire.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(64);
        match self {
            Self::Auth(auth) => put_auth(&mut out, auth),
            Self::Put { seq, recipient, frame } => {
                out.reserve(super::OVERHEAD_BYTES + frame.len());
                out.put_u8(tag::PUT);
                out.put_u64(*seq);
                put_fingerprint(&mut out, recipient);
                out.put_slice(frame);
            }
            Self::Taken { id } => {
                out.put_u8(tag::TAKEN);
                out.put_u64(*id);
            }
            Self::Later { id } => {
                out.put_u8(tag::LATER);
                out.put_u64(*id);
            }
        }
        out.freeze()
    }

    /// Reads one message of a client. Frames share the memory of `bytes`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn decode(bytes: Bytes) -> Result<Self, ProtocolError> {
        let mut input = Input(bytes);
        let message = match input.tag()? {
            tag::AUTH => Self::Auth(input.auth()?),
            tag::PUT => {
                Self::Put { seq: input.u64("seq")?, recipient: input.fingerprint("recipient")?, frame: input.frame()? }
            }
            tag::TAKEN => Self::Taken { id: input.u64("id")? },
            tag::LATER => Self::Later { id: input.u64("id")? },
            other => return Err(ProtocolError::UnknownTag(other)),
        };
        input.end()?;
        Ok(message)
    }
}

fn put_auth(out: &mut BytesMut, auth: &Auth) {
    out.reserve(auth.certificate.len() + auth.signature.len() + 512);
    out.put_u8(tag::AUTH);
    put_fingerprint(out, &auth.fingerprint);
    put_short(out, &auth.host);
    put_window(out, auth.receive);
    match &auth.token_proof {
        Some(proof) => {
            out.put_u8(32);
            out.put_slice(proof);
        }
        None => out.put_u8(0),
    }
    put_long(out, &auth.certificate);
    put_long(out, &auth.signature);
}

fn put_fingerprint(out: &mut BytesMut, fingerprint: &Fingerprint) {
    let raw = fingerprint.as_bytes();
    out.put_u8(if raw.len() == 20 { 20 } else { 32 });
    out.put_slice(raw);
}

fn put_window(out: &mut BytesMut, window: Window) {
    out.put_u16(window.messages);
    out.put_u32(window.bytes);
}

fn put_refusal(out: &mut BytesMut, refusal: &Refusal) {
    let ms = refusal.retry_after.map_or(0, |wait| u32::try_from(wait.as_millis()).unwrap_or(u32::MAX));
    let text = cut(refusal.text.as_str(), TEXT_BYTES);
    out.put_u8(refusal.kind.code());
    out.put_u32(ms);
    out.put_u16(u16::try_from(text.len()).unwrap_or(0));
    out.put_slice(text);
}

/// At most 255 bytes of text behind one byte of length.
fn put_short(out: &mut BytesMut, text: &str) {
    let text = cut(text, NAME_BYTES);
    out.put_u8(u8::try_from(text.len()).unwrap_or(0));
    out.put_slice(text);
}

/// Bytes behind four bytes of length. What is encoded here is far below 4 GiB.
fn put_long(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u32(u32::try_from(bytes.len()).unwrap_or(0));
    out.put_slice(bytes);
}

fn cut(text: &str, most: usize) -> &[u8] {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text.as_bytes()[..end]
}

/// The rest of a message being read.
struct Input(Bytes);

impl Input {
    fn tag(&mut self) -> Result<u8, ProtocolError> {
        if self.0.is_empty() { Err(ProtocolError::Empty) } else { Ok(self.0.get_u8()) }
    }

    fn take(&mut self, len: usize, field: &'static str) -> Result<Bytes, ProtocolError> {
        if self.0.len() < len {
            return Err(ProtocolError::Truncated(field));
        }
        Ok(self.0.split_to(len))
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], ProtocolError> {
        let mut array = [0; N];
        array.copy_from_slice(&self.take(N, field)?);
        Ok(array)
    }

    fn u64(&mut self, field: &'static str) -> Result<u64, ProtocolError> {
        Ok(u64::from_be_bytes(self.array(field)?))
    }

    fn byte(&mut self, field: &'static str) -> Result<u8, ProtocolError> {
        Ok(self.array::<1>(field)?[0])
    }

    fn flag(&mut self, field: &'static str) -> Result<bool, ProtocolError> {
        match self.byte(field)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(ProtocolError::Invalid(field)),
        }
    }

    fn text(&mut self, len: usize, field: &'static str) -> Result<String, ProtocolError> {
        let raw = self.take(len, field)?;
        std::str::from_utf8(&raw).map(str::to_owned).map_err(|_| ProtocolError::Invalid(field))
    }

    fn short(&mut self, field: &'static str) -> Result<SafeText, ProtocolError> {
        let len = usize::from(self.byte(field)?);
        Ok(bounded_line(&self.text(len, field)?, NAME_BYTES))
    }

    fn long(&mut self, most: usize, field: &'static str) -> Result<Bytes, ProtocolError> {
        let len = u32::from_be_bytes(self.array(field)?) as usize;
        if len > most {
            return Err(ProtocolError::TooLong(field));
        }
        self.take(len, field)
    }

    fn fingerprint(&mut self, field: &'static str) -> Result<Fingerprint, ProtocolError> {
        let len = usize::from(self.byte(field)?);
        if len != 20 && len != 32 {
            return Err(ProtocolError::Invalid(field));
        }
        Fingerprint::from_bytes(&self.take(len, field)?).map_err(|_| ProtocolError::Invalid(field))
    }

    fn window(&mut self) -> Result<Window, ProtocolError> {
        let messages = u16::from_be_bytes(self.array("window")?);
        Ok(Window { messages, bytes: u32::from_be_bytes(self.array("window")?) })
    }

    fn refusal(&mut self) -> Result<Refusal, ProtocolError> {
        let kind = RefusalKind::from_code(self.byte("refusal")?);
        let ms = u32::from_be_bytes(self.array("retry after")?);
        let len = usize::from(u16::from_be_bytes(self.array("text")?));
        if len > TEXT_BYTES {
            return Err(ProtocolError::TooLong("text"));
        }
        let text = bounded_line(&self.text(len, "text")?, TEXT_BYTES);
        Ok(Refusal { kind, retry_after: (ms > 0).then(|| Duration::from_millis(u64::from(ms))), text })
    }

    fn auth(&mut self) -> Result<Auth, ProtocolError> {
        let fingerprint = self.fingerprint("fingerprint")?;
        let host_len = usize::from(self.byte("host")?);
        let host = self.text(host_len, "host")?;
        let receive = self.window()?;
        let token_proof = match self.byte("token proof")? {
            0 => None,
            32 => Some(self.array("token proof")?),
            _ => return Err(ProtocolError::Invalid("token proof")),
        };
        let certificate = self.long(CERTIFICATE_BYTES, "certificate")?;
        let signature = self.long(SIGNATURE_BYTES, "signature")?;
        Ok(Auth { fingerprint, host, receive, token_proof, certificate, signature })
    }

    /// The frame is all that is left.
    fn frame(&mut self) -> Result<Bytes, ProtocolError> {
        if self.0.is_empty() {
            return Err(ProtocolError::Truncated("frame"));
        }
        if self.0.len() > limits::ENVELOPE_BYTES {
            return Err(ProtocolError::TooLong("frame"));
        }
        Ok(std::mem::take(&mut self.0))
    }

    fn end(&self) -> Result<(), ProtocolError> {
        if self.0.is_empty() { Ok(()) } else { Err(ProtocolError::Trailing(self.0.len())) }
    }
}
