//! The machine's entry: one function for everything that happens, one for the next alarm.

use std::time::Duration;

use super::{Action, AttemptRecord, Config, Input, MessageState, Now, PathHealth, PlanRequest, QueueCounts, RoutePlan};
use crate::wire::EnvelopeId;

/// The delivery machine: told what happened and what time it is, it says what to do.
#[derive(Debug)]
pub struct Machine {
    #[expect(dead_code, reason = "the behaviour comes with the next commits")]
    config: Config,
}

impl Machine {
    /// An empty machine. `seed` feeds the jitter: the same seed and inputs give the same actions.
    pub fn new(config: Config, _seed: u64) -> Self {
        Self { config }
    }

    /// Takes in what happened, fires every timer that is due at `now`, and says what to do, in order.
    pub fn handle(&mut self, _now: Now, _input: Input) -> Vec<Action> {
        Vec::new()
    }

    /// When to call [`Machine::handle`] at the latest (with [`Input::Wake`] if nothing else happened): monotonic
    /// time as in [`Now::mono`]; none when nothing is pending.
    pub fn next_wake(&self) -> Option<Duration> {
        None
    }

    /// Which paths a message would take now, and why. Changes nothing.
    pub fn plan(&self, _now: Now, ask: &PlanRequest) -> RoutePlan {
        RoutePlan { mode: ask.mode, candidates: Vec::new(), skipped: Vec::new() }
    }

    /// How every transport does, by name.
    pub fn health(&self, _now: Now) -> Vec<PathHealth> {
        Vec::new()
    }

    /// Where a message stands; none when it was never known or is forgotten.
    pub fn state(&self, _envelope_id: &EnvelopeId) -> Option<&MessageState> {
        None
    }

    /// The newest lines of a message's ledger, oldest first.
    pub fn attempts(&self, _envelope_id: &EnvelopeId) -> &[AttemptRecord] {
        &[]
    }

    /// How many messages are on their way.
    pub fn queued(&self) -> QueueCounts {
        QueueCounts::default()
    }
}
