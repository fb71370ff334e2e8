//! How a message stands: at the right end of its last line where there is room, else on a line below. The text itself
//! has the whole width, and a selection with the mouse holds nothing else but on that line.

use ratatui::text::{Line, Span};

use super::{ends, message, span, words};
use crate::{
    node::Message,
    tui::{model::Model, text, theme::Role},
};

/// Columns that part it from the text.
const GAP: usize = 2;

/// How a message stands, in its colours.
fn spans(model: &Model, message: &Message) -> Vec<Span<'static>> {
    if message.incoming() {
        return received(model, message);
    }
    let (role, text) = words::state(model, message, model.ledger.get(&message.envelope_id));
    vec![span(model, role, text)]
}

/// Which way a message came, that its signature is good, how far its sender is trusted, and whether it was late.
fn received(model: &Model, message: &Message) -> Vec<Span<'static>> {
    let mut spans = Vec::new();
    if message.late {
        spans.push(span(model, Role::MessageLate, "late "));
    }
    spans.push(span(model, Role::MessageVia, words::paths(&message.paths)));
    spans.push(span(model, Role::MessageVia, super::glyph(model, " ✓", " v")));
    spans.push(span(model, words::trust_role(message.trust), words::trust_letter(message.trust)));
    spans
}

fn width_of(spans: &[Span<'_>]) -> usize {
    spans.iter().map(|span| text::width(&span.content)).sum()
}

/// Whether it has room behind the last line of the text in a pane of `width` columns.
pub(crate) fn fits_beside(model: &Model, message: &Message, last: Option<&Line<'_>>, width: u16) -> bool {
    let used = last.map_or(0, |line| width_of(&line.spans));
    used + GAP + width_of(&spans(model, message)) <= usize::from(width)
}

/// The end of a message's last line.
pub(crate) fn beside(model: &Model, message: &Message, width: u16) -> (u16, Line<'static>) {
    let spans = spans(model, message);
    let wide = u16::try_from(width_of(&spans)).unwrap_or(u16::MAX).min(width);
    (wide, Line::from(spans))
}

/// The line below a message.
pub(crate) fn below(model: &Model, message: &Message, width: u16) -> Line<'static> {
    let spans = spans(model, message);
    let room = usize::from(width);
    if message.incoming() {
        return ends(model, Vec::new(), spans, room);
    }
    // Where it is long, it may begin further to the left: what is said matters more than where.
    let most = message::indent(width, &model.name_of(&message.peer));
    let indent = room.saturating_sub(width_of(&spans)).clamp(1.min(most), most);
    let mut line = vec![Span::raw(" ".repeat(indent))];
    line.extend(super::cut(model, spans, room.saturating_sub(indent)));
    Line::from(line)
}
