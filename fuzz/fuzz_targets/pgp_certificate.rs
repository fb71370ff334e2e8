//! `Certificate::parse` and everything that is asked of a certificate afterwards.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skcomm_tui::{pgp::Certificate, wire::Timestamp};

fuzz_target!(|bytes: &[u8]| {
    let now = Timestamp::from_unix_ms(1_795_194_000_000);
    let Ok(certificate) = Certificate::parse(bytes) else { return };
    let _ = certificate.check_usable(now);
    let _ = (certificate.user_ids(), certificate.facts(), certificate.is_revoked());
    // What was read once is written and read again, the same.
    let again = Certificate::parse(certificate.armored().as_bytes()).expect("own output is readable");
    assert_eq!(again.fingerprint(), certificate.fingerprint());
    assert_eq!(again.to_bytes(), certificate.to_bytes());
});
