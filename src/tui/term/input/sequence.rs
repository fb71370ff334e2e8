//! Cuts what is typed into keys: one letter, one control byte or one escape sequence each.

/// Longest sequence that is understood, in bytes; a longer one is dropped as a whole.
const SEQUENCE_BYTES_MAX: usize = 64;
/// Bytes of a mouse report of the oldest kind behind `ESC [ M`.
const OLD_MOUSE_BYTES: usize = 3;

const ESC: u8 = 0x1B;

/// The bytes of a key that is not complete.
#[derive(Clone, Debug, Default)]
pub(super) struct Sequence {
    held: Vec<u8>,
}

impl Sequence {
    /// Takes the next byte; complete keys go to `out`.
    pub(super) fn step(&mut self, byte: u8, out: &mut Vec<Vec<u8>>) {
        match self.held.as_slice() {
            [] => self.first(byte, out),
            [ESC] => self.second(byte, out),
            [ESC, b'O', ..] | [ESC, b'[', b'[', ..] => self.last(byte, out),
            [ESC, b'[', b'M', rest @ ..] if rest.len() + 1 == OLD_MOUSE_BYTES => self.last(byte, out),
            [ESC, b'[', b'M', ..] => self.hold(byte),
            [ESC, b'[', rest @ ..] => match byte {
                b'[' | b'M' if rest.is_empty() => self.hold(byte),
                0x20..=0x3F => self.hold(byte),
                0x40..=0x7E => self.last(byte, out),
                _ => self.anew(byte, out),
            },
            _ => self.letter(byte, out),
        }
    }

    /// Nothing follows an Escape: it was the key of that name.
    pub(super) fn settle(&mut self, out: &mut Vec<Vec<u8>>) {
        if self.held == [ESC] {
            out.push(std::mem::take(&mut self.held));
        }
    }

    /// Takes back an incomplete key.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    /// Forgets an incomplete key.
    pub(super) fn clear(&mut self) {
        self.held.clear();
    }

    fn hold(&mut self, byte: u8) {
        // Beyond the limit only that it is too long is remembered.
        if self.held.len() <= SEQUENCE_BYTES_MAX {
            self.held.push(byte);
        }
    }

    fn first(&mut self, byte: u8, out: &mut Vec<Vec<u8>>) {
        match byte {
            ESC | 0xC2..=0xF4 => self.hold(byte),
            0x00..=0x7F => out.push(vec![byte]),
            // No letter begins so.
            _ => {}
        }
    }

    fn second(&mut self, byte: u8, out: &mut Vec<Vec<u8>>) {
        match byte {
            b'[' | b'O' | 0xC2..=0xF4 => self.hold(byte),
            ESC => out.push(vec![ESC]),
            _ => self.last(byte, out),
        }
    }

    /// The byte completes the key, unless it begins another or the key is too long.
    fn last(&mut self, byte: u8, out: &mut Vec<Vec<u8>>) {
        if byte == ESC {
            return self.anew(byte, out);
        }
        self.hold(byte);
        let key = std::mem::take(&mut self.held);
        if key.len() <= SEQUENCE_BYTES_MAX {
            out.push(key);
        }
    }

    /// The key was cut short; the byte is the first of another.
    fn anew(&mut self, byte: u8, out: &mut Vec<Vec<u8>>) {
        self.held.clear();
        self.first(byte, out);
    }

    /// A letter of several bytes, with or without Alt.
    fn letter(&mut self, byte: u8, out: &mut Vec<Vec<u8>>) {
        if !matches!(byte, 0x80..=0xBF) {
            return self.anew(byte, out);
        }
        self.held.push(byte);
        let letter = self.held.strip_prefix(&[ESC]).unwrap_or(&self.held);
        let length = match letter.first() {
            Some(0xC2..=0xDF) => 2,
            Some(0xE0..=0xEF) => 3,
            _ => 4,
        };
        if letter.len() == length {
            out.push(std::mem::take(&mut self.held));
        }
    }
}
