//! Peers and their keys as faces see them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    delivery::TransportId,
    identity::{RoutingDefaults, TrustLevel},
    node::Presence,
    wire::{Fingerprint, SafeText, ThreadId, Timestamp},
};

/// A peer as faces see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    /// The local name.
    pub name: SafeText,
    /// The pinned key; none until one is known (messages are held).
    pub fingerprint: Option<Fingerprint>,
    /// `agent@operator.realm`.
    pub fqid: Option<SafeText>,
    /// The trust level.
    pub trust: TrustLevel,
    /// Routes, by transport, in the order of preference.
    pub routes: Vec<(TransportId, SafeText)>,
    /// What messages to it get that ask for nothing else.
    pub defaults: RoutingDefaults,
    /// The same for threads with it, which go before the peer's own.
    pub threads: BTreeMap<ThreadId, RoutingDefaults>,
    /// When it was last heard of.
    pub last_seen: Option<Timestamp>,
    /// Whether it was there when this was asked. A face that stays goes by `last_seen`.
    #[serde(default)]
    pub presence: Presence,
    /// A key that wants to take the pinned one's place; blocks sending until decided.
    pub conflict: Option<Fingerprint>,
    /// Blocked by the user.
    pub blocked: bool,
    /// Muted by the user.
    pub muted: bool,
    /// A stranger who wrote to us and waits to be accepted; it gets no acks until then.
    #[serde(default)]
    pub request: bool,
    /// Something the user should know, such as a name that looks like another peer's.
    pub warning: Option<SafeText>,
    /// The key's properties; none without a key.
    pub key: Option<KeyInfo>,
    /// Notable events of the key's history, oldest first (pinned, compared, conflict, changed).
    pub history: Vec<KeyEvent>,
}

/// What is worth knowing about a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// Algorithms, such as "Ed25519 + Curve25519".
    pub algorithms: SafeText,
    /// OpenPGP key version.
    pub version: u8,
    /// When it was made.
    pub created: Timestamp,
    /// When it expires.
    pub expires: Option<Timestamp>,
    /// User ids.
    pub user_ids: Vec<SafeText>,
}

/// Something that happened to a peer's key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyEvent {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: SafeText,
}
