//! The panes and what lies over them: one file each, drawing only. Panes never call each other.

pub(crate) mod banner;
pub(crate) mod composer;
pub(crate) mod confirm;
pub(crate) mod conversation;
mod files;
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
pub(crate) mod standing;
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

use sheet::Sheet;

use super::{
    command::Cmd,
    keymap::Context,
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
        Overlay::Log(view) => log::draw(model, view, frame, area),
        Overlay::Confirm(question) => confirm::draw(model, question, frame, area),
        Overlay::Queue { messages, selected } => queue::draw(model, messages.as_deref(), *selected, frame, area),
        Overlay::Files { selected } => files::draw(model, selected.as_ref(), frame, area),
        Overlay::PeerForm(form) => peer_form::draw(model, form, frame, area),
        Overlay::Help { .. }
        | Overlay::Trust { .. }
        | Overlay::Status { .. }
        | Overlay::Transport { .. }
        | Overlay::Path { .. }
        | Overlay::Plan { .. } => {
            if let Some(sheet) = sheet_of(model, overlay, area) {
                sheet.draw(model, frame, area);
            }
        }
    }
}

/// What there is to read in a view that is only read.
pub(super) fn sheet_of(model: &Model, overlay: &Overlay, area: Rect) -> Option<Sheet> {
    match overlay {
        Overlay::Help { keys, top } => Some(help::sheet(model, *keys, *top, area)),
        Overlay::Trust { whose, top } => Some(trust::sheet(model, whose, *top, area)),
        Overlay::Status { top } => Some(status::sheet(model, *top, area)),
        Overlay::Transport { id, top } => Some(health::details_sheet(model, id, *top, area)),
        Overlay::Path { top } => Some(path::sheet(model, *top, area)),
        Overlay::Plan { peer, plan, top } => Some(path::plan_sheet(model, peer, plan.as_ref(), *top, area)),
        _ => None,
    }
}

/// How far a view can be scrolled in `area`; none where it is not scrolled but selected in.
pub(super) fn last_top(model: &Model, overlay: &Overlay, area: Rect) -> Option<usize> {
    match overlay {
        Overlay::Log(view) => Some(log::last_up(model, view, area)),
        _ => Some(sheet_of(model, overlay, area)?.last_top(area)),
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
/// The foot stands in the lower border.
pub(crate) fn window(
    model: &Model,
    frame: &mut Frame<'_>,
    area: Rect,
    size: (u16, u16),
    name: &str,
    foot: Line<'static>,
) -> Rect {
    let width = size.0.min(area.width);
    let height = size.1.min(area.height);
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 3, width, height };
    Clear.render(place, frame.buffer_mut());
    frame.buffer_mut().set_style(place, model.theme.style(Role::Overlay));
    let title = title(model, &text::truncate_end(name, usize::from(width.saturating_sub(4)), model.ascii), true);
    let inner = bordered(model, frame.buffer_mut(), place, title, model.theme.style(Role::OverlayBorder));
    let inset = Rect { x: place.x + 1.min(place.width), width: place.width.saturating_sub(2), ..place };
    if !foot.spans.is_empty() && height > 1 {
        put(frame.buffer_mut(), inset, usize::from(height) - 1, foot);
    }
    inner
}

/// The foot of a window of `width` columns: text at the left, and the keys for what can be done at the right, of which
/// those named last stay where there is little room.
pub(crate) fn foot(
    model: &Model,
    context: Context,
    left: Vec<Span<'static>>,
    can: &[(Cmd, &str)],
    width: u16,
) -> Line<'static> {
    let room = usize::from(width.saturating_sub(2));
    let left_width: usize = left.iter().map(|s| text::width(&s.content)).sum();
    let mut used = left_width;
    let mut right: Vec<[Span<'static>; 2]> = Vec::new();
    for (cmd, word) in can.iter().rev() {
        let Some(key) = model.keymap.key_in(context, cmd) else { continue };
        let wide = text::width(&key) + text::width(word) + 3;
        if used + wide > room {
            break;
        }
        used += wide;
        right.push([span(model, Role::StatusKey, format!(" {key}")), span(model, Role::TextDim, format!(" {word} "))]);
    }
    if left.is_empty() && right.is_empty() {
        return Line::default();
    }
    let dash = glyph(model, "─", "-");
    let mut spans = left;
    spans.push(span(model, Role::OverlayBorder, dash.repeat(room.saturating_sub(used))));
    spans.extend(right.into_iter().rev().flatten());
    Line::from(spans)
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
