//! The end of a process between any two steps, and what must not have been promised by then.

use rand::RngExt as _;

use super::{
    agenda::Event,
    check::{Invariant, Step},
    node::Write,
    setting::SECOND,
    world::World,
};

impl World {
    /// A moment between two steps of a node. Whether it crashed there.
    pub(super) fn step(&mut self, node: usize, step: Step) -> bool {
        let due = self.crash_is_due();
        if due {
            self.crash(node, step);
        }
        due
    }

    pub(super) fn crash_is_due(&mut self) -> bool {
        if self.until_crash > 0 {
            self.until_crash -= 1;
            return false;
        }
        self.next_crash();
        !self.peace
    }

    pub(super) fn next_crash(&mut self) {
        self.until_crash = match self.setting.crash_every {
            Some(every) => self.rng.random_range(0..2 * every),
            None => u64::MAX,
        };
    }

    /// The process of a node dies. What was not on its disk is gone, and must not have been promised.
    pub(super) fn crash(&mut self, node: usize, step: Step) {
        if self.nodes[node].machine.take().is_none() {
            return;
        }
        let lost = std::mem::take(&mut self.nodes[node].volatile);
        self.report.crashes += 1;
        self.report.crashes_at[Step::ALL.iter().position(|known| *known == step).unwrap()] += 1;
        if self.setting.log {
            println!("{:>13.6} node {node} crashes at {step:?}", self.now as f64 / 1e6);
        }
        for hand in lost.hands.into_values() {
            self.let_go(hand.named);
        }
        for write in lost.writes {
            match write {
                Write::Compose(message, _) => {
                    // Nobody was told: to its writer it is as if it had not been taken.
                    self.fate(message).refused = true;
                    if self.fate(message).told {
                        self.broken(Invariant::ToldIsKept, format!("message {message} was called kept and is gone"));
                    }
                }
                Write::Receive { message, .. } => {
                    let fate = self.fate(message);
                    if fate.acked && !fate.stored {
                        self.broken(Invariant::AckedIsKept, format!("message {message} was acked and is gone"));
                    }
                }
                Write::Chunk { chunk, .. } => self.lose_chunk(node, chunk),
                Write::Ledger(_) | Write::LateAck(_) | Write::Finish(_) | Write::Progress(_) => {}
            }
        }
        let away = self.rng.random_range(SECOND..self.setting.storm.clamp(2 * SECOND, 900 * SECOND));
        self.plan(away, Event::Start { node });
    }
}
