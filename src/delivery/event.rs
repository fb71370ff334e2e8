//! What goes into the machine and what comes out of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{AttemptRecord, Capabilities, MessageState, Policy, Reason, Schedule, TransportId};
use crate::wire::{EnvelopeId, Fingerprint, Mode, PayloadType, SafeText, Timestamp, Urgency};

/// The present, as the driver hands it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time since an arbitrary start; every timer runs on it. It should count the time the machine was
    /// suspended (`CLOCK_BOOTTIME`), so that a time to live also passes while a laptop sleeps.
    pub mono: Duration,
    /// Wall time, for what is shown and for the time to live across a restart.
    pub wall: Timestamp,
}

impl Now {
    /// The wall time at which `mono` will be (or was) reached, if nobody sets the clock meanwhile.
    pub fn wall_at(&self, mono: Duration) -> Timestamp {
        let ms = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        self.wall.plus_ms(ms(mono).saturating_sub(ms(self.mono)))
    }
}

/// The name of one attempt, unique within one life of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub u64);

/// Whether and when a failed send is worth repeating over the same path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// By the ordinary schedule.
    Later,
    /// Not before this much time has passed.
    After(Duration),
    /// Never: this frame does not fit this path.
    Never,
}

/// One message to one recipient, as the machine needs to know it. Its bytes stay in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Which.
    pub envelope_id: EnvelopeId,
    /// To whom.
    pub peer: Fingerprint,
    /// What it is; acks have a lane of their own.
    pub kind: PayloadType,
    /// How many paths, and which.
    pub mode: Mode,
    /// Which of them are better.
    pub policy: Policy,
    /// How much it matters.
    pub urgency: Urgency,
    /// Bytes of the encoded envelope.
    pub size: usize,
    /// When it was composed: the order among messages of the same urgency.
    pub composed: Timestamp,
    /// Seconds after `composed` at which it expires.
    pub ttl_seconds: u64,
    /// Full rounds over all paths that may be refused before it counts as failed, the first one not counted.
    pub max_retries: u32,
    /// Transports to try first, in this order.
    pub prefer: Vec<TransportId>,
    /// Transports to try only when nothing else works.
    pub fallback: Vec<TransportId>,
    /// Whether the recipient acks it. Without an ack it is done when a next hop accepts it, and no state but a
    /// failure is reported for it.
    pub wants_ack: bool,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A new message, already durable in the outbox. A known id is ignored.
    Submit(Outgoing),
    /// A new message that is held from the beginning, until it is released.
    SubmitHeld {
        /// The message, already durable in the outbox.
        outgoing: Outgoing,
        /// Why.
        reason: Reason,
    },
    /// A message of an earlier life of this program. Transports and peers should be told before it.
    Restore {
        /// The message.
        outgoing: Outgoing,
        /// As last persisted.
        state: MessageState,
        /// Its ledger, as last persisted.
        attempts: Vec<AttemptRecord>,
        /// As last persisted.
        retries: u32,
    },
    /// The next hop took the frame.
    AttemptAccepted {
        /// Which attempt.
        attempt: AttemptId,
        /// The next hop, if it keeps the frame for the recipient.
        accepted_by: Option<SafeText>,
        /// Bytes that went out.
        bytes: u64,
    },
    /// The transport refused or failed.
    AttemptFailed {
        /// Which attempt.
        attempt: AttemptId,
        /// Why.
        reason: Reason,
        /// Whether the same frame may succeed over the same path later.
        retry: Retry,
    },
    /// A verified ack of the recipient.
    Acked {
        /// Of which message.
        envelope_id: EnvelopeId,
        /// The path that brought the message, as the ack says, if it is one of ours.
        via: Option<TransportId>,
        /// The path that brought the ack.
        ack_via: TransportId,
    },
    /// A verified read receipt of the recipient.
    Read {
        /// Of which message.
        envelope_id: EnvelopeId,
        /// When it was read, as the recipient says.
        at: Timestamp,
    },
    /// Do not send this one until its peer is released. A hold for a reason of keys or blocking outlives a restart
    /// (see [`Input::Restore`]); others must be given anew.
    Hold {
        /// Which.
        envelope_id: EnvelopeId,
        /// Why.
        reason: Reason,
    },
    /// Ends the hold of one message, unless its whole peer is held.
    Release {
        /// Which.
        envelope_id: EnvelopeId,
    },
    /// Send nothing but control messages to this peer until it is released.
    HoldPeer {
        /// Whom.
        peer: Fingerprint,
        /// Why.
        reason: Reason,
    },
    /// Ends [`Input::HoldPeer`] and every [`Input::Hold`] of this peer's messages, but for those held as a loop: these
    /// need a word of their own ([`Input::Release`]).
    ReleasePeer {
        /// Whom.
        peer: Fingerprint,
    },
    /// Give it up.
    Cancel {
        /// Which.
        envelope_id: EnvelopeId,
    },
    /// The user wants it tried at once: rests of the paths concerned end, open breakers are probed. What is held
    /// stays held.
    RetryNow {
        /// Only this message.
        envelope_id: Option<EnvelopeId>,
        /// Only this peer's messages.
        peer: Option<Fingerprint>,
    },
    /// A peer's routes, in its order of preference; replaces what was known.
    Peer {
        /// Whom.
        peer: Fingerprint,
        /// Transport and address; at most `wire::limits::PATHS_PER_PEER`, what is beyond is left out.
        routes: Vec<(TransportId, String)>,
    },
    /// Whether the user has not made sure of a peer: then our network address is kept from it where another path will do.
    /// Nobody is taken for that before it is said.
    Wary {
        /// Whom.
        peer: Fingerprint,
        /// Whether to be wary.
        wary: bool,
    },
    /// A peer was removed: what waits for it fails.
    PeerGone {
        /// Whom.
        peer: Fingerprint,
    },
    /// A transport is configured, or configured anew. It counts as starting until [`Input::TransportUp`].
    Transport {
        /// Its name.
        id: TransportId,
        /// What it can do.
        capabilities: Capabilities,
        /// Lower goes first, 0 to 1000.
        priority: u16,
        /// Whether the user has it switched on.
        enabled: bool,
    },
    /// When a transport may be used; replaces what was known. Without it, always. Given before [`Input::Transport`] it
    /// holds from the first message on.
    Schedule {
        /// Which.
        id: TransportId,
        /// When, and for what.
        schedule: Schedule,
    },
    /// A transport is ready (or ready in part).
    TransportUp {
        /// Which.
        id: TransportId,
    },
    /// A transport is not usable.
    TransportDown {
        /// Which.
        id: TransportId,
        /// Why.
        reason: Reason,
        /// When the transport itself tries again, if it does.
        retry_in: Option<Duration>,
    },
    /// A transport is no longer configured.
    TransportGone {
        /// Which.
        id: TransportId,
    },
    /// The answer to [`Action::Probe`], or to a probe the user asked for.
    Probed {
        /// Which transport.
        id: TransportId,
        /// How long it took, or why it failed.
        result: Result<Duration, Reason>,
    },
    /// A frame of `peer` came in over `via`: the peer is there and the path lives.
    Heard {
        /// Whom we heard.
        peer: Fingerprint,
        /// Over which path.
        via: TransportId,
    },
    /// Nothing but time has passed.
    Wake,
}

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Hand the envelope's bytes to a transport; answer with `AttemptAccepted` or `AttemptFailed`.
    Send {
        /// Comes back in the answer.
        attempt: AttemptId,
        /// Which message.
        envelope_id: EnvelopeId,
        /// To whom.
        peer: Fingerprint,
        /// Over which transport.
        via: TransportId,
        /// The peer's address on it.
        address: String,
        /// How long the transport may take, from now.
        deadline: Duration,
        /// Which attempt of this message it is, from 1.
        number: u32,
    },
    /// Stop an attempt that is under way. It has ended for the machine: an answer is no longer expected.
    Abort {
        /// Which.
        attempt: AttemptId,
    },
    /// Check a transport and answer with `Probed`.
    Probe {
        /// Which.
        via: TransportId,
    },
    /// A message's state changed: to be persisted and shown.
    State {
        /// Which.
        envelope_id: EnvelopeId,
        /// To whom.
        peer: Fingerprint,
        /// The new state.
        state: MessageState,
        /// Rounds that were refused so far.
        retries: u32,
    },
    /// A line of the ledger began or changed.
    Attempt {
        /// Of which message.
        envelope_id: EnvelopeId,
        /// The line as it stands; its number is its key.
        record: AttemptRecord,
    },
    /// A path failed or stayed silent and another one is taken.
    Failover {
        /// Of which message.
        envelope_id: EnvelopeId,
        /// The path that failed.
        from: TransportId,
        /// The path taken instead; none when none is left now.
        to: Option<TransportId>,
        /// Why.
        reason: Reason,
    },
    /// A transport's health changed visibly. At most a few a second and transport.
    Health {
        /// Which.
        via: TransportId,
    },
    /// Nothing will be sent for this message any more: the outbox may drop its bytes. A late ack or read
    /// receipt may still raise its state.
    Forget {
        /// Which.
        envelope_id: EnvelopeId,
    },
    /// The wall clock was set, or the machine slept: for the user's information, nothing expires by it.
    ClockJump {
        /// By how many milliseconds, forward when positive.
        by_ms: i64,
    },
}

/// How many messages the machine holds, acks and other control messages left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueCounts {
    /// Waiting for a path, a window or their next try.
    pub queued: usize,
    /// Waiting for the user or the peer to do something.
    pub held: usize,
    /// In a transport's hands.
    pub in_flight: usize,
    /// At the next hop, not acked yet.
    pub accepted: usize,
    /// Control messages (acks and the like) not yet handed over.
    pub control: usize,
}

impl QueueCounts {
    /// Messages not yet delivered, given up or expired.
    pub fn pending(&self) -> usize {
        self.queued + self.held + self.in_flight + self.accepted
    }
}
