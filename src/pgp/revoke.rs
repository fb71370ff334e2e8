//! The end of a key, said by itself.

use sequoia_openpgp::{
    Packet,
    armor::Kind,
    cert::CertRevocationBuilder,
    packet::Signature,
    parse::{Dearmor, PacketParserBuilder, PacketParserResult, Parse as _},
    serialize::SerializeInto as _,
    types::{ReasonForRevocation, SignatureType},
};

use super::{Certificate, PgpError, SecretKey, Unusable, armor, policy::system_time};
use crate::wire::Timestamp;

/// Largest revocation certificate, in bytes.
const REVOCATION_BYTES: usize = 64 * 1024;

/// Why a key ends (RFC 9580 section 5.2.3.31).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RevocationReason {
    /// Not said. Like [`RevocationReason::Compromised`], everything the key ever signed becomes doubtful.
    #[default]
    Unspecified,
    /// Somebody else has the key: nothing it signed, at any time, counts any more.
    Compromised,
    /// Another key takes its place: what it signed before stays valid.
    Superseded,
    /// It is no longer used: what it signed before stays valid.
    Retired,
}

/// A revocation of the whole certificate of `key`, armored, made at `now`. `explanation` is public.
///
/// # Errors
/// [`PgpError::NoSecretKey`] if the secret of the primary key is not here.
pub fn revoke(
    key: &SecretKey,
    reason: RevocationReason,
    explanation: &str,
    now: Timestamp,
) -> Result<String, PgpError> {
    let doing = "revoke the key";
    let mut primary = key.primary().ok_or(PgpError::NoSecretKey)?;
    let code = match reason {
        RevocationReason::Unspecified => ReasonForRevocation::Unspecified,
        RevocationReason::Compromised => ReasonForRevocation::KeyCompromised,
        RevocationReason::Superseded => ReasonForRevocation::KeySuperseded,
        RevocationReason::Retired => ReasonForRevocation::KeyRetired,
    };
    let signature = CertRevocationBuilder::new()
        .set_signature_creation_time(system_time(now))
        .and_then(|builder| builder.set_reason_for_revocation(code, explanation.as_bytes()))
        .and_then(|builder| builder.build(&mut primary, key.certificate().cert(), None))
        .map_err(PgpError::backend(doing))?;
    armored_revocation(signature)
}

/// The form in which every program imports a revocation: a certificate block that holds only a signature.
pub(super) fn armored_revocation(signature: Signature) -> Result<String, PgpError> {
    let binary = Packet::from(signature).to_vec().map_err(PgpError::backend("write the revocation"))?;
    armor::enarmor(&binary, Kind::PublicKey)
}

impl Certificate {
    /// This certificate, revoked by `bytes`: one revocation signature, armored or binary, or a whole certificate
    /// of the same key that carries one.
    ///
    /// # Errors
    /// [`PgpError::NotItsRevocation`] if it does not revoke this certificate, [`PgpError::Malformed`] or
    /// [`PgpError::TooLarge`] if it is none at all.
    pub fn with_revocation(&self, bytes: &[u8]) -> Result<Self, PgpError> {
        let what = "revocation certificate";
        if bytes.len() > REVOCATION_BYTES {
            return Err(PgpError::TooLarge { what, limit: REVOCATION_BYTES });
        }
        let revoked = match Self::parse(bytes) {
            Ok(other) if other.fingerprint() == self.fingerprint() => self.merge(&other)?,
            Ok(_) => return Err(PgpError::NotItsRevocation),
            Err(_) => {
                let signature = read_revocation(&armor::dearmor(bytes, Kind::PublicKey, what)?)?;
                let primary = self.cert().primary_key().key();
                signature.verify_primary_key_revocation(primary, primary).map_err(|_| PgpError::NotItsRevocation)?;
                let cert = self.cert().clone().insert_packets([Packet::from(signature)]);
                Self::from_changed(cert.map_err(|_| PgpError::NotItsRevocation)?.0)?
            }
        };
        if revoked.is_revoked() { Ok(revoked) } else { Err(PgpError::NotItsRevocation) }
    }

    /// Whether its owner revoked it, now or with effect from a later instant.
    pub fn is_revoked(&self) -> bool {
        let last = Timestamp::from_unix_ms(i64::from(u32::MAX) * 1000);
        self.standing(last).trouble == Some(Unusable::Revoked)
    }
}

fn read_revocation(binary: &[u8]) -> Result<Signature, PgpError> {
    let malformed = |_| PgpError::Malformed { what: "revocation certificate" };
    let builder = PacketParserBuilder::from_bytes(binary).map_err(malformed)?;
    let next = builder.dearmor(Dearmor::Disabled).build().map_err(malformed)?;
    let PacketParserResult::Some(parser) = next else { return Err(PgpError::NotItsRevocation) };
    match parser.next().map_err(malformed)? {
        (Packet::Signature(signature), PacketParserResult::EOF(_))
            if signature.typ() == SignatureType::KeyRevocation =>
        {
            Ok(signature)
        }
        _ => Err(PgpError::NotItsRevocation),
    }
}
