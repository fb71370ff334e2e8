//! The messages of a conversation.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{bordered, ends, frame_of, put, span, standing, title, words};
use crate::{
    tui::{
        model::{ConversationView, Focus, Model, Row, Separator, Side},
        text,
        theme::Role,
        view::PaneRegion,
    },
    wire::{Conversation, SafeText},
};

/// Draws one conversation pane.
pub(crate) fn draw(model: &Model, frame: &mut Frame<'_>, region: &PaneRegion) {
    let focused = region.index == model.layout.focused && model.focus == Focus::Conversation;
    let conversation = model.layout.panes.get(region.index).and_then(|pane| pane.conversation.as_ref());
    let area = Rect { height: region.area.height.saturating_sub(region.composer.height), ..region.area };
    let width = usize::from(area.width.saturating_sub(4));
    let Some(conversation) = conversation else {
        let inner = frame_of(model, frame.buffer_mut(), area, title(model, "No conversation", focused), focused);
        return welcome(model, frame, inner);
    };
    let heading = heading(model, conversation, focused, width);
    let inner = if focused {
        frame_of(model, frame.buffer_mut(), area, heading, true)
    } else {
        bordered(model, frame.buffer_mut(), area, heading, model.theme.style(Role::Border))
    };
    let Some(view) = model.views.get(conversation) else { return };
    if view.window.messages().is_empty() {
        return empty(model, view, frame, inner);
    }
    let blank = usize::from(inner.height).saturating_sub(view.rows.len());
    for (n, row) in view.rows.iter().enumerate() {
        draw_row(model, view, *row, frame, inner, blank + n);
    }
    if view.new_below > 0 && !view.at_bottom() {
        let text = format!(" {} new below, {} ", view.new_below, key(model));
        let line = ends(model, Vec::new(), vec![span(model, Role::Unread, text)], usize::from(inner.width));
        put(frame.buffer_mut(), inner, usize::from(inner.height).saturating_sub(1), line);
    }
}

fn key(model: &Model) -> String {
    use crate::tui::{command::Cmd, keymap::Context};
    model.keymap.key_in(Context::Conversation, &Cmd::MessageLast).unwrap_or_else(|| ":message.last".to_owned())
}

fn heading(model: &Model, conversation: &Conversation, focused: bool, width: usize) -> Line<'static> {
    let name = model.name_of(&conversation.peer);
    let thread = SafeText::line(conversation.thread_id.as_str());
    let role = if focused { Role::TitleFocused } else { Role::Title };
    let mut spans = vec![span(model, role, format!(" {name} / {thread} "))];
    match model.peer_of(&conversation.peer) {
        Some(peer) => {
            spans.push(span(model, words::trust_role(peer.trust), format!("{} ", words::trust(peer.trust))));
            if let Some((role, text)) = words::presence(model, peer) {
                spans.push(span(model, role, format!("{text} ")));
            }
            if peer.blocked {
                spans.push(span(model, Role::PeerBlocked, "blocked "));
            }
            if let Some(warning) = &peer.warning {
                spans.push(span(model, Role::NoticeWarning, format!("{warning} ")));
            }
        }
        None => spans.push(span(model, Role::NoticeWarning, "unknown sender ")),
    }
    Line::from(super::cut(model, spans, width))
}

fn welcome(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    use crate::tui::{command::Cmd, keymap::Context};
    let key = |cmd: Cmd| model.keymap.key_in(Context::Global, &cmd).unwrap_or_else(|| format!(":{}", cmd.name()));
    let peers = if model.peers.is_empty() {
        format!("Nobody is here yet: {} adds a peer", key(Cmd::PeerAdd))
    } else {
        "Choose a peer on the left and press Enter".to_owned()
    };
    let lines = [
        peers,
        String::new(),
        format!("{}  go to a conversation", key(Cmd::SwitcherOpen)),
        format!("{}  every command", key(Cmd::PaletteOpen)),
        format!("{}  my card, to give to others", key(Cmd::IdentityShow)),
        format!("{}  help", key(Cmd::HelpShow)),
    ];
    for (row, line) in lines.into_iter().enumerate() {
        let line = text::truncate_end(&line, usize::from(area.width.saturating_sub(2)), model.ascii);
        put(frame.buffer_mut(), area, row + 1, Line::from(vec![Span::raw(" "), span(model, Role::TextDim, line)]));
    }
}

fn empty(model: &Model, view: &ConversationView, frame: &mut Frame<'_>, area: Rect) {
    let text = match (view.loading, view.window.loaded(), view.refused) {
        (Some(_), ..) => " Reading messages",
        (_, _, true) => " The messages could not be read; see the log",
        (_, true, _) if view.window.complete(Side::Newer) => " No messages yet. Write the first one below.",
        _ => "",
    };
    put(frame.buffer_mut(), area, 0, Line::from(span(model, Role::TextDim, text)));
}

fn draw_row(model: &Model, view: &ConversationView, row: Row, frame: &mut Frame<'_>, area: Rect, at: usize) {
    let width = usize::from(area.width);
    if let Row::Separator(separator) = row {
        return put(frame.buffer_mut(), area, at, separator_line(model, separator, width));
    }
    let Some(message) = row.message().and_then(|index| view.window.messages().get(index)) else { return };
    let laid = |n: usize| view.laid.lines.get(&message.position).and_then(|lines| lines.get(n));
    match row {
        Row::Line(_, n) => {
            if let Some(line) = laid(n) {
                put(frame.buffer_mut(), area, at, line);
            }
        }
        Row::End(_, n) => {
            if let Some(line) = laid(n) {
                put(frame.buffer_mut(), area, at, line);
            }
            let (width, line) = standing::beside(model, message, area.width);
            put(frame.buffer_mut(), Rect { x: area.right().saturating_sub(width), width, ..area }, at, line);
        }
        _ => put(frame.buffer_mut(), area, at, standing::below(model, message, area.width)),
    }
    if view.selected == Some(message.position) {
        select(model, frame, area, at);
    }
}

fn separator_line(model: &Model, separator: Separator, width: usize) -> Line<'static> {
    let (role, text) = match separator {
        Separator::Day(date) => (Role::MessageDay, format!(" {} ", date.strftime("%A, %-d %B %Y"))),
        Separator::Unread => (Role::MessageUnreadLine, " unread ".to_owned()),
    };
    let text = text::truncate_end(&text, width, model.ascii);
    let rest = width.saturating_sub(text::width(&text));
    let dash = super::glyph(model, "─", "-");
    let line = format!("{}{text}{}", dash.repeat(rest / 2), dash.repeat(rest - rest / 2));
    Line::styled(line, model.theme.style(role))
}

/// Marks a row of the selected message: by a bar as well as by colour.
fn select(model: &Model, frame: &mut Frame<'_>, area: Rect, at: usize) {
    let focused = matches!(model.focus, Focus::Conversation | Focus::Path);
    let role = if focused { Role::Selection } else { Role::SelectionInactive };
    let style = model.theme.style(role);
    let Some(y) = u16::try_from(at).ok().filter(|row| *row < area.height) else { return };
    let row = Rect { y: area.y + y, height: 1, ..area };
    frame.buffer_mut().set_style(row, style);
    if let Some(cell) = frame.buffer_mut().cell_mut((area.x, row.y)) {
        cell.set_symbol(super::glyph(model, "▌", ">"));
    }
}
