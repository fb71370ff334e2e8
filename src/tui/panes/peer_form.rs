//! The form for a new peer.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{foot, picker, put, span, window};
use crate::{
    tui::{
        command::Cmd,
        keymap::Context,
        model::{Model, PeerForm},
        text,
        theme::Role,
    },
    wire::SafeText,
};

/// What a field wants, below them.
const HINTS: [&str; 4] = [
    "what you call the peer",
    "agent@operator.realm, may be empty",
    "a file, or the armored text pasted; messages are held until it is known",
    "transport=address, parted by blanks: tcp=host:9999 file=/srv/shared; going on from here adds the peer",
];

/// Columns and rows of the window.
const SIZE: (u16, u16) = (78, 12);

/// Draws the form.
pub(crate) fn draw(model: &Model, form: &PeerForm, frame: &mut Frame<'_>, area: Rect) {
    let can = [(Cmd::ListUp, "before"), (Cmd::ListAccept, "next"), (Cmd::NavBack, "back")];
    let foot = foot(model, Context::Picker, Vec::new(), &can, SIZE.0.min(area.width));
    let inner = window(model, frame, area, SIZE, "New peer", foot);
    for (n, (label, field)) in PeerForm::LABELS.iter().zip(&form.fields).enumerate() {
        let mark = format!("{} {label:<12} ", if n == form.field { ">" } else { " " });
        if n != form.field {
            let room = usize::from(inner.width).saturating_sub(text::width(&mark));
            let value = text::truncate_end(&field.text(), room, model.ascii);
            let line = Line::from(vec![span(model, Role::TextDim, mark), span(model, Role::Overlay, value)]);
            put(frame.buffer_mut(), inner, n, line);
        } else {
            picker::input_line(model, &mark, field, frame, inner, n);
        }
    }
    // What is wrong comes before what is wanted: there may not be room for both.
    let hint = HINTS.get(form.field).copied().unwrap_or_default();
    let told = form.error.as_deref().map(|error| (Role::NoticeError, error)).into_iter().chain([(Role::TextDim, hint)]);
    let mut row = form.fields.len() + usize::from(inner.height > 6);
    for (role, text) in told {
        let text = SafeText::line(&format!(" {text}"));
        for line in text::layout_plain(&text, inner.width.max(1), model.theme.style(role)) {
            put(frame.buffer_mut(), inner, row, line);
            row += 1;
        }
    }
}
