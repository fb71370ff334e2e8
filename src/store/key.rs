//! Keys: what seals values and hides names.

use hkdf::Hkdf;
use rand::Rng as _;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::cipher::{Cipher, Failed, NONCE, TAG};

/// The secret that opens a store: 32 uniformly random bytes, unlocked by the identity. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct StoreKey([u8; 32]);

impl StoreKey {
    /// Takes 32 uniformly random bytes (not a passphrase).
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A secret for something outside of the store, bound to `purpose` (HKDF-SHA256, RFC 5869). It tells nothing of
    /// this key or of the secrets for other purposes.
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        expand(&Hkdf::<Sha256>::new(Some(b"skcomm-tui beside the store"), &self.0), purpose.as_bytes())
    }
}

impl std::fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreKey(..)")
    }
}

fn expand(from: &Hkdf<Sha256>, info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0u8; 32]);
    // 32 bytes are far below the bound of 255 hashes, the only way this can fail.
    let fits = from.expand(info, out.as_mut()).is_ok();
    debug_assert!(fits);
    out
}

/// First byte of every sealed value, so that another cipher can follow.
const SEAL_VERSION: u8 = 1;

/// The sealed value is not authentic under this key at this place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotAuthentic;

impl From<Failed> for NotAuthentic {
    fn from(_: Failed) -> Self {
        Self
    }
}

/// The keys derived from the store key (HKDF-SHA256, RFC 5869): one seals values, one hides names,
/// one authenticates the journal.
pub(super) struct Keys {
    seal: Cipher,
    names: Zeroizing<[u8; 32]>,
    journal: Zeroizing<[u8; 32]>,
}

impl Keys {
    pub(super) fn derive(key: &StoreKey) -> Self {
        let derived = Hkdf::<Sha256>::new(Some(b"skcomm-tui store"), &key.0);
        let part = |info: &[u8]| expand(&derived, info);
        Self {
            seal: Cipher::new(part(b"values: XChaCha20-Poly1305")),
            names: part(b"names: BLAKE3"),
            journal: part(b"journal: BLAKE3"),
        }
    }

    /// The key that authenticates the journal.
    pub(super) fn journal(&self) -> [u8; 32] {
        *self.journal
    }

    /// Seals `plain` for the place `at`: it opens nowhere else. The result begins with `lead`, which is not
    /// sealed and not given to [`Keys::open`].
    pub(super) fn seal_after(&self, lead: &[u8], at: &[u8], plain: &[u8]) -> Result<Vec<u8>, NotAuthentic> {
        let mut nonce = [0u8; NONCE];
        rand::rng().fill_bytes(&mut nonce);
        let mut out = Vec::with_capacity(lead.len() + 1 + NONCE + plain.len() + TAG);
        out.extend_from_slice(lead);
        out.push(SEAL_VERSION);
        out.extend_from_slice(&nonce);
        let start = out.len();
        out.extend_from_slice(plain);
        let tag = self.seal.seal(&nonce, at, out.get_mut(start..).unwrap_or_default())?;
        out.extend_from_slice(&tag);
        Ok(out)
    }

    /// Opens what was sealed for the place `at`.
    pub(super) fn open(&self, at: &[u8], sealed: &[u8]) -> Result<Vec<u8>, NotAuthentic> {
        let (version, rest) = sealed.split_first().ok_or(NotAuthentic)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(NotAuthentic)?;
        if *version != SEAL_VERSION {
            return Err(NotAuthentic);
        }
        let mut opened = sealed.to_vec();
        self.seal.open(nonce, at, &mut opened)?;
        Ok(opened)
    }

    /// A name that can be looked up but not read: 16 bytes of a keyed hash over `purpose` and the parts.
    pub(super) fn hide(&self, purpose: u8, parts: &[&[u8]]) -> [u8; 16] {
        let mut hash = blake3::Hasher::new_keyed(&self.names);
        hash.update(&[purpose]);
        for part in parts {
            // The length keeps ("ab", "c") and ("a", "bc") apart.
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut out = [0; 16];
        out.copy_from_slice(&hash.finalize().as_bytes()[..16]);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_secrets_differ_by_purpose_and_key() {
        let key = StoreKey::new([7; 32]);
        assert_eq!(key.derive("a"), key.derive("a"));
        assert_ne!(key.derive("a"), key.derive("b"));
        assert_ne!(key.derive("a"), StoreKey::new([8; 32]).derive("a"));
        assert_ne!(*key.derive("a"), [7; 32]);
    }
}
