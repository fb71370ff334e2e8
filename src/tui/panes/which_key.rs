//! What can follow after a prefix key.

use ratatui::{
    Frame,
    layout::Rect,
    text::Line,
    widgets::{Clear, Widget},
};

use super::{bordered, put, span, title};
use crate::tui::{keymap::show_keys, model::Model, text, theme::Role};

/// Columns of one hint where there is room, and where there is not.
const COLUMN: u16 = 34;
const NARROW: u16 = 18;
/// Columns of the keys, blanks included.
const KEYS: usize = 8;

/// How many columns of hints there are: as few as can show all of them in so many rows.
fn columns(hints: usize, width: u16, rows: u16) -> u16 {
    let (least, most) = ((width / COLUMN).max(1), (width / NARROW).max(1));
    (least..=most).find(|columns| hints.div_ceil(usize::from(*columns)) <= usize::from(rows)).unwrap_or(most)
}

/// Draws the popup at the bottom.
pub(crate) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let (width, room) = (area.width.saturating_sub(2), area.height.saturating_sub(2));
    let columns = columns(model.hints.len(), width, room);
    let rows = model.hints.len().div_ceil(usize::from(columns)).min(usize::from(room)).max(1);
    let height = u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(2).min(area.height);
    let place = Rect { y: area.y + area.height - height, height, ..area };
    Clear.render(place, frame.buffer_mut());
    frame.buffer_mut().set_style(place, model.theme.style(Role::Overlay));
    let left_out = model.hints.len().saturating_sub(rows * usize::from(columns));
    let more = if left_out > 0 { format!(", {left_out} more in the help") } else { String::new() };
    let name = title(model, &format!("{}{more}", show_keys(&model.pending_keys)), true);
    let inner = bordered(model, frame.buffer_mut(), place, name, model.theme.style(Role::OverlayBorder));
    let column_width = (inner.width / columns).clamp(1, COLUMN);
    for (n, hint) in model.hints.iter().take(rows * usize::from(columns)).enumerate() {
        let (column, row) = (n / rows, n % rows);
        let offset = u16::try_from(column).unwrap_or(u16::MAX).saturating_mul(column_width);
        let cell = Rect { x: inner.x + offset, width: column_width.min(inner.width.saturating_sub(offset)), ..inner };
        let keys = KEYS - 2;
        let key = span(model, Role::StatusKey, format!(" {:>keys$} ", hint.keys));
        let desc = text::truncate_end(&hint.desc, usize::from(cell.width).saturating_sub(KEYS), model.ascii);
        put(frame.buffer_mut(), cell, row, Line::from(vec![key, span(model, Role::Overlay, desc)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_take_as_few_columns_as_show_all_of_them() {
        assert_eq!(columns(12, 118, 20), 3);
        assert_eq!(columns(12, 38, 20), 1);
        assert_eq!(columns(12, 38, 6), 2);
        assert_eq!(columns(50, 38, 6), 2, "no more than can be read");
        assert_eq!(columns(3, 5, 1), 1);
    }
}
