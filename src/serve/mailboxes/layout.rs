//! What is kept about a frame, and under which keys. A frame is kept in pieces that are as long as the engine takes;
//! what is kept about it goes into the same batch, so that it is never seen without all of them.

use bytes::Bytes;

use super::super::usage::SenderTag;
use crate::{
    store::engine::{Batch, Engine, EngineError, MAX_VALUE},
    wire::{Fingerprint, limits},
};

/// A table: the first byte of every key in the engine.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum Table {
    /// The highest id that was ever given; one entry without a name.
    LastId = 0,
    /// When the owners of mailboxes were last here, by fingerprint.
    Owners = 1,
    /// What is kept about frames, by mailbox and id.
    Entries = 2,
    /// The frames, by mailbox, id and number of the piece.
    Pieces = 3,
}

impl Table {
    /// A key in this table.
    pub(super) fn key(self, parts: &[&[u8]]) -> Vec<u8> {
        [&[self as u8], parts.concat().as_slice()].concat()
    }

    /// The first key of this table, and the first behind it.
    pub(super) fn range(self) -> (Vec<u8>, Vec<u8>) {
        (vec![self as u8], vec![self as u8 + 1])
    }
}

/// Where a frame is: the mailbox, and the id in it.
pub(super) type Place = (Fingerprint, u64);

/// The key of what is kept about a frame.
pub(super) fn entry_key(place: &Place) -> Vec<u8> {
    Table::Entries.key(&[&name(place)])
}

/// The frame that an entry is about.
pub(super) fn place_of(entry_key: &[u8]) -> Option<Place> {
    let (len, rest) = entry_key.get(1..)?.split_first()?;
    let (owner, id) = rest.split_at_checked(usize::from(*len))?;
    Some((Fingerprint::from_bytes(owner).ok()?, u64::from_be_bytes(id.try_into().ok()?)))
}

/// Length of the fingerprint, the fingerprint, the id: sorts by mailbox, then by arrival.
fn name((owner, id): &Place) -> Vec<u8> {
    let raw = owner.as_bytes();
    [&[if raw.len() == 20 { 20 } else { 32 }], raw, &id.to_be_bytes()].concat()
}

fn piece_key(place: &Place, number: u64) -> Vec<u8> {
    Table::Pieces.key(&[&name(place), &number.to_be_bytes()])
}

/// What is kept about a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) stored_ms: i64,
    pub(super) bytes: u64,
    pub(super) sender: SenderTag,
}

impl Entry {
    fn encode(&self) -> Vec<u8> {
        [&self.stored_ms.to_be_bytes()[..], &self.bytes.to_be_bytes(), &self.sender].concat()
    }

    /// None when it is damaged, also when it is longer than any frame.
    pub(super) fn decode(raw: &[u8]) -> Option<Self> {
        let raw: &[u8; 24] = raw.try_into().ok()?;
        let entry = Self {
            stored_ms: i64::from_be_bytes(raw[..8].try_into().ok()?),
            bytes: u64::from_be_bytes(raw[8..16].try_into().ok()?),
            sender: raw[16..].try_into().ok()?,
        };
        (entry.bytes <= limits::ENVELOPE_BYTES as u64).then_some(entry)
    }

    /// The numbers of the frame's pieces.
    fn pieces(&self) -> std::ops::Range<u64> {
        0..self.bytes.div_ceil(MAX_VALUE as u64)
    }

    /// Adds the frame, which is new.
    pub(super) fn put(&self, batch: &mut Batch, place: &Place, frame: &[u8]) {
        for (number, piece) in self.pieces().zip(frame.chunks(MAX_VALUE)) {
            batch.put_new(piece_key(place, number), piece.to_vec());
        }
        batch.put_new(entry_key(place), self.encode());
    }

    /// Removes the frame.
    pub(super) fn remove(&self, batch: &mut Batch, place: &Place) {
        batch.remove(entry_key(place));
        self.pieces().for_each(|number| batch.remove(piece_key(place, number)));
    }

    /// The frame itself; none when it is not there as a whole.
    pub(super) fn frame(&self, engine: &Engine, place: &Place) -> Result<Option<Bytes>, EngineError> {
        let mut frame = Vec::new();
        for number in self.pieces() {
            let Some(piece) = engine.get(&piece_key(place, number))? else { return Ok(None) };
            if number == 0 {
                frame.reserve_exact(usize::try_from(self.bytes).unwrap_or_default());
            }
            frame.extend_from_slice(&piece);
        }
        Ok((frame.len() as u64 == self.bytes).then(|| Bytes::from(frame)))
    }
}
