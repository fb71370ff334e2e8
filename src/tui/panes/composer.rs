//! The composer: its border tells how the next message goes.

use ratatui::{Frame, layout::Rect, text::Line, widgets::Widget};
use tui_textarea::ScreenCursor;

use super::{bordered, put, span, words};
use crate::{
    node::Peer,
    tui::{
        model::{Composer, Focus, Model},
        text,
        theme::Role,
        view::PaneRegion,
    },
    wire::{Conversation, Mode, limits},
};

/// From this share of a limit on the count is shown, in percent.
const NEAR_PERCENT: usize = 80;

/// Draws the composer of a pane.
pub(crate) fn draw(model: &Model, frame: &mut Frame<'_>, region: &PaneRegion) {
    let Some(conversation) = model.layout.panes.get(region.index).and_then(|pane| pane.conversation.as_ref()) else {
        return;
    };
    let Some(view) = model.views.get(conversation) else { return };
    if region.composer.height < 3 || region.composer.width < 4 {
        return;
    }
    let focused = region.index == model.layout.focused && model.focus == Focus::Composer;
    let mode = model.mode_for(conversation);
    // Broadcast asks nothing, but must not look like the ordinary way.
    let role = match (mode, focused) {
        (Mode::Failover, true) => Role::BorderFocused,
        (Mode::Failover, false) => Role::Border,
        (other, _) => words::mode_role(other),
    };
    let style = model.theme.style(role);
    let title = title(model, &view.composer, conversation, mode, usize::from(region.composer.width));
    let mut inner = bordered(model, frame.buffer_mut(), region.composer, title, style);
    if let Some(id) = view.composer.reply_to {
        let quoted = view.window.find(&id).map(|m| m.content.as_str().lines().next().unwrap_or_default().to_owned());
        let line = format!("answers: {}", quoted.unwrap_or_else(|| id.to_string()));
        let line = text::truncate_end(&line, usize::from(inner.width), model.ascii);
        put(frame.buffer_mut(), inner, 0, Line::from(span(model, Role::MessageQuote, line)));
        inner = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    }
    if inner.is_empty() {
        return;
    }
    if view.composer.size().0 == 0 {
        let hint = text::truncate_end("Type a message", usize::from(inner.width), model.ascii);
        put(frame.buffer_mut(), inner, 0, Line::from(span(model, Role::ComposerPlaceholder, hint)));
    } else {
        frame.buffer_mut().set_style(inner, model.theme.style(Role::ComposerText));
        view.composer.area().render(inner, frame.buffer_mut());
    }
    if focused && model.overlays.is_empty() {
        place_cursor(&view.composer, frame, inner);
    }
}

/// The terminal's own cursor: moving it costs a few bytes, a drawn one would cost two cells.
fn place_cursor(composer: &Composer, frame: &mut Frame<'_>, inner: Rect) {
    let ScreenCursor { row, col, .. } = composer.area().screen_cursor();
    let (top, left) = if composer.size().0 == 0 { (0, 0) } else { composer.area().scroll_offset() };
    let x = u16::try_from(col.saturating_sub(usize::from(left))).unwrap_or(u16::MAX).min(inner.width - 1);
    let y = u16::try_from(row.saturating_sub(usize::from(top))).unwrap_or(u16::MAX).min(inner.height - 1);
    frame.set_cursor_position((inner.x + x, inner.y + y));
}

fn title(model: &Model, composer: &Composer, conversation: &Conversation, mode: Mode, width: usize) -> Line<'static> {
    let way = words::way(mode, model.policy_for(conversation));
    let mut spans = vec![span(model, words::mode_role(mode), format!(" {way} "))];
    if let Some((word, role)) = words::urgency(composer.urgency) {
        spans.push(span(model, role, format!("{word} ")));
    }
    let (role, word) = encryption(model.peer_of(&conversation.peer));
    spans.push(span(model, role, format!("{word} ")));
    if let Some(limit) = near_limit(model, composer) {
        spans.push(span(model, Role::ComposerLimit, format!("{limit} ")));
    }
    Line::from(super::cut(model, spans, width.saturating_sub(2)))
}

/// Whether and to which key the message will be encrypted; nothing is ever sent in the clear.
fn encryption(peer: Option<&Peer>) -> (Role, String) {
    match peer {
        None => (Role::NoticeWarning, "unknown sender".to_owned()),
        Some(peer) if peer.conflict.is_some() => (Role::NoticeSecurity, "KEY CHANGED, not sending".to_owned()),
        Some(peer) if peer.blocked => (Role::PeerBlocked, "blocked, not sending".to_owned()),
        Some(peer) => match &peer.fingerprint {
            None => (Role::StateHeld, "no key: held until one is known".to_owned()),
            Some(key) => (Role::TextDim, format!("encrypted to {}", key.short())),
        },
    }
}

/// The count where the text comes near what a path or the program carries.
fn near_limit(model: &Model, composer: &Composer) -> Option<String> {
    let (bytes, chars) = composer.size();
    let near = |limit: usize| bytes.saturating_mul(100) >= limit.saturating_mul(NEAR_PERCENT);
    if near(limits::TEXT_BYTES) {
        return Some(format!("{chars} characters, {bytes} of {} bytes", limits::TEXT_BYTES));
    }
    let frames = model.health.transports.iter().map(|t| (&t.health.transport, t.health.capabilities.max_frame));
    let (transport, limit) = frames.filter(|(_, limit)| near(*limit)).min_by_key(|(_, limit)| *limit)?;
    Some(format!("{chars} characters, {transport} carries {}", text::human_bytes(limit as u64)))
}
