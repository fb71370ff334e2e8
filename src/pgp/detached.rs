//! Detached signatures.

use sequoia_openpgp::{
    Packet,
    armor::Kind,
    packet::{Signature, signature::SignatureBuilder},
    parse::{Dearmor, PacketParserBuilder, PacketParserResult, Parse as _},
    serialize::SerializeInto as _,
    types::{HashAlgorithm, SignatureType},
};

use super::{Certificate, PgpError, SecretKey, armor, policy::system_time, verify::verify};
use crate::wire::Timestamp;

/// Largest detached signature, in bytes: the largest post-quantum one (SLH-DSA, 50 kB) in armor fits.
const SIGNATURE_BYTES: usize = 128 * 1024;
const WHAT: &str = "detached OpenPGP signature";

/// An armored detached signature of binary type over `bytes`.
///
/// # Errors
/// [`PgpError::Unusable`] if `key` cannot sign at `now`.
pub fn sign_detached(key: &SecretKey, bytes: &[u8], now: Timestamp) -> Result<String, PgpError> {
    let doing = "sign";
    let mut signer = key.signer(now)?;
    let signature = SignatureBuilder::new(SignatureType::Binary)
        .set_hash_algo(HashAlgorithm::SHA512)
        .set_signature_creation_time(system_time(now))
        .and_then(|builder| builder.sign_message(&mut signer, bytes))
        .map_err(PgpError::backend(doing))?;
    let binary = Packet::from(signature).to_vec().map_err(PgpError::backend(doing))?;
    armor::enarmor(&binary, Kind::Signature)
}

/// Checks that `signature`, armored or binary, is exactly one signature of binary type over `bytes` by a key of
/// `cert` that could sign then, and gives the time it says it was made (whole seconds).
///
/// A time of up to `limits::FUTURE_SKEW_MS` after `now` is taken as the other clock being ahead.
///
/// # Errors
/// [`PgpError::Malformed`], [`PgpError::TooLarge`], [`PgpError::UnknownSigner`], [`PgpError::BadSignature`],
/// [`PgpError::Unusable`], [`PgpError::SignatureFromFuture`], [`PgpError::SignatureExpired`].
pub fn verify_detached(
    cert: &Certificate,
    bytes: &[u8],
    signature: &[u8],
    now: Timestamp,
) -> Result<Timestamp, PgpError> {
    if signature.len() > SIGNATURE_BYTES {
        return Err(PgpError::TooLarge { what: WHAT, limit: SIGNATURE_BYTES });
    }
    let signature = read_signature(&armor::dearmor(signature, Kind::Signature, WHAT)?)?;
    let verified = verify(cert, &signature, now, |key| signature.verify_message(key, bytes).is_ok())?;
    Ok(verified.signed_at)
}

fn read_signature(binary: &[u8]) -> Result<Signature, PgpError> {
    let malformed = |_| PgpError::Malformed { what: WHAT };
    let builder = PacketParserBuilder::from_bytes(binary).map_err(malformed)?;
    let next = builder.dearmor(Dearmor::Disabled).build().map_err(malformed)?;
    let PacketParserResult::Some(parser) = next else { return Err(PgpError::Malformed { what: WHAT }) };
    match parser.next().map_err(malformed)? {
        (Packet::Signature(signature), PacketParserResult::EOF(_)) => Ok(signature),
        _ => Err(PgpError::Malformed { what: WHAT }),
    }
}
