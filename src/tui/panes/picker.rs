//! The palette and the switcher: a line to type in and what fits.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{ends, foot, list_top, put, span, window};
use crate::tui::{
    command::Cmd,
    keymap::Context,
    model::{Input, Model, Picker, PickerItem},
    text,
    theme::Role,
};

/// Columns and rows of the window.
const SIZE: (u16, u16) = (90, 22);
/// What can be done here besides typing.
const CAN: [(Cmd, &str); 2] = [(Cmd::ListAccept, "take"), (Cmd::NavBack, "back")];

/// Draws a picker.
pub(crate) fn draw(model: &Model, picker: &Picker, name: &str, frame: &mut Frame<'_>, area: Rect) {
    let foot = foot(model, Context::Picker, Vec::new(), &CAN, SIZE.0.min(area.width));
    let inner = window(model, frame, area, SIZE, name, foot);
    input_line(model, "> ", &picker.input, frame, inner, 0);
    let hint = picker.hint.clone().unwrap_or_else(|| {
        let count = picker.items.len();
        if count == 0 { "Nothing fits: take letters away".to_owned() } else { format!("{count} fit") }
    });
    let hint = text::truncate_end(&hint, usize::from(inner.width), model.ascii);
    put(frame.buffer_mut(), inner, 1, Line::from(span(model, Role::TextDim, hint)));
    let list = Rect { y: inner.y + 2.min(inner.height), height: inner.height.saturating_sub(2), ..inner };
    let height = usize::from(list.height);
    let top = list_top(picker.selected, picker.items.len(), height);
    for (n, item) in picker.items.iter().skip(top).take(height).enumerate() {
        put(frame.buffer_mut(), list, n, line(model, item, usize::from(list.width)));
        if top + n == picker.selected {
            let y = list.y + u16::try_from(n).unwrap_or(0);
            frame.buffer_mut().set_style(Rect { y, height: 1, ..list }, model.theme.style(Role::Selection));
        }
    }
}

/// Draws a line that is typed into, with the cursor in it.
pub(crate) fn input_line(model: &Model, mark: &str, input: &Input, frame: &mut Frame<'_>, area: Rect, row: usize) {
    let Some(y) = u16::try_from(row).ok().filter(|row| *row < area.height) else { return };
    let room = usize::from(area.width).saturating_sub(text::width(mark) + 1);
    // The end of what stands before the cursor is what the user looks at.
    let mut before = input.before();
    while text::width(before) > room {
        let mut chars = before.chars();
        chars.next();
        before = chars.as_str();
    }
    let whole = input.text();
    let after = whole.get(input.before().len()..).unwrap_or_default();
    let x = text::width(mark) + text::width(before);
    let line = Line::from(vec![
        span(model, Role::StatusKey, mark.to_owned()),
        Span::raw(before.to_owned()),
        Span::raw(text::truncate_end(after, room.saturating_sub(text::width(before)), model.ascii)),
    ]);
    put(frame.buffer_mut(), area, row, line);
    let x = u16::try_from(x).unwrap_or(u16::MAX).min(area.width.saturating_sub(1));
    frame.set_cursor_position((area.x + x, area.y + y));
}

fn line(model: &Model, item: &PickerItem, width: usize) -> Line<'static> {
    let mut spans = vec![Span::raw(" ")];
    spans.extend(highlighted(model, &item.label, &item.matched));
    if !item.note.is_empty() {
        let pad = 34usize.saturating_sub(text::width(&item.label)).max(2);
        spans.push(span(model, Role::TextDim, format!("{}{}", " ".repeat(pad), item.note)));
    }
    ends(model, spans, vec![span(model, Role::StatusKey, format!("{} ", item.right))], width)
}

/// A text with its matched parts marked.
pub(crate) fn highlighted(model: &Model, label: &str, matched: &[std::ops::Range<usize>]) -> Vec<Span<'static>> {
    let mut spans = Vec::new();
    let mut at = 0;
    for range in matched {
        if let (Some(plain), Some(hit)) = (label.get(at..range.start), label.get(range.clone())) {
            spans.push(Span::raw(plain.to_owned()));
            spans.push(span(model, Role::Match, hit.to_owned()));
            at = range.end;
        }
    }
    spans.push(Span::raw(label.get(at..).unwrap_or_default().to_owned()));
    spans
}
