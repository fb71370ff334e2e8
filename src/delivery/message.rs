//! One message on its way, and one attempt.

use std::time::Duration;

use super::{
    AttemptId, AttemptOutcome, AttemptRecord, Config, MessageState, Outgoing, Reason, ReasonKind, TransportId,
    peer::{Order, Place, Profile},
    retry,
};
use crate::wire::{EnvelopeId, Fingerprint, Mode, Timestamp, Urgency};

/// One message, from its submission until it is forgotten.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) out: Outgoing,
    pub(super) order: Order,
    pub(super) profile: Profile,
    pub(super) state: MessageState,
    pub(super) place: Place,
    /// Rounds that were refused: what is persisted and bounded by `max_retries`.
    pub(super) retries: u32,
    /// When the latest of them ended.
    pub(super) refused_at: Option<Duration>,
    /// Rounds that ended without acceptance: the step of the retry schedule.
    pub(super) rounds: u32,
    /// Rounds that ended accepted and without an ack.
    pub(super) silent_rounds: u32,
    /// Whether a next hop keeps it for the recipient.
    pub(super) stored: bool,
    /// Attempts under way.
    pub(super) live: Vec<AttemptId>,
    /// Transports used in this round.
    pub(super) tried: Vec<TransportId>,
    /// Transports that will never take it, and why.
    pub(super) never: Vec<(TransportId, Reason)>,
    /// How often each transport was used (Karn's rule: the round trip of what was sent twice is unknown).
    pub(super) uses: Vec<(TransportId, u32)>,
    /// Why the round goes badly, and whether everyone in it was just not there.
    pub(super) round_reason: Option<Reason>,
    pub(super) round_away: bool,
    /// When the first attempt began.
    pub(super) began: Option<Duration>,
    /// When the first attempt began, if that was in an earlier life.
    pub(super) began_before: Option<Timestamp>,
    /// The ledger's newest lines, and the monotonic start of each.
    pub(super) ledger: Vec<AttemptRecord>,
    pub(super) starts: Vec<Duration>,
    pub(super) last_number: u32,
    pub(super) forgotten: bool,
}

impl Message {
    pub(super) fn new(out: Outgoing, seq: u64) -> Self {
        Self {
            order: Order::of(&out, seq),
            profile: Profile::of(&out),
            out,
            state: MessageState::Queued { next_try: None, reason: None },
            place: Place::Active,
            retries: 0,
            refused_at: None,
            rounds: 0,
            silent_rounds: 0,
            stored: false,
            live: Vec::new(),
            tried: Vec::new(),
            never: Vec::new(),
            uses: Vec::new(),
            round_reason: None,
            round_away: true,
            began: None,
            began_before: None,
            ledger: Vec::new(),
            starts: Vec::new(),
            last_number: 0,
            forgotten: false,
        }
    }

    pub(super) fn is_control(&self) -> bool {
        !self.out.wants_ack
    }

    /// Whether it is held for a reason of that kind.
    pub(super) fn is_held_for(&self, kind: ReasonKind) -> bool {
        self.place == Place::Held && matches!(&self.state, MessageState::Held { reason } if reason.kind == kind)
    }

    /// Whether no transport ever had it: it may cut rests short.
    pub(super) fn is_fresh(&self) -> bool {
        self.last_number == 0 && self.rounds == 0
    }

    /// How many paths it wants at once.
    pub(super) fn width(&self) -> usize {
        let critical = self.out.urgency == Urgency::Critical;
        match self.out.mode {
            _ if self.is_control() => 1,
            Mode::Broadcast => usize::MAX,
            Mode::Speed => 2,
            Mode::Failover | Mode::Stealth if critical => 2,
            Mode::Failover | Mode::Stealth => 1,
        }
    }

    /// A round was refused. It counts unless it came before the schedule had one due: other messages and the user may
    /// begin rounds early, and must not use up what this one has.
    pub(super) fn note_refused(&mut self, now: Duration, config: &Config) {
        let step = self.retries.saturating_sub(1);
        let least = retry::wait(&config.retry, step).mul_f64(1.0 - config.jitter.clamp(0.0, 0.5));
        if self.refused_at.is_none_or(|last| now >= last + least) {
            self.retries = self.retries.saturating_add(1);
            self.refused_at = Some(now);
        }
    }

    pub(super) fn begin_round(&mut self) {
        self.tried.clear();
        self.round_reason = None;
        self.round_away = true;
    }

    pub(super) fn used(&mut self, via: &TransportId) {
        match self.uses.iter_mut().find(|(id, _)| id == via) {
            Some((_, times)) => *times += 1,
            None => self.uses.push((via.clone(), 1)),
        }
    }

    pub(super) fn times_used(&self, via: &TransportId) -> u32 {
        self.uses.iter().find(|(id, _)| id == via).map_or(0, |(_, times)| *times)
    }

    /// Adds a line to the ledger, of which at most `bound` are kept.
    pub(super) fn write(&mut self, record: AttemptRecord, start: Duration, bound: usize) {
        if self.ledger.len() >= bound.max(1) {
            self.ledger.remove(0);
            self.starts.remove(0);
        }
        self.last_number = self.last_number.max(record.number);
        self.ledger.push(record);
        self.starts.push(start);
    }

    pub(super) fn line(&mut self, number: u32) -> Option<(&mut AttemptRecord, Duration)> {
        let at = self.ledger.iter().rposition(|record| record.number == number)?;
        Some((self.ledger.get_mut(at)?, *self.starts.get(at)?))
    }

    /// The attempt an ack speaks of: the newest over `via` that may have arrived; without a path, the only one.
    pub(super) fn line_for_ack(&self, via: Option<&TransportId>) -> Option<(&AttemptRecord, Duration)> {
        let arrived = |record: &AttemptRecord| {
            !matches!(record.outcome, AttemptOutcome::Failed { .. } | AttemptOutcome::Cancelled)
        };
        let at = match via {
            Some(via) => {
                let over = |record: &AttemptRecord| record.via == *via;
                let likely = self.ledger.iter().rposition(|record| over(record) && arrived(record));
                likely.or_else(|| self.ledger.iter().rposition(over))?
            }
            None if self.last_number == 1 => 0,
            None => return None,
        };
        Some((self.ledger.get(at)?, *self.starts.get(at)?))
    }
}

/// One attempt that has not ended.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) envelope: EnvelopeId,
    pub(super) peer: Fingerprint,
    pub(super) via: TransportId,
    pub(super) number: u32,
    pub(super) started: Duration,
    /// When the next hop took it; none while it is in the transport's hands.
    pub(super) accepted: Option<Duration>,
    /// The transport takes so long that another path was tried meanwhile.
    pub(super) stalled: bool,
    /// The driver was late with its alarm, and it got a second one.
    pub(super) graced: bool,
    /// It is counted in the path's window.
    pub(super) counted: bool,
}

impl Attempt {
    /// Whether there is still hope in it, so that no other path needs to be tried instead.
    pub(super) fn is_hopeful(&self) -> bool {
        !self.stalled
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
