//! `open`: the input is taken as a message, and as changes to a valid one.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use skcomm_tui::{
    pgp::{Identity, SecretKey, generate, open, seal_bytes},
    wire::Timestamp,
};

const TEXT: &[u8] = b"the one true text";

fn now() -> Timestamp {
    Timestamp::from_unix_ms(1_795_194_000_000)
}

fn key(name: &str) -> SecretKey {
    let identity = Identity { name: name.to_owned(), email: "fuzz@example.org".to_owned(), fqid: None };
    generate(identity, None, now()).expect("a key").secret
}

static ALICE: LazyLock<SecretKey> = LazyLock::new(|| key("Alice"));
static BOB: LazyLock<SecretKey> = LazyLock::new(|| key("Bob"));
static SEALED: LazyLock<Vec<u8>> =
    LazyLock::new(|| seal_bytes(&ALICE, BOB.certificate(), TEXT, now()).expect("a message"));

fuzz_target!(|bytes: &[u8]| {
    let open = |message: &[u8]| open(&BOB, ALICE.certificate(), message, 1 << 16, now());
    assert!(open(bytes).is_err());
    // Each three bytes: where, and what to change there.
    let mut message = SEALED.clone();
    for change in bytes.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % message.len();
        message[at] ^= change[2];
    }
    if let Ok(opened) = open(&message) {
        assert_eq!(*opened.plaintext, TEXT);
    }
});
