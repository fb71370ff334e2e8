//! What is learned about peers and transports.

use std::time::Duration;

use super::{
    Action, AttemptId, Capabilities, Machine, Now, Reason, ReasonKind, Schedule, TransportId,
    carrier::{Carrier, Status},
    timer::Timer,
};
use crate::wire::{Fingerprint, limits};

impl Machine {
    pub(super) fn peer_routes(&mut self, now: Now, fingerprint: Fingerprint, mut routes: Vec<(TransportId, String)>) {
        let mut seen = std::collections::BTreeSet::new();
        routes.retain(|(via, _)| seen.insert(via.clone()));
        routes.truncate(limits::PATHS_PER_PEER);
        self.unroute(fingerprint);
        for (via, _) in &routes {
            self.routed.entry(via.clone()).or_default().insert(fingerprint);
        }
        let peer = self.peers.entry(fingerprint).or_default();
        // A path with a new address is a new path.
        let same = |via: &TransportId| {
            let old = peer.routes.iter().find(|(id, _)| id == via);
            old.is_some() && old == routes.iter().find(|(id, _)| id == via)
        };
        let changed: Vec<TransportId> = peer.paths.keys().filter(|via| !same(via)).cloned().collect();
        for via in changed {
            let in_use = peer.paths.get(&via).is_some_and(|path| path.in_flight > 0);
            match peer.paths.get_mut(&via).filter(|_| in_use) {
                Some(path) => {
                    path.rest = None;
                    path.failures = 0;
                }
                None => drop(peer.paths.remove(&via)),
            }
        }
        peer.routes = routes;
        self.came_back(fingerprint);
        self.unshelve(now, fingerprint);
        if self.peers.get(&fingerprint).is_some_and(super::peer::Peer::is_blank) {
            self.peers.remove(&fingerprint);
        }
    }

    fn unroute(&mut self, fingerprint: Fingerprint) {
        let Some(peer) = self.peers.get(&fingerprint) else { return };
        for (via, _) in &peer.routes {
            if let Some(peers) = self.routed.get_mut(via) {
                peers.remove(&fingerprint);
                if peers.is_empty() {
                    self.routed.remove(via);
                }
            }
        }
    }

    pub(super) fn peer_wary(&mut self, fingerprint: Fingerprint, wary: bool) {
        if let Some(peer) = self.peers.get_mut(&fingerprint) {
            peer.wary = wary;
        }
    }

    pub(super) fn peer_gone(&mut self, now: Now, fingerprint: Fingerprint) {
        self.unroute(fingerprint);
        if let Some(peer) = self.peers.get_mut(&fingerprint) {
            peer.routes.clear();
            peer.held = None;
        }
        self.fail_all(now, fingerprint, &Reason::new(ReasonKind::NoRoute, "the peer was removed"));
        if self.peers.get(&fingerprint).is_some_and(super::peer::Peer::is_blank) {
            self.peers.remove(&fingerprint);
        }
        self.timers.clear(&Timer::Peer(fingerprint));
    }

    pub(super) fn transport(
        &mut self,
        now: Now,
        id: TransportId,
        capabilities: Capabilities,
        priority: u16,
        enabled: bool,
    ) {
        match self.carriers.get_mut(&id) {
            Some(carrier) => {
                carrier.capabilities = capabilities;
                carrier.priority = priority;
                carrier.enabled = enabled;
            }
            None => drop(self.carriers.insert(id.clone(), Carrier::new(capabilities, priority, enabled))),
        }
        if !enabled {
            let reason = Reason::new(ReasonKind::Disabled, "switched off by you");
            self.take_all_back(now, &id, &reason);
        }
        for peer in self.served(&id) {
            self.unshelve(now, peer);
            self.came_back(peer);
        }
        self.touch_now(&id);
    }

    pub(super) fn schedule(&mut self, now: Now, id: TransportId, schedule: Schedule) {
        if schedule == Schedule::default() {
            self.schedules.remove(&id);
            self.timers.clear(&Timer::Hours(id.clone()));
        } else {
            self.schedules.insert(id.clone(), schedule);
        }
        for peer in self.served(&id) {
            self.unshelve(now, peer);
            self.came_back(peer);
        }
        self.windows_moved(now);
        if self.carriers.contains_key(&id) {
            self.touch_now(&id);
        }
    }

    /// Windows open at other times than was reckoned, because they or the clock were changed: who waits for one looks
    /// again.
    pub(super) fn windows_moved(&mut self, now: Now) {
        let ruled: Vec<TransportId> = self.schedules.keys().cloned().collect();
        ruled.iter().for_each(|id| self.watch_hours(now, id));
        let waiting = self.peers.iter().filter(|(_, peer)| !peer.dated.is_empty() || !peer.blocked.is_empty());
        let waiting: Vec<(Fingerprint, Vec<_>)> =
            waiting.map(|(id, peer)| (*id, peer.dated.values().copied().collect())).collect();
        for (peer, dated) in waiting {
            dated.into_iter().for_each(|id| self.make_ready(id));
            self.dirty.insert(peer);
        }
    }

    /// Sets the alarm for the next opening or closing of a window: how the transport does reads differently then.
    pub(super) fn watch_hours(&mut self, now: Now, id: &TransportId) {
        let timer = Timer::Hours(id.clone());
        match self.schedules.get(id).and_then(|schedule| schedule.next_change(now.wall)) {
            Some(change) => {
                let wait = u64::try_from(change.ms_since(now.wall)).unwrap_or(0);
                self.timers.set(timer, now.mono.saturating_add(Duration::from_millis(wait)));
            }
            None => self.timers.clear(&timer),
        }
    }

    fn served(&self, id: &TransportId) -> Vec<Fingerprint> {
        let peers = self.routed.get(id).into_iter().flatten();
        peers.filter(|peer| self.peers.get(peer).is_some_and(|peer| !peer.all.is_empty())).copied().collect()
    }

    pub(super) fn transport_up(&mut self, now: Now, id: TransportId) {
        let Some(carrier) = self.carriers.get_mut(&id) else { return };
        let news = !matches!(carrier.status, Status::Up);
        carrier.came_up(now.mono, &self.config);
        let closed = carrier.switch.close();
        self.timers.clear(&Timer::Breaker(id.clone()));
        if news || closed {
            self.wake_peers_of(&id);
            self.touch_now(&id);
        }
    }

    /// A transport works again: no path over it rests, and whoever waits for it goes on.
    fn wake_peers_of(&mut self, id: &TransportId) {
        for peer in self.routed.get(id).cloned().unwrap_or_default() {
            if let Some(path) = self.peers.get_mut(&peer).and_then(|peer| peer.paths.get_mut(id)) {
                path.wake();
            }
        }
        for peer in self.served(id) {
            self.came_back(peer);
        }
    }

    pub(super) fn transport_down(&mut self, now: Now, id: TransportId, reason: Reason, retry_in: Option<Duration>) {
        let Some(carrier) = self.carriers.get_mut(&id) else { return };
        carrier.meter.error(now.wall, reason.clone());
        carrier.status =
            Status::Down { reason: reason.clone(), retry_at: retry_in.map(|wait| now.mono.saturating_add(wait)) };
        self.take_all_back(now, &id, &reason);
        self.touch_now(&id);
    }

    pub(super) fn transport_gone(&mut self, now: Now, id: TransportId) {
        if let Some(carrier) = self.carriers.get_mut(&id) {
            carrier.enabled = false;
        }
        self.take_all_back(now, &id, &Reason::new(ReasonKind::NotConfigured, "this transport was removed"));
        if let Some(carrier) = self.carriers.remove(&id) {
            self.dirty.extend(carrier.stalled);
        }
        self.schedules.remove(&id);
        self.timers.clear(&Timer::Breaker(id.clone()));
        self.timers.clear(&Timer::Health(id.clone()));
        self.timers.clear(&Timer::Hours(id));
    }

    /// Takes everything out of the hands of a transport that will not do it; other paths are tried at once.
    fn take_all_back(&mut self, now: Now, id: &TransportId, reason: &Reason) {
        let running: Vec<AttemptId> =
            self.carriers.get(id).map_or(Vec::new(), |carrier| carrier.running.iter().copied().collect());
        for attempt in running {
            self.take_back(now, attempt, reason);
        }
    }

    pub(super) fn probed(&mut self, now: Now, id: TransportId, result: Result<Duration, Reason>) {
        let Some(carrier) = self.carriers.get_mut(&id) else { return };
        match result {
            Ok(took) => {
                carrier.meter.answered(took.as_secs_f64() * 1_000.0);
                if carrier.switch.close() {
                    self.circuit_closed(&id);
                } else {
                    self.touch(&id);
                }
            }
            Err(reason) => {
                carrier.meter.error(now.wall, reason.clone());
                if carrier.switch.probe_failed(now.mono, reason, &self.config, &mut self.rng) {
                    self.circuit_opened(&id);
                } else {
                    self.touch(&id);
                }
            }
        }
    }

    /// A frame of a peer came in.
    pub(super) fn heard(&mut self, now: Now, fingerprint: Fingerprint, via: &TransportId) {
        let Some(peer) = self.peers.get_mut(&fingerprint) else { return };
        let was_away = peer.last_heard.is_none_or(|at| now.mono.saturating_sub(at) > self.config.away_after);
        peer.last_heard = Some(now.mono);
        let mut rested = false;
        if let Some(path) = peer.paths.get_mut(via)
            && path.rest.as_ref().is_some_and(|rest| !rest.firm)
            && path.last_failure.is_none_or(|at| now.mono.saturating_sub(at) >= self.config.heard_gap)
        {
            path.rest = None;
            rested = true;
        }
        if was_away || rested {
            self.came_back(fingerprint);
        }
        self.probe_breaker(now, via);
    }

    /// There is a sign that an open breaker may be wrong: a probe decides now.
    pub(super) fn probe_breaker(&mut self, now: Now, via: &TransportId) {
        let Some(carrier) = self.carriers.get_mut(via) else { return };
        if carrier.is_up() && carrier.switch.half_open() {
            self.timers.set(Timer::Breaker(via.clone()), now.mono + self.config.probe_timeout);
            self.out.push(Action::Probe { via: via.clone() });
            self.touch_now(via);
        }
    }

    /// A cool-down is over, or a probe was not answered.
    pub(super) fn breaker_due(&mut self, now: Now, via: TransportId) {
        let Some(carrier) = self.carriers.get_mut(&via) else { return };
        if carrier.switch.is_half_open() {
            let reason = Reason::new(ReasonKind::Timeout, "the probe was not answered");
            carrier.switch.probe_failed(now.mono, reason, &self.config, &mut self.rng);
            self.circuit_opened(&via);
        } else if carrier.is_up() {
            self.probe_breaker(now, &via);
        } else if carrier.switch.open_until().is_some() {
            // A transport that is down is not probed: coming up closes its breaker.
            self.timers.set(Timer::Breaker(via), now.mono + self.config.breaker_cooldown);
        }
    }

    pub(super) fn circuit_opened(&mut self, via: &TransportId) {
        if let Some(until) = self.carriers.get(via).and_then(|carrier| carrier.switch.open_until()) {
            self.timers.set(Timer::Breaker(via.clone()), until);
        }
        self.touch_now(via);
    }

    pub(super) fn circuit_closed(&mut self, via: &TransportId) {
        self.timers.clear(&Timer::Breaker(via.clone()));
        self.wake_peers_of(via);
        self.touch_now(via);
    }
}
