//! What is known of the paths single messages took: attempts as they are reported, whole traces once asked for.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    delivery::{AttemptOutcome, AttemptRecord},
    node::{RoutePlan, Trace},
    wire::EnvelopeId,
};

/// Most messages whose attempts are remembered.
const MOST: usize = 1_024;

/// One message's attempts and plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Story {
    /// Attempts by their number.
    pub attempts: BTreeMap<u32, AttemptRecord>,
    /// The plan it was last sent by.
    pub plan: Option<RoutePlan>,
    /// Whether the node was asked for all of it.
    pub whole: bool,
}

/// The stories of the messages seen last.
#[derive(Debug, Default)]
pub struct Ledger {
    stories: BTreeMap<EnvelopeId, Story>,
    order: VecDeque<EnvelopeId>,
}

impl Ledger {
    /// What is known of a message.
    pub fn get(&self, id: &EnvelopeId) -> Option<&Story> {
        self.stories.get(id)
    }

    /// Takes an attempt as it stands.
    pub fn attempt(&mut self, id: EnvelopeId, attempt: AttemptRecord) {
        self.story(id).attempts.insert(attempt.number, attempt);
    }

    /// Takes the whole story. The answer may have been overtaken by reports, so it never takes an attempt back.
    pub fn trace(&mut self, trace: Trace) {
        let story = self.story(trace.message.envelope_id);
        for attempt in trace.attempts {
            let known = story.attempts.get(&attempt.number);
            if known.is_none_or(|known| progress(known) <= progress(&attempt)) {
                story.attempts.insert(attempt.number, attempt);
            }
        }
        // An older answer may know the plan that the node has forgotten.
        story.plan = trace.plan.or(story.plan.take());
        story.whole = true;
    }

    /// Notes that the node is being asked for the whole story; whether it was not yet.
    pub fn ask(&mut self, id: EnvelopeId) -> bool {
        !std::mem::replace(&mut self.story(id).whole, true)
    }

    fn story(&mut self, id: EnvelopeId) -> &mut Story {
        if !self.stories.contains_key(&id) {
            if self.order.len() == MOST
                && let Some(oldest) = self.order.pop_front()
            {
                self.stories.remove(&oldest);
            }
            self.order.push_back(id);
        }
        self.stories.entry(id).or_default()
    }
}

/// How far an attempt has come; it only goes up.
fn progress(attempt: &AttemptRecord) -> u8 {
    match attempt.outcome {
        AttemptOutcome::Running => 0,
        AttemptOutcome::Accepted => 1,
        AttemptOutcome::Silent { .. } => 2,
        AttemptOutcome::Acked { .. } | AttemptOutcome::Failed { .. } | AttemptOutcome::Cancelled => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::testing;

    #[test]
    fn a_late_trace_takes_nothing_back() {
        let general = testing::conversation(1, "general");
        let message = testing::own(1, &general, "hello", testing::delivered("tcp", 3));
        let id = message.envelope_id;
        let mut ledger = Ledger::default();
        let attempt = |number, outcome| AttemptRecord {
            number,
            via: testing::transport("tcp"),
            started: testing::at(0),
            took_ms: None,
            bytes: 1,
            outcome,
        };
        ledger.attempt(id, attempt(0, AttemptOutcome::Acked { after_ms: 3, ack_via: None }));
        ledger.attempt(id, attempt(1, AttemptOutcome::Running));
        let attempts = vec![attempt(0, AttemptOutcome::Running), attempt(1, AttemptOutcome::Accepted)];
        ledger.trace(Trace { message, attempts, plan: None });
        let story = ledger.get(&id).unwrap();
        assert_eq!(story.attempts[&0].outcome, AttemptOutcome::Acked { after_ms: 3, ack_via: None });
        assert_eq!(story.attempts[&1].outcome, AttemptOutcome::Accepted);
    }
}
