//! Sequences that ask the terminal for something besides drawing. Give them to
//! [`super::SparingBackend::queue`], so that they go out in one piece with the next frame.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::wire::SafeText;

/// Longest text that is copied, in bytes: many terminals cut or ignore longer ones.
pub const COPY_BYTES: usize = 74_994;

/// OSC 52: put a text on the clipboard, also over SSH. None when it is longer than [`COPY_BYTES`].
pub fn copy(text: &str) -> Option<Vec<u8>> {
    (text.len() <= COPY_BYTES).then(|| format!("\x1b]52;c;{}\x07", STANDARD.encode(text)).into_bytes())
}

/// OSC 777 and OSC 9 with a bell: tell the user something while the terminal is not looked at.
pub fn notify(title: &SafeText, body: &SafeText) -> Vec<u8> {
    let (title, body) = (clean(title, 64), clean(body, 256));
    format!("\x1b]777;notify;{title};{body}\x07\x1b]9;{title}: {body}\x07\x07").into_bytes()
}

/// OSC 2: the window's title.
pub fn title(text: &SafeText) -> Vec<u8> {
    format!("\x1b]2;{}\x07", clean(text, 128)).into_bytes()
}

/// One short line without control characters (whatever `SafeText` let through) and without the separator.
fn clean(text: &SafeText, chars: usize) -> String {
    text.as_str().chars().take(chars).map(|c| if c.is_control() || c == ';' { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_one_sequence_or_none() {
        assert_eq!(copy("héllo\x1b").unwrap(), b"\x1b]52;c;aMOpbGxvGw==\x07");
        assert!(copy(&"x".repeat(COPY_BYTES)).is_some());
        assert!(copy(&"x".repeat(COPY_BYTES + 1)).is_none());
    }

    #[test]
    fn foreign_text_cannot_leave_its_sequence() {
        let evil = SafeText::body("a;b\x07\x1b]0;owned\n\u{9c}c");
        for sequence in [notify(&evil, &evil), title(&evil)] {
            let text = String::from_utf8(sequence).unwrap();
            // Only our own sequences begin, and no line ends.
            let begun = text.matches('\x1b').count();
            assert_eq!(text.matches("\x1b]").count(), begun);
            assert!(begun <= 2 && !text.contains(['\n', '\u{9c}']));
            assert!(!text.contains("\x1b]0;"));
        }
        let long = SafeText::line(&"x".repeat(10_000));
        assert!(notify(&long, &long).len() < 1_000 && title(&long).len() < 200);
    }
}
