//! Envelopes made by hand, and the hand that pours them into a node's listener.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use skcomm_tui::{
    pgp::{Certificate, SecretKey, seal, sign_detached},
    transport::tcp::frame::{Frame, FrameCodec, FrameType, PREAMBLE},
    wire::{
        Content, Envelope, EnvelopeId, Metadata, Mode, Party, Payload, PayloadType, Routing, SealedBody, Timestamp,
        Urgency,
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_util::codec::{Decoder as _, Encoder as _};

/// Messages under way at once.
pub(crate) const WINDOW: usize = 256;

pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix_ms(jiff::Timestamp::now().as_millisecond())
}

pub(crate) fn id(number: usize) -> EnvelopeId {
    EnvelopeId::from_random((number as u128 + 1).to_be_bytes())
}

/// Whose envelope it is, and for whom.
pub(crate) struct Author<'a> {
    pub(crate) key: &'a SecretKey,
    pub(crate) name: &'a str,
    pub(crate) to: &'a Certificate,
    /// Whether its envelopes carry its certificate, because nobody knows it.
    pub(crate) introduces: bool,
}

impl Author<'_> {
    /// A whole and authentic message.
    pub(crate) fn letter(&self, number: usize, text: &str) -> Envelope {
        self.envelope(number, PayloadType::Message, Content::Text(text.to_owned()))
    }

    /// The same with any content.
    pub(crate) fn envelope(&self, number: usize, kind: PayloadType, content: Content) -> Envelope {
        let (envelope_id, timestamp) = (id(number), now());
        let (from, to) = (self.key, self.to);
        let content_type = matches!(content, Content::Text(_)).then(|| "text/plain".to_owned());
        let body = SealedBody {
            envelope_id,
            timestamp,
            from: from.fingerprint(),
            to: to.fingerprint(),
            from_name: Some(self.name.to_owned()),
            from_fqid: None,
            kind: kind.clone(),
            thread_id: None,
            in_reply_to: None,
            content_type: content_type.clone(),
            urgency: Urgency::Normal,
            ttl_seconds: 3600,
            content,
            sealed: false,
            reply_to: Vec::new(),
        };
        let party = |fingerprint| Party { name: None, fingerprint, fqid: None, certificate: None };
        let certificate = self.introduces.then(|| from.certificate().armored());
        let metadata = Metadata { content_type, urgency: Some(Urgency::Normal), ..Metadata::default() };
        let mut envelope = Envelope {
            skcomm_version: Envelope::VERSION.to_owned(),
            envelope_id,
            timestamp,
            from: Party { name: Some(self.name.to_owned()), certificate, ..party(from.fingerprint()) },
            to: party(to.fingerprint()),
            payload: Payload {
                kind,
                content_encrypted: seal(from, to, &body.encode().unwrap(), timestamp).unwrap(),
                signature: None,
            },
            routing: Routing { mode: Mode::Failover, ttl_seconds: 3600, ..Routing::default() },
            metadata,
        };
        let signature = sign_detached(from, &envelope.canonical_bytes(), timestamp).unwrap();
        envelope.payload.signature = Some(signature);
        envelope
    }
}

/// Sends all, not faster than one each `pause`, and waits for the answer to each: how many were taken and how many not.
pub(crate) async fn pour(address: String, frames: Vec<Bytes>, pause: Option<Duration>) -> (usize, usize) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&PREAMBLE).await.unwrap();
    let mut greeting = [0; PREAMBLE.len()];
    stream.read_exact(&mut greeting).await.unwrap();
    let (mut codec, mut buffer) = (FrameCodec, BytesMut::new());
    let (mut sent, mut taken, mut refused) = (0, 0, 0);
    let mut pace = pause.map(tokio::time::interval);
    while taken + refused < frames.len() {
        while sent < frames.len() && sent - taken - refused < WINDOW {
            if let Some(pace) = &mut pace {
                pace.tick().await;
            }
            let frame = Frame { kind: FrameType::Data, sequence: sent as u64 + 1, payload: frames[sent].clone() };
            let mut bytes = BytesMut::new();
            codec.encode(&frame, &mut bytes).unwrap();
            stream.write_all(&bytes).await.unwrap();
            sent += 1;
        }
        let read = tokio::time::timeout(crate::support::LIMIT, stream.read_buf(&mut buffer)).await;
        assert!(read.expect("an answer in time").unwrap() > 0, "the node hung up on the flood");
        while let Some(frame) = codec.decode(&mut buffer).unwrap() {
            match frame.kind {
                FrameType::Taken => taken += 1,
                FrameType::Refused | FrameType::Later => refused += 1,
                FrameType::Ping | FrameType::Pong | FrameType::Data => {}
            }
        }
    }
    (taken, refused)
}
