//! How messages end: acks, receipts, and the lattice of states.

use super::{
    Action, AttemptId, AttemptOutcome, Machine, MessageState, Now, QueueCounts, Reason, ReasonKind, TransportId,
    message::millis,
    peer::{LANE_LOW, Place},
    queue::RELEASED_PER_SUCCESS,
    timer::Timer,
};
use crate::wire::{EnvelopeId, Fingerprint, Mode, Timestamp};

/// Two times of a next try this close, in milliseconds, are the same: the clocks it is computed from tick apart.
const SAME_TRY_MS: u64 = 1_000;

impl Machine {
    /// Moves a message to another state, unless that would be a step back or no change.
    pub(super) fn set_state(&mut self, id: EnvelopeId, state: MessageState) {
        let Some(message) = self.messages.get_mut(&id) else { return };
        let (old, new) = (message.state.rank(), state.rank());
        if new < old || (new == old && old >= 2) || same(&message.state, &state) {
            return;
        }
        let control = message.is_control();
        if !control {
            count(&mut self.counts, &message.state, -1);
            count(&mut self.counts, &state, 1);
        }
        message.state = state.clone();
        if !control || matches!(state, MessageState::Expired | MessageState::Failed { .. }) {
            let (peer, retries) = (message.out.peer, message.retries);
            self.out.push(Action::State { envelope_id: id, peer, state, retries });
        }
    }

    /// Ends a message. `arrived` is the attempt that brought it, which is left to report by itself.
    pub(super) fn finish(&mut self, now: Now, id: EnvelopeId, state: MessageState, arrived: Option<AttemptId>) {
        let Some(message) = self.messages.get(&id) else { return };
        let over = message.place == Place::Done;
        // In a broadcast every path's result is wanted, also after the first ack.
        let keep_all = message.out.mode == Mode::Broadcast && state.rank() >= 3;
        let live = message.live.clone();
        self.set_state(id, state);
        if !over {
            self.leave_queue(id);
        }
        for attempt in live {
            if keep_all || arrived == Some(attempt) {
                continue;
            }
            self.drop_attempt(now, attempt);
        }
        self.forget_if_idle(id);
    }

    /// Ends an attempt that nobody waits for any more.
    pub(super) fn drop_attempt(&mut self, now: Now, id: AttemptId) {
        let Some(attempt) = self.end_attempt(id) else { return };
        if attempt.accepted.is_none() {
            self.out.push(Action::Abort { attempt: id });
            self.conclude(now, &attempt, Some(AttemptOutcome::Cancelled), 0);
        }
    }

    /// Takes a final message out of its peer's line and keeps it for late acks.
    fn leave_queue(&mut self, id: EnvelopeId) {
        self.place(id, Place::Done);
        self.timers.clear(&Timer::Retry(id));
        self.timers.clear(&Timer::Expire(id));
        let Some(message) = self.messages.get(&id) else { return };
        let (order, fingerprint, control) = (message.order, message.out.peer, message.is_control());
        if order.lane == LANE_LOW {
            self.low.remove(&(order.composed, order.seq, id));
        }
        if let Some(peer) = self.peers.get_mut(&fingerprint) {
            peer.all.remove(&order);
            peer.control -= usize::from(control);
            self.counts.control -= usize::from(control);
            self.dirty.insert(fingerprint);
            if peer.is_blank() {
                self.peers.remove(&fingerprint);
            }
        }
        if control {
            // Nobody acks an ack: there is nothing to remember it for.
            return;
        }
        self.finals.push_back(id);
        while self.finals.len() > self.config.remember {
            let Some(oldest) = self.finals.pop_front() else { break };
            self.let_go(oldest);
        }
    }

    /// Forgets a final message altogether.
    fn let_go(&mut self, id: EnvelopeId) {
        let live = self.messages.get(&id).map_or(Vec::new(), |message| message.live.clone());
        for attempt in live {
            if self.end_attempt(attempt).is_some_and(|attempt| attempt.accepted.is_none()) {
                self.out.push(Action::Abort { attempt });
            }
        }
        if self.messages.remove(&id).is_some_and(|message| !message.forgotten) {
            self.out.push(Action::Forget { envelope_id: id });
        }
    }

    /// Says that a final message's bytes are not needed any more, once no transport holds them.
    pub(super) fn forget_if_idle(&mut self, id: EnvelopeId) {
        let Some(message) = self.messages.get(&id).filter(|m| m.place == Place::Done && !m.forgotten) else { return };
        let in_hand = |attempt: &AttemptId| self.attempts.get(attempt).is_some_and(|a| a.accepted.is_none());
        if message.live.iter().any(in_hand) {
            return;
        }
        self.out.push(Action::Forget { envelope_id: id });
        let Some(message) = self.messages.get_mut(&id) else { return };
        message.forgotten = true;
        if message.is_control() {
            message.live.clone().into_iter().for_each(|attempt| drop(self.end_attempt(attempt)));
            self.messages.remove(&id);
        }
    }

    pub(super) fn acked(&mut self, now: Now, id: EnvelopeId, via: Option<TransportId>, ack_via: TransportId) {
        let Some(peer) = self.messages.get(&id).map(|message| message.out.peer) else { return };
        self.heard(now, peer, &ack_via);
        let arrived = self.credit(now, id, via.as_ref(), &ack_via);
        let Some(message) = self.messages.get(&id) else { return };
        let over = message.state.rank() >= 3;
        let latency_ms = self.since_first_attempt(now, id);
        let line = arrived.as_ref().map(|(_, via)| via.clone());
        let named = via.or(line).unwrap_or(ack_via);
        if !over {
            let live = arrived.and_then(|(attempt, _)| attempt);
            self.finish(now, id, MessageState::Delivered { via: named, latency_ms }, live);
            self.release(peer, RELEASED_PER_SUCCESS);
        }
    }

    /// Milliseconds since the first attempt; by the wall clock when that was in an earlier life.
    fn since_first_attempt(&self, now: Now, id: EnvelopeId) -> u64 {
        let Some(message) = self.messages.get(&id) else { return 0 };
        match (message.began_before, message.began) {
            (Some(began), _) => u64::try_from(now.wall.ms_since(began)).unwrap_or(0),
            (None, Some(began)) => millis(now.mono.saturating_sub(began)),
            (None, None) => 0,
        }
    }

    /// Gives the path that brought an acked message its due, and notes which one brought the ack. Returns the attempt (if it has not ended) and its path.
    fn credit(
        &mut self,
        now: Now,
        id: EnvelopeId,
        via: Option<&TransportId>,
        ack_via: &TransportId,
    ) -> Option<(Option<AttemptId>, TransportId)> {
        let message = self.messages.get_mut(&id)?;
        let (number, line_via) = message.line_for_ack(via).map(|(record, _)| (record.number, record.via.clone()))?;
        let (fingerprint, once) = (message.out.peer, message.times_used(&line_via) == 1);
        let live = message
            .live
            .iter()
            .copied()
            .find(|live| self.attempts.get(live).is_some_and(|attempt| attempt.number == number));
        let (record, started) = message.line(number)?;
        if matches!(record.outcome, AttemptOutcome::Acked { .. }) {
            return Some((live, line_via));
        }
        let after = now.mono.saturating_sub(started);
        record.outcome = AttemptOutcome::Acked { after_ms: millis(after), ack_via: Some(ack_via.clone()) };
        let taken = std::time::Duration::from_millis(record.took_ms.unwrap_or(0));
        let record = record.clone();
        self.out.push(Action::Attempt { envelope_id: id, record });
        // The hand-over belongs to the round trip, unless it was long because the message was large.
        let waited = after.saturating_sub(taken);
        let round_trip = (waited + taken.min(waited)).as_secs_f64() * 1_000.0;
        if let Some(peer) = self.peers.get_mut(&fingerprint) {
            let path = peer.path(&line_via, &self.config);
            path.silent = 0;
            path.success.add(now.mono, true);
            path.got_through(&self.config);
            if once {
                path.rtt.sample(round_trip);
            }
            peer.current = Some(line_via.clone());
        }
        if let Some(carrier) = self.carriers.get_mut(&line_via) {
            carrier.meter.success.add(now.mono, true);
            if once {
                carrier.meter.acked(after.as_secs_f64() * 1_000.0);
            }
            let closed = carrier.switch.delivered();
            self.touch(&line_via);
            if closed {
                self.circuit_closed(&line_via);
            }
        }
        // What is only waiting for this ack has its end; what is still in the transport's hands reports by itself.
        if let Some(attempt) = live.filter(|live| self.attempts.get(live).is_some_and(|a| a.accepted.is_some())) {
            self.end_attempt(attempt);
        }
        Some((live, line_via))
    }

    pub(super) fn read(&mut self, now: Now, id: EnvelopeId, at: Timestamp) {
        let Some(message) = self.messages.get(&id) else { return };
        // A receipt for what was never sent proves nothing.
        let Some(via) = message.ledger.last().map(|record| record.via.clone()) else { return };
        let latency_ms = self.since_first_attempt(now, id);
        if let Some(state) = self.messages.get(&id).and_then(|message| message.state.after_read(&via, latency_ms, at)) {
            self.finish(now, id, state, None);
        }
    }

    pub(super) fn cancel(&mut self, now: Now, id: EnvelopeId) {
        if self.messages.get(&id).is_some_and(|message| message.place != Place::Done) {
            let reason = Reason::new(ReasonKind::Cancelled, "cancelled by you");
            self.finish(now, id, MessageState::Failed { reason }, None);
        }
    }

    /// Ends everything of a peer that is not final.
    pub(super) fn fail_all(&mut self, now: Now, fingerprint: Fingerprint, reason: &Reason) {
        let all: Vec<EnvelopeId> =
            self.peers.get(&fingerprint).map_or(Vec::new(), |peer| peer.all.values().copied().collect());
        for id in all {
            self.finish(now, id, MessageState::Failed { reason: reason.clone() }, None);
        }
    }
}

/// Whether two states are the same to the eye.
fn same(a: &MessageState, b: &MessageState) -> bool {
    match (a, b) {
        (MessageState::Queued { next_try: a, reason: why_a }, MessageState::Queued { next_try: b, reason: why_b }) => {
            let close = match (a, b) {
                (Some(a), Some(b)) => a.ms_since(*b).unsigned_abs() < SAME_TRY_MS,
                (a, b) => a == b,
            };
            close && why_a == why_b
        }
        _ => a == b,
    }
}

pub(super) fn count(counts: &mut QueueCounts, state: &MessageState, by: isize) {
    let slot = match state {
        MessageState::Queued { .. } => &mut counts.queued,
        MessageState::Held { .. } => &mut counts.held,
        MessageState::InFlight { .. } => &mut counts.in_flight,
        MessageState::Accepted { .. } => &mut counts.accepted,
        _ => return,
    };
    *slot = slot.saturating_add_signed(by);
}
