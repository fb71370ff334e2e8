//! What is not yet delivered.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{foot, list_top, message, put, span, window, words};
use crate::{
    node::Message,
    tui::{command::Cmd, keymap::Context, model::Model, text, theme::Role},
};

/// Columns and rows of the window.
const SIZE: (u16, u16) = (100, 22);

/// Draws the queue.
pub(crate) fn draw(model: &Model, messages: Option<&[Message]>, selected: usize, frame: &mut Frame<'_>, area: Rect) {
    let can = [(Cmd::ListAccept, "go there"), (Cmd::NavBack, "back")];
    let foot = foot(model, Context::List, Vec::new(), &can, SIZE.0.min(area.width));
    let inner = window(model, frame, area, SIZE, "Not yet delivered", foot);
    let Some(messages) = messages else {
        return put(frame.buffer_mut(), inner, 0, Line::from(span(model, Role::TextDim, "Asking")));
    };
    if messages.is_empty() {
        let line = Line::from(span(model, Role::TextDim, "Everything is delivered"));
        return put(frame.buffer_mut(), inner, 0, line);
    }
    let height = usize::from(inner.height);
    let top = list_top(selected, messages.len(), height);
    let width = usize::from(inner.width);
    for (n, waiting) in messages.iter().skip(top).take(height).enumerate() {
        put(frame.buffer_mut(), inner, n, line(model, waiting, width));
        if top + n == selected {
            let y = inner.y + u16::try_from(n).unwrap_or(0);
            frame.buffer_mut().set_style(Rect { y, height: 1, ..inner }, model.theme.style(Role::Selection));
        }
    }
}

fn line(model: &Model, waiting: &Message, width: usize) -> Line<'static> {
    let (role, state) = words::state(model, waiting, model.ledger.get(&waiting.envelope_id));
    let time = message::clock(waiting.timestamp, &model.zone);
    let first = waiting.content.as_str().lines().next().unwrap_or_default();
    let to = text::truncate_end(waiting.to.as_str(), 12, model.ascii);
    let spans = vec![
        span(model, Role::MessageTime, format!("{time} ")),
        span(model, Role::PeerName, format!("{to} ")),
        span(model, role, format!("{}  ", text::truncate_end(&state, width / 2, model.ascii))),
        span(model, Role::TextDim, first.to_owned()),
    ];
    Line::from(super::cut(model, spans, width))
}
