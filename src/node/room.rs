//! Room for what is sent: a full queue is said before a message is sealed and stored, and a face that has many to send can
//! wait for room instead.

use std::collections::{BTreeMap, VecDeque};

use super::{NodeError, NodeErrorKind, SendRequest, core::Core, handle::Answer};
use crate::{identity::PeerProfile, wire::Fingerprint};

/// Most messages that wait for room, of all faces; further ones are refused.
const WAITING_MAX: usize = 4_096;

/// Messages on their way to the delivery machine, and those that may not set out yet.
#[derive(Default)]
pub(super) struct Room {
    /// Being sealed and stored, by peer.
    preparing: BTreeMap<Fingerprint, usize>,
    /// Waiting for room, by peer, in the order they were given.
    waiting: BTreeMap<Fingerprint, VecDeque<(SendRequest, Answer)>>,
}

impl Room {
    /// A message to `peer` is being sealed and stored.
    pub(super) fn enter(&mut self, peer: Fingerprint) {
        *self.preparing.entry(peer).or_default() += 1;
    }

    /// It is with the delivery machine now, or failed.
    pub(super) fn leave(&mut self, peer: Fingerprint) {
        if let Some(count) = self.preparing.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                self.preparing.remove(&peer);
            }
        }
    }

    fn waiting_in_all(&self) -> usize {
        self.waiting.values().map(VecDeque::len).sum()
    }
}

impl Core {
    fn room_for(&self, peer: &Fingerprint) -> Result<(), NodeError> {
        let of_peer = self.room.preparing.get(peer).copied().unwrap_or(0);
        let in_all = self.room.preparing.values().sum();
        let room = self.machine.room_for(peer, of_peer, in_all);
        room.map_err(|reason| NodeError::new(NodeErrorKind::Full, format!("not sent: {reason}")))
    }

    /// The message, if there is room for it; else it waits here, or is refused. One that waits is not overtaken by
    /// another that would wait.
    pub(super) fn find_room(
        &mut self,
        peer: &PeerProfile,
        request: SendRequest,
        answer: Answer,
    ) -> Option<(SendRequest, Answer)> {
        let Some(key) = peer.fingerprint else { return Some((request, answer)) };
        let behind = request.wait_for_room && self.room.waiting.contains_key(&key);
        match self.room_for(&key) {
            Ok(()) if !behind => Some((request, answer)),
            Err(error) if !request.wait_for_room || self.room.waiting_in_all() >= WAITING_MAX => {
                answer.give(Err(error));
                None
            }
            _ => {
                self.room.waiting.entry(key).or_default().push_back((request, answer));
                None
            }
        }
    }

    /// Lets in who waits, as far as there is room by now.
    pub(super) fn let_in(&mut self) {
        let peers: Vec<Fingerprint> = self.room.waiting.keys().copied().collect();
        for peer in peers {
            while self.room_for(&peer).is_ok() {
                let next = self.room.waiting.get_mut(&peer).and_then(VecDeque::pop_front);
                let Some((request, answer)) = next else { break };
                // Whoever gave it up meanwhile does not know whether it was sent: it was not.
                if !answer.is_abandoned() {
                    self.send_now(request, answer);
                }
            }
            if self.room.waiting.get(&peer).is_some_and(VecDeque::is_empty) {
                self.room.waiting.remove(&peer);
            }
        }
    }
}
