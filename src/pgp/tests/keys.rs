//! Private keys: generation, protection, unlocking.

use std::sync::LazyLock;

use sequoia_openpgp::{
    Cert, Packet, crypto::S2K, packet::key::SecretKeyMaterial, parse::Parse as _, serialize::SerializeInto as _,
};

use super::{ALICE, BOB, in_days, now};
use crate::pgp::{
    Certificate, Generated, Identity, Passphrase, PgpError, Protection, SecretKey, Unusable, generate, open, seal,
    sign_detached, verify_detached,
};

fn opus() -> Identity {
    Identity {
        name: "Opus".to_owned(),
        email: "opus@example.org".to_owned(),
        fqid: Some("opus@casey.douno".to_owned()),
    }
}

/// One key with a passphrase for all tests: Argon2 takes its time, as it should.
static OPUS: LazyLock<Generated> = LazyLock::new(|| generate(opus(), Some(&passphrase()), now()).unwrap());

fn passphrase() -> Passphrase {
    Passphrase::new("correct horse")
}

#[test]
fn a_generated_key_is_complete() {
    let made = &*OPUS;
    let certificate = Certificate::parse(made.public_armored.as_bytes()).unwrap();
    assert_eq!(certificate.fingerprint(), made.secret.fingerprint());
    assert_eq!(certificate.user_ids(), ["Opus <opus@example.org>", "skcomm:opus@casey.douno"]);
    assert_eq!(certificate.fqids(), ["opus@casey.douno"]);
    assert!(certificate.check_usable(now()).is_ok());
    assert!(certificate.with_revocation(made.revocation_armored.as_bytes()).unwrap().is_revoked());

    let locked = made.private_armored.as_bytes();
    assert_eq!(SecretKey::unlock(locked, None, now()).unwrap_err(), PgpError::PassphraseNeeded);
    let wrong = Passphrase::new("correct house");
    assert_eq!(SecretKey::unlock(locked, Some(&wrong), now()).unwrap_err(), PgpError::WrongPassphrase);
    let unlocked = SecretKey::unlock(locked, Some(&passphrase()), now()).unwrap();
    let sealed = seal(&unlocked, BOB.certificate(), b"x", now()).unwrap();
    assert!(open(&BOB, &certificate, sealed.as_bytes(), 9, now()).is_ok());
    let sealed = seal(&BOB, &certificate, b"x", now()).unwrap();
    assert!(open(&unlocked, BOB.certificate(), sealed.as_bytes(), 9, now()).is_ok());
}

/// The protection of every secret part of an armored private key.
fn protections(armored: &str) -> Vec<Option<S2K>> {
    let cert = Cert::from_bytes(armored.as_bytes()).unwrap();
    cert.keys()
        .secret()
        .map(|ka| match ka.key().secret() {
            SecretKeyMaterial::Encrypted(secret) => Some(secret.s2k().clone()),
            SecretKeyMaterial::Unencrypted(_) => None,
        })
        .collect()
}

#[test]
fn every_part_is_protected_as_asked() {
    let all = protections(&OPUS.private_armored);
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|s2k| matches!(s2k, Some(S2K::Argon2 { t: 3, p: 4, m: 16, .. }))), "{all:?}");
    let old = ALICE.export(Some(&passphrase()), Protection::Compatible).unwrap();
    let all = protections(&old);
    assert!(all.iter().all(|s2k| matches!(s2k, Some(S2K::Iterated { hash_bytes: 0x3e0_0000, .. }))), "{all:?}");
    let bare = ALICE.export(None, Protection::Argon2).unwrap();
    assert_eq!(protections(&bare), [None, None, None]);
    assert!(SecretKey::unlock(bare.as_bytes(), None, now()).is_ok());
}

#[test]
fn names_that_cannot_stand_in_a_user_id_are_refused() {
    let refused = |edit: fn(&mut Identity)| {
        let mut identity = opus();
        edit(&mut identity);
        matches!(generate(identity, None, now()), Err(PgpError::Identity { .. }))
    };
    assert!(refused(|id| id.name = String::new()));
    assert!(refused(|id| id.name = "Opus\u{1b}[2J".to_owned()));
    assert!(refused(|id| id.name = "Lumina <lumina@example.org>".to_owned()));
    assert!(refused(|id| id.name = "x".repeat(257)));
    assert!(refused(|id| id.email = "opus".to_owned()));
    assert!(refused(|id| id.email = "opus@a> <x@b".to_owned()));
    assert!(refused(|id| id.fqid = Some("opus casey".to_owned())));
    assert!(!refused(|id| id.name = "Ünï 好".to_owned()));
}

#[test]
fn a_certificate_is_not_a_private_key() {
    let armored = ALICE.certificate().armored();
    assert_eq!(SecretKey::unlock(armored.as_bytes(), None, now()).unwrap_err(), PgpError::NoSecretKey);
    let binary = ALICE.certificate().to_bytes();
    assert_eq!(SecretKey::unlock(&binary, None, now()).unwrap_err(), PgpError::NoSecretKey);
    assert!(SecretKey::unlock(b"", None, now()).is_err());
}

#[test]
fn a_key_from_the_future_is_refused() {
    let armored = ALICE.export(None, Protection::Argon2).unwrap();
    let error = SecretKey::unlock(armored.as_bytes(), None, in_days(-1)).unwrap_err();
    assert!(matches!(error, PgpError::Unusable { why: Unusable::NotYetValid(_), .. }), "{error:?}");
}

#[test]
fn a_secret_that_does_not_match_its_public_part_is_found_at_unlocking() {
    // Bob's secret scalar under Alice's public signing key: a faulty signature would give the secret away.
    let alice = ALICE.signer(now()).unwrap();
    let bob = BOB.signer(now()).unwrap();
    let secret = SecretKeyMaterial::Unencrypted(bob.secret().clone());
    let key = alice.public().clone().role_into_subordinate().add_secret(secret).0;
    let cert = ALICE.certificate().cert().clone().insert_packets([Packet::SecretSubkey(key)]).unwrap().0;
    let binary = cert.as_tsk().to_vec().unwrap();
    // The primary key is public only in this mixture, so it is read as the parts are.
    assert_eq!(SecretKey::from_cert(Cert::from_bytes(&binary).unwrap(), None).unwrap_err(), PgpError::KeyDamaged);
}

#[test]
fn an_insane_passphrase_protection_is_refused() {
    let cert = Cert::from_bytes(OPUS.private_armored.as_bytes()).unwrap();
    let mut binary = cert.as_tsk().to_vec().unwrap();
    // The S2K specifier: Argon2 (4), 16 bytes of salt, passes, lanes, memory.
    let start = binary.windows(20).position(|bytes| bytes[0] == 4 && bytes[17..] == [3, 4, 16]).unwrap();
    binary[start + 19] = 30;
    let error = SecretKey::unlock(&binary, Some(&passphrase()), now()).unwrap_err();
    assert_eq!(error, PgpError::ProtectionTooCostly);
}

#[test]
fn keys_of_the_python_system_are_read() {
    let read = |name: &str, part: &str| {
        let path = format!("{}/tests/vectors/keys/{name}/{part}.asc", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(path).unwrap()
    };
    // They are protected by the empty passphrase.
    let at = in_days(1);
    assert_eq!(SecretKey::unlock(&read("bob", "private"), None, at).unwrap_err(), PgpError::PassphraseNeeded);
    let bob = SecretKey::unlock(&read("bob", "private"), Some(&Passphrase::new("")), at).unwrap();
    let certificate = |name| Certificate::parse(&read(name, "public")).unwrap();
    assert_eq!(bob.fingerprint(), certificate("bob").fingerprint());
    assert!(certificate("alice").check_usable(at).is_ok());
    let sealed = seal(&ALICE, &certificate("bob"), b"x", at).unwrap();
    assert!(open(&bob, ALICE.certificate(), sealed.as_bytes(), 9, at).is_ok());
    assert!(seal(&bob, &certificate("alice"), b"x", at).is_ok());
    let signature = sign_detached(&bob, b"x", at).unwrap();
    assert!(verify_detached(&certificate("bob"), b"x", signature.as_bytes(), at).is_ok());
}

#[test]
fn an_rsa_private_key_is_refused_where_it_would_leak() {
    let path = format!("{}/tests/vectors/keys/rsa/private.asc", env!("CARGO_MANIFEST_DIR"));
    let read = SecretKey::unlock(&std::fs::read(path).unwrap(), None, now());
    if cfg!(feature = "crypto-rust") {
        assert_eq!(read.unwrap_err(), PgpError::RsaPrivateKey);
    } else {
        let key = read.unwrap();
        let signature = sign_detached(&key, b"x", now()).unwrap();
        assert!(verify_detached(key.certificate(), b"x", signature.as_bytes(), now()).is_ok());
    }
}

#[test]
fn nothing_secret_is_shown() {
    assert!(!format!("{:?}", passphrase()).contains("horse"));
    assert_eq!(format!("{:?}", *ALICE), format!("SecretKey({})", ALICE.fingerprint()));
}
