//! Lines: who waits where, and who goes next.
//!
//! Each peer has a line of its own, so that one that cannot be reached costs the others nothing. Within a line the
//! order is control, urgency, composition. Messages that found all their paths resting are released a few at a
//! time when a path may be open again, and further ones as those get through: a peer that comes back is not
//! flooded, and one that does not is not hammered.

use std::{collections::BTreeSet, time::Duration};

use super::{
    Machine, MessageState, Now, Reason,
    choice::{Ask, Choice, Ranked},
    peer::{Order, Path, Place, Profile},
    timer::Timer,
};
use crate::wire::{EnvelopeId, Fingerprint, Mode, Urgency};

/// Messages released when a path may be open again.
const RELEASED_AT_ONCE: usize = 32;
/// Messages released for each one that gets through.
pub(super) const RELEASED_PER_SUCCESS: usize = 2;
/// When to look again after messages that wait although a path is open.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What became of the first in line.
enum Start {
    Started,
    /// Its path has no room; it stays first in line.
    Full,
    /// It waits elsewhere now. Whether the same would happen to all like it.
    Nowhere {
        everyone: bool,
    },
}

impl Machine {
    /// Moves a message to another waiting place.
    pub(super) fn place(&mut self, id: EnvelopeId, place: Place) {
        let Some(message) = self.messages.get_mut(&id) else { return };
        let Some(peer) = self.peers.get_mut(&message.out.peer) else { return };
        peer.take(message.place, message.order, &message.profile);
        message.place = place;
        peer.put(place, message.order, &message.profile, id);
        if !matches!(place, Place::Timed | Place::Dated) {
            self.timers.clear(&Timer::Retry(id));
        }
        if place == Place::Ready {
            self.dirty.insert(message.out.peer);
        }
    }

    /// Puts a waiting message in line.
    pub(super) fn make_ready(&mut self, id: EnvelopeId) {
        let Some(message) = self.messages.get(&id) else { return };
        match message.place {
            Place::Ready | Place::Active | Place::Held | Place::Done => return,
            Place::Shelved | Place::Blocked | Place::Aside | Place::Timed | Place::Dated => {}
        }
        if matches!(message.state, MessageState::Held { .. }) {
            self.set_state(id, MessageState::Queued { next_try: None, reason: None });
        }
        self.place(id, Place::Ready);
    }

    /// Starts whatever of a peer's line can start.
    pub(super) fn dispatch(&mut self, now: Now, fingerprint: Fingerprint) {
        let mut stuck = BTreeSet::new();
        while let Some((profile, order, id)) = self.peers.get(&fingerprint).and_then(|peer| peer.head(&stuck)) {
            if self.let_older_go_first(fingerprint, &profile, order) {
                continue;
            }
            match self.start_round(now, id) {
                Start::Started | Start::Nowhere { everyone: false } => {}
                Start::Full | Start::Nowhere { everyone: true } => {
                    stuck.insert(profile);
                }
            }
        }
        // Those let in front were put in line on the way, and had their turn.
        self.dirty.remove(&fingerprint);
        self.arm_peer(now, fingerprint);
    }

    /// Puts those in line that wait for a path and come before the first in line: when it may go, so may they. Says
    /// whether there are any.
    fn let_older_go_first(&mut self, fingerprint: Fingerprint, profile: &Profile, order: Order) -> bool {
        let older = self.peers.get(&fingerprint).map(|peer| peer.before(profile, order, RELEASED_AT_ONCE));
        let older = older.unwrap_or_default();
        older.iter().for_each(|id| self.make_ready(*id));
        !older.is_empty()
    }

    /// A new message ends the long rests of its peer's paths: not for itself alone, or it would overtake what has waited
    /// for them longer.
    pub(super) fn wake_for_news(&mut self, now: Now, fingerprint: Fingerprint) {
        let Some(peer) = self.peers.get_mut(&fingerprint) else { return };
        let mut woken = false;
        for path in peer.paths.values_mut() {
            woken |= path.wake_for_news(now.mono, &self.config);
        }
        if woken {
            self.release(fingerprint, RELEASED_AT_ONCE);
        }
    }

    fn start_round(&mut self, now: Now, id: EnvelopeId) -> Start {
        if let Some(message) = self.messages.get_mut(&id) {
            message.begin_round();
        }
        let Some(message) = self.messages.get(&id) else { return Start::Full };
        let (width, mode, control) = (message.width(), message.out.mode, message.is_control());
        let (peer, critical) = (message.out.peer, message.out.urgency == Urgency::Critical);
        let choice = self.choose(now, &Ask::new_round(message));
        if choice.ranked.is_empty() {
            let everyone = choice.bars_everyone();
            self.wait_for_paths(now, id, &choice, None);
            return Start::Nowhere { everyone };
        }
        let single = width == 1;
        let wanted = if mode == Mode::Broadcast { usize::MAX } else { width };
        let mut picks: Vec<Ranked> = Vec::new();
        for path in choice.ranked.into_iter().take(if single { usize::MAX } else { wanted }) {
            if self.has_room(peer, &path, control, critical) {
                picks.push(path);
                if single {
                    break;
                }
            } else if single && !self.is_on_probation(peer, &path) {
                // Waiting a moment for the better path keeps the order; only behind a path that is just being
                // tried again nobody waits.
                break;
            }
        }
        if picks.is_empty() {
            return Start::Full;
        }
        self.place(id, Place::Active);
        for path in picks {
            self.begin_attempt(now, id, path);
        }
        Start::Started
    }

    fn is_on_probation(&self, peer: Fingerprint, path: &Ranked) -> bool {
        self.peers.get(&peer).and_then(|peer| peer.paths.get(&path.via)).is_some_and(Path::on_probation)
    }

    fn has_room(&mut self, fingerprint: Fingerprint, path: &Ranked, control: bool, critical: bool) -> bool {
        let Some(carrier) = self.carriers.get_mut(&path.via) else { return false };
        let most = carrier.capabilities.per_peer.unwrap_or(u32::MAX).max(1);
        let bound = self.config.transport_window.max(1);
        let bound = if control || critical { bound + bound.div_ceil(2) } else { bound };
        if carrier.running.len() >= bound {
            if !carrier.stalled.contains(&fingerprint) {
                carrier.stalled.push_back(fingerprint);
            }
            return false;
        }
        let known = self.peers.get(&fingerprint).and_then(|peer| peer.paths.get(&path.via));
        let (window, in_flight) = known.map_or((1, 0), |path| (path.window, path.in_flight));
        let window = window.min(most);
        control || in_flight < if critical { window.saturating_mul(2) } else { window }
    }

    /// A message found no open path: it waits until one opens, or until somebody changes the configuration.
    pub(super) fn wait_for_paths(&mut self, now: Now, id: EnvelopeId, choice: &Choice, last: Option<Reason>) {
        let (place, state) = if choice.is_hopeless() {
            (Place::Shelved, MessageState::Held { reason: choice.why_not() })
        } else {
            let next_try = choice.opens_at().map(|at| now.wall_at(at.max(now.mono)));
            let reason = last.unwrap_or_else(|| choice.why_not());
            let place = if choice.waits_for_hours() {
                Place::Dated
            } else if choice.bars_everyone() {
                Place::Blocked
            } else {
                Place::Aside
            };
            (place, MessageState::Queued { next_try, reason: Some(reason) })
        };
        self.place(id, place);
        if let Some(at) = choice.opens_at().filter(|_| place == Place::Dated) {
            self.timers.set(Timer::Retry(id), at);
        }
        self.set_state(id, state);
        if let Some(peer) = self.messages.get(&id).map(|message| message.out.peer) {
            self.arm_peer(now, peer);
        }
    }

    /// Sets the alarm for the next moment at which a path of the peer may be open, if anyone waits for it.
    fn arm_peer(&mut self, now: Now, fingerprint: Fingerprint) {
        let timer = Timer::Peer(fingerprint);
        let Some(peer) = self.peers.get(&fingerprint) else { return self.timers.clear(&timer) };
        let anyone = !peer.blocked.is_empty() || peer.has_ready();
        let at = if anyone { self.opens_at(now, fingerprint) } else { None };
        match at {
            Some(at) => self.timers.set(timer, at),
            None => self.timers.clear(&timer),
        }
    }

    fn opens_at(&self, now: Now, fingerprint: Fingerprint) -> Option<Duration> {
        let peer = self.peers.get(&fingerprint)?;
        let mut at: Option<Duration> = None;
        for (via, _) in &peer.routes {
            let Some(carrier) = self.carriers.get(via) else { continue };
            let opens = match self.path_bar(now, peer, via, carrier, false) {
                None if peer.blocked.is_empty() => continue,
                None => Some(now.mono + LOOK_AGAIN),
                Some(bar) => bar.until().filter(|until| *until > now.mono),
            };
            at = at.into_iter().chain(opens).min();
        }
        at
    }

    /// The alarm of a resting path: those who wait take turns.
    pub(super) fn path_may_be_open(&mut self, now: Now, fingerprint: Fingerprint) {
        let Some(peer) = self.peers.get(&fingerprint) else { return };
        self.dirty.insert(fingerprint);
        if !peer.routes.iter().any(|(via, _)| {
            self.carriers.get(via).is_some_and(|carrier| self.path_bar(now, peer, via, carrier, false).is_none())
        }) {
            return;
        }
        let after = peer.cursor.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let mut turn: Vec<(Order, EnvelopeId)> = peer
            .blocked
            .range((after, std::ops::Bound::Unbounded))
            .take(RELEASED_AT_ONCE)
            .map(|(order, id)| (*order, *id))
            .collect();
        let cursor = if turn.len() < RELEASED_AT_ONCE { None } else { turn.last().map(|(order, _)| *order) };
        // Those at the front go first whoever's turn it is: order matters more than fairness among equals.
        let front = peer.blocked.iter().take(RELEASED_AT_ONCE).map(|(order, id)| (*order, *id));
        turn.extend(front);
        if let Some(peer) = self.peers.get_mut(&fingerprint) {
            peer.cursor = cursor;
        }
        for (_, id) in turn {
            self.make_ready(id);
        }
    }

    /// Puts the oldest `most` that wait for a path in line.
    pub(super) fn release(&mut self, fingerprint: Fingerprint, most: usize) {
        let Some(peer) = self.peers.get(&fingerprint) else { return };
        let first: Vec<EnvelopeId> = peer.blocked.values().chain(peer.dated.values()).take(most).copied().collect();
        first.into_iter().for_each(|id| self.make_ready(id));
        self.dirty.insert(fingerprint);
    }

    /// A peer or one of its transports came back: what waits for it goes now. What a next hop keeps for the peer is
    /// left alone: the peer is about to fetch it.
    pub(super) fn came_back(&mut self, fingerprint: Fingerprint) {
        let Some(peer) = self.peers.get(&fingerprint) else { return };
        let timed: Vec<EnvelopeId> = peer.timed.values().take(RELEASED_AT_ONCE).copied().collect();
        for id in timed {
            if self.messages.get(&id).is_some_and(|message| !message.stored) {
                self.make_ready(id);
            }
        }
        self.release(fingerprint, RELEASED_AT_ONCE);
    }

    /// The configuration changed: what could not go at all may have found a path.
    pub(super) fn unshelve(&mut self, now: Now, fingerprint: Fingerprint) {
        let Some(peer) = self.peers.get(&fingerprint) else { return };
        let shelved: Vec<EnvelopeId> = peer.shelved.values().copied().collect();
        for id in shelved {
            let Some(message) = self.messages.get(&id) else { continue };
            let choice = self.choose(now, &Ask::new_round(message));
            if choice.is_hopeless() {
                self.set_state(id, MessageState::Held { reason: choice.why_not() });
            } else if choice.ranked.is_empty() {
                self.wait_for_paths(now, id, &choice, None);
            } else {
                self.make_ready(id);
            }
        }
    }
}
