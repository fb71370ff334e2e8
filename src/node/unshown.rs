//! Messages that came in while the store failed. The store has them in memory, so their next copy is a duplicate; but they
//! were neither acked nor shown. Once a copy came and a flush succeeded, they are shown as if they had just come.

use std::collections::BTreeMap;

use super::core::Done;
use crate::wire::{EnvelopeId, Fingerprint};

/// Most bytes of content that are kept for this; what is beyond is seen when its conversation is opened anew.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Messages that wait for a copy of theirs, by sender and id, with what shows them.
#[derive(Default)]
pub(super) struct Unshown {
    waiting: BTreeMap<(Fingerprint, EnvelopeId), (usize, Done)>,
    bytes: usize,
}

impl Unshown {
    /// Keeps what shows a message with so many bytes of content, while there is room.
    pub(super) fn keep(&mut self, from: Fingerprint, id: EnvelopeId, bytes: usize, show: Done) {
        // The smallest messages take memory as well.
        let bytes = bytes.max(256);
        if self.bytes + bytes > BYTES_MAX {
            tracing::warn!(%id, "too many messages came while the store failed: this one is not announced");
            return;
        }
        self.bytes += bytes;
        if let Some((older, _)) = self.waiting.insert((from, id), (bytes, show)) {
            self.bytes -= older;
        }
    }

    /// What shows a message that waited.
    pub(super) fn take(&mut self, from: Fingerprint, id: EnvelopeId) -> Option<Done> {
        let (bytes, show) = self.waiting.remove(&(from, id))?;
        self.bytes -= bytes;
        Some(show)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_given_once() {
        let from = Fingerprint::from_bytes(&[1; 20]).unwrap();
        let id = |n: u8| EnvelopeId::from_random([n; 16]);
        let mut unshown = Unshown::default();
        let mut keep = |n, bytes| unshown.keep(from, id(n), bytes, Box::new(|_| {}));
        keep(1, BYTES_MAX / 2);
        keep(1, BYTES_MAX / 2);
        keep(2, BYTES_MAX / 2 + 1);
        keep(3, 0);
        assert!(unshown.take(from, id(2)).is_none());
        assert!(unshown.take(from, id(1)).is_some() && unshown.take(from, id(1)).is_none());
        assert!(unshown.take(from, id(3)).is_some());
        assert_eq!((unshown.bytes, unshown.waiting.len()), (0, 0));
    }
}
