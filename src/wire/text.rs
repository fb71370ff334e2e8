//! Foreign text, made harmless once, at ingest.

use serde::{Deserialize, Deserializer, Serialize};

/// Text that is safe to put on a terminal. Everything foreign passes through here once, at ingest;
/// nothing else may reach the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SafeText(String);

impl SafeText {
    /// A body of one or more lines: `\n` stays, everything else that a terminal would act on
    /// becomes a visible mark.
    pub fn body(raw: &str) -> Self {
        Self(raw.chars().map(|c| if c.is_control() && c != '\n' { '\u{FFFD}' } else { c }).collect())
    }

    /// One line: a name, a file name, a URL, an error. Stricter than [`SafeText::body`]: line ends,
    /// invisible characters and direction overrides become visible marks too.
    pub fn line(raw: &str) -> Self {
        Self(raw.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect())
    }

    /// Our own text, known at compile time.
    pub fn from_static(text: &'static str) -> Self {
        Self::body(text)
    }

    /// As [`SafeText::line`], cut to at most `max_bytes` bytes, with an ellipsis where it was cut.
    pub fn line_bounded(raw: &str, max_bytes: usize) -> Self {
        let end = raw.floor_char_boundary(max_bytes);
        Self::line(&raw[..end])
    }

    /// Whether a person could take one name for the other.
    pub fn looks_like(&self, other: &Self) -> bool {
        self == other
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Display for SafeText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for SafeText {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Self::body(&std::borrow::Cow::<'de, str>::deserialize(d)?))
    }
}
