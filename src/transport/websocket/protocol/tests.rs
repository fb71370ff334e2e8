use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn fingerprint() -> impl Strategy<Value = Fingerprint> {
    prop_oneof![proptest::collection::vec(any::<u8>(), 20), proptest::collection::vec(any::<u8>(), 32)]
        .prop_map(|raw| Fingerprint::from_bytes(&raw).unwrap())
}

fn frame() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 1..400).prop_map(Bytes::from)
}

fn window() -> impl Strategy<Value = Window> {
    (any::<u16>(), any::<u32>()).prop_map(|(messages, bytes)| Window { messages, bytes })
}

fn refusal() -> impl Strategy<Value = Refusal> {
    (0..RefusalKind::ALL.len(), proptest::option::of(1..u32::MAX), "\\PC{0,600}").prop_map(|(kind, wait, text)| {
        let refusal = Refusal::new(RefusalKind::ALL[kind], &text);
        match wait {
            Some(ms) => refusal.after(Duration::from_millis(u64::from(ms))),
            None => refusal,
        }
    })
}

fn from_relay() -> impl Strategy<Value = FromRelay> {
    prop_oneof![
        (any::<[u8; 32]>(), 0..4_000_000_000_000i64, any::<bool>(), "[a-z0-9.:-]{0,255}").prop_map(
            |(nonce, ms, token_required, name)| FromRelay::Challenge(Challenge {
                nonce,
                time: Timestamp::from_unix_ms(ms),
                token_required,
                name: SafeText::line(&name),
            })
        ),
        (any::<u32>(), window(), any::<u32>(), any::<u16>()).prop_map(
            |(max_frame, window, keep_seconds, silence_seconds)| FromRelay::Welcome(Welcome {
                max_frame,
                window,
                keep_seconds,
                silence_seconds
            })
        ),
        (any::<u64>(), any::<bool>()).prop_map(|(seq, durable)| FromRelay::Stored { seq, durable }),
        (any::<u64>(), refusal()).prop_map(|(seq, refusal)| FromRelay::Refused { seq, refusal }),
        (any::<u64>(), frame()).prop_map(|(id, frame)| FromRelay::Deliver { id, frame }),
        refusal().prop_map(FromRelay::Bye),
    ]
}

fn from_client() -> impl Strategy<Value = FromClient> {
    let auth =
        (fingerprint(), "[a-z0-9.:-]{0,255}", window(), proptest::option::of(any::<[u8; 32]>()), frame(), frame())
            .prop_map(|(fingerprint, host, receive, token_proof, certificate, signature)| {
                FromClient::Auth(Auth { fingerprint, host, receive, token_proof, certificate, signature })
            });
    prop_oneof![
        auth,
        (any::<u64>(), fingerprint(), frame()).prop_map(|(seq, recipient, frame)| FromClient::Put {
            seq,
            recipient,
            frame
        }),
        any::<u64>().prop_map(|id| FromClient::Taken { id }),
        any::<u64>().prop_map(|id| FromClient::Later { id }),
    ]
}

proptest! {
    #[test]
    fn a_relays_messages_come_back_as_they_were(message in from_relay()) {
        prop_assert_eq!(FromRelay::decode(message.encode()), Ok(message));
    }

    #[test]
    fn a_clients_messages_come_back_as_they_were(message in from_client()) {
        prop_assert_eq!(FromClient::decode(message.encode()), Ok(message));
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(raw in proptest::collection::vec(any::<u8>(), 0..300), tag in 0u8..0x31) {
        let mut raw = raw;
        if let Some(first) = raw.first_mut() { *first = tag; }
        let bytes = Bytes::from(raw);
        if let Ok(message) = FromClient::decode(bytes.clone()) {
            prop_assert_eq!(message.encode(), bytes.clone());
        }
        // A relay's texts are made harmless when they are read, so only the meaning is kept.
        if let Ok(message) = FromRelay::decode(bytes) {
            prop_assert_eq!(FromRelay::decode(message.encode()), Ok(message));
        }
    }

    #[test]
    fn a_cut_login_is_an_error(message in from_client(), keep in 0.0f64..1.0) {
        prop_assume!(matches!(message, FromClient::Auth(_)));
        let bytes = message.encode();
        let cut = bytes.slice(..(bytes.len() as f64 * keep) as usize);
        prop_assert!(FromClient::decode(cut).is_err());
    }
}

#[test]
fn each_side_refuses_the_others_messages() {
    let put = FromClient::Put {
        seq: 1,
        recipient: Fingerprint::from_bytes(&[7; 20]).unwrap(),
        frame: Bytes::from_static(b"x"),
    };
    assert_eq!(FromRelay::decode(put.encode()), Err(ProtocolError::UnknownTag(0x10)));
    let stored = FromRelay::Stored { seq: 1, durable: true };
    assert_eq!(FromClient::decode(stored.encode()), Err(ProtocolError::UnknownTag(0x11)));
}

#[test]
fn wrong_shapes_are_named() {
    let check = |raw: &[u8], error| assert_eq!(FromClient::decode(Bytes::copy_from_slice(raw)), Err(error));
    check(b"", ProtocolError::Empty);
    check(b"\x21\0\0", ProtocolError::Truncated("id"));
    check(b"\x21\0\0\0\0\0\0\0\x01!", ProtocolError::Trailing(1));
    check(b"\x10\0\0\0\0\0\0\0\x01\x13", ProtocolError::Invalid("recipient"));
    let mut no_frame = vec![0x10, 0, 0, 0, 0, 0, 0, 0, 1, 20];
    no_frame.extend([9; 20]);
    check(&no_frame, ProtocolError::Truncated("frame"));
}

#[test]
fn a_lying_length_allocates_nothing() {
    let mut raw = vec![0x02, 20];
    raw.extend([1; 20]);
    raw.extend([0, 0, 1, 0, 0, 0, 1, 0]);
    raw.extend(u32::MAX.to_be_bytes());
    assert_eq!(FromClient::decode(Bytes::from(raw)), Err(ProtocolError::TooLong("certificate")));
}

#[test]
fn text_that_grows_when_made_harmless_keeps_its_bound() {
    let mut raw = vec![0x30, 7, 0, 0, 0, 0, 2, 0];
    raw.extend([7; TEXT_BYTES]);
    let message = FromRelay::decode(Bytes::from(raw)).unwrap();
    let FromRelay::Bye(refusal) = &message else { panic!() };
    assert!(refusal.text.as_str().len() <= TEXT_BYTES && !refusal.text.as_str().contains('\u{7}'));
    assert_eq!(FromRelay::decode(message.encode()).unwrap(), message);
}

#[test]
fn an_unknown_refusal_is_still_a_refusal() {
    let raw = [0x30, 0xEE, 0, 0, 0, 0, 0, 2, b'n', b'o'];
    let expected = Refusal::new(RefusalKind::Other, "no");
    assert_eq!(FromRelay::decode(Bytes::copy_from_slice(&raw)), Ok(FromRelay::Bye(expected)));
}

#[test]
fn the_token_is_bound_to_host_and_nonce() {
    let proof = token_proof("secret", "relay.example:443", &[5; 32]);
    assert!(token_matches("secret", "relay.example:443", &[5; 32], &proof));
    assert!(!token_matches("secret", "relay.example:444", &[5; 32], &proof));
    assert!(!token_matches("secret", "relay.example:443", &[6; 32], &proof));
    assert!(!token_matches("other", "relay.example:443", &[5; 32], &proof));
}

#[test]
fn what_is_signed_names_protocol_host_and_nonce() {
    let bytes = signed_bytes("relay.example:443", &[b'n'; 32]);
    assert_eq!(bytes, b"skcomm-relay.v1 auth\nrelay.example:443\nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn");
}
