//! The peers by name, FQID and key, and what a key that turns up means.

use std::collections::BTreeMap;

use thiserror::Error;

use super::{Fqid, PeerName, PeerProfile, TrustLevel};
use crate::wire::{Fingerprint, Timestamp};

/// Why a reference to a peer did not lead to one.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LookupError {
    /// No peer fits.
    #[error("no peer is called `{0}`; `skcomm peer list` shows all, `skcomm peer add` adds one")]
    Unknown(String),
    /// More than one peer fits.
    #[error("`{0}` fits more than one peer: {1}; give more digits or the name")]
    Ambiguous(String, String),
}

/// What a key means that came with a verified envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyVerdict {
    /// It is the pinned key of this peer.
    Pinned(PeerName),
    /// Nobody here has this key or claims this identity: a stranger.
    Stranger,
    /// A known peer's identity is claimed with another key than the pinned one.
    Conflict(PeerName),
}

/// All peers. Names are unique without regard to case; a key belongs to at most one peer.
#[derive(Clone, Debug, Default)]
pub struct PeerBook {
    peers: BTreeMap<String, PeerProfile>,
    by_key: BTreeMap<Fingerprint, String>,
}

impl PeerBook {
    /// A book of these peers; of two with the same name or key the first stays and the other is returned.
    pub fn new(profiles: impl IntoIterator<Item = PeerProfile>) -> (Self, Vec<PeerProfile>) {
        let mut book = Self::default();
        let mut left_over = Vec::new();
        for profile in profiles {
            let taken = book.peers.contains_key(&profile.name.folded())
                || profile.fingerprint.is_some_and(|key| book.by_key.contains_key(&key));
            if taken {
                left_over.push(profile);
            } else {
                book.put(profile);
            }
        }
        (book, left_over)
    }

    /// All peers, by name.
    pub fn iter(&self) -> impl Iterator<Item = &PeerProfile> {
        self.peers.values()
    }

    /// How many peers there are.
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// The peer of that name.
    pub fn get(&self, name: &PeerName) -> Option<&PeerProfile> {
        self.peers.get(&name.folded())
    }

    /// The peer with that pinned key.
    pub fn by_key(&self, key: &Fingerprint) -> Option<&PeerProfile> {
        self.peers.get(self.by_key.get(key)?)
    }

    /// Adds a peer or takes the place of the one with the same name.
    pub fn put(&mut self, profile: PeerProfile) {
        let id = profile.name.folded();
        self.by_key.retain(|_, owner| *owner != id);
        if let Some(key) = profile.fingerprint {
            self.by_key.insert(key, id.clone());
        }
        self.peers.insert(id, profile);
    }

    /// Removes a peer.
    pub fn remove(&mut self, name: &PeerName) -> Option<PeerProfile> {
        let id = name.folded();
        self.by_key.retain(|_, owner| *owner != id);
        self.peers.remove(&id)
    }

    /// The peer that `reference` names: a name, an FQID, or at least eight digits of a fingerprint.
    ///
    /// # Errors
    /// When none or more than one fits.
    pub fn find(&self, reference: &str) -> Result<&PeerProfile, LookupError> {
        let named = self.peers.get(&reference.to_lowercase());
        let fqid = reference.parse::<Fqid>().ok();
        let digits: String = reference.chars().filter(|c| *c != ' ').collect::<String>().to_ascii_uppercase();
        let is_key = digits.len() >= 8 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let fits = |peer: &&PeerProfile| {
            named.is_some_and(|named| named.name == peer.name)
                || (named.is_none() && fqid.is_some() && peer.fqid == fqid)
                || (is_key && peer.fingerprint.is_some_and(|key| key.to_string().starts_with(&digits)))
        };
        let found: Vec<&PeerProfile> = self.peers.values().filter(fits).collect();
        match found.as_slice() {
            [one] => Ok(one),
            [] => Err(LookupError::Unknown(reference.to_owned())),
            many => {
                let names: Vec<&str> = many.iter().map(|p| p.name.as_str()).collect();
                Err(LookupError::Ambiguous(reference.to_owned(), names.join(", ")))
            }
        }
    }

    /// What it means that a verified envelope came under `key` from somebody who calls itself `name` or `fqid`.
    pub fn judge(&self, key: &Fingerprint, name: Option<&str>, fqid: Option<&Fqid>) -> KeyVerdict {
        if let Some(peer) = self.by_key(key) {
            return KeyVerdict::Pinned(peer.name.clone());
        }
        let claimed = name.and_then(|n| self.peers.get(&n.to_lowercase()));
        let same_fqid = fqid.and_then(|id| self.peers.values().find(|p| p.fqid.as_ref() == Some(id)));
        match same_fqid.or(claimed) {
            Some(peer) if peer.fingerprint.is_some() => KeyVerdict::Conflict(peer.name.clone()),
            _ => KeyVerdict::Stranger,
        }
    }

    /// Notes that `key` wants to take the pinned key's place. Returns whether that is news. While one key is in
    /// question no other can be, so that a flood of keys cannot push it aside, and a key that the user refused does
    /// not come into question again.
    pub fn raise_conflict(&mut self, name: &PeerName, key: Fingerprint, now: Timestamp) -> bool {
        let Some(peer) = self.peers.get_mut(&name.folded()) else { return false };
        if peer.conflict.is_some() || peer.refused_keys.contains(&key) {
            return false;
        }
        peer.conflict = Some(key);
        peer.note(now, format!("another key turned up: {key}"));
        true
    }

    /// Decides a conflict: takes the new key, and with it the lowest trust, or keeps the pinned one.
    /// None if there was no conflict.
    pub fn resolve_conflict(&mut self, name: &PeerName, accept_new: bool, now: Timestamp) -> Option<&PeerProfile> {
        let mut peer = self.get(name)?.clone();
        let key = peer.conflict.take()?;
        if accept_new {
            peer.fingerprint = Some(key);
            peer.trust = TrustLevel::Untrusted;
            peer.heard = false;
            peer.note(now, format!("you accepted the new key {key}"));
        } else {
            peer.refuse(key);
            peer.note(now, format!("you refused the key {key}"));
        }
        self.put(peer);
        self.get(name)
    }

    /// A name that is neither taken nor `own`, as near as possible to what a stranger calls itself.
    pub fn free_name(&self, claimed: &str, key: &Fingerprint, own: &str) -> PeerName {
        let name = PeerName::nearest(claimed);
        let free = |name: &PeerName| self.get(name).is_none() && name.folded() != own.to_lowercase();
        if free(&name) {
            return name;
        }
        let short = name.suffixed(&key.short().to_lowercase());
        // Eight digits can be brought about by trying keys; the whole fingerprint cannot.
        if free(&short) { short } else { name.suffixed(&key.to_string().to_lowercase()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Fingerprint {
        Fingerprint::from_bytes(&[byte; 20]).unwrap()
    }

    fn book() -> PeerBook {
        let mut lumina = PeerProfile::new("Lumina".parse().unwrap());
        lumina.fingerprint = Some(key(0xAA));
        lumina.fqid = Some("lumina@chef.skworld".parse().unwrap());
        let mut jarvis = PeerProfile::new("jarvis".parse().unwrap());
        jarvis.fingerprint = Some(key(0xAB));
        PeerBook::new([lumina, jarvis]).0
    }

    #[test]
    fn finds_by_name_fqid_and_digits() {
        let book = book();
        for reference in ["lumina", "LUMINA", "lumina@chef.skworld", "AAAAAAAA", "aaaa aaaa aaaa"] {
            assert_eq!(book.find(reference).unwrap().name.as_str(), "Lumina", "{reference}");
        }
        assert!(matches!(book.find("nobody"), Err(LookupError::Unknown(_))));
        assert!(matches!(book.find("AAAA"), Err(LookupError::Unknown(_))), "four digits are too few");
    }

    #[test]
    fn a_second_key_for_a_known_identity_is_a_conflict_until_decided() {
        let mut book = book();
        let (name, now) = ("lumina".parse().unwrap(), Timestamp::from_unix_ms(0));
        assert_eq!(book.judge(&key(1), Some("lumina"), None), KeyVerdict::Conflict("Lumina".parse().unwrap()));
        assert_eq!(book.judge(&key(0xAA), Some("someone else"), None), KeyVerdict::Pinned("Lumina".parse().unwrap()));
        assert_eq!(book.judge(&key(1), Some("new"), None), KeyVerdict::Stranger);
        assert!(book.raise_conflict(&name, key(1), now));
        assert!(!book.raise_conflict(&name, key(1), now), "the same conflict is no news");
        assert!(!book.raise_conflict(&name, key(3), now), "one key is in question at a time");
        assert_eq!(book.get(&name).unwrap().conflict, Some(key(1)));
        let kept = book.resolve_conflict(&name, false, now).unwrap();
        assert_eq!((kept.fingerprint, kept.conflict), (Some(key(0xAA)), None));
        assert!(!book.raise_conflict(&name, key(1), now), "a refused key does not come again");
        assert!(book.raise_conflict(&name, key(2), now));
        let changed = book.resolve_conflict(&name, true, now).unwrap();
        assert_eq!((changed.fingerprint, changed.trust), (Some(key(2)), TrustLevel::Untrusted));
        assert!(book.by_key(&key(0xAA)).is_none());
    }

    #[test]
    fn a_stranger_never_gets_a_name_that_is_taken() {
        let mut book = book();
        let mut squatter = PeerProfile::new(format!("lumina-{}", key(1).short()).parse().unwrap());
        squatter.fingerprint = Some(key(7));
        book.put(squatter);
        for claimed in ["Lumina", "LUMINA", "me", "Me"] {
            let name = book.free_name(claimed, &key(1), "me");
            assert!(book.get(&name).is_none() && name.folded() != "me", "{claimed}: {name}");
            assert_eq!(name.as_str().parse(), Ok(name.clone()));
        }
        assert_eq!(book.free_name("new", &key(1), "me").as_str(), "new");
    }

    #[test]
    fn a_name_made_of_digits_does_not_hide_a_key() {
        let mut book = book();
        let mut posing = PeerProfile::new("AAAAAAAAAAAA".parse().unwrap());
        posing.fingerprint = Some(key(9));
        book.put(posing);
        assert!(matches!(book.find("AAAAAAAAAAAA"), Err(LookupError::Ambiguous(..))));
        assert_eq!(book.find(&key(0xAA).to_string()).unwrap().name.as_str(), "Lumina");
    }

    #[test]
    fn names_and_keys_stay_unique() {
        let (mut again, mut same_key) =
            (PeerProfile::new("LUMINA".parse().unwrap()), PeerProfile::new("x".parse().unwrap()));
        again.fingerprint = Some(key(5));
        same_key.fingerprint = Some(key(0xAA));
        let all = book().iter().cloned().chain([again, same_key]).collect::<Vec<_>>();
        let (book, left_over) = PeerBook::new(all);
        assert_eq!((book.len(), left_over.len()), (2, 2));
    }
}
