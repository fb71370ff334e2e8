//! What is known of peers' Nostr keys: which are bound to their OpenPGP keys, and where they read.

use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
    time::{Duration, Instant},
};

use nostr_sdk::{Event, Filter, Kind, PublicKey};

use super::address::RELAYS;
use crate::{
    transport::{lock, websocket::address::RelayAddress},
    wire::Fingerprint,
};

/// Most keys that are remembered.
const KEYS: usize = 4096;
/// How long a list of relays is taken as valid.
const LIST_AGE: Duration = Duration::from_secs(3600);
/// When to look again for what was not found, and at most: whoever has just begun publishes it in a moment.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// What was learnt, in memory: it is asked for again in the next run.
#[derive(Debug, Default)]
pub(super) struct Directory {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bindings: HashSet<(Fingerprint, PublicKey)>,
    bound: HashSet<PublicKey>,
    lists: HashMap<PublicKey, (Vec<RelayAddress>, Instant)>,
    /// How often in a row something of that key was looked for in vain.
    misses: HashMap<PublicKey, u32>,
}

impl Directory {
    /// Whether that key was found to be the peer's.
    pub(super) fn has_binding(&self, fingerprint: &Fingerprint, key: &PublicKey) -> bool {
        lock(&self.state).bindings.contains(&(*fingerprint, *key))
    }

    /// Whether that key is that of any peer.
    pub(super) fn is_bound(&self, key: &PublicKey) -> bool {
        lock(&self.state).bound.contains(key)
    }

    /// Remembers a binding that was checked.
    pub(super) fn bind(&self, fingerprint: Fingerprint, key: PublicKey) {
        let mut state = lock(&self.state);
        if state.bindings.len() >= KEYS {
            (state.bindings, state.bound) = (HashSet::new(), HashSet::new());
        }
        state.bindings.insert((fingerprint, key));
        state.bound.insert(key);
        state.misses.remove(&key);
    }

    /// Something of that key was not found; says when to look again.
    pub(super) fn missed(&self, key: &PublicKey) -> Duration {
        let mut state = lock(&self.state);
        if state.misses.len() >= KEYS {
            state.misses.clear();
        }
        let misses = state.misses.entry(*key).or_default();
        let wait = LOOK_AGAIN.0.saturating_mul(1 << (*misses).min(16));
        *misses = misses.saturating_add(1);
        wait.min(LOOK_AGAIN.1)
    }

    /// The relays where `key` reads, if that was asked lately.
    pub(super) fn relays(&self, key: &PublicKey) -> Option<Vec<RelayAddress>> {
        let state = lock(&self.state);
        let (relays, at) = state.lists.get(key)?;
        (at.elapsed() < LIST_AGE).then(|| relays.clone())
    }

    /// Remembers where `key` reads.
    pub(super) fn set_relays(&self, key: PublicKey, relays: Vec<RelayAddress>) {
        let mut state = lock(&self.state);
        if state.lists.len() >= KEYS {
            state.lists.clear();
        }
        state.lists.insert(key, (relays, Instant::now()));
    }
}

/// Finds the list of relays where `key` reads its mail (NIP-17).
pub(super) fn list_filter(key: PublicKey) -> Filter {
    Filter::new().author(key).kind(Kind::InboxRelays).limit(4)
}

/// The relays in such a list, at most eight; addresses that are none are left out.
pub(super) fn listed(event: &Event) -> Vec<RelayAddress> {
    let mut relays: Vec<RelayAddress> = Vec::new();
    for tag in event.tags.iter().map(|tag| tag.as_slice()) {
        if let [name, address, ..] = tag
            && name == "relay"
            && let Ok(address) = RelayAddress::parse("relay", address)
            && !relays.contains(&address)
        {
            relays.push(address);
        }
        if relays.len() == RELAYS {
            break;
        }
    }
    relays
}

/// The newest of those events that are of that author and kind and have a valid signature.
pub(super) fn newest(events: Vec<Event>, author: &PublicKey, kind: Kind) -> Option<Event> {
    let fine = |event: &Event| event.pubkey == *author && event.kind == kind && event.verify().is_ok();
    events.into_iter().filter(fine).max_by_key(|event| event.created_at)
}

#[cfg(test)]
mod tests {
    use nostr_sdk::Keys;

    use super::*;

    #[test]
    fn what_is_not_found_is_looked_for_soon_and_then_less_often() {
        let (directory, key) = (Directory::default(), Keys::generate().public_key());
        let waits: Vec<_> = (0..40).map(|_| directory.missed(&key).as_secs()).collect();
        assert_eq!(waits[..5], [1, 2, 4, 8, 15]);
        assert!(waits[5..].iter().all(|wait| *wait == 15));
        directory.bind(Fingerprint::from_bytes(&[1; 20]).unwrap(), key);
        assert_eq!(directory.missed(&key).as_secs(), 1);
    }
}
