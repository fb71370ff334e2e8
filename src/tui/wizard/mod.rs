//! Small screens that come before the main one: the first-run wizard and the prompt for the passphrase.
//!
//! Each is a model with an `update` that returns what the integrator must do, and a `view` that only reads.
//! Neither makes keys nor touches the disk.

mod check;
mod field;
#[cfg(test)]
mod tests;
mod unlock;
mod view;
mod welcome;

pub use unlock::{Unlock, UnlockEffect, UnlockInput};
pub use welcome::{Wizard, WizardEffect, WizardInput};

use zeroize::Zeroizing;

use crate::wire::{Fingerprint, SafeText};

/// What the wizard asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WizardResult {
    /// The name, 1 to 256 bytes, one line.
    pub name: String,
    /// A mail address for the certificate's user id, if given.
    pub email: Option<String>,
    /// `agent@operator.realm`, if given; checked.
    pub fqid: Option<String>,
    /// The passphrase; none only when the user chose so explicitly.
    pub passphrase: Option<Passphrase>,
    /// The first transport.
    pub transport: FirstTransport,
}

/// A passphrase: wiped from memory when dropped, and never shown by `{:?}`.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// From the text as typed.
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, still wiped when dropped.
    pub fn into_inner(self) -> Zeroizing<String> {
        self.0
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// The first transport, as asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FirstTransport {
    /// A shared folder, by its absolute path or one that begins with `~/`.
    Folder(String),
    /// A TCP listener, as `address:port`.
    Tcp(String),
    /// A relay, as `ws://` or `wss://` URL.
    Relay(String),
    /// None for now.
    #[default]
    None,
}

/// What the summary shows of the new identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// The name.
    pub name: SafeText,
    /// The FQID.
    pub fqid: Option<SafeText>,
    /// The fingerprint.
    pub fingerprint: Fingerprint,
    /// The fingerprint as words, to be read aloud.
    pub words: SafeText,
    /// What the QR code holds: the fingerprint as URI, or a whole card.
    pub qr: String,
}
