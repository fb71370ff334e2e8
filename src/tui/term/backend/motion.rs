//! The shortest way for the cursor from one place to another.

use std::io::Write as _;

use ratatui::layout::Size;

/// Where the terminal's cursor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nobody knows.
    Unknown,
    /// There.
    At(u16, u16),
    /// In the last column of that row after a character was written there: the next one would wrap.
    Wrapping(u16),
}

/// Appends the shortest sequence that moves the cursor from `from` to `(x, y)`.
pub(super) fn go(out: &mut Vec<u8>, from: Place, (x, y): (u16, u16), size: Size) {
    if from == Place::At(x, y) {
        return;
    }
    let mut best = absolute(x, y);
    let mut offer = |way: Option<Vec<u8>>| {
        if let Some(way) = way.filter(|way| way.len() < best.len()) {
            best = way;
        }
    };
    match from {
        Place::Unknown => {}
        Place::At(cx, cy) => {
            offer(joined(vertical(cy, y, size), horizontal(cx, x)));
            offer(joined(return_to_start(cy, y, size), horizontal(0, x)));
        }
        Place::Wrapping(cy) => offer(joined(return_to_start(cy, y, size), horizontal(0, x))),
    }
    out.append(&mut best);
}

fn joined(first: Option<Vec<u8>>, second: Option<Vec<u8>>) -> Option<Vec<u8>> {
    let (mut first, mut second) = (first?, second?);
    first.append(&mut second);
    Some(first)
}

/// CUP, with what defaults to 1 left out.
fn absolute(x: u16, y: u16) -> Vec<u8> {
    match (x, y) {
        (0, 0) => b"\x1b[H".to_vec(),
        (0, y) => format!("\x1b[{}H", y + 1).into_bytes(),
        (x, 0) => format!("\x1b[;{}H", x + 1).into_bytes(),
        (x, y) => format!("\x1b[{};{}H", y + 1, x + 1).into_bytes(),
    }
}

/// CR, and down by line feeds.
fn return_to_start(from: u16, to: u16, size: Size) -> Option<Vec<u8>> {
    let mut way = b"\r".to_vec();
    way.append(&mut vertical(from, to, size)?);
    Some(way)
}

fn vertical(from: u16, to: u16, size: Size) -> Option<Vec<u8>> {
    // A line feed in the last row would scroll, so only rows known to exist are walked to.
    if to >= size.height {
        return None;
    }
    Some(match (from, to) {
        (from, to) if to == from => Vec::new(),
        (from, to) if to > from && to - from <= 3 => vec![b'\n'; usize::from(to - from)],
        (from, to) if to > from => step(to - from, 'B'),
        (from, to) => step(from - to, 'A'),
    })
}

fn horizontal(from: u16, to: u16) -> Option<Vec<u8>> {
    Some(match (from, to) {
        (from, to) if to == from => Vec::new(),
        (from, to) if to > from => step(to - from, 'C'),
        (from, to) if from - to <= 3 => vec![b'\x08'; usize::from(from - to)],
        (from, to) => step(from - to, 'D'),
    })
}

fn step(by: u16, letter: char) -> Vec<u8> {
    let mut way = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = if by == 1 { write!(way, "\x1b[{letter}") } else { write!(way, "\x1b[{by}{letter}") };
    way
}
