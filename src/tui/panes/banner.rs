//! The banner of a key conflict: as wide as the screen, until it is decided.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{put, span};
use crate::tui::{command::Cmd, keymap::Context, model::Model, text, theme::Role, update};

/// Draws the banner.
pub(crate) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    frame.buffer_mut().set_style(area, model.theme.style(Role::Banner));
    let conflicts: Vec<_> = model.conflicts().collect();
    let Some(peer) = conflicts.first() else { return };
    let more = if conflicts.len() > 1 { format!(" (and {} more)", conflicts.len() - 1) } else { String::new() };
    let short = |key: Option<crate::wire::Fingerprint>| key.map_or_else(|| "none".to_owned(), |key| key.short());
    let key = |context, cmd: &Cmd| model.keymap.key_in(context, cmd).unwrap_or_else(|| format!(":{}", cmd.name()));
    let name = &peer.name;
    let palette = key(update::context(model), &Cmd::PaletteOpen);
    let open = format!("{palette} {} {name}", Cmd::TrustOpen(None).name());
    let (old, new) = (short(peer.fingerprint), short(peer.conflict));
    let (keep, take) = (key(Context::Trust, &Cmd::ConflictReject), key(Context::Trust, &Cmd::ConflictAccept));
    // Each line in its longest form that fits.
    let lines: [&[String]; 2] = [
        &[
            format!(" KEY CHANGED: {name}{more}: {old} -> {new}. Nothing is sent until you decide."),
            format!(" KEY CHANGED: {name}{more}: nothing is sent"),
            format!(" KEY CHANGED: {name}"),
        ],
        &[
            format!(" Ask {name} another way, then {open}: there {keep} keeps the old key, {take} takes the new one."),
            format!(" Ask {name} another way, then {open}: {keep} keeps, {take} takes it."),
            format!(" {open}"),
        ],
    ];
    for (row, forms) in lines.iter().enumerate() {
        let width = usize::from(area.width);
        let fits = forms.iter().find(|line| text::width(line) <= width).or(forms.last());
        let line = text::truncate_end(fits.map_or("", String::as_str), width, model.ascii);
        put(frame.buffer_mut(), area, row, Line::from(span(model, Role::Banner, line)));
    }
}
