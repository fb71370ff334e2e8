//! Links as they are met outside.

use rand::{RngExt, rngs::StdRng};

use crate::delivery::{Capabilities, Cost, Guarantee, LatencyClass, Leak, TransportId};

/// A named kind of link, as they are met outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
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
    Relay,
    Folder,
}

impl Link {
    pub(super) const ALL: [Self; 9] = [
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

    pub(super) fn name(self) -> TransportId {
        format!("{self:?}").to_lowercase().parse().unwrap()
    }

    pub(super) fn stores(self) -> bool {
        matches!(self, Self::Relay | Self::Folder)
    }

    pub(super) fn capabilities(self) -> Capabilities {
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
            guarantee: if stores { Guarantee::Durable } else { Guarantee::Confirmed },
            cost: Cost::Free,
        }
    }

    /// One-way time in milliseconds, without accidents.
    pub(super) fn delay_ms(self, rng: &mut StdRng) -> u64 {
        match self {
            Self::GoodWifi | Self::BlackHole | Self::Flapping | Self::Hanging => rng.random_range(1..10),
            Self::Weak4g => rng.random_range(40..250),
            Self::Slow3g => rng.random_range(200..900),
            Self::Satellite => rng.random_range(280..320),
            Self::Relay => rng.random_range(20..200),
            Self::Folder => rng.random_range(1_000..20_000),
        }
    }

    /// The share of frames that are accepted and never arrive.
    pub(super) fn loss(self) -> f64 {
        match self {
            Self::GoodWifi | Self::Hanging => 0.002,
            Self::Weak4g => 0.04,
            Self::Slow3g => 0.02,
            Self::Flapping => 0.05,
            Self::BlackHole => 1.0,
            Self::Satellite | Self::Relay | Self::Folder => 0.0,
        }
    }
}
