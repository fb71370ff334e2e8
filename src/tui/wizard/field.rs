//! A one-line text field, also for secrets.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use unicode_segmentation::UnicodeSegmentation;
use zeroize::Zeroizing;

use super::Passphrase;

/// A one-line text field. Its memory is wiped when it is dropped.
#[derive(Clone)]
pub(super) struct Field {
    text: Zeroizing<String>,
    /// Where the cursor is, in bytes.
    cursor: usize,
    max_bytes: usize,
    secret: bool,
}

impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.secret { "Field(secret)" } else { "Field" })
    }
}

impl Field {
    pub(super) fn new(text: &str, max_bytes: usize) -> Self {
        let mut field = Self::empty(max_bytes, false);
        field.insert(text);
        field
    }

    pub(super) fn secret(max_bytes: usize) -> Self {
        Self::empty(max_bytes, true)
    }

    fn empty(max_bytes: usize, secret: bool) -> Self {
        // The room is taken at once, so that growing leaves no copy of a secret behind.
        Self { text: Zeroizing::new(String::with_capacity(max_bytes)), cursor: 0, max_bytes, secret }
    }

    /// The text without blanks around it; a secret as it is.
    pub(super) fn text(&self) -> &str {
        if self.secret { &self.text } else { self.text.trim() }
    }

    /// A copy of the secret.
    pub(super) fn take_secret(&self) -> Passphrase {
        Passphrase::new(self.text.clone())
    }

    pub(super) fn clear(&mut self) {
        let room = self.max_bytes;
        self.text = Zeroizing::new(String::with_capacity(room));
        self.cursor = 0;
    }

    /// Inserts what is printable and fits, up to the first line end (a pasted line often brings one).
    pub(super) fn insert(&mut self, text: &str) {
        for c in text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()) {
            if self.text.len() + c.len_utf8() > self.max_bytes {
                return;
            }
            self.text.insert(self.cursor, c);
            self.cursor += c.len_utf8();
        }
    }

    /// Takes a key; false when it means nothing here.
    pub(super) fn key(&mut self, key: &KeyEvent) -> bool {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('u') if ctrl => self.clear(),
            KeyCode::Char('a') if ctrl => self.cursor = 0,
            KeyCode::Char('e') if ctrl => self.cursor = self.text.len(),
            KeyCode::Char(c) if !ctrl && !key.modifiers.contains(KeyModifiers::ALT) => {
                self.insert(c.encode_utf8(&mut [0; 4]));
            }
            KeyCode::Backspace => self.remove(self.before()..self.cursor),
            KeyCode::Delete => self.remove(self.cursor..self.after()),
            KeyCode::Left => self.cursor = self.before(),
            KeyCode::Right => self.cursor = self.after(),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            _ => return false,
        }
        true
    }

    fn remove(&mut self, range: std::ops::Range<usize>) {
        self.cursor = range.start;
        self.text.replace_range(range, "");
    }

    fn before(&self) -> usize {
        self.text[..self.cursor].grapheme_indices(true).next_back().map_or(0, |(start, _)| start)
    }

    fn after(&self) -> usize {
        let rest = &self.text[self.cursor..];
        self.cursor + rest.graphemes(true).next().map_or(0, str::len)
    }

    /// What is shown in `width` columns, and the column of the cursor in it.
    pub(super) fn shown(&self, width: usize, ascii: bool) -> (String, usize) {
        let mark = if ascii { "*" } else { "\u{2022}" };
        let show = |text: &str| if self.secret { mark.repeat(text.graphemes(true).count()) } else { text.to_owned() };
        let room = width.saturating_sub(1);
        // The end before the cursor, then as much of the rest as there is room for.
        let head = show(&self.text[..self.cursor]);
        let mut before = String::new();
        for grapheme in head.graphemes(true).rev() {
            if crate::tui::text::width(&before) + crate::tui::text::width(grapheme) > room {
                break;
            }
            before.insert_str(0, grapheme);
        }
        let column = crate::tui::text::width(&before);
        let mut shown = before;
        for grapheme in show(&self.text[self.cursor..]).graphemes(true) {
            if crate::tui::text::width(&shown) + crate::tui::text::width(grapheme) > width {
                break;
            }
            shown.push_str(grapheme);
        }
        (shown, column)
    }
}
