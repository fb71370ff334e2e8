//! Foreign text, made harmless once, at ingest.
//!
//! What a terminal would act on (C0, C1, DEL), what reorders or hides text (bidi controls, zero-width and tag
//! characters, stray joiners and selectors) and what breaks widths (unassigned code points, piles of combining
//! marks) becomes a visible mark. Nothing is dropped without a mark.

mod class;
mod filter;
mod lookalike;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Deserializer, Serialize};
use unicode_segmentation::UnicodeSegmentation;

use filter::{Form, clean};

/// Text that is safe to put on a terminal. Everything foreign passes through here once, at ingest;
/// nothing else may reach the screen.
///
/// The constructors are idempotent, and a [`SafeText::line`] is left alone by [`SafeText::body`]. The result
/// may have up to four times the bytes of what came in.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SafeText(String);

impl SafeText {
    /// A body of one or more lines. `\n` stays, `\r\n` and U+2028/2029 become `\n`, a tab becomes four spaces.
    /// Right-to-left text, emoji sequences and the joiners that scripts need stay as they are; everything else
    /// that a terminal would act on or that hides something becomes a visible mark.
    pub fn body(raw: &str) -> Self {
        Self(clean(raw, Form::Body))
    }

    /// One line: a name, a file name, a URL, an error. Stricter than [`SafeText::body`]: line ends, tabs, every
    /// invisible character, direction marks and private-use characters become visible marks, and all spaces
    /// become the ordinary one.
    pub fn line(raw: &str) -> Self {
        Self(clean(raw, Form::Line))
    }

    /// As [`SafeText::line`], cut between two characters as people see them to at most `max_bytes` bytes, with
    /// an ellipsis where something was cut. Reads no more of `raw` than that.
    pub fn line_bounded(raw: &str, max_bytes: usize) -> Self {
        const ELLIPSIS: &str = "…";
        let safe = clean(&raw[..raw.floor_char_boundary(max_bytes)], Form::Line);
        if raw.len() <= max_bytes && safe.len() <= max_bytes {
            return Self(safe);
        }
        let Some(room) = max_bytes.checked_sub(ELLIPSIS.len()) else { return Self::default() };
        let ends = safe.grapheme_indices(true).map(|(start, cluster)| start + cluster.len());
        let end = ends.take_while(|end| *end <= room).last().unwrap_or(0);
        Self(safe[..end].to_owned() + ELLIPSIS)
    }

    /// Our own text, known at compile time.
    pub fn from_static(text: &'static str) -> Self {
        Self::body(text)
    }

    /// Whether a person could take one name for the other: equal but for case, white space, accents, marks of
    /// hidden characters, and letters that look alike (UTS 39 confusables). True for equal names.
    pub fn looks_like(&self, other: &Self) -> bool {
        lookalike::looks_like(&self.0, &other.0)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, without a copy.
    pub fn into_string(self) -> String {
        self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl AsRef<str> for SafeText {
    fn as_ref(&self) -> &str {
        &self.0
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
