//! Acks and read receipts: gathered per peer, so that a burst of messages is answered by one envelope.

use std::collections::BTreeMap;

use super::core::Core;
use crate::{
    delivery::TransportId,
    wire::{AckBody, AckItem, Digest, EnvelopeId, Fingerprint, PayloadType, ReadReceiptBody, Timestamp},
};

/// Most messages that one ack names.
const ITEMS_MAX: usize = 200;

/// Acks that wait to be sent.
#[derive(Default)]
pub(super) struct AckQueue {
    waiting: BTreeMap<Fingerprint, Waiting>,
}

#[derive(Default)]
struct Waiting {
    items: Vec<AckItem>,
    /// The path the last message came by: the ack goes back over it first.
    via: Option<TransportId>,
}

impl AckQueue {
    /// An envelope is durable here: its sender shall know.
    pub(super) fn push(&mut self, to: Fingerprint, item: AckItem, via: TransportId) {
        let waiting = self.waiting.entry(to).or_default();
        waiting.items.push(item);
        waiting.via = Some(via);
    }
}

impl Core {
    /// Notes that an envelope is durable. Strangers whom the user has not accepted learn nothing.
    pub(super) fn ack(&mut self, to: Fingerprint, envelope_id: EnvelopeId, digest: Digest, via: &TransportId) {
        let may = self.people.book.by_key(&to).is_some_and(|peer| !peer.request && !peer.blocked);
        if may {
            let received_at = self.clock.now().wall;
            // The path's kind, which both ends call the same; its local name would mean nothing to the sender.
            let named = self.paths.kind(via).unwrap_or(via.as_str()).to_owned();
            self.acks.push(to, AckItem { envelope_id, digest, via: Some(named), received_at }, via.clone());
        }
    }

    /// Seals and sends what gathered since the last time.
    pub(super) fn send_acks(&mut self) {
        if self.acks.waiting.is_empty() {
            return;
        }
        for (to, waiting) in std::mem::take(&mut self.acks.waiting) {
            for items in waiting.items.chunks(ITEMS_MAX) {
                let content = AckBody { items: items.to_vec() }.to_content();
                self.send_control(to, PayloadType::Ack, content, waiting.via.clone());
            }
        }
    }

    /// Tells a peer that its messages were on the screen.
    pub(super) fn send_receipts(&mut self, to: Fingerprint, envelope_ids: Vec<EnvelopeId>, read_at: Timestamp) {
        let may = self.people.book.by_key(&to).is_some_and(|peer| !peer.request && !peer.blocked);
        if !may || !self.config.defaults.read_receipts {
            return;
        }
        for ids in envelope_ids.chunks(ITEMS_MAX) {
            let content = ReadReceiptBody { envelope_ids: ids.to_vec(), read_at }.to_content();
            self.send_control(to, PayloadType::ReadReceipt, content, None);
        }
    }
}
