//! The parsed certificates of all peers, shared with the threads that do the cryptography.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use crate::{pgp::Certificate, wire::Fingerprint};

/// Certificates by fingerprint. Cheap to clone; a change makes a new map, so that work under way keeps its own.
#[derive(Clone, Default)]
pub(super) struct Keyring {
    keys: Arc<BTreeMap<Fingerprint, Certificate>>,
    live: LiveKeys,
}

/// The newest of a keyring's maps, for those who live longer than one piece of work.
#[derive(Clone, Default)]
pub(super) struct LiveKeys(Arc<RwLock<Arc<BTreeMap<Fingerprint, Certificate>>>>);

impl LiveKeys {
    /// The certificate with that fingerprint, as of now.
    pub(super) fn get(&self, key: &Fingerprint) -> Option<Certificate> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }
}

impl Keyring {
    /// The certificate with that fingerprint.
    pub(super) fn get(&self, key: &Fingerprint) -> Option<&Certificate> {
        self.keys.get(key)
    }

    /// The certificates as they will be whenever somebody looks.
    pub(super) fn live(&self) -> LiveKeys {
        self.live.clone()
    }

    /// Adds a certificate.
    pub(super) fn insert(&mut self, certificate: Certificate) {
        let mut map = (*self.keys).clone();
        map.insert(certificate.fingerprint(), certificate);
        self.set(map);
    }

    /// Removes a certificate.
    pub(super) fn remove(&mut self, key: &Fingerprint) {
        let mut map = (*self.keys).clone();
        map.remove(key);
        self.set(map);
    }

    fn set(&mut self, map: BTreeMap<Fingerprint, Certificate>) {
        self.keys = Arc::new(map);
        *self.live.0.write().unwrap_or_else(PoisonError::into_inner) = self.keys.clone();
    }
}
