//! What is known of one transport.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use super::{AttemptId, Capabilities, Config, Now, PathHealth, Reason, TransportId, breaker::Switch, health::Meter};
use crate::wire::Fingerprint;

/// How a transport said it is.
#[derive(Clone, Debug)]
pub(super) enum Status {
    Starting,
    Up,
    Down { reason: Reason, retry_at: Option<Duration> },
}

/// One transport.
#[derive(Debug)]
pub(super) struct Carrier {
    pub(super) capabilities: Capabilities,
    pub(super) priority: u16,
    pub(super) enabled: bool,
    pub(super) status: Status,
    /// When it came up of late, the newest last.
    ups: VecDeque<Duration>,
    pub(super) switch: Switch,
    pub(super) meter: Meter,
    /// Attempts in its hands.
    pub(super) running: BTreeSet<AttemptId>,
    /// Peers that wait for one of those to end, in the order in which they came.
    pub(super) stalled: VecDeque<Fingerprint>,
}

impl Carrier {
    pub(super) fn new(capabilities: Capabilities, priority: u16, enabled: bool) -> Self {
        Self {
            capabilities,
            priority,
            enabled,
            status: Status::Starting,
            ups: VecDeque::new(),
            switch: Switch::default(),
            meter: Meter::default(),
            running: BTreeSet::new(),
            stalled: VecDeque::new(),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.enabled && matches!(self.status, Status::Up)
    }

    /// Whether what it accepted is safe without the recipient being there, so that only what is in its hands
    /// counts as under way.
    pub(super) fn stores(&self) -> bool {
        self.capabilities.next_hop_stores || self.capabilities.offline
    }

    pub(super) fn came_up(&mut self, now: Duration, config: &Config) {
        if !matches!(self.status, Status::Up) {
            self.ups.push_back(now);
            if self.ups.len() > config.flap_count.max(1) {
                self.ups.pop_front();
            }
        }
        self.status = Status::Up;
    }

    pub(super) fn is_flapping(&self, now: Duration, config: &Config) -> bool {
        let often = self.ups.len() >= config.flap_count.max(1);
        often && self.ups.front().is_some_and(|first| now.saturating_sub(*first) <= config.flap_window)
    }

    pub(super) fn health(&self, id: &TransportId, now: Now, config: &Config) -> PathHealth {
        PathHealth {
            transport: id.clone(),
            priority: self.priority,
            enabled: self.enabled,
            up: self.is_up(),
            opens: None,
            bulk_opens: None,
            max_bytes: None,
            flapping: self.is_flapping(now.mono, config),
            latency_ms: self.meter.latency(),
            recent_ms: self.meter.recent.iter().copied().collect(),
            success: self.meter.success.get(now.mono),
            sent: self.meter.sent,
            failed: self.meter.failed,
            bytes_out: self.meter.bytes_out,
            in_flight: self.running.len(),
            breaker: self.switch.view(now.mono),
            errors: self.meter.errors.iter().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::{Cost, Guarantee, LatencyClass, ReasonKind};

    #[test]
    fn going_up_often_is_flapping_until_it_stays_up() {
        let capabilities = Capabilities {
            duplex: true,
            offline: false,
            next_hop_stores: false,
            latency: LatencyClass::Instant,
            max_frame: 1,
            leaks: Vec::new(),
            per_peer: None,
            guarantee: Guarantee::Confirmed,
            cost: Cost::Free,
        };
        let (config, mut carrier) = (Config::default(), Carrier::new(capabilities, 0, true));
        let at = Duration::from_secs;
        for n in 0..4 {
            assert!(!carrier.is_flapping(at(n * 10), &config));
            carrier.came_up(at(n * 10), &config);
            carrier.came_up(at(n * 10), &config);
            carrier.status = Status::Down { reason: Reason::new(ReasonKind::Io, "no"), retry_at: None };
        }
        assert!(carrier.is_flapping(at(31), &config));
        assert!(!carrier.is_flapping(at(200), &config));
    }
}
