//! What comes over Nostr: messages of relays, descriptions of pieces, addresses. No input may panic, and what is read must be
//! written the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use skcomm_tui::transport::nostr::{Part, PeerAddress, decode};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = decode(text);
    if let Ok(address) = PeerAddress::parse(text) {
        assert_eq!(PeerAddress::parse(&address.to_string()).as_ref(), Ok(&address));
    }
    let values: Vec<String> = text.split(' ').map(str::to_owned).collect();
    if let Ok(part) = Part::parse(&values) {
        assert_eq!(Part::parse(&part.values()), Ok(part));
    }
});
