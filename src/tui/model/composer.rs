//! What is being written in one conversation. Text never gets lost here: it is a draft until the node has it.

use tui_textarea::{CursorMove, TextArea, WrapMode};

use crate::{
    delivery::Policy,
    wire::{EnvelopeId, Mode, Urgency},
};

/// Most sent texts that can be brought back.
const SENT_MOST: usize = 100;

/// What is being written in one conversation.
#[derive(Debug)]
pub struct Composer {
    area: TextArea<'static>,
    /// The message it answers.
    pub reply_to: Option<EnvelopeId>,
    /// The way of sending chosen here; the peer's or node's default when none.
    pub mode: Option<Mode>,
    /// Which of the usable paths go first, as chosen here; the default when none.
    pub policy: Option<Policy>,
    /// How much the next message matters.
    pub urgency: Urgency,
    /// When the draft was last changed, in milliseconds of the model's clock, until it was saved.
    pub unsaved_since: Option<u64>,
    sent: Vec<String>,
    recalled: Option<usize>,
    set_aside: String,
}

impl Default for Composer {
    fn default() -> Self {
        Self {
            area: area(""),
            reply_to: None,
            mode: None,
            policy: None,
            urgency: Urgency::default(),
            unsaved_since: None,
            sent: Vec::new(),
            recalled: None,
            set_aside: String::new(),
        }
    }
}

fn area(text: &str) -> TextArea<'static> {
    let mut area = TextArea::new(text.split('\n').map(str::to_owned).collect());
    area.set_wrap_mode(WrapMode::WordOrGlyph);
    // The terminal's own cursor is used: one that is drawn would cost a rewritten cell for each key press.
    area.set_cursor_style(ratatui::style::Style::default());
    area.set_cursor_line_style(ratatui::style::Style::default());
    area.set_max_histories(200);
    area.move_cursor(CursorMove::Bottom);
    area.move_cursor(CursorMove::End);
    area
}

impl Composer {
    /// The editing widget, for drawing.
    pub fn area(&self) -> &TextArea<'static> {
        &self.area
    }

    /// The editing widget, for keys.
    pub fn area_mut(&mut self) -> &mut TextArea<'static> {
        &mut self.area
    }

    /// What is written.
    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// Whether nothing is written but blanks.
    pub fn is_blank(&self) -> bool {
        self.area.lines().iter().all(|line| line.trim().is_empty())
    }

    /// Bytes and characters written.
    pub fn size(&self) -> (usize, usize) {
        let lines = self.area.lines();
        let breaks = lines.len().saturating_sub(1);
        let bytes: usize = lines.iter().map(String::len).sum();
        let chars: usize = lines.iter().map(|line| line.chars().count()).sum();
        (bytes + breaks, chars + breaks)
    }

    /// Puts `text` in place of what is written.
    pub fn set(&mut self, text: &str) {
        self.area = area(text);
        self.recalled = None;
    }

    /// Types `text` at the cursor, line ends included; never sends.
    pub fn insert(&mut self, text: &str) {
        // The widget would put a control character on the screen as nothing at all.
        let clean: String = text
            .replace("\r\n", "\n")
            .chars()
            .map(|c| if c == '\r' { '\n' } else { c })
            .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
            .collect();
        self.area.insert_str(clean);
    }

    /// Takes what is written for sending and remembers it for recalling.
    pub fn take(&mut self) -> String {
        let text = self.text();
        if self.sent.last() != Some(&text) {
            self.sent.push(text.clone());
        }
        if self.sent.len() > SENT_MOST {
            self.sent.remove(0);
        }
        self.set("");
        text
    }

    /// Brings a text back that could not be sent, before whatever was written since.
    pub fn give_back(&mut self, text: &str) {
        let now = self.text();
        self.set(&if now.trim().is_empty() { text.to_owned() } else { format!("{text}\n{now}") });
    }

    /// Brings back the text sent before the one shown; whether there was one.
    pub fn recall_previous(&mut self) -> bool {
        let next = match self.recalled {
            None => self.sent.len().checked_sub(1),
            Some(index) => index.checked_sub(1),
        };
        let Some(index) = next else { return false };
        if self.recalled.is_none() {
            self.set_aside = self.text();
        }
        let text = self.sent[index].clone();
        self.set(&text);
        self.recalled = Some(index);
        true
    }

    /// Brings back the text sent after the one shown, at the end what was being written; whether there was one.
    pub fn recall_next(&mut self) -> bool {
        let Some(index) = self.recalled else { return false };
        match self.sent.get(index + 1).cloned() {
            Some(text) => {
                self.set(&text);
                self.recalled = Some(index + 1);
            }
            None => {
                let text = std::mem::take(&mut self.set_aside);
                self.set(&text);
            }
        }
        true
    }

    /// The word before the cursor, for completion.
    pub fn word_before_cursor(&self) -> String {
        let tui_textarea::DataCursor(row, column) = self.area.cursor();
        let before: Vec<char> =
            self.area.lines().get(row).map(|l| l.chars().take(column).collect()).unwrap_or_default();
        let start = before.iter().rposition(|c| c.is_whitespace()).map_or(0, |i| i + 1);
        before[start..].iter().collect()
    }

    /// Puts `text` in place of the word before the cursor.
    pub fn replace_word(&mut self, text: &str) {
        for _ in self.word_before_cursor().chars() {
            self.area.delete_char();
        }
        self.area.insert_str(text);
    }
}
