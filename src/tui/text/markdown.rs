//! Markdown to lines.

use ratatui::text::Line;

use super::Styles;

pub(super) fn layout(text: &str, width: u16, styles: &Styles) -> Vec<Line<'static>> {
    super::plain(text, width, styles.text)
}
