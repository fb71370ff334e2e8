//! Presence: who is there, told by small signs of life.
//!
//! A heartbeat says nothing but that its sender runs, and exactly that is what it gives away. So it goes only to peers
//! whom the user accepted and who have written to us, over a direct line or a server that forwards at once, never in
//! stealth, and `defaults.presence` switches it off. It is neither stored nor queued nor tried twice, and whoever sees
//! it arrive learns of no answer. docs/security.md says the same to the user.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{compose::Draft, core::Core, paths::Live};
use crate::{
    delivery::{Breaker, Cost, LatencyClass, Policy, TransportId},
    identity::PeerProfile,
    transport::Route,
    wire::{Content, EnvelopeId, Fingerprint, Mode, PayloadType, Timestamp, Urgency},
};

/// How long after its latest sign of life a peer counts as present, in milliseconds: one lost heartbeat may pass.
pub const PRESENT_MS: i64 = 200_000;

/// Kinds of transports that heartbeats go over. Folders and mail would keep them; on public servers they would be a
/// burden, and tell too many.
const LIVE_KINDS: [&str; 3] = ["tcp", "websocket", "nats"];
/// Time between two heartbeats to a peer, in seconds: anywhere in between, so that no rhythm gives a user away.
const EVERY: (u64, u64) = (60, 90);
/// Time from the start, or from a sign of life of a peer that was away, to the first heartbeat to it, in milliseconds.
const SOON_MS: (u64, u64) = (500, 3_000);
/// How long a heartbeat may be under way, in seconds. One that a server kept for longer says nothing.
const TTL_SECONDS: u64 = 600;
/// How long one attempt may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// Most heartbeats sealed at once; the others follow a moment later, behind any messages.
const AT_ONCE: usize = 16;
/// How much later.
const LATER: Duration = Duration::from_secs(1);

/// Whether a peer is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Not heard of since the node started.
    #[default]
    Unknown,
    /// Heard of within [`PRESENT_MS`].
    Online,
    /// Heard of before that.
    Away,
}

impl Presence {
    /// What the latest sign of life says at `now`.
    pub fn of(last_seen: Option<Timestamp>, now: Timestamp) -> Self {
        match last_seen {
            None => Self::Unknown,
            Some(seen) if now.ms_since(seen) < PRESENT_MS => Self::Online,
            Some(_) => Self::Away,
        }
    }
}

/// When which peer gets its next heartbeat.
#[derive(Debug, Default)]
pub(super) struct Heartbeats {
    due: BTreeMap<Fingerprint, Duration>,
    next: Option<Duration>,
    /// Who got one over a server since the start.
    greeted: BTreeSet<Fingerprint>,
}

impl Heartbeats {
    /// When the next is due, in monotonic time.
    pub(super) fn next(&self) -> Option<Duration> {
        self.next
    }

    /// One more peer.
    fn begin(&mut self, peer: Fingerprint, now: Duration) {
        self.due.entry(peer).or_insert_with(|| now + Duration::from_millis(between(SOON_MS)));
        self.settle();
    }

    /// The peer came back: it shall know soon that we are here.
    fn hasten(&mut self, peer: &Fingerprint, now: Duration) {
        if let Some(due) = self.due.get_mut(peer) {
            *due = (*due).min(now + Duration::from_millis(between(SOON_MS)));
        }
        self.settle();
    }

    /// Those that are due, each of which gets its next time; the rest waits a little.
    fn take(&mut self, now: Duration) -> Vec<Fingerprint> {
        let due: Vec<Fingerprint> = self.due.iter().filter(|(_, at)| **at <= now).map(|(peer, _)| *peer).collect();
        for (n, peer) in due.iter().enumerate() {
            let again = if n < AT_ONCE { Duration::from_secs(between(EVERY)) } else { LATER };
            self.due.insert(*peer, now + again);
        }
        self.settle();
        due.into_iter().take(AT_ONCE).collect()
    }

    fn forget(&mut self, peer: &Fingerprint) {
        self.due.remove(peer);
        self.greeted.remove(peer);
        self.settle();
    }

    fn settle(&mut self) {
        self.next = self.due.values().min().copied();
    }
}

fn between((from, to): (u64, u64)) -> u64 {
    from + rand::random::<u64>() % (to - from)
}

/// Whether this peer may know that we are here.
fn may_know(profile: &PeerProfile, default: Mode) -> bool {
    let mode = profile.defaults().mode.unwrap_or(default);
    let accepted = profile.heard && !profile.request && !profile.blocked && profile.conflict.is_none();
    accepted && mode != Mode::Stealth
}

impl Core {
    /// A peer is known, or known better: from now on it gets heartbeats if it may.
    pub(super) fn begin_heartbeats(&mut self, profile: &PeerProfile) {
        let Some(peer) = profile.fingerprint else { return };
        if self.config.defaults.presence && may_know(profile, self.config.defaults.mode) {
            self.heartbeats.begin(peer, self.clock.now().mono);
        } else {
            self.heartbeats.forget(&peer);
        }
    }

    /// A peer that was away is heard of.
    pub(super) fn came_back(&mut self, peer: &Fingerprint) {
        self.heartbeats.hasten(peer, self.clock.now().mono);
    }

    /// Sends the heartbeats that are due.
    pub(super) fn send_heartbeats(&mut self) {
        for peer in self.heartbeats.take(self.clock.now().mono) {
            match self.people.book.by_key(&peer).cloned() {
                Some(profile) if may_know(&profile, self.config.defaults.mode) => self.send_heartbeat(peer, &profile),
                _ => self.heartbeats.forget(&peer),
            }
        }
    }

    fn send_heartbeat(&mut self, peer: Fingerprint, profile: &PeerProfile) {
        let Some(certificate) = self.keys.get(&peer).cloned() else { return };
        let Some((via, address)) = self.live_path(profile) else { return };
        let Some(live) = self.paths.live(&via) else { return };
        if live.capabilities.next_hop_stores && !self.worth_a_place_on_a_server(&peer) {
            return;
        }
        let now = self.clock.now().wall;
        let draft = Draft {
            envelope_id: EnvelopeId::from_random(rand::random()),
            kind: PayloadType::Heartbeat,
            content: Content::Object(serde_json::Map::new()),
            content_type: "application/json".to_owned(),
            thread_id: None,
            in_reply_to: None,
            urgency: Urgency::Low,
            mode: Mode::Failover,
            policy: Policy::default(),
            ttl_seconds: TTL_SECONDS,
            max_retries: 0,
            by_person: false,
            composed: now,
            to_name: profile.name.to_string(),
            to_fqid: None,
            introduction: None,
        };
        let route = Route { recipient: peer, address };
        self.seal_with(certificate, draft, move |core, _, sealed| match sealed {
            Ok(sealed) => core.send_once(live, route, sealed.bytes.into()),
            // A key that cannot be used is told of when there is a message for it.
            Err(error) => tracing::debug!("no heartbeat: {error}"),
        });
    }

    /// A server keeps what its owner does not fetch. So somebody who is away gets one there, as we start, and no more
    /// until we hear of it.
    fn worth_a_place_on_a_server(&mut self, peer: &Fingerprint) -> bool {
        let online = Presence::of(self.people.last_seen(peer), self.clock.now().wall) == Presence::Online;
        self.heartbeats.greeted.insert(*peer) || online
    }

    /// The quickest path to the peer that is up, without fault and allowed for this.
    fn live_path(&self, profile: &PeerProfile) -> Option<(TransportId, String)> {
        let healthy: BTreeMap<TransportId, u16> = self
            .machine
            .health(self.clock.now())
            .into_iter()
            .filter(|health| health.up && !health.flapping && matches!(health.breaker, Breaker::Closed))
            .map(|health| (health.transport, health.priority))
            .collect();
        let ways = profile.routes.iter().filter_map(|route| {
            let live = self.paths.live(&route.transport)?;
            let can = &live.capabilities;
            let suits = LIVE_KINDS.contains(&self.paths.kind(&route.transport)?)
                && can.latency <= LatencyClass::Fast
                && can.duplex
                && can.cost != Cost::Metered;
            let priority = *healthy.get(&route.transport)?;
            suits.then_some(((can.latency, priority), route))
        });
        let (_, route) = ways.min_by_key(|(rank, _)| *rank)?;
        Some((route.transport.clone(), route.address.clone()))
    }

    /// One attempt whose end changes nothing.
    fn send_once(&self, live: Live, route: Route, frame: Bytes) {
        tokio::spawn(async move {
            match tokio::time::timeout(DEADLINE, live.transport.send(frame, &route, DEADLINE)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::debug!("a heartbeat was not taken: {}", error.reason),
                Err(_) => tracing::debug!("a heartbeat took too long"),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> Fingerprint {
        Fingerprint::from_bytes(&[number; 20]).unwrap()
    }

    #[test]
    fn only_accepted_peers_who_wrote_may_know_and_nobody_in_stealth() {
        let friend = PeerProfile { heard: true, ..PeerProfile::new("lumina".parse().unwrap()) };
        assert!(may_know(&friend, Mode::Failover));
        assert!(!may_know(&friend, Mode::Stealth));
        assert!(!may_know(&PeerProfile { heard: false, ..friend.clone() }, Mode::Failover), "it may not hold our key");
        assert!(!may_know(&PeerProfile { request: true, ..friend.clone() }, Mode::Failover), "a stranger");
        assert!(!may_know(&PeerProfile { blocked: true, ..friend.clone() }, Mode::Failover));
        assert!(!may_know(&PeerProfile { conflict: Some(key(1)), ..friend.clone() }, Mode::Failover));
        let mut discreet = friend;
        let stealth = crate::identity::RoutingDefaults { mode: Some(Mode::Stealth), ..Default::default() };
        discreet.set_defaults(None, stealth);
        assert!(!may_know(&discreet, Mode::Failover));
    }

    #[test]
    fn heartbeats_are_sparing_and_never_a_burst() {
        let mut beats = Heartbeats::default();
        let at = Duration::from_secs;
        assert_eq!(beats.next(), None);
        (0..40).for_each(|number| beats.begin(key(number), at(0)));
        let first = beats.next().unwrap();
        assert!((Duration::from_millis(500)..at(3)).contains(&first), "{first:?}");
        // All are due: some go now, the rest a little later, and then none for a minute.
        assert_eq!(beats.take(at(3)).len(), AT_ONCE);
        assert!(beats.take(at(3)).is_empty());
        assert_eq!(beats.take(at(4)).len(), AT_ONCE);
        assert_eq!(beats.take(at(5)).len(), 40 - 2 * AT_ONCE);
        assert!(beats.take(at(62)).is_empty(), "not before a minute has passed");
        beats.hasten(&key(3), at(62));
        assert!(beats.next().unwrap() < at(65));
        beats.forget(&key(3));
        assert!((at(63)..at(93)).contains(&beats.next().unwrap()));
        let all: usize = (63..96).map(|second| beats.take(at(second)).len()).sum();
        assert_eq!(all, 39, "each once in its time");
    }

    #[test]
    fn presence_follows_the_latest_sign_of_life() {
        let seen = Timestamp::from_unix_ms(1_000_000);
        assert_eq!(Presence::of(None, seen), Presence::Unknown);
        assert_eq!(Presence::of(Some(seen), seen.plus_ms(PRESENT_MS - 1)), Presence::Online);
        assert_eq!(Presence::of(Some(seen), seen.plus_ms(PRESENT_MS)), Presence::Away);
        assert_eq!(Presence::of(Some(seen), seen.plus_ms(-5)), Presence::Online, "its clock is ahead of ours");
    }
}
