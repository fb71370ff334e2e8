//! The node and its transports at a glance.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    delivery::{Breaker, Capabilities, Reason, TransportId},
    identity::RoutingDefaults,
    transport::TransportState,
    wire::{Fingerprint, SafeText, Timestamp},
};

/// The node at a glance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Our name.
    pub name: SafeText,
    /// Our FQID.
    pub fqid: Option<SafeText>,
    /// Our fingerprint.
    pub fingerprint: Fingerprint,
    /// Milliseconds since the node started.
    pub uptime_ms: u64,
    /// The node's process.
    pub pid: u32,
    /// Messages not yet delivered.
    pub queued: usize,
    /// Messages held.
    pub held: usize,
    /// Messages not seen.
    pub unread: u64,
    /// Transports.
    pub transports: Vec<TransportHealth>,
    /// Refused inbound frames, counted by kind of refusal.
    pub refused: BTreeMap<String, u64>,
    /// Duplicates dropped.
    pub duplicates: u64,
    /// What messages get that ask for nothing else, where neither thread nor peer say more.
    #[serde(default)]
    pub defaults: RoutingDefaults,
    /// Warnings the user should see (a quarantined store, a bad theme, a clock jump).
    pub warnings: Vec<SafeText>,
}

/// One transport, live.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransportHealth {
    /// Its name.
    pub transport: TransportId,
    /// Its kind: file, tcp, websocket.
    pub kind: SafeText,
    /// How it is.
    pub state: TransportState,
    /// Where others reach us over it, while it listens.
    #[serde(default)]
    pub address: Option<SafeText>,
    /// Lower goes first.
    pub priority: u16,
    /// What it can do and gives away.
    pub capabilities: Capabilities,
    /// When its call windows open; none while they are open, or where there are none.
    #[serde(default)]
    pub opens: Option<Timestamp>,
    /// When bulk may go over it; none while it may.
    #[serde(default)]
    pub bulk_opens: Option<Timestamp>,
    /// The user's limit on the size of a message in bytes, sealed; none where there is none.
    #[serde(default)]
    pub max_bytes: Option<usize>,
    /// Smoothed milliseconds from send to ack (to acceptance before any ack).
    pub latency_ms: Option<f64>,
    /// The latest latencies in milliseconds, oldest first, at most 32.
    pub recent_ms: Vec<f64>,
    /// Smoothed share of attempts that succeeded, 0 to 1.
    pub success: f64,
    /// Frames out and accepted.
    pub sent: u64,
    /// Attempts that failed or stayed silent.
    pub failed: u64,
    /// Frames in.
    pub received: u64,
    /// Bytes out.
    pub bytes_out: u64,
    /// Bytes in.
    pub bytes_in: u64,
    /// Attempts under way.
    pub in_flight: usize,
    /// The circuit breaker.
    pub breaker: Breaker,
    /// The latest errors, newest last, at most 8.
    pub errors: Vec<(Timestamp, Reason)>,
}
