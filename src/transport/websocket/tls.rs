//! Which certificates of servers are trusted.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::delivery::{Reason, ReasonKind};

/// Largest file of certificates, in bytes.
const CA_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// The public authorities, and those in `ca_file`. There is no setting that trusts just anybody.
///
/// # Errors
/// When the file cannot be read or holds no certificate.
pub(in crate::transport) fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, Reason> {
    let roots = trusted_roots(ca_file)?;
    // Named here because more than one provider may be linked into the program.
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Reason::new(ReasonKind::Other, format!("TLS: {error}")))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// The public authorities, and those in `ca_file`.
///
/// # Errors
/// When the file cannot be read or holds no certificate.
pub(in crate::transport) fn trusted_roots(ca_file: Option<&Path>) -> Result<RootCertStore, Reason> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = ca_file {
        add_file(&mut roots, path).map_err(|problem| {
            Reason::new(ReasonKind::NotConfigured, format!("the setting ca_file, {}: {problem}", path.display()))
        })?;
    }
    Ok(roots)
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > CA_FILE_BYTES {
        return Err("it is too large".to_owned());
    }
    let raw = std::fs::read(path).map_err(|error| error.to_string())?;
    let mut added = 0;
    for certificate in CertificateDer::pem_slice_iter(&raw) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
        added += 1;
    }
    if added == 0 { Err("there is no certificate in it (PEM is wanted)".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_named() {
        assert!(client_config(None).is_ok());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let error = client_config(Some(&path)).unwrap_err();
        assert!(error.to_string().contains("ca.pem"), "{error}");
        std::fs::write(&path, "nothing\n").unwrap();
        let error = client_config(Some(&path)).unwrap_err();
        assert!(error.to_string().contains("no certificate"), "{error}");
    }
}
