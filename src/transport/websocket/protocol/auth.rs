//! What is signed and proved at login.

use hmac::{Hmac, Mac};
use sha2::Sha256;

const AUTH_CONTEXT: &[u8] = b"skcomm-relay.v1 auth\n";
const TOKEN_CONTEXT: &[u8] = b"skcomm-relay.v1 token\n";

/// The bytes the client's key signs: the name of the protocol, so that the signature is of no use
/// elsewhere; the relay as it was dialled (`host:port`), so that a relay cannot pass its own challenge
/// on from another; the relay's nonce, so that it is of no use twice.
pub fn signed_bytes(host: &str, nonce: &[u8; 32]) -> Vec<u8> {
    [AUTH_CONTEXT, host.as_bytes(), b"\n", nonce].concat()
}

/// The proof that the client knows the shared token: HMAC-SHA-256 with the token as key. The token
/// itself never travels.
pub fn token_proof(token: &str, host: &str, nonce: &[u8; 32]) -> [u8; 32] {
    token_mac(token, host, nonce).map(|mac| mac.finalize().into_bytes().into()).unwrap_or_default()
}

/// Whether `proof` is the right one, compared in constant time.
pub fn token_matches(token: &str, host: &str, nonce: &[u8; 32], proof: &[u8; 32]) -> bool {
    token_mac(token, host, nonce).is_some_and(|mac| mac.verify_slice(proof).is_ok())
}

/// HMAC takes keys of any length, so there always is one.
fn token_mac(token: &str, host: &str, nonce: &[u8; 32]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(token.as_bytes()).ok()?;
    mac.update(TOKEN_CONTEXT);
    mac.update(host.as_bytes());
    mac.update(b"\n");
    mac.update(nonce);
    Some(mac)
}
