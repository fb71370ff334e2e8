//! The palette and the switcher: lists that are narrowed by typing.

use super::{Effects, commands, conversation};
use crate::tui::{
    command::{self, ArgKind, Cmd, CommandError, CommandSpec},
    fuzzy::{Fuzzy, Match},
    keymap::{PRESETS as KEYMAPS, show_keys},
    model::{Focus, Input, Model, Overlay, Picker, PickerAction, PickerItem},
    theme::PRESETS as THEMES,
};

/// Most lines of a picker.
const ITEMS_MOST: usize = 200;

/// Opens the palette, with a beginning of a command if there is one.
pub(super) fn open_palette(model: &mut Model, text: &str) {
    model.overlays.retain(|overlay| !matches!(overlay, Overlay::Palette(_) | Overlay::Switcher(_)));
    model.overlays.push(Overlay::Palette(Picker { input: Input::new(text), ..Picker::default() }));
    narrow(model);
}

/// Opens the switcher.
pub(super) fn open_switcher(model: &mut Model) {
    model.overlays.retain(|overlay| !matches!(overlay, Overlay::Palette(_) | Overlay::Switcher(_)));
    model.overlays.push(Overlay::Switcher(Picker::default()));
    narrow(model);
}

/// What is typed changed: the list is made anew.
pub(super) fn narrow(model: &mut Model) {
    let Some(overlay) = model.overlays.last() else { return };
    let (items, hint) = match overlay {
        Overlay::Palette(picker) => palette(model, picker.input.text().trim_start_matches(':').trim_start()),
        Overlay::Switcher(picker) => (ranked(&picker.input.text(), conversations(model), false), None),
        _ => return,
    };
    if let Some(Overlay::Palette(picker) | Overlay::Switcher(picker)) = model.overlays.last_mut() {
        (picker.items, picker.hint, picker.selected) = (items, hint, 0);
    }
}

/// Enter: runs the typed command, or the selected line.
pub(super) fn accept(model: &mut Model, out: &mut Effects) {
    let Some(Overlay::Palette(picker) | Overlay::Switcher(picker)) = model.overlays.last() else { return };
    let chosen = picker.items.get(picker.selected).map(|item| item.action.clone());
    let typed = matches!(model.overlays.last(), Some(Overlay::Palette(_)))
        .then(|| command::parse(picker.input.text().trim_start_matches(':')));
    let action = match (chosen, typed) {
        (None, Some(Ok(cmd))) => Some(PickerAction::Run(cmd)),
        (None, Some(Err(error))) => {
            set_hint(model, error.to_string());
            None
        }
        (chosen, _) => chosen,
    };
    match action {
        Some(PickerAction::Run(cmd)) => {
            model.overlays.pop();
            commands::run(model, &cmd, out);
        }
        Some(PickerAction::Fill(text)) => {
            if let Some(Overlay::Palette(picker)) = model.overlays.last_mut() {
                picker.input = Input::new(&text);
            }
            narrow(model);
        }
        Some(PickerAction::Open(conversation)) => {
            model.overlays.pop();
            conversation::open(model, &conversation, out);
            model.focus = Focus::Composer;
        }
        Some(PickerAction::Peer(name)) => {
            model.overlays.pop();
            commands::open_trust(model, Some(&name));
        }
        None => {}
    }
}

/// Tab: takes the selected line into the input; in a form it goes to the next field.
pub(super) fn complete(model: &mut Model) {
    match model.overlays.last_mut() {
        Some(Overlay::Palette(picker)) => {
            let text = picker.items.get(picker.selected).map(|item| match &item.action {
                PickerAction::Run(cmd) => cmd.to_string(),
                PickerAction::Fill(text) => text.clone(),
                PickerAction::Open(_) | PickerAction::Peer(_) => item.label.clone(),
            });
            if let Some(text) = text {
                picker.input = Input::new(&text);
            }
            narrow(model);
        }
        Some(Overlay::PeerForm(form)) => form.field = (form.field + 1) % form.fields.len(),
        _ => {}
    }
}

fn set_hint(model: &mut Model, text: String) {
    if let Some(Overlay::Palette(picker)) = model.overlays.last_mut() {
        picker.hint = Some(text);
    }
}

/// The palette's lines: commands by name and purpose; once a command is whole, what its argument can be.
fn palette(model: &Model, text: &str) -> (Vec<PickerItem>, Option<String>) {
    let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
    if let Some(spec) = command::find(name).filter(|_| text.contains(' ')) {
        return arguments(model, spec, text, rest);
    }
    let bound = model.keymap.shortest();
    let items = command::table().iter().map(|spec| {
        let cmd = spec.runs_bare().then(|| command::parse(spec.name).ok()).flatten();
        let keys = cmd.as_ref().and_then(|cmd| bound.get(cmd)).map(|binding| show_keys(&binding.keys));
        let action = cmd.map_or_else(|| PickerAction::Fill(format!("{} ", spec.name)), PickerAction::Run);
        let (label, note) = (spec.usage(), spec.doc.to_owned());
        PickerItem { label, note, right: keys.unwrap_or_default(), action, matched: Vec::new() }
    });
    (ranked(text, items.collect(), true), None)
}

/// What can stand as the last argument of a command.
fn arguments(model: &Model, spec: &CommandSpec, text: &str, rest: &str) -> (Vec<PickerItem>, Option<String>) {
    if let Some(typed) = typed_path(text) {
        return paths(model, text, typed);
    }
    let index = rest.split_whitespace().count().saturating_sub(usize::from(!rest.ends_with(' ') && !rest.is_empty()));
    let word = if rest.ends_with(' ') { "" } else { rest.rsplit(' ').next().unwrap_or_default() };
    let head = &text[..text.len() - word.len()];
    let candidates = spec.args.get(index).map(|arg| candidates(model, arg.kind)).unwrap_or_default();
    let more = spec.args.len() > index + 1 && spec.args.get(index + 1).is_some_and(|arg| arg.required);
    let items = candidates.into_iter().filter_map(|label| {
        let word = if label.contains([' ', '"', '\\']) {
            format!("\"{}\"", label.replace('\\', "\\\\").replace('"', "\\\""))
        } else {
            label.clone()
        };
        let line = format!("{head}{word}");
        let action =
            if more { PickerAction::Fill(format!("{line} ")) } else { PickerAction::Run(command::parse(&line).ok()?) };
        Some(PickerItem { label, note: String::new(), right: String::new(), action, matched: Vec::new() })
    });
    let hint = match command::parse(text) {
        Ok(_) => Some(format!("Enter runs: {}", spec.usage())),
        Err(CommandError::Missing { expected, .. }) => Some(format!("{}: {expected}", spec.usage())),
        Err(error) => Some(error.to_string()),
    };
    (ranked(word, items.collect(), false), hint)
}

/// What is typed of a path, if the command takes one: without the quotation mark at its front.
pub(super) fn typed_path(text: &str) -> Option<&str> {
    let (name, rest) = text.split_once(' ')?;
    let takes_path = command::find(name)?.args.first()?.kind == ArgKind::Path;
    takes_path.then(|| rest.trim_start().trim_matches('"'))
}

/// The entries of the folder that is being typed: a file completes the command, a folder goes on to its own entries.
fn paths(model: &Model, text: &str, typed: &str) -> (Vec<PickerItem>, Option<String>) {
    let name = text.split(' ').next().unwrap_or_default();
    let folder = &typed[..typed.rfind('/').map_or(0, |slash| slash + 1)];
    let entries = model.listed.as_ref().filter(|(listed, _)| listed == folder).map(|(_, entries)| entries.as_slice());
    let items = entries.unwrap_or_default().iter().filter_map(|entry| {
        let whole = format!("{folder}{entry}");
        let quoted = format!("{name} \"{}\"", whole.replace('\\', "\\\\").replace('"', "\\\""));
        let action = match entry.ends_with('/') {
            true => PickerAction::Fill(format!("{name} {whole}")),
            false => PickerAction::Run(command::parse(&quoted).ok()?),
        };
        Some(PickerItem { label: safe(&whole), note: String::new(), right: String::new(), action, matched: Vec::new() })
    });
    let hint = "The path of a file; Tab completes, ~/ is your home folder".to_owned();
    (ranked(typed, items.collect(), false), Some(hint))
}

fn candidates(model: &Model, kind: ArgKind) -> Vec<String> {
    match kind {
        ArgKind::Peer => model.peers.iter().map(|peer| peer.name.as_str().to_owned()).collect(),
        ArgKind::Thread => {
            let peer = model.current().map(|c| c.peer);
            let threads = model.conversations.keys().filter(|c| Some(c.peer) == peer);
            threads.map(|c| c.thread_id.as_str().to_owned()).collect()
        }
        ArgKind::Transport => model.health.transports.iter().map(|t| t.health.transport.to_string()).collect(),
        ArgKind::Choice(words) => words.iter().map(|word| (*word).to_owned()).collect(),
        ArgKind::Theme => THEMES.iter().map(|(name, _)| (*name).to_owned()).collect(),
        ArgKind::Keymap => KEYMAPS.iter().map(|(name, _)| (*name).to_owned()).collect(),
        ArgKind::Date | ArgKind::Query | ArgKind::Path => Vec::new(),
    }
}

fn conversations(model: &Model) -> Vec<PickerItem> {
    let mut all: Vec<_> = model.conversations.values().collect();
    all.sort_by_key(|c| std::cmp::Reverse(c.last_at));
    let thread = |c: &crate::node::ConversationSummary| PickerItem {
        label: format!("{} / {}", model.name_of(&c.conversation.peer), safe(c.conversation.thread_id.as_str())),
        note: String::new(),
        right: if c.unread > 0 { format!("{} new", c.unread) } else { String::new() },
        action: PickerAction::Open(c.conversation.clone()),
        matched: Vec::new(),
    };
    let mut items: Vec<PickerItem> = all.into_iter().map(thread).collect();
    for peer in &model.peers {
        let name = peer.name.as_str().to_owned();
        let known = peer.fingerprint.is_some_and(|key| model.conversations.keys().any(|c| c.peer == key));
        if !known {
            let action = conversation::of_name(model, &name).map(PickerAction::Open);
            let note = if peer.fingerprint.is_none() { "no key yet" } else { "" };
            items.push(PickerItem {
                action: action.unwrap_or_else(|| PickerAction::Peer(name.clone())),
                label: name,
                note: note.to_owned(),
                right: String::new(),
                matched: Vec::new(),
            });
        }
    }
    items
}

fn safe(text: &str) -> String {
    crate::wire::SafeText::line(text).as_str().to_owned()
}

/// The lines that fit what is typed, best first. With `notes` the help line is looked at where the label does not fit.
fn ranked(text: &str, items: Vec<PickerItem>, notes: bool) -> Vec<PickerItem> {
    let mut fuzzy = Fuzzy::new();
    let by_label: Vec<Match> = fuzzy.rank(text, items.iter().map(|item| item.label.as_str()), ITEMS_MOST);
    let by_note = if notes && !text.is_empty() {
        fuzzy.rank(text, items.iter().map(|item| item.note.as_str()), ITEMS_MOST)
    } else {
        Vec::new()
    };
    let mut seen = vec![false; items.len()];
    let mut found = Vec::new();
    for (hit, in_label) in by_label.into_iter().map(|m| (m, true)).chain(by_note.into_iter().map(|m| (m, false))) {
        if std::mem::replace(&mut seen[hit.index], true) {
            continue;
        }
        let matched = if in_label { hit.ranges } else { Vec::new() };
        found.push(PickerItem { matched, ..items[hit.index].clone() });
    }
    found
}

/// Whether a command is worth a confirmation: what the table says.
pub(super) fn is_destructive(cmd: &Cmd) -> bool {
    command::find(cmd.name()).is_some_and(|spec| spec.destructive)
}
