//! What can follow after a prefix key.

use ratatui::{
    Frame,
    layout::Rect,
    text::Line,
    widgets::{Clear, Widget},
};

use super::{bordered, put, span, title};
use crate::tui::{keymap::show_keys, model::Model, text, theme::Role};

/// Columns of one hint.
const COLUMN: u16 = 34;

/// Draws the popup at the bottom.
pub(crate) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let columns = (area.width.saturating_sub(2) / COLUMN).max(1);
    let rows = model.hints.len().div_ceil(usize::from(columns));
    let height = u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(2).min(area.height);
    let place = Rect { y: area.y + area.height - height, height, ..area };
    Clear.render(place, frame.buffer_mut());
    frame.buffer_mut().set_style(place, model.theme.style(Role::Overlay));
    let name = title(model, &show_keys(&model.pending_keys), true);
    let inner = bordered(model, frame.buffer_mut(), place, name, model.theme.style(Role::OverlayBorder));
    for (n, hint) in model.hints.iter().enumerate() {
        let (column, row) = (n / rows.max(1), n % rows.max(1));
        let offset = u16::try_from(column).unwrap_or(u16::MAX).saturating_mul(COLUMN);
        if offset >= inner.width {
            break;
        }
        let cell = Rect { x: inner.x + offset, width: COLUMN.min(inner.width - offset), ..inner };
        let key = span(model, Role::StatusKey, format!(" {:>6} ", hint.keys));
        let desc = text::truncate_end(&hint.desc, usize::from(cell.width).saturating_sub(9), model.ascii);
        put(frame.buffer_mut(), cell, row, Line::from(vec![key, span(model, Role::Overlay, desc)]));
    }
}
