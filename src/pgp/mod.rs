//! OpenPGP: certificates, sealing (sign, then encrypt), opening (decrypt, then verify), detached
//! signatures, generation and revocation, on sequoia-openpgp.
//!
//! The room takes bytes, keys and a clock (`now`, always handed in) and knows neither what an envelope
//! nor what a peer is. It does no I/O. Randomness comes from the operating system through sequoia; the
//! backend draws it itself, so outputs differ from run to run while verdicts do not.
//!
//! **Invariant:** [`open`] returns no plaintext before the whole message is decrypted, authenticated and
//! its one signature verified. **Invariant:** exactly one message grammar is accepted (RFC 9580 section
//! 10.3 allows many): `PKESK+ SEIPD[ OnePassSignature Literal Signature ]`. Nothing is ever decompressed.
//! **Boundary:** no type of sequoia appears in the public interface.

mod armor;
mod certificate;
mod detached;
mod error;
mod generate;
mod open;
mod policy;
mod revoke;
mod scan;
mod seal;
mod secret;
mod standing;
mod verify;
mod words;

#[cfg(test)]
mod tests;

pub use certificate::{Certificate, CertificateFacts};
pub use detached::{sign_detached, verify_detached};
pub use error::{Grammar, PgpError, Unusable};
pub use generate::{Generated, Identity, generate};
pub use open::{Opened, open};
pub use revoke::{RevocationReason, revoke};
pub use seal::{seal, seal_bytes};
pub use secret::{Passphrase, Protection, SecretKey};
pub use words::fingerprint_words;
