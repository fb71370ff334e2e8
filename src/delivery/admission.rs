//! What comes into the queues, what is held there, and what must make room.

use std::time::Duration;

use super::{
    Action, AttemptOutcome, AttemptRecord, Machine, MessageState, Now, Outgoing, Reason, ReasonKind,
    choice::Ask,
    message::Message,
    outcome::count,
    peer::{LANE_LOW, Order, Peer, Place},
    retry,
    timer::Timer,
};
use crate::wire::{EnvelopeId, Fingerprint, limits};

/// How many messages are looked at to find one that can make room.
const LOOKED_AT: usize = 64;

impl Machine {
    pub(super) fn submit(&mut self, now: Now, out: Outgoing, held: Option<Reason>) {
        if self.messages.contains_key(&out.envelope_id) {
            return;
        }
        if !self.make_room(now, &out) {
            let (envelope_id, peer) = (out.envelope_id, out.peer);
            let reason = Reason::new(ReasonKind::QueueFull, "too many messages wait; send fewer or purge the queue");
            self.out.push(Action::State { envelope_id, peer, state: MessageState::Failed { reason }, retries: 0 });
            self.out.push(Action::Forget { envelope_id });
            return;
        }
        let id = out.envelope_id;
        match (self.admit(now, out), held) {
            (true, None) => self.enter(now, id),
            (true, Some(reason)) => self.hold(now, id, reason),
            (false, _) => self.finish(now, id, MessageState::Expired, None),
        }
    }

    /// Whether one more message of that urgency to `peer` would be taken, when so many others to it and in all are about
    /// to be submitted.
    ///
    /// # Errors
    /// Which queue is full. A message that is submitted all the same may be refused.
    pub fn room_for(&self, peer: &Fingerprint, of_peer: usize, in_all: usize) -> Result<(), Reason> {
        let (known, most) = (self.peers.get(peer), self.config.queued_per_peer);
        if known.map_or(0, |peer| peer.pending()) + of_peer >= most
            && known.is_none_or(|peer| self.idle_low(peer).is_none())
        {
            let text =
                format!("{most} messages wait for this peer; try again when some are delivered, or purge the queue");
            return Err(Reason::new(ReasonKind::QueueFull, text));
        }
        let most = self.config.queued_total;
        if self.counts.pending() + in_all >= most && self.any_idle_low().is_none() {
            let text = format!("{most} messages wait in all; try again when some are delivered, or purge the queue");
            return Err(Reason::new(ReasonKind::QueueFull, text));
        }
        Ok(())
    }

    /// What would make room in a peer's queue.
    fn idle_low(&self, peer: &Peer) -> Option<EnvelopeId> {
        let low = peer.all.range(Order::first_low()..).take(LOOKED_AT);
        low.map(|(_, id)| *id).find(|id| self.is_idle(id))
    }

    /// What would make room in all queues.
    fn any_idle_low(&self) -> Option<EnvelopeId> {
        self.low.iter().take(LOOKED_AT).map(|(_, _, id)| *id).find(|id| self.is_idle(id))
    }

    /// Makes room for one more; false when there is nothing less important to give up.
    fn make_room(&mut self, now: Now, out: &Outgoing) -> bool {
        let Some(peer) = self.peers.get(&out.peer) else {
            return !out.wants_ack || self.counts.pending() < self.config.queued_total || self.evict_any_low(now);
        };
        if !out.wants_ack {
            if peer.control < self.config.control_per_peer {
                return true;
            }
            let first_message = Order { lane: 1, ..Order::first_low() };
            let victim = peer.all.range(..first_message).take(LOOKED_AT).map(|(_, id)| *id).find(|id| self.is_idle(id));
            return self.evict(now, victim);
        }
        if peer.pending() >= self.config.queued_per_peer {
            let victim = self.idle_low(peer);
            return self.evict(now, victim);
        }
        self.counts.pending() < self.config.queued_total || self.evict_any_low(now)
    }

    fn evict_any_low(&mut self, now: Now) -> bool {
        let victim = self.any_idle_low();
        self.evict(now, victim)
    }

    /// Whether no transport and no next hop has the message.
    fn is_idle(&self, id: &EnvelopeId) -> bool {
        self.messages.get(id).is_some_and(|message| message.live.is_empty() && message.state.rank() == 0)
    }

    fn evict(&mut self, now: Now, victim: Option<EnvelopeId>) -> bool {
        let Some(victim) = victim else { return false };
        let reason = Reason::new(ReasonKind::QueueFull, "too many messages wait; the oldest of low urgency made room");
        self.finish(now, victim, MessageState::Failed { reason }, None);
        true
    }

    /// Takes a message into the books. False when its time is over already: then it is for the caller to end it.
    fn admit(&mut self, now: Now, out: Outgoing) -> bool {
        let id = out.envelope_id;
        let left = time_left(now, &out);
        self.last_seq += 1;
        let message = Message::new(out, self.last_seq);
        let (order, control) = (message.order, message.is_control());
        let peer = self.peers.entry(message.out.peer).or_default();
        peer.all.insert(order, id);
        peer.control += usize::from(control);
        self.counts.control += usize::from(control);
        if !control {
            count(&mut self.counts, &message.state, 1);
        }
        if order.lane == LANE_LOW {
            self.low.insert((order.composed, order.seq, id));
        }
        self.messages.insert(id, message);
        self.timers.set(Timer::Expire(id), now.mono + left);
        !left.is_zero()
    }

    /// Sends a message on its way, or tells why it waits.
    fn enter(&mut self, now: Now, id: EnvelopeId) {
        let Some(message) = self.messages.get(&id) else { return };
        let held = self.peers.get(&message.out.peer).and_then(|peer| peer.held.clone());
        if let Some(reason) = held.filter(|_| !message.is_control()) {
            self.place(id, Place::Held);
            return self.set_state(id, MessageState::Held { reason });
        }
        if message.is_fresh() && !message.is_control() {
            let peer = message.out.peer;
            self.wake_for_news(now, peer);
        }
        let Some(message) = self.messages.get(&id) else { return };
        let choice = self.choose(now, &Ask::new_round(message));
        if choice.ranked.is_empty() {
            self.wait_for_paths(now, id, &choice, None);
        } else {
            self.place(id, Place::Ready);
        }
    }

    pub(super) fn restore(
        &mut self,
        now: Now,
        out: Outgoing,
        state: MessageState,
        attempts: Vec<AttemptRecord>,
        retries: u32,
    ) {
        let id = out.envelope_id;
        if self.messages.contains_key(&id) || state == MessageState::Received {
            return;
        }
        // What was queued before stays queued: bounds are for what is new.
        let alive = self.admit(now, out);
        self.restore_ledger(now, id, attempts, retries);
        self.recall(id, state.clone());
        match state {
            state if state.is_final() => self.finish(now, id, state, None),
            _ if !alive => self.finish(now, id, MessageState::Expired, None),
            MessageState::Accepted { .. } => self.await_late_ack(now, id),
            MessageState::Held { reason } if needs_release(reason.kind) => self.hold(now, id, reason),
            _ => self.enter(now, id),
        }
    }

    /// Puts back a state that the outside knows already.
    fn recall(&mut self, id: EnvelopeId, state: MessageState) {
        let Some(message) = self.messages.get_mut(&id) else { return };
        if !message.is_control() {
            count(&mut self.counts, &message.state, -1);
            count(&mut self.counts, &state, 1);
        }
        message.state = state;
    }

    fn restore_ledger(&mut self, now: Now, id: EnvelopeId, attempts: Vec<AttemptRecord>, retries: u32) {
        let Some(message) = self.messages.get_mut(&id) else { return };
        message.retries = retries;
        message.began_before = attempts.first().map(|record| record.started);
        for mut record in attempts {
            // The round trip across a restart says nothing about the path: twice used is not measured.
            message.used(&record.via);
            message.used(&record.via);
            if record.outcome == AttemptOutcome::Running {
                let reason = Reason::new(ReasonKind::Stopping, "the program ended while this was under way");
                record.outcome = AttemptOutcome::Failed { reason };
                if message.out.wants_ack {
                    self.out.push(Action::Attempt { envelope_id: id, record: record.clone() });
                }
            }
            let ago = u64::try_from(now.wall.ms_since(record.started)).unwrap_or(0);
            let start = now.mono.saturating_sub(Duration::from_millis(ago));
            message.write(record, start, self.config.ledger);
        }
    }

    /// A next hop had it before the restart or the hold: its ack may be on its way. To a held peer it is not sent again.
    fn await_late_ack(&mut self, now: Now, id: EnvelopeId) {
        let Some(message) = self.messages.get_mut(&id) else { return };
        let held = self.peers.get(&message.out.peer).is_some_and(|peer| peer.held.is_some());
        if held && !message.is_control() {
            return self.place(id, Place::Held);
        }
        let MessageState::Accepted { via, .. } = &message.state else { return };
        let carrier = self.carriers.get(via);
        message.stored = carrier.is_some_and(|carrier| carrier.stores());
        let class = carrier.map_or(super::LatencyClass::Fast, |carrier| carrier.capabilities.latency);
        let wait = if message.stored { retry::wait(&self.config.stored_retry, 0) } else { class.ack_initial() };
        self.place(id, Place::Timed);
        self.timers.set(Timer::Retry(id), now.mono + retry::jittered(wait, self.config.jitter, &mut self.rng));
    }

    pub(super) fn hold(&mut self, now: Now, id: EnvelopeId, reason: Reason) {
        let Some(message) = self.messages.get(&id).filter(|message| message.place != Place::Done) else { return };
        let live = message.live.clone();
        self.place(id, Place::Held);
        for attempt in live {
            if self.attempts.get(&attempt).is_some_and(|attempt| attempt.accepted.is_none()) {
                self.drop_attempt(now, attempt);
            }
        }
        self.set_state(id, MessageState::Held { reason });
    }

    pub(super) fn hold_peer(&mut self, now: Now, fingerprint: Fingerprint, reason: Reason) {
        let peer = self.peers.entry(fingerprint).or_default();
        peer.held = Some(reason.clone());
        let all: Vec<EnvelopeId> = peer.all.values().copied().collect();
        for id in all {
            // What is held as a loop stays so: it must not be let go with the peer.
            let concerned = |message: &Message| !message.is_control() && !message.is_held_for(ReasonKind::Loop);
            if self.messages.get(&id).is_some_and(concerned) {
                self.hold(now, id, reason.clone());
            }
        }
    }

    pub(super) fn release_peer(&mut self, now: Now, fingerprint: Fingerprint) {
        let Some(peer) = self.peers.get_mut(&fingerprint) else { return };
        peer.held = None;
        let all: Vec<EnvelopeId> = peer.all.values().copied().collect();
        for id in all {
            if self.messages.get(&id).is_some_and(|message| !message.is_held_for(ReasonKind::Loop)) {
                self.release_held(now, id);
            }
        }
        if self.peers.get(&fingerprint).is_some_and(super::peer::Peer::is_blank) {
            self.peers.remove(&fingerprint);
        }
    }

    /// Lets a held message go on from where it stands.
    pub(super) fn release_held(&mut self, now: Now, id: EnvelopeId) {
        let Some(message) = self.messages.get(&id).filter(|message| message.place == Place::Held) else { return };
        if message.state.rank() == 1 {
            return self.await_late_ack(now, id);
        }
        self.set_state(id, MessageState::Queued { next_try: None, reason: None });
        self.enter(now, id);
    }

    pub(super) fn retry_now(&mut self, now: Now, id: Option<EnvelopeId>, peer: Option<Fingerprint>) {
        if let Some(id) = id {
            let Some(fingerprint) = self.messages.get(&id).map(|message| message.out.peer) else { return };
            self.end_rests(now, fingerprint);
            if let Some(message) = self.messages.get_mut(&id) {
                message.never.clear();
            }
            return self.make_ready(id);
        }
        let peers: Vec<Fingerprint> = match peer {
            Some(peer) => vec![peer],
            None => self.peers.iter().filter(|(_, peer)| !peer.all.is_empty()).map(|(id, _)| *id).collect(),
        };
        for fingerprint in peers {
            self.end_rests(now, fingerprint);
            let timed: Vec<EnvelopeId> =
                self.peers.get(&fingerprint).map_or(Vec::new(), |peer| peer.timed.values().copied().collect());
            timed.into_iter().for_each(|id| self.make_ready(id));
            self.came_back(fingerprint);
            self.unshelve(now, fingerprint);
        }
    }

    /// The user wants no path of the peer to rest any longer.
    fn end_rests(&mut self, now: Now, fingerprint: Fingerprint) {
        let Some(peer) = self.peers.get_mut(&fingerprint) else { return };
        peer.paths.values_mut().for_each(|path| path.rest = None);
        let routes: Vec<_> = peer.routes.iter().map(|(via, _)| via.clone()).collect();
        routes.iter().for_each(|via| self.probe_breaker(now, via));
    }
}

/// How long a message may still live: by the wall clock, but never more than its whole time, so that a clock set
/// back does not make it live for ever.
fn time_left(now: Now, out: &Outgoing) -> Duration {
    let whole = Duration::from_secs(out.ttl_seconds.min(limits::TTL_SECONDS_MAX));
    let age = u64::try_from(now.wall.ms_since(out.composed)).unwrap_or(0);
    whole.saturating_sub(Duration::from_millis(age))
}

/// Whether a message held for such a reason before a restart stays held until it is released. Other holds are the
/// machine's own, which sees when they are over.
fn needs_release(kind: ReasonKind) -> bool {
    use ReasonKind as K;
    matches!(kind, K::NoKey | K::KeyConflict | K::KeyUnusable | K::Blocked | K::AuthRefused | K::Loop | K::Other)
}
