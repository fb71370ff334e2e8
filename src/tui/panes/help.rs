//! The help: made from the command table and the active keymap, so that it is never wrong.

use std::collections::BTreeMap;

use ratatui::{layout::Rect, text::Line};

use super::{
    sheet::{self, Sheet},
    span,
};
use crate::tui::{
    command::{self, Cmd, CommandSpec},
    keymap::{Binding, Context, show_keys},
    model::{Focus, Model},
    text,
    theme::Role,
};

/// Columns of the help.
const WIDTH: u16 = 92;

/// From so many columns on an entry is one line.
const ONE_LINE: usize = 70;

/// The help, or every key.
pub(crate) fn sheet(model: &Model, keys: bool, top: usize, area: Rect) -> Sheet {
    let width = usize::from(WIDTH.min(area.width).saturating_sub(2));
    let (name, lines) = if keys { ("Keys", all_keys(model, width)) } else { ("Help", overview(model, width)) };
    let size = (WIDTH, area.height.saturating_sub(2).max(10));
    let can = if keys { Vec::new() } else { vec![(Cmd::HelpKeys, "all keys")] };
    Sheet { name: name.to_owned(), top, size, lines, can }
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
    signs(model, width, &mut lines);
    heading(model, "Every command (run it by name with the palette)", &mut lines);
    let bound = model.keymap.shortest();
    for spec in command::table() {
        lines.extend(entry(model, &keys_of(&bound, spec), &spec.usage(), spec.doc, width));
    }
    lines
}

/// What the signs on the screen mean.
fn signs(model: &Model, width: usize, lines: &mut Vec<Line<'static>>) {
    let sign = |unicode, ascii| super::glyph(model, unicode, ascii);
    heading(model, "Signs", lines);
    for (sign, meaning) in [
        (sign("●", "*"), "a peer that was heard of just now"),
        (sign("○", "o"), "a peer that was not"),
        ("? V T S", "how far a peer is trusted: untrusted, verified, trusted, sovereign"),
        (sign("✓V", "vV"), "signature good, by a key that was verified then; before it the path"),
        (sign("…", ".."), "your message waits: when it is tried next, and why"),
        (sign("→", ">"), "a transport has your message in hand"),
        (sign("✓", "v"), "the next hop has your message; the peer may not"),
        (sign("✓✓", "vv"), "the peer has your message and said so; by which path, after how long"),
        (sign("✗", "x"), "your message was given up, or its time passed"),
        ("o ! x", "a transport that works, has trouble, is down"),
        ("~ -", "a transport that starts, is switched off"),
    ] {
        lines.extend(sheet::pair(model, Role::Overlay, sign, meaning, width));
    }
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
        let name = if width < ONE_LINE { "" } else { binding.cmd.name() };
        lines.extend(entry(model, &show_keys(&binding.keys), &binding.desc, name, width));
    }
}

fn keys_of(bound: &BTreeMap<&Cmd, &Binding>, spec: &CommandSpec) -> String {
    let cmd = spec.runs_bare().then(|| command::parse(spec.name).ok()).flatten();
    cmd.and_then(|cmd| bound.get(&cmd)).map(|binding| show_keys(&binding.keys)).unwrap_or_default()
}

/// Keys, what they do, and more about it; where there is little room, that on lines of its own.
fn entry(model: &Model, keys: &str, what: &str, note: &str, width: usize) -> Vec<Line<'static>> {
    if width < ONE_LINE {
        let mut lines = sheet::pair(model, Role::Overlay, keys, what, width);
        if !note.is_empty() {
            lines.extend(sheet::pair(model, Role::TextDim, "", note, width));
        }
        return lines;
    }
    let pad = |text: &str, to: usize| format!("{text}{} ", " ".repeat(to.saturating_sub(text::width(text))));
    let spans = vec![
        span(model, Role::StatusKey, format!(" {}", pad(keys, 14))),
        span(model, Role::Overlay, pad(what, 34)),
        span(model, Role::TextDim, note.to_owned()),
    ];
    vec![Line::from(super::cut(model, spans, width))]
}
