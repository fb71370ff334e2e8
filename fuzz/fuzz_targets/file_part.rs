//! The content of the envelopes of a file transfer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skcomm_tui::wire::{Content, FileBody};

fuzz_target!(|bytes: &[u8]| {
    let Ok(serde_json::Value::Object(map)) = serde_json::from_slice(bytes) else { return };
    let Ok(Some(part)) = FileBody::from_content(&Content::Object(map)) else { return };
    if let FileBody::Manifest(manifest) = &part {
        let sum = |total: u64, index| total + manifest.chunk_len(index).expect("there is such a chunk");
        let ends = [0, manifest.chunks().saturating_sub(1)];
        assert!(manifest.size == 0 || ends.iter().fold(0, |total, index| sum(total, *index)) <= 2 * manifest.size);
    }
    let again = FileBody::from_content(&part.to_content()).expect("what was written can be read");
    assert_eq!(again, Some(part));
});
