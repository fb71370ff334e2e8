//! Keys: first the keymap, then whatever text field has the focus.

use crossterm::event::KeyEvent;

use super::{Effects, commands, composer, forms, pickers, search};
use crate::tui::{
    keymap::{Code, Context, Key, Named, Outcome},
    model::{Focus, Input, Model, Overlay},
};

/// Where the keys mean something now.
pub(crate) fn context(model: &Model) -> Context {
    match model.overlays.last() {
        Some(Overlay::Palette(_) | Overlay::Switcher(_) | Overlay::Search(_) | Overlay::PeerForm(_)) => Context::Picker,
        Some(Overlay::Help { .. } | Overlay::Status { .. } | Overlay::Plan { .. }) => Context::Help,
        Some(Overlay::Transport { .. }) => Context::Health,
        Some(Overlay::Path { .. }) => Context::Path,
        Some(Overlay::Queue { .. }) => Context::List,
        Some(Overlay::Files { .. }) => Context::Files,
        Some(Overlay::Log(_)) => Context::Log,
        Some(Overlay::Trust { .. }) => Context::Trust,
        Some(Overlay::Confirm(_)) => Context::Confirm,
        None => match model.focus {
            Focus::Peers => Context::Peers,
            Focus::Conversation => Context::Conversation,
            Focus::Composer => Context::Composer,
            Focus::Health => Context::Health,
            Focus::Path => Context::Path,
        },
    }
}

/// A key was pressed.
pub(super) fn key(model: &mut Model, event: KeyEvent, out: &mut Effects) {
    let place = context(model);
    let outcome = model.keymap.feed(&mut model.pending_keys, place, &event);
    model.hints = match &outcome {
        Outcome::Pending(hints) => hints.clone(),
        _ => Vec::new(),
    };
    match outcome {
        Outcome::Run(cmd) => {
            model.pending_keys.clear();
            commands::run(model, &cmd, out);
        }
        Outcome::Unbound(keys) => {
            // Only a single key is for a text field; the rest of a sequence that led nowhere must not be typed.
            if let [key] = keys[..] {
                typed(model, key, event);
            }
        }
        Outcome::Pending(_) | Outcome::Ignored => {}
    }
}

/// Text was pasted: it goes to the text field that has the focus, else to the composer, and never sends or runs anything.
pub(super) fn paste(model: &mut Model, text: &str) {
    if model.overlays.is_empty() {
        if let Some(composer) = model.composer_mut() {
            composer.insert(text);
            composer::changed(model);
            model.focus = Focus::Composer;
        }
        return;
    }
    if let Some(input) = input(model) {
        input.insert(text);
        input_changed(model);
    }
}

/// A key that the keymap leaves alone.
fn typed(model: &mut Model, key: Key, event: KeyEvent) {
    if model.overlays.is_empty() {
        if model.focus == Focus::Composer
            && let Some(composer) = model.composer_mut()
            && composer.area_mut().input(event)
        {
            composer::changed(model);
        }
        return;
    }
    if let Some(input) = input(model)
        && edit(input, key)
    {
        input_changed(model);
    }
}

/// The text field of the topmost overlay.
fn input(model: &mut Model) -> Option<&mut Input> {
    match model.overlays.last_mut()? {
        Overlay::Palette(picker) | Overlay::Switcher(picker) => Some(&mut picker.input),
        Overlay::Search(search) => Some(&mut search.input),
        Overlay::PeerForm(form) => form.fields.get_mut(form.field),
        _ => None,
    }
}

fn input_changed(model: &mut Model) {
    let clock = model.clock;
    match model.overlays.last_mut() {
        Some(Overlay::Palette(_) | Overlay::Switcher(_)) => pickers::narrow(model),
        Some(Overlay::Search(found)) => search::typed(found, clock),
        Some(Overlay::PeerForm(_)) => forms::typed(model),
        _ => {}
    }
}

/// Edits a line of text; whether the text changed.
fn edit(input: &mut Input, key: Key) -> bool {
    if let Some(c) = key.typed() {
        input.insert(c.encode_utf8(&mut [0; 4]));
        return true;
    }
    match key.code {
        Code::Named(Named::Backspace) if key.ctrl || key.alt => input.delete_word(),
        Code::Named(Named::Backspace) => {
            input.backspace();
        }
        Code::Named(Named::Delete) => input.delete(),
        Code::Named(Named::Left) => input.left(),
        Code::Named(Named::Right) => input.right(),
        Code::Named(Named::Home) => input.home(),
        Code::Named(Named::End) => input.end(),
        Code::Char('w') if key.ctrl => input.delete_word(),
        Code::Char('u') if key.ctrl => input.delete_to_start(),
        Code::Char('a') if key.ctrl => input.home(),
        Code::Char('e') if key.ctrl => input.end(),
        _ => return false,
    }
    true
}
