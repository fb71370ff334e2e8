//! Identifiers: envelopes, threads, keys.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use thiserror::Error;
use uuid::Uuid;

use super::limits;

/// Why a string is not a valid identifier.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum IdError {
    /// Not a UUID in the hyphenated form, or of another version than 4 or 7.
    #[error("not a version 4 or 7 UUID")]
    Envelope,
    /// Empty, too long, or with control characters.
    #[error("a thread id has 1 to {} bytes and no control characters", limits::THREAD_ID_BYTES)]
    Thread,
    /// Not 40 or 64 hexadecimal digits.
    #[error("a fingerprint has 40 or 64 hexadecimal digits")]
    Fingerprint,
}

/// The identity of one envelope: a UUID of version 4 or 7 (RFC 9562). The key of deduplication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvelopeId(Uuid);

impl EnvelopeId {
    /// Makes an id from 16 bytes of randomness (the version and variant bits are set here).
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(random).into_uuid())
    }

    /// The 16 bytes of the UUID.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// From the 16 bytes of a UUID.
    ///
    /// # Errors
    /// [`IdError::Envelope`] if it is of another version than 4 or 7.
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, IdError> {
        let uuid = Uuid::from_bytes(bytes);
        match (uuid.get_variant(), uuid.get_version_num()) {
            (uuid::Variant::RFC4122, 4 | 7) => Ok(Self(uuid)),
            _ => Err(IdError::Envelope),
        }
    }
}

impl fmt::Display for EnvelopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl FromStr for EnvelopeId {
    type Err = IdError;

    fn from_str(s: &str) -> Result<Self, IdError> {
        if s.len() != 36 {
            return Err(IdError::Envelope);
        }
        Self::from_bytes(Uuid::parse_str(s).map_err(|_| IdError::Envelope)?.into_bytes())
    }
}

/// The name of a thread inside the conversation with one peer: 1 to 256 bytes, no control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadId(String);

impl ThreadId {
    /// The thread of messages that name none.
    pub const GENERAL: &'static str = "general";

    /// The thread of messages that name none.
    pub fn general() -> Self {
        Self(Self::GENERAL.to_owned())
    }

    /// The id as text. It may hold bidi marks and the like: show it through `SafeText`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ThreadId {
    type Err = IdError;

    fn from_str(s: &str) -> Result<Self, IdError> {
        if s.is_empty() || s.len() > limits::THREAD_ID_BYTES || s.chars().any(char::is_control) {
            return Err(IdError::Thread);
        }
        Ok(Self(s.to_owned()))
    }
}

/// The fingerprint of an OpenPGP certificate: 20 bytes (v4) or 32 bytes (v6), RFC 9580 section 5.5.4.
/// Shown as upper-case hexadecimal; read with or without spaces, in either case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint {
    bytes: [u8; 32],
    len: u8,
}

impl Fingerprint {
    /// From 20 or 32 bytes.
    ///
    /// # Errors
    /// [`IdError::Fingerprint`] for any other length.
    pub fn from_bytes(raw: &[u8]) -> Result<Self, IdError> {
        let len = match raw.len() {
            20 => 20,
            32 => 32,
            _ => return Err(IdError::Fingerprint),
        };
        let mut bytes = [0; 32];
        bytes[..raw.len()].copy_from_slice(raw);
        Ok(Self { bytes, len })
    }

    /// The 20 or 32 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The first eight hexadecimal digits, for lists and logs.
    pub fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }

    /// Hexadecimal digits in groups of four, for comparison by eye.
    pub fn grouped(&self) -> String {
        let hex = self.to_string();
        let groups: Vec<&str> = (0..hex.len()).step_by(4).map(|i| &hex[i..i + 4]).collect();
        groups.join(" ")
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|b| write!(f, "{b:02X}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = IdError;

    fn from_str(s: &str) -> Result<Self, IdError> {
        let mut raw = [0u8; 32];
        let mut digits = 0;
        for c in s.chars().filter(|c| *c != ' ') {
            let value = c.to_digit(16).ok_or(IdError::Fingerprint)? as u8;
            let slot = raw.get_mut(digits / 2).ok_or(IdError::Fingerprint)?;
            *slot = *slot << 4 | value;
            digits += 1;
        }
        if digits % 2 != 0 {
            return Err(IdError::Fingerprint);
        }
        Self::from_bytes(&raw[..digits / 2])
    }
}

/// A conversation: one peer, one thread.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Conversation {
    /// The peer.
    pub peer: Fingerprint,
    /// The thread.
    pub thread_id: ThreadId,
}

macro_rules! serde_as_string {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<'de, str>::deserialize(d)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}
serde_as_string!(EnvelopeId, ThreadId, Fingerprint);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_uuids_of_version_4_and_7_name_envelopes() {
        for good in ["0d786ed2-7f11-4985-a5c8-822ebd1df295", "01936f2b-6a7c-7b1e-9f00-0123456789ab"] {
            assert_eq!(good.parse::<EnvelopeId>().unwrap().to_string(), good);
            assert_eq!(good.to_uppercase().parse::<EnvelopeId>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "0d786ed27f114985a5c8822ebd1df295",
            "{0d786ed2-7f11-4985-a5c8-822ebd1df295}",
            "0d786ed2-7f11-1985-a5c8-822ebd1df295",
            "0d786ed2-7f11-4985-15c8-822ebd1df295",
            "00000000-0000-0000-0000-000000000000",
            "0d786ed2_7f11_4985_a5c8_822ebd1df295",
            "0d786ed2-7f11-4985-a5c8-822ebd1df2é",
        ] {
            assert_eq!(bad.parse::<EnvelopeId>(), Err(IdError::Envelope), "{bad}");
        }
    }

    #[test]
    fn thread_ids_are_bounded_and_without_controls() {
        let longest = "t".repeat(limits::THREAD_ID_BYTES);
        assert_eq!(longest.parse::<ThreadId>().unwrap().as_str(), longest);
        for bad in ["", &(longest + "t"), "a\nb", "a\u{9b}b"] {
            assert_eq!(bad.parse::<ThreadId>(), Err(IdError::Thread));
        }
    }

    #[test]
    fn fingerprints_are_of_version_4_or_6() {
        let v4 = "EA558C6BAEE73766C88D14A9D2D785B1D9786BA5";
        let read: Fingerprint = "ea55 8c6b aee7 3766 c88d  14a9 d2d7 85b1 d978 6ba5".parse().unwrap();
        assert_eq!(read.to_string(), v4);
        assert_eq!(read.short(), "EA558C6B");
        assert_eq!(read.grouped(), "EA55 8C6B AEE7 3766 C88D 14A9 D2D7 85B1 D978 6BA5");
        assert_eq!("ab".repeat(32).parse::<Fingerprint>().unwrap().as_bytes().len(), 32);
        for bad in ["", "EA55", &v4[1..], &("AB".repeat(33)), "EA558C6BAEE73766C88D14A9D2D785B1D9786BAG"] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(IdError::Fingerprint), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn ids_round_trip(random: [u8; 16], v4: [u8; 20], v6: [u8; 32]) {
            let id = EnvelopeId::from_random(random);
            prop_assert_eq!(id.to_string().parse::<EnvelopeId>().unwrap(), id);
            prop_assert_eq!(EnvelopeId::from_bytes(*id.as_bytes()).unwrap(), id);
            for raw in [&v4[..], &v6[..]] {
                let fingerprint = Fingerprint::from_bytes(raw).unwrap();
                prop_assert_eq!(fingerprint.as_bytes(), raw);
                prop_assert_eq!(fingerprint.to_string().parse::<Fingerprint>().unwrap(), fingerprint);
                prop_assert_eq!(fingerprint.grouped().parse::<Fingerprint>().unwrap(), fingerprint);
            }
        }

        #[test]
        fn no_text_makes_them_panic(text in "[0-9a-fA-F -]{0,70}|.{0,40}") {
            let _ = text.parse::<EnvelopeId>();
            let _ = text.parse::<Fingerprint>();
            let _ = text.parse::<ThreadId>();
        }
    }
}
