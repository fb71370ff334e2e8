//! What users do meanwhile.

use rand::RngExt as _;
use skcomm_tui::delivery::{Input, Reason, ReasonKind};

use super::{
    agenda::{Event, Named, fingerprint},
    setting::{Fault, SECOND},
    world::World,
};

impl World {
    /// The user of a node does something.
    pub(super) fn person(&mut self, node: usize) {
        if self.nodes[node].machine.is_none() {
            return;
        }
        match self.rng.random_range(0..4) {
            0 => self.give_up_one(node),
            1 => {
                self.nodes[node].volatile.waits.clear();
                self.give(node, Input::RetryNow { envelope_id: None, peer: None });
            }
            _ => self.hold_back(node),
        }
    }

    fn give_up_one(&mut self, node: usize) {
        let waiting = self.nodes[node].disk.outbox.len();
        if waiting == 0 {
            return;
        }
        let which = self.rng.random_range(0..waiting);
        let Some(message) = self.nodes[node].disk.outbox.keys().nth(which).copied() else { return };
        self.fate(message).cancelled = true;
        self.give(node, Input::Cancel { envelope_id: Named::Message(message).id() });
    }

    fn hold_back(&mut self, node: usize) {
        let peers = &self.nodes[node].peers;
        let peer = peers[self.rng.random_range(0..peers.len())];
        if self.nodes[node].disk.held.insert(peer) {
            let lasts = self.rng.random_range(SECOND..300 * SECOND);
            let lasts = lasts.min(self.setting.storm.saturating_sub(self.now)).max(1);
            self.plan(lasts, Event::Release { node, peer });
            self.tell_of_hold(node, peer);
        }
    }

    /// Tells the machine of a hold; it must be told again after a restart.
    pub(super) fn tell_of_hold(&mut self, node: usize, peer: usize) {
        if self.setting.fault != Some(Fault::DeafToHolds) {
            let reason = Reason::new(ReasonKind::Blocked, "held back by the user");
            self.give(node, Input::HoldPeer { peer: fingerprint(peer), reason });
        }
    }

    pub(super) fn release(&mut self, node: usize, peer: usize) {
        self.nodes[node].disk.held.remove(&peer);
        if self.nodes[node].machine.is_some() {
            self.give(node, Input::ReleasePeer { peer: fingerprint(peer) });
        }
    }
}
