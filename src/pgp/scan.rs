//! A first look at a certificate or private key: counts its parts before anything costly is done with them.

use sequoia_openpgp::{
    Packet,
    crypto::mpi,
    packet::{Key, Tag, key},
    parse::{Dearmor, PacketParserBuilder, PacketParserResult, Parse as _},
};

use super::PgpError;

/// Most subkeys.
const SUBKEYS: usize = 32;
/// Most user ids and user attributes together.
const USER_IDS: usize = 32;
/// Most signatures.
const SIGNATURES: usize = 512;
/// Most packets that are none of the above.
const OTHER_PACKETS: usize = 64;
/// Largest user id, in bytes.
const USER_ID_BYTES: usize = 2048;
/// Largest modulus of an RSA key (or prime of another finite-field key), in bits: checking one signature with
/// a larger one takes noticeable time.
const FINITE_FIELD_BITS: usize = 8192;
/// Largest public exponent of an RSA key, in bytes.
const RSA_EXPONENT_BYTES: usize = 8;

/// What the input is expected to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Certificate,
    PrivateKey,
}

impl Expected {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Certificate => "OpenPGP certificate",
            Self::PrivateKey => "OpenPGP private key",
        }
    }
}

/// Checks that `binary` is one certificate or private key with a sane number of parts, in time linear in its
/// length and without any public-key operation.
pub(super) fn scan(binary: &[u8], expected: Expected) -> Result<(), PgpError> {
    let malformed = |_| PgpError::Malformed { what: expected.name() };
    let mut count = Count { expected, primaries: 0, subkeys: 0, user_ids: 0, signatures: 0, others: 0 };
    let builder = PacketParserBuilder::from_bytes(binary).map_err(malformed)?;
    let mut next = builder.dearmor(Dearmor::Disabled).build().map_err(malformed)?;
    while let PacketParserResult::Some(parser) = next {
        count.see(&parser.packet)?;
        next = parser.next().map_err(malformed)?.1;
    }
    match count.primaries {
        1 => Ok(()),
        _ => Err(PgpError::Malformed { what: expected.name() }),
    }
}

struct Count {
    expected: Expected,
    primaries: usize,
    subkeys: usize,
    user_ids: usize,
    signatures: usize,
    others: usize,
}

impl Count {
    fn see(&mut self, packet: &Packet) -> Result<(), PgpError> {
        let malformed = || PgpError::Malformed { what: self.expected.name() };
        let first = self.primaries == 0;
        match packet {
            Packet::SecretKey(_) | Packet::SecretSubkey(_) if self.expected == Expected::Certificate => {
                return Err(PgpError::SecretInCertificate);
            }
            Packet::PublicKey(_) if self.expected == Expected::PrivateKey => return Err(PgpError::NoSecretKey),
            Packet::PublicKey(_) | Packet::SecretKey(_) if !first => return Err(PgpError::SeveralCertificates),
            Packet::PublicKey(key) => {
                bounded_key(key)?;
                self.primaries += 1;
            }
            Packet::SecretKey(key) => {
                bounded_key(key)?;
                self.primaries += 1;
            }
            _ if first => return Err(malformed()),
            Packet::PublicSubkey(key) => {
                bounded_key(key)?;
                bump(&mut self.subkeys, SUBKEYS, "subkeys")?;
            }
            Packet::SecretSubkey(key) => {
                bounded_key(key)?;
                bump(&mut self.subkeys, SUBKEYS, "subkeys")?;
            }
            Packet::UserID(id) if id.value().len() > USER_ID_BYTES => {
                return Err(PgpError::TooLarge { what: "user id", limit: USER_ID_BYTES });
            }
            Packet::UserID(_) | Packet::UserAttribute(_) => bump(&mut self.user_ids, USER_IDS, "user ids")?,
            Packet::Signature(_) => bump(&mut self.signatures, SIGNATURES, "signatures")?,
            // A part over the parser's own limits, or a damaged one, arrives as unknown.
            Packet::Unknown(part) if part.tag() == Tag::UserID => {
                return Err(PgpError::TooLarge { what: "user id", limit: USER_ID_BYTES });
            }
            _ => bump(&mut self.others, OTHER_PACKETS, "packets of unknown kinds")?,
        }
        Ok(())
    }
}

fn bump(count: &mut usize, limit: usize, what: &'static str) -> Result<(), PgpError> {
    *count += 1;
    if *count > limit { Err(PgpError::TooMany { what, limit }) } else { Ok(()) }
}

fn bounded_key<P: key::KeyParts, R: key::KeyRole>(key: &Key<P, R>) -> Result<(), PgpError> {
    let finite_field = match key.mpis() {
        mpi::PublicKey::RSA { e, .. } if e.value().len() > RSA_EXPONENT_BYTES => {
            return Err(PgpError::TooLarge { what: "RSA exponent", limit: RSA_EXPONENT_BYTES });
        }
        mpi::PublicKey::RSA { .. } | mpi::PublicKey::DSA { .. } | mpi::PublicKey::ElGamal { .. } => true,
        _ => false,
    };
    if finite_field && key.mpis().bits().unwrap_or(usize::MAX) > FINITE_FIELD_BITS {
        return Err(PgpError::TooLarge { what: "public key", limit: FINITE_FIELD_BITS / 8 });
    }
    Ok(())
}
