//! Local names of peers.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use thiserror::Error;

/// A string is no peer name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("a peer's name has 1 to 64 letters, digits, '-', '_' or '.', and begins with a letter or digit")]
pub struct PeerNameError;

/// The name by which the user calls a peer; also the stem of its file. Compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerName(String);

impl PeerName {
    /// The name as the user wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form two names are compared in.
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }

    /// The nearest valid name to what a stranger calls itself; `stranger` if nothing is left of it.
    pub fn nearest(claimed: &str) -> Self {
        let kept: String = claimed
            .chars()
            .map(|c| if c == ' ' { '-' } else { c })
            .filter(|c| Self::fits(*c))
            .skip_while(|c| !c.is_alphanumeric())
            .take(32)
            .collect();
        if kept.is_empty() { Self("stranger".into()) } else { Self(kept) }
    }

    /// This name with a suffix, for a second peer that claims the same name.
    pub fn suffixed(&self, suffix: &str) -> Self {
        let stem: String = self.0.chars().take(40).collect();
        Self(format!("{stem}-{suffix}"))
    }

    /// Letters and digits of any script, but nothing that is invisible, combines, or means something in a path.
    fn fits(c: char) -> bool {
        c.is_alphanumeric() || matches!(c, '-' | '_' | '.')
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for PeerName {
    type Err = PeerNameError;

    fn from_str(s: &str) -> Result<Self, PeerNameError> {
        let begins = s.chars().next().is_some_and(char::is_alphanumeric);
        if !begins || s.len() > 200 || s.chars().count() > 64 || !s.chars().all(Self::fits) {
            return Err(PeerNameError);
        }
        Ok(Self(s.to_owned()))
    }
}

impl Serialize for PeerName {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PeerName {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_as_file_names() {
        for good in ["Lumina", "jarvis-2", "Zoë", "a.b"] {
            assert!(good.parse::<PeerName>().is_ok(), "{good}");
        }
        for bad in ["", ".hidden", "-x", "a/b", "..", "a b", "a\u{202E}b", "a\0", "a\u{200B}b"] {
            assert_eq!(bad.parse::<PeerName>(), Err(PeerNameError), "{bad:?}");
        }
    }

    #[test]
    fn the_nearest_name_is_always_valid() {
        for claimed in ["../../etc/passwd", "", "\u{1b}[31m", "Big Bob", "...."] {
            let name = PeerName::nearest(claimed);
            assert_eq!(name.as_str().parse(), Ok(name.clone()), "{claimed:?}");
        }
    }
}
