//! What goes wrong in a world, planned beforehand.

use rand::RngExt as _;

use super::{agenda::Event, link::Link, setting::SECOND, world::World};

impl World {
    pub(super) fn plan_accidents(&mut self) {
        let storm = self.setting.storm;
        self.plan(storm, Event::Peace);
        if self.setting.messages > 0 {
            self.plan(0, Event::Compose);
        }
        for _ in 0..self.setting.partitions {
            let (at, halves) = (self.rng.random_range(0..storm), self.rng.random());
            let healed = (at + self.rng.random_range(SECOND..120 * SECOND)).min(storm);
            self.plan(at, Event::Split(Some(halves)));
            self.plan(healed, Event::Split(None));
        }
        for _ in 0..self.setting.clock_jumps {
            let at = self.rng.random_range(0..storm);
            self.plan(at, Event::ClockJump);
        }
        for _ in 0..self.setting.full_disks {
            let (at, node) = (self.rng.random_range(0..storm), self.rng.random_range(0..self.nodes.len()));
            let freed = (at + self.rng.random_range(SECOND..60 * SECOND)).min(storm);
            self.plan(at, Event::DiskFull { node, full: true });
            self.plan(freed, Event::DiskFull { node, full: false });
        }
        for _ in 0..self.setting.stalls {
            let (at, node) = (self.rng.random_range(0..storm), self.rng.random_range(0..self.nodes.len()));
            let lasts = [SECOND, 20 * SECOND, 3_600 * SECOND][self.rng.random_range(0..3)];
            let lasts = self.rng.random_range(SECOND / 10..=lasts);
            self.plan(at, Event::Stall { node, lasts });
        }
        for _ in 0..self.setting.wishes {
            let (at, node) = (self.rng.random_range(0..storm), self.rng.random_range(0..self.nodes.len()));
            self.plan(at, Event::Person { node });
        }
        if self.setting.links.contains(&Link::Flapping) {
            (0..self.nodes.len()).for_each(|node| self.plan_flaps(node));
        }
    }

    fn plan_flaps(&mut self, node: usize) {
        let (mut at, mut up) = (0, true);
        while at < self.setting.storm {
            at += self.rng.random_range(SECOND / 2..60 * SECOND);
            up = !up;
            self.plan(at, Event::Flap { node, up });
        }
        self.plan(at + SECOND, Event::Flap { node, up: true });
    }
}
