//! `verify_detached`: the input is taken as a signature, and as changes to a valid one.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use skcomm_tui::{
    pgp::{Identity, SecretKey, generate, sign_detached, verify_detached},
    wire::Timestamp,
};

fn now() -> Timestamp {
    Timestamp::from_unix_ms(1_795_194_000_000)
}

static ALICE: LazyLock<SecretKey> = LazyLock::new(|| {
    let identity = Identity { name: "Alice".to_owned(), email: "fuzz@example.org".to_owned(), fqid: None };
    generate(identity, None, now()).expect("a key").secret
});
static SIGNATURE: LazyLock<Vec<u8>> =
    LazyLock::new(|| sign_detached(&ALICE, b"signed", now()).expect("a signature").into_bytes());

fuzz_target!(|bytes: &[u8]| {
    let verify = |signature: &[u8]| verify_detached(ALICE.certificate(), b"not signed", signature, now());
    assert!(verify(bytes).is_err());
    let mut signature = SIGNATURE.clone();
    for change in bytes.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % signature.len();
        signature[at] ^= change[2];
    }
    assert!(verify(&signature).is_err());
});
