//! Small files in the transport's folder, encrypted and replaced as a whole.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use chacha20poly1305::{
    Key, KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use hkdf::Hkdf;
use serde::{Serialize, de::DeserializeOwned};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    delivery::{Reason, ReasonKind},
    transport::Secret,
};

/// Begins every file: the format.
const MAGIC: &[u8; 4] = b"skm1";
const NONCE: usize = 24;
/// Largest file, in bytes.
const FILE_BYTES: u64 = 4 * 1024 * 1024;

/// The transport's folder. Its methods block: for threads that may.
#[derive(Debug)]
pub(super) struct Vault {
    dir: PathBuf,
    secret: Secret,
}

impl Vault {
    pub(super) fn new(dir: PathBuf, secret: Secret) -> Self {
        Self { dir, secret }
    }

    /// The folder.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A key for `purpose`.
    pub(super) fn key(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        let info = [b"skcomm matrix ", purpose.as_bytes()];
        // HKDF-SHA-256 gives up to 8 160 bytes: 32 are always to be had.
        let _ = Hkdf::<Sha256>::new(None, self.secret.bytes()).expand_multi_info(&info, key.as_mut_slice());
        key
    }

    /// Makes the folder, which only the user may enter.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn prepare(&self) -> Result<(), Reason> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        made.map_err(|error| failed(&self.dir, &error.to_string()))
    }

    /// The content of a file; none when it does not exist.
    ///
    /// # Errors
    /// When it cannot be read, or was not written with this identity.
    pub(super) fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Reason> {
        let path = self.dir.join(name);
        let size = match fs::metadata(&path) {
            Ok(meta) => meta.len(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path, &error.to_string())),
        };
        if size > FILE_BYTES {
            return Err(failed(&path, "it is too large"));
        }
        let sealed = fs::read(&path).map_err(|error| failed(&path, &error.to_string()))?;
        let foreign = || failed(&path, "it is damaged or belongs to another identity; delete it to log in anew");
        let (nonce, sealed) = sealed
            .strip_prefix(MAGIC)
            .filter(|rest| rest.len() > NONCE)
            .map(|rest| rest.split_at(NONCE))
            .ok_or_else(foreign)?;
        let payload = Payload { msg: sealed, aad: name.as_bytes() };
        let plain = self.cipher().decrypt(XNonce::from_slice(nonce), payload).map_err(|_| foreign())?;
        serde_json::from_slice(&Zeroizing::new(plain)).map(Some).map_err(|_| foreign())
    }

    /// Replaces a file; it is on the disk when this returns.
    ///
    /// # Errors
    /// When it cannot be written: the old one is then untouched.
    pub(super) fn write<T: Serialize>(&self, name: &str, content: &T) -> Result<(), Reason> {
        let path = self.dir.join(name);
        let refuse = |error: &str| failed(&path, error);
        let plain = Zeroizing::new(serde_json::to_vec(content).map_err(|error| refuse(&error.to_string()))?);
        let nonce: [u8; NONCE] = rand::random();
        let payload = Payload { msg: &plain, aad: name.as_bytes() };
        let sealed =
            self.cipher().encrypt(XNonce::from_slice(&nonce), payload).map_err(|error| refuse(&error.to_string()))?;
        self.replace(name, &[MAGIC.as_slice(), &nonce, &sealed].concat()).map_err(|error| refuse(&error.to_string()))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let beside = self.dir.join(format!(".{name}.tmp"));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, self.dir.join(name))?;
        fs::File::open(&self.dir)?.sync_all()
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(Key::from_slice(self.key("files").as_slice()))
    }
}

fn failed(path: &Path, why: &str) -> Reason {
    Reason::new(ReasonKind::Io, format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(dir: &Path, secret: u8) -> Vault {
        Vault::new(dir.join("matrix"), Secret::new(Zeroizing::new([secret; 32])))
    }

    #[test]
    fn what_is_written_can_be_read_by_the_same_identity_only() {
        let dir = tempfile::tempdir().unwrap();
        let mine = vault(dir.path(), 1);
        mine.prepare().unwrap();
        assert_eq!(mine.read::<String>("session").unwrap(), None);
        mine.write("session", &"a token").unwrap();
        mine.write("session", &"another token").unwrap();
        assert_eq!(mine.read::<String>("session").unwrap().unwrap(), "another token");
        let raw = fs::read(mine.dir().join("session")).unwrap();
        assert!(!raw.windows(5).any(|part| part == b"token"), "it is encrypted");
        assert_eq!(fs::read_dir(mine.dir()).unwrap().count(), 1, "nothing is left beside it");
        let error = vault(dir.path(), 2).read::<String>("session").unwrap_err();
        assert!(error.to_string().contains("another identity"), "{error}");
        fs::rename(mine.dir().join("session"), mine.dir().join("place")).unwrap();
        assert!(mine.read::<String>("place").is_err(), "a file does not pass for another one");
        for damaged in [&b""[..], b"skm1", &[0; 100], &raw[..raw.len() - 1]] {
            fs::write(mine.dir().join("session"), damaged).unwrap();
            assert!(mine.read::<String>("session").is_err());
        }
        assert_ne!(mine.key("files").as_slice(), mine.key("store").as_slice());
    }
}
