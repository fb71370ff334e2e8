//! An envelope from a stranger.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skcomm_tui::wire::Envelope;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(received) = Envelope::decode(bytes) {
        received.envelope.validate().expect("what was read is valid");
        let again = Envelope::decode(&received.envelope.encode()).expect("what was read can be written and read");
        assert_eq!(again.envelope, received.envelope);
        // Not always what was received: unknown fields go, defaults come.
        assert_eq!(again.canonical, received.envelope.canonical_bytes());
    }
});
