//! The help: made from the command table and the active keymap, so that it is never wrong.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{sheet, span};
use crate::tui::{
    command::{self, CommandSpec},
    keymap::{Context, show_keys},
    model::{Focus, Model},
    text,
    theme::Role,
};

/// Columns of the help.
const WIDTH: u16 = 92;

/// Draws the help.
pub(crate) fn draw(model: &Model, keys: bool, top: usize, frame: &mut Frame<'_>, area: Rect) {
    let width = usize::from(WIDTH.min(area.width).saturating_sub(2));
    let (name, lines) = if keys { ("Keys", all_keys(model, width)) } else { ("Help", overview(model, width)) };
    let size = (WIDTH, area.height.saturating_sub(2).max(10));
    sheet::draw(model, &sheet::Sheet { name, top, size }, &lines, frame, area);
}

/// What the keys do here, then every command.
fn overview(model: &Model, width: usize) -> Vec<Line<'static>> {
    let here = match model.focus {
        Focus::Peers => Context::Peers,
        Focus::Conversation => Context::Conversation,
        Focus::Composer => Context::Composer,
        Focus::Health => Context::Health,
        Focus::Path => Context::Path,
    };
    let mut lines = Vec::new();
    for context in here.chain() {
        bindings(model, *context, width, &mut lines);
    }
    heading(model, "Every command (run it by name with the palette)", &mut lines);
    for spec in command::table() {
        lines.push(entry(model, &keys_of(model, spec), &spec.usage(), spec.doc, width));
    }
    lines
}

fn all_keys(model: &Model, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for context in Context::ALL {
        bindings(model, context, width, &mut lines);
    }
    lines
}

fn heading(model: &Model, text: &str, lines: &mut Vec<Line<'static>>) {
    if !lines.is_empty() {
        lines.push(Line::default());
    }
    lines.push(Line::from(span(model, Role::TextStrong, text.to_owned())));
}

fn bindings(model: &Model, context: Context, width: usize, lines: &mut Vec<Line<'static>>) {
    let mut found = model.keymap.bindings(context).peekable();
    if found.peek().is_none() {
        return;
    }
    heading(model, context.title(), lines);
    for binding in found {
        lines.push(entry(model, &show_keys(&binding.keys), &binding.desc, binding.cmd.name(), width));
    }
}

fn keys_of(model: &Model, spec: &CommandSpec) -> String {
    let cmd = spec.runs_bare().then(|| command::parse(spec.name).ok()).flatten();
    cmd.and_then(|cmd| model.keymap.keys_for(&cmd).into_iter().next()).map(|(_, keys)| keys).unwrap_or_default()
}

fn entry(model: &Model, keys: &str, what: &str, note: &str, width: usize) -> Line<'static> {
    let pad = |text: &str, to: usize| format!("{text}{} ", " ".repeat(to.saturating_sub(text::width(text))));
    let spans = vec![
        span(model, Role::StatusKey, format!(" {}", pad(keys, 14))),
        span(model, Role::Overlay, pad(what, 34)),
        span(model, Role::TextDim, note.to_owned()),
    ];
    Line::from(super::cut(model, spans, width))
}
