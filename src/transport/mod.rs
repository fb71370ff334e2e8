//! Ways to carry frames. One file or folder a transport, all behind [`Transport`].
//!
//! A transport moves opaque frames between this node and a next hop. It never sees plaintext and knows
//! neither the store, nor a peer's trust, nor another transport.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::mpsc;

pub(crate) mod backoff;
pub mod file;
mod handover;
mod link;
#[cfg(feature = "matrix")]
pub mod matrix;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "nostr")]
pub mod nostr;
mod refusals;
pub mod registry;
mod rules;
mod running;
mod sending;
mod settings;
pub mod tcp;
#[cfg(test)]
pub(crate) mod testing;
pub mod websocket;

pub use registry::{Kind, TransportConfig};
pub use rules::{Rules, Zone};
pub(crate) use sending::send_over;
pub use settings::Settings;

use running::lock;

use crate::{
    delivery::{Capabilities, Reason, ReasonKind, TransportId},
    wire::{Fingerprint, SafeText},
};

pub use crate::delivery::Retry;

/// Where a peer is reached on one transport.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Route {
    /// The peer the frame is for; names its mailbox where the medium has mailboxes.
    pub recipient: Fingerprint,
    /// The address in the transport's own notation, checked by [`Transport::check_address`].
    pub address: String,
}

/// A frame that arrived.
#[derive(Debug)]
pub struct Inbound {
    /// The transport that brought it.
    pub via: TransportId,
    /// The encoded envelope, at most `wire::limits::ENVELOPE_BYTES`.
    pub frame: Bytes,
    /// Where it came from, for the log: an address, a file name.
    pub origin: SafeText,
    /// Tells the transport what became of the frame.
    pub receipt: Receipt,
}

/// The node's answer to one inbound frame. A transport that keeps the original (a file, a relay's
/// mailbox) removes it only on [`Receipt::durable`] or [`Receipt::refused`]; dropping the receipt without
/// an answer means "keep it and bring it again later".
#[derive(Debug)]
pub struct Receipt(Option<tokio::sync::oneshot::Sender<Disposition>>);

/// What became of an inbound frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It is in the store (or was already): the original may go.
    Durable,
    /// It will never be accepted: the original may be put aside.
    Refused(Reason),
}

impl Receipt {
    /// A receipt and the transport's end of it.
    pub fn new() -> (Self, tokio::sync::oneshot::Receiver<Disposition>) {
        let (tx, rx) = tokio::sync::oneshot::channel();
        (Self(Some(tx)), rx)
    }

    /// A receipt for transports that keep no original.
    pub fn none() -> Self {
        Self(None)
    }

    /// The frame is durable here.
    pub fn durable(self) {
        self.answer(Disposition::Durable);
    }

    /// The frame will never be accepted.
    pub fn refused(self, reason: Reason) {
        self.answer(Disposition::Refused(reason));
    }

    fn answer(self, disposition: Disposition) {
        if let Some(tx) = self.0 {
            // The transport may have stopped meanwhile; it will bring the frame again.
            let _ = tx.send(disposition);
        }
    }
}

/// What a running transport reports to the node, over one bounded channel.
#[derive(Debug)]
pub enum TransportEvent {
    /// A frame arrived.
    Inbound(Inbound),
    /// The transport's state changed.
    State(TransportId, TransportState),
    /// The transport itself refused something that came in, before it was a frame: a link in a shared folder, a
    /// connection that speaks something else. Reported at a bounded rate; the detail says how many were left out.
    Refused(TransportId, Reason),
}

/// Where a transport pushes its events. Bounded: when it is full the transport waits.
pub type EventSink = mpsc::Sender<TransportEvent>;

/// How a transport is, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum TransportState {
    /// Ready.
    Up,
    /// Getting ready.
    Starting,
    /// Works in part; says what does not.
    Degraded {
        /// What does not work.
        reason: Reason,
    },
    /// Not usable; says why and when it is tried again.
    Down {
        /// Why.
        reason: Reason,
        /// Milliseconds until the transport itself tries again.
        retry_in_ms: Option<u64>,
    },
    /// Switched off.
    Disabled {
        /// By whom, why.
        reason: Reason,
    },
}

/// The next hop took the frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The next hop, if it keeps the frame until the recipient fetches it.
    pub stored_by: Option<SafeText>,
    /// Bytes that went out, framing included.
    pub bytes: u64,
}

/// A send did not succeed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{reason}")]
pub struct SendError {
    /// Why.
    pub reason: Reason,
    /// Whether the same frame may succeed over the same path later.
    pub retry: Retry,
}

/// A configuration of a transport is not usable.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{setting}: {problem}")]
pub struct ConfigError {
    /// The setting at fault.
    pub setting: String,
    /// What is wrong with it and what would be right.
    pub problem: String,
}

/// Signs a server's challenge with the identity's OpenPGP key, so that a transport can log in without
/// ever holding the key.
pub trait Authenticator: Send + Sync {
    /// The identity's fingerprint.
    fn fingerprint(&self) -> Fingerprint;
    /// The identity's certificate, armored.
    fn certificate(&self) -> String;
    /// An armored detached signature over `challenge`, which the transport must have prefixed with the name of
    /// its protocol so that a signature cannot be used elsewhere.
    ///
    /// # Errors
    /// When the key cannot sign (locked, revoked).
    fn sign(&self, challenge: &[u8]) -> Result<String, Reason>;
    /// Checks an armored detached signature of a peer over `statement`, which names its protocol as a challenge does.
    ///
    /// # Errors
    /// When the peer's certificate is not known or not usable, or the signature is not its.
    fn verify(&self, signer: &Fingerprint, statement: &[u8], signature: &str) -> Result<(), Reason> {
        let (_, _) = (statement, signature);
        Err(Reason::new(ReasonKind::NoKey, format!("the certificate of {signer} is not known here")))
    }
}

/// What a transport is built with.
#[derive(Clone)]
pub struct Context {
    /// The name under which it is configured.
    pub id: TransportId,
    /// Signs challenges, and names this node's mailbox.
    pub authenticator: Arc<dyn Authenticator>,
    /// A folder of its own for what it must keep between runs. The node's own; not readable for others.
    pub data_dir: PathBuf,
    /// A secret of this transport alone, the same in every run and unlocked with the identity: encrypts what lies in
    /// [`Context::data_dir`], or is what keys are derived from.
    pub secret: Secret,
}

/// 32 secret bytes, wiped when the last owner drops them.
#[derive(Clone)]
pub struct Secret(Arc<zeroize::Zeroizing<[u8; 32]>>);

impl Secret {
    /// Takes 32 uniformly random (or derived) bytes.
    pub fn new(bytes: zeroize::Zeroizing<[u8; 32]>) -> Self {
        Self(Arc::new(bytes))
    }

    /// The bytes. Copies of them are for the caller to wipe.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A way to carry frames.
#[async_trait]
pub trait Transport: Send + Sync {
    /// The name under which it is configured.
    fn id(&self) -> &TransportId;

    /// What it can do and what it gives away.
    fn capabilities(&self) -> &Capabilities;

    /// Checks an address of a peer when it is configured.
    ///
    /// # Errors
    /// Says what a right address looks like.
    fn check_address(&self, address: &str) -> Result<(), ConfigError>;

    /// Where others reach this node over it while it listens, for people to read and copy: the bound socket
    /// address, the shared folder. `None` when it does not listen, or not yet.
    fn address(&self) -> Option<String> {
        None
    }

    /// Begins listening and reports through `sink` until [`Transport::stop`]. Returns as soon as it is
    /// under way; what needs time goes on in the background and is reported as a [`TransportState`].
    ///
    /// # Errors
    /// When it cannot work as configured.
    async fn start(&self, sink: EventSink) -> Result<(), Reason>;

    /// Hands `frame` to the next hop for `route` within `deadline`. The caller drops the future at the
    /// deadline, so it must be safe to cancel at any await.
    ///
    /// # Errors
    /// Says why, and whether a retry is worth it.
    async fn send(&self, frame: Bytes, route: &Route, deadline: Duration) -> Result<Accepted, SendError>;

    /// A cheap real check, within `deadline`: milliseconds it took, or why it failed.
    ///
    /// # Errors
    /// Why the transport is not usable now.
    async fn probe(&self, deadline: Duration) -> Result<Duration, Reason>;

    /// Ends cleanly, within a few seconds. After it returns nothing is pushed any more.
    async fn stop(&self);
}
