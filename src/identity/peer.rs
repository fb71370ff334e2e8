//! A peer as it is kept in `peers/NAME.yml`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Fqid, PeerName, RoutingDefaults, TrustLevel, defaults};
use crate::{
    delivery::{Policy, TransportId},
    wire::{Fingerprint, Mode, ThreadId, Timestamp, Urgency},
};

/// Everything the user knows and decided about one peer, without its certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerProfile {
    /// The local name.
    pub name: PeerName,
    /// The pinned key: the first one seen, or the one the user gave. None until one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    /// `agent@operator.realm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fqid: Option<Fqid>,
    /// The trust level.
    #[serde(default)]
    pub trust: TrustLevel,
    /// Where it is reached, in the user's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteEntry>,
    /// Mode to use when a message names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_mode: Option<Mode>,
    /// Policy to use when a message names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_policy: Option<Policy>,
    /// Urgency of a message that names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_urgency: Option<Urgency>,
    /// Time to live in seconds of a message that names none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "defaults::ttl")]
    pub default_ttl_seconds: Option<u64>,
    /// Defaults of threads with it, which go before the peer's own; at most [`super::THREADS_MAX`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub threads: BTreeMap<ThreadId, RoutingDefaults>,
    /// Blocked by the user.
    #[serde(default, skip_serializing_if = "is_false")]
    pub blocked: bool,
    /// Muted by the user.
    #[serde(default, skip_serializing_if = "is_false")]
    pub muted: bool,
    /// A stranger who wrote to us and whom the user has not accepted yet.
    #[serde(default, skip_serializing_if = "is_false")]
    pub request: bool,
    /// A key that wants to take the pinned one's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict: Option<Fingerprint>,
    /// Keys that the user refused to take for this peer, at most 64, the newest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused_keys: Vec<Fingerprint>,
    /// Whether a verified envelope ever came from it: then it holds our certificate and introductions end.
    #[serde(default, skip_serializing_if = "is_false")]
    pub heard: bool,
    /// What happened to its key, oldest first, at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_history: Vec<PeerKeyEvent>,
}

/// One way to reach a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteEntry {
    /// The configured transport.
    pub transport: TransportId,
    /// The peer's address on it.
    pub address: String,
}

/// Something that happened to a peer's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerKeyEvent {
    /// When.
    pub at: Timestamp,
    /// What, in one line.
    pub what: String,
}

impl PeerProfile {
    /// A peer of that name and nothing else.
    pub fn new(name: PeerName) -> Self {
        Self {
            name,
            fingerprint: None,
            fqid: None,
            trust: TrustLevel::Untrusted,
            routes: Vec::new(),
            default_mode: None,
            default_policy: None,
            default_urgency: None,
            default_ttl_seconds: None,
            threads: BTreeMap::new(),
            blocked: false,
            muted: false,
            request: false,
            conflict: None,
            refused_keys: Vec::new(),
            heard: false,
            key_history: Vec::new(),
        }
    }

    /// What messages to it get that ask for nothing else.
    pub fn defaults(&self) -> RoutingDefaults {
        RoutingDefaults {
            mode: self.default_mode,
            policy: self.default_policy,
            urgency: self.default_urgency,
            ttl_seconds: self.default_ttl_seconds,
        }
    }

    /// What messages in that thread get before [`PeerProfile::defaults`] are asked.
    pub fn thread_defaults(&self, thread: &ThreadId) -> RoutingDefaults {
        self.threads.get(thread).copied().unwrap_or_default()
    }

    /// Sets what messages to it get, or those in one thread. False when too many threads have defaults already.
    pub fn set_defaults(&mut self, thread: Option<ThreadId>, to: RoutingDefaults) -> bool {
        let Some(thread) = thread else {
            (self.default_mode, self.default_policy) = (to.mode, to.policy);
            (self.default_urgency, self.default_ttl_seconds) = (to.urgency, to.ttl_seconds);
            return true;
        };
        if to.is_empty() {
            self.threads.remove(&thread);
            return true;
        }
        let fits = self.threads.len() < defaults::THREADS_MAX || self.threads.contains_key(&thread);
        if fits {
            self.threads.insert(thread, to);
        }
        fits
    }

    /// Writes a line into the key's history; the oldest lines beyond 64 go.
    pub fn note(&mut self, at: Timestamp, what: impl Into<String>) {
        self.key_history.push(PeerKeyEvent { at, what: what.into() });
        let excess = self.key_history.len().saturating_sub(64);
        self.key_history.drain(..excess);
    }

    /// Remembers that the user refused `key`.
    pub fn refuse(&mut self, key: Fingerprint) {
        self.refused_keys.retain(|refused| *refused != key);
        self.refused_keys.push(key);
        let excess = self.refused_keys.len().saturating_sub(64);
        self.refused_keys.drain(..excess);
    }

    /// Adds a route unless it is there; routes over the same transport are kept beside each other.
    pub fn add_route(&mut self, entry: RouteEntry) {
        if !self.routes.contains(&entry) {
            self.routes.push(entry);
        }
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
}
