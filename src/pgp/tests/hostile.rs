//! Messages that must be refused, each with its reason.

use sequoia_openpgp::{
    Packet,
    crypto::Password,
    packet::{CompressedData, Literal, Marker, PKESK, SKESK, Unknown, skesk::SKESK4},
    serialize::stream::{Compressor, Message},
    types::{CompressionAlgorithm, DataFormat, HashAlgorithm, SymmetricAlgorithm},
};

use super::{ALICE, BOB, CAROL, craft, now};
use crate::pgp::{Grammar, PgpError, open, seal, seal_bytes};

const MAX: usize = 1 << 20;

/// What Bob says to a message that claims to be Alice's.
fn verdict(message: &[u8]) -> PgpError {
    open(&BOB, ALICE.certificate(), message, MAX, now()).unwrap_err()
}

/// What Bob says to packets sealed to him, the same for both kinds of encryption.
fn verdict_on_inner(inner: &[u8]) -> PgpError {
    let old = verdict(&craft::encrypt(BOB.certificate(), inner, false));
    let new = verdict(&craft::encrypt(BOB.certificate(), inner, true));
    assert_eq!(old, new);
    old
}

fn honest() -> Vec<u8> {
    craft::signed(&[&ALICE], &[BOB.certificate()], b"hello")
}

#[test]
fn the_crafting_tools_make_an_acceptable_message() {
    for aead in [false, true] {
        let sealed = craft::encrypt(BOB.certificate(), &honest(), aead);
        let opened = open(&BOB, ALICE.certificate(), &sealed, MAX, now()).unwrap();
        assert_eq!((opened.plaintext.as_slice(), opened.aead), (&b"hello"[..], aead));
    }
}

#[test]
fn a_message_rewrapped_by_its_recipient_is_detected() {
    let to_bob = seal_bytes(&ALICE, BOB.certificate(), b"I love you", now()).unwrap();
    let to_carol = craft::encrypt(CAROL.certificate(), &craft::decrypt(&BOB, &to_bob), false);
    let error = open(&CAROL, ALICE.certificate(), &to_carol, MAX, now()).unwrap_err();
    assert_eq!(error, PgpError::OtherRecipient);
    // The same tools, back to Bob: what is detected is the recipient, not the tools.
    let again = craft::encrypt(BOB.certificate(), &craft::decrypt(&BOB, &to_bob), false);
    assert!(open(&BOB, ALICE.certificate(), &again, MAX, now()).is_ok());
}

#[test]
fn the_intended_recipient_must_be_there_and_alone() {
    assert_eq!(verdict_on_inner(&craft::signed(&[&ALICE], &[], b"x")), PgpError::NoIntendedRecipient);
    let both = craft::signed(&[&ALICE], &[BOB.certificate(), CAROL.certificate()], b"x");
    assert_eq!(verdict_on_inner(&both), PgpError::OtherRecipient);
}

#[test]
fn unsigned_is_refused() {
    assert_eq!(verdict_on_inner(&craft::literal(b"hello", "")), PgpError::Grammar(Grammar::Unsigned));
}

#[test]
fn two_signatures_are_refused() {
    let two = craft::signed(&[&ALICE, &ALICE], &[BOB.certificate()], b"x");
    assert_eq!(verdict_on_inner(&two), PgpError::Grammar(Grammar::SeveralSignatures));
    let notarised = craft::signed(&[&ALICE, &CAROL], &[BOB.certificate()], b"x");
    assert_eq!(verdict_on_inner(&notarised), PgpError::Grammar(Grammar::SeveralSignatures));
}

#[test]
fn nested_encryption_is_refused() {
    let nested = craft::encrypt(BOB.certificate(), &honest(), false);
    assert_eq!(verdict_on_inner(&nested), PgpError::Grammar(Grammar::Nested));
}

#[test]
fn other_arrangements_of_the_packets_are_refused() {
    let [ops, literal, signature] = craft::packets(&honest()).try_into().unwrap();
    let unexpected = PgpError::Grammar(Grammar::Unexpected);
    let check = |packets: &[&Packet], expected: &PgpError| {
        let packets: Vec<_> = packets.iter().map(|packet| (*packet).clone()).collect();
        assert_eq!(&verdict_on_inner(&craft::bytes(&packets)), expected);
    };
    check(&[&signature, &literal], &unexpected);
    check(&[&ops, &literal], &unexpected);
    check(&[&ops, &signature], &unexpected);
    check(&[&literal, &ops, &signature], &unexpected);
    check(&[&ops, &literal, &literal, &signature], &unexpected);
    check(&[&Packet::Marker(Marker::default()), &ops, &literal, &signature], &unexpected);
    check(&[&ops, &literal, &signature, &literal], &unexpected);
    check(&[&ops, &literal, &signature, &signature], &PgpError::Grammar(Grammar::SeveralSignatures));
}

#[test]
fn a_literal_with_a_name_or_as_text_is_refused() {
    let [ops, literal, signature] = craft::packets(&honest()).try_into().unwrap();
    let Packet::Literal(plain) = literal else { panic!("not a literal") };
    let change = |edit: &dyn Fn(&mut Literal)| {
        let mut literal = plain.clone();
        edit(&mut literal);
        craft::bytes(&[ops.clone(), literal.into(), signature.clone()])
    };
    let named = change(&|literal| drop(literal.set_filename("../../.profile").unwrap()));
    assert_eq!(verdict_on_inner(&named), PgpError::Grammar(Grammar::Literal));
    let text = change(&|literal| {
        literal.set_format(DataFormat::Unicode);
    });
    assert_eq!(verdict_on_inner(&text), PgpError::Grammar(Grammar::Literal));
    let other = change(&|literal| drop(literal.set_body(b"other words".to_vec())));
    assert_eq!(verdict_on_inner(&other), PgpError::BadSignature);
}

#[test]
fn a_compression_bomb_is_never_inflated() {
    let mut bomb = Vec::new();
    let compressor = Compressor::new(Message::new(&mut bomb)).algo(CompressionAlgorithm::Zip);
    let mut message = compressor.build().unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..16 {
        std::io::Write::write_all(&mut message, &zeros).unwrap();
    }
    message.finalize().unwrap();
    assert!(bomb.len() < MAX / 2);
    assert_eq!(verdict_on_inner(&bomb), PgpError::Grammar(Grammar::Compressed));
    let [ops, _, signature] = craft::packets(&honest()).try_into().unwrap();
    let mut packet = CompressedData::new(CompressionAlgorithm::Zip);
    packet.set_body(sequoia_openpgp::packet::Body::Processed(honest()));
    let around = craft::bytes(&[ops, Packet::CompressedData(packet), signature]);
    assert_eq!(verdict_on_inner(&around), PgpError::Grammar(Grammar::Compressed));
}

#[test]
fn what_is_not_encrypted_or_only_to_a_password_is_refused() {
    assert_eq!(verdict(&honest()), PgpError::Grammar(Grammar::NotEncrypted));
    assert_eq!(verdict(&craft::literal(b"hello", "")), PgpError::Grammar(Grammar::NotEncrypted));
    let aes = SymmetricAlgorithm::AES256;
    let session = sequoia_openpgp::crypto::SessionKey::new(32).unwrap();
    let s2k = sequoia_openpgp::crypto::S2K::new_iterated(HashAlgorithm::SHA256, 1024).unwrap();
    let skesk = SKESK4::with_password(aes, aes, s2k, &session, &Password::from("x")).unwrap();
    let mut message = craft::bytes(&[Packet::SKESK(SKESK::V4(skesk))]);
    message.extend(craft::encrypt(BOB.certificate(), &honest(), false));
    assert_eq!(verdict(&message), PgpError::Grammar(Grammar::Password));
}

#[test]
fn nothing_may_precede_or_follow() {
    let sealed = seal_bytes(&ALICE, BOB.certificate(), b"hello", now()).unwrap();
    let marker = craft::bytes(&[Packet::Marker(Marker::default())]);
    assert_eq!(verdict(&[&marker[..], &sealed].concat()), PgpError::Grammar(Grammar::Unexpected));
    for tail in [&marker, &sealed, &honest()] {
        assert_eq!(verdict(&[&sealed[..], tail].concat()), PgpError::Grammar(Grammar::Trailing));
    }
    assert!(open(&BOB, ALICE.certificate(), &[&sealed[..], b"\0garbage"].concat(), MAX, now()).is_err());
    let armored = seal(&ALICE, BOB.certificate(), b"hello", now()).unwrap();
    let malformed = PgpError::Malformed { what: "OpenPGP message" };
    for text in [format!("{armored}{armored}"), format!("see:\n{armored}"), format!("{armored}PS: hello")] {
        assert_eq!(verdict(text.as_bytes()), malformed);
    }
    assert_eq!(verdict(armored.replace("MESSAGE", "SIGNATURE").as_bytes()), malformed);
    assert_eq!(verdict(b""), malformed);
    // White space around an armored block is how files end.
    assert!(open(&BOB, ALICE.certificate(), format!("\r\n{armored}\n\n").as_bytes(), MAX, now()).is_ok());
}

#[test]
fn floods_of_packets_are_cut_off() {
    let sealed = seal_bytes(&ALICE, BOB.certificate(), b"hello", now()).unwrap();
    let pkesk = craft::packets(&sealed).into_iter().find(|packet| matches!(packet, Packet::PKESK(_))).unwrap();
    let Packet::PKESK(PKESK::V3(mut other)) = pkesk else { panic!("not version 3") };
    other.set_recipient(None);
    let many = craft::bytes(&vec![Packet::PKESK(PKESK::V3(other)); 1000]);
    assert_eq!(verdict(&[many, sealed].concat()), PgpError::Grammar(Grammar::TooManyRecipients));
    let inside = craft::bytes(&vec![Packet::Marker(Marker::default()); 10_000]);
    assert_eq!(verdict_on_inner(&inside), PgpError::Undecryptable);
}

#[test]
fn a_hidden_recipient_is_found() {
    let sealed = seal_bytes(&ALICE, BOB.certificate(), b"hello", now()).unwrap();
    let mut packets = craft::packets(&sealed);
    if let Packet::PKESK(PKESK::V3(pkesk)) = &mut packets[0] {
        pkesk.set_recipient(None);
    }
    assert!(open(&BOB, ALICE.certificate(), &craft::bytes(&packets), MAX, now()).is_ok());
    assert_eq!(
        open(&CAROL, ALICE.certificate(), &craft::bytes(&packets), MAX, now()).unwrap_err(),
        PgpError::Undecryptable
    );
}

#[test]
fn no_changed_byte_goes_unnoticed() {
    let mask_bit_of_x25519 = 1;
    for aead in [false, true] {
        let sealed = craft::encrypt(BOB.certificate(), &honest(), aead);
        let mut unharmed = 0;
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1 << (7 - at % 8);
            match open(&BOB, ALICE.certificate(), &changed, MAX, now()) {
                Err(_) => {}
                // X25519 ignores the top bit of a point (RFC 7748 section 5); what is opened is the same.
                Ok(opened) => {
                    assert_eq!(*opened.plaintext, b"hello", "byte {at}");
                    unharmed += 1;
                }
            }
        }
        assert!(unharmed <= mask_bit_of_x25519, "{unharmed} changes unnoticed");
    }
}

#[test]
fn every_truncation_is_refused_and_damage_has_one_name() {
    for aead in [false, true] {
        let sealed = craft::encrypt(BOB.certificate(), &honest(), aead);
        for len in (0..sealed.len()).step_by(3).chain(sealed.len() - 40..sealed.len()) {
            assert!(open(&BOB, ALICE.certificate(), &sealed[..len], MAX, now()).is_err(), "cut to {len}");
        }
        // Behind the session key every damage looks the same.
        let container = sealed.len() - 100;
        for at in container..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 0x10;
            assert_eq!(verdict(&changed), PgpError::Undecryptable, "byte {at}, aead {aead}");
        }
    }
}

#[test]
fn the_old_container_without_integrity_is_refused() {
    let sealed = seal_bytes(&ALICE, BOB.certificate(), b"hello", now()).unwrap();
    let mut packets = craft::packets(&sealed);
    // Tag 9, symmetrically encrypted data without integrity protection.
    let mut old = Unknown::new(9.into(), sequoia_openpgp::anyhow::anyhow!("old"));
    old.set_body(vec![0; 300]);
    packets[1] = Packet::Unknown(old);
    assert_eq!(verdict(&craft::bytes(&packets)), PgpError::Grammar(Grammar::Unexpected));
}
