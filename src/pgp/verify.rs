//! The judgement on one signature, the same for messages and detached signatures.

use sequoia_openpgp::{
    packet::{
        Key, Signature,
        key::{PublicParts, UnspecifiedRole},
    },
    policy::{HashAlgoSecurity, Policy as _},
    types::SignatureType,
};

use super::{
    Certificate, PgpError,
    policy::{policy_at, timestamp},
};
use crate::wire::{Fingerprint, Timestamp, limits};

/// A signature that holds.
pub(super) struct Verified {
    /// When it was made, as it says; whole seconds.
    pub(super) signed_at: Timestamp,
    /// The key that made it.
    pub(super) signer: Fingerprint,
}

/// Checks that `signature` is a binary document signature by a key of `cert` that could sign when it was made,
/// strong enough at `now`, not from the future, not expired; `holds` does the arithmetic.
///
/// Whether the certificate is still good *now* does not matter: a message signed before an expiry may arrive after
/// it. A revocation for compromise reaches back to all times by itself.
pub(super) fn verify(
    cert: &Certificate,
    signature: &Signature,
    now: Timestamp,
    holds: impl Fn(&Key<PublicParts, UnspecifiedRole>) -> bool,
) -> Result<Verified, PgpError> {
    if signature.typ() != SignatureType::Binary {
        return Err(PgpError::BadSignature);
    }
    let made = signature.signature_creation_time().ok_or(PgpError::BadSignature)?;
    let signed_at = timestamp(made);
    if signed_at.ms_since(now) > limits::FUTURE_SKEW_MS {
        return Err(PgpError::SignatureFromFuture(signed_at));
    }
    if signature.signature_expiration_time().is_some_and(|end| timestamp(end) <= now) {
        return Err(PgpError::SignatureExpired);
    }
    let issuers = signature.get_issuers();
    if !cert.cert().keys().any(|ka| issuers.iter().any(|issuer| issuer.aliases(ka.key().key_handle()))) {
        return Err(PgpError::UnknownSigner);
    }
    policy_at(now).signature(signature, HashAlgoSecurity::CollisionResistance).map_err(|_| PgpError::BadSignature)?;
    let standing = cert.standing(signed_at);
    if let Some(why) = &standing.trouble {
        return Err(cert.unusable(why.clone()));
    }
    // At most a few keys can share a 64-bit key id, and the certificate bounds them.
    let mut candidates =
        standing.signing.iter().filter(|key| issuers.iter().any(|issuer| issuer.aliases(key.key_handle()))).peekable();
    if candidates.peek().is_none() {
        // The key is in the certificate, but revoked, expired or not for signing at that time.
        return Err(cert.unusable(super::Unusable::NoSigningKey));
    }
    let key = candidates.find(|key| holds(key)).ok_or(PgpError::BadSignature)?;
    let signer = Fingerprint::from_bytes(key.fingerprint().as_bytes()).map_err(|_| PgpError::BadSignature)?;
    Ok(Verified { signed_at, signer })
}
