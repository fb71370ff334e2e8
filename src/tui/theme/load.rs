//! Reading theme files.

use std::collections::BTreeMap;

use ratatui::style::{Color, Modifier, Style};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Role, Theme, color};
use crate::tui::{
    fuzzy,
    patch::{Problem, Reader},
};

/// The presets: name and file, as compiled in.
pub const PRESETS: [(&str, &str); 4] = [
    ("dark", include_str!("../../../themes/dark.toml")),
    ("light", include_str!("../../../themes/light.toml")),
    ("high-contrast", include_str!("../../../themes/high-contrast.toml")),
    ("mono", include_str!("../../../themes/mono.toml")),
];

const MODIFIERS: [(&str, Modifier); 7] = [
    ("bold", Modifier::BOLD),
    ("dim", Modifier::DIM),
    ("italic", Modifier::ITALIC),
    ("underlined", Modifier::UNDERLINED),
    ("reversed", Modifier::REVERSED),
    ("crossed-out", Modifier::CROSSED_OUT),
    ("slow-blink", Modifier::SLOW_BLINK),
];

/// A theme's parts before names are resolved, so that a patch can change a colour of the palette and every
/// role that uses it follows.
#[derive(Clone, Default)]
struct Parts {
    dark: Option<bool>,
    palette: BTreeMap<String, Color>,
    /// Styles by role name or by a name above roles, such as `peer`.
    styles: BTreeMap<String, Draft>,
}

#[derive(Clone, Default)]
struct Draft {
    fg: Option<Tint>,
    bg: Option<Tint>,
    modifiers: Option<Modifier>,
}

/// A colour, or the palette's name for one.
#[derive(Clone)]
enum Tint {
    Fixed(Color),
    Named(String),
}

impl Default for Theme {
    fn default() -> Self {
        Self::preset("dark").unwrap_or_else(|| Self { name: "dark".to_owned(), dark: None, styles: BTreeMap::new() })
    }
}

impl Theme {
    /// A preset by name.
    pub fn preset(name: &str) -> Option<Self> {
        let parts = preset(name)?;
        Some(parts.resolve(name))
    }

    /// A user's file: a patch over the preset that its `inherits` names, or over `dark`. What is wrong in it
    /// is reported and left out; all else counts. `name` is what the user calls the theme, `file` the file as
    /// problems should name it.
    pub fn from_user(name: &str, file: &str, text: &str) -> (Self, Vec<Problem>) {
        let (parts, problems) = read(file, text);
        (parts.resolve(name), problems)
    }
}

fn preset(name: &str) -> Option<Parts> {
    let (name, text) = PRESETS.iter().find(|(known, _)| *known == name)?;
    Some(read(name, text).0)
}

/// Reads a file and what it inherits. Presets inherit from nothing or from another preset once.
fn read(file: &str, text: &str) -> (Parts, Vec<Problem>) {
    let mut reader = Reader::new(file, text);
    let table = reader.table();
    let is_preset = PRESETS.iter().any(|(_, preset)| std::ptr::eq(*preset, text));
    let mut parts = if is_preset { Parts::default() } else { inherited(&mut reader, &table) };
    if let Some(value) = table.get("palette") {
        palette(&mut reader, &mut parts, value);
    }
    for (key, value) in &table {
        match key.get_ref().as_ref() {
            "inherits" | "palette" => {}
            "dark" => match value.get_ref().as_bool() {
                Some(dark) => parts.dark = Some(dark),
                None => reader.report(value.span(), "dark is true or false"),
            },
            "styles" => match value.get_ref().as_table() {
                Some(styles) => styles.iter().for_each(|(name, value)| style(&mut reader, &mut parts, name, value)),
                None => reader.report(value.span(), "[styles] is a table of roles"),
            },
            other => {
                reader.report(
                    key.span(),
                    format!("there is no {other:?} in a theme; it has inherits, dark, [palette] and [styles]"),
                );
            }
        }
    }
    (parts, reader.finish())
}

fn inherited<'a>(reader: &mut Reader<'a>, table: &DeTable<'a>) -> Parts {
    let fallback = || preset("dark").unwrap_or_default();
    let Some(value) = table.get("inherits") else { return fallback() };
    let Some(name) = reader.text("inherits", value) else { return fallback() };
    preset(name).unwrap_or_else(|| {
        let known = PRESETS.map(|(name, _)| name).join(", ");
        reader.report(value.span(), format!("there is no theme {name:?}; inherits is one of {known}"));
        fallback()
    })
}

fn palette<'a>(reader: &mut Reader<'a>, parts: &mut Parts, value: &Spanned<DeValue<'a>>) {
    let Some(table) = value.get_ref().as_table() else {
        return reader.report(value.span(), "[palette] is a table of names and colours");
    };
    for (name, value) in table {
        let Some(text) = reader.text("a colour", value) else { continue };
        match color::read(text) {
            Some(color) => drop(parts.palette.insert(name.get_ref().to_string(), color)),
            None => reader.report(value.span(), format!("{text:?} is no colour: #rrggbb, none, or a name such as red")),
        }
    }
}

fn style<'a>(
    reader: &mut Reader<'a>,
    parts: &mut Parts,
    name: &Spanned<std::borrow::Cow<'a, str>>,
    value: &Spanned<DeValue<'a>>,
) {
    if !is_role_or_above(name.get_ref()) {
        let near = fuzzy::nearest(name.get_ref(), Role::ALL.iter().map(|role| role.name()), 2);
        let hint = if near.is_empty() {
            "docs/themes.md lists them".to_owned()
        } else {
            format!("did you mean {}?", near.join(" or "))
        };
        return reader.report(name.span(), format!("there is no role {:?}; {hint}", name.get_ref()));
    }
    let mut draft = parts.styles.remove(name.get_ref().as_ref()).unwrap_or_default();
    match value.get_ref() {
        DeValue::String(text) => draft.fg = tint(reader, parts, text, value).or(draft.fg),
        DeValue::Table(table) => fill(reader, parts, &mut draft, table),
        _ => {
            reader.report(value.span(), "a style is a colour, or { fg = colour, bg = colour, modifiers = [\"bold\"] }")
        }
    }
    parts.styles.insert(name.get_ref().to_string(), draft);
}

fn fill<'a>(reader: &mut Reader<'a>, parts: &Parts, draft: &mut Draft, table: &DeTable<'a>) {
    for (key, value) in table {
        match key.get_ref().as_ref() {
            side @ ("fg" | "bg") => {
                let Some(text) = reader.text("a colour", value) else { continue };
                let found = tint(reader, parts, text, value);
                let place = if side == "fg" { &mut draft.fg } else { &mut draft.bg };
                *place = found.or(place.take());
            }
            "modifiers" => draft.modifiers = modifiers(reader, value).or(draft.modifiers),
            other => reader.report(key.span(), format!("a style has fg, bg and modifiers, not {other:?}")),
        }
    }
}

fn tint<'a>(reader: &mut Reader<'a>, parts: &Parts, text: &str, value: &Spanned<DeValue<'a>>) -> Option<Tint> {
    if parts.palette.contains_key(text) {
        return Some(Tint::Named(text.to_owned()));
    }
    let color = color::read(text);
    if color.is_none() {
        let near = fuzzy::nearest(text, parts.palette.keys().map(String::as_str), 1);
        let hint = near.first().map_or(String::new(), |near| format!("; did you mean {near}?"));
        reader.report(value.span(), format!("{text:?} is no colour: {}{hint}", color::EXPECTED));
    }
    color.map(Tint::Fixed)
}

fn modifiers<'a>(reader: &mut Reader<'a>, value: &Spanned<DeValue<'a>>) -> Option<Modifier> {
    let known = MODIFIERS.map(|(name, _)| name).join(", ");
    let Some(items) = value.get_ref().as_array() else {
        reader.report(value.span(), format!("modifiers is a list out of {known}"));
        return None;
    };
    let mut all = Modifier::empty();
    for item in items {
        let Some(text) = reader.text("a modifier", item) else { continue };
        match MODIFIERS.iter().find(|(name, _)| *name == text) {
            Some((_, modifier)) => all |= *modifier,
            None => reader.report(item.span(), format!("there is no modifier {text:?}; they are {known}")),
        }
    }
    Some(all)
}

/// Whether the name is a role, or stands above one (`peer` above `peer.name`).
fn is_role_or_above(name: &str) -> bool {
    let above =
        |role: &Role| role.name().strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    Role::ALL.iter().any(above)
}

impl Parts {
    fn resolve(&self, name: &str) -> Theme {
        let styles = Role::ALL.iter().map(|role| (*role, self.style(role.name()))).collect();
        Theme { name: name.to_owned(), dark: self.dark, styles }
    }

    /// The most specific name that says something about a part of the style decides that part. `text` is the
    /// page itself: it is not looked up for others, so that what they leave open shows the surface they lie on.
    fn style(&self, role: &str) -> Style {
        let mut names = vec![role];
        let mut rest = role;
        while let Some((above, _)) = rest.rsplit_once('.').filter(|(above, _)| *above != "text") {
            names.push(above);
            rest = above;
        }
        let drafts: Vec<&Draft> = names.iter().filter_map(|name| self.styles.get(*name)).collect();
        Style {
            fg: drafts.iter().find_map(|draft| draft.fg.as_ref()).and_then(|tint| self.color(tint)),
            bg: drafts.iter().find_map(|draft| draft.bg.as_ref()).and_then(|tint| self.color(tint)),
            add_modifier: drafts.iter().find_map(|draft| draft.modifiers).unwrap_or_default(),
            ..Style::default()
        }
    }

    fn color(&self, tint: &Tint) -> Option<Color> {
        match tint {
            Tint::Fixed(color) => Some(*color),
            Tint::Named(name) => self.palette.get(name).copied(),
        }
    }
}
