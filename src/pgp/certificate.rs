//! A certificate: parsed once, judged once per stretch of time, cheap to clone.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use sequoia_openpgp::{
    Cert, Packet, armor::Kind, cert::amalgamation::key::PrimaryKey as _, parse::Parse as _,
    serialize::SerializeInto as _,
};

use super::{
    PgpError, Unusable, armor,
    policy::{algorithm_name, is_post_quantum, policy_at, system_time, timestamp},
    scan::{Expected, scan},
    standing::{Standing, Turns},
};
use crate::wire::{Fingerprint, Timestamp, limits};

/// Most judgements kept; a certificate has few turns, and messages arrive roughly in order of time.
const STANDINGS_KEPT: usize = 16;

/// A public certificate (RFC 9580 section 10.1). Cheap to clone; what is costly is computed once and shared.
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    cert: Cert,
    fingerprint: Fingerprint,
    turns: OnceLock<Turns>,
    standings: Mutex<BTreeMap<usize, Arc<Standing>>>,
}

/// What a face shows about a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The OpenPGP version of the primary key: 4 or 6.
    pub version: u8,
    /// The algorithms of the primary key and the usable subkeys, each once, in order.
    pub algorithms: Vec<String>,
    /// When the primary key was made, as it says.
    pub created: Timestamp,
    /// When it ends, by its newest self-signature; none if it does not end by itself.
    pub expires: Option<Timestamp>,
    /// Whether there is a usable encryption key and all of them resist a quantum computer.
    pub post_quantum: bool,
    /// Whether its owner revoked it.
    pub revoked: bool,
    /// Whether messages to it are sealed with authenticated encryption (SEIPD version 2).
    pub aead: bool,
    /// How many subkeys it has, usable or not.
    pub subkeys: usize,
}

impl Certificate {
    /// Reads exactly one certificate, armored or binary.
    ///
    /// Bounded before parsing: `limits::CERTIFICATE_BYTES`, 32 subkeys, 32 user ids of at most 2048 bytes, 512
    /// signatures, RSA of at most 8192 bits. Signatures by other people, user attributes and unknown packets are
    /// left out. A parsed certificate may still be unusable: see [`Certificate::check_usable`].
    ///
    /// # Errors
    /// [`PgpError::TooLarge`], [`PgpError::TooMany`], [`PgpError::Malformed`], [`PgpError::SeveralCertificates`],
    /// and [`PgpError::SecretInCertificate`] if the input holds a private key.
    pub fn parse(bytes: &[u8]) -> Result<Self, PgpError> {
        let what = Expected::Certificate.name();
        if bytes.len() > limits::CERTIFICATE_BYTES {
            return Err(PgpError::TooLarge { what: "certificate", limit: limits::CERTIFICATE_BYTES });
        }
        if armor::says_private(bytes) {
            return Err(PgpError::SecretInCertificate);
        }
        let binary = armor::dearmor(bytes, Kind::PublicKey, what)?;
        scan(&binary, Expected::Certificate)?;
        let cert = Cert::from_bytes(&binary).map_err(|_| PgpError::Malformed { what })?;
        Self::from_cert(cert)
    }

    /// Wraps what sequoia parsed, without secrets and without what others attached to it.
    pub(super) fn from_cert(cert: Cert) -> Result<Self, PgpError> {
        let cert = without_foreign_parts(cert.strip_secret_key_material())?;
        let fingerprint = Fingerprint::from_bytes(cert.fingerprint().as_bytes())
            .map_err(|_| PgpError::Malformed { what: Expected::Certificate.name() })?;
        Ok(Self(Arc::new(Inner { cert, fingerprint, turns: OnceLock::new(), standings: Mutex::new(BTreeMap::new()) })))
    }

    /// The certificate, armored.
    pub fn armored(&self) -> String {
        // Serialising into memory fails only if the library is broken; an empty text parses nowhere.
        let binary = self.to_bytes();
        armor::enarmor(&binary, Kind::PublicKey).unwrap_or_default()
    }

    /// The certificate in its binary form.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.cert.to_vec().unwrap_or_default()
    }

    /// The fingerprint of the primary key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }

    /// The user ids that the primary key signed and did not revoke, by its newest self-signature: foreign text,
    /// lossily made UTF-8, at most 2048 bytes each. Make it `SafeText` before anything else.
    pub fn user_ids(&self) -> Vec<String> {
        let newest = self.newest();
        let policy = policy_at(newest);
        let Ok(valid) = self.0.cert.with_policy(&policy, system_time(newest)) else { return Vec::new() };
        let ids = valid.userids().revoked(false);
        ids.map(|id| String::from_utf8_lossy(id.userid().value()).into_owned()).collect()
    }

    /// What a face shows about it, by its newest self-signature.
    pub fn facts(&self) -> CertificateFacts {
        let primary = self.0.cert.primary_key().key();
        let standing = self.standing(self.newest());
        let subkeys = self.0.cert.keys().subkeys();
        let mut seen = BTreeSet::new();
        let names = std::iter::once(algorithm_name(primary)).chain(subkeys.map(|ka| algorithm_name(ka.key())));
        CertificateFacts {
            version: primary.version(),
            algorithms: names.filter(|name| seen.insert(name.clone())).collect(),
            created: timestamp(primary.creation_time()),
            expires: standing.expires,
            post_quantum: !standing.encryption.is_empty()
                && standing.encryption.iter().all(|key| is_post_quantum(key.key.pk_algo())),
            revoked: standing.trouble == Some(Unusable::Revoked),
            aead: !standing.encryption.is_empty()
                && standing.encryption.iter().all(|key| key.features.supports_seipdv2()),
            subkeys: self.0.cert.keys().subkeys().count(),
        }
    }

    /// Whether messages can be exchanged with its owner at `now`: not revoked, not expired, strong enough, with a
    /// key to encrypt to and one to sign with.
    ///
    /// # Errors
    /// [`PgpError::Unusable`] says why not.
    pub fn check_usable(&self, now: Timestamp) -> Result<(), PgpError> {
        match self.standing(self.reference(now)).why_unusable() {
            None => Ok(()),
            Some(why) => Err(self.unusable(why)),
        }
    }

    /// This certificate with everything `other` adds to it: subkeys, user ids, extensions, revocations. Nothing is
    /// ever taken away.
    ///
    /// # Errors
    /// [`PgpError::OtherCertificate`] if the primary keys differ; [`PgpError::TooMany`] if together they exceed the
    /// bounds of [`Certificate::parse`].
    pub fn merge(&self, other: &Self) -> Result<Self, PgpError> {
        if self.fingerprint() != other.fingerprint() {
            return Err(PgpError::OtherCertificate);
        }
        let merged = self.0.cert.clone().merge_public(other.0.cert.clone()).map_err(|_| PgpError::OtherCertificate)?;
        Self::from_changed(merged)
    }

    /// Wraps a certificate that grew, if it is still within bounds.
    pub(super) fn from_changed(cert: Cert) -> Result<Self, PgpError> {
        let grown = Self::from_cert(cert)?;
        let binary = grown.to_bytes();
        if binary.len() > limits::CERTIFICATE_BYTES {
            return Err(PgpError::TooLarge { what: "certificate", limit: limits::CERTIFICATE_BYTES });
        }
        scan(&binary, Expected::Certificate)?;
        Ok(grown)
    }

    pub(super) fn cert(&self) -> &Cert {
        &self.0.cert
    }

    pub(super) fn unusable(&self, why: Unusable) -> PgpError {
        PgpError::Unusable { fingerprint: self.fingerprint(), why }
    }

    fn turns(&self) -> &Turns {
        self.0.turns.get_or_init(|| Turns::of(&self.0.cert))
    }

    /// When its newest self-signature was made.
    fn newest(&self) -> Timestamp {
        Timestamp::from_unix_ms(i64::from(self.turns().newest()) * 1000)
    }

    /// The instant to judge the certificate at when the clock says `now`: its owner's clock may be ahead of ours,
    /// so a newest self-signature from our near future counts already.
    pub(super) fn reference(&self, now: Timestamp) -> Timestamp {
        let newest = self.newest();
        if newest.ms_since(now) <= limits::FUTURE_SKEW_MS { now.max(newest) } else { now }
    }

    /// What it may be used for at `at`; kept for the next time.
    pub(super) fn standing(&self, at: Timestamp) -> Arc<Standing> {
        let stretch = self.turns().stretch(at);
        let mut standings = self.0.standings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(standing) = standings.get(&stretch) {
            return Arc::clone(standing);
        }
        let standing = Arc::new(Standing::judge(&self.0.cert, at));
        if standings.len() >= STANDINGS_KEPT {
            standings.clear();
        }
        standings.insert(stretch, Arc::clone(&standing));
        standing
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.fingerprint())
    }
}

/// The certificate reduced to what its own primary key signed. Other people's signatures, attributes and unknown
/// packets cost memory and time on every use and say nothing here.
fn without_foreign_parts(cert: Cert) -> Result<Cert, PgpError> {
    let foreign = cert.bad_signatures().next().is_some()
        || cert.unknowns().next().is_some()
        || cert.user_attributes().next().is_some()
        || cert.keys().any(|ka| ka.certifications().chain(ka.other_revocations()).next().is_some())
        || cert.userids().any(|id| id.certifications().chain(id.other_revocations()).next().is_some());
    if !foreign {
        return Ok(cert);
    }
    let mut packets = Vec::new();
    for ka in cert.keys() {
        packets.push(match ka.primary() {
            true => Packet::PublicKey(ka.key().clone().role_into_primary()),
            false => Packet::PublicSubkey(ka.key().clone().role_into_subordinate()),
        });
        packets.extend(ka.self_signatures().chain(ka.self_revocations()).cloned().map(Packet::from));
        if ka.primary() {
            for id in cert.userids() {
                packets.push(id.userid().clone().into());
                packets.extend(id.self_signatures().chain(id.self_revocations()).cloned().map(Packet::from));
            }
        }
    }
    Cert::from_packets(packets.into_iter()).map_err(|_| PgpError::Malformed { what: Expected::Certificate.name() })
}
