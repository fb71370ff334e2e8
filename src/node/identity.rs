//! Who this node is.

use std::sync::Arc;

use super::keyring::LiveKeys;
use crate::{
    delivery::{Reason, ReasonKind},
    identity::Fqid,
    pgp::{self, SecretKey},
    transport::Authenticator,
    wire::{Fingerprint, Party},
};

/// Who this node is. Cheap to clone.
#[derive(Clone)]
pub(super) struct Me(Arc<Inner>);

struct Inner {
    secret: SecretKey,
    name: String,
    fqid: Option<Fqid>,
    certificate: String,
}

impl Me {
    pub(super) fn new(secret: SecretKey, name: String, fqid: Option<Fqid>) -> Self {
        let certificate = secret.certificate().armored();
        Self(Arc::new(Inner { secret, name, fqid, certificate }))
    }

    pub(super) fn secret(&self) -> &SecretKey {
        &self.0.secret
    }

    pub(super) fn name(&self) -> &str {
        &self.0.name
    }

    pub(super) fn fqid(&self) -> Option<&Fqid> {
        self.0.fqid.as_ref()
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.0.secret.fingerprint()
    }

    pub(super) fn armored_certificate(&self) -> &str {
        &self.0.certificate
    }

    /// This node as one end of an envelope; with its certificate for somebody who may not hold it.
    pub(super) fn party(&self, introduce: bool) -> Party {
        Party {
            name: Some(self.0.name.clone()),
            fingerprint: self.fingerprint(),
            fqid: self.0.fqid.as_ref().map(ToString::to_string),
            certificate: introduce.then(|| self.0.certificate.clone()),
        }
    }
}

/// What transports may do with keys: sign as this node, and check what peers have signed.
pub(super) struct TransportKeys {
    pub(super) me: Me,
    pub(super) peers: LiveKeys,
}

impl Authenticator for TransportKeys {
    fn fingerprint(&self) -> Fingerprint {
        self.me.fingerprint()
    }

    fn certificate(&self) -> String {
        self.me.0.certificate.clone()
    }

    fn sign(&self, challenge: &[u8]) -> Result<String, Reason> {
        pgp::sign_detached(self.me.secret(), challenge, super::clock::wall())
            .map_err(|e| Reason::new(ReasonKind::KeyUnusable, e.to_string()))
    }

    fn verify(&self, signer: &Fingerprint, statement: &[u8], signature: &str) -> Result<(), Reason> {
        let Some(certificate) = self.peers.get(signer) else {
            return Err(Reason::new(ReasonKind::NoKey, format!("the certificate of {signer} is not known here")));
        };
        pgp::verify_detached(&certificate, statement, signature.as_bytes(), super::clock::wall())
            .map(drop)
            .map_err(|e| Reason::new(ReasonKind::KeyUnusable, e.to_string()))
    }
}
