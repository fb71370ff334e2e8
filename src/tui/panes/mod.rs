//! The panes and what lies over them: one file each, drawing only. Panes never call each other.

pub(crate) mod banner;
pub(crate) mod composer;
pub(crate) mod confirm;
pub(crate) mod conversation;
pub(crate) mod health;
pub(crate) mod help;
pub(crate) mod hint;
pub(crate) mod log;
pub(crate) mod message;
pub(crate) mod path;
pub(crate) mod peer_form;
pub(crate) mod peers;
pub(crate) mod picker;
pub(crate) mod queue;
pub(crate) mod search;
pub(crate) mod sheet;
pub(crate) mod status;
pub(crate) mod toast;
pub(crate) mod transfer;
mod trust;
pub(crate) mod which_key;
pub(crate) mod words;

use ratatui::{
    Frame,
    buffer::Buffer,
    layout::Rect,
    style::Style,
    symbols::border,
    text::{Line, Span},
    widgets::{Block, Clear, Widget},
};

use super::{
    model::{Model, Overlay},
    text,
    theme::Role,
};

/// Draws what lies over the panes.
pub(super) fn overlay(model: &Model, overlay: &Overlay, frame: &mut Frame<'_>, area: Rect) {
    match overlay {
        Overlay::Palette(list) => picker::draw(model, list, "Commands", frame, area),
        Overlay::Switcher(list) => picker::draw(model, list, "Go to", frame, area),
        Overlay::Search(found) => search::draw(model, found, frame, area),
        Overlay::Help { keys, top } => help::draw(model, *keys, *top, frame, area),
        Overlay::Log(view) => log::draw(model, view, frame, area),
        Overlay::Trust { whose, top } => trust::draw(model, whose, *top, frame, area),
        Overlay::Confirm(question) => confirm::draw(model, question, frame, area),
        Overlay::Queue { messages, selected } => queue::draw(model, messages.as_deref(), *selected, frame, area),
        Overlay::Status { top } => status::draw_sheet(model, *top, frame, area),
        Overlay::Transport { id, top } => health::draw_details(model, id, *top, frame, area),
        Overlay::Path { top } => path::draw_sheet(model, *top, frame, area),
        Overlay::Plan { peer, plan, top } => path::draw_plan(model, peer, plan.as_ref(), *top, frame, area),
        Overlay::PeerForm(form) => peer_form::draw(model, form, frame, area),
    }
}

/// Says that there is not enough room.
pub(super) fn too_small(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let lines = ["skcomm-tui needs more room:", "at least 40 x 12", "Ctrl-C or :app.quit leaves"];
    let style = model.theme.style(Role::NoticeWarning);
    let buffer = frame.buffer_mut();
    for (row, line) in lines.iter().enumerate() {
        put(buffer, area, row, Line::styled(*line, style));
    }
}

/// Draws a line into a row of an area, cut to its width; nothing where the row is outside.
pub(crate) fn put(buffer: &mut Buffer, area: Rect, row: usize, line: impl std::borrow::Borrow<Line<'static>>) {
    let area = area.intersection(buffer.area);
    let Some(y) = u16::try_from(row).ok().filter(|row| *row < area.height) else { return };
    if area.width > 0 {
        buffer.set_line(area.x, area.y + y, line.borrow(), area.width);
    }
}

/// A pane's border with its title, brighter where the keys go; gives what is inside.
pub(crate) fn frame_of(model: &Model, buffer: &mut Buffer, area: Rect, title: Line<'static>, focused: bool) -> Rect {
    let role = if focused { Role::BorderFocused } else { Role::Border };
    bordered(model, buffer, area, title, model.theme.style(role))
}

/// A border of a given style with a title; gives what is inside.
pub(crate) fn bordered(model: &Model, buffer: &mut Buffer, area: Rect, title: Line<'static>, style: Style) -> Rect {
    let block = Block::bordered().border_set(borders(model)).border_style(style).title(title);
    let inner = block.inner(area);
    block.render(area.intersection(buffer.area), buffer);
    inner.intersection(buffer.area)
}

fn borders(model: &Model) -> border::Set<'static> {
    const ASCII: border::Set<'static> = border::Set {
        top_left: "+",
        top_right: "+",
        bottom_left: "+",
        bottom_right: "+",
        vertical_left: "|",
        vertical_right: "|",
        horizontal_top: "-",
        horizontal_bottom: "-",
    };
    if model.ascii { ASCII } else { border::PLAIN }
}

/// A title with blanks around it.
pub(crate) fn title(model: &Model, text: &str, focused: bool) -> Line<'static> {
    let role = if focused { Role::TitleFocused } else { Role::Title };
    Line::styled(format!(" {text} "), model.theme.style(role))
}

/// Clears room in the middle for a window of at most that size and draws its border; gives what is inside.
pub(crate) fn window(model: &Model, frame: &mut Frame<'_>, area: Rect, size: (u16, u16), name: &str) -> Rect {
    let width = size.0.min(area.width);
    let height = size.1.min(area.height);
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 3, width, height };
    Clear.render(place, frame.buffer_mut());
    frame.buffer_mut().set_style(place, model.theme.style(Role::Overlay));
    let title = title(model, &text::truncate_end(name, usize::from(width.saturating_sub(4)), model.ascii), true);
    bordered(model, frame.buffer_mut(), place, title, model.theme.style(Role::OverlayBorder))
}

/// One glyph, or its stand-in on terminals without Unicode.
pub(crate) fn glyph(model: &Model, unicode: &'static str, ascii: &'static str) -> &'static str {
    if model.ascii { ascii } else { unicode }
}

/// A span in a role's style.
pub(crate) fn span(model: &Model, role: Role, text: impl Into<String>) -> Span<'static> {
    Span::styled(text.into(), model.theme.style(role))
}

/// A line with text at both ends; what is at the right stays, the left is cut.
pub(crate) fn ends(model: &Model, left: Vec<Span<'static>>, right: Vec<Span<'static>>, width: usize) -> Line<'static> {
    let right_width: usize = right.iter().map(|s| text::width(&s.content)).sum();
    let room = width.saturating_sub(right_width + usize::from(right_width > 0));
    let mut spans = cut(model, left, room);
    let used: usize = spans.iter().map(|s| text::width(&s.content)).sum();
    if right_width > 0 && right_width <= width {
        spans.push(Span::raw(" ".repeat(width - right_width - used)));
        spans.extend(right);
    }
    Line::from(spans)
}

/// Spans cut to a width.
pub(crate) fn cut(model: &Model, spans: Vec<Span<'static>>, width: usize) -> Vec<Span<'static>> {
    let mut room = width;
    let mut kept = Vec::with_capacity(spans.len());
    for span in spans {
        let wide = text::width(&span.content);
        if wide <= room {
            room -= wide;
            kept.push(span);
            continue;
        }
        if room > 0 {
            kept.push(Span::styled(text::truncate_end(&span.content, room, model.ascii), span.style));
        }
        break;
    }
    kept
}

/// The topmost index of a list that keeps the selection in the middle where it can.
pub(crate) fn list_top(selected: usize, len: usize, height: usize) -> usize {
    selected.saturating_sub(height / 2).min(len.saturating_sub(height))
}
