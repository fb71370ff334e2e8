//! Messages of the relay protocol, both directions: no input may panic, and what decodes must survive another round.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use skcomm_tui::transport::websocket::protocol::{FromClient, FromRelay};

fuzz_target!(|data: &[u8]| {
    let bytes = Bytes::copy_from_slice(data);
    if let Ok(message) = FromClient::decode(bytes.clone()) {
        assert_eq!(message.encode(), bytes);
    }
    if let Ok(message) = FromRelay::decode(bytes) {
        let again = FromRelay::decode(message.encode());
        assert_eq!(again.as_ref(), Ok(&message));
    }
});
