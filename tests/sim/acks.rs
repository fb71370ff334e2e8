//! Acks: made when what they name is on the disk, and what they do at the sender.

use skcomm_tui::{
    delivery::{Input, MessageState, Outgoing, Policy, Reason, ReasonKind, TransportId},
    wire::{Mode, PayloadType, Urgency},
};

use super::{
    agenda::{Named, fingerprint},
    check::Invariant,
    node::Write,
    setting::Fault,
    world::World,
};

/// Bytes of a sealed ack that names so many envelopes.
pub(super) fn ack_bytes(items: usize) -> u64 {
    1_100 + 130 * (items as u64 - 1)
}

impl World {
    /// Sends acks for what came from `peer` and is on the disk: what was discreet is acked discreetly.
    pub(super) fn ack(&mut self, node: usize, peer: usize, items: Vec<(Named, u8)>) {
        let life = self.nodes[node].life;
        let (stealthy, others): (Vec<_>, Vec<_>) = items.into_iter().partition(|(named, _)| self.is_stealthy(*named));
        for (items, mode) in [(stealthy, Mode::Stealth), (others, Mode::Failover)] {
            if !items.is_empty() && self.is_alive(node, life) {
                let mode = if self.setting.fault == Some(Fault::LoudAck) { Mode::Failover } else { mode };
                self.send_ack(node, peer, items, mode);
            }
        }
    }

    fn is_stealthy(&self, named: Named) -> bool {
        matches!(named, Named::Message(message) if self.fates[usize::try_from(message).unwrap()].stealth)
    }

    fn send_ack(&mut self, node: usize, peer: usize, mut items: Vec<(Named, u8)>, mode: Mode) {
        let Some(&(_, link)) = items.last() else { return };
        items.iter().for_each(|(named, _)| *self.is_acked(*named) = true);
        if self.setting.fault == Some(Fault::NamesAnotherPath) {
            let links = u8::try_from(self.links.len()).unwrap();
            items.iter_mut().for_each(|(_, link)| *link = (*link + 1) % links);
        }
        self.acks += 1;
        let size = usize::try_from(ack_bytes(items.len())).unwrap();
        self.nodes[node].volatile.acks.insert(self.acks, items.into());
        let out = Outgoing {
            envelope_id: Named::Ack(self.acks).id(),
            peer: fingerprint(peer),
            kind: PayloadType::Ack,
            mode,
            urgency: Urgency::High,
            size,
            composed: self.clock(node).wall,
            ttl_seconds: 3_600,
            max_retries: 2,
            prefer: vec![self.links[usize::from(link)].1.clone()],
            fallback: Vec::new(),
            policy: Policy::default(),
            wants_ack: false,
        };
        self.give(node, Input::Submit(out));
    }

    /// Where the world notes that something was acked.
    fn is_acked(&mut self, named: Named) -> &mut bool {
        match named {
            Named::Chunk(chunk) => {
                let (part, _) = self.part(chunk);
                &mut part.acked
            }
            Named::Message(message) | Named::Ack(message) => &mut self.fate(message).acked,
        }
    }

    /// An ack came that names an envelope, and the link by which that is said to have come.
    pub(super) fn acked(&mut self, node: usize, named: Named, by: u8, ack_via: TransportId) {
        if !self.is_stored(named) {
            self.broken(Invariant::AckedIsKept, format!("{named:?} was acked and is not on a disk"));
        }
        let Some(machine) = &self.nodes[node].machine else { return };
        let state = machine.state(&named.id());
        let (known, first) = (state.is_some(), state.is_none_or(|state| state.rank() < 3));
        match named {
            Named::Message(message) if !known => return self.write(node, Write::LateAck(message)),
            Named::Message(message) if first => {
                let ms = (self.now - self.fate(message).composed) / 1_000;
                self.report.delivery_ms.push(u32::try_from(ms).unwrap_or(u32::MAX));
            }
            // A chunk of an earlier life comes again under another name.
            Named::Chunk(_) if !known => return,
            _ => {}
        }
        let via = Some(self.links[usize::from(by)].1.clone());
        self.give(node, Input::Acked { envelope_id: named.id(), via, ack_via });
        let Named::Message(message) = named else { return };
        if self.nodes[node].machine.is_none() {
            return;
        }
        self.check_race(node, message);
        if self.setting.fault == Some(Fault::StateGoesBack) {
            // A bounce that comes after the ack.
            let state = MessageState::Failed { reason: Reason::new(ReasonKind::QueueFull, "bounced") };
            self.state(node, named.id(), state, 0);
        }
    }

    fn is_stored(&self, named: Named) -> bool {
        match named {
            Named::Message(message) => self.fates[usize::try_from(message).unwrap()].stored,
            Named::Chunk(chunk) => self.chunk_is_there(chunk),
            Named::Ack(_) => true,
        }
    }
}
