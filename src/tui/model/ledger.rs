//! What is known of the paths single messages took: attempts as they are reported, whole traces once asked for.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    delivery::AttemptRecord,
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

    /// Takes the whole story.
    pub fn trace(&mut self, trace: Trace) {
        let story = self.story(trace.message.envelope_id);
        story.attempts = trace.attempts.into_iter().map(|a| (a.number, a)).collect();
        story.plan = trace.plan;
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
