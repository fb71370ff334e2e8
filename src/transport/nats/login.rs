//! What a connection is made with: trusted certificates and our own, and what the server is shown.

use std::{io::Read as _, os::unix::fs::PermissionsExt as _, path::Path};

use async_nats::ConnectOptions;
use rustls::{
    ClientConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use zeroize::Zeroizing;

use super::config::{Credentials, NatsSettings};
use crate::{
    delivery::{Reason, ReasonKind},
    transport::websocket::tls::trusted_roots,
};

/// Largest file with credentials, a certificate or a key, in bytes.
const FILE_BYTES: u64 = 64 * 1024;

/// What is read once, at the start, from the files that the settings name.
pub(crate) struct Login {
    tls: ClientConfig,
    shown: Shown,
}

/// [`Credentials`] with the file's content in place of its path.
enum Shown {
    Settings(Credentials),
    Permit(Zeroizing<String>),
}

impl Login {
    /// Reads the files. Blocks.
    ///
    /// # Errors
    /// When a file cannot be read, is not what it should be, or holds a secret that others can read.
    pub(crate) fn read(settings: &NatsSettings) -> Result<Self, Reason> {
        let shown = match &settings.credentials {
            Credentials::File(path) => {
                let permit = private_file("creds_file", path)?;
                if ConnectOptions::with_credentials(&permit).is_err() {
                    return Err(unusable(
                        "creds_file",
                        path,
                        "there are no credentials in it; `nsc generate creds` makes such a file",
                    ));
                }
                Shown::Permit(permit)
            }
            other => Shown::Settings(other.clone()),
        };
        Ok(Self { tls: tls(settings)?, shown })
    }

    /// Options of a connection that is shown this.
    pub(super) fn options(&self) -> Result<ConnectOptions, Reason> {
        let options = ConnectOptions::new().tls_client_config(self.tls.clone());
        Ok(match &self.shown {
            Shown::Settings(Credentials::None | Credentials::File(_)) => options,
            Shown::Settings(Credentials::Token(token)) => options.token(token.clone()),
            Shown::Settings(Credentials::User(user, password)) => {
                options.user_and_password(user.clone(), password.clone())
            }
            Shown::Settings(Credentials::Nkey(seed)) => options.nkey(seed.clone()),
            Shown::Permit(permit) => options
                .credentials(permit)
                .map_err(|error| Reason::new(ReasonKind::NotConfigured, format!("the setting creds_file: {error}")))?,
        })
    }
}

fn tls(settings: &NatsSettings) -> Result<ClientConfig, Reason> {
    let roots = trusted_roots(settings.ca_file.as_deref())?;
    // Named here because more than one provider may be linked into the program.
    let config = ClientConfig::builder_with_provider(std::sync::Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Reason::new(ReasonKind::Other, format!("TLS: {error}")))?
        .with_root_certificates(roots);
    let Some((certificate, key)) = &settings.client else { return Ok(config.with_no_client_auth()) };
    let raw = read("client_cert", certificate)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(raw.as_bytes()).collect();
    let chain = chain.map_err(|error| unusable("client_cert", certificate, &error.to_string()))?;
    let raw = private_file("client_key", key)?;
    let secret = PrivateKeyDer::from_pem_slice(raw.as_bytes());
    let secret = secret.map_err(|error| unusable("client_key", key, &error.to_string()))?;
    config
        .with_client_auth_cert(chain, secret)
        .map_err(|error| unusable("client_cert", certificate, &error.to_string()))
}

/// The secret in the first line of a file that nobody else can read.
///
/// # Errors
/// When the file cannot be read, others can read it, or its first line is empty.
pub(crate) fn private_line(setting: &str, path: &Path) -> Result<Zeroizing<String>, Reason> {
    let text = private_file(setting, path)?;
    match text.lines().next().map(str::trim).filter(|line| !line.is_empty()) {
        Some(line) => Ok(Zeroizing::new(line.to_owned())),
        None => Err(unusable(setting, path, "its first line is empty")),
    }
}

/// The content of a file with a secret.
fn private_file(setting: &str, path: &Path) -> Result<Zeroizing<String>, Reason> {
    let mode =
        std::fs::metadata(path).map_err(|error| unusable(setting, path, &error.to_string()))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(unusable(setting, path, "others can read this secret; `chmod 600` it"));
    }
    read(setting, path)
}

fn read(setting: &str, path: &Path) -> Result<Zeroizing<String>, Reason> {
    let failed = |error: std::io::Error| unusable(setting, path, &error.to_string());
    let mut text = Zeroizing::new(String::new());
    let file = std::fs::File::open(path).map_err(failed)?;
    if file.take(FILE_BYTES + 1).read_to_string(&mut text).map_err(failed)? as u64 > FILE_BYTES {
        return Err(unusable(setting, path, "it is too large"));
    }
    Ok(text)
}

fn unusable(setting: &str, path: &Path, problem: &str) -> Reason {
    Reason::new(ReasonKind::NotConfigured, format!("the setting {setting}, {}: {problem}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::TransportConfig;

    fn login(config: &TransportConfig) -> Result<Login, Reason> {
        Login::read(&NatsSettings::read(config).unwrap())
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("me.creds");
        let config = TransportConfig::new("nats")
            .with("servers", "nats://127.0.0.1")
            .with("creds_file", path.display().to_string());
        assert!(login(&config).err().unwrap().to_string().contains("me.creds"));
        let key = super::super::tests::user_seed();
        std::fs::write(&path, format!("-----BEGIN NATS USER JWT-----\npermit\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n{key}\n------END USER NKEY SEED------\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(login(&config).err().unwrap().to_string().contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(login(&config).unwrap().options().is_ok());
        std::fs::write(&path, "nothing").unwrap();
        assert!(login(&config).err().unwrap().to_string().contains("no credentials"));
        std::fs::write(&path, "x".repeat(70_000)).unwrap();
        assert!(login(&config).err().unwrap().to_string().contains("too large"));
    }
}
