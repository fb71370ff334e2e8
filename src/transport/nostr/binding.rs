//! The statement that binds a Nostr key to an OpenPGP key, signed with the latter.
//!
//! It is published as an addressable event (NIP-78, kind 30078) of the Nostr key, which signs it as every event: so each key
//! names the other. The content is encrypted with a key that comes from the fingerprint: who knows a peer's fingerprint reads
//! it, a relay that does not cannot tell whose Nostr key this is.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use chacha20poly1305::{
    ChaCha20Poly1305, Key, KeyInit as _, Nonce,
    aead::{Aead as _, Payload},
};
use hkdf::Hkdf;
use nostr_sdk::{Event, EventBuilder, Filter, Keys, Kind, PublicKey, Tag};
use sha2::Sha256;

use crate::{
    delivery::{Reason, ReasonKind},
    transport::Authenticator,
    wire::Fingerprint,
};

/// Application data (NIP-78).
pub(super) const KIND: Kind = Kind::ApplicationSpecificData;
/// The `d` tag; an author has one such event.
const NAME: &str = "skcomm-openpgp";
/// Largest content, in characters; an Ed25519 signature takes about 400, the largest post-quantum one 90 000.
const CONTENT_BYTES: usize = 100 * 1024;

/// What the OpenPGP key signs: it is of no use for another purpose, another pair of keys or another program.
fn statement(fingerprint: &Fingerprint, key: &PublicKey) -> Vec<u8> {
    format!("skcomm nostr binding 1\nopenpgp {fingerprint}\nnostr {key}\n").into_bytes()
}

/// Makes the event that binds `keys` to the identity of `authenticator`.
///
/// # Errors
/// When the identity cannot sign.
pub(super) fn publish(authenticator: &dyn Authenticator, keys: &Keys) -> Result<Event, Reason> {
    let fingerprint = authenticator.fingerprint();
    let signature = authenticator.sign(&statement(&fingerprint, &keys.public_key()))?;
    let nonce: [u8; 12] = rand::random();
    let hidden = cipher(&fingerprint, &keys.public_key())
        .encrypt(Nonce::from_slice(&nonce), payload(signature.as_bytes()))
        .map_err(|_| Reason::new(ReasonKind::Other, "the binding could not be encrypted"))?;
    let content = BASE64.encode([nonce.as_slice(), &hidden].concat());
    EventBuilder::new(KIND, content)
        .tag(Tag::identifier(NAME))
        .sign_with_keys(keys)
        .map_err(|error| Reason::new(ReasonKind::Other, error.to_string()))
}

/// Finds the event of `key`.
pub(super) fn filter(key: PublicKey) -> Filter {
    Filter::new().author(key).kind(KIND).identifier(NAME).limit(4)
}

/// Checks that `event`, whose own signature is checked already, binds its author to `fingerprint`.
///
/// # Errors
/// When it does not, or the certificate of `fingerprint` is not known or not usable.
pub(super) fn check(authenticator: &dyn Authenticator, fingerprint: &Fingerprint, event: &Event) -> Result<(), Reason> {
    let wrong = |why: &str| Reason::new(ReasonKind::KeyUnusable, format!("the statement of the Nostr key {why}"));
    if event.content.len() > CONTENT_BYTES {
        return Err(wrong("is too large"));
    }
    let raw = BASE64.decode(&event.content).map_err(|_| wrong("is no base64"))?;
    let (nonce, hidden) = raw.split_at_checked(12).ok_or_else(|| wrong("is too short"))?;
    let signature = cipher(fingerprint, &event.pubkey)
        .decrypt(Nonce::from_slice(nonce), payload(hidden))
        .map_err(|_| wrong("is about another OpenPGP key"))?;
    let signature = String::from_utf8(signature).map_err(|_| wrong("holds no signature"))?;
    authenticator.verify(fingerprint, &statement(fingerprint, &event.pubkey), &signature)
}

fn payload(message: &[u8]) -> Payload<'_, 'static> {
    Payload { msg: message, aad: NAME.as_bytes() }
}

fn cipher(fingerprint: &Fingerprint, key: &PublicKey) -> ChaCha20Poly1305 {
    let hkdf = Hkdf::<Sha256>::new(Some(key.as_bytes()), fingerprint.as_bytes());
    let mut bytes = [0; 32];
    // 32 bytes are far below what HKDF can give.
    let _ = hkdf.expand(b"skcomm nostr binding 1", &mut bytes);
    ChaCha20Poly1305::new(Key::from_slice(&bytes))
}
