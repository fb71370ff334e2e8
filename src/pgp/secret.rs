//! The private key: unlocked once, kept as ready key pairs, protected again for the disk.

use std::{collections::BTreeMap, fmt, sync::Arc};

use sequoia_openpgp::{
    Cert, Fingerprint as PgpFingerprint, Packet,
    armor::Kind,
    crypto::{Decryptor as _, KeyPair, Password, S2K, SessionKey, Signer as _},
    packet::key::{Encrypted, SecretKeyMaterial},
    parse::Parse as _,
    serialize::SerializeInto as _,
    types::{AEADAlgorithm, HashAlgorithm, SymmetricAlgorithm},
};
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    Certificate, PgpError, Unusable, armor,
    policy::is_rsa,
    scan::{Expected, scan},
};
use crate::wire::{Fingerprint, Timestamp, limits};

/// Argon2id as RFC 9580 section 3.7.1.4 and RFC 9106 section 4 recommend where memory is limited: 3 passes, 4
/// lanes, 2^16 KiB.
const ARGON2: (u8, u8, u8) = (3, 4, 16);
/// Most memory a private key may ask for when it is unlocked, as a power of two of KiB: 2 GiB.
const ARGON2_MEMORY_MAX: u8 = 21;
/// Most passes over that memory.
const ARGON2_PASSES_MAX: u8 = 16;

/// A passphrase. Zeroed when dropped, never shown.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// From the passphrase's bytes; other programs use UTF-8. They are taken as they are: line ends belong to it.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its bytes, for deriving other keys from the same passphrase.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn password(&self) -> Password {
        Password::from(self.0.as_slice())
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// How an exported private key is protected by its passphrase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protection {
    /// Argon2id (64 MiB, 3 passes) and AES-256 in OCB mode: what this program writes. GnuPG 2.2 and PGPy
    /// cannot read it.
    #[default]
    Argon2,
    /// 65 011 712 octets of iterated and salted SHA-256 and AES-256 in CFB mode, for older programs: much cheaper
    /// to guess.
    Compatible,
}

/// An unlocked private key with its certificate. Cheap to clone. The secrets are encrypted in memory by sequoia
/// while not in use and zeroed when the last clone is dropped.
#[derive(Clone)]
pub struct SecretKey(Arc<Inner>);

struct Inner {
    certificate: Certificate,
    pairs: BTreeMap<PgpFingerprint, KeyPair>,
}

impl SecretKey {
    /// Reads exactly one private key, armored or binary, and unlocks all its parts; each is tried once so that a
    /// damaged or tampered one is found now and not by leaking itself in a faulty signature. Takes the time of
    /// its passphrase protection, up to a second: not for a thread that must answer.
    ///
    /// An expired or revoked key can be unlocked too, so that something can be done about it.
    ///
    /// # Errors
    /// [`PgpError::PassphraseNeeded`], [`PgpError::WrongPassphrase`], [`PgpError::KeyDamaged`],
    /// [`PgpError::RsaPrivateKey`], [`PgpError::NoSecretKey`], [`PgpError::ProtectionTooCostly`], bounds as in
    /// [`Certificate::parse`], and [`PgpError::Unusable`] if the key was made after `now`.
    pub fn unlock(armored: &[u8], passphrase: Option<&Passphrase>, now: Timestamp) -> Result<Self, PgpError> {
        let what = Expected::PrivateKey.name();
        if armored.len() > limits::CERTIFICATE_BYTES {
            return Err(PgpError::TooLarge { what: "private key", limit: limits::CERTIFICATE_BYTES });
        }
        if armored.trim_ascii_start().starts_with(b"-----BEGIN PGP PUBLIC KEY BLOCK-----") {
            return Err(PgpError::NoSecretKey);
        }
        let binary = Zeroizing::new(armor::dearmor(armored, Kind::SecretKey, what)?.into_owned());
        scan(&binary, Expected::PrivateKey)?;
        let cert = Cert::from_bytes(&binary[..]).map_err(|_| PgpError::Malformed { what })?;
        let key = Self::from_cert(cert, passphrase)?;
        match key.certificate().standing(now).trouble.clone() {
            Some(why @ Unusable::NotYetValid(_)) => Err(key.certificate().unusable(why)),
            _ => Ok(key),
        }
    }

    pub(super) fn from_cert(cert: Cert, passphrase: Option<&Passphrase>) -> Result<Self, PgpError> {
        let mut pairs = BTreeMap::new();
        for ka in cert.keys().secret() {
            if cfg!(feature = "crypto-rust") && is_rsa(ka.key().pk_algo()) {
                return Err(PgpError::RsaPrivateKey);
            }
            let mut key = ka.key().clone();
            if let SecretKeyMaterial::Encrypted(protected) = key.secret() {
                if !check_protection(protected)? {
                    continue;
                }
                let passphrase = passphrase.ok_or(PgpError::PassphraseNeeded)?;
                key = key.decrypt_secret(&passphrase.password()).map_err(|_| PgpError::WrongPassphrase)?;
            }
            let mut pair = key.into_keypair().map_err(|_| PgpError::KeyDamaged)?;
            try_out(&mut pair)?;
            pairs.insert(pair.public().fingerprint(), pair);
        }
        if pairs.is_empty() {
            return Err(PgpError::NoSecretKey);
        }
        Ok(Self(Arc::new(Inner { certificate: Certificate::from_cert(cert)?, pairs })))
    }

    /// The public certificate that belongs to it.
    pub fn certificate(&self) -> &Certificate {
        &self.0.certificate
    }

    /// The fingerprint of the primary key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.certificate.fingerprint()
    }

    /// The same key with a newer state of its certificate (a revocation, an extension).
    ///
    /// # Errors
    /// [`PgpError::OtherCertificate`] if `certificate` is another's.
    pub fn with_certificate(&self, certificate: &Certificate) -> Result<Self, PgpError> {
        let certificate = self.0.certificate.merge(certificate)?;
        Ok(Self(Arc::new(Inner { certificate, pairs: self.0.pairs.clone() })))
    }

    /// The private key, armored, protected by `passphrase` in the way `protection` says, or not at all.
    ///
    /// # Errors
    /// [`PgpError::Backend`] only.
    pub fn export(
        &self,
        passphrase: Option<&Passphrase>,
        protection: Protection,
    ) -> Result<Zeroizing<String>, PgpError> {
        let doing = "protect the private key";
        let password = passphrase.map(Passphrase::password);
        let primary = self.certificate().cert().fingerprint();
        let mut packets = Vec::with_capacity(self.0.pairs.len());
        for pair in self.0.pairs.values() {
            let secret = SecretKeyMaterial::Unencrypted(pair.secret().clone());
            let public = pair.public().clone();
            packets.push(if public.fingerprint() == primary {
                let key = public.role_into_primary();
                let secret = protect(secret, &key, password.as_ref(), protection)?;
                Packet::SecretKey(key.add_secret(secret).0)
            } else {
                let key = public.role_into_subordinate();
                let secret = protect(secret, &key, password.as_ref(), protection)?;
                Packet::SecretSubkey(key.add_secret(secret).0)
            });
        }
        let cert = self.certificate().cert().clone();
        let cert = cert.insert_packets(packets).map_err(PgpError::backend(doing))?.0;
        let mut binary = cert.as_tsk().to_vec().map_err(PgpError::backend(doing))?;
        let armored = armor::enarmor(&binary, Kind::SecretKey);
        binary.zeroize();
        armored.map(Zeroizing::new)
    }

    /// A pair to sign with at `now`: the newest signing key of which the secret is here.
    pub(super) fn signer(&self, now: Timestamp) -> Result<KeyPair, PgpError> {
        let standing = self.0.certificate.standing(now);
        if let Some(why) = &standing.trouble {
            return Err(self.0.certificate.unusable(why.clone()));
        }
        let pair = standing.signing.iter().find_map(|key| self.0.pairs.get(&key.fingerprint()));
        pair.cloned().ok_or_else(|| self.0.certificate.unusable(Unusable::NoSigningKey))
    }

    /// The pair of the primary key, if its secret is here.
    pub(super) fn primary(&self) -> Option<KeyPair> {
        self.0.pairs.get(&self.0.certificate.cert().fingerprint()).cloned()
    }

    /// Every pair, to find the one a message is encrypted to.
    pub(super) fn pairs(&self) -> impl Iterator<Item = &KeyPair> {
        self.0.pairs.values()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.fingerprint())
    }
}

/// Whether the secret is here (false: it is kept elsewhere, such as on a card), and costs a sane amount to unlock.
fn check_protection(secret: &Encrypted) -> Result<bool, PgpError> {
    match secret.s2k() {
        S2K::Private { .. } => Ok(false),
        S2K::Argon2 { t, p, m, .. } => {
            let sane = *m <= ARGON2_MEMORY_MAX && *t <= ARGON2_PASSES_MAX && *p <= ARGON2_PASSES_MAX;
            if sane { Ok(true) } else { Err(PgpError::ProtectionTooCostly) }
        }
        _ => Ok(true),
    }
}

fn protect<R: sequoia_openpgp::packet::key::KeyRole>(
    secret: SecretKeyMaterial,
    key: &sequoia_openpgp::packet::Key<sequoia_openpgp::packet::key::PublicParts, R>,
    password: Option<&Password>,
    protection: Protection,
) -> Result<SecretKeyMaterial, PgpError> {
    let doing = "protect the private key";
    let Some(password) = password else { return Ok(secret) };
    let (s2k, aead) = match protection {
        Protection::Argon2 => {
            let mut salt = [0; 16];
            sequoia_openpgp::crypto::random(&mut salt).map_err(PgpError::backend(doing))?;
            let (t, p, m) = ARGON2;
            (S2K::Argon2 { salt, t, p, m }, Some(AEADAlgorithm::OCB))
        }
        // The default is the largest count the format can say.
        Protection::Compatible => (S2K::default(), None),
    };
    secret.encrypt_with(key, s2k, SymmetricAlgorithm::AES256, aead, password).map_err(PgpError::backend(doing))
}

/// Uses the pair once each way it can be used and checks the result against the public part.
fn try_out(pair: &mut KeyPair) -> Result<(), PgpError> {
    let damaged = |_| PgpError::KeyDamaged;
    let public = pair.public().clone();
    if public.pk_algo().for_signing() {
        let hash = HashAlgorithm::SHA512;
        let digest = [0x5A; 64];
        let signature = pair.sign(hash, &digest).map_err(damaged)?;
        public.verify(&signature, hash, &digest).map_err(damaged)?;
    }
    if public.pk_algo().for_encryption() {
        let session_key = SessionKey::from(vec![0xA5; 32]);
        let sealed = public.encrypt(&session_key).map_err(damaged)?;
        let opened = pair.decrypt(&sealed, Some(32)).map_err(damaged)?;
        if opened != session_key {
            return Err(PgpError::KeyDamaged);
        }
    }
    Ok(())
}
