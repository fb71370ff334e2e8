//! The form for a new peer.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{picker, put, span, window};
use crate::{
    tui::{
        model::{Model, PeerForm},
        text,
        theme::Role,
    },
    wire::SafeText,
};

/// What a field wants, below it.
const HINTS: [&str; 4] = [
    "what you call the peer",
    "agent@operator.realm, may be empty",
    "a file, or the armored text pasted; messages are held until it is known",
    "transport=address, parted by blanks: tcp=host:9999 file=/srv/shared",
];

/// Draws the form.
pub(crate) fn draw(model: &Model, form: &PeerForm, frame: &mut Frame<'_>, area: Rect) {
    let inner = window(model, frame, area, (78, 14), "New peer");
    for (n, (label, field)) in PeerForm::LABELS.iter().zip(&form.fields).enumerate() {
        let mark = format!("{} {label:<12} ", if n == form.field { ">" } else { " " });
        if n != form.field {
            let room = usize::from(inner.width).saturating_sub(text::width(&mark));
            let value = text::truncate_end(&field.text(), room, model.ascii);
            let line = Line::from(vec![span(model, Role::TextDim, mark), span(model, Role::Overlay, value)]);
            put(frame.buffer_mut(), inner, 2 * n, line);
        } else {
            picker::input_line(model, &mark, field, frame, inner, 2 * n);
        }
        let hint = format!("               {}", HINTS.get(n).copied().unwrap_or_default());
        put(frame.buffer_mut(), inner, 2 * n + 1, Line::from(span(model, Role::TextDim, hint)));
    }
    let last = "Enter goes on; in the last field it adds the peer";
    let (role, text) = form.error.as_deref().map_or((Role::TextDim, last), |error| (Role::NoticeError, error));
    let width = inner.width.max(1);
    for (n, line) in text::layout_plain(&SafeText::line(text), width, model.theme.style(role)).iter().enumerate() {
        put(frame.buffer_mut(), inner, 9 + n, line);
    }
}
