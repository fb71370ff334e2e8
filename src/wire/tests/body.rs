use std::io::Write;

use flate2::{Compression, write::ZlibEncoder};

use super::*;

fn sample() -> SealedBody {
    SealedBody {
        envelope_id: "0d786ed2-7f11-4985-a5c8-822ebd1df295".parse().unwrap(),
        timestamp: "2026-11-20T17:06:12.682Z".parse().unwrap(),
        from: Fingerprint::from_bytes(&[0xA5; 20]).unwrap(),
        to: Fingerprint::from_bytes(&[0x5A; 20]).unwrap(),
        from_name: Some("Opus".into()),
        from_fqid: Some("opus@casey.douno".into()),
        kind: PayloadType::Message,
        thread_id: Some("plans".parse().unwrap()),
        in_reply_to: None,
        content_type: Some("text/plain".into()),
        urgency: Urgency::Normal,
        ttl_seconds: 86_400,
        sealed: false,
        content: Content::Text("hello".into()),
        reply_to: Vec::new(),
    }
}

fn with_text(text: impl Into<String>) -> SealedBody {
    SealedBody { content: Content::Text(text.into()), ..sample() }
}

/// The envelope that carries `body`, with every header that may be outside.
fn envelope_of(body: &SealedBody) -> Envelope {
    let open = !body.sealed;
    Envelope {
        skcomm_version: Envelope::VERSION.to_owned(),
        envelope_id: body.envelope_id,
        timestamp: body.timestamp,
        from: Party {
            name: body.from_name.clone().filter(|_| open),
            fingerprint: body.from,
            fqid: body.from_fqid.clone().filter(|_| open),
            certificate: None,
        },
        to: Party { name: open.then(|| "Lumina".into()), fingerprint: body.to, fqid: None, certificate: None },
        payload: Payload {
            kind: if open { body.kind.clone() } else { PayloadType::Message },
            content_encrypted: armor("MESSAGE", "c2VhbGVk"),
            signature: None,
        },
        routing: Routing { ttl_seconds: body.ttl_seconds, ..Routing::default() },
        metadata: Metadata {
            thread_id: body.thread_id.clone().filter(|_| open),
            in_reply_to: body.in_reply_to.filter(|_| open),
            content_type: body.content_type.clone().filter(|_| open),
            urgency: open.then_some(body.urgency),
        },
    }
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn kind_of(bytes: &[u8]) -> &'static str {
    SealedBody::decode(bytes).map_or_else(|e| e.kind(), |_| "read")
}

#[test]
fn long_bodies_are_compressed_if_that_helps() {
    let short = with_text("a".repeat(500)).encode().unwrap();
    assert_eq!(short[0], b'{');
    let long = with_text("a".repeat(2_000)).encode().unwrap();
    assert_eq!(long[0], 0x78);
    assert!(long.len() < 500, "{}", long.len());
    assert_eq!(SealedBody::decode(&long).unwrap(), with_text("a".repeat(2_000)));
}

#[test]
fn sealed_bodies_have_few_lengths() {
    for len in [0, 100, 400, 700, 5_000, 100_000] {
        // Text that does not compress well: the lengths must come from the ladder all the same.
        let text: String = (0..len).map(|i: usize| char::from(b'!' + (i * i / 7 % 90) as u8)).collect();
        let body = SealedBody { sealed: true, ..with_text(text) };
        let bytes = body.encode().unwrap();
        assert!(bytes.len() >= 512 && bytes.len().is_power_of_two(), "{}", bytes.len());
        assert_eq!(SealedBody::decode(&bytes).unwrap(), body);
    }
}

#[test]
fn no_plaintext_gets_into_debug_output() {
    let shown = format!("{:?}", with_text("attack at dawn"));
    assert!(shown.contains("Text(14 bytes)") && !shown.contains("dawn"), "{shown}");
}

#[test]
fn only_padding_may_follow() {
    let json = sample().encode().unwrap().to_vec();
    let compressed = zlib(&json);
    for (body, follows, kind) in [
        (&json, &b"    "[..], "read"),
        (&json, b"\n", "body_bad_padding"),
        (&json, b" \t ", "body_bad_padding"),
        (&json, b"\0", "body_bad_json"),
        (&json, b"{}", "body_bad_json"),
        (&compressed, b"\0\0\0", "read"),
        (&compressed, b"   ", "body_bad_padding"),
        (&compressed, b"\0\0x", "body_bad_padding"),
    ] {
        assert_eq!(kind_of(&[body, follows].concat()), kind, "{follows:?}");
    }
    assert_eq!(kind_of(&compressed.repeat(2)), "body_bad_padding");
}

#[test]
fn inflation_is_bounded_and_checked() {
    let bomb = zlib(&vec![b' '; 64 * 1024 * 1024]);
    assert!(bomb.len() < 100_000);
    assert_eq!(kind_of(&bomb), "body_too_large");
    let compressed = with_text("a".repeat(2_000)).encode().unwrap().to_vec();
    for cut in 0..compressed.len() {
        assert_ne!(kind_of(&compressed[..cut]), "read", "cut at {cut}");
    }
    let mut torn = compressed.clone();
    *torn.last_mut().unwrap() ^= 1;
    assert_eq!(kind_of(&torn), "body_bad_compression");
    assert_eq!(kind_of(b""), "body_unknown_form");
    assert_eq!(kind_of(b" {}"), "body_unknown_form");
    assert_eq!(kind_of(&vec![b'{'; limits::BODY_BYTES + 1]), "body_too_large");
}

#[test]
fn bounds_hold_when_writing_and_when_reading() {
    assert!(with_text("x".repeat(limits::TEXT_BYTES)).encode().is_ok());
    let too_long = with_text("x".repeat(limits::TEXT_BYTES + 1)).encode().unwrap_err();
    assert_eq!(too_long.to_string(), "body: content: text has more than 1048576 bytes");
    let object = |len: usize| {
        let map = [("data".to_owned(), "x".repeat(len).into())].into_iter().collect();
        SealedBody { content: Content::Object(map), ..sample() }
    };
    assert!(object(limits::BODY_BYTES - 1_000).encode().is_ok());
    assert_eq!(object(limits::BODY_BYTES).encode().unwrap_err(), BodyError::TooLarge);
    let mut early = sample();
    early.ttl_seconds = limits::TTL_SECONDS_MAX + 1;
    assert_eq!(early.encode().unwrap_err().kind(), "body_bad_field");
    let json = String::from_utf8(sample().encode().unwrap().to_vec()).unwrap();
    for (from, to, kind) in [
        ("\"content\":\"hello\"", "\"content\":[]", "body_bad_field"),
        ("\"content\":\"hello\"", "\"content\":\"hello\",\"content\":\"bye\"", "body_bad_json"),
        ("\"content\":\"hello\",", "", "body_bad_field"),
        ("\"type\":\"message\"", "\"type\":\"\"", "body_bad_field"),
        ("\"ttl_seconds\":86400,", "", "body_bad_field"),
        ("\"urgency\":\"normal\"", "\"urgency\":\"normal\",\"sealed\":1", "body_bad_field"),
        ("\"urgency\":\"normal\"", "\"urgency\":\"normal\",\"later\":{}", "read"),
    ] {
        assert!(json.contains(from));
        assert_eq!(kind_of(json.replace(from, to).as_bytes()), kind, "{to}");
    }
}

#[test]
fn an_outer_header_that_differs_is_refused() {
    type Change = fn(&mut Envelope);
    let changes: [(&str, Change); 13] = [
        ("envelope_id", |e| e.envelope_id = EnvelopeId::from_random([1; 16])),
        ("timestamp", |e| e.timestamp = e.timestamp.plus_ms(1)),
        ("from.fingerprint", |e| e.from.fingerprint = e.to.fingerprint),
        ("to.fingerprint", |e| e.to.fingerprint = e.from.fingerprint),
        ("payload.type", |e| e.payload.kind = PayloadType::Command),
        ("routing.ttl_seconds", |e| e.routing.ttl_seconds = 1),
        ("from.name", |e| e.from.name = Some("Lumina".into())),
        ("from.fqid", |e| e.from.fqid = Some("lumina@casey.douno".into())),
        ("metadata.thread_id", |e| e.metadata.thread_id = Some(ThreadId::general())),
        ("metadata.in_reply_to", |e| e.metadata.in_reply_to = Some(e.envelope_id)),
        ("metadata.content_type", |e| e.metadata.content_type = Some("text/html".into())),
        ("metadata.urgency", |e| e.metadata.urgency = Some(Urgency::Critical)),
        ("nothing", |e| e.metadata = Metadata::default()),
    ];
    for (field, change) in changes {
        let mut envelope = envelope_of(&sample());
        assert_eq!(sample().check_against(&envelope), Ok(()));
        change(&mut envelope);
        let found = sample().check_against(&envelope).map_or_else(|e| e.field, |()| "nothing");
        assert_eq!(found, field);
    }
}

#[test]
fn in_sealed_mode_nothing_may_be_outside() {
    let body = SealedBody { sealed: true, kind: PayloadType::Command, ..sample() };
    assert_eq!(body.check_against(&envelope_of(&body)), Ok(()));
    type Change = fn(&mut Envelope);
    let changes: [(&str, Change); 5] = [
        ("payload.type", |e| e.payload.kind = PayloadType::Command),
        ("from.name", |e| e.from.name = Some("Opus".into())),
        ("to.name", |e| e.to.name = Some("Lumina".into())),
        ("to.fqid", |e| e.to.fqid = Some("lumina@casey.douno".into())),
        ("metadata.thread_id", |e| e.metadata.thread_id = Some("plans".parse().unwrap())),
    ];
    for (field, change) in changes {
        let mut envelope = envelope_of(&body);
        change(&mut envelope);
        assert_eq!(body.check_against(&envelope), Err(HeaderMismatch { field }));
    }
    // Hiding the type is for sealed mode only.
    let open = SealedBody { sealed: false, ..body.clone() };
    assert_eq!(open.check_against(&envelope_of(&body)), Err(HeaderMismatch { field: "payload.type" }));
}

fn bodies() -> impl Strategy<Value = SealedBody> {
    let content = prop_oneof![
        any::<String>().prop_map(Content::Text),
        "[a-z ]{900,1500}".prop_map(Content::Text),
        prop::collection::btree_map(any::<String>(), any::<String>(), 0..5)
            .prop_map(|map| Content::Object(map.into_iter().map(|(key, text)| (key, text.into())).collect())),
    ];
    let headers = (threads(), prop::option::of(ids()), prop::option::of("[ -~]{1,100}"), urgencies());
    let route = ("[a-z]{1,8}", "[ -~]{1,60}").prop_map(|(kind, address)| ReplyRoute { kind, address });
    let carried = (kinds(), content, prop::collection::vec(route, 0..=limits::REPLY_ROUTES));
    (ids(), times(), fingerprints(), fingerprints(), names(), names(), carried, headers, any::<bool>()).prop_map(
        |(envelope_id, timestamp, from, to, from_name, from_fqid, (kind, content, reply_to), headers, sealed)| {
            SealedBody {
                envelope_id,
                timestamp,
                from,
                to,
                from_name,
                from_fqid,
                kind,
                thread_id: headers.0,
                in_reply_to: headers.1,
                content_type: headers.2,
                urgency: headers.3,
                ttl_seconds: timestamp.unix_ms().unsigned_abs() % limits::TTL_SECONDS_MAX,
                sealed,
                content,
                reply_to,
            }
        },
    )
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(body in bodies()) {
        let bytes = body.encode().unwrap();
        prop_assert_eq!(&SealedBody::decode(&bytes).unwrap(), &body);
        prop_assert!(!body.sealed || bytes.len().is_power_of_two());
        prop_assert_eq!(body.check_against(&envelope_of(&body)), Ok(()));
    }

    #[test]
    fn bent_bodies_are_refused_or_still_sound(bytes in bodies().prop_flat_map(|b| bent(b.encode().unwrap().to_vec()))) {
        if let Ok(body) = SealedBody::decode(&bytes) {
            prop_assert_eq!(SealedBody::decode(&body.encode().unwrap()).unwrap(), body);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in jsonish()) {
        prop_assert!(SealedBody::decode(&bytes).is_err());
        let _ = SealedBody::decode(&zlib(&bytes));
        let _ = SealedBody::decode(&[b"\x78\x9c", &bytes[..]].concat());
    }
}
