//! Reading keymap files.

use std::{collections::BTreeMap, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Binding, Context, Key, Keymap, parse_keys, show_keys};
use crate::tui::{
    command::{self, Cmd},
    fuzzy,
    patch::{Problem, Reader},
};

/// The presets: name and file, as compiled in.
pub const PRESETS: [(&str, &str); 3] = [
    ("default", include_str!("../../../keymaps/default.toml")),
    ("vim", include_str!("../../../keymaps/vim.toml")),
    ("emacs", include_str!("../../../keymaps/emacs.toml")),
];

/// Longest sequence of keys.
const SEQUENCE: usize = 6;

impl Default for Keymap {
    fn default() -> Self {
        Self::preset("default").unwrap_or_else(|| Self { name: "default".to_owned(), bindings: BTreeMap::new() })
    }
}

impl Keymap {
    /// A preset by name.
    pub fn preset(name: &str) -> Option<Self> {
        let (name, text) = PRESETS.iter().find(|(known, _)| *known == name)?;
        let empty = Self { name: (*name).to_owned(), bindings: BTreeMap::new() };
        Some(empty.patched(name, text, false).0)
    }

    /// A user's file: a patch over the preset that its `inherits` names, or over `default`. What is wrong in
    /// it is reported and left out; all else counts. `name` is what the user calls the keymap, `file` the
    /// file as problems should name it.
    pub fn from_user(name: &str, file: &str, text: &str) -> (Self, Vec<Problem>) {
        let mut base = Self::default();
        let mut reader = Reader::new(file, text);
        let table = DeTable::parse_recoverable(text).0.into_inner();
        if let Some(value) = table.get("inherits")
            && let Some(wanted) = reader.text("inherits", value)
        {
            match Self::preset(wanted) {
                Some(preset) => base = preset,
                None => reader
                    .report(value.span(), format!("there is no keymap {wanted:?}; inherits is one of {}", names())),
            }
        }
        let mut problems = reader.finish();
        base.name = name.to_owned();
        let (keymap, more) = base.patched(file, text, true);
        problems.extend(more);
        problems.sort_by_key(|problem| problem.line);
        (keymap, problems)
    }

    /// Applies a file. With `warn_unsendable` it also reports keys that most terminals cannot send.
    pub(super) fn patched(mut self, file: &str, text: &str, warn_unsendable: bool) -> (Self, Vec<Problem>) {
        let mut reader = Reader::new(file, text);
        let table = reader.table();
        let mut loader = Loader { keymap: &mut self, reader, warn_unsendable, fresh: BTreeMap::new() };
        for (name, value) in &table {
            loader.top(name.get_ref(), name.span(), value);
        }
        let problems = loader.reader.finish();
        (self, problems)
    }
}

fn names() -> String {
    PRESETS.map(|(name, _)| name).join(", ")
}

struct Loader<'k, 'a> {
    keymap: &'k mut Keymap,
    reader: Reader<'a>,
    warn_unsendable: bool,
    /// What this file bound so far, by its line, so that a second binding of the same keys is noticed.
    fresh: BTreeMap<(Context, Vec<Key>), usize>,
}

impl<'a> Loader<'_, 'a> {
    fn top(&mut self, name: &str, span: Range<usize>, value: &Spanned<DeValue<'a>>) {
        if name == "inherits" {
            return;
        }
        let Some(context) = Context::ALL.into_iter().find(|context| context.name() == name) else {
            let known = Context::ALL.map(Context::name);
            let near =
                fuzzy::nearest(name, known, 1).first().map_or(String::new(), |near| format!("did you mean [{near}]? "));
            return self
                .reader
                .report(span, format!("there is no table [{name}]; {near}The tables are {}", known.join(", ")));
        };
        let Some(table) = value.get_ref().as_table() else {
            return self
                .reader
                .report(value.span(), format!("[{name}] is a table with keys = [...] and unbind = [...]"));
        };
        // First what is taken away, so that a file can free a prefix and use it.
        if let Some(list) = table.get("unbind") {
            self.each(list, "unbind", |loader, item| loader.unbind(context, item));
        }
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "unbind" => {}
                "keys" => self.each(value, "keys", |loader, item| loader.bind(context, item)),
                other => self
                    .reader
                    .report(key.span(), format!("[{name}] has keys = [...] and unbind = [...], not {other:?}")),
            }
        }
    }

    fn each(&mut self, list: &Spanned<DeValue<'a>>, what: &str, mut act: impl FnMut(&mut Self, &Spanned<DeValue<'a>>)) {
        match list.get_ref().as_array() {
            Some(items) => items.iter().for_each(|item| act(self, item)),
            None => self.reader.report(list.span(), format!("{what} is a list: {what} = [ ... ]")),
        }
    }

    fn keys(&mut self, value: &Spanned<DeValue<'a>>) -> Option<Vec<Key>> {
        let text = self.reader.text("a key sequence", value)?;
        match parse_keys(text) {
            Ok(keys) if keys.len() > SEQUENCE => {
                self.reader.report(value.span(), format!("{text:?} has more than {SEQUENCE} keys"));
                None
            }
            Ok(keys) => Some(keys),
            Err(error) => {
                self.reader.report(value.span(), error.to_string());
                None
            }
        }
    }

    fn unbind(&mut self, context: Context, item: &Spanned<DeValue<'a>>) {
        let Some(keys) = self.keys(item) else { return };
        let table = self.keymap.bindings.entry(context).or_default();
        let before = table.len();
        table.retain(|bound, _| !bound.starts_with(&keys));
        if table.len() == before {
            let message =
                format!("nothing is bound to {} in [{}]; take the line out", show_keys(&keys), context.name());
            self.reader.report(item.span(), message);
        }
    }

    fn bind(&mut self, context: Context, item: &Spanned<DeValue<'a>>) {
        let Some(table) = item.get_ref().as_table() else {
            return self
                .reader
                .report(item.span(), r#"a binding is { on = "g u", run = "unread.next", desc = "Next unread" }"#);
        };
        for (key, _) in table {
            if !matches!(key.get_ref().as_ref(), "on" | "run" | "desc") {
                self.reader.report(key.span(), format!("a binding has on, run and desc, not {:?}", key.get_ref()));
            }
        }
        let (Some(on), Some(run)) = (table.get("on"), table.get("run")) else {
            return self.reader.report(item.span(), "a binding needs on (the keys) and run (the command)");
        };
        let (Some(keys), Some(cmd)) = (self.keys(on), self.cmd(run)) else { return };
        let desc = match table.get("desc") {
            Some(value) => self.reader.text("desc", value).map(|desc| crate::wire::SafeText::line(desc).to_string()),
            None => command::find(cmd.name()).map(|spec| spec.doc.to_owned()),
        };
        let binding = Binding { keys, cmd, desc: desc.unwrap_or_default() };
        if self.fits(context, &binding.keys, on.span()) {
            self.keymap.bindings.entry(context).or_default().insert(binding.keys.clone(), binding);
        }
    }

    fn cmd(&mut self, run: &Spanned<DeValue<'a>>) -> Option<Cmd> {
        let line = self.reader.text("run", run)?;
        match command::parse(line) {
            Ok(cmd) => Some(cmd),
            Err(error) => {
                self.reader.report(run.span(), error.to_string());
                None
            }
        }
    }

    /// Whether the keys can be bound there; reports why not, and makes room in what is inherited.
    fn fits(&mut self, context: Context, keys: &[Key], span: Range<usize>) -> bool {
        let shown = show_keys(keys);
        if context.types() && keys.first().is_some_and(|key| key.typed().is_some()) {
            let remedy = "a character types there; begin with a key such as C-g, M-g or F5";
            self.reader.report(span, format!("{shown} cannot be bound in [{}]: {remedy}", context.name()));
            return false;
        }
        if let Some((key, why)) = keys.iter().find_map(|key| key.unsendable().map(|why| (key, why)))
            && self.warn_unsendable
        {
            self.reader.report(span.clone(), format!("{key} may never arrive: {why}; choose another key"));
        }
        let line = self.reader.line(&span);
        let clash = self
            .fresh
            .iter()
            .find(|((other, bound), _)| *other == context && (bound.starts_with(keys) || keys.starts_with(bound)));
        if let Some(((_, bound), earlier)) = clash {
            let bound = show_keys(bound);
            let message = format!(
                "{shown} conflicts with {bound} in line {earlier} of [{}]; one of them must go",
                context.name()
            );
            self.reader.report(span, message);
            return false;
        }
        self.fresh.insert((context, keys.to_vec()), line);
        // The user's file wins over what it inherits, also where one sequence begins with the other.
        let table = self.keymap.bindings.entry(context).or_default();
        table.retain(|bound, _| !(bound.starts_with(keys) || keys.starts_with(bound)));
        true
    }
}
