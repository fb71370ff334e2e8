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
