//! The life of an attempt: begun, accepted, failed, silent, and what is tried instead.

use std::time::Duration;

use super::{
    Action, AttemptId, AttemptOutcome, AttemptRecord, LatencyClass, Machine, MessageState, Now, Reason, ReasonKind,
    Retry,
    breaker::{Blame, Failure},
    choice::{Ask, Ranked},
    message::{Attempt, millis},
    peer::{Place, Rest},
    queue::RELEASED_PER_SUCCESS,
    retry,
    timer::Timer,
};
use crate::wire::{EnvelopeId, SafeText, limits};

/// The slowest rate, in bytes a second, at which a path is still worth waiting for.
const SLOWEST: usize = 16 * 1024;
/// How long the driver may take to report what the transport said at its deadline.
const ANSWER_GRACE: Duration = Duration::from_secs(2);
/// How long a path is given when the driver was late with the alarm.
const LATE_GRACE: Duration = Duration::from_secs(1);

/// How long a transport may take to hand over a frame.
fn deadline(class: LatencyClass, size: usize) -> Duration {
    let base = match class {
        LatencyClass::Instant => 10,
        LatencyClass::Fast => 15,
        LatencyClass::Slow => 60,
        LatencyClass::Courier => 300,
    };
    Duration::from_secs(base) + transfer(size)
}

fn transfer(size: usize) -> Duration {
    Duration::from_secs(u64::try_from(size / SLOWEST).unwrap_or(u64::MAX))
}

/// Whether a failure only says that nobody was there to take the message.
fn nobody_there(kind: ReasonKind) -> bool {
    matches!(
        kind,
        ReasonKind::Unreachable
            | ReasonKind::Timeout
            | ReasonKind::Disconnected
            | ReasonKind::RateLimited
            | ReasonKind::Stopping
            | ReasonKind::BreakerOpen
            | ReasonKind::Disabled
    )
}

impl Machine {
    pub(super) fn begin_attempt(&mut self, now: Now, id: EnvelopeId, path: Ranked) {
        let Ranked { via, address, .. } = path;
        let (Some(message), Some(carrier)) = (self.messages.get_mut(&id), self.carriers.get_mut(&via)) else { return };
        let (peer, control) = (message.out.peer, message.is_control());
        let Some(known) = self.peers.get_mut(&peer) else { return };
        self.last_attempt += 1;
        let attempt = AttemptId(self.last_attempt);
        let (class, size) = (carrier.capabilities.latency, message.out.size);
        let to = known.path(&via, &self.config);
        let patience = to.rtt.timeout(class) + transfer(size);
        to.in_flight += u32::from(!control);
        carrier.running.insert(attempt);
        let mut deadline = deadline(class, size);
        if let Some(end) = self.timers.at(&Timer::Expire(id)) {
            deadline = deadline.min(end.saturating_sub(now.mono)).max(Duration::from_millis(1));
        }
        let number = message.last_number + 1;
        let record = AttemptRecord {
            number,
            via: via.clone(),
            started: now.wall,
            took_ms: None,
            bytes: 0,
            outcome: AttemptOutcome::Running,
        };
        message.began.get_or_insert(now.mono);
        message.used(&via);
        message.tried.push(via.clone());
        message.live.push(attempt);
        message.write(record.clone(), now.mono, self.config.ledger);
        self.attempts.insert(
            attempt,
            Attempt {
                envelope: id,
                peer,
                via: via.clone(),
                number,
                started: now.mono,
                accepted: None,
                stalled: false,
                graced: false,
                counted: !control,
            },
        );
        self.timers.set(Timer::Ack(attempt), now.mono + patience);
        self.timers.set(Timer::Answer(attempt), now.mono + deadline + ANSWER_GRACE);
        self.show_in_flight(id);
        if !control {
            self.out.push(Action::Attempt { envelope_id: id, record });
        }
        self.out.push(Action::Send { attempt, envelope_id: id, peer, via: via.clone(), address, deadline, number });
        self.touch(&via);
    }

    /// Shows by which path the message is under way, staying with the one shown as long as that is true.
    fn show_in_flight(&mut self, id: EnvelopeId) {
        let Some(message) = self.messages.get(&id) else { return };
        let mut running = message.live.iter().filter_map(|attempt| self.attempts.get(attempt));
        let shown = match &message.state {
            MessageState::InFlight { via } => running.clone().any(|a| a.via == *via && a.is_hopeful()),
            state => state.rank() > 0,
        };
        if shown {
            return;
        }
        if let Some(via) = running.rfind(|attempt| attempt.is_hopeful()).map(|attempt| attempt.via.clone()) {
            self.set_state(id, MessageState::InFlight { via });
        }
    }

    /// Takes an attempt out of every count. None when it has ended before.
    pub(super) fn end_attempt(&mut self, id: AttemptId) -> Option<Attempt> {
        let attempt = self.attempts.remove(&id)?;
        self.timers.clear(&Timer::Ack(id));
        self.timers.clear(&Timer::Answer(id));
        if let Some(message) = self.messages.get_mut(&attempt.envelope) {
            message.live.retain(|live| *live != id);
        }
        self.leave_transport(id, &attempt);
        if attempt.counted
            && let Some(path) = self.peers.get_mut(&attempt.peer).and_then(|peer| peer.paths.get_mut(&attempt.via))
        {
            path.in_flight = path.in_flight.saturating_sub(1);
        }
        self.dirty.insert(attempt.peer);
        Some(attempt)
    }

    fn leave_transport(&mut self, id: AttemptId, attempt: &Attempt) {
        if let Some(carrier) = self.carriers.get_mut(&attempt.via)
            && carrier.running.remove(&id)
            && let Some(next) = carrier.stalled.pop_front()
        {
            self.granted.push_back(next);
        }
    }

    /// Writes how an attempt stands into the ledger. What the recipient acked stays acked.
    pub(super) fn conclude(&mut self, now: Now, attempt: &Attempt, outcome: Option<AttemptOutcome>, bytes: u64) {
        let Some(message) = self.messages.get_mut(&attempt.envelope) else { return };
        let control = message.is_control();
        let Some((record, _)) = message.line(attempt.number) else { return };
        let before = record.clone();
        if attempt.accepted.is_none() && record.took_ms.is_none() {
            record.took_ms = Some(millis(now.mono.saturating_sub(attempt.started)));
        }
        record.bytes = record.bytes.max(bytes);
        if let Some(outcome) = outcome
            && !matches!(record.outcome, AttemptOutcome::Acked { .. })
        {
            record.outcome = outcome;
        }
        if *record != before && !control {
            let record = record.clone();
            self.out.push(Action::Attempt { envelope_id: attempt.envelope, record });
        }
    }

    pub(super) fn accepted(&mut self, now: Now, id: AttemptId, by: Option<SafeText>, bytes: u64) {
        let Some(attempt) = self.attempts.get(&id).filter(|attempt| attempt.accepted.is_none()).cloned() else {
            return;
        };
        self.conclude(now, &attempt, Some(AttemptOutcome::Accepted), bytes);
        self.timers.clear(&Timer::Answer(id));
        self.leave_transport(id, &attempt);
        self.next_hop_took_it(now, &attempt, bytes);
        let Some(message) = self.messages.get(&attempt.envelope) else { return };
        let (control, done) = (message.is_control(), message.place == Place::Done);
        let acked = done
            && message.ledger.iter().any(|record| {
                record.number == attempt.number && matches!(record.outcome, AttemptOutcome::Acked { .. })
            });
        if control || acked {
            self.end_attempt(id);
            if control && !done {
                let state = MessageState::Accepted { via: attempt.via.clone(), stored_by: by };
                self.finish(now, attempt.envelope, state, None);
            }
            self.forget_if_idle(attempt.envelope);
            return;
        }
        self.await_ack(now, id, &attempt, by);
        self.forget_if_idle(attempt.envelope);
    }

    fn next_hop_took_it(&mut self, now: Now, attempt: &Attempt, bytes: u64) {
        let Some(carrier) = self.carriers.get_mut(&attempt.via) else { return };
        carrier.meter.sent += 1;
        carrier.meter.bytes_out = carrier.meter.bytes_out.saturating_add(bytes);
        carrier.meter.answered(now.mono.saturating_sub(attempt.started).as_secs_f64() * 1_000.0);
        let reopened = carrier.switch.accepted();
        let stores = carrier.stores();
        self.touch(&attempt.via);
        let Some(peer) = self.peers.get_mut(&attempt.peer) else { return };
        let path = peer.path(&attempt.via, &self.config);
        // Of a path that leaves messages without an ack, acceptance proves nothing.
        if path.silent == 0 || path.on_probation() {
            path.got_through(&self.config);
        }
        if !attempt.counted || stores {
            path.success.add(now.mono, true);
        }
        self.release(attempt.peer, RELEASED_PER_SUCCESS);
        if reopened {
            self.circuit_closed(&attempt.via);
        }
    }

    fn await_ack(&mut self, now: Now, id: AttemptId, attempt: &Attempt, by: Option<SafeText>) {
        let (Some(carrier), Some(peer)) = (self.carriers.get(&attempt.via), self.peers.get_mut(&attempt.peer)) else {
            // The peer was removed: nobody waits for its ack.
            self.end_attempt(id);
            return;
        };
        let (class, stores, keeps) =
            (carrier.capabilities.latency, carrier.stores(), carrier.capabilities.next_hop_stores);
        let path = peer.path(&attempt.via, &self.config);
        self.timers.set(Timer::Ack(id), now.mono + path.rtt.timeout(class));
        if let Some(live) = self.attempts.get_mut(&id) {
            live.accepted = Some(now.mono);
            live.stalled = false;
            live.graced = false;
            if stores && live.counted {
                live.counted = false;
                path.in_flight = path.in_flight.saturating_sub(1);
            }
        }
        self.dirty.insert(attempt.peer);
        let Some(message) = self.messages.get_mut(&attempt.envelope) else { return };
        message.stored |= stores;
        let still_true = match &message.state {
            MessageState::Accepted { via, .. } => message.live.iter().any(|live| {
                *live != id
                    && self.attempts.get(live).is_some_and(|other| other.via == *via && other.accepted.is_some())
            }),
            state => state.rank() > 1,
        };
        if !still_true {
            let stored_by = if keeps { by.or_else(|| Some(SafeText::line(attempt.via.as_str()))) } else { by };
            self.set_state(attempt.envelope, MessageState::Accepted { via: attempt.via.clone(), stored_by });
        }
    }

    pub(super) fn failed(&mut self, now: Now, id: AttemptId, reason: Reason, retry: Retry) {
        let Some(attempt) = self.end_attempt(id) else { return };
        self.note_failure(now, &attempt, &reason, retry);
        self.go_on(now, &attempt, reason, retry);
    }

    /// Takes an attempt out of the hands of a transport that will not do it. The path to the peer is not to blame.
    pub(super) fn take_back(&mut self, now: Now, id: AttemptId, reason: &Reason) {
        let Some(attempt) = self.end_attempt(id) else { return };
        self.out.push(Action::Abort { attempt: id });
        if let Some(carrier) = self.carriers.get_mut(&attempt.via) {
            carrier.meter.failed += 1;
        }
        self.go_on(now, &attempt, reason.clone(), Retry::Later);
    }

    fn go_on(&mut self, now: Now, attempt: &Attempt, reason: Reason, retry: Retry) {
        self.conclude(now, attempt, Some(AttemptOutcome::Failed { reason: reason.clone() }), 0);
        let Some(message) = self.messages.get_mut(&attempt.envelope) else { return };
        if message.place == Place::Done {
            return self.forget_if_idle(attempt.envelope);
        }
        if retry == Retry::Never {
            message.never.push((attempt.via.clone(), reason.clone()));
        }
        message.round_away &= nobody_there(reason.kind);
        message.round_reason = Some(reason.clone());
        self.advance(now, attempt.envelope, &attempt.via, reason);
    }

    /// Lets the path rest and tells the breaker.
    fn note_failure(&mut self, now: Now, attempt: &Attempt, reason: &Reason, retry: Retry) {
        let served = self.routed.get(&attempt.via).map_or(0, std::collections::BTreeSet::len);
        let (peer, started) = (attempt.peer, attempt.started);
        if let Some(carrier) = self.carriers.get_mut(&attempt.via) {
            carrier.meter.failed += 1;
            carrier.meter.success.add(now.mono, false);
            carrier.meter.error(now.wall, reason.clone());
            let blame = if retry == Retry::Never { Blame::Nobody } else { Blame::of(reason.kind) };
            let failure = Failure { now: now.mono, started, peer, served, blame, reason };
            let opened = carrier.switch.failed(&failure, &self.config, &mut self.rng);
            self.touch(&attempt.via);
            if opened {
                self.circuit_opened(&attempt.via);
            }
        }
        // What the user or the program stopped is no fault of the path.
        if retry == Retry::Never || matches!(reason.kind, ReasonKind::Disabled | ReasonKind::Stopping) {
            return;
        }
        let Some(known) = self.peers.get_mut(&peer) else { return };
        let path = known.path(&attempt.via, &self.config);
        path.success.add(now.mono, false);
        path.window = 1;
        if let Retry::After(wait) = retry {
            // A server may name any time; no message lives longer than this.
            let wait = wait.min(Duration::from_secs(limits::TTL_SECONDS_MAX));
            let firm = reason.kind == ReasonKind::RateLimited;
            path.leave_alone(Rest { until: now.mono + wait, reason: reason.clone(), firm });
        }
        // What failed together is one failure: only an attempt that began after the last one is a further step.
        if path.last_failure.is_some_and(|last| started < last) {
            return;
        }
        if retry == Retry::Later {
            let wait = retry::wait(&self.config.retry, path.failures);
            let until = now.mono + retry::jittered(wait, self.config.jitter, &mut self.rng);
            path.leave_alone(Rest { until, reason: reason.clone(), firm: false });
        }
        path.failures = path.failures.saturating_add(1);
        path.last_failure = Some(now.mono);
    }

    /// An attempt ended without success: takes the next path, or ends the round.
    pub(super) fn advance(&mut self, now: Now, id: EnvelopeId, from: &super::TransportId, reason: Reason) {
        let Some(message) = self.messages.get(&id).filter(|message| message.place == Place::Active) else { return };
        if self.timers.at(&Timer::Expire(id)).is_some_and(|end| end <= now.mono) {
            // Its time is over, and it ends in this very call: the driver slept.
            return;
        }
        let attempts = message.live.iter().filter_map(|live| self.attempts.get(live));
        let hopeful = attempts.filter(|attempt| attempt.is_hopeful()).count();
        let wanted = message.width().saturating_sub(hopeful);
        let (idle, control) = (message.live.is_empty(), message.is_control());
        let mut to = None;
        if wanted > 0 {
            let choice = self.choose(now, &Ask::rest_of_round(message));
            for path in choice.ranked.into_iter().take(wanted) {
                to.get_or_insert_with(|| path.via.clone());
                self.begin_attempt(now, id, path);
            }
        }
        let none_left = to.is_none() && idle;
        if (to.is_some() || none_left) && !control {
            self.out.push(Action::Failover { envelope_id: id, from: from.clone(), to, reason });
        }
        if none_left {
            self.end_round(now, id);
        } else {
            self.show_in_flight(id);
        }
    }

    /// Every path was tried and nothing is under way any more.
    fn end_round(&mut self, now: Now, id: EnvelopeId) {
        let Some(message) = self.messages.get_mut(&id) else { return };
        if message.state.rank() >= 1 {
            let schedule = if message.stored { &self.config.stored_retry } else { &self.config.retry };
            let wait = retry::wait(schedule, message.silent_rounds);
            message.silent_rounds = message.silent_rounds.saturating_add(1);
            return self.wait_for_alarm(now, id, wait);
        }
        message.rounds = message.rounds.saturating_add(1);
        let bound = if message.is_control() {
            message.out.max_retries.min(self.config.control_retries)
        } else {
            message.out.max_retries
        };
        if !message.round_away || self.config.away_counts || message.is_control() {
            message.note_refused(now.mono, &self.config);
        }
        let last = message.round_reason.clone();
        if message.retries > bound {
            let why = last.map_or(String::new(), |reason| format!(": {reason}"));
            let reason = Reason::new(ReasonKind::RetriesUsedUp, format!("given up after {bound} retries{why}"));
            return self.finish(now, id, MessageState::Failed { reason }, None);
        }
        let step = message.rounds - 1;
        let Some(message) = self.messages.get(&id) else { return };
        let choice = self.choose(now, &Ask::new_round(message));
        if choice.ranked.is_empty() {
            return self.wait_for_paths(now, id, &choice, last);
        }
        let wait = retry::wait(&self.config.retry, step);
        self.wait_for_alarm(now, id, wait);
    }

    fn wait_for_alarm(&mut self, now: Now, id: EnvelopeId, wait: Duration) {
        let at = now.mono + retry::jittered(wait, self.config.jitter, &mut self.rng);
        let reason = self.messages.get(&id).and_then(|message| message.round_reason.clone());
        self.place(id, Place::Timed);
        self.timers.set(Timer::Retry(id), at);
        self.set_state(id, MessageState::Queued { next_try: Some(now.wall_at(at)), reason });
    }

    /// The ack alarm: accepted and no ack in time, or the transport is slow to answer.
    pub(super) fn no_ack(&mut self, now: Now, due: Duration, id: AttemptId) {
        let late = now.mono.saturating_sub(due) > self.config.late_alarm;
        let Some(attempt) = self.attempts.get_mut(&id) else { return };
        if late && !attempt.graced {
            attempt.graced = true;
            return self.timers.set(Timer::Ack(id), now.mono + LATE_GRACE);
        }
        if attempt.accepted.is_none() { self.slow_to_answer(now, id) } else { self.silent(now, id) }
    }

    /// The transport still has it in hand: if there is another path, it is tried meanwhile.
    fn slow_to_answer(&mut self, now: Now, id: AttemptId) {
        let Some(attempt) = self.attempts.get_mut(&id) else { return };
        attempt.stalled = true;
        let (envelope, via) = (attempt.envelope, attempt.via.clone());
        let waited = now.mono.saturating_sub(attempt.started).as_millis();
        let Some(message) = self.messages.get(&envelope).filter(|message| message.place == Place::Active) else {
            return;
        };
        let choice = self.choose(now, &Ask::rest_of_round(message));
        if choice.ranked.is_empty() {
            if let Some(attempt) = self.attempts.get_mut(&id) {
                attempt.stalled = false;
            }
            return;
        }
        let line = format!("{via} has not taken it after {waited} ms; it goes on while another path is tried");
        self.advance(now, envelope, &via, Reason::new(ReasonKind::Timeout, line));
    }

    fn silent(&mut self, now: Now, id: AttemptId) {
        let Some(attempt) = self.end_attempt(id) else { return };
        let waited = millis(now.mono.saturating_sub(attempt.started));
        self.conclude(now, &attempt, Some(AttemptOutcome::Silent { after_ms: waited }), 0);
        let reason = Reason::new(ReasonKind::NoAck, format!("no ack over {} in {waited} ms", attempt.via));
        self.note_silence(now, &attempt, &reason);
        let Some(message) = self.messages.get_mut(&attempt.envelope) else { return };
        message.round_away = false;
        message.round_reason = Some(reason.clone());
        self.advance(now, attempt.envelope, &attempt.via, reason);
    }

    fn note_silence(&mut self, now: Now, attempt: &Attempt, reason: &Reason) {
        let served = self.routed.get(&attempt.via).map_or(0, std::collections::BTreeSet::len);
        let Some(carrier) = self.carriers.get_mut(&attempt.via) else { return };
        let Some(peer) = self.peers.get_mut(&attempt.peer) else { return };
        // Where the next hop stores, silence of a peer that is away is no fault of the path.
        let heard_since = peer.last_heard.is_some_and(|at| at >= attempt.started);
        let path = peer.path(&attempt.via, &self.config);
        path.rtt.silence();
        if carrier.stores() && !heard_since {
            return;
        }
        path.silent = path.silent.saturating_add(1);
        path.last_silence = Some(now.mono);
        path.success.add(now.mono, false);
        path.window = (path.window / 2).max(2);
        carrier.meter.failed += 1;
        carrier.meter.success.add(now.mono, false);
        carrier.meter.error(now.wall, reason.clone());
        let (started, peer, blame) = (attempt.started, attempt.peer, Blame::Silence);
        let failure = Failure { now: now.mono, started, peer, served, blame, reason };
        let opened = carrier.switch.failed(&failure, &self.config, &mut self.rng);
        self.touch(&attempt.via);
        if opened {
            self.circuit_opened(&attempt.via);
        }
    }

    /// The transport did not even say that it failed: its attempt is taken from it.
    pub(super) fn no_answer(&mut self, now: Now, id: AttemptId) {
        if self.attempts.get(&id).is_some_and(|attempt| attempt.accepted.is_none()) {
            self.out.push(Action::Abort { attempt: id });
            let reason = Reason::new(ReasonKind::Timeout, "the transport did not answer within its deadline");
            self.failed(now, id, reason, Retry::Later);
        }
    }
}
