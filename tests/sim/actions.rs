//! What the machine of a node says, carried out.

use skcomm_tui::{
    delivery::{Action, AttemptId, AttemptOutcome, MessageState, Reason, ReasonKind, TransportId},
    wire::EnvelopeId,
};

use super::{
    agenda::{Event, Named, fingerprint},
    check::{GivenUp, Invariant},
    link::Link,
    setting::{Fault, SECOND},
    world::World,
};

/// How long changes of the ledger gather, in microseconds.
const GATHER: u64 = 20_000;

impl World {
    pub(super) fn carry_out(&mut self, node: usize, action: Action) {
        match action {
            Action::Send { attempt, envelope_id, peer, via, .. } => self.send(node, attempt, envelope_id, peer, &via),
            Action::State { envelope_id, state, retries, .. } => self.state(node, envelope_id, state, retries),
            Action::Attempt { envelope_id, record } => {
                if let Named::Message(message) = Named::of(&envelope_id)
                    && record.outcome != AttemptOutcome::Running
                {
                    self.check_line(message, &record);
                    self.change(node, message).attempts.insert(record.number, record);
                }
            }
            Action::Forget { envelope_id } => self.forget(node, envelope_id),
            Action::Abort { attempt } => self.abort(node, attempt),
            Action::Probe { via } => {
                let (life, link) = (self.nodes[node].life, self.number(&via));
                self.plan(20_000, Event::Probed { node, life, link });
            }
            Action::Failover { envelope_id, from, to, reason } => {
                self.failed_over(node, envelope_id, &from, to.is_some(), &reason);
            }
            Action::ClockJump { .. } => self.report.jumps_seen += 1,
            Action::Health { .. } => {}
        }
    }

    fn abort(&mut self, node: usize, attempt: AttemptId) {
        let races = |world: &Self| {
            let hand = world.nodes[node].volatile.hands.get(&attempt);
            let named = hand.map(|hand| hand.named);
            matches!(named, Some(Named::Message(message)) if world.fates[usize::try_from(message).unwrap()].width == 2)
        };
        let goes_on = match self.setting.fault {
            Some(Fault::NeverAborts) => true,
            Some(Fault::LosersRunOn) => races(self),
            _ => false,
        };
        if !goes_on {
            self.out_of_hand(node, attempt);
        }
    }

    /// A transport is through with a send.
    pub(super) fn out_of_hand(&mut self, node: usize, attempt: AttemptId) -> Option<super::node::Hand> {
        let hand = self.nodes[node].volatile.hands.remove(&attempt)?;
        self.let_go(hand.named);
        Some(hand)
    }

    /// One transport less has it in hand.
    pub(super) fn let_go(&mut self, named: Named) {
        match named {
            Named::Message(message) => self.fate(message).hands -= 1,
            Named::Chunk(chunk) => self.part(chunk).0.hands -= 1,
            Named::Ack(_) => {}
        }
    }

    /// What changed about messages and files gathers for a moment.
    pub(super) fn plan_gathering(&mut self, node: usize) {
        if !self.nodes[node].volatile.ledger_planned {
            self.nodes[node].volatile.ledger_planned = true;
            let life = self.nodes[node].life;
            self.plan(GATHER, Event::Gather { node, life });
        }
    }

    fn change(&mut self, node: usize, message: u64) -> &mut super::node::Change {
        self.plan_gathering(node);
        self.nodes[node].volatile.ledger.entry(message).or_default()
    }

    pub(super) fn state(&mut self, node: usize, id: EnvelopeId, state: MessageState, retries: u32) {
        let message = match Named::of(&id) {
            Named::Message(message) => message,
            Named::Chunk(chunk) => return self.chunk_state(node, chunk, &state),
            Named::Ack(ack) => return self.check_ack(node, ack, &state),
        };
        let rank = state.rank();
        let told = self.nodes[node].volatile.told.insert(Named::Message(message), rank).unwrap_or(0);
        let fate = &self.fates[usize::try_from(message).unwrap()];
        if rank < told.max(fate.rank) {
            self.broken(Invariant::StatesRise, format!("message {message} fell from rank {told} to {state:?}"));
        }
        self.check_end(node, message, &state);
        if self.setting.fault == Some(Fault::SendsWhatExpired) && state == MessageState::Expired {
            let to = self.fates[usize::try_from(message).unwrap()].to;
            let (peer, via) = (fingerprint(usize::try_from(to).unwrap()), self.links[0].1.clone());
            self.now += 3 * SECOND;
            self.send(node, AttemptId(u64::MAX), id, peer, &via);
        }
        self.offer_state(node, message, &state);
        self.change(node, message).state = Some((state, retries));
    }

    /// What is given up has a reason, and what is called delivered came by the path that is named.
    fn check_end(&mut self, node: usize, message: u64, state: &MessageState) {
        let skewed = self.nodes[node].skewed;
        let fate = &self.fates[usize::try_from(message).unwrap()];
        // The wall clock counts milliseconds.
        let early = self.now + 2_000 < fate.composed + fate.ttl_seconds * SECOND;
        match state {
            MessageState::Expired if early && !skewed => {
                self.broken(Invariant::DropsHaveReasons, format!("message {message} expired before its time"));
            }
            MessageState::Failed { reason } => {
                let true_reason = match reason.kind {
                    ReasonKind::QueueFull => true,
                    ReasonKind::Cancelled => fate.cancelled,
                    _ => false,
                };
                if !true_reason {
                    self.broken(Invariant::DropsHaveReasons, format!("message {message} was given up: {reason:?}"));
                }
            }
            MessageState::Delivered { via, .. } if fate.came_by & 1 << self.number(via) == 0 => {
                self.broken(Invariant::LedgerIsTrue, format!("message {message} did not come by {via}"));
            }
            _ => {}
        }
    }

    fn forget(&mut self, node: usize, id: EnvelopeId) {
        let named = Named::of(&id);
        let told = self.nodes[node].volatile.told.remove(&named).unwrap_or(0);
        let (rank, hands) = match named {
            Named::Message(message) => (told.max(self.fate(message).rank), self.fate(message).hands),
            Named::Chunk(chunk) => (told, self.part(chunk).0.hands),
            Named::Ack(ack) => {
                self.nodes[node].volatile.acks.remove(&ack);
                return;
            }
        };
        if rank < 2 {
            self.broken(Invariant::DropsHaveReasons, format!("{named:?} was forgotten at rank {rank}"));
        }
        if hands > 0 {
            self.broken(Invariant::NoAttemptOutlives, format!("{named:?} is over, and a transport still works for it"));
        }
        if let Named::Message(message) = named {
            self.change(node, message).forget = true;
        }
    }

    fn failed_over(&mut self, node: usize, id: EnvelopeId, from: &TransportId, to: bool, reason: &Reason) {
        self.report.failovers += 1;
        let Named::Message(message) = Named::of(&id) else { return };
        self.fate(message).failed_over = true;
        if self.setting.fault == Some(Fault::DropWithoutReason) && reason.kind == ReasonKind::NoAck {
            return self.forget(node, id);
        }
        let number = self.number(from);
        let now = self.clock(node).wall;
        let Some(machine) = self.nodes[node].machine.as_ref().filter(|_| to) else { return };
        let left = machine.attempts(&id).iter().rev().find(|record| record.via == *from);
        let Some(took) = left.and_then(|record| u32::try_from(now.ms_since(record.started)).ok()) else { return };
        if self.nodes[node].skewed || self.nodes[node].stalled > 0 {
            return;
        }
        let link = self.links[usize::from(number)].0;
        let times = &mut self.report.by_link[Link::ALL.iter().position(|known| *known == link).unwrap()];
        if matches!(reason.kind, ReasonKind::NoAck | ReasonKind::Timeout) {
            times.after_silence.push(took);
        } else {
            times.after_error.push(took);
        }
    }

    pub(super) fn given_up(state: &MessageState) -> Option<GivenUp> {
        match state {
            MessageState::Expired => Some(GivenUp::Expired),
            MessageState::Failed { reason } if reason.kind == ReasonKind::Cancelled => Some(GivenUp::Cancelled),
            MessageState::Failed { .. } => Some(GivenUp::QueueFull),
            _ => None,
        }
    }
}
