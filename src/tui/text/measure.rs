//! How wide text is, and cutting it to a width.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Columns that a text takes on the grid: the sum of its grapheme clusters, as ratatui places them.
pub fn width(text: &str) -> usize {
    if text.is_ascii() {
        return text.bytes().filter(|byte| !byte.is_ascii_control()).count();
    }
    text.graphemes(true).map(grapheme_width).sum()
}

/// Columns of one grapheme cluster. Control characters are never drawn and take none.
pub(super) fn grapheme_width(grapheme: &str) -> usize {
    if grapheme.contains(char::is_control) { 0 } else { grapheme.width() }
}

/// The text, cut to `max` columns; what is cut is shown by `…` at the end (`~` where `ascii`).
pub fn truncate_end(text: &str, max: usize, ascii: bool) -> String {
    if width(text) <= max {
        return text.to_owned();
    }
    if max == 0 {
        return String::new();
    }
    let mut kept = head(text, max - 1).to_owned();
    kept.push_str(mark(ascii));
    kept
}

/// The text, cut to `max` columns in its middle, for paths, fingerprints and addresses.
pub fn truncate_middle(text: &str, max: usize, ascii: bool) -> String {
    if width(text) <= max {
        return text.to_owned();
    }
    if max == 0 {
        return String::new();
    }
    let front = (max - 1).div_ceil(2);
    let kept = head(text, front);
    let rest = tail(&text[kept.len()..], max - 1 - front);
    format!("{kept}{}{rest}", mark(ascii))
}

fn mark(ascii: bool) -> &'static str {
    if ascii { "~" } else { "\u{2026}" }
}

/// The longest beginning of at most `max` columns.
fn head(text: &str, max: usize) -> &str {
    let mut used = 0;
    for (start, grapheme) in text.grapheme_indices(true) {
        used += grapheme_width(grapheme);
        if used > max {
            return &text[..start];
        }
    }
    text
}

/// The longest end of at most `max` columns.
fn tail(text: &str, max: usize) -> &str {
    let (mut used, mut from) = (0, text.len());
    for (start, grapheme) in text.grapheme_indices(true).rev() {
        used += grapheme_width(grapheme);
        if used > max {
            break;
        }
        from = start;
    }
    &text[from..]
}
