//! What keymaps and themes share: a user's file is a patch over a preset, and whatever is wrong in it is a
//! [`Problem`] that names file, line and remedy, while everything else in the file still counts.

use std::{fmt, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Largest keymap or theme file that is read, in bytes.
pub const FILE_BYTES: usize = 256 * 1024;

/// Something wrong in a user's keymap or theme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as the caller named it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// One file while it is read: its text, and the problems found so far.
pub(super) struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, problems: Vec::new() }
    }

    /// The file's table; what does not parse is reported and the rest is returned.
    pub(super) fn table(&mut self) -> DeTable<'a> {
        if self.text.len() > FILE_BYTES {
            self.report(0..0, format!("the file is larger than {FILE_BYTES} bytes; nothing of it is used"));
            return DeTable::new();
        }
        let (table, errors) = DeTable::parse_recoverable(self.text);
        // One broken line can raise several complaints; the first of a line says enough.
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let line = self.line(&span);
            if self.problems.iter().all(|problem| problem.line != line) {
                self.report(span, format!("not TOML: {}", error.message()));
            }
        }
        table.into_inner()
    }

    pub(super) fn report(&mut self, span: Range<usize>, message: impl Into<String>) {
        let line = self.line(&span);
        self.problems.push(Problem { file: self.file.to_owned(), line, message: message.into() });
    }

    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        let end = span.start.min(self.text.len());
        1 + self.text.as_bytes()[..end].iter().filter(|byte| **byte == b'\n').count()
    }

    /// The text of a value, or a problem.
    pub(super) fn text<'v>(&mut self, what: &str, value: &'v Spanned<DeValue<'a>>) -> Option<&'v str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            let found = value.get_ref().type_str();
            self.report(value.span(), format!("{what} is text in quotation marks, not a {found}"));
        }
        text
    }

    pub(super) fn finish(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| problem.line);
        self.problems
    }
}
