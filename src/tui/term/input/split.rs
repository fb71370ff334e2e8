//! From the terminal's bytes to keys and pastes, whatever the reads cut apart.
//!
//! The law here: what stands between the marks of a paste never becomes a key, so that it cannot send a message or run
//! a command. Neither can a paste get out by holding the mark behind a paste itself: what follows that mark without a
//! pause belongs to the paste, and so does the first thing after a pause if such a mark follows it at once. A person
//! cannot type that fast.

use super::{
    marker::{Marker, Step},
    sequence::Sequence,
};

/// Longest paste that is taken, in bytes; the rest of it is dropped. Far beyond the longest message, so that the
/// composer tells of it before.
pub const PASTE_BYTES_MAX: usize = 4 * 1024 * 1024;

const ESC: u8 = 0x1B;

/// What the user did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The bytes of one key, one mouse report or one report of the focus.
    Key(Vec<u8>),
    /// Pasted text; what is not UTF-8 in it is replaced.
    Paste(String),
}

#[derive(Debug)]
enum Mode {
    Keys,
    /// Between the marks.
    Paste(Vec<u8>),
    /// Right behind the mark that ends a paste: the paste, and what came since. It is given out after the first
    /// pause, so that whoever sees it on the screen can go on typing at once.
    Tail {
        text: Vec<u8>,
        since: Vec<u8>,
    },
    /// After a pause behind it: the next thing is a key, unless the mark follows at once.
    Watch(Vec<u8>),
}

/// Cuts the terminal's bytes. Knows no clock: whoever feeds it says when nothing came for a while.
#[derive(Debug)]
pub struct Splitter {
    mode: Mode,
    marker: Marker,
    sequence: Sequence,
    /// An Escape all alone after a long silence within a paste.
    lonely: bool,
}

impl Default for Splitter {
    fn default() -> Self {
        Self { mode: Mode::Keys, marker: Marker::default(), sequence: Sequence::default(), lonely: false }
    }
}

impl Splitter {
    /// Takes what was read. `after_silence` when nothing had come for so long that a paste must have broken off.
    pub fn push(&mut self, bytes: &[u8], after_silence: bool) -> Vec<Piece> {
        let mut out = Vec::new();
        for byte in bytes {
            match self.marker.step(*byte) {
                Step::Part => {}
                Step::Begin => self.begin(&mut out),
                Step::End => self.end(&mut out),
                Step::Broken(bytes) => bytes.into_iter().for_each(|byte| self.take(byte, &mut out)),
            }
        }
        self.lonely = after_silence && bytes == [ESC] && matches!(self.mode, Mode::Paste(_));
        out
    }

    /// Whether something waits for more bytes or for the word that none came.
    pub fn is_waiting(&self) -> bool {
        match &self.mode {
            Mode::Keys => self.marker.is_escape() || self.marker.is_late(),
            Mode::Paste(_) => self.lonely,
            Mode::Tail { .. } => true,
            Mode::Watch(bytes) => !bytes.is_empty() || self.marker.is_escape() || self.marker.is_late(),
        }
    }

    /// Nothing came for a while: what was kept back is what it looks like. Does nothing unless [`Self::is_waiting`].
    pub fn settle(&mut self) -> Vec<Piece> {
        let mut out = Vec::new();
        if !self.is_waiting() {
            return out;
        }
        match std::mem::replace(&mut self.mode, Mode::Keys) {
            Mode::Keys => self.give_keys(&mut out),
            Mode::Paste(text) => {
                self.lonely = false;
                out.extend(pasted(&text));
                self.give_keys(&mut out);
            }
            Mode::Tail { text, mut since } => {
                if self.marker.is_escape() {
                    since.extend(self.marker.give());
                }
                give_paste(text, &since, &mut out);
                self.mode = Mode::Watch(Vec::new());
            }
            Mode::Watch(bytes) => {
                bytes.into_iter().for_each(|byte| self.key(byte, &mut out));
                self.give_keys(&mut out);
            }
        }
        out
    }

    fn begin(&mut self, out: &mut Vec<Piece>) {
        match std::mem::replace(&mut self.mode, Mode::Paste(Vec::new())) {
            // Inside of a paste it is text like any other.
            Mode::Paste(mut text) => {
                keep(&mut text, b"\x1b[200~");
                self.mode = Mode::Paste(text);
            }
            Mode::Keys => self.sequence.clear(),
            Mode::Tail { text, since } => give_paste(text, &since, out),
            Mode::Watch(since) => give_paste(Vec::new(), &since, out),
        }
    }

    fn end(&mut self, out: &mut Vec<Piece>) {
        let text = match std::mem::replace(&mut self.mode, Mode::Keys) {
            Mode::Paste(text) => text,
            Mode::Keys => {
                self.sequence.clear();
                Vec::new()
            }
            Mode::Tail { mut text, since } => {
                out.extend(reports(&since, &mut text));
                text
            }
            Mode::Watch(since) => {
                let mut text = Vec::new();
                out.extend(reports(&since, &mut text));
                text
            }
        };
        self.mode = Mode::Tail { text, since: Vec::new() };
    }

    fn take(&mut self, byte: u8, out: &mut Vec<Piece>) {
        match &mut self.mode {
            Mode::Keys => self.key(byte, out),
            Mode::Paste(text) | Mode::Tail { since: text, .. } | Mode::Watch(text) => keep(text, &[byte]),
        }
    }

    fn key(&mut self, byte: u8, out: &mut Vec<Piece>) {
        let mut keys = Vec::new();
        self.sequence.step(byte, &mut keys);
        out.extend(keys.into_iter().map(Piece::Key));
    }

    fn give_keys(&mut self, out: &mut Vec<Piece>) {
        if !self.marker.is_escape() && !self.marker.is_late() {
            return;
        }
        self.marker.give().into_iter().for_each(|byte| self.key(byte, out));
        let mut keys = Vec::new();
        self.sequence.settle(&mut keys);
        out.extend(keys.into_iter().map(Piece::Key));
    }
}

fn keep(text: &mut Vec<u8>, bytes: &[u8]) {
    if text.len() + bytes.len() <= PASTE_BYTES_MAX {
        text.extend_from_slice(bytes);
    }
}

fn pasted(text: &[u8]) -> Option<Piece> {
    (!text.is_empty()).then(|| Piece::Paste(String::from_utf8_lossy(text).into_owned()))
}

/// Gives out a paste with what came right behind it.
fn give_paste(mut text: Vec<u8>, since: &[u8], out: &mut Vec<Piece>) {
    let reports = reports(since, &mut text);
    out.extend(pasted(&text));
    out.extend(reports);
}

/// Of what came right behind a paste, only the terminal's own reports (focus, mouse) are what they look like.
/// Everything else is added to the text.
fn reports(since: &[u8], text: &mut Vec<u8>) -> Vec<Piece> {
    let (mut sequence, mut keys, mut reports) = (Sequence::default(), Vec::new(), Vec::new());
    for byte in since {
        sequence.step(*byte, &mut keys);
        for key in keys.drain(..) {
            if matches!(key.as_slice(), b"\x1b[I" | b"\x1b[O") || key.starts_with(b"\x1b[<") {
                reports.push(Piece::Key(key));
            } else {
                keep(text, &key);
            }
        }
    }
    keep(text, &sequence.rest());
    reports
}
