//! A window with lines to read, scrolled from the top.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{foot, put, span, window};
use crate::{
    tui::{command::Cmd, model::Model, text, theme::Role, update},
    wire::SafeText,
};

/// Columns of the labels of pairs.
const LABEL: usize = 14;

/// A window with lines to read.
pub(crate) struct Sheet {
    /// The title.
    pub(crate) name: String,
    /// The topmost line; beyond the end it stops at the last screenful.
    pub(crate) top: usize,
    /// Columns and rows wanted.
    pub(crate) size: (u16, u16),
    /// What there is to read.
    pub(crate) lines: Vec<Line<'static>>,
    /// What else can be done here, with a word for each.
    pub(crate) can: Vec<(Cmd, &'static str)>,
}

impl Sheet {
    /// How far it can be scrolled in `area`.
    pub(crate) fn last_top(&self, area: Rect) -> usize {
        last_top(self.lines.len(), self.size.1.min(area.height).saturating_sub(2))
    }

    /// Draws it in the middle of `area`.
    pub(crate) fn draw(&self, model: &Model, frame: &mut Frame<'_>, area: Rect) {
        let last = self.last_top(area);
        let top = self.top.min(last);
        let more = last.saturating_sub(top);
        let left = if more > 0 { vec![span(model, Role::TextDim, format!(" {more} more below "))] } else { Vec::new() };
        let can: Vec<(Cmd, &str)> = self.can.iter().cloned().chain([(Cmd::NavBack, "back")]).collect();
        let foot = foot(model, update::context(model), left, &can, self.size.0.min(area.width));
        let inner = window(model, frame, area, self.size, &self.name, foot);
        for (row, line) in self.lines.iter().skip(top).take(usize::from(inner.height)).enumerate() {
            put(frame.buffer_mut(), inner, row, line);
        }
    }
}

/// How far so many lines can be scrolled in so many rows.
pub(crate) fn last_top(lines: usize, rows: u16) -> usize {
    lines.saturating_sub(usize::from(rows))
}

/// Draws lines in an area of a pane, with a mark where more follow below.
pub(crate) fn draw_in(model: &Model, lines: &[Line<'static>], top: usize, frame: &mut Frame<'_>, area: Rect) {
    let height = usize::from(area.height);
    let top = top.min(last_top(lines.len(), area.height));
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

/// A label and what it is about, which is wrapped and never cut.
pub(crate) fn pair(model: &Model, role: Role, label: &str, what: &str, width: usize) -> Vec<Line<'static>> {
    let room = u16::try_from(width.saturating_sub(LABEL + 1)).unwrap_or(u16::MAX).max(1);
    let wrapped = text::layout_plain(&SafeText::line(what), room, model.theme.style(role));
    let line = |(n, line): (usize, Line<'static>)| {
        let label = if n == 0 { label } else { "" };
        let mut spans: Vec<Span<'static>> = vec![span(model, Role::TextDim, format!(" {label:<LABEL$}"))];
        spans.extend(line.spans);
        Line::from(spans)
    };
    wrapped.into_iter().enumerate().map(line).collect()
}
