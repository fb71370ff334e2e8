//! Which chunks of a file are durable: a bit a chunk, the lowest bit of a byte first.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Which chunks of a file are durable at the recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bitmap(Vec<u8>);

impl Bitmap {
    /// None of `chunks`.
    pub(super) fn empty(chunks: u64) -> Self {
        Self(vec![0; usize::try_from(chunks.div_ceil(8)).unwrap_or(0)])
    }

    /// From a peer's bytes, if they fit that many chunks and name none beyond.
    pub(super) fn from_peer(bytes: &[u8], chunks: u64) -> Option<Self> {
        let fits = bytes.len() as u64 == chunks.div_ceil(8);
        let spare = u32::try_from(chunks % 8).unwrap_or(0);
        let beyond = spare != 0 && bytes.last().is_some_and(|last| last.checked_shr(spare).unwrap_or(0) != 0);
        (fits && !beyond).then(|| Self(bytes.to_vec()))
    }

    /// As it travels.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether chunk `index` is there.
    pub(super) fn has(&self, index: u32) -> bool {
        self.0.get(index as usize / 8).is_some_and(|byte| byte & bit(index) != 0)
    }

    /// Notes chunk `index`; one that does not exist is ignored.
    pub(super) fn set(&mut self, index: u32) {
        if let Some(byte) = self.0.get_mut(index as usize / 8) {
            *byte |= bit(index);
        }
    }

    /// Forgets chunk `index`.
    pub(super) fn clear(&mut self, index: u32) {
        if let Some(byte) = self.0.get_mut(index as usize / 8) {
            *byte &= !bit(index);
        }
    }

    /// How many are there.
    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|byte| u64::from(byte.count_ones())).sum()
    }

    /// The chunks below `chunks` that are missing, in order.
    pub(super) fn missing(&self, chunks: u64) -> impl Iterator<Item = u32> + '_ {
        // Whole bytes are passed over, so that the search for the next chunk of a large file stays short.
        let bytes = self.0.iter().enumerate().filter(|(_, byte)| **byte != u8::MAX);
        bytes
            .flat_map(|(at, _)| (0..8).map(move |low| at as u64 * 8 + low))
            .take_while(move |index| *index < chunks)
            .filter_map(|index| u32::try_from(index).ok())
            .filter(|index| !self.has(*index))
    }
}

fn bit(index: u32) -> u8 {
    1 << (index % 8)
}

impl Serialize for Bitmap {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bitmap {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        BASE64.decode(text.as_bytes()).map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_peers_bitmap_must_fit() {
        assert!(Bitmap::from_peer(&[0xFF, 0x01], 9).is_some());
        assert!(Bitmap::from_peer(&[0xFF, 0x02], 9).is_none(), "a chunk that does not exist");
        assert!(Bitmap::from_peer(&[0xFF], 9).is_none());
        assert!(Bitmap::from_peer(&[0xFF, 0, 0], 9).is_none());
        assert!(Bitmap::from_peer(&[0xFF], 8).is_some());
        assert!(Bitmap::from_peer(&[], 0).is_some());
        assert!(Bitmap::from_peer(&[0], 0).is_none());
    }

    proptest! {
        #[test]
        fn it_is_a_set(chunks in 0u64..100, changes in prop::collection::vec((any::<bool>(), 0u32..120), 0..200)) {
            let (mut bitmap, mut set) = (Bitmap::empty(chunks), BTreeSet::new());
            for (add, index) in changes {
                if u64::from(index) >= chunks {
                    continue;
                }
                if add {
                    bitmap.set(index);
                    set.insert(index);
                } else {
                    bitmap.clear(index);
                    set.remove(&index);
                }
            }
            prop_assert_eq!(bitmap.count(), set.len() as u64);
            let missing: Vec<u32> = (0..chunks as u32).filter(|index| !set.contains(index)).collect();
            prop_assert_eq!(bitmap.missing(chunks).collect::<Vec<_>>(), missing);
            prop_assert_eq!(Bitmap::from_peer(bitmap.as_bytes(), chunks), Some(bitmap.clone()));
            let json = serde_json::to_string(&bitmap).unwrap();
            prop_assert_eq!(serde_json::from_str::<Bitmap>(&json).unwrap(), bitmap);
        }
    }
}
