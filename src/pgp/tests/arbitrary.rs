//! Whatever comes in, the room answers and does not fall over.

use proptest::prelude::*;

use super::{ALICE, BOB, craft, now};
use crate::pgp::{Certificate, SecretKey, open, sign_detached, verify_detached};

const MAX: usize = 1 << 16;

/// One small change to a valid input.
#[derive(Clone, Debug)]
enum Change {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
    Repeat(prop::sample::Index, usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Flip(at, mask) => {
                let at = at.index(bytes.len());
                bytes[at] ^= mask;
            }
            Self::Cut(at, len) => {
                let at = at.index(bytes.len());
                let end = at.saturating_add(*len).min(bytes.len());
                bytes.drain(at..end);
            }
            Self::Insert(at, extra) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, extra.iter().copied());
            }
            Self::Repeat(at, len) => {
                let at = at.index(bytes.len());
                let end = at.saturating_add(*len).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        (any::<prop::sample::Index>(), 1..=u8::MAX).prop_map(|(at, mask)| Change::Flip(at, mask)),
        (any::<prop::sample::Index>(), 1..200usize).prop_map(|(at, len)| Change::Cut(at, len)),
        (any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 1..20))
            .prop_map(|(at, extra)| Change::Insert(at, extra)),
        (any::<prop::sample::Index>(), 1..200usize).prop_map(|(at, len)| Change::Repeat(at, len)),
    ];
    prop::collection::vec(change, 1..4)
}

/// Few cases each time, as many as asked for by `PROPTEST_CASES`.
fn config() -> ProptestConfig {
    let cases = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default().cases,
        None => 48,
    };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn arbitrary_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..2000), tag in any::<u8>()) {
        // With a plausible packet header in front more of the parser is reached.
        for input in [bytes.clone(), [&[0xC0 | tag][..], &bytes].concat()] {
            prop_assert!(open(&BOB, ALICE.certificate(), &input, MAX, now()).is_err());
            prop_assert!(verify_detached(ALICE.certificate(), b"x", &input, now()).is_err());
            prop_assert!(ALICE.certificate().with_revocation(&input).is_err());
            prop_assert!(SecretKey::unlock(&input, None, now()).is_err());
            if let Ok(certificate) = Certificate::parse(&input) {
                prop_assert!(certificate.check_usable(now()).is_err());
            }
        }
    }

    #[test]
    fn a_changed_message_opens_to_the_same_or_not_at_all(changes in changes(), aead in any::<bool>()) {
        let inner = craft::signed(&[&ALICE], &[BOB.certificate()], b"hello");
        let mut sealed = craft::encrypt(BOB.certificate(), &inner, aead);
        changes.iter().for_each(|change| change.apply(&mut sealed));
        if let Ok(opened) = open(&BOB, ALICE.certificate(), &sealed, MAX, now()) {
            prop_assert_eq!(opened.plaintext.as_slice(), b"hello");
        }
    }

    /// Behind valid encryption: the parser of the inner packets sees changed bytes.
    #[test]
    fn changed_packets_inside_open_to_the_same_or_not_at_all(changes in changes(), aead in any::<bool>()) {
        let mut inner = craft::signed(&[&ALICE], &[BOB.certificate()], b"hello");
        changes.iter().for_each(|change| change.apply(&mut inner));
        let sealed = craft::encrypt(BOB.certificate(), &inner, aead);
        if let Ok(opened) = open(&BOB, ALICE.certificate(), &sealed, MAX, now()) {
            prop_assert_eq!(opened.plaintext.as_slice(), b"hello");
        }
    }

    #[test]
    fn a_changed_certificate_keeps_its_fingerprint_or_fails(changes in changes()) {
        let mut bytes = ALICE.certificate().to_bytes();
        changes.iter().for_each(|change| change.apply(&mut bytes));
        if let Ok(certificate) = Certificate::parse(&bytes)
            && certificate.check_usable(now()).is_ok()
        {
            prop_assert_eq!(certificate.fingerprint(), ALICE.fingerprint());
            let known = ALICE.certificate().user_ids();
            prop_assert!(certificate.user_ids().iter().all(|id| known.contains(id)));
        }
    }

    #[test]
    fn a_changed_detached_signature_does_not_speak_for_other_bytes(changes in changes()) {
        let mut signature = sign_detached(&ALICE, b"challenge", now()).unwrap().into_bytes();
        changes.iter().for_each(|change| change.apply(&mut signature));
        prop_assert!(verify_detached(ALICE.certificate(), b"other bytes", &signature, now()).is_err());
    }
}
