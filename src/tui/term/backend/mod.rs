//! A backend for ratatui that is sparing with bytes.
//!
//! It remembers where the terminal's cursor is and which attributes are set, moves by the shortest
//! sequence, changes only what differs, and hands each frame over in one write. A key typed at the cursor
//! costs the bytes of its character.

mod motion;
mod pen;
mod spread;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use ratatui::{
    backend::{Backend, ClearType, WindowSize},
    buffer::{Cell, CellWidth as _},
    layout::{Position, Size},
};

use motion::Place;
use pen::Pen;
use spread::Shown;

/// Frames of more bytes than this are wrapped in synchronized output, so that no half of one is seen.
const SYNCHRONIZE_ABOVE: usize = 256;
/// Frames of more bytes than this hide the cursor while it runs over the screen.
const HIDE_CURSOR_ABOVE: usize = 48;
/// Runs of default blanks of at least so many cells are erased rather than written.
const ERASE_FROM: usize = 8;

/// A ratatui backend that writes as few bytes as it can, in one write a frame.
pub struct SparingBackend<W: Write> {
    out: W,
    synchronized: bool,
    fixed: Option<Size>,
    size: Size,
    /// Sequences that draw nothing, for the next frame.
    queued: Vec<u8>,
    /// What was drawn since the last flush.
    body: Vec<u8>,
    place: Place,
    pen: Option<Pen>,
    /// What was drawn where.
    drawn: Shown,
    /// Whether the terminal shows its cursor now; none when unknown.
    shown: Option<bool>,
    want_shown: bool,
    want_at: (u16, u16),
}

impl<W: Write> SparingBackend<W> {
    /// A backend that writes to `out` and takes its size from the terminal; with `synchronized`, larger
    /// frames are wrapped in mode 2026.
    pub fn new(out: W, synchronized: bool) -> Self {
        Self {
            out,
            synchronized,
            fixed: None,
            size: Size::new(0, 0),
            queued: Vec::new(),
            body: Vec::new(),
            place: Place::Unknown,
            pen: None,
            drawn: Shown::default(),
            shown: None,
            want_shown: false,
            want_at: (0, 0),
        }
    }

    /// The same with a size of its own instead of the terminal's (tests, benchmarks).
    pub fn fixed(out: W, synchronized: bool, width: u16, height: u16) -> Self {
        let size = Size::new(width, height);
        Self { fixed: Some(size), size, ..Self::new(out, synchronized) }
    }

    /// Changes the size given to [`SparingBackend::fixed`].
    pub fn set_fixed_size(&mut self, width: u16, height: u16) {
        self.fixed = Some(Size::new(width, height));
    }

    /// Puts a sequence that draws nothing and does not move the cursor (OSC, bell) before the next frame.
    /// It goes out with the next flush.
    pub fn queue(&mut self, sequence: &[u8]) {
        self.queued.extend_from_slice(sequence);
    }

    /// Where the bytes go.
    pub fn writer(&self) -> &W {
        &self.out
    }

    /// Where the bytes go, to be changed.
    pub fn writer_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// Forgets what it believes about cursor and attributes (something else wrote to the terminal).
    fn forget(&mut self) {
        self.place = Place::Unknown;
        self.pen = None;
        self.shown = None;
    }

    fn go(&mut self, x: u16, y: u16) {
        motion::go(&mut self.body, self.place, (x, y), self.size);
        self.place = Place::At(x, y);
    }

    fn cell(&mut self, x: u16, y: u16, cell: &Cell) {
        self.go(x, y);
        self.wear(Pen::of(cell), is_blank(cell.symbol()));
        // A last gate: whatever came this far, a cell never moves the cursor or talks to the terminal.
        let (mut symbol, width) = match cell.symbol() {
            symbol if symbol.contains(char::is_control) => ("\u{FFFD}", 1),
            symbol => (symbol, cell.cell_width()),
        };
        if spread::is_joined(symbol) && width > 1 {
            // A terminal that draws it narrower leaves nothing of what was there.
            self.body.extend(std::iter::repeat_n(b' ', usize::from(width)));
            self.advance(x, y, "  ", width);
            self.go(x, y);
            // One that draws it wider must not go on in the next row.
            if x.saturating_add(spread::apart(symbol)) > self.size.width {
                symbol = &symbol[..symbol.chars().next().map_or(0, char::len_utf8)];
            }
        }
        self.body.extend_from_slice(symbol.as_bytes());
        self.advance(x, y, symbol, width);
    }

    fn wear(&mut self, wanted: Pen, blank: bool) {
        let wanted = match self.pen {
            Some(pen) if blank => wanted.as_blank_after(pen),
            _ => wanted,
        };
        if self.pen != Some(wanted) {
            pen::change(&mut self.body, self.pen, wanted);
            self.pen = Some(wanted);
        }
    }

    /// Where the cursor is after a symbol; unknown where terminals disagree about its width.
    fn advance(&mut self, x: u16, y: u16, symbol: &str, width: u16) {
        let end = x.saturating_add(width);
        self.place = match () {
            () if !is_certain(symbol) => Place::Unknown,
            () if end < self.size.width => Place::At(end, y),
            // The cursor waits in the last column to wrap.
            () => Place::Wrapping(y),
        };
    }

    /// ratatui asks for the size before it draws; a change may have moved the cursor by itself.
    fn learn_size(&mut self) {
        if let Ok(size) = self.size()
            && size != self.size
        {
            self.size = size;
            self.place = Place::Unknown;
        }
    }

    /// Draws cells in their order.
    fn draw_all(&mut self, cells: &[(u16, u16, &Cell)]) {
        let mut rest = cells;
        while let Some((x, y, cell)) = rest.first() {
            let run = blank_run(rest);
            if run >= ERASE_FROM {
                self.erase(*x, *y, run);
                rest = &rest[run..];
            } else {
                self.cell(*x, *y, cell);
                rest = &rest[1..];
            }
        }
    }

    /// Erases `run` blanks from (x, y) on; the cursor stays.
    fn erase(&mut self, x: u16, y: u16, run: usize) {
        self.go(x, y);
        self.wear(Pen::default(), true);
        let to_end = usize::from(x) + run == usize::from(self.size.width);
        if to_end {
            self.body.extend_from_slice(b"\x1b[K");
        } else {
            let _ = write!(self.body, "\x1b[{run}X");
        }
    }
}

/// How many cells from the first on are blanks in the terminal's own colours, side by side.
fn blank_run(cells: &[(u16, u16, &Cell)]) -> usize {
    let Some((x, y, _)) = cells.first() else { return 0 };
    let same_row = |(i, cell): &(usize, &(u16, u16, &Cell))| {
        cell.1 == *y
            && usize::from(cell.0) == usize::from(*x) + i
            && Pen::of(cell.2).is_plain_on_blank()
            && cell.2.symbol() == " "
    };
    cells.iter().enumerate().take_while(same_row).count()
}

fn is_blank(symbol: &str) -> bool {
    symbol == " "
}

/// Whether all terminals agree with us about the width of a symbol. Not so for emoji and for everything made
/// of several characters.
fn is_certain(symbol: &str) -> bool {
    let mut chars = symbol.chars();
    let (Some(c), None) = (chars.next(), chars.next()) else { return false };
    matches!(
        c as u32,
        0x20..0x7F | 0xA1..=0xAC | 0xAE..0x300 | 0x370..0x483 // Latin, Greek, Cyrillic
            | 0x2010..0x2028 | 0x2190..0x231A | 0x2500..0x25FB // dashes, arrows, lines and blocks
            | 0x2713 | 0x2717 | 0x2800..0x2900 // ticks, Braille
            | 0x3041..0x3097 | 0x30A1..0x30FB | 0x4E00..0xA000 | 0xAC00..0xD7A4 // kana, Han, Hangul
            | 0xFFFD
    )
}

impl<W: Write> Backend for SparingBackend<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let cells: Vec<(u16, u16, &Cell)> = content.collect();
        let mut drawn = std::mem::take(&mut self.drawn);
        cells.iter().for_each(|(x, y, cell)| drawn.take(*x, *y, cell));
        let covered = spread::with_what_it_covers(&cells, &drawn);
        if covered.is_some() {
            self.learn_size();
        }
        self.draw_all(covered.as_deref().unwrap_or(&cells));
        self.drawn = drawn;
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.want_shown = false;
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.want_shown = true;
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        // Asking the terminal would cost a round trip and could hang.
        Ok(Position::new(self.want_at.0, self.want_at.1))
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let Position { x, y } = position.into();
        self.want_at = (x, y);
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        let sequence = match region {
            ClearType::All => "\x1b[m\x1b[2J",
            ClearType::AfterCursor => "\x1b[m\x1b[J",
            ClearType::BeforeCursor => "\x1b[m\x1b[1J",
            ClearType::CurrentLine => "\x1b[m\x1b[2K",
            ClearType::UntilNewLine => "\x1b[m\x1b[K",
        };
        if region == ClearType::All {
            // Something else may have written: believe nothing.
            self.forget();
            self.drawn.clear();
        } else {
            let (x, y) = self.want_at;
            self.go(x, y);
        }
        self.body.extend_from_slice(sequence.as_bytes());
        self.pen = Some(Pen::default());
        Ok(())
    }

    fn size(&self) -> io::Result<Size> {
        match self.fixed {
            Some(size) => Ok(size),
            None => crossterm::terminal::size().map(|(width, height)| Size::new(width, height)),
        }
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size()?, pixels: Size::new(0, 0) })
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut frame = std::mem::take(&mut self.queued);
        let large = self.body.len() > SYNCHRONIZE_ABOVE && self.synchronized;
        if large {
            frame.extend_from_slice(b"\x1b[?2026h");
        }
        let run_over = !large && self.body.len() > HIDE_CURSOR_ABOVE;
        if self.shown != Some(false) && (!self.want_shown || run_over) {
            frame.extend_from_slice(b"\x1b[?25l");
            self.shown = Some(false);
        }
        if self.want_shown {
            let (x, y) = self.want_at;
            self.go(x, y);
        }
        frame.append(&mut self.body);
        if self.want_shown && self.shown != Some(true) {
            frame.extend_from_slice(b"\x1b[?25h");
            self.shown = Some(true);
        }
        if large {
            frame.extend_from_slice(b"\x1b[?2026l");
        }
        self.learn_size();
        if frame.is_empty() {
            return Ok(());
        }
        self.out.write_all(&frame)?;
        self.out.flush()
    }
}
