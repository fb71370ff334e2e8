//! What the user wants of a path: policies by name.
//!
//! A mode says how many paths a message takes and which are forbidden to it; a policy says which of the allowed ones
//! are better. So each policy goes with each mode.

use serde::{Deserialize, Serialize};

use super::{Capabilities, Cost, Guarantee, Leak};

/// Which of the usable paths is the best.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The user's priorities first, as long as the path is healthy.
    #[default]
    Balanced,
    /// The one that took the least time of late.
    Fastest,
    /// The one that costs least.
    Cheapest,
    /// The one that gives away least about us and the peer.
    MostPrivate,
    /// The one whose acceptance promises most, and that works while the peer is away.
    Surest,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Self; 5] = [Self::Balanced, Self::Fastest, Self::Cheapest, Self::MostPrivate, Self::Surest];

    /// The name in settings, on the command line and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Balanced => "balanced",
            Self::Fastest => "fastest",
            Self::Cheapest => "cheapest",
            Self::MostPrivate => "most-private",
            Self::Surest => "surest",
        }
    }
}

impl std::fmt::Display for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// No policy has that name.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("a policy is one of balanced, fastest, cheapest, most-private, surest")]
pub struct UnknownPolicy;

impl std::str::FromStr for Policy {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == name).ok_or(UnknownPolicy)
    }
}

/// How much a path gives away, as a sum over what it leaks. Who talks to whom weighs more than where we are, and that
/// more than what only an owner of the medium or an observer of the line can guess.
pub(super) fn exposure(leaks: &[Leak]) -> f64 {
    leaks.iter().map(|leak| weight(*leak)).sum()
}

fn weight(leak: Leak) -> f64 {
    match leak {
        Leak::BothEndsToNetwork => 60.0,
        Leak::BothEndsToServer => 50.0,
        Leak::AddressToPeer => 30.0,
        Leak::AddressToServer => 20.0,
        Leak::RecipientToMedium => 10.0,
        Leak::Timing => 5.0,
    }
}

/// What speaks for a path where a loss would be bad: the promise of an acceptance, and that nobody needs to be there.
pub(super) fn assurance(capabilities: &Capabilities) -> f64 {
    let promise = match capabilities.guarantee {
        Guarantee::BestEffort => 0.0,
        Guarantee::Confirmed => 20.0,
        Guarantee::Durable => 60.0,
    };
    promise + if capabilities.offline || capabilities.next_hop_stores { 20.0 } else { 0.0 }
}

/// How many steps dearer than a free path.
pub(super) fn price(cost: Cost) -> f64 {
    match cost {
        Cost::Free => 0.0,
        Cost::Shared => 1.0,
        Cost::Metered => 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_everywhere() {
        for policy in Policy::ALL {
            assert_eq!(policy.as_str().parse(), Ok(policy));
            assert_eq!(serde_json::to_value(policy).unwrap(), policy.as_str());
        }
        assert!("quickest".parse::<Policy>().unwrap_err().to_string().contains("most-private"));
    }

    #[test]
    fn who_talks_to_whom_weighs_more_than_all_that_is_only_guessed() {
        let guessed = exposure(&[Leak::AddressToServer, Leak::RecipientToMedium, Leak::Timing]);
        assert!(exposure(&[Leak::BothEndsToServer]) > guessed);
        assert!(exposure(&[Leak::AddressToPeer]) > exposure(&[Leak::AddressToServer]));
    }
}
