//! Trust levels and what each allows: the one table.

use serde::{Deserialize, Serialize};

/// How far a peer is trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrustLevel {
    /// Pinned on first use, never compared.
    #[default]
    Untrusted,
    /// The user compared the fingerprint.
    Verified,
    /// The user decided so, or accepted a sovereign peer's word.
    Trusted,
    /// All conditions of the Cloud 9 checklist hold and the user confirmed.
    Sovereign,
}

impl TrustLevel {
    /// All levels, lowest first.
    pub const ALL: [Self; 4] = [Self::Untrusted, Self::Verified, Self::Trusted, Self::Sovereign];

    /// The level's name as it is written in files and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Untrusted => "untrusted",
            Self::Verified => "verified",
            Self::Trusted => "trusted",
            Self::Sovereign => "sovereign",
        }
    }

    /// One letter for narrow lists; text, so that it is never colour alone.
    pub fn badge(self) -> char {
        match self {
            Self::Untrusted => '-',
            Self::Verified => 'V',
            Self::Trusted => 'T',
            Self::Sovereign => 'S',
        }
    }

    /// Whether a peer of this level may have `permission`.
    pub fn allows(self, permission: Permission) -> bool {
        self >= permission.needs()
    }
}

impl std::str::FromStr for TrustLevel {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|level| level.name() == s)
            .ok_or_else(|| format!("`{s}` is no trust level; use untrusted, verified, trusted or sovereign"))
    }
}

/// Something a peer may be allowed to do here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Its messages are shown.
    Show,
    /// Its files are stored in the sandbox folder.
    Files,
    /// It may ask to run something that destroys nothing; the user confirms each.
    Commands,
    /// It may vouch for others.
    Vouch,
    /// It may ask to run something destructive; the user confirms each, and is told what will be lost.
    DestructiveCommands,
}

impl Permission {
    /// All permissions, the most common first.
    pub const ALL: [Self; 5] = [Self::Show, Self::Files, Self::Commands, Self::Vouch, Self::DestructiveCommands];

    /// The lowest level that has it.
    pub fn needs(self) -> TrustLevel {
        match self {
            Self::Show => TrustLevel::Untrusted,
            Self::Files => TrustLevel::Verified,
            Self::Commands => TrustLevel::Trusted,
            Self::Vouch | Self::DestructiveCommands => TrustLevel::Sovereign,
        }
    }

    /// What it means, for the trust panel and the docs.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Show => "its messages are shown",
            Self::Files => "its files go to the sandbox folder",
            Self::Commands => "it may ask to run harmless commands; you confirm each",
            Self::Vouch => "it may vouch for others",
            Self::DestructiveCommands => "it may ask to run destructive commands; you confirm each",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_allows_what_the_lower_ones_allow() {
        for pair in TrustLevel::ALL.windows(2) {
            for permission in Permission::ALL {
                assert!(!pair[0].allows(permission) || pair[1].allows(permission));
            }
        }
    }

    #[test]
    fn names_round_trip() {
        for level in TrustLevel::ALL {
            assert_eq!(level.name().parse(), Ok(level));
        }
        assert!("friend".parse::<TrustLevel>().is_err());
    }
}
