//! Sealing: sign, then encrypt.

use std::io::Write as _;

use sequoia_openpgp::{
    armor::Kind,
    crypto::KeyPair,
    serialize::stream::{Encryptor, LiteralWriter, Message, Recipient, Signer},
    types::{DataFormat, HashAlgorithm, SymmetricAlgorithm},
};

use super::{Certificate, PgpError, SecretKey, armor, policy::system_time};
use crate::wire::Timestamp;

/// Bytes a message is longer than its plaintext, about.
const OVERHEAD: usize = 1024;

/// One armored OpenPGP message: `plaintext` as a binary literal without a name, signed by `sender` with the
/// recipient's fingerprint under the signature (RFC 9580 section 5.2.3.36), encrypted to every usable encryption
/// subkey of `recipient` and to nobody else.
///
/// There is no compression layer. The encryption is SEIPD version 2 (AES-256, OCB) if the recipient says that it can
/// read it, else version 1.
///
/// # Errors
/// [`PgpError::Unusable`] if either certificate cannot be used at `now`. It never falls back to less.
pub fn seal(sender: &SecretKey, recipient: &Certificate, plaintext: &[u8], now: Timestamp) -> Result<String, PgpError> {
    armor::enarmor(&seal_bytes(sender, recipient, plaintext, now)?, Kind::Message)
}

/// As [`seal`], in binary.
///
/// # Errors
/// As [`seal`].
pub fn seal_bytes(
    sender: &SecretKey,
    recipient: &Certificate,
    plaintext: &[u8],
    now: Timestamp,
) -> Result<Vec<u8>, PgpError> {
    let standing = recipient.standing(recipient.reference(now));
    if let Some(why) = standing.why_unusable() {
        return Err(recipient.unusable(why));
    }
    let signer = sender.signer(now)?;
    let recipients =
        standing.encryption.iter().map(|key| Recipient::new(key.features.clone(), key.handle.clone(), &key.key));
    let mut sealed = Vec::with_capacity(plaintext.len() + plaintext.len() / 128 + OVERHEAD);
    write_message(&mut sealed, signer, recipients, recipient, plaintext, now)
        .map_err(PgpError::backend("seal the message"))?;
    Ok(sealed)
}

fn write_message<'a>(
    sink: &mut (dyn std::io::Write + Send + Sync),
    signer: KeyPair,
    recipients: impl Iterator<Item = Recipient<'a>>,
    recipient: &Certificate,
    plaintext: &[u8],
    now: Timestamp,
) -> sequoia_openpgp::Result<()> {
    let recipients: Vec<_> = recipients.collect();
    let message =
        Encryptor::for_recipients(Message::new(sink), recipients).symmetric_algo(SymmetricAlgorithm::AES256).build()?;
    let message = Signer::new(message, signer)?
        .hash_algo(HashAlgorithm::SHA512)?
        .creation_time(system_time(now))
        .add_intended_recipient(recipient.cert())
        .build()?;
    let mut message = LiteralWriter::new(message).format(DataFormat::Binary).build()?;
    message.write_all(plaintext)?;
    message.finalize()
}
