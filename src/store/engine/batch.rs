//! What is written at once.

/// Changes that happen all or not at all.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Batch(Vec<(Vec<u8>, Change)>);

/// What happens to the value of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Put(Vec<u8>),
    /// The same, where nothing was.
    PutNew(Vec<u8>),
    Remove,
}

impl Change {
    pub(super) fn value(&self) -> Option<&[u8]> {
        match self {
            Self::Put(value) | Self::PutNew(value) => Some(value),
            Self::Remove => None,
        }
    }
}

impl Batch {
    /// Sets a value.
    pub(crate) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.0.push((key, Change::Put(value)));
    }

    /// Sets the value of a key that has none, neither durably nor otherwise: what is soon removed again then never
    /// gets beyond memory.
    pub(crate) fn put_new(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.0.push((key, Change::PutNew(value)));
    }

    /// Removes a key, if it is there.
    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.0.push((key, Change::Remove));
    }

    /// The changes in the order they were made.
    pub(in crate::store) fn ops(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.0.iter().map(|(key, change)| (key.as_slice(), change.value()))
    }

    /// Whether nothing would change.
    pub(in crate::store) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The changes with what they say of the keys.
    pub(super) fn changes(&self) -> impl Iterator<Item = (&[u8], &Change)> {
        self.0.iter().map(|(key, change)| (key.as_slice(), change))
    }

    /// The keys that are called new, of which nothing else stands before in this batch.
    #[cfg(debug_assertions)]
    pub(super) fn new_keys(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().enumerate().filter_map(|(number, (key, change))| {
            let first = self.0[..number].iter().all(|(other, _)| other != key);
            (first && matches!(change, Change::PutNew(_))).then_some(key.as_slice())
        })
    }
}
