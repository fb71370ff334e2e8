//! The parsed certificates of all peers, shared with the threads that do the cryptography.

use std::{collections::BTreeMap, sync::Arc};

use crate::{pgp::Certificate, wire::Fingerprint};

/// Certificates by fingerprint. Cheap to clone; a change makes a new map, so that work under way keeps its own.
#[derive(Clone, Default)]
pub(super) struct Keyring(Arc<BTreeMap<Fingerprint, Certificate>>);

impl Keyring {
    /// The certificate with that fingerprint.
    pub(super) fn get(&self, key: &Fingerprint) -> Option<&Certificate> {
        self.0.get(key)
    }

    /// Adds a certificate.
    pub(super) fn insert(&mut self, certificate: Certificate) {
        let mut map = (*self.0).clone();
        map.insert(certificate.fingerprint(), certificate);
        self.0 = Arc::new(map);
    }

    /// Removes a certificate.
    pub(super) fn remove(&mut self, key: &Fingerprint) {
        let mut map = (*self.0).clone();
        map.remove(key);
        self.0 = Arc::new(map);
    }
}
