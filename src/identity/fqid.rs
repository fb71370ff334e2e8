//! Fully qualified ids of CapAuth: `agent@operator.realm`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use thiserror::Error;

/// A string is no FQID.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("an FQID looks like agent@operator.realm: labels of a-z, 0-9, '-' and '_', at most 63 characters each")]
pub struct FqidError;

/// `agent@operator.realm`, lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fqid(String);

impl Fqid {
    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the `@`.
    pub fn agent(&self) -> &str {
        self.0.split('@').next().unwrap_or_default()
    }
}

impl fmt::Display for Fqid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Fqid {
    type Err = FqidError;

    /// Upper case is folded to lower.
    fn from_str(s: &str) -> Result<Self, FqidError> {
        let label = |l: &str| {
            !l.is_empty()
                && l.len() <= 63
                && l.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        };
        if s.len() > crate::wire::limits::NAME_BYTES {
            return Err(FqidError);
        }
        let folded = s.to_ascii_lowercase();
        let (agent, home) = folded.split_once('@').ok_or(FqidError)?;
        let (operator, realm) = home.split_once('.').ok_or(FqidError)?;
        if !label(agent) || !label(operator) || !realm.split('.').all(label) {
            return Err(FqidError);
        }
        Ok(Self(folded))
    }
}

impl Serialize for Fqid {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Fqid {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ids_and_refuses_others() {
        for good in ["opus@casey.douno", "Lumina@chef.skworld.io", "a_1@b-2.c"] {
            assert!(good.parse::<Fqid>().is_ok(), "{good}");
        }
        for bad in
            ["", "opus", "opus@casey", "@casey.douno", "opus@.douno", "opus@casey.", "o pus@casey.douno", "ö@a.b"]
        {
            assert_eq!(bad.parse::<Fqid>(), Err(FqidError), "{bad}");
        }
        assert_eq!("Opus@Casey.Douno".parse::<Fqid>().unwrap().agent(), "opus");
    }
}
