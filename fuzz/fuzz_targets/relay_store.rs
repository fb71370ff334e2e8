//! What `skcomm serve --store` reads of messages that may be anybody's: subject and headers of a frame, the subject of an owner, notices
//! of deletions. No input may panic, and what is read must be what was written.

#![no_main]

use std::fmt::Write as _;

use libfuzzer_sys::fuzz_target;
use skcomm_tui::{
    serve::jetstream::{read_entry, read_notice, read_owner, write_notice},
    wire::Timestamp,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fuzz_target!(|data: &[u8]| {
    if let Some(gone) = read_notice(data) {
        assert_eq!(write_notice(&gone), data);
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let (subject, sender, size) = (lines.next().unwrap_or(""), lines.next(), lines.next());
    let header = |name: &str| match name {
        "Skc-From" => sender,
        "Nats-Msg-Size" => size,
        _ => None,
    };
    let owner = read_owner(subject);
    let Some(entry) = read_entry(subject, header, Timestamp::from_unix_ms(7)) else { return };
    assert_eq!(owner, Some(entry.mailbox));
    assert!(subject.ends_with(&format!(".{}", hex(&entry.mailbox))));
    assert_eq!(sender, Some(hex(&entry.sender).as_str()));
    assert_eq!(size.unwrap().parse(), Ok(entry.bytes));
    assert!(entry.bytes > 0 && entry.stored_ms == 7);
});
