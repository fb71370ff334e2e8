//! The content of acks and read receipts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skcomm_tui::wire::{AckBody, Content, ReadReceiptBody};

fuzz_target!(|bytes: &[u8]| {
    let Ok(serde_json::Value::Object(map)) = serde_json::from_slice(bytes) else { return };
    let content = Content::Object(map);
    if let Ok(ack) = AckBody::from_content(&content) {
        assert_eq!(AckBody::from_content(&ack.to_content()).expect("what was written can be read"), ack);
    }
    if let Ok(receipt) = ReadReceiptBody::from_content(&content) {
        assert_eq!(
            ReadReceiptBody::from_content(&receipt.to_content()).expect("what was written can be read"),
            receipt
        );
    }
});
