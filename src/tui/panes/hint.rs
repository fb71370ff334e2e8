//! The line at the top of the demonstration: what to press to see a failover.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{cut, put, span};
use crate::tui::{command::Cmd, keymap::Context, model::Model, theme::Role};

/// Draws the line.
pub(crate) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    frame.buffer_mut().set_style(area, model.theme.style(Role::Status));
    let key = |cmd: &Cmd| model.keymap.key_in(Context::Composer, cmd).unwrap_or_else(|| format!(":{}", cmd.name()));
    let mut spans = vec![span(model, Role::StatusStrong, " Demo  ")];
    // What is out comes first: on a narrow screen the rest is cut.
    if !model.knocked.is_empty() {
        let out: Vec<&str> = model.knocked.iter().map(|id| id.as_str()).collect();
        spans.push(span(model, Role::HealthDown, format!("out: {}", out.join(", "))));
        spans.push(span(model, Role::Status, "  "));
    }
    let mut tell = |key: String, word: &str| {
        spans.push(span(model, Role::StatusKey, key));
        spans.push(span(model, Role::Status, format!(" {word}  ")));
    };
    let (knock, revive) =
        ((Cmd::DemoKnock(None), "knocks the first path out"), (Cmd::DemoRevive(None), "brings it back"));
    let actions = if model.knocked.is_empty() { [knock, revive] } else { [revive, knock] };
    for (cmd, word) in actions.into_iter().chain([(Cmd::ModeCycle, "changes the mode")]) {
        tell(key(&cmd), word);
    }
    put(frame.buffer_mut(), area, 0, Line::from(cut(model, spans, usize::from(area.width))));
}
