//! A window with lines to read, scrolled from the top.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{put, span, window};
use crate::tui::{model::Model, text, theme::Role};

/// What a sheet looks like.
pub(crate) struct Sheet<'a> {
    /// The title.
    pub(crate) name: &'a str,
    /// The topmost line; beyond the end it stops at the last screenful.
    pub(crate) top: usize,
    /// Columns and rows wanted.
    pub(crate) size: (u16, u16),
}

/// Draws lines in a window in the middle of `area`.
pub(crate) fn draw(model: &Model, sheet: &Sheet<'_>, lines: &[Line<'static>], frame: &mut Frame<'_>, area: Rect) {
    let inner = window(model, frame, area, sheet.size, sheet.name);
    draw_in(model, lines, sheet.top, frame, inner);
}

/// Draws lines in an area, with a mark where more follow below.
pub(crate) fn draw_in(model: &Model, lines: &[Line<'static>], top: usize, frame: &mut Frame<'_>, area: Rect) {
    let height = usize::from(area.height);
    let top = top.min(lines.len().saturating_sub(height));
    for (row, line) in lines.iter().skip(top).take(height).enumerate() {
        put(frame.buffer_mut(), area, row, line);
    }
    let more = lines.len().saturating_sub(top + height);
    if more > 0 && height > 1 {
        let text = format!(" {more} more below ");
        let width = u16::try_from(text::width(&text)).unwrap_or(u16::MAX).min(area.width);
        let place = Rect { x: area.x + area.width - width, width, ..area };
        put(frame.buffer_mut(), place, height - 1, Line::from(span(model, Role::TextDim, text)));
    }
}
