//! What messages get that ask for nothing else: per peer and per thread.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::{
    delivery::Policy,
    wire::{Mode, Urgency, limits},
};

/// Most threads of a peer that have defaults of their own.
pub const THREADS_MAX: usize = 256;

/// What a message gets that asks for nothing else. What is none here is asked of the next: a thread's are followed by
/// its peer's, those by the configuration's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutingDefaults {
    /// How many paths, and which are allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Which of them are better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// How much it matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urgency: Option<Urgency>,
    /// Time to live in seconds, 1 to 28 days.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "ttl")]
    pub ttl_seconds: Option<u64>,
}

/// One of the [`RoutingDefaults`], by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoutingDefault {
    /// [`RoutingDefaults::mode`].
    Mode,
    /// [`RoutingDefaults::policy`].
    Policy,
    /// [`RoutingDefaults::urgency`].
    Urgency,
    /// [`RoutingDefaults::ttl_seconds`].
    Ttl,
}

impl RoutingDefault {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Mode, Self::Policy, Self::Urgency, Self::Ttl];

    /// The name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mode => "mode",
            Self::Policy => "policy",
            Self::Urgency => "urgency",
            Self::Ttl => "ttl",
        }
    }
}

impl RoutingDefaults {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The same, with `other` where this says nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            mode: self.mode.or(other.mode),
            policy: self.policy.or(other.policy),
            urgency: self.urgency.or(other.urgency),
            ttl_seconds: self.ttl_seconds.or(other.ttl_seconds),
        }
    }

    /// The same without one.
    #[must_use]
    pub fn without(mut self, which: RoutingDefault) -> Self {
        match which {
            RoutingDefault::Mode => self.mode = None,
            RoutingDefault::Policy => self.policy = None,
            RoutingDefault::Urgency => self.urgency = None,
            RoutingDefault::Ttl => self.ttl_seconds = None,
        }
        self
    }
}

/// A time to live within its bounds, if any: whoever reads a file wants to hear of a bad one there and not at the next
/// message.
pub(super) fn ttl<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
    let seconds = Option::<u64>::deserialize(d)?;
    match seconds {
        Some(n) if n == 0 || n > limits::TTL_SECONDS_MAX => {
            Err(D::Error::custom(format!("a time to live is 1 to {} seconds", limits::TTL_SECONDS_MAX)))
        }
        seconds => Ok(seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearer_word_wins_and_can_be_taken_back() {
        let thread = RoutingDefaults { policy: Some(Policy::Cheapest), ..RoutingDefaults::default() };
        let peer = RoutingDefaults { policy: Some(Policy::Surest), urgency: Some(Urgency::Low), ..Default::default() };
        let both = thread.or(peer);
        assert_eq!((both.policy, both.urgency), (Some(Policy::Cheapest), Some(Urgency::Low)));
        assert!(RoutingDefault::ALL.into_iter().fold(both, RoutingDefaults::without).is_empty());
    }

    #[test]
    fn a_time_to_live_out_of_bounds_is_told_where_it_is_read() {
        for bad in ["ttl_seconds: 0", "ttl_seconds: 2419201", "ttl: 5"] {
            assert!(serde_saphyr::from_str::<RoutingDefaults>(bad).is_err(), "{bad}");
        }
        let read: RoutingDefaults = serde_saphyr::from_str("ttl_seconds: 60\npolicy: most-private\n").unwrap();
        assert_eq!((read.ttl_seconds, read.policy), (Some(60), Some(Policy::MostPrivate)));
    }
}
