//! What was written lately, ordered, in memory: it is in the journal already and not yet in sled.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    sync::{Arc, PoisonError, RwLock},
};

use super::{
    Bytes,
    batch::{Batch, Change},
};

/// What an entry costs beside its bytes, roughly.
const ENTRY_COST: usize = 96;
/// Entries a cursor fetches at a time, so that no reader holds the lock for long.
const FETCH: usize = 64;

/// A key and its value; none stands for removed.
pub(super) type Entry = (Box<[u8]>, Option<Arc<[u8]>>);

type Entries = BTreeMap<Box<[u8]>, Held>;

/// What is held of a key.
struct Held {
    /// None stands for removed.
    value: Option<Arc<[u8]>>,
    /// No older layer knows the key: when it is removed, nothing of it needs to be held.
    only_here: bool,
}

/// Ordered entries that can be read while they are added to.
#[derive(Default)]
pub(super) struct Memory {
    entries: RwLock<Entries>,
}

impl Memory {
    /// Takes a batch in. Readers see all of it or nothing. Returns about how many bytes it took.
    pub(super) fn apply(&self, batch: &Batch) -> usize {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let mut cost = 0;
        for (key, change) in batch.changes() {
            let value = change.value();
            cost += key.len() + value.map_or(0, <[u8]>::len) + ENTRY_COST;
            let held = entries.get(key);
            // What was removed here may still be in an older layer.
            let only_here = held.map_or(matches!(change, Change::PutNew(_)), |held| held.only_here);
            if only_here && value.is_none() {
                entries.remove(key);
            } else {
                entries.insert(key.into(), Held { value: value.map(Arc::from), only_here });
            }
        }
        cost
    }

    /// The value of a key: none when it is not known here, `Some(None)` when it was removed.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<Bytes>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(key).map(|held| held.value.clone().map(Bytes::Memory))
    }

    /// Runs `work` on every entry in order, until it fails.
    pub(super) fn try_each<E>(&self, mut work: impl FnMut(&[u8], Option<&[u8]>) -> Result<(), E>) -> Result<(), E> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.iter().try_for_each(|(key, held)| work(key, held.value.as_deref()))
    }

    /// A walk from `start` (inclusive) to `end` (exclusive), or backwards.
    pub(super) fn cursor(self: &Arc<Self>, start: &[u8], end: &[u8], backwards: bool) -> Cursor {
        Cursor {
            of: Arc::clone(self),
            start: Bound::Included(start.into()),
            end: Bound::Excluded(end.into()),
            backwards,
            fetched: VecDeque::new(),
            ended: start >= end,
        }
    }
}

/// A walk over the entries of one [`Memory`], removed ones included.
pub(super) struct Cursor {
    of: Arc<Memory>,
    start: Bound<Box<[u8]>>,
    end: Bound<Box<[u8]>>,
    backwards: bool,
    fetched: VecDeque<Entry>,
    ended: bool,
}

impl Cursor {
    fn fetch(&mut self) {
        let entries = self.of.entries.read().unwrap_or_else(PoisonError::into_inner);
        let range = entries.range::<[u8], _>((as_slice(&self.start), as_slice(&self.end)));
        let entries_in_range = range.map(|(key, held)| (key.clone(), held.value.clone()));
        if self.backwards {
            self.fetched.extend(entries_in_range.rev().take(FETCH));
        } else {
            self.fetched.extend(entries_in_range.take(FETCH));
        }
        drop(entries);
        self.ended = self.fetched.len() < FETCH;
        if let Some((key, _)) = self.fetched.back() {
            let rest = Bound::Excluded(key.clone());
            *if self.backwards { &mut self.end } else { &mut self.start } = rest;
        }
        // A range that excludes one key on both sides is one the map refuses.
        self.ended |= matches!((&self.start, &self.end), (Bound::Excluded(a), Bound::Excluded(b)) if a >= b);
    }
}

fn as_slice(bound: &Bound<Box<[u8]>>) -> Bound<&[u8]> {
    bound.as_ref().map(|key| &**key)
}

impl Iterator for Cursor {
    type Item = Entry;

    fn next(&mut self) -> Option<Self::Item> {
        if self.fetched.is_empty() && !self.ended {
            self.fetch();
        }
        self.fetched.pop_front()
    }
}
