//! One key press, and its notation: `C-x`, `M-x`, `S-Tab`, `F1`, `Space`, `<`.

use std::{fmt, str::FromStr};

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// One key press, brought into the one form that keymaps use: a capital letter is the letter, not Shift and
/// the small one; Back-Tab is Shift-Tab; Ctrl with a letter is always the small letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Which key.
    pub code: Code,
    /// With Control.
    pub ctrl: bool,
    /// With Alt (Meta).
    pub alt: bool,
    /// With Shift; never set for characters.
    pub shift: bool,
}

/// A key without its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// A character, as typed.
    Char(char),
    /// A function key, 1 to 24.
    F(u8),
    /// A key with a name.
    Named(Named),
}

macro_rules! named_keys {
    ($($variant:ident $name:literal $code:path;)*) => {
        /// A key that has a name and types nothing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Named {
            $(#[doc = concat!("The key `", $name, "`.")] $variant,)*
        }

        impl Named {
            const ALL: &'static [(Self, &'static str)] = &[$((Self::$variant, $name)),*];

            fn from_crossterm(code: KeyCode) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

named_keys! {
    Enter "Enter" KeyCode::Enter;
    Tab "Tab" KeyCode::Tab;
    Esc "Esc" KeyCode::Esc;
    Backspace "Backspace" KeyCode::Backspace;
    Delete "Delete" KeyCode::Delete;
    Insert "Insert" KeyCode::Insert;
    Up "Up" KeyCode::Up;
    Down "Down" KeyCode::Down;
    Left "Left" KeyCode::Left;
    Right "Right" KeyCode::Right;
    Home "Home" KeyCode::Home;
    End "End" KeyCode::End;
    PageUp "PageUp" KeyCode::PageUp;
    PageDown "PageDown" KeyCode::PageDown;
}

impl Named {
    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(named, _)| *named == self).map_or("", |(_, name)| name)
    }

    fn from_name(name: &str) -> Option<Self> {
        let other = match name.to_ascii_lowercase().as_str() {
            "return" | "ret" | "cr" => "Enter",
            "escape" => "Esc",
            "bs" => "Backspace",
            "del" => "Delete",
            "ins" => "Insert",
            "pgup" => "PageUp",
            "pgdn" | "pgdown" => "PageDown",
            _ => name,
        };
        Self::ALL.iter().find(|(_, known)| known.eq_ignore_ascii_case(other)).map(|(named, _)| *named)
    }
}

impl Key {
    /// A character without modifiers.
    pub fn char(c: char) -> Self {
        Self { code: Code::Char(c), ctrl: false, alt: false, shift: false }
    }

    /// A named key without modifiers.
    pub fn named(named: Named) -> Self {
        Self { code: Code::Named(named), ctrl: false, alt: false, shift: false }
    }

    /// From what crossterm reports; none for releases and for keys that cannot be bound (media keys, bare
    /// modifiers).
    pub fn from_event(event: &KeyEvent) -> Option<Self> {
        if event.kind == KeyEventKind::Release {
            return None;
        }
        let mods = event.modifiers;
        let (code, back_tab) = match event.code {
            KeyCode::Char(c) => (Code::Char(c), false),
            KeyCode::Null => (Code::Char(' '), false),
            KeyCode::F(n) => (Code::F(n), false),
            KeyCode::BackTab => (Code::Named(Named::Tab), true),
            code => (Code::Named(Named::from_crossterm(code)?), false),
        };
        let ctrl = mods.contains(KeyModifiers::CONTROL) || event.code == KeyCode::Null;
        let key = Self {
            code,
            ctrl,
            alt: mods.intersects(KeyModifiers::ALT | KeyModifiers::META),
            shift: back_tab || mods.contains(KeyModifiers::SHIFT),
        };
        Some(key.normal())
    }

    /// What it types, if it types something.
    pub fn typed(self) -> Option<char> {
        match self.code {
            Code::Char(c) if !self.ctrl && !self.alt => Some(c),
            _ => None,
        }
    }

    /// Why a terminal without the kitty protocol cannot send it, if so.
    pub fn unsendable(self) -> Option<&'static str> {
        let named = |names: &[Named]| matches!(self.code, Code::Named(named) if names.contains(&named));
        if self.ctrl && named(&[Named::Enter, Named::Tab, Named::Esc, Named::Backspace]) {
            return Some("most terminals send the same bytes with and without Control for it");
        }
        if self.shift && named(&[Named::Enter, Named::Esc, Named::Backspace]) {
            return Some("most terminals send the same bytes with and without Shift for it");
        }
        match self.code {
            Code::Char('i' | 'm' | '[') if self.ctrl => {
                Some("terminals send the same byte for C-i and Tab, C-m and Enter, C-[ and Esc")
            }
            Code::Char(c)
                if self.ctrl && !(c.is_ascii_lowercase() || matches!(c, ' ' | '\\' | ']' | '^' | '_' | '4'..='7')) =>
            {
                Some("terminals have no byte for Control with this character")
            }
            Code::F(n) if n > 12 => Some("most keyboards end at F12"),
            _ => None,
        }
    }

    /// The one form of keys that are the same to the user.
    fn normal(mut self) -> Self {
        if let Code::Char(c) = self.code {
            if self.ctrl {
                // Legacy terminals cannot tell C-x from C-S-x, and some send C-/ as C-_ or C-7.
                self.code = Code::Char(match c.to_ascii_lowercase() {
                    '7' | '/' => '_',
                    '4' => '\\',
                    '5' => ']',
                    '6' => '^',
                    c => c,
                });
            } else if self.shift && c.is_lowercase() {
                let mut upper = c.to_uppercase();
                if let (Some(upper), None) = (upper.next(), upper.next()) {
                    self.code = Code::Char(upper);
                }
            }
            self.shift = false;
        }
        self
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (on, prefix) in [(self.ctrl, "C-"), (self.alt, "M-"), (self.shift, "S-")] {
            f.write_str(if on { prefix } else { "" })?;
        }
        match self.code {
            Code::Char(' ') => f.write_str("Space"),
            Code::Char(c) => write!(f, "{c}"),
            Code::F(n) => write!(f, "F{n}"),
            Code::Named(named) => f.write_str(named.name()),
        }
    }
}

/// Why a notation is not a key.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is no key; write a character, Space, Enter, Tab, Esc, Up, PageDown, F1 and so on, with C- (Control), M- (Alt) or S- (Shift) before it, such as C-x or S-Tab"
)]
pub struct KeyError(String);

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let error = || KeyError(text.chars().take(32).collect());
        let mut key = Self::char(' ');
        let mut rest = text;
        while let (Some(modifier), Some(after)) = (rest.chars().next(), rest.get(2..)) {
            if after.is_empty() || rest.as_bytes().get(1) != Some(&b'-') {
                break;
            }
            match modifier {
                'C' => key.ctrl = true,
                'M' | 'A' => key.alt = true,
                'S' => key.shift = true,
                _ => break,
            }
            rest = after;
        }
        let mut chars = rest.chars();
        key.code = match (chars.next(), chars.next()) {
            (Some(c), None) if !c.is_control() => Code::Char(c),
            _ if rest.eq_ignore_ascii_case("space") => Code::Char(' '),
            (Some('F' | 'f'), Some(_)) if rest[1..].parse().is_ok_and(|n: u8| (1..=24).contains(&n)) => {
                Code::F(rest[1..].parse().map_err(|_| error())?)
            }
            _ => Code::Named(Named::from_name(rest).ok_or_else(error)?),
        };
        Ok(key.normal())
    }
}

/// Reads a sequence of keys parted by blanks, such as `g u`.
///
/// # Errors
/// Names the key that is none.
pub fn parse_keys(text: &str) -> Result<Vec<Key>, KeyError> {
    let keys: Result<Vec<Key>, KeyError> = text.split_whitespace().map(str::parse).collect();
    match keys {
        Ok(keys) if keys.is_empty() => Err(KeyError(text.chars().take(32).collect())),
        keys => keys,
    }
}

/// Writes a sequence of keys as [`parse_keys`] reads it.
pub fn show_keys(keys: &[Key]) -> String {
    keys.iter().map(Key::to_string).collect::<Vec<_>>().join(" ")
}
