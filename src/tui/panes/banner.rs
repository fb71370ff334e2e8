//! The banner of a key conflict: as wide as the screen, until it is decided.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{put, span};
use crate::tui::{command::Cmd, keymap::Context, model::Model, text, theme::Role};

/// Draws the banner.
pub(crate) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    frame.buffer_mut().set_style(area, model.theme.style(Role::Banner));
    let conflicts: Vec<_> = model.conflicts().collect();
    let Some(peer) = conflicts.first() else { return };
    let more = if conflicts.len() > 1 { format!(" (and {} more)", conflicts.len() - 1) } else { String::new() };
    let short = |key: Option<crate::wire::Fingerprint>| key.map_or_else(|| "none".to_owned(), |key| key.short());
    let key = |cmd: &Cmd| model.keymap.key_in(Context::Trust, cmd).unwrap_or_else(|| format!(":{}", cmd.name()));
    let lines = [
        format!(
            " KEY CHANGED: {}{more}: {} -> {}. Nothing is sent until you decide.",
            peer.name,
            short(peer.fingerprint),
            short(peer.conflict)
        ),
        format!(
            " Ask {0} another way. :{1} {0} shows both, {2} keeps the old key, {3} takes the new one.",
            peer.name,
            Cmd::TrustOpen(None).name(),
            key(&Cmd::ConflictReject),
            key(&Cmd::ConflictAccept)
        ),
    ];
    for (row, line) in lines.iter().enumerate() {
        let line = text::truncate_end(line, usize::from(area.width), model.ascii);
        put(frame.buffer_mut(), area, row, Line::from(span(model, Role::Banner, line)));
    }
}
