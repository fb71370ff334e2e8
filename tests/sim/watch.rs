//! What must be true of each send, and of what is said of it.

use skcomm_tui::delivery::{Action, AttemptOutcome, AttemptRecord, MessageState, ReasonKind};

use super::{
    agenda::{Frame, Named},
    check::Invariant,
    node::Hand,
    setting::SECOND,
    world::World,
};

/// How much later than its time a message may be handed over: the alarm is due within this, in microseconds.
const SENT_LATE: u64 = 2 * SECOND;

impl World {
    /// A message is about to be handed to a transport.
    pub(super) fn check_message(&mut self, from: usize, message: u64) {
        let fate = &self.fates[usize::try_from(message).unwrap()];
        let over = fate.composed + fate.ttl_seconds * SECOND + SENT_LATE;
        let told = self.nodes[from].volatile.told.get(&Named::Message(message)).copied().unwrap_or(0);
        if self.now > over && !self.nodes[from].skewed {
            self.broken(Invariant::NothingSentLate, format!("message {message} was sent after its time"));
        } else if told >= 2 {
            self.broken(Invariant::NoAttemptOutlives, format!("message {message} was sent after its end"));
        } else if !self.nodes[from].disk.outbox.contains_key(&message) {
            self.broken(Invariant::ToldIsKept, format!("the bytes of message {message} are not on the disk"));
        }
    }

    /// Anything is about to be handed to a transport.
    pub(super) fn check_path(&mut self, from: usize, hand: Hand, frame: &Frame, size: u64) {
        let Hand { named, link, to } = hand;
        let number = usize::from(link);
        let (ack, wall) = (matches!(frame, Frame::Ack(_)), self.clock(from).wall);
        if let Some(rules) = self.rules[number] {
            self.report.ruled += 1;
            if !rules.allow(wall, usize::try_from(size).unwrap(), ack) {
                self.broken(Invariant::RulesAreKept, format!("{named:?} went against {rules:?} at {wall:?}"));
            }
        }
        let discreet = |named: &Named| match named {
            Named::Message(message) => self.fates[usize::try_from(*message).unwrap()].stealth,
            _ => false,
        };
        let discreet = match frame {
            Frame::Ack(items) => items.iter().any(|(named, _)| discreet(named)),
            _ => discreet(&named),
        };
        if discreet && !self.links[number].0.capabilities().stealthy() {
            self.broken(Invariant::NothingLeaks, format!("{named:?} showed who talks to whom"));
        }
        if self.nodes[from].volatile.waits.get(&(to, link)).is_some_and(|until| self.now < *until) {
            self.broken(Invariant::WaitsAreKept, format!("{named:?} came before the time that was named"));
        }
        if !ack && self.nodes[from].disk.held.contains(&to) {
            self.broken(Invariant::WordIsKept, format!("{named:?} went to a peer whose messages are held back"));
        }
    }

    /// In one call of the machine a message takes each path once, and as many as its mode wants.
    pub(super) fn check_width(&mut self, actions: &[Action]) {
        let mut sends: Vec<(u64, u8)> = Vec::new();
        for action in actions {
            if let Action::Send { envelope_id, via, .. } = action
                && let Named::Message(message) = Named::of(envelope_id)
            {
                sends.push((message, self.number(via)));
            }
        }
        sends.sort_unstable();
        for of_one in sends.chunk_by(|a, b| a.0 == b.0) {
            let message = of_one[0].0;
            let width = self.fates[usize::try_from(message).unwrap()].width;
            let twice = of_one.windows(2).any(|pair| pair[0] == pair[1]);
            if twice || of_one.len() > width {
                let paths: Vec<u8> = of_one.iter().map(|(_, link)| *link).collect();
                self.broken(Invariant::PathsAsWanted, format!("message {message} took the paths {paths:?} at once"));
            }
        }
    }

    /// What goes out for the first time leaves nobody behind who was there before and is like it.
    pub(super) fn check_order(&mut self, node: usize, actions: &[Action]) {
        let this = &mut self.nodes[node];
        let Some(machine) = this.machine.as_ref().filter(|_| !this.skewed) else { return };
        for action in actions {
            let Action::Send { envelope_id, number: 1, .. } = action else { continue };
            let Named::Message(message) = Named::of(envelope_id) else { continue };
            let Some(line) = this.volatile.lines.values_mut().find(|line| line.contains(&message)) else { continue };
            let told = &this.volatile.told;
            line.retain(|other| told.get(&Named::Message(*other)).is_none_or(|rank| *rank == 0));
            if let Some(left) = line.range(..message).find(|other| machine.is_in_line(&Named::Message(**other).id())) {
                let what = format!("message {message} of node {node} went before {left}, which waits in line");
                return self.broken(Invariant::OrderIsKept, what);
            }
        }
    }

    /// What a next hop took is acked, or missed, within the longest time that the path's latency allows.
    pub(super) fn check_silence(&mut self, node: usize, actions: &[Action]) {
        let mut missed = Vec::new();
        for action in actions {
            match action {
                Action::Attempt { envelope_id, record } => {
                    let Named::Message(message) = Named::of(envelope_id) else { continue };
                    let link = self.links[usize::from(self.number(&record.via))].0;
                    let silences = &mut self.nodes[node].volatile.silences;
                    silences.remove(&(message, record.number));
                    if record.outcome == AttemptOutcome::Accepted {
                        let (_, longest) = link.capabilities().latency.ack_bounds();
                        let longest = u64::try_from(longest.as_micros()).unwrap();
                        silences.insert((message, record.number), self.now + longest + SENT_LATE);
                    }
                }
                Action::State { envelope_id, state, .. } if state.is_final() => {
                    let Named::Message(message) = Named::of(envelope_id) else { continue };
                    self.nodes[node].volatile.silences.retain(|(of, _), _| *of != message);
                }
                _ => {}
            }
        }
        let (stalled, silences) = (self.nodes[node].stalled, &mut self.nodes[node].volatile.silences);
        silences.retain(|(message, number), until| {
            // What was due while it was stalled could not be served.
            let over = *until < self.now;
            if over && *until > stalled + SENT_LATE {
                missed.push(format!("node {node} still waits for an ack of message {message}, attempt {number}"));
            }
            !over
        });
        if let Some(what) = missed.pop() {
            self.broken(Invariant::SilenceEnds, what);
        }
    }

    /// The first ack ends a race: but for the one that won it and has not said so yet, no transport works on.
    pub(super) fn check_race(&mut self, node: usize, message: u64) {
        let fate = &self.fates[usize::try_from(message).unwrap()];
        // A broadcast wants the result of every path.
        let (hands, all) = (fate.hands, fate.width == usize::MAX);
        if hands > 1 && !all {
            self.broken(
                Invariant::NoAttemptOutlives,
                format!("message {message} was acked at node {node}, and {hands} transports work for it"),
            );
        }
    }

    /// A line of the ledger says what happened.
    pub(super) fn check_line(&mut self, message: u64, record: &AttemptRecord) {
        let bit = 1 << self.number(&record.via);
        let fate = &self.fates[usize::try_from(message).unwrap()];
        let is_true = match &record.outcome {
            AttemptOutcome::Acked { .. } => fate.came_by & bit != 0,
            AttemptOutcome::Accepted | AttemptOutcome::Silent { .. } => fate.taken_by & bit != 0,
            AttemptOutcome::Failed { reason } => !reason.detail.is_empty(),
            AttemptOutcome::Running | AttemptOutcome::Cancelled => true,
        };
        if !is_true {
            self.broken(Invariant::LedgerIsTrue, format!("message {message}: {record:?} is not what happened"));
        }
    }

    /// An ack has its end: that too many messages wait is none for it.
    pub(super) fn check_ack(&mut self, node: usize, ack: u64, state: &MessageState) {
        if let MessageState::Failed { reason } = state
            && reason.kind == ReasonKind::QueueFull
        {
            self.broken(Invariant::AcksAreTaken, format!("ack {ack} of node {node} was turned away: {reason:?}"));
        }
    }

    /// Whether it sends a message that wants a single path.
    pub(super) fn wants_one_path(&self, action: &Action) -> bool {
        let Action::Send { envelope_id, .. } = action else { return false };
        matches!(Named::of(envelope_id), Named::Message(message)
            if self.fates[usize::try_from(message).unwrap()].width == 1)
    }
}
