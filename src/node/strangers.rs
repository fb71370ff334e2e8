//! Bounds on what people may make us do and keep whom the user has not accepted.

use std::collections::BTreeMap;

use crate::{
    identity::PeerBook,
    store::{Store, StoreError},
    wire::Fingerprint,
};

/// Most strangers who may wait to be accepted.
const STRANGERS_MAX: usize = 100;
/// Most messages kept of one stranger.
const MESSAGES_EACH: u64 = 50;
/// Most messages kept of all strangers together.
const MESSAGES_ALL: u64 = 1000;
/// Largest envelope of a stranger that is looked at, in bytes: an introduction and a letter fit.
const FRAME_BYTES_MAX: usize = 256 * 1024;
/// Longest content of a stranger's message that is kept, in bytes.
const CONTENT_BYTES_MAX: usize = 64 * 1024;

/// The strangers who wait to be accepted, and how many messages of each are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Strangers(BTreeMap<Fingerprint, u64>);

impl Strangers {
    /// Counts what an earlier run kept.
    pub(super) fn load(book: &PeerBook, store: &Store) -> Result<Self, StoreError> {
        let waiting =
            book.iter().filter(|peer| peer.request && !peer.blocked).filter_map(|peer| Some((peer.fingerprint?, 0)));
        let mut counts: BTreeMap<Fingerprint, u64> = waiting.collect();
        if !counts.is_empty() {
            for record in store.conversations()? {
                if let Some(count) = counts.get_mut(&record.conversation.peer) {
                    *count += record.messages;
                }
            }
        }
        Ok(Self(counts))
    }

    /// Whether somebody of whom nothing is known may be taken up.
    pub(super) fn admit_another(&self) -> bool {
        self.0.len() < STRANGERS_MAX && self.has_room()
    }

    /// Whether `key` waits to be accepted.
    pub(super) fn contains(&self, key: &Fingerprint) -> bool {
        self.0.contains_key(key)
    }

    /// Whether one more message of `key` may be kept; whoever is no stranger may.
    pub(super) fn admit(&self, key: &Fingerprint) -> bool {
        self.0.get(key).is_none_or(|kept| *kept < MESSAGES_EACH && self.has_room())
    }

    /// Whether a frame that claims to come from `key` is worth the work of opening it. `known` when we hold its
    /// certificate.
    pub(super) fn worth_opening(&self, key: &Fingerprint, known: bool, bytes: usize) -> bool {
        let stranger = !known || self.0.contains_key(key);
        !stranger || (bytes <= FRAME_BYTES_MAX && if known { self.admit(key) } else { self.admit_another() })
    }

    /// Whether a stranger's content of so many bytes is kept.
    pub(super) fn fits(bytes: usize) -> bool {
        bytes <= CONTENT_BYTES_MAX
    }

    /// A message of `key` is about to be kept.
    pub(super) fn count(&mut self, key: &Fingerprint) {
        if let Some(kept) = self.0.get_mut(key) {
            *kept += 1;
        }
    }

    /// `key` waits to be accepted from now on.
    pub(super) fn enter(&mut self, key: Fingerprint) {
        self.0.entry(key).or_default();
    }

    /// The user decided about `key`.
    pub(super) fn leave(&mut self, key: &Fingerprint) {
        self.0.remove(key);
    }

    fn has_room(&self) -> bool {
        self.0.values().sum::<u64>() < MESSAGES_ALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> Fingerprint {
        Fingerprint::from_bytes(&[number; 20]).unwrap()
    }

    #[test]
    fn strangers_and_their_messages_are_bounded_and_friends_are_not() {
        let mut strangers = Strangers::default();
        for number in 0..100 {
            assert!(strangers.admit_another(), "{number}");
            strangers.enter(key(number));
        }
        assert!(!strangers.admit_another());
        assert!(!strangers.worth_opening(&key(200), false, 10), "no room for another");
        for _ in 0..50 {
            assert!(strangers.admit(&key(1)));
            strangers.count(&key(1));
        }
        assert!(!strangers.admit(&key(1)), "its share is used up");
        assert!(strangers.admit(&key(2)));
        assert!(!strangers.worth_opening(&key(2), true, 1024 * 1024), "too large for a stranger");
        for number in 2..21 {
            (0..50).for_each(|_| strangers.count(&key(number)));
        }
        assert!(!strangers.admit(&key(30)), "all shares together are used up");
        assert!(strangers.worth_opening(&key(200), true, 1024 * 1024), "no stranger, no bound");
        strangers.leave(&key(1));
        assert!(strangers.admit(&key(30)) && strangers.admit(&key(1)) && strangers.admit_another());
    }
}
