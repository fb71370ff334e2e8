//! What is known of one peer: its routes, how each path to it does, and what waits for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{Config, Outgoing, Policy, Reason, TransportId, health::Share, rtt::Rtt};
use crate::wire::{EnvelopeId, Mode, Timestamp, Urgency};

/// A message's place in line: acks and the like first, then by urgency, then by composition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Order {
    pub(super) lane: u8,
    pub(super) composed: Timestamp,
    /// Counts submissions: no two messages have the same.
    pub(super) seq: u64,
}

/// The lane of control messages.
pub(super) const LANE_CONTROL: u8 = 0;
/// The lane of messages of low urgency, the first to be evicted.
pub(super) const LANE_LOW: u8 = 4;

impl Order {
    pub(super) fn of(message: &Outgoing, seq: u64) -> Self {
        let lane = match message.urgency {
            _ if !message.wants_ack => LANE_CONTROL,
            Urgency::Critical => 1,
            Urgency::High => 2,
            Urgency::Normal => 3,
            Urgency::Low => LANE_LOW,
        };
        Self { lane, composed: message.composed, seq }
    }

    /// Before every message of low urgency.
    pub(super) fn first_low() -> Self {
        Self { lane: LANE_LOW, composed: Timestamp::from_unix_ms(i64::MIN), seq: 0 }
    }
}

/// Messages that choose among the same paths: when the first of them cannot go, nor can the others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Profile {
    control: bool,
    critical: bool,
    mode: Mode,
    policy: Policy,
    prefer: Vec<TransportId>,
    fallback: Vec<TransportId>,
}

impl Profile {
    pub(super) fn of(message: &Outgoing) -> Self {
        Self {
            control: !message.wants_ack,
            critical: message.urgency == Urgency::Critical,
            mode: message.mode,
            policy: message.policy,
            prefer: message.prefer.clone(),
            fallback: message.fallback.clone(),
        }
    }
}

/// Lines of messages, one for each profile.
#[derive(Debug, Default)]
struct Lines(BTreeMap<Profile, BTreeMap<Order, EnvelopeId>>);

impl Lines {
    fn insert(&mut self, profile: &Profile, order: Order, id: EnvelopeId) {
        match self.0.get_mut(profile) {
            Some(line) => drop(line.insert(order, id)),
            None => drop(self.0.insert(profile.clone(), BTreeMap::from([(order, id)]))),
        }
    }

    fn remove(&mut self, profile: &Profile, order: Order) {
        if let Some(line) = self.0.get_mut(profile) {
            line.remove(&order);
            if line.is_empty() {
                self.0.remove(profile);
            }
        }
    }
}

/// A path that failed is left alone for a while.
#[derive(Clone, Debug)]
pub(super) struct Rest {
    pub(super) until: Duration,
    pub(super) reason: Reason,
    /// The other side named the time: only the user may end it earlier.
    pub(super) firm: bool,
}

/// How the path to one peer over one transport does.
#[derive(Clone, Debug)]
pub(super) struct Path {
    pub(super) rtt: Rtt,
    pub(super) success: Share,
    /// Failures in a row, bursts counted once: the step of the retry schedule.
    pub(super) failures: u32,
    pub(super) last_failure: Option<Duration>,
    pub(super) rest: Option<Rest>,
    /// Messages in a row that were accepted and not acked.
    pub(super) silent: u32,
    pub(super) last_silence: Option<Duration>,
    /// How many may be under way; grows with what gets through and shrinks with what does not.
    pub(super) window: u32,
    pub(super) in_flight: u32,
}

impl Path {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            rtt: Rtt::default(),
            success: Share::default(),
            failures: 0,
            last_failure: None,
            rest: None,
            silent: 0,
            last_silence: None,
            window: config.window_start.clamp(1, config.window.max(1)),
            in_flight: 0,
        }
    }

    /// Whether the path failed last and has not got anything through since.
    pub(super) fn on_probation(&self) -> bool {
        self.failures > 0
    }

    /// How many messages in a row stayed without an ack, as far as that still counts: a path that was avoided for a
    /// while gets another chance, each time after twice as long.
    pub(super) fn silence(&self, now: Duration, config: &Config) -> u32 {
        let beyond = self.silent.saturating_sub(config.suspect_after).min(6);
        let forgiven = config.suspect_for.saturating_mul(1 << beyond);
        let recent = self.last_silence.is_some_and(|at| now.saturating_sub(at) < forgiven);
        if recent { self.silent } else { 0 }
    }

    /// Something got through to the next hop.
    pub(super) fn got_through(&mut self, config: &Config) {
        self.failures = 0;
        self.wake();
        self.window = self.window.max(4).saturating_add(1).min(config.window.max(1));
    }

    /// Leaves the path alone for a while. A time that the other side named is not made shorter.
    pub(super) fn leave_alone(&mut self, rest: Rest) {
        if !self.rest.as_ref().is_some_and(|old| old.firm && old.until > rest.until) {
            self.rest = Some(rest);
        }
    }

    /// There is a sign that the path works: it need not rest any longer, unless the other side named the time.
    pub(super) fn wake(&mut self) {
        self.rest = self.rest.take().filter(|rest| rest.firm);
    }

    /// There is something new to send: a long rest ends, as [`Path::resting`] has it. Says whether it did.
    pub(super) fn wake_for_news(&mut self, now: Duration, config: &Config) -> bool {
        let ends = self.resting(now, false, config).is_some() && self.resting(now, true, config).is_none();
        if ends {
            self.rest = None;
        }
        ends
    }

    /// The rest, if it has not ended. What was just written may cut it short once the path had `config.retry`'s first
    /// wait of peace.
    pub(super) fn resting(&self, now: Duration, fresh: bool, config: &Config) -> Option<&Rest> {
        let rest = self.rest.as_ref().filter(|rest| rest.until > now)?;
        let peace = config.retry.first().copied().unwrap_or_default();
        let cut_short = fresh && !rest.firm && self.last_failure.is_some_and(|at| now >= at + peace);
        (!cut_short).then_some(rest)
    }
}

/// Where a message of a peer waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In line, to be sent as soon as there is room.
    Ready,
    /// On its way: attempts are under way.
    Active,
    /// Until one of its paths may be tried again. No later message like it goes first.
    Blocked,
    /// Likewise, but an open path has something against it alone, such as its size: others may pass.
    Aside,
    /// Until its own alarm.
    Timed,
    /// Until the hours for messages like it come, or another path opens.
    Dated,
    /// Until somebody configures something.
    Shelved,
    /// Until it is released.
    Held,
    /// For nothing: it is final.
    Done,
}

/// One peer.
#[derive(Debug, Default)]
pub(super) struct Peer {
    /// In the peer's order of preference.
    pub(super) routes: Vec<(TransportId, String)>,
    pub(super) paths: BTreeMap<TransportId, Path>,
    pub(super) held: Option<Reason>,
    /// Whether our network address is kept from it where another path will do.
    pub(super) wary: bool,
    pub(super) last_heard: Option<Duration>,
    /// The path that brought the latest acked message.
    pub(super) current: Option<TransportId>,
    /// Everything that is not final.
    pub(super) all: BTreeMap<Order, EnvelopeId>,
    /// How many of `all` are control messages.
    pub(super) control: usize,
    ready: Lines,
    /// What waits for a path to open, those that others may pass among them.
    pub(super) blocked: BTreeMap<Order, EnvelopeId>,
    /// Those of `blocked` that nobody passes.
    barred: Lines,
    pub(super) timed: BTreeMap<Order, EnvelopeId>,
    pub(super) dated: BTreeMap<Order, EnvelopeId>,
    pub(super) shelved: BTreeMap<Order, EnvelopeId>,
    /// Where the last release by alarm ended, so that no one waits behind those that cannot go.
    pub(super) cursor: Option<Order>,
}

impl Peer {
    /// Messages that are not final, control messages left out.
    pub(super) fn pending(&self) -> usize {
        self.all.len() - self.control
    }

    pub(super) fn path(&mut self, via: &TransportId, config: &Config) -> &mut Path {
        self.paths.entry(via.clone()).or_insert_with(|| Path::new(config))
    }

    /// Whether nothing was heard of the peer lately and it is not new.
    pub(super) fn seems_away(&self, now: Duration, config: &Config) -> bool {
        match self.last_heard {
            Some(at) => now.saturating_sub(at) > config.away_after,
            None => self.paths.values().any(|path| path.failures > 0 || path.silent > 0),
        }
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.0.is_empty()
    }

    pub(super) fn put(&mut self, place: Place, order: Order, profile: &Profile, id: EnvelopeId) {
        match place {
            Place::Ready => self.ready.insert(profile, order, id),
            Place::Blocked => {
                self.blocked.insert(order, id);
                self.barred.insert(profile, order, id);
            }
            Place::Aside => drop(self.blocked.insert(order, id)),
            Place::Timed => drop(self.timed.insert(order, id)),
            Place::Dated => drop(self.dated.insert(order, id)),
            Place::Shelved => drop(self.shelved.insert(order, id)),
            Place::Active | Place::Held | Place::Done => {}
        }
    }

    pub(super) fn take(&mut self, place: Place, order: Order, profile: &Profile) {
        match place {
            Place::Ready => self.ready.remove(profile, order),
            Place::Blocked => {
                self.blocked.remove(&order);
                self.barred.remove(profile, order);
            }
            Place::Aside => drop(self.blocked.remove(&order)),
            Place::Timed => drop(self.timed.remove(&order)),
            Place::Dated => drop(self.dated.remove(&order)),
            Place::Shelved => drop(self.shelved.remove(&order)),
            Place::Active | Place::Held | Place::Done => {}
        }
    }

    /// The first in line whose profile is not among `stuck`.
    pub(super) fn head(&self, stuck: &BTreeSet<Profile>) -> Option<(Profile, Order, EnvelopeId)> {
        let lines = self.ready.0.iter().filter(|(profile, _)| !stuck.contains(profile));
        let heads = lines.filter_map(|(profile, line)| line.first_key_value().map(|(order, id)| (order, profile, id)));
        heads.min_by_key(|(order, ..)| **order).map(|(order, profile, id)| (profile.clone(), *order, *id))
    }

    /// The first `most` of those that wait for a path and that nothing like them at this place in line may pass.
    pub(super) fn before(&self, profile: &Profile, order: Order, most: usize) -> Vec<EnvelopeId> {
        let line = self.barred.0.get(profile).map(|line| line.range(..order).take(most));
        line.into_iter().flatten().map(|(_, id)| *id).collect()
    }

    /// Whether nothing is lost when the peer is forgotten.
    pub(super) fn is_blank(&self) -> bool {
        self.routes.is_empty() && self.all.is_empty() && self.held.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::ReasonKind;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn control_goes_first_then_urgency_then_composition() {
        let order = |lane, composed, seq| Order { lane, composed: Timestamp::from_unix_ms(composed), seq };
        let line = [order(LANE_CONTROL, 9, 9), order(1, 5, 3), order(3, 1, 8), order(3, 2, 1), order(LANE_LOW, 0, 0)];
        assert!(line.is_sorted());
        assert!(Order::first_low() <= order(LANE_LOW, i64::MIN / 4, 0));
        assert!(Order::first_low() > order(3, i64::MAX / 4, u64::MAX));
    }

    #[test]
    fn a_fresh_message_may_cut_a_long_rest_short_but_not_a_first_one() {
        let config = Config::default();
        let mut path = Path::new(&config);
        path.last_failure = Some(secs(100));
        let rest = |kind, firm| Rest { until: secs(400), reason: Reason::new(kind, "away"), firm };
        path.rest = Some(rest(ReasonKind::Unreachable, false));
        assert!(path.resting(secs(102), true, &config).is_some());
        assert!(path.resting(secs(106), true, &config).is_none());
        assert!(path.resting(secs(106), false, &config).is_some());
        assert!(path.resting(secs(400), false, &config).is_none());
        path.rest = Some(rest(ReasonKind::RateLimited, true));
        path.wake();
        path.leave_alone(Rest { until: secs(150), ..rest(ReasonKind::Unreachable, false) });
        assert!(path.resting(secs(399), true, &config).is_some(), "a time that was named is kept");
        assert!(path.resting(secs(400), true, &config).is_none());
    }

    #[test]
    fn a_silent_path_is_forgiven_after_twice_as_long_each_time() {
        let config = Config::default();
        let mut path = Path::new(&config);
        path.silent = 2;
        path.last_silence = Some(secs(100));
        assert_eq!((path.silence(secs(159), &config), path.silence(secs(160), &config)), (2, 0));
        path.silent = 3;
        assert_eq!((path.silence(secs(219), &config), path.silence(secs(220), &config)), (3, 0));
    }

    #[test]
    fn the_window_opens_with_successes_up_to_its_bound() {
        let config = Config::default();
        let mut path = Path::new(&config);
        path.window = 1;
        path.got_through(&config);
        assert_eq!(path.window, 5);
        (0..200).for_each(|_| path.got_through(&config));
        assert_eq!(path.window, config.window);
    }
}
