use serde_json::json;

use super::*;

const ID: &str = "0d786ed2-7f11-4985-a5c8-822ebd1df295";

fn read(value: serde_json::Value) -> Result<Option<FileBody>, &'static str> {
    FileBody::from_content(&Content::Object(value.as_object().unwrap().clone())).map_err(|e| e.field)
}

fn manifests() -> impl Strategy<Value = FileBody> {
    let sizes = (limits::FILE_CHUNK_BYTES_MIN..=limits::FILE_CHUNK_BYTES_MAX)
        .prop_flat_map(|chunk_bytes| (0..=chunk_bytes * limits::FILE_CHUNKS, Just(chunk_bytes)));
    ("[^\\x00]{1,20}", sizes, any::<[u8; 32]>(), prop::option::of("[a-z]{1,9}/[a-z]{1,9}")).prop_map(
        |(name, (size, chunk_bytes), sha256, media_type)| {
            let sha256 = Digest::from_bytes(sha256);
            FileBody::Manifest(FileManifest { name, size, sha256, chunk_bytes, media_type })
        },
    )
}

fn words() -> impl Strategy<Value = FileWord> {
    prop_oneof![
        prop::option::of(prop::collection::vec(any::<u8>(), 0..200)).prop_map(FileWord::Go),
        Just(FileWord::Pause),
        Just(FileWord::Done),
        ".{0,80}".prop_map(FileWord::Damaged),
        ".{0,80}".prop_map(FileWord::Cancel),
    ]
}

fn parts() -> impl Strategy<Value = FileBody> {
    let data = prop::collection::vec(any::<u8>(), 1..2000);
    prop_oneof![
        manifests(),
        (ids(), 0..limits::FILE_CHUNKS as u32, data).prop_map(|(transfer, index, data)| FileBody::Chunk(FileChunk {
            transfer,
            index,
            data
        })),
        (ids(), 0u64..1 << 53, words()).prop_map(|(transfer, turn, word)| FileBody::Status(FileStatus {
            transfer,
            turn,
            word
        })),
    ]
}

#[test]
fn manifests_that_lie_are_refused() {
    let good = json!({
        "part": "manifest", "name": "a.txt", "size": 10_000, "sha256": "ab".repeat(32), "chunk_bytes": 4096, "chunks": 3,
    });
    assert!(matches!(read(good.clone()), Ok(Some(FileBody::Manifest(_)))));
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("n".repeat(1025))),
        ("size", json!(-1)),
        ("size", json!(u64::MAX)),
        ("size", json!(limits::FILE_CHUNKS * limits::FILE_CHUNK_BYTES_MAX + 1)),
        ("sha256", json!("ab")),
        ("chunk_bytes", json!(0)),
        ("chunk_bytes", json!(4095)),
        ("chunk_bytes", json!(limits::FILE_CHUNK_BYTES_MAX + 1)),
        ("chunks", json!(2)),
        ("chunks", json!(4)),
        ("chunks", json!(limits::FILE_CHUNKS + 1)),
        ("media_type", json!("\u{1b}[2J")),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        assert_eq!(read(bad), Err(field));
    }
    let mut too_many = good;
    too_many["size"] = json!((limits::FILE_CHUNKS + 1) * 4096);
    too_many["chunks"] = json!(limits::FILE_CHUNKS + 1);
    assert_eq!(read(too_many), Err("chunks"));
}

#[test]
fn chunks_and_words_have_bounds() {
    let chunk = |index: u64, data: &str| json!({ "part": "chunk", "transfer": ID, "index": index, "data": data });
    assert!(matches!(read(chunk(0, "YQ==")), Ok(Some(FileBody::Chunk(_)))));
    assert_eq!(read(chunk(limits::FILE_CHUNKS, "YQ==")), Err("index"));
    for bad in ["", "YQ", "YQ==x", "=", "\u{e9}"] {
        assert_eq!(read(chunk(0, bad)), Err("data"), "{bad}");
    }
    let most = usize::try_from(limits::FILE_CHUNK_BYTES_MAX).unwrap();
    assert!(read(chunk(0, &base64(most))).is_ok());
    assert_eq!(read(chunk(0, &base64(most + 1))), Err("data"));
    assert_eq!(read(chunk(0, &base64(most + 3))), Err("data"));
    let status = |word: &str| json!({ "part": "status", "transfer": ID, "turn": 1, "word": word });
    assert!(read(status("go")).is_ok());
    assert_eq!(read(status("run")), Err("word"));
}

fn base64(bytes: usize) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(vec![7; bytes])
}

#[test]
fn other_forms_are_left_alone() {
    assert_eq!(read(json!({ "part": "thumbnail" })), Ok(None));
    assert_eq!(read(json!({ "name": "x" })), Ok(None));
    assert_eq!(FileBody::from_content(&Content::Text("a file".into())), Ok(None));
}

#[test]
fn only_the_last_chunk_is_shorter() {
    let manifest = FileManifest {
        name: "x".into(),
        size: 10_000,
        sha256: Digest::from_bytes([0; 32]),
        chunk_bytes: 4096,
        media_type: None,
    };
    assert_eq!([0, 1, 2, 3].map(|i| manifest.chunk_len(i)), [Some(4096), Some(4096), Some(1808), None]);
    assert_eq!(manifest.chunk_len(u64::MAX), None);
    assert_eq!(FileManifest { size: 0, ..manifest }.chunks(), 0);
}

proptest! {
    #[test]
    fn what_is_written_is_read(part in parts()) {
        prop_assert_eq!(FileBody::from_content(&part.to_content()).unwrap(), Some(part));
    }

    #[test]
    fn the_chunks_of_a_manifest_add_up(part in manifests()) {
        let FileBody::Manifest(manifest) = part else { unreachable!() };
        let all = manifest.chunks();
        prop_assert!(all <= limits::FILE_CHUNKS);
        prop_assert_eq!(manifest.chunk_len(all), None);
        if let Some(last) = all.checked_sub(1) {
            prop_assert_eq!(last * manifest.chunk_bytes + manifest.chunk_len(last).unwrap(), manifest.size);
        }
    }

    #[test]
    fn no_object_makes_it_panic(
        part in "manifest|chunk|status",
        index in any::<i64>(), text in ".{0,40}", word in "go|pause|done|damaged|cancel|.{0,4}",
    ) {
        let _ = read(json!({
            "part": part, "transfer": ID, "index": index, "data": text, "word": word, "turn": index, "have": text,
            "reason": text, "name": text, "size": index, "sha256": "ab".repeat(32), "chunk_bytes": 4096, "chunks": index,
        }));
    }
}
