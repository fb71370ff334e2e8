//! What a NATS server delivers: the subject for the answer, the tag, the size. No input may panic, and no tag but one that was made for
//! the owner may pass.

#![no_main]

use libfuzzer_sys::fuzz_target;
use skcomm_tui::{
    transport::nats::{Mailbox, Verdict},
    wire::Fingerprint,
};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (reply, rest) = text.split_once('\n').unwrap_or((text, ""));
    let (tag, payload) = rest.split_once('\n').unwrap_or((rest, ""));
    let Ok(owner) = Fingerprint::from_bytes(&[7; 20]) else { return };
    let common = Mailbox::new("agents", true, owner, 1024);
    let own = Mailbox::new("agents", false, owner, 1024);
    let acked = reply.starts_with("$JS.ACK.");
    match own.judge(Some(reply), Some(tag), payload.len()) {
        Verdict::Frame => assert!(acked && !payload.is_empty() && payload.len() <= 1024),
        Verdict::NoFrame => assert!(acked),
        Verdict::Unackable => {}
        Verdict::Foreign => panic!("in a subject of its own everything is for the owner"),
    }
    if common.judge(Some(reply), Some(tag), payload.len()) == Verdict::Frame {
        let random = tag
            .as_bytes()
            .chunks(2)
            .take(16)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
        let random: Vec<u8> = random.collect();
        assert_eq!(common.tag(random.try_into().unwrap()), tag);
    }
});
