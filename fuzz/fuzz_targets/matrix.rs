//! The content of a Matrix event: no input may panic, and what is read is written and read the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use skcomm_tui::transport::matrix::Content;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(content) = Content::read(text) {
        let written = content.write().unwrap().to_string();
        assert_eq!(Content::read(&written), Ok(content));
    }
});
