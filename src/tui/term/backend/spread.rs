//! Symbols of several characters that a terminal may draw one beside the other: an emoji that is joined of four people
//! takes two columns here and eight there. What they spread over is drawn again, so that nobody's text breaks a border.

use ratatui::buffer::{Cell, CellWidth as _};
use unicode_width::UnicodeWidthChar as _;

/// What stands on the screen, as far as it was drawn.
#[derive(Default)]
pub(super) struct Shown {
    rows: Vec<Vec<Cell>>,
}

impl Shown {
    pub(super) fn take(&mut self, x: u16, y: u16, cell: &Cell) {
        let (x, y) = (usize::from(x), usize::from(y));
        if self.rows.len() <= y {
            self.rows.resize_with(y + 1, Vec::new);
        }
        let row = &mut self.rows[y];
        if row.len() <= x {
            row.resize(x + 1, Cell::default());
        }
        row[x].clone_from(cell);
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
    }

    fn get(&self, x: u16, y: u16) -> Option<&Cell> {
        self.rows.get(usize::from(y))?.get(usize::from(x))
    }
}

/// Whether a symbol has several characters.
pub(super) fn is_joined(symbol: &str) -> bool {
    symbol.chars().nth(1).is_some()
}

/// The columns a symbol takes where each of its characters is drawn by itself.
pub(super) fn apart(symbol: &str) -> u16 {
    let wide: usize = symbol.chars().filter_map(char::width).sum();
    u16::try_from(wide).unwrap_or(u16::MAX)
}

/// What to draw when these cells changed, in order: they, and what they may spread over. None when that is nothing else.
/// `shown` has the changes already.
pub(super) fn with_what_it_covers<'a>(
    changed: &[(u16, u16, &'a Cell)],
    shown: &'a Shown,
) -> Option<Vec<(u16, u16, &'a Cell)>> {
    let spreads = |cell: &Cell| is_joined(cell.symbol()) && apart(cell.symbol()) > cell.cell_width();
    if !changed.iter().any(|(_, _, cell)| spreads(cell)) {
        return None;
    }
    let mut all = Vec::with_capacity(changed.len() + 16);
    for row in changed.chunk_by(|(_, y, _), (_, next, _)| y == next) {
        let (mut walk, y) = (Walk { drawn: 0, covered: 0, shown }, row[0].1);
        for (x, _, cell) in row {
            walk.again(*x, y, &mut all);
            walk.draw(*x, y, cell, &mut all);
        }
        walk.again(u16::MAX, y, &mut all);
    }
    Some(all)
}

/// One row from its first changed cell on.
struct Walk<'a> {
    /// Up to where it is drawn.
    drawn: u16,
    /// Up to where it may be covered.
    covered: u16,
    shown: &'a Shown,
}

impl<'a> Walk<'a> {
    fn draw(&mut self, x: u16, y: u16, cell: &'a Cell, all: &mut Vec<(u16, u16, &'a Cell)>) {
        all.push((x, y, cell));
        self.drawn = x.saturating_add(cell.cell_width().max(1));
        self.covered = self.covered.max(x.saturating_add(apart(cell.symbol())));
    }

    /// Draws what is covered before column `end` once more.
    fn again(&mut self, end: u16, y: u16, all: &mut Vec<(u16, u16, &'a Cell)>) {
        while self.drawn < self.covered.min(end) {
            let Some(cell) = self.shown.get(self.drawn, y) else { return };
            self.draw(self.drawn, y, cell, all);
        }
    }
}
