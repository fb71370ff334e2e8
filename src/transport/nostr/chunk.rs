//! Frames that are larger than an event: split into pieces, and put together again in bounded memory.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use nostr_sdk::PublicKey;
use sha2::{Digest as _, Sha256};

use crate::wire::limits;

/// Most pieces of one frame; pieces of 4 KiB carry the largest.
pub(super) const PIECES: usize = 4096;
/// How long a frame may stay incomplete after its last piece. What is dropped comes again from the relay later.
const EXPIRY: Duration = Duration::from_secs(600);
/// Most bytes of incomplete frames, all senders together.
const HELD_BYTES: usize = 3 * limits::ENVELOPE_BYTES;
/// Most incomplete frames.
const HELD_FRAMES: usize = 256;

/// A frame or a piece of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Which piece; none when it is the whole frame.
    pub(super) part: Option<Part>,
    pub(super) bytes: Bytes,
}

/// Which piece of which frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// SHA-256 of the whole frame.
    pub(super) digest: [u8; 32],
    /// From 0.
    pub(super) index: u16,
    /// How many there are; 2 to 4096.
    pub(super) count: u16,
    /// Bytes of the whole frame.
    pub(super) total: u32,
}

impl Part {
    /// Reads the values of a piece's tag.
    ///
    /// # Errors
    /// When they are not four, not numbers, or out of bounds.
    pub fn parse(values: &[String]) -> Result<Self, &'static str> {
        let [digest, index, count, total] = values else { return Err("a piece of a frame that is not described") };
        let wrong = "a piece of a frame with a wrong description";
        if !digest.is_ascii() || digest.len() != 64 {
            return Err(wrong);
        }
        let mut bytes = [0; 32];
        for (n, byte) in bytes.iter_mut().enumerate() {
            let pair = digest.get(2 * n..2 * n + 2).ok_or(wrong)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong)?;
        }
        let number = |text: &String| text.parse::<u32>().map_err(|_| wrong);
        let (index, count, total) = (number(index)?, number(count)?, number(total)?);
        let fine = (2..=PIECES as u32).contains(&count)
            && index < count
            && total >= count
            && total as usize <= limits::ENVELOPE_BYTES;
        let small = |number: u32| u16::try_from(number).map_err(|_| wrong);
        if fine { Ok(Self { digest: bytes, index: small(index)?, count: small(count)?, total }) } else { Err(wrong) }
    }

    /// What the tag says.
    pub fn values(&self) -> [String; 4] {
        let digest: String = self.digest.iter().map(|byte| format!("{byte:02x}")).collect();
        [digest, self.index.to_string(), self.count.to_string(), self.total.to_string()]
    }
}

/// Splits `frame` into pieces of at most `most` bytes; one when it fits.
///
/// # Errors
/// With the largest frame that would do, when it would become more than 4096 pieces.
pub(super) fn split(frame: &Bytes, most: usize) -> Result<Vec<Piece>, usize> {
    if frame.len() <= most {
        return Ok(vec![Piece { part: None, bytes: frame.clone() }]);
    }
    let limit = limits::ENVELOPE_BYTES.min(most * PIECES);
    let count = u16::try_from(frame.len().div_ceil(most)).ok().filter(|count| usize::from(*count) <= PIECES);
    let (Some(count), Ok(total), true) = (count, u32::try_from(frame.len()), frame.len() <= limit) else {
        return Err(limit);
    };
    let digest = Sha256::digest(frame).into();
    let piece = |index: u16| {
        let from = usize::from(index) * most;
        let bytes = frame.slice(from..frame.len().min(from + most));
        Piece { part: Some(Part { digest, index, count, total }), bytes }
    };
    Ok((0..count).map(piece).collect())
}

/// A piece that came.
#[derive(Debug)]
pub(super) struct Came<T> {
    /// Whose frame it is of.
    pub(super) sender: PublicKey,
    /// Whether the sender's key is bound to a peer's.
    pub(super) known: bool,
    pub(super) part: Part,
    pub(super) bytes: Bytes,
    /// The event it came in.
    pub(super) event: T,
}

/// What became of a piece. `T` is what is settled when the frame is: the event it came in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome<T> {
    /// More is to come.
    Incomplete,
    /// The frame is whole.
    Whole(Bytes, Vec<T>),
    /// It will never become a frame.
    Refused(&'static str, Vec<T>),
}

/// Puts frames together. Pieces of one frame may come from several relays and several sends: the digest names it.
#[derive(Debug)]
pub(super) struct Assembler<T> {
    frames: HashMap<(PublicKey, Part), Frame<T>>,
    bytes: usize,
}

#[derive(Debug)]
struct Frame<T> {
    pieces: Vec<Option<Bytes>>,
    bytes: usize,
    missing: usize,
    events: Vec<T>,
    known: bool,
    grown: Instant,
}

impl<T> Default for Assembler<T> {
    fn default() -> Self {
        Self { frames: HashMap::new(), bytes: 0 }
    }
}

impl<T> Assembler<T> {
    /// Adds a piece. For frames of known senders, incomplete ones of strangers make room, never the other way round. Whatever had
    /// to go is put into `dropped`.
    pub(super) fn add(&mut self, came: Came<T>, now: Instant, dropped: &mut Vec<T>) -> Outcome<T> {
        let Came { sender, known, part, bytes: piece, event } = came;
        let key = (sender, Part { index: 0, ..part });
        let size = piece.len() + usize::from(part.count) * size_of::<Option<Bytes>>();
        if !self.frames.contains_key(&key) && !self.make_room(size, known, dropped) {
            dropped.push(event);
            return Outcome::Incomplete;
        }
        let frame = self.frames.entry(key).or_insert_with(|| Frame {
            pieces: vec![None; usize::from(part.count)],
            bytes: 0,
            missing: usize::from(part.count),
            events: Vec::new(),
            known,
            grown: now,
        });
        frame.events.push(event);
        let Some(place) = frame.pieces.get_mut(usize::from(part.index)) else {
            return Outcome::Refused("a piece of a frame with a wrong description", self.remove(&key));
        };
        if place.is_some() {
            // A copy under another id, of another send; many more than that nobody needs.
            let many = frame.events.len() > 8 * usize::from(part.count);
            return if many { Outcome::Refused("copies of pieces", self.remove(&key)) } else { Outcome::Incomplete };
        }
        frame.missing -= 1;
        frame.bytes += piece.len();
        frame.grown = now;
        self.bytes += piece.len();
        *place = Some(piece);
        if frame.bytes > part.total as usize {
            return Outcome::Refused("pieces of a frame that are larger than it should be", self.remove(&key));
        }
        if frame.missing == 0 { self.finish(&key, &part) } else { Outcome::Incomplete }
    }

    fn finish(&mut self, key: &(PublicKey, Part), part: &Part) -> Outcome<T> {
        let Some(frame) = self.frames.remove(key) else { return Outcome::Incomplete };
        self.bytes -= frame.bytes;
        let mut whole = BytesMut::with_capacity(frame.bytes);
        for piece in frame.pieces.into_iter().flatten() {
            whole.extend_from_slice(&piece);
        }
        if whole.len() != part.total as usize || Sha256::digest(&whole).as_slice() != part.digest {
            return Outcome::Refused("pieces that do not make up the frame they name", frame.events);
        }
        Outcome::Whole(whole.freeze(), frame.events)
    }

    /// Room for a new frame that begins with so many bytes.
    fn make_room(&mut self, size: usize, known: bool, dropped: &mut Vec<T>) -> bool {
        while self.frames.len() >= HELD_FRAMES || self.bytes + size > HELD_BYTES {
            let gone = self.frames.iter().filter(|(_, frame)| known || !frame.known);
            let Some(key) = gone.min_by_key(|(_, frame)| (frame.known, frame.grown)).map(|(key, _)| *key) else {
                return false;
            };
            dropped.extend(self.remove(&key));
        }
        true
    }

    /// Drops frames that have not grown for long; what they came in is given back.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<T> {
        let old = |frame: &Frame<T>| now.saturating_duration_since(frame.grown) >= EXPIRY;
        let keys: Vec<_> = self.frames.iter().filter(|(_, frame)| old(frame)).map(|(key, _)| *key).collect();
        keys.iter().flat_map(|key| self.remove(key)).collect()
    }

    fn remove(&mut self, key: &(PublicKey, Part)) -> Vec<T> {
        let Some(frame) = self.frames.remove(key) else { return Vec::new() };
        self.bytes -= frame.bytes;
        frame.events
    }
}

#[cfg(test)]
mod tests {
    use nostr_sdk::Keys;
    use proptest::prelude::*;

    use super::*;

    fn frame(bytes: usize) -> Bytes {
        (0..bytes).map(|n| (n % 251) as u8).collect()
    }

    /// An assembler that numbers the events it is given.
    #[derive(Default)]
    struct Bench {
        assembler: Assembler<usize>,
        dropped: Vec<usize>,
        events: usize,
    }

    impl Bench {
        fn add(&mut self, sender: &Keys, known: bool, piece: &Piece) -> Outcome<usize> {
            self.events += 1;
            let (part, bytes) = (piece.part.unwrap(), piece.bytes.clone());
            let came = Came { sender: sender.public_key(), known, part, bytes, event: self.events };
            self.assembler.add(came, Instant::now(), &mut self.dropped)
        }
    }

    #[test]
    fn the_largest_frame_is_split_and_one_byte_more_is_not() {
        let largest = split(&frame(limits::ENVELOPE_BYTES), 21_216).unwrap();
        assert_eq!(largest.len(), 791, "docs/transports/nostr.md says so");
        assert_eq!(split(&frame(limits::ENVELOPE_BYTES + 1), 21_216), Err(limits::ENVELOPE_BYTES));
        assert_eq!(split(&frame(100 * PIECES), 100).unwrap().len(), PIECES);
        assert_eq!(split(&frame(100 * PIECES + 1), 100), Err(100 * PIECES), "the limit of small events");
        assert_eq!(split(&frame(10), 10).unwrap(), [Piece { part: None, bytes: frame(10) }]);
    }

    proptest! {
        #[test]
        fn pieces_in_any_order_make_up_the_frame(bytes in 11_usize..3000, most in 1_usize..10, seed in any::<u64>()) {
            use rand::{SeedableRng as _, seq::SliceRandom as _};
            let frame = frame(bytes);
            let mut pieces = split(&frame, most).unwrap();
            pieces.shuffle(&mut rand::rngs::StdRng::seed_from_u64(seed));
            let (sender, mut bench) = (Keys::generate(), Bench::default());
            for (n, piece) in pieces.iter().enumerate() {
                let outcome = bench.add(&sender, false, piece);
                if n + 1 < pieces.len() {
                    prop_assert_eq!(outcome, Outcome::Incomplete);
                    // Also a copy changes nothing.
                    prop_assert_eq!(bench.add(&sender, false, piece), Outcome::Incomplete);
                } else {
                    let Outcome::Whole(whole, events) = outcome else { panic!("{outcome:?}") };
                    prop_assert_eq!(&whole, &frame);
                    prop_assert_eq!(events.len(), 2 * pieces.len() - 1);
                }
            }
            prop_assert_eq!(bench.assembler.bytes, 0);
        }

        #[test]
        fn a_description_is_read_as_it_was_written(
            digest: [u8; 32], count in 2_u16..=4096, index in any::<u16>(), total in 4096_u32..16_777_216,
        ) {
            let part = Part { digest, index: index % count, count, total };
            prop_assert_eq!(Part::parse(&part.values()), Ok(part));
        }

        #[test]
        fn no_description_panics(values in prop::collection::vec(".{0,70}", 0..6)) {
            let _ = Part::parse(&values);
        }
    }

    #[test]
    fn descriptions_out_of_bounds_are_refused() {
        let values =
            |index: &str, count: &str, total: &str| [&"ab".repeat(32), index, count, total].map(str::to_owned).to_vec();
        assert!(Part::parse(&values("0", "2", "2")).is_ok());
        for (index, count, total) in [
            ("0", "1", "10"),
            ("2", "2", "10"),
            ("0", "4097", "10000"),
            ("0", "3", "2"),
            ("0", "2", "16777217"),
            ("0", "2", "99999999999999999999"),
            ("-1", "2", "10"),
        ] {
            assert!(Part::parse(&values(index, count, total)).is_err(), "{index} {count} {total}");
        }
        assert!(Part::parse(&["é".repeat(32), "0".into(), "2".into(), "9".into()]).is_err());
    }

    #[test]
    fn pieces_that_lie_are_refused() {
        let sender = Keys::generate();
        let mut pieces = split(&frame(30), 10).unwrap();
        let mut bench = Bench::default();
        bench.add(&sender, false, &pieces[0]);
        bench.add(&sender, false, &pieces[1]);
        pieces[2].bytes = Bytes::from_static(b"0123456789");
        let outcome = bench.add(&sender, false, &pieces[2]);
        assert_eq!(outcome, Outcome::Refused("pieces that do not make up the frame they name", vec![1, 2, 3]));
        pieces[2].bytes = frame(31);
        let outcome = bench.add(&sender, false, &pieces[2]);
        assert!(matches!(outcome, Outcome::Refused(..)), "{outcome:?}");
        assert_eq!(bench.assembler.bytes, 0);
        // Nobody completes or spoils a frame of somebody else's.
        let pieces = split(&frame(20), 10).unwrap();
        bench.add(&sender, false, &pieces[0]);
        assert_eq!(bench.add(&Keys::generate(), false, &pieces[1]), Outcome::Incomplete);
    }

    #[test]
    fn memory_is_bounded_and_strangers_do_not_push_out_peers() {
        let (peer, mut bench) = (Keys::generate(), Bench::default());
        let whole = split(&frame(3_000_000), 1_000_000).unwrap();
        bench.add(&peer, true, &whole[0]);
        for n in 0..3 * HELD_FRAMES {
            let piece = split(&frame(1_000_000 + n), 600_000).unwrap().remove(0);
            bench.add(&Keys::generate(), false, &piece);
            assert!(bench.assembler.bytes <= HELD_BYTES && bench.assembler.frames.len() <= HELD_FRAMES);
        }
        assert!(bench.dropped.len() > HELD_FRAMES && !bench.dropped.contains(&1), "strangers make room");
        bench.add(&peer, true, &whole[1]);
        assert!(matches!(bench.add(&peer, true, &whole[2]), Outcome::Whole(..)));
        let later = Instant::now() + EXPIRY;
        assert!(!bench.assembler.expire(later).is_empty());
        assert_eq!((bench.assembler.bytes, bench.assembler.frames.len()), (0, 0));
    }
}
