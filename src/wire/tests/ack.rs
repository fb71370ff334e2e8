use serde_json::json;

use super::*;

fn content(value: serde_json::Value) -> Content {
    Content::Object(value.as_object().unwrap().clone())
}

fn items() -> impl Strategy<Value = AckItem> {
    (ids(), any::<[u8; 32]>(), prop::option::of("[a-z0-9_-]{1,64}"), any::<Option<u32>>(), times()).prop_map(
        |(envelope_id, digest, via, retry_count, received_at)| AckItem {
            envelope_id,
            digest: Digest::from_bytes(digest),
            via,
            retry_count,
            received_at,
        },
    )
}

#[test]
fn acks_have_bounds() {
    let item = json!({
        "envelope_id": "0d786ed2-7f11-4985-a5c8-822ebd1df295",
        "digest": "ab".repeat(32),
        "via": "file",
        "received_at": "2026-11-20T17:06:12.682Z",
    });
    let read = |value| AckBody::from_content(&content(value)).map_err(|e| e.field);
    assert_eq!(read(json!({ "items": vec![item.clone(); 1000] })).unwrap().items.len(), 1000);
    assert_eq!(read(json!({ "items": vec![item.clone(); 1001] })), Err("items"));
    assert_eq!(read(json!({ "items": [] })), Err("items"));
    assert_eq!(read(json!({ "items": ["x"] })), Err("items"));
    assert_eq!(read(json!({})), Err("items"));
    for (key, value) in [
        ("envelope_id", json!("x")),
        ("digest", json!("ab".repeat(31))),
        ("digest", json!("xy".repeat(32))),
        ("via", json!("")),
        ("via", json!("a b")),
        ("via", json!("\u{1b}")),
        ("retry_count", json!(-1)),
        ("retry_count", json!(4_294_967_296u64)),
        ("received_at", json!(12)),
    ] {
        let mut bad = item.clone();
        bad[key] = value;
        assert_eq!(read(json!({ "items": [bad] })).map_err(|field| field.to_owned()), Err(format!("items.{key}")));
    }
    assert!(AckBody::from_content(&Content::Text("{}".into())).is_err());
}

#[test]
fn read_receipts_have_bounds() {
    let id = "0d786ed2-7f11-4985-a5c8-822ebd1df295";
    let read = |value| ReadReceiptBody::from_content(&content(value)).map_err(|e| e.field);
    let at = "2026-11-20T17:06:12.682Z";
    assert!(read(json!({ "envelope_ids": vec![id; 1000], "read_at": at })).is_ok());
    assert_eq!(read(json!({ "envelope_ids": vec![id; 1001], "read_at": at })), Err("envelope_ids"));
    assert_eq!(read(json!({ "envelope_ids": [], "read_at": at })), Err("envelope_ids"));
    assert_eq!(read(json!({ "envelope_ids": [id] })), Err("read_at"));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        items in prop::collection::vec(items(), 1..20),
        envelope_ids in prop::collection::vec(ids(), 1..20),
        read_at in times(),
    ) {
        let ack = AckBody { items };
        prop_assert_eq!(AckBody::from_content(&ack.to_content()).unwrap(), ack);
        let receipt = ReadReceiptBody { envelope_ids, read_at };
        prop_assert_eq!(ReadReceiptBody::from_content(&receipt.to_content()).unwrap(), receipt);
    }

    #[test]
    fn digests_round_trip_and_no_text_makes_them_panic(bytes: [u8; 32], text in "[0-9a-fA-Fé]{60,66}") {
        let digest = Digest::from_bytes(bytes);
        prop_assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        prop_assert_eq!(digest.to_string().to_uppercase().parse::<Digest>().unwrap(), digest);
        prop_assert_eq!(text.parse::<Digest>().is_ok(), text.len() == 64 && text.is_ascii());
    }

    #[test]
    fn no_object_makes_them_panic(text in "\\{(\"(items|envelope_ids|read_at)\":[\\[\\]{}\"a-f0-9:,]{0,30},?)*\\}") {
        if let Ok(serde_json::Value::Object(map)) = serde_json::from_str(&text) {
            let content = Content::Object(map);
            let _ = AckBody::from_content(&content);
            let _ = ReadReceiptBody::from_content(&content);
        }
    }
}
