//! What a certificate may be used for at an instant: the costly judgement, made once per stretch of time in
//! which it cannot change.

use std::{collections::BTreeSet, time::SystemTime};

use sequoia_openpgp::{
    Cert, KeyHandle,
    cert::{Preferences as _, ValidCert},
    packet::{
        Key, Signature,
        key::{PublicParts, UnspecifiedRole},
    },
    types::{Features, HashAlgorithm, RevocationStatus},
};

use super::{
    Unusable,
    policy::{policy_at, system_time, timestamp, weak_kind},
};
use crate::wire::Timestamp;

/// A key that messages to the certificate are encrypted to.
#[derive(Debug)]
pub(super) struct EncryptionKey {
    pub(super) key: Key<PublicParts, UnspecifiedRole>,
    /// How a message names it: by key id in messages for old programs, else by fingerprint.
    pub(super) handle: KeyHandle,
    pub(super) features: Features,
}

/// The judgement for one stretch of time.
#[derive(Debug)]
pub(super) struct Standing {
    /// Why the certificate as a whole cannot be used.
    pub(super) trouble: Option<Unusable>,
    /// Every key that may be encrypted to; empty when there is trouble.
    pub(super) encryption: Vec<EncryptionKey>,
    /// Every key whose signatures count, newest first; empty when there is trouble.
    pub(super) signing: Vec<Key<PublicParts, UnspecifiedRole>>,
    /// When the certificate ends by itself.
    pub(super) expires: Option<Timestamp>,
}

impl Standing {
    /// Judges `cert` at `at`.
    pub(super) fn judge(cert: &Cert, at: Timestamp) -> Self {
        let policy = policy_at(at);
        let valid = match cert.with_policy(&policy, system_time(at)) {
            Ok(valid) => valid,
            Err(_) => return Self::troubled(why_unbound(cert, at), None),
        };
        let expires = valid.primary_key().key_expiration_time().map(timestamp);
        match whole_trouble(cert, &valid, expires) {
            Some(why) => Self::troubled(why, expires),
            None => Self { trouble: None, encryption: encryption_keys(&valid), signing: signing_keys(&valid), expires },
        }
    }

    fn troubled(why: Unusable, expires: Option<Timestamp>) -> Self {
        Self { trouble: Some(why), encryption: Vec::new(), signing: Vec::new(), expires }
    }

    /// Why messages cannot be exchanged with the certificate, if so.
    pub(super) fn why_unusable(&self) -> Option<Unusable> {
        match &self.trouble {
            Some(why) => Some(why.clone()),
            None if self.encryption.is_empty() => Some(Unusable::NoEncryptionKey),
            None if self.signing.is_empty() => Some(Unusable::NoSigningKey),
            None => None,
        }
    }
}

fn whole_trouble(cert: &Cert, valid: &ValidCert<'_>, expires: Option<Timestamp>) -> Option<Unusable> {
    if matches!(valid.revocation_status(), RevocationStatus::Revoked(_)) {
        return Some(Unusable::Revoked);
    }
    if let Some(what) = weak_kind(cert.primary_key().key()) {
        return Some(Unusable::Weak(what));
    }
    valid.alive().is_err().then(|| expires.map_or(Unusable::Unbound, Unusable::Expired))
}

/// Why there is no binding that the policy accepts.
fn why_unbound(cert: &Cert, at: Timestamp) -> Unusable {
    let primary = cert.primary_key().key();
    if let Some(what) = weak_kind(primary) {
        return Unusable::Weak(what);
    }
    if matches!(cert.revocation_status(&policy_at(at), system_time(at)), RevocationStatus::Revoked(_)) {
        return Unusable::Revoked;
    }
    if primary.creation_time() > system_time(at) {
        return Unusable::NotYetValid(timestamp(primary.creation_time()));
    }
    let mut hashes = self_signatures(cert).map(|(_, signature)| signature.hash_algo()).peekable();
    let old = |hash| matches!(hash, HashAlgorithm::MD5 | HashAlgorithm::SHA1 | HashAlgorithm::RipeMD);
    if hashes.peek().is_some() && hashes.all(old) {
        return Unusable::Weak("self-signatures with SHA-1");
    }
    Unusable::Unbound
}

fn encryption_keys(valid: &ValidCert<'_>) -> Vec<EncryptionKey> {
    let features = valid.features().unwrap_or_else(Features::empty);
    valid
        .keys()
        .alive()
        .revoked(false)
        .supported()
        .filter(|ka| ka.for_transport_encryption() || ka.for_storage_encryption())
        .filter(|ka| weak_kind(ka.key()).is_none())
        .map(|ka| EncryptionKey {
            key: ka.key().clone(),
            handle: if ka.key().version() == 4 && !features.supports_seipdv2() {
                ka.key().keyid().into()
            } else {
                ka.key().fingerprint().into()
            },
            features: features.clone(),
        })
        .collect()
}

fn signing_keys(valid: &ValidCert<'_>) -> Vec<Key<PublicParts, UnspecifiedRole>> {
    let mut keys: Vec<_> = valid
        .keys()
        .alive()
        .revoked(false)
        .supported()
        .for_signing()
        .filter(|ka| weak_kind(ka.key()).is_none())
        .map(|ka| ka.key().clone())
        .collect();
    keys.sort_by_key(|key| std::cmp::Reverse(key.creation_time()));
    keys
}

/// Every self-signature and self-revocation that verifies, with the creation time of the key it speaks of.
fn self_signatures(cert: &Cert) -> impl Iterator<Item = (SystemTime, &Signature)> {
    let born = cert.primary_key().key().creation_time();
    let keys = cert.keys().flat_map(|ka| {
        let born = ka.key().creation_time();
        ka.self_signatures().chain(ka.self_revocations()).map(move |signature| (born, signature))
    });
    let ids = cert
        .userids()
        .flat_map(move |id| id.self_signatures().chain(id.self_revocations()).map(move |signature| (born, signature)));
    keys.chain(ids)
}

/// The instants at which the judgement of a certificate can change, in seconds since the epoch, ascending.
#[derive(Debug)]
pub(super) struct Turns {
    turns: Vec<u32>,
    /// When the newest self-signature was made.
    newest: u32,
}

impl Turns {
    /// Collects them.
    pub(super) fn of(cert: &Cert) -> Self {
        let mut turns = BTreeSet::new();
        let mut newest = 0;
        let seconds = |at: SystemTime| super::policy::seconds(timestamp(at));
        for (born, signature) in self_signatures(cert) {
            turns.insert(seconds(born));
            if let Some(made) = signature.signature_creation_time() {
                newest = newest.max(seconds(made));
                turns.insert(seconds(made));
                turns.extend(signature.signature_validity_period().and_then(|d| made.checked_add(d)).map(seconds));
            }
            turns.extend(signature.key_validity_period().and_then(|d| born.checked_add(d)).map(seconds));
        }
        Self { turns: turns.into_iter().collect(), newest }
    }

    /// The number of the stretch of time that holds `at`.
    pub(super) fn stretch(&self, at: Timestamp) -> usize {
        let second = super::policy::seconds(at);
        self.turns.partition_point(|turn| *turn <= second)
    }

    /// When the newest self-signature was made, in seconds since the epoch.
    pub(super) fn newest(&self) -> u32 {
        self.newest
    }
}
