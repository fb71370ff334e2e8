//! Finds the two marks around a paste in a stream of bytes, wherever reads cut it.

/// Both marks but for the byte that tells them apart, which is at [`TURN`].
const MARK: [u8; 6] = *b"\x1b[20?~";
const TURN: usize = 4;

/// What a byte meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It may belong to a mark and is kept back.
    Part,
    /// It ended the mark before a paste (`ESC [ 2 0 0 ~`).
    Begin,
    /// It ended the mark behind a paste (`ESC [ 2 0 1 ~`).
    End,
    /// There is no mark: these bytes, which were kept back, are what they are.
    Broken(Vec<u8>),
}

/// Where in a mark the stream is.
#[derive(Clone, Debug, Default)]
pub(super) struct Marker {
    seen: Vec<u8>,
    /// How many of those were given out meanwhile, because nothing followed in time.
    given: usize,
}

impl Marker {
    /// Takes the next byte of the stream.
    pub(super) fn step(&mut self, byte: u8) -> Step {
        let at = self.seen.len();
        let fits = if at == TURN { matches!(byte, b'0' | b'1') } else { MARK.get(at) == Some(&byte) };
        if fits && at + 1 == MARK.len() {
            let begins = self.seen.get(TURN) == Some(&b'0');
            *self = Self::default();
            return if begins { Step::Begin } else { Step::End };
        }
        if fits {
            self.seen.push(byte);
            return Step::Part;
        }
        let mut broken = self.give();
        *self = Self::default();
        // Escape is the first byte of a mark and nowhere else in one, so a broken mark hides no other.
        if byte == MARK[0] {
            self.seen.push(byte);
        } else {
            broken.push(byte);
        }
        Step::Broken(broken)
    }

    /// Whether only Escape is kept back, which may be the key of that name.
    pub(super) fn is_escape(&self) -> bool {
        self.given == 0 && self.seen.len() == 1
    }

    /// Whether something is kept back behind an Escape that was given out: keys, unless the mark goes on.
    pub(super) fn is_late(&self) -> bool {
        0 < self.given && self.given < self.seen.len()
    }

    /// Gives out what is kept back. The mark goes on all the same should its rest come.
    pub(super) fn give(&mut self) -> Vec<u8> {
        let kept = self.seen.get(self.given..).unwrap_or_default().to_vec();
        self.given = self.seen.len();
        kept
    }
}
