use serde_json::{Value, json};

use super::*;

fn sample() -> Envelope {
    Envelope {
        skcomm_version: Envelope::VERSION.to_owned(),
        envelope_id: "0d786ed2-7f11-4985-a5c8-822ebd1df295".parse().unwrap(),
        timestamp: "2026-11-20T17:06:12.682Z".parse().unwrap(),
        from: Party {
            name: Some("Opus".into()),
            fingerprint: Fingerprint::from_bytes(&[0xA5; 20]).unwrap(),
            fqid: Some("opus@casey.douno".into()),
            certificate: None,
        },
        to: Party {
            name: None,
            fingerprint: Fingerprint::from_bytes(&[0x5A; 32]).unwrap(),
            fqid: None,
            certificate: None,
        },
        payload: Payload {
            kind: PayloadType::Message,
            content_encrypted: armor("MESSAGE", "c2VhbGVk"),
            signature: Some(armor("SIGNATURE", "c2lnbmVk")),
        },
        routing: Routing::default(),
        metadata: Metadata { urgency: Some(Urgency::High), ..Metadata::default() },
    }
}

/// The sample as JSON with one pointer set to a value, or removed.
fn bend(pointer: &str, value: Option<Value>) -> Vec<u8> {
    let mut root: Value = serde_json::from_slice(&sample().encode()).unwrap();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let object = root.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => object.insert(key.to_owned(), value),
        None => object.remove(key),
    };
    serde_json::to_vec_pretty(&root).unwrap()
}

fn refusal(bytes: &[u8]) -> (&'static str, String) {
    match Envelope::decode(bytes) {
        Ok(_) => ("read", String::new()),
        Err(e) => (e.kind(), e.to_string()),
    }
}

#[test]
fn every_bent_field_is_named() {
    let text = |len: usize| Some(json!("x".repeat(len)));
    for (pointer, value) in [
        ("/envelope_id", None),
        ("/envelope_id", Some(json!(7))),
        ("/envelope_id", Some(json!("0d786ed2-7f11-1985-a5c8-822ebd1df295"))),
        ("/timestamp", Some(json!("yesterday"))),
        ("/timestamp", Some(json!(1_795_196_016))),
        ("/from/name", text(257)),
        ("/from/name", text(0)),
        ("/from/name", Some(Value::Null)),
        ("/from/fingerprint", text(40)),
        ("/from/fingerprint", None),
        ("/to", Some(json!("Lumina"))),
        ("/to", None),
        ("/to/fqid", text(257)),
        ("/to/fingerprint", Some(json!("AB".repeat(21)))),
        ("/payload", Some(json!([]))),
        ("/payload/type", text(65)),
        ("/payload/type", Some(json!("mess age"))),
        ("/payload/type", None),
        ("/payload/content_encrypted", None),
        ("/payload/content_encrypted", Some(json!("hello"))),
        ("/payload/content_encrypted", Some(json!(armor("SIGNATURE", "x")))),
        ("/payload/content_encrypted", Some(json!(armor("MESSAGE", "é")))),
        ("/payload/content_encrypted", Some(json!(format!("plain\n{}", armor("MESSAGE", "x"))))),
        ("/payload/content_encrypted", Some(json!("-----BEGIN PGP MESSAGE-----"))),
        ("/payload/signature", Some(json!(1))),
        ("/payload/signature", Some(json!(armor("SIGNATURE", &"x".repeat(limits::SIGNATURE_BYTES))))),
        ("/routing", None),
        ("/routing/mode", Some(json!("carrier_pigeon"))),
        ("/routing/priority_transports", Some(json!(vec!["file"; 65]))),
        ("/routing/priority_transports", Some(json!("file"))),
        ("/routing/fallback_transports", Some(json!(["x".repeat(65)]))),
        ("/routing/fallback_transports", Some(json!([3]))),
        ("/routing/retry_count", Some(json!(-1))),
        ("/routing/retry_count", Some(json!(4_294_967_296u64))),
        ("/routing/max_retries", Some(json!(1001))),
        ("/routing/ttl_seconds", Some(json!(limits::TTL_SECONDS_MAX + 1))),
        ("/routing/ttl_seconds", Some(json!("86400"))),
        ("/metadata", Some(json!("none"))),
        ("/metadata/thread_id", text(257)),
        ("/metadata/thread_id", Some(json!("a\u{1b}b"))),
        ("/metadata/in_reply_to", text(36)),
        ("/metadata/content_type", text(256)),
        ("/metadata/content_type", Some(json!("text/\u{202e}plain"))),
        ("/metadata/urgency", Some(json!("panic"))),
        ("/skcomm_version", None),
        ("/skcomm_version", Some(json!("1.0"))),
        ("/skcomm_version", Some(json!("1.0.0.0"))),
        ("/skcomm_version", Some(json!("1.0.x"))),
    ] {
        let (kind, message) = refusal(&bend(pointer, value));
        let field = pointer[1..].replace('/', ".");
        assert_eq!(kind, "bad_field", "{pointer}: {message}");
        assert!(message.starts_with(&format!("{field}: ")), "{pointer}: {message}");
    }
}

#[test]
fn other_shapes_versions_and_sizes_are_told_apart() {
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/");
    let python = std::fs::read(vectors.to_owned() + "skcomm-0.1-envelope.json").unwrap();
    assert_eq!(Envelope::decode(&python), Err(DecodeError::ForeignDialect(Dialect::SkcommPython)));
    let signed = std::fs::read(vectors.to_owned() + "skcomms-0.2-signed-envelope.json").unwrap();
    assert_eq!(Envelope::decode(&signed), Err(DecodeError::ForeignDialect(Dialect::SkcommsSigned)));
    assert!(refusal(&signed).1.contains("skcomms 0.2"));
    for (bytes, kind) in [
        (bend("/skcomm_version", Some(json!("2.0.0"))), "unsupported_version"),
        (bend("/skcomm_version", Some(json!("0.9.1"))), "unsupported_version"),
        (bend("/skcomm_version", Some(json!("1.7.12"))), "read"),
        (bend("/payload/signature", None), "unsigned"),
        (bend("/from", None), "not_an_envelope"),
        (bend("/from", Some(json!("Opus"))), "not_an_envelope"),
        (b"[]".to_vec(), "not_an_envelope"),
        (b"{}".to_vec(), "not_an_envelope"),
        (b"hello".to_vec(), "not_json"),
        (vec![b' '; limits::ENVELOPE_BYTES + 1], "too_large"),
        (sample().encode().repeat(2), "not_json"),
    ] {
        assert_eq!(refusal(&bytes).0, kind);
    }
    let text = String::from_utf8(sample().encode()).unwrap();
    let twice = text.replacen("\"payload\":{", "\"payload\":{\"type\":\"command\",", 1);
    assert_eq!(refusal(twice.as_bytes()), ("duplicate_key", "the key `type` is there twice".into()));
}

#[test]
fn the_worked_example_of_the_document_is_true() {
    let file = |name: &str| std::fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let document = file("docs/protocol.md");
    let example = document.split("## 13. Worked example").last().unwrap();
    let blocks: Vec<&str> = example.split("```").skip(1).step_by(2).map(|b| b.split_once('\n').unwrap().1).collect();
    let [body, envelope, canonical, digest, ack] = blocks[..] else { panic!("five blocks") };
    assert_eq!(body.trim_end(), file("tests/vectors/native-body.json"));
    assert_eq!(envelope, file("tests/vectors/native-envelope.json"));
    assert_eq!(canonical.trim_end(), file("tests/vectors/native-canonical.json"));

    let received = Envelope::decode(envelope.as_bytes()).unwrap();
    assert_eq!(received.canonical, canonical.trim_end().as_bytes());
    assert_eq!(received.digest.to_string(), digest.trim_end());
    let inside = SealedBody::decode(body.trim_end().as_bytes()).unwrap();
    assert_eq!(inside.check_against(&received.envelope), Ok(()));
    assert_eq!(*inside.encode().unwrap(), body.trim_end().as_bytes());
    let ack = SealedBody::decode(ack.trim_end().as_bytes()).unwrap();
    assert_eq!(AckBody::from_content(&ack.content).unwrap().items[0].digest, received.digest);
    assert_eq!(ack.encode().unwrap().len(), 512);
}

#[test]
fn the_document_names_every_limit() {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/protocol.md")).unwrap();
    let plain = document.replace(' ', "");
    for (row, limit) in [
        ("encodedenvelope", limits::ENVELOPE_BYTES),
        ("encodedorinflatedbody", limits::BODY_BYTES),
        ("textcontent", limits::TEXT_BYTES),
        ("name,FQID,threadid", limits::NAME_BYTES),
        ("contenttype", limits::CONTENT_TYPE_BYTES),
        ("payloadtype,nameofatransport", limits::PAYLOAD_TYPE_BYTES),
        ("detachedsignature,armored", limits::SIGNATURE_BYTES),
        ("certificate", limits::CERTIFICATE_BYTES),
        ("JSONnesting,values", limits::JSON_DEPTH),
        ("transportsinalist", limits::TRANSPORTS),
        ("retries", limits::RETRIES_MAX as usize),
        ("timetolive", limits::TTL_SECONDS_MAX as usize),
        ("timestampaheadofourclock", limits::FUTURE_SKEW_MS as usize / 1000),
        ("itemsofanackorreadreceipt", limits::ACK_ITEMS),
        ("certificateinanintroduction", limits::INTRODUCTION_BYTES),
        ("replyroutes", limits::REPLY_ROUTES),
        ("addressofareplyroute", limits::ADDRESS_BYTES),
    ] {
        assert!(plain.contains(&format!("|{row}|{limit}")), "{row}: {limit}");
    }
}

#[test]
fn defaults_are_what_the_document_says() {
    let bytes = bend("/routing", Some(json!({})));
    assert_eq!(Envelope::decode(&bytes).unwrap().envelope.routing, Routing::default());
    let unknown = Envelope::decode(&bend("/payload/type", Some(json!("x-hologram")))).unwrap().envelope;
    assert_eq!(unknown.payload.kind, PayloadType::Other("x-hologram".into()));
}

#[test]
fn the_signature_covers_everything_but_itself_and_the_retry_count() {
    let base = Envelope::decode(&sample().encode()).unwrap();
    assert_eq!(base.canonical, sample().canonical_bytes());
    assert_eq!(base.digest, Digest::of(&base.canonical));
    for same in [
        bend("/payload/signature", Some(json!(armor("SIGNATURE", "b3RoZXI=")))),
        bend("/routing/retry_count", Some(json!(4))),
        bend("/routing/retry_count", None),
    ] {
        assert_eq!(Envelope::decode(&same).unwrap().canonical, base.canonical);
    }
    for other in [
        bend("/routing/max_retries", Some(json!(6))),
        bend("/from/name", None),
        bend("/to/name", Some(json!("Lumina"))),
        bend("/metadata/urgency", None),
        bend("/payload/extra", Some(json!(1))),
        bend("/extra", Some(json!({ "retry_count": 1 }))),
    ] {
        assert_ne!(Envelope::decode(&other).unwrap().digest, base.digest);
    }
}

#[test]
fn fields_of_a_later_minor_version_stay_under_the_signature() {
    let later = bend("/from/avatar", Some(json!({ "z": [1, null], "a": "é" })));
    let received = Envelope::decode(&later).unwrap();
    assert_eq!(received.envelope, sample());
    let covered = String::from_utf8(received.canonical).unwrap();
    assert!(covered.contains("{\"avatar\":{\"a\":\"é\",\"z\":[1,null]},\"fingerprint\":"), "{covered}");
}

#[test]
fn what_a_receiver_would_refuse_is_not_valid_to_send() {
    let unsigned = Envelope { payload: Payload { signature: None, ..sample().payload }, ..sample() };
    assert_eq!(unsigned.validate(), Ok(()));
    let mut long = sample();
    long.from.name = Some("x".repeat(257));
    assert_eq!(long.validate().unwrap_err().kind(), "bad_field");
    let mut large = sample();
    large.payload.content_encrypted = armor("MESSAGE", &"x".repeat(limits::ENVELOPE_BYTES));
    assert_eq!(large.validate().unwrap_err().kind(), "too_large");
}

fn parties() -> impl Strategy<Value = Party> {
    (names(), fingerprints(), names()).prop_map(|(name, fingerprint, fqid)| Party {
        name,
        fingerprint,
        fqid,
        certificate: None,
    })
}

fn routings() -> impl Strategy<Value = Routing> {
    let transports = || prop::collection::vec("[a-z0-9_-]{1,64}", 0..4);
    (modes(), transports(), transports(), any::<u32>(), 0..=limits::RETRIES_MAX, 0..=limits::TTL_SECONDS_MAX).prop_map(
        |(mode, priority_transports, fallback_transports, retry_count, max_retries, ttl_seconds)| Routing {
            mode,
            priority_transports,
            fallback_transports,
            retry_count,
            max_retries,
            ttl_seconds,
        },
    )
}

fn metadata() -> impl Strategy<Value = Metadata> {
    (threads(), prop::option::of(ids()), prop::option::of("[ -~]{1,255}"), prop::option::of(urgencies())).prop_map(
        |(thread_id, in_reply_to, content_type, urgency)| Metadata { thread_id, in_reply_to, content_type, urgency },
    )
}

fn envelopes() -> impl Strategy<Value = Envelope> {
    let version = "1\\.[0-9]{1,5}\\.[0-9]{1,5}";
    let payload = (kinds(), "[A-Za-z0-9+/=\n]{0,80}");
    (version, ids(), times(), parties(), parties(), payload, routings(), metadata()).prop_map(
        |(skcomm_version, envelope_id, timestamp, from, to, (kind, inside), routing, metadata)| Envelope {
            skcomm_version,
            envelope_id,
            timestamp,
            from,
            to,
            payload: Payload {
                kind,
                content_encrypted: armor("MESSAGE", &inside),
                signature: Some(armor("SIGNATURE", &inside)),
            },
            routing,
            metadata,
        },
    )
}

/// The same JSON with the keys of every object in the opposite order and white space between everything.
fn shuffled(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            out.push_str("{\n");
            for (i, (key, item)) in map.iter().rev().enumerate() {
                out.push_str(if i > 0 { " ,\t" } else { "" });
                out.push_str(&(serde_json::to_string(key).unwrap() + " :\r\n "));
                shuffled(item, out);
            }
            out.push('}');
        }
        Value::String(text) => {
            let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
            out.push_str(&format!("\"{escaped}\""));
        }
        other => out.push_str(&other.to_string()),
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(envelope in envelopes()) {
        let bytes = envelope.encode();
        let received = Envelope::decode(&bytes).unwrap();
        prop_assert_eq!(&received.envelope, &envelope);
        prop_assert_eq!(&received.canonical, &envelope.canonical_bytes());
        prop_assert_eq!(&serde_json::from_slice::<Envelope>(&bytes).unwrap(), &envelope);
        let derived = serde_json::to_vec(&envelope).unwrap();
        prop_assert_eq!(&Envelope::decode(&derived).unwrap(), &received);
        prop_assert_eq!(envelope.validate(), Ok(()));
    }

    #[test]
    fn canonical_bytes_do_not_depend_on_spelling(envelope in envelopes(), retry_count: u32) {
        let mut root: Value = serde_json::from_slice(&envelope.encode()).unwrap();
        root["routing"]["retry_count"] = retry_count.into();
        let mut text = String::new();
        shuffled(&root, &mut text);
        let received = Envelope::decode(text.as_bytes()).unwrap();
        prop_assert_eq!(received.canonical, envelope.canonical_bytes());
        prop_assert_eq!(received.envelope.routing.retry_count, retry_count);
    }

    #[test]
    fn bent_envelopes_are_refused_or_still_sound(bytes in envelopes().prop_flat_map(|e| bent(e.encode()))) {
        if let Ok(received) = Envelope::decode(&bytes) {
            prop_assert_eq!(received.envelope.validate(), Ok(()));
            let again = Envelope::decode(&received.envelope.encode()).unwrap();
            prop_assert_eq!(again.envelope, received.envelope);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in jsonish()) {
        prop_assert!(Envelope::decode(&bytes).is_err());
    }
}

#[test]
fn an_introduction_travels_only_from_the_sender() {
    let mut envelope = sample();
    envelope.from.certificate = Some(armor("PUBLIC KEY BLOCK", "Y2VydA"));
    assert_eq!(Envelope::decode(&envelope.encode()).unwrap().envelope, envelope);
    envelope.to.certificate = envelope.from.certificate.take();
    match Envelope::decode(&envelope.encode()) {
        Err(DecodeError::Field(error)) => assert_eq!(error.field, "to.certificate"),
        other => panic!("{other:?}"),
    }
}
