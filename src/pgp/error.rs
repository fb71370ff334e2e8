//! Why an OpenPGP operation was refused.

use thiserror::Error;

use crate::wire::{Fingerprint, SafeText, Timestamp};

/// Why a certificate or one of its keys cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Unusable {
    /// Its owner revoked it.
    #[error("it is revoked")]
    Revoked,
    /// Its validity ended.
    #[error("it expired at {0}")]
    Expired(Timestamp),
    /// It was made later than the time in question: one of the two clocks is wrong.
    #[error("it is not valid before {0}; one of the clocks is wrong")]
    NotYetValid(Timestamp),
    /// An algorithm, key size, curve point or hash that is no longer safe.
    #[error("its cryptography is too weak ({0})")]
    Weak(&'static str),
    /// Nothing in it can encrypt.
    #[error("it has no usable encryption subkey")]
    NoEncryptionKey,
    /// Nothing in it can sign.
    #[error("it has no usable signing key")]
    NoSigningKey,
    /// Its self-signatures are missing, broken or not understood.
    #[error("it has no valid self-signature")]
    Unbound,
}

/// In which way a message departs from the one accepted grammar.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Grammar {
    /// There is no signature in it.
    #[error("it is not signed")]
    Unsigned,
    /// There is more than one signature in it.
    #[error("it carries more than one signature")]
    SeveralSignatures,
    /// There is a compressed packet in it.
    #[error("it carries an OpenPGP compression layer")]
    Compressed,
    /// There is an encrypted message in the encrypted message.
    #[error("it is encrypted more than once")]
    Nested,
    /// Its signed text is not one binary literal without a file name.
    #[error("its content is not one plain binary literal")]
    Literal,
    /// It is not encrypted.
    #[error("it is not encrypted")]
    NotEncrypted,
    /// It is encrypted to a password.
    #[error("it is encrypted to a password")]
    Password,
    /// It is addressed to more keys than is sane.
    #[error("it is addressed to too many keys")]
    TooManyRecipients,
    /// Something follows the end of the message.
    #[error("something follows its end")]
    Trailing,
    /// Any other packet, or the right packets in the wrong order.
    #[error("it holds packets that do not belong there")]
    Unexpected,
}

/// Why an OpenPGP operation was refused. The variants are the kinds a face can switch on.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PgpError {
    /// The input is larger than the bound.
    #[error("the {what} is larger than {limit} bytes")]
    TooLarge {
        /// What was read.
        what: &'static str,
        /// The bound, in bytes.
        limit: usize,
    },
    /// The input holds more parts than the bound.
    #[error("the certificate has more than {limit} {what}; export a minimal one")]
    TooMany {
        /// Which parts.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// The input is not what it should be.
    #[error("this is not a readable {what}")]
    Malformed {
        /// What was expected.
        what: &'static str,
    },
    /// A private key was given where a certificate belongs.
    #[error("this holds a private key; give the public certificate instead and keep this to yourself")]
    SecretInCertificate,
    /// More than one certificate in one input.
    #[error("this holds more than one certificate; give exactly one")]
    SeveralCertificates,
    /// The certificate cannot be used.
    #[error("the certificate {} cannot be used: {why}", fingerprint.short())]
    Unusable {
        /// The certificate.
        fingerprint: Fingerprint,
        /// Why.
        why: Unusable,
    },
    /// Two certificates that should be one have different primary keys.
    #[error("these are certificates of two different keys")]
    OtherCertificate,
    /// The private key is protected and no passphrase was given.
    #[error("the private key is protected by a passphrase; give it")]
    PassphraseNeeded,
    /// The passphrase does not open the private key.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// Opening the private key would take more memory or time than is sane.
    #[error("the private key's passphrase protection asks for too much memory or time")]
    ProtectionTooCostly,
    /// The input holds no private key that can be used.
    #[error("this holds no usable private key")]
    NoSecretKey,
    /// The secret part of the key does not belong to its public part: it was damaged or tampered with.
    #[error("the private key does not match its public part; it is damaged or was tampered with")]
    KeyDamaged,
    /// An RSA private key under the RustCrypto backend, whose RSA leaks timing (RUSTSEC-2023-0071).
    #[error(
        "this is an RSA private key, and this build's RSA does not run in constant time \
         (RUSTSEC-2023-0071); use an Ed25519 key, or build with --no-default-features --features crypto-openssl"
    )]
    RsaPrivateKey,
    /// A name, email or FQID that cannot stand in a user id.
    #[error("{field}: {problem}")]
    Identity {
        /// Which field.
        field: &'static str,
        /// What is wrong and what would be right.
        problem: &'static str,
    },
    /// The message is not encrypted to this key.
    #[error("the message is not encrypted to this key")]
    NotForThisKey,
    /// The message cannot be decrypted, or was changed on its way. One error for all causes, on purpose.
    #[error("the message cannot be decrypted; it is damaged or was tampered with")]
    Undecryptable,
    /// The message uses a cipher that is no longer safe.
    #[error("the message uses a cipher that is too weak")]
    WeakCipher,
    /// The message is not of the one accepted form.
    #[error("the message is refused: {0}")]
    Grammar(Grammar),
    /// The signature is by a key that is not in the expected certificate.
    #[error("the signature is not by the expected key")]
    UnknownSigner,
    /// The signature does not verify, or is of a kind or strength that is not accepted.
    #[error("the signature is not valid")]
    BadSignature,
    /// The signature says it was made too far in the future.
    #[error("the signature is dated in the future ({0}); one of the clocks is wrong")]
    SignatureFromFuture(Timestamp),
    /// The signature has an expiry and it is over.
    #[error("the signature has expired")]
    SignatureExpired,
    /// The signature names no intended recipient, so a re-wrapped message could not be told apart.
    #[error("the signature does not say for whom the message was meant")]
    NoIntendedRecipient,
    /// The signed text was meant for somebody else, who re-encrypted it (or a thief did).
    #[error("the message was signed for somebody else and re-wrapped")]
    OtherRecipient,
    /// The revocation is not one of this certificate.
    #[error("this is not a valid revocation of the certificate")]
    NotItsRevocation,
    /// The cryptographic library failed where it should not.
    #[error("cannot {doing}: {detail}")]
    Backend {
        /// What was being done.
        doing: &'static str,
        /// The library's words.
        detail: SafeText,
    },
}

impl PgpError {
    /// Wraps an error of the library for an operation that fails only when something is broken.
    pub(super) fn backend(doing: &'static str) -> impl FnOnce(sequoia_openpgp::anyhow::Error) -> Self {
        move |error| {
            let text: String = error.to_string().chars().take(200).collect();
            Self::Backend { doing, detail: SafeText::line(&text) }
        }
    }
}
