//! The status line, and the node at a glance.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    ends, put,
    sheet::{self, Sheet},
    span, words,
};
use crate::tui::{
    command::Cmd,
    keymap::Context,
    model::{Focus, Model},
    text,
    theme::Role,
};

/// Below this many columns the own name is left out.
const NARROW: u16 = 60;

/// Draws the status line.
pub(crate) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    frame.buffer_mut().set_style(area, model.theme.style(Role::Status));
    let mut left = vec![Span::raw(" ")];
    match &model.status {
        Some(status) => {
            // Where there is little room, what changes goes before what one knows.
            if area.width >= NARROW {
                let name = status.fqid.as_ref().unwrap_or(&status.name);
                left.push(span(model, Role::StatusStrong, format!("{name}  ")));
            }
            let waiting = status.queued;
            if waiting > 0 {
                left.push(span(model, Role::StateQueued, format!("queue {waiting}  ")));
            }
        }
        None => left.push(span(model, Role::Status, "starting  ")),
    }
    if model.gone {
        left.push(span(model, Role::NoticeError, "NODE STOPPED  "));
    }
    if let Some(conversation) = model.current() {
        let mode = model.mode_for(conversation);
        let way = words::way(mode, model.policy_for(conversation));
        left.push(span(model, words::mode_role(mode), format!("{way}  ")));
    }
    let unread = model.unread();
    if unread > 0 {
        left.push(span(model, Role::Unread, format!("{unread} unread")));
        left.push(Span::raw("  "));
    }
    let right = if model.pending_keys.is_empty() { keys(model, usize::from(area.width)) } else { pending(model) };
    put(frame.buffer_mut(), area, 0, ends(model, left, right, usize::from(area.width)));
}

fn pending(model: &Model) -> Vec<Span<'static>> {
    let more = super::glyph(model, "…", "..");
    vec![span(model, Role::StatusKey, format!("{} {more} ", crate::tui::keymap::show_keys(&model.pending_keys)))]
}

/// The keys that matter most here, as many as fit into half the line.
fn keys(model: &Model, width: usize) -> Vec<Span<'static>> {
    let (context, near): (Context, &[(Cmd, &str)]) = match model.focus {
        Focus::Composer => {
            (Context::Composer, &[(Cmd::ComposerSend, "send"), (Cmd::ModeCycle, "mode"), (Cmd::PolicyCycle, "policy")])
        }
        Focus::Conversation => (Context::Conversation, &[(Cmd::MessageReply, "reply"), (Cmd::MessagePath, "path")]),
        Focus::Peers => (Context::Peers, &[(Cmd::ListAccept, "open"), (Cmd::TrustOpen(None), "trust")]),
        Focus::Health => {
            (Context::Health, &[(Cmd::TransportToggle(None), "on/off"), (Cmd::TransportProbe(None), "probe")])
        }
        Focus::Path => (Context::Path, &[(Cmd::NavBack, "back")]),
    };
    let everywhere = [(Cmd::HelpShow, "help"), (Cmd::PaletteOpen, "commands"), (Cmd::SwitcherOpen, "go to")];
    let mut spans = Vec::new();
    let mut used = 0;
    for (cmd, word) in everywhere.iter().chain(near) {
        let Some(key) = model.keymap.key_in(context, cmd) else { continue };
        let wide = text::width(&key) + text::width(word) + 3;
        if used + wide > width / 2 {
            break;
        }
        used += wide;
        spans.push(span(model, Role::StatusKey, key));
        spans.push(span(model, Role::Status, format!(" {word}  ")));
    }
    spans
}

/// The node at a glance.
pub(crate) fn sheet(model: &Model, top: usize, area: Rect) -> Sheet {
    const SIZE: (u16, u16) = (72, 22);
    let width = usize::from(SIZE.0.min(area.width).saturating_sub(2));
    let lines = match &model.status {
        None => vec![Line::from(span(model, Role::TextDim, "Not known yet"))],
        Some(status) => lines(model, status, width),
    };
    Sheet { name: "Node".to_owned(), top, size: SIZE, lines, can: Vec::new() }
}

fn lines(model: &Model, status: &crate::node::Status, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut tell = |name: &str, text: String| lines.extend(sheet::pair(model, Role::Overlay, name, &text, width));
    tell("name", status.name.to_string());
    if let Some(fqid) = &status.fqid {
        tell("FQID", fqid.to_string());
    }
    tell("fingerprint", status.fingerprint.grouped());
    tell("running for", words::countdown(status.uptime_ms));
    tell("process", status.pid.to_string());
    tell("queued", status.queued.to_string());
    tell("held", status.held.to_string());
    tell("unread", status.unread.to_string());
    tell("duplicates", format!("{} dropped", status.duplicates));
    for (kind, count) in &status.refused {
        tell("refused", format!("{count} {}", crate::wire::SafeText::line(kind)));
    }
    for warning in &status.warnings {
        lines.extend(sheet::pair(model, Role::NoticeWarning, "! warning", warning.as_str(), width));
    }
    lines
}
