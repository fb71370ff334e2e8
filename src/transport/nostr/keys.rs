//! The Nostr key of this node: derived from the transport's secret, or read from a file.

use std::path::Path;

use hkdf::Hkdf;
use nostr_sdk::{Keys, SecretKey};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    delivery::{Reason, ReasonKind},
    transport::Secret,
};

/// Largest file with a key, in bytes; an `nsec` has 63.
const FILE_BYTES: u64 = 1024;

/// The key that belongs to `secret`, the same in every run.
///
/// # Errors
/// Never in practice: one in 2^128 derivations would not be a valid scalar, and the next is taken.
pub(super) fn derived(secret: &Secret) -> Result<Keys, Reason> {
    let hkdf = Hkdf::<Sha256>::new(None, secret.bytes());
    for attempt in 0..=u8::MAX {
        let mut bytes = Zeroizing::new([0; 32]);
        let info = [b"skcomm nostr key 1 ".as_slice(), &[attempt]].concat();
        hkdf.expand(&info, bytes.as_mut_slice()).map_err(|error| Reason::new(ReasonKind::Other, error.to_string()))?;
        if let Ok(key) = SecretKey::from_slice(bytes.as_slice()) {
            return Ok(Keys::new(key));
        }
    }
    Err(Reason::new(ReasonKind::Other, "no Nostr key could be derived"))
}

/// The key in the file at `path`: one line, `nsec1…` or 64 hexadecimal digits.
///
/// # Errors
/// When the file cannot be read, others may read it, or it holds no key. What it holds is never repeated.
pub(super) fn from_file(path: &Path) -> Result<Keys, Reason> {
    read(path).map_err(|problem| {
        Reason::new(ReasonKind::NotConfigured, format!("the setting key_file, {}: {problem}", path.display()))
    })
}

fn read(path: &Path) -> Result<Keys, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let facts = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if facts.len() > FILE_BYTES {
        return Err("it is too large for a key".to_owned());
    }
    if facts.permissions().mode() & 0o077 != 0 {
        return Err("others may read it; chmod 600 it first".to_owned());
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|error| error.to_string())?);
    let key = SecretKey::parse(text.trim());
    key.map(Keys::new).map_err(|_| "it holds no key; wanted is one line, nsec1… or 64 hexadecimal digits".to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use nostr_sdk::ToBech32 as _;

    use super::*;

    fn secret(byte: u8) -> Secret {
        Secret::new(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn the_key_is_the_same_in_every_run_and_another_for_another_secret() {
        let one = derived(&secret(1)).unwrap();
        assert_eq!(one.public_key(), derived(&secret(1)).unwrap().public_key());
        assert_ne!(one.public_key(), derived(&secret(2)).unwrap().public_key());
        assert_ne!(one.secret_key().as_secret_bytes(), [1; 32]);
    }

    #[test]
    fn a_file_must_be_private_and_hold_a_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let keys = Keys::generate();
        std::fs::write(&path, format!("{}\n", keys.secret_key().to_bech32().unwrap())).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(from_file(&path).unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(from_file(&path).unwrap().public_key(), keys.public_key());
        std::fs::write(&path, keys.secret_key().to_secret_hex()).unwrap();
        assert_eq!(from_file(&path).unwrap().public_key(), keys.public_key());
        std::fs::write(&path, "nsec1secretbutbroken").unwrap();
        let told = from_file(&path).unwrap_err().to_string();
        assert!(told.contains("no key") && !told.contains("secretbutbroken"), "{told}");
        assert!(from_file(&dir.path().join("none")).is_err());
    }
}
