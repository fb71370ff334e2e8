//! Keymaps: which keys run which command where.
//!
//! The presets in `keymaps/` are complete, commented files and the single source of defaults; a user's file
//! is a patch over one of them. A key is looked up in the context that has the focus, then in the contexts
//! it falls back to ([`Context::chain`]).

mod docs;
mod key;
mod load;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crossterm::event::KeyEvent;

pub use docs::render_markdown;
pub use key::{Code, Key, KeyError, Named, parse_keys, show_keys};
pub use load::PRESETS;

use super::command::Cmd;

/// Where keys mean something. The names are those of the tables in the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Context {
    /// Everywhere; the last resort of every other context.
    Global,
    /// What all lists and read-only views share: up, down, pages.
    List,
    /// The peers and threads.
    Peers,
    /// A conversation's messages.
    Conversation,
    /// The text being written. Characters type.
    Composer,
    /// The transports.
    Health,
    /// The path view.
    Path,
    /// The palette, the switcher, the search and every other prompt. Characters type.
    Picker,
    /// The trust panel.
    Trust,
    /// The files on their way.
    Files,
    /// The log view.
    Log,
    /// The help, a card and other read-only overlays.
    Help,
    /// A question that wants yes or no.
    Confirm,
}

impl Context {
    /// All contexts, in the order of the help.
    pub const ALL: [Self; 13] = [
        Self::Global,
        Self::List,
        Self::Peers,
        Self::Conversation,
        Self::Composer,
        Self::Health,
        Self::Path,
        Self::Picker,
        Self::Trust,
        Self::Files,
        Self::Log,
        Self::Help,
        Self::Confirm,
    ];

    /// The table's name in a keymap file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::List => "list",
            Self::Peers => "peers",
            Self::Conversation => "conversation",
            Self::Composer => "composer",
            Self::Health => "health",
            Self::Path => "path",
            Self::Picker => "picker",
            Self::Trust => "trust",
            Self::Files => "files",
            Self::Log => "log",
            Self::Help => "help",
            Self::Confirm => "confirm",
        }
    }

    /// What the help calls it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Global => "Everywhere",
            Self::List => "Lists",
            Self::Peers => "Peers",
            Self::Conversation => "Conversation",
            Self::Composer => "Composer",
            Self::Health => "Transports",
            Self::Path => "Path view",
            Self::Picker => "Prompts",
            Self::Trust => "Trust panel",
            Self::Files => "Files",
            Self::Log => "Log",
            Self::Help => "Help and cards",
            Self::Confirm => "Questions",
        }
    }

    /// Where a key is looked up, in order.
    pub fn chain(self) -> &'static [Self] {
        match self {
            Self::Global => &[Self::Global],
            Self::List => &[Self::List, Self::Global],
            Self::Peers => &[Self::Peers, Self::List, Self::Global],
            Self::Conversation => &[Self::Conversation, Self::Global],
            Self::Composer => &[Self::Composer, Self::Global],
            Self::Health => &[Self::Health, Self::List, Self::Global],
            Self::Path => &[Self::Path, Self::List, Self::Global],
            Self::Picker => &[Self::Picker, Self::Global],
            Self::Trust => &[Self::Trust, Self::List, Self::Global],
            Self::Files => &[Self::Files, Self::List, Self::Global],
            Self::Log => &[Self::Log, Self::List, Self::Global],
            Self::Help => &[Self::Help, Self::List, Self::Global],
            // A question must not be walked around by a global key.
            Self::Confirm => &[Self::Confirm],
        }
    }

    /// Whether characters type here and are never looked up (unless they go on with a prefix).
    pub fn types(self) -> bool {
        matches!(self, Self::Composer | Self::Picker)
    }
}

/// One binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The keys, at least one.
    pub keys: Vec<Key>,
    /// What they run.
    pub cmd: Cmd,
    /// What the which-key popup and the help say.
    pub desc: String,
}

/// A key that would go on with what was pressed, for the which-key popup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The key to press next, such as `u`.
    pub keys: String,
    /// What it does; for a further prefix `+N` with the number of its bindings.
    pub desc: String,
}

/// What a key press led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A command is to be run.
    Run(Cmd),
    /// More keys are needed; these are possible.
    Pending(Vec<Hint>),
    /// Nothing is bound to these keys. A single one that types goes to the text field, if there is one.
    Unbound(Vec<Key>),
    /// Esc, or a key that is none (a release, a bare modifier): nothing is pending any more, nothing is to be done.
    Ignored,
}

/// A whole keymap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keymap {
    name: String,
    bindings: BTreeMap<Context, BTreeMap<Vec<Key>, Binding>>,
}

impl Keymap {
    /// Its name: the preset's, or the user's file stem.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes one key press. `pending` holds the keys of an unfinished sequence between calls; start with an
    /// empty one and empty it when the focus moves.
    pub fn feed(&self, pending: &mut Vec<Key>, context: Context, event: &KeyEvent) -> Outcome {
        let Some(key) = Key::from_event(event) else { return Outcome::Ignored };
        if pending.is_empty() && context.types() && key.typed().is_some() {
            return Outcome::Unbound(vec![key]);
        }
        if !pending.is_empty() && key == Key::named(Named::Esc) {
            pending.clear();
            return Outcome::Ignored;
        }
        pending.push(key);
        if let Some(binding) = self.lookup(context, pending) {
            pending.clear();
            return Outcome::Run(binding.cmd.clone());
        }
        match self.hints(context, pending) {
            hints if hints.is_empty() => Outcome::Unbound(std::mem::take(pending)),
            hints => Outcome::Pending(hints),
        }
    }

    /// The binding of a whole sequence. A longer sequence in a nearer context hides a shorter one in a
    /// context further away.
    fn lookup(&self, context: Context, keys: &[Key]) -> Option<&Binding> {
        for table in context.chain().iter().filter_map(|context| self.bindings.get(context)) {
            if let Some(binding) = table.get(keys) {
                return Some(binding);
            }
            if continued(table, keys).next().is_some() {
                return None;
            }
        }
        None
    }

    /// What can follow after `keys`, for the which-key popup.
    pub fn hints(&self, context: Context, keys: &[Key]) -> Vec<Hint> {
        let mut next: BTreeMap<Key, (String, usize)> = BTreeMap::new();
        for table in context.chain().iter().filter_map(|context| self.bindings.get(context)) {
            let nearer: Vec<Key> = next.keys().copied().collect();
            for binding in continued(table, keys) {
                let key = binding.keys[keys.len()];
                if nearer.contains(&key) {
                    continue;
                }
                let whole = binding.keys.len() == keys.len() + 1;
                let entry = next.entry(key).or_insert_with(|| (binding.desc.clone(), 0));
                entry.1 += usize::from(!whole);
            }
        }
        let hint = |(key, (desc, more)): (Key, (String, usize))| Hint {
            keys: key.to_string(),
            desc: if more == 0 { desc } else { format!("+{more}") },
        };
        next.into_iter().map(hint).collect()
    }

    /// The shortest binding of each command that has any, in whatever context.
    pub fn shortest(&self) -> BTreeMap<&Cmd, &Binding> {
        let mut found: BTreeMap<&Cmd, &Binding> = BTreeMap::new();
        for binding in self.bindings.values().flat_map(BTreeMap::values) {
            let known = found.entry(&binding.cmd).or_insert(binding);
            if binding.keys.len() < known.keys.len() {
                *known = binding;
            }
        }
        found
    }

    /// The keys that run `cmd` when `context` has the focus, the shortest; for labels such as "F1 help".
    pub fn key_in(&self, context: Context, cmd: &Cmd) -> Option<String> {
        let mut found: Vec<&Vec<Key>> = Vec::new();
        for near in context.chain() {
            let table = self.bindings.get(near).into_iter().flat_map(BTreeMap::values);
            let here = table.filter(|binding| binding.cmd == *cmd).map(|binding| &binding.keys);
            // A binding that a nearer context hides does not count.
            found.extend(here.filter(|keys| self.lookup(context, keys).is_some_and(|binding| binding.cmd == *cmd)));
        }
        let reachable = |keys: &&Vec<Key>| !(context.types() && keys[0].typed().is_some());
        found
            .into_iter()
            .filter(reachable)
            .min_by_key(|keys| (keys.len(), keys[0].alt, keys[0].ctrl))
            .map(|keys| show_keys(keys))
    }

    /// All bindings of one context (without those it falls back to), in the order of their keys.
    pub fn bindings(&self, context: Context) -> impl Iterator<Item = &Binding> {
        self.bindings.get(&context).into_iter().flat_map(BTreeMap::values)
    }
}

/// The bindings that begin with `keys` and go on.
fn continued<'a>(table: &'a BTreeMap<Vec<Key>, Binding>, keys: &'a [Key]) -> impl Iterator<Item = &'a Binding> {
    table
        .range::<[Key], _>((std::ops::Bound::Excluded(keys), std::ops::Bound::Unbounded))
        .take_while(move |(candidate, _)| candidate.starts_with(keys))
        .map(|(_, binding)| binding)
}
