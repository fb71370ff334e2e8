//! The transports as they are shown: the node's figures, when they were taken, and what just happened to a path.

use std::collections::BTreeMap;

use super::Newer;
use crate::{
    delivery::TransportId,
    node::{Breaker, TransportHealth},
    transport::TransportState,
    wire::Timestamp,
};

/// How long a path that failed or was taken instead is marked, in milliseconds.
pub const FLASH_MS: u64 = 1_500;

/// What just happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flash {
    /// It failed and another was taken.
    Failed,
    /// It was taken in place of a failed one.
    Taken,
}

/// One transport with the time its figures were taken.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The node's figures.
    pub health: TransportHealth,
    /// When they came, in milliseconds of the model's clock.
    pub taken: u64,
}

impl Shown {
    /// When its call windows open; none while they are open.
    pub fn opens(&self, now: Timestamp) -> Option<Timestamp> {
        self.health.opens.filter(|at| *at > now)
    }

    /// Milliseconds until it is tried again, counted down from when the figures came.
    pub fn retry_in(&self, clock: u64) -> Option<u64> {
        let told = match (&self.health.breaker, &self.health.state) {
            (Breaker::Open { cooldown_ms, .. }, _) => Some(*cooldown_ms),
            (_, TransportState::Down { retry_in_ms, .. }) => *retry_in_ms,
            _ => None,
        }?;
        Some(told.saturating_sub(clock.saturating_sub(self.taken)))
    }
}

/// All transports.
#[derive(Debug, Default)]
pub struct Health {
    /// In the order of priority, then of the name.
    pub transports: Vec<Shown>,
    /// The selected line.
    pub selected: usize,
    /// Whether the details of the selected one are shown.
    pub details: bool,
    flashes: BTreeMap<TransportId, (Flash, u64)>,
}

impl Health {
    /// Takes the figures of all transports, but for those of which there are newer ones.
    pub fn replace(&mut self, all: Vec<TransportHealth>, clock: u64, newer: &Newer<TransportId>) {
        let selected = self.selected_id();
        let answered = all.into_iter().map(|health| Shown { health, taken: clock }).collect();
        let known = std::mem::take(&mut self.transports);
        self.transports = newer.merge(known, answered, |shown| shown.health.transport.clone());
        self.sort(selected);
    }

    /// Takes the figures of one transport.
    pub fn update(&mut self, health: TransportHealth, clock: u64) {
        let selected = self.selected_id();
        match self.transports.iter_mut().find(|shown| shown.health.transport == health.transport) {
            Some(shown) => *shown = Shown { health, taken: clock },
            None => self.transports.push(Shown { health, taken: clock }),
        }
        self.sort(selected);
    }

    fn sort(&mut self, selected: Option<TransportId>) {
        self.transports
            .sort_by(|a, b| (a.health.priority, &a.health.transport).cmp(&(b.health.priority, &b.health.transport)));
        let place = selected.and_then(|id| self.transports.iter().position(|s| s.health.transport == id));
        self.selected = place.unwrap_or(self.selected).min(self.transports.len().saturating_sub(1));
    }

    /// The selected transport.
    pub fn selected_id(&self) -> Option<TransportId> {
        self.transports.get(self.selected).map(|shown| shown.health.transport.clone())
    }

    /// A transport by name.
    pub fn get(&self, id: &TransportId) -> Option<&Shown> {
        self.transports.iter().find(|shown| shown.health.transport == *id)
    }

    /// Marks a path for a moment.
    pub fn flash(&mut self, id: &TransportId, flash: Flash, clock: u64) {
        self.flashes.insert(id.clone(), (flash, clock.saturating_add(FLASH_MS)));
    }

    /// What just happened to a path.
    pub fn flash_of(&self, id: &TransportId) -> Option<Flash> {
        self.flashes.get(id).map(|(flash, _)| *flash)
    }

    /// Takes the marks off whose time is over; whether any was.
    pub fn expire(&mut self, clock: u64) -> bool {
        let before = self.flashes.len();
        self.flashes.retain(|_, (_, until)| *until > clock);
        before != self.flashes.len()
    }

    /// When the next mark goes.
    pub fn next_expiry(&self) -> Option<u64> {
        self.flashes.values().map(|(_, until)| *until).min()
    }

    /// When the next window opens that is closed now.
    pub fn next_opening(&self, now: Timestamp) -> Option<Timestamp> {
        self.openings().filter(|at| *at > now).min()
    }

    /// Whether a window opened within the last moments.
    pub fn just_opened(&self, now: Timestamp) -> bool {
        self.openings().any(|at| (0..1_000).contains(&now.ms_since(at)))
    }

    fn openings(&self) -> impl Iterator<Item = Timestamp> {
        self.transports.iter().flat_map(|shown| [shown.health.opens, shown.health.bulk_opens]).flatten()
    }

    /// Whether any transport counts down to its next try.
    pub fn counts_down(&self, clock: u64) -> bool {
        self.transports.iter().any(|shown| shown.retry_in(clock).is_some_and(|ms| ms > 0))
    }
}
