//! The literal of an authenticated message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skcomm_tui::wire::SealedBody;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(body) = SealedBody::decode(bytes) {
        let encoded = body.encode().expect("what was read can be written");
        assert_eq!(SealedBody::decode(&encoded).expect("what was written can be read"), body);
    }
});
