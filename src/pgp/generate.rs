//! A new key.

use sequoia_openpgp::{
    Profile,
    cert::{CertBuilder, CipherSuite},
    types::{Features, KeyFlags},
};
use zeroize::Zeroizing;

use super::{
    Certificate, Passphrase, PgpError, Protection, SecretKey, policy::system_time, revoke::armored_revocation,
};
use crate::wire::{Timestamp, limits};

/// What the user id of an FQID begins with. An FQID looks like an email address and is none; the scheme keeps mail
/// programs and people from taking it for one.
pub(super) const FQID_SCHEME: &str = "skcomm:";

/// Whose key it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name, 1 to 256 bytes, one line, without `<` and `>`.
    pub name: String,
    /// The email address, with one `@`, at most 254 bytes, without spaces, `<` and `>`.
    pub email: String,
    /// `agent@operator.realm`, at most 256 bytes; becomes a second user id, `skcomm:agent@operator.realm`.
    pub fqid: Option<String>,
}

/// A new key and everything that belongs to it.
#[derive(Debug)]
pub struct Generated {
    /// The private key, armored; protected if a passphrase was given.
    pub private_armored: Zeroizing<String>,
    /// The certificate, armored.
    pub public_armored: String,
    /// A revocation of the certificate, armored, to be kept where the private key is not.
    pub revocation_armored: String,
    /// The key, unlocked.
    pub secret: SecretKey,
}

/// Makes a key: version 4, an Ed25519 primary key that certifies, an Ed25519 subkey that signs, a Curve25519 subkey
/// that decrypts; without an end. Every OpenPGP program in use reads its certificate and its messages. With a
/// passphrase the private key is protected as [`Protection::Argon2`], which takes a moment.
///
/// # Errors
/// [`PgpError::Identity`] if a field cannot stand in a user id.
pub fn generate(identity: Identity, passphrase: Option<&Passphrase>, now: Timestamp) -> Result<Generated, PgpError> {
    let doing = "make a key";
    identity.check()?;
    let suite = CipherSuite::Cv25519;
    let encryption = KeyFlags::empty().set_transport_encryption().set_storage_encryption();
    let mut builder = CertBuilder::new()
        .set_creation_time(system_time(now))
        .set_cipher_suite(suite)
        .set_profile(Profile::RFC4880)
        .map_err(PgpError::backend(doing))?
        // Not SEIPD version 2: a version 4 key may also live in programs that cannot read it.
        .set_features(Features::empty().set_seipdv1())
        .map_err(PgpError::backend(doing))?
        .add_userid(format!("{} <{}>", identity.name, identity.email))
        .add_subkey(KeyFlags::empty().set_signing(), None, None)
        .add_subkey(encryption, None, None);
    if let Some(fqid) = &identity.fqid {
        builder = builder.add_userid(format!("{FQID_SCHEME}{fqid}"));
    }
    let (cert, revocation) = builder.generate().map_err(PgpError::backend(doing))?;
    let secret = SecretKey::from_cert(cert, None)?;
    Ok(Generated {
        private_armored: secret.export(passphrase, Protection::Argon2)?,
        public_armored: secret.certificate().armored(),
        revocation_armored: armored_revocation(revocation)?,
        secret,
    })
}

impl Certificate {
    /// The FQIDs its owner claims in its user ids: foreign text, like every user id.
    pub fn fqids(&self) -> Vec<String> {
        let ids = self.user_ids().into_iter();
        ids.filter_map(|id| id.strip_prefix(FQID_SCHEME).map(str::to_owned)).collect()
    }
}

impl Identity {
    fn check(&self) -> Result<(), PgpError> {
        let refuse = |field, problem| Err(PgpError::Identity { field, problem });
        let unsafe_char = |c: char| c.is_control() || matches!(c, '<' | '>' | '\u{2028}' | '\u{2029}');
        if self.name.trim().is_empty() || self.name.len() > limits::NAME_BYTES || self.name.contains(unsafe_char) {
            return refuse("name", "a name has 1 to 256 bytes on one line, without < and >");
        }
        let is_address = |text: &str, max: usize| {
            text.len() <= max
                && !text.contains(|c: char| unsafe_char(c) || c.is_whitespace())
                && text.split_once('@').is_some_and(|(who, at)| !who.is_empty() && !at.is_empty() && !at.contains('@'))
        };
        if !is_address(&self.email, 254) {
            return refuse("email", "an email address looks like name@example.org");
        }
        match &self.fqid {
            Some(fqid) if !is_address(fqid, limits::NAME_BYTES) => {
                refuse("fqid", "an FQID looks like agent@operator.realm")
            }
            _ => Ok(()),
        }
    }
}
