//! Text on a grid: measuring, wrapping, Markdown, and small pictures made of characters.
//!
//! Everything here is bounded: whatever a peer sends, the work is at most proportional to its length and to
//! the caps below.

mod code;
mod figures;
mod markdown;
mod measure;
#[cfg(test)]
mod tests;
mod time;
mod wrap;

use ratatui::{
    style::Style,
    text::{Line, Span},
};

pub use figures::{qr, sparkline};
pub use measure::{truncate_end, truncate_middle, width};
pub use time::{human_bytes, ms, relative_time};

use super::theme::{Role, Theme};
use crate::wire::SafeText;

/// The styles that message text is laid out with. Each is a patch over the one it stands in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Styles {
    /// Ordinary text.
    pub text: Style,
    /// Bold text.
    pub bold: Style,
    /// Italic text.
    pub italic: Style,
    /// Struck text.
    pub strike: Style,
    /// Headings.
    pub heading: Style,
    /// Quotations.
    pub quote: Style,
    /// The bar before a quotation.
    pub quote_bar: Style,
    /// Code in a line.
    pub code: Style,
    /// Blocks of code.
    pub code_block: Style,
    /// Keywords in a block of code.
    pub keyword: Style,
    /// Strings in a block of code.
    pub string: Style,
    /// Comments in a block of code.
    pub comment: Style,
    /// Numbers in a block of code.
    pub number: Style,
    /// The address of a link.
    pub link: Style,
    /// The mark before a list item.
    pub list: Style,
    /// Only ASCII marks (for terminals without Unicode).
    pub ascii: bool,
}

impl Styles {
    /// The styles of a theme.
    pub fn new(theme: &Theme, ascii: bool) -> Self {
        Self {
            text: Style::default(),
            bold: theme.style(Role::Bold),
            italic: theme.style(Role::Italic),
            strike: theme.style(Role::Strike),
            heading: theme.style(Role::Heading),
            quote: theme.style(Role::Quote),
            quote_bar: theme.style(Role::QuoteBar),
            code: theme.style(Role::Code),
            code_block: theme.style(Role::CodeBlock),
            keyword: theme.style(Role::CodeKeyword),
            string: theme.style(Role::CodeString),
            comment: theme.style(Role::CodeComment),
            number: theme.style(Role::CodeNumber),
            link: theme.style(Role::Link),
            list: theme.style(Role::ListMark),
            ascii,
        }
    }
}

/// Texts longer than this, in bytes, are laid out as plain text.
pub const MARKDOWN_BYTES: usize = 64 * 1024;
/// Most lines that one text may take; what is beyond is replaced by a line that says how much is left out.
pub const LINES: usize = 20_000;

/// Lays out a message as Markdown in lines of at most `width` columns (a width of 0 counts as 1). A
/// character that is wider than the whole line becomes `?`. Nothing else is lost: what is not understood as
/// Markdown is shown as it is.
pub fn layout(text: &SafeText, width: u16, styles: &Styles) -> Vec<Line<'static>> {
    markdown::layout(text.as_str(), width, styles)
}

/// Lays out text as it is, without Markdown.
pub fn layout_plain(text: &SafeText, width: u16, style: Style) -> Vec<Line<'static>> {
    plain(text.as_str(), width, style)
}

fn plain(text: &str, width: u16, style: Style) -> Vec<Line<'static>> {
    let mut lines = wrap::Lines::new(usize::from(width));
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            lines.end_line();
        }
        lines.push(&[Span::styled(line.to_owned(), style)]);
    }
    lines.finish(true)
}
