//! Which algorithms are strong enough, and the conversion between our clock and OpenPGP's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use curve25519_dalek::{Scalar, edwards::CompressedEdwardsY, montgomery::MontgomeryPoint, traits::IsIdentity as _};
use sequoia_openpgp::{
    crypto::mpi,
    packet::{Key, key},
    policy::{AsymmetricAlgorithm, StandardPolicy},
    types::{Curve, Duration as PgpDuration, HashAlgorithm, PublicKeyAlgorithm, SymmetricAlgorithm},
};

use crate::wire::Timestamp;

/// Sequoia's standard policy at `now`, tightened. The tightening does not depend on any date, so that a
/// back-dated signature gains nothing:
///
/// - no MD5, SHA-1 or RIPEMD-160 in any signature but revocations, which are always believed: ignoring one
///   would be worse than believing a forged one;
/// - RSA from 2048 bits on; no DSA and no ElGamal;
/// - no cipher with a block of 64 bits.
pub(super) fn policy_at(now: Timestamp) -> StandardPolicy<'static> {
    let mut policy = StandardPolicy::at(system_time(now));
    for hash in [HashAlgorithm::MD5, HashAlgorithm::SHA1, HashAlgorithm::RipeMD] {
        policy.reject_hash(hash);
    }
    policy.hash_revocation_tolerance(PgpDuration::seconds(u32::MAX));
    for algorithm in [
        AsymmetricAlgorithm::RSA1024,
        AsymmetricAlgorithm::DSA1024,
        AsymmetricAlgorithm::DSA2048,
        AsymmetricAlgorithm::DSA3072,
        AsymmetricAlgorithm::DSA4096,
        AsymmetricAlgorithm::ElGamal1024,
        AsymmetricAlgorithm::ElGamal2048,
        AsymmetricAlgorithm::ElGamal3072,
        AsymmetricAlgorithm::ElGamal4096,
    ] {
        policy.reject_asymmetric_algo(algorithm);
    }
    #[allow(deprecated, reason = "the old ciphers must be named to be refused")]
    for cipher in [
        SymmetricAlgorithm::IDEA,
        SymmetricAlgorithm::TripleDES,
        SymmetricAlgorithm::CAST5,
        SymmetricAlgorithm::Blowfish,
    ] {
        policy.reject_symmetric_algo(cipher);
    }
    policy
}

/// Seconds since the epoch, as OpenPGP counts them (unsigned 32 bits, so until 2106), rounded down.
pub(super) fn seconds(at: Timestamp) -> u32 {
    let seconds = at.unix_ms().div_euclid(1000).clamp(0, i64::from(u32::MAX));
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// The instant, cut to whole seconds, clamped to what OpenPGP can say.
pub(super) fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds(at).into())
}

/// The instant as we count it.
pub(super) fn timestamp(at: SystemTime) -> Timestamp {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Whether the key is a point of small order: with one, anybody can forge the key's signatures or read what
/// is encrypted to it.
pub(super) fn is_small_order<P: key::KeyParts, R: key::KeyRole>(key: &Key<P, R>) -> bool {
    match key.mpis() {
        mpi::PublicKey::EdDSA { curve: Curve::Ed25519, q } => prefixed(q.value()).is_none_or(edwards_is_small),
        mpi::PublicKey::Ed25519 { a } => edwards_is_small(*a),
        mpi::PublicKey::ECDH { curve: Curve::Cv25519, q, .. } => prefixed(q.value()).is_none_or(montgomery_is_small),
        mpi::PublicKey::X25519 { u } => montgomery_is_small(*u),
        mpi::PublicKey::MLKEM768_X25519 { ecdh, .. } => montgomery_is_small(**ecdh),
        mpi::PublicKey::MLDSA65_Ed25519 { eddsa, .. } => edwards_is_small(**eddsa),
        _ => false,
    }
}

/// The 32 bytes after the 0x40 that marks a native point in the legacy encodings.
fn prefixed(value: &[u8]) -> Option<[u8; 32]> {
    value.strip_prefix(&[0x40])?.try_into().ok()
}

/// Undecodable points count as small: neither can be used.
fn edwards_is_small(point: [u8; 32]) -> bool {
    CompressedEdwardsY(point).decompress().is_none_or(|point| point.is_small_order())
}

fn montgomery_is_small(point: [u8; 32]) -> bool {
    (MontgomeryPoint(point) * Scalar::from(8u8)).is_identity()
}

/// Whether the algorithm resists a quantum computer (RFC 9980).
pub(super) fn is_post_quantum(algorithm: PublicKeyAlgorithm) -> bool {
    use PublicKeyAlgorithm as A;
    matches!(
        algorithm,
        A::MLDSA65_Ed25519
            | A::MLDSA87_Ed448
            | A::SLHDSA128s
            | A::SLHDSA128f
            | A::SLHDSA256s
            | A::MLKEM768_X25519
            | A::MLKEM1024_X448
    )
}

/// Whether the algorithm is RSA.
#[allow(deprecated, reason = "the old RSA ids must be recognised")]
pub(super) fn is_rsa(algorithm: PublicKeyAlgorithm) -> bool {
    use PublicKeyAlgorithm as A;
    matches!(algorithm, A::RSAEncryptSign | A::RSAEncrypt | A::RSASign)
}

/// A name of the key's algorithm for people, such as `Ed25519` or `RSA 3072`.
pub(super) fn algorithm_name<P: key::KeyParts, R: key::KeyRole>(key: &Key<P, R>) -> String {
    match key.mpis() {
        mpi::PublicKey::EdDSA { curve, .. } | mpi::PublicKey::ECDSA { curve, .. } => match curve {
            Curve::Ed25519 => "Ed25519".to_owned(),
            other => format!("ECDSA {other}"),
        },
        mpi::PublicKey::ECDH { curve: Curve::Cv25519, .. } => "Curve25519".to_owned(),
        mpi::PublicKey::ECDH { curve, .. } => format!("ECDH {curve}"),
        mpi::PublicKey::RSA { .. } => format!("RSA {}", key.mpis().bits().unwrap_or(0)),
        mpi::PublicKey::Ed25519 { .. } => "Ed25519".to_owned(),
        mpi::PublicKey::X25519 { .. } => "X25519".to_owned(),
        mpi::PublicKey::MLKEM768_X25519 { .. } => "ML-KEM-768 + X25519".to_owned(),
        mpi::PublicKey::MLDSA65_Ed25519 { .. } => "ML-DSA-65 + Ed25519".to_owned(),
        _ => key.pk_algo().to_string(),
    }
}

/// Why sequoia's policy refuses a key of this kind whatever its signatures are, if it does.
pub(super) fn weak_kind<P: key::KeyParts, R: key::KeyRole>(key: &Key<P, R>) -> Option<&'static str> {
    match key.mpis() {
        mpi::PublicKey::RSA { .. } if key.mpis().bits().unwrap_or(0) < 2048 => Some("RSA below 2048 bits"),
        mpi::PublicKey::DSA { .. } => Some("DSA"),
        mpi::PublicKey::ElGamal { .. } => Some("ElGamal"),
        _ if is_small_order(key) => Some("a point of small order"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_order_points_are_told_from_good_ones() {
        assert!(montgomery_is_small([0; 32]));
        let mut one = [0; 32];
        one[0] = 1;
        assert!(montgomery_is_small(one) && edwards_is_small(one));
        let mut nine = [0; 32];
        nine[0] = 9;
        assert!(!montgomery_is_small(nine));
        assert!(!edwards_is_small(curve25519_dalek::constants::ED25519_BASEPOINT_COMPRESSED.0));
    }

    #[test]
    fn clocks_outside_the_range_of_openpgp_are_clamped() {
        assert_eq!(seconds(Timestamp::from_unix_ms(-5)), 0);
        assert_eq!(seconds(Timestamp::from_unix_ms(i64::MAX)), u32::MAX);
        let at = Timestamp::from_unix_ms(1_795_196_016_452);
        assert_eq!(timestamp(system_time(at)).unix_ms(), 1_795_196_016_000);
    }
}
