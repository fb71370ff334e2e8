//! Acks and read receipts: gathered per peer, so that a burst of messages is answered by one envelope.

use std::{collections::BTreeMap, time::Duration};

use super::core::Core;
use crate::{
    delivery::TransportId,
    store::CrashPoint,
    wire::{AckBody, AckItem, Digest, EnvelopeId, Fingerprint, Mode, PayloadType, ReadReceiptBody, Timestamp},
};

/// Most messages that one ack names.
const ITEMS_MAX: usize = 200;
/// Longest wait of an ack for others, while more messages are coming in.
const GATHER: Duration = Duration::from_millis(20);

/// An authentic envelope that came in.
#[derive(Clone)]
pub(super) struct Arrival {
    pub(super) from: Fingerprint,
    pub(super) envelope_id: EnvelopeId,
    pub(super) digest: Digest,
    pub(super) via: TransportId,
    pub(super) mode: Mode,
    /// Which of the sender's attempts it was; none when that is not known any more.
    pub(super) retry_count: Option<u32>,
}

/// Acks that wait to be sent, by recipient and mode.
#[derive(Default)]
pub(super) struct AckQueue {
    waiting: BTreeMap<(Fingerprint, Mode), Waiting>,
    /// When the first of them came, in monotonic time.
    since: Option<Duration>,
}

#[derive(Default)]
struct Waiting {
    items: Vec<AckItem>,
    /// The path the last message came by: the ack goes back over it first.
    via: Option<TransportId>,
}

impl AckQueue {
    /// An envelope is durable here: its sender shall know.
    fn push(&mut self, to: Fingerprint, mode: Mode, item: AckItem, via: TransportId, now: Duration) {
        self.since.get_or_insert(now);
        let waiting = self.waiting.entry((to, mode)).or_default();
        waiting.items.push(item);
        waiting.via = Some(via);
    }

    /// When the acks that wait must be sent at the latest; none when none waits.
    pub(super) fn due_at(&self) -> Option<Duration> {
        self.since.map(|since| since + GATHER)
    }

    /// Whether to send them now: at once, unless the node is busy with more.
    pub(super) fn is_due(&self, now: Duration, busy: bool) -> bool {
        let full = || self.waiting.values().any(|waiting| waiting.items.len() >= ITEMS_MAX);
        self.due_at().is_some_and(|due| !busy || now >= due || full())
    }
}

/// The mode of the answer to an envelope that came in `mode`: what was sent in stealth must not be given away by its
/// ack; everything else is answered over one path at a time.
fn answered_in(mode: Mode) -> Mode {
    if mode == Mode::Stealth { Mode::Stealth } else { Mode::Failover }
}

impl Core {
    /// Notes that an envelope is durable. Strangers whom the user has not accepted learn nothing.
    pub(super) fn ack(&mut self, arrival: Arrival) {
        let Arrival { from: to, envelope_id, digest, via, mode, retry_count } = arrival;
        let may = self.people.book.by_key(&to).is_some_and(|peer| !peer.request && !peer.blocked);
        if may {
            let now = self.clock.now();
            // The path's kind, which both ends call the same; its local name would mean nothing to the sender.
            let named = self.paths.kind(&via).unwrap_or(via.as_str()).to_owned();
            let item = AckItem { envelope_id, digest, via: Some(named), retry_count, received_at: now.wall };
            self.acks.push(to, answered_in(mode), item, via, now.mono);
        }
    }

    /// Seals and sends what gathered since the last time.
    pub(super) fn send_acks(&mut self) {
        for ((to, mode), waiting) in std::mem::take(&mut self.acks).waiting {
            for items in waiting.items.chunks(ITEMS_MAX) {
                CrashPoint::AckReady.pass();
                let content = AckBody { items: items.to_vec() }.to_content();
                self.send_control(to, mode, PayloadType::Ack, content, waiting.via.clone());
            }
        }
    }

    /// Tells a peer that its messages were on the screen.
    pub(super) fn send_receipts(&mut self, to: Fingerprint, read: Vec<(EnvelopeId, Mode)>, read_at: Timestamp) {
        let may = self.people.book.by_key(&to).is_some_and(|peer| !peer.request && !peer.blocked);
        if !may || !self.config.defaults.read_receipts {
            return;
        }
        let mut by_mode: BTreeMap<Mode, Vec<EnvelopeId>> = BTreeMap::new();
        for (id, mode) in read {
            by_mode.entry(answered_in(mode)).or_default().push(id);
        }
        for (mode, ids) in by_mode {
            for ids in ids.chunks(ITEMS_MAX) {
                let content = ReadReceiptBody { envelope_ids: ids.to_vec(), read_at }.to_content();
                self.send_control(to, mode, PayloadType::ReadReceipt, content, None);
            }
        }
    }
}
