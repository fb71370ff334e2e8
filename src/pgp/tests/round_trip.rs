//! Honest use.

use super::{ALICE, BOB, CAROL, in_days, now};
use crate::pgp::{PgpError, Unusable, open, seal, seal_bytes, sign_detached, verify_detached};

#[test]
fn a_sealed_message_opens_at_the_recipient() {
    for size in [0, 1, 1024, 100_000, 1_000_000] {
        let text = vec![b'x'; size];
        let sealed = seal(&ALICE, BOB.certificate(), &text, now()).unwrap();
        assert!(sealed.starts_with("-----BEGIN PGP MESSAGE-----"));
        let opened = open(&BOB, ALICE.certificate(), sealed.as_bytes(), size, now()).unwrap();
        assert_eq!(*opened.plaintext, text);
        // OpenPGP counts seconds.
        assert_eq!(opened.signed_at.unix_ms(), now().unix_ms() / 1000 * 1000);
        assert_ne!(opened.signer_subkey, ALICE.fingerprint());
        assert_ne!(opened.recipient_subkey, BOB.fingerprint());
        assert!(!opened.post_quantum && !opened.aead);
    }
}

#[test]
fn armored_and_binary_are_the_same_message() {
    let sealed = seal_bytes(&ALICE, BOB.certificate(), b"hello", now()).unwrap();
    let opened = open(&BOB, ALICE.certificate(), &sealed, 5, now()).unwrap();
    assert_eq!(*opened.plaintext, b"hello");
}

#[test]
fn only_the_recipient_can_open() {
    let sealed = seal_bytes(&ALICE, BOB.certificate(), b"hello", now()).unwrap();
    assert_eq!(open(&CAROL, ALICE.certificate(), &sealed, 5, now()).unwrap_err(), PgpError::NotForThisKey);
    assert_eq!(open(&ALICE, ALICE.certificate(), &sealed, 5, now()).unwrap_err(), PgpError::NotForThisKey);
}

#[test]
fn only_the_sender_is_believed() {
    let sealed = seal_bytes(&ALICE, BOB.certificate(), b"hello", now()).unwrap();
    assert_eq!(open(&BOB, CAROL.certificate(), &sealed, 5, now()).unwrap_err(), PgpError::UnknownSigner);
}

#[test]
fn clocks_that_differ_by_less_than_a_day_do_not_matter() {
    let sealed = seal_bytes(&ALICE, BOB.certificate(), b"hello", now()).unwrap();
    let ahead = in_days(-1).plus_ms(1000);
    assert!(open(&BOB, ALICE.certificate(), &sealed, 5, ahead).is_ok());
    let far = in_days(-1).plus_ms(-1000);
    let error = open(&BOB, ALICE.certificate(), &sealed, 5, far).unwrap_err();
    assert!(matches!(error, PgpError::SignatureFromFuture(_)), "{error:?}");
    // Bob's certificate is new, Alice's clock is behind.
    let error = seal_bytes(&ALICE, BOB.certificate(), b"hello", in_days(-2)).unwrap_err();
    assert!(matches!(error, PgpError::Unusable { why: Unusable::NotYetValid(_), .. }), "{error:?}");
    assert!(BOB.certificate().check_usable(ahead).is_ok());
}

#[test]
fn late_messages_open_years_later() {
    let sealed = seal_bytes(&ALICE, BOB.certificate(), b"hello", now()).unwrap();
    assert!(open(&BOB, ALICE.certificate(), &sealed, 5, in_days(3650)).is_ok());
}

#[test]
fn the_plaintext_bound_is_exact() {
    let sealed = seal_bytes(&ALICE, BOB.certificate(), &[7; 1000], now()).unwrap();
    assert!(open(&BOB, ALICE.certificate(), &sealed, 1000, now()).is_ok());
    let error = open(&BOB, ALICE.certificate(), &sealed, 999, now()).unwrap_err();
    assert!(matches!(error, PgpError::TooLarge { limit: 999, .. }), "{error:?}");
}

#[test]
fn a_detached_signature_holds_for_its_bytes_only() {
    let signature = sign_detached(&ALICE, b"challenge", now()).unwrap();
    let verify = |cert, bytes: &[u8]| verify_detached(cert, bytes, signature.as_bytes(), now());
    assert_eq!(verify(ALICE.certificate(), b"challenge").unwrap().unix_ms(), now().unix_ms() / 1000 * 1000);
    assert_eq!(verify(ALICE.certificate(), b"challengE").unwrap_err(), PgpError::BadSignature);
    assert_eq!(verify(BOB.certificate(), b"challenge").unwrap_err(), PgpError::UnknownSigner);
}
