//! What a transport is like, known before it is used.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use thiserror::Error;

/// A transport's name is not usable.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("a transport's name has 1 to 64 characters out of a-z, 0-9, '-' and '_'")]
pub struct TransportIdError;

/// The name of one configured transport, such as `file` or `relay-home`; the stem of its
/// configuration file. 1 to 64 characters out of `a-z`, `0-9`, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransportId(std::sync::Arc<str>);

impl TransportId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TransportId {
    type Err = TransportIdError;

    fn from_str(s: &str) -> Result<Self, TransportIdError> {
        let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if s.is_empty() || s.len() > 64 || !s.bytes().all(fine) {
            return Err(TransportIdError);
        }
        Ok(Self(s.into()))
    }
}

impl fmt::Display for TransportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for TransportId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TransportId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

/// What a transport can do and what it gives away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Whether what we send over it can also be answered over it.
    pub duplex: bool,
    /// Whether it works while the recipient is away.
    pub offline: bool,
    /// Whether the next hop keeps what it accepted until the recipient fetches it.
    pub next_hop_stores: bool,
    /// How long a message typically takes.
    pub latency: LatencyClass,
    /// Largest frame, in bytes.
    pub max_frame: usize,
    /// What an observer or the next hop learns; empty for the most discreet.
    pub leaks: Vec<Leak>,
    /// Frames for one peer that it can use to have in hand at once; further ones would only wait in its hands while their time runs
    /// out, so the router keeps them. None: as many as the router gives.
    pub per_peer: Option<u32>,
    /// What an acceptance promises.
    pub guarantee: Guarantee,
    /// What a message costs.
    pub cost: Cost,
}

impl Capabilities {
    /// Whether the transport may be used in stealth mode: nobody but the two ends learns who talks to whom.
    pub fn stealthy(&self) -> bool {
        !self.leaks.iter().any(|leak| matches!(leak, Leak::BothEndsToServer | Leak::BothEndsToNetwork))
    }
}

/// How long a message typically takes from send to arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LatencyClass {
    /// Milliseconds: a direct connection.
    Instant,
    /// Up to seconds: a relay or broker.
    Fast,
    /// Seconds to minutes: a synchronised folder, mail.
    Slow,
    /// Hours to days: a stick that is carried.
    Courier,
}

impl LatencyClass {
    /// The shortest and the longest time to wait for an ack over such a path.
    pub fn ack_bounds(self) -> (Duration, Duration) {
        let (low, high) = match self {
            Self::Instant => (1, 10),
            Self::Fast => (2, 30),
            Self::Slow => (30, 900),
            Self::Courier => (3_600, 28 * 86_400),
        };
        (Duration::from_secs(low), Duration::from_secs(high))
    }

    /// The time to wait for an ack before any round trip was measured.
    pub fn ack_initial(self) -> Duration {
        Duration::from_secs(match self {
            Self::Instant => 3,
            Self::Fast => 8,
            Self::Slow => 120,
            Self::Courier => 86_400,
        })
    }
}

/// What it means that the next hop accepted a frame. Never that the recipient has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// It was put on the wire; nobody confirmed it.
    BestEffort,
    /// The next hop confirmed it, and may lose it when it crashes.
    Confirmed,
    /// The next hop confirmed that it is on its disk, or the recipient's node that it has it.
    Durable,
}

/// What it costs to send a message, in money, somebody else's goodwill or the world's bandwidth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// Nothing: our own line or medium.
    Free,
    /// A server that others pay for, or share.
    Shared,
    /// Money or a quota for each message or byte.
    Metered,
}

/// Something a path gives away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leak {
    /// Our network address, to the peer.
    AddressToPeer,
    /// Our network address, to a server.
    AddressToServer,
    /// Who talks to whom, to a server.
    BothEndsToServer,
    /// Who talks to whom, to anyone who watches the network.
    BothEndsToNetwork,
    /// Who receives, to anyone who can read the folder or medium.
    RecipientToMedium,
    /// When and how much, to anyone who watches.
    Timing,
}
