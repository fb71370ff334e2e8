//! Links as they are met outside.

use rand::{RngExt as _, rngs::StdRng};
use skcomm_tui::delivery::{Capabilities, Cost, Guarantee, LatencyClass, Leak, TransportId};

/// A named kind of link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    GoodWifi,
    Weak4g,
    Slow3g,
    /// 600 ms; losses come in bursts and are repaired below the path, at the cost of time.
    Satellite,
    /// Accepts everything, delivers nothing.
    BlackHole,
    /// Goes up and down all the time.
    Flapping,
    /// Does not answer one send in ten.
    Hanging,
    /// Stores, and shows both ends to its operator.
    Relay,
    /// A shared folder: stores, is slow, and carries what must be discreet.
    Folder,
}

impl Link {
    pub(crate) const ALL: [Self; 9] = [
        Self::GoodWifi,
        Self::Weak4g,
        Self::Slow3g,
        Self::Satellite,
        Self::BlackHole,
        Self::Flapping,
        Self::Hanging,
        Self::Relay,
        Self::Folder,
    ];

    /// The name of the transport that stands for the link.
    pub(crate) fn name(self) -> TransportId {
        format!("{self:?}").to_lowercase().parse().unwrap()
    }

    /// As people say it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::GoodWifi => "good wifi",
            Self::Weak4g => "weak 4G",
            Self::Slow3g => "slow 3G",
            Self::Satellite => "satellite with bursts",
            Self::BlackHole => "black hole",
            Self::Flapping => "flapping",
            Self::Hanging => "hanging",
            Self::Relay => "relay",
            Self::Folder => "folder",
        }
    }

    /// Whether the next hop keeps what it took until the recipient is there.
    pub(crate) fn stores(self) -> bool {
        matches!(self, Self::Relay | Self::Folder)
    }

    /// Whether what is sent again and again over it arrives in the end.
    pub(crate) fn lives(self) -> bool {
        self != Self::BlackHole
    }

    pub(crate) fn capabilities(self) -> Capabilities {
        let (latency, leaks) = match self {
            Self::Relay => (LatencyClass::Fast, vec![Leak::BothEndsToServer]),
            Self::Folder => (LatencyClass::Slow, vec![Leak::RecipientToMedium]),
            _ => (LatencyClass::Instant, vec![Leak::AddressToPeer]),
        };
        let stores = self.stores();
        Capabilities {
            duplex: true,
            offline: stores,
            next_hop_stores: stores,
            latency,
            max_frame: 1 << 24,
            leaks,
            per_peer: None,
            guarantee: if stores { Guarantee::Durable } else { Guarantee::Confirmed },
            cost: Cost::Free,
        }
    }

    /// One-way time in microseconds, without accidents.
    pub(crate) fn delay_us(self, rng: &mut StdRng) -> u64 {
        match self {
            Self::GoodWifi | Self::BlackHole | Self::Flapping | Self::Hanging => rng.random_range(1_000..10_000),
            Self::Weak4g => rng.random_range(40_000..250_000),
            Self::Slow3g => rng.random_range(200_000..900_000),
            Self::Satellite => rng.random_range(280_000..320_000),
            Self::Relay => rng.random_range(20_000..200_000),
            Self::Folder => rng.random_range(1_000_000..20_000_000),
        }
    }

    /// What it carries in a second.
    pub(crate) fn bytes_a_second(self) -> u64 {
        match self {
            Self::GoodWifi | Self::BlackHole | Self::Flapping | Self::Hanging => 5_000_000,
            Self::Weak4g => 150_000,
            Self::Slow3g => 50_000,
            Self::Satellite | Self::Relay => 1_000_000,
            Self::Folder => 10_000_000,
        }
    }

    /// The share of sends to which the next hop says when to come again.
    pub(crate) fn slowed(self) -> f64 {
        if self == Self::Relay { 0.01 } else { 0.0 }
    }

    /// The share of frames that are accepted and never arrive.
    pub(crate) fn loss(self) -> f64 {
        match self {
            Self::GoodWifi | Self::Hanging => 0.002,
            Self::Weak4g => 0.04,
            Self::Slow3g => 0.02,
            Self::Flapping => 0.05,
            Self::BlackHole => 1.0,
            Self::Satellite | Self::Relay | Self::Folder => 0.0,
        }
    }

    /// The share of sends that end with an error although the other side is there.
    pub(crate) fn refusal(self) -> f64 {
        match self {
            Self::Weak4g => 0.03,
            Self::Slow3g => 0.01,
            Self::GoodWifi | Self::Satellite => 0.001,
            _ => 0.0,
        }
    }
}
