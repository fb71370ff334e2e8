//! Making an identity in a home, and unlocking it.

use thiserror::Error;

use super::clock;
use crate::{
    delivery::TransportId,
    home::{Home, HomeError, write_private},
    identity::Fqid,
    pgp::{self, Passphrase, PgpError, SecretKey},
    transport::registry::TransportConfig,
};

/// Why an identity cannot be made or unlocked.
#[derive(Debug, Error)]
pub enum SetupError {
    /// There is one already.
    #[error("there is an identity in {0} already; use another --home, or move it away")]
    Exists(String),
    /// There is none yet.
    #[error("there is no identity in {0} yet; run `skcomm init` or start `skcomm-tui`")]
    Missing(String),
    /// The home folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The key.
    #[error("{0}")]
    Key(#[from] PgpError),
    /// A file could not be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// The system's word.
        source: std::io::Error,
    },
}

/// Who somebody wants to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewIdentity {
    /// The name others see, 1 to 256 bytes.
    pub name: String,
    /// For the key's user id; made from the FQID or the name when none.
    pub email: Option<String>,
    /// `agent@operator.realm`.
    pub fqid: Option<Fqid>,
}

/// Makes a key and an identity in `home`, with the first transports. The private key is written last: a home without
/// it counts as empty, so that a crash in between can be repeated.
///
/// # Errors
/// When there is an identity, the name cannot stand in a user id, or a file cannot be written.
pub fn create_identity(
    home: &Home,
    identity: &NewIdentity,
    passphrase: Option<&Passphrase>,
    transports: &[(TransportId, TransportConfig)],
) -> Result<SecretKey, SetupError> {
    if home.has_identity() {
        return Err(SetupError::Exists(home.root().display().to_string()));
    }
    home.create()?;
    let made = pgp::generate(
        pgp::Identity {
            name: identity.name.clone(),
            email: identity.email.clone().unwrap_or_else(|| made_up_address(identity)),
            fqid: identity.fqid.as_ref().map(ToString::to_string),
        },
        passphrase,
        clock::wall(),
    )?;
    let mut config = home.config()?;
    config.identity.name.clone_from(&identity.name);
    config.identity.fqid.clone_from(&identity.fqid);
    home.save_config(&config)?;
    for (id, transport) in transports {
        home.save_transport(id, transport)?;
    }
    let dir = home.root().join("identity");
    let fingerprint = format!("{}\n", made.secret.fingerprint());
    write_private(&dir.join("fingerprint"), fingerprint.as_bytes())?;
    write_private(&dir.join("revocation.asc"), made.revocation_armored.as_bytes())?;
    write_private(&home.public_key_path(), made.public_armored.as_bytes())?;
    write_private(&home.private_key_path(), made.private_armored.as_bytes())?;
    Ok(made.secret)
}

/// Unlocks the identity of `home`. With a passphrase this takes a noticeable moment: run it off the screen's task.
///
/// # Errors
/// [`PgpError::PassphraseNeeded`] and [`PgpError::WrongPassphrase`] inside [`SetupError::Key`] are for the user to mend.
pub fn unlock_identity(home: &Home, passphrase: Option<&Passphrase>) -> Result<SecretKey, SetupError> {
    let path = home.private_key_path();
    let armored = match std::fs::read(&path) {
        Ok(bytes) => zeroize::Zeroizing::new(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(SetupError::Missing(home.root().display().to_string()));
        }
        Err(source) => return Err(SetupError::Io { path: path.display().to_string(), source }),
    };
    Ok(SecretKey::unlock(&armored, passphrase, clock::wall())?)
}

/// OpenPGP user ids want an address. One under `.invalid` (RFC 2606) leads nowhere and says so.
fn made_up_address(identity: &NewIdentity) -> String {
    let agent = identity.fqid.as_ref().map_or(identity.name.as_str(), Fqid::agent);
    let local: String = agent.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
    format!("{}@skcomm.invalid", if local.is_empty() { "me" } else { &local }.to_lowercase())
}
