//! Which paths a message may take now, best first, and what bars the others.

use std::{collections::BTreeSet, time::Duration};

use super::{
    Candidate, Leak, Machine, Now, Outgoing, PlanRequest, Policy, Reason, ReasonKind, RoutePlan, Skipped, TransportId,
    carrier::{Carrier, Status},
    message::Message,
    peer::Peer,
    policy,
    schedule::{Closed, Schedule},
    score::{self, Facts},
};
use crate::{
    delivery::LatencyClass,
    wire::{Fingerprint, Mode, SafeText, Urgency},
};

/// All that the choice depends on besides the machine's own knowledge.
pub(super) struct Ask<'a> {
    pub(super) peer: Fingerprint,
    mode: Mode,
    policy: Policy,
    urgency: Urgency,
    size: usize,
    control: bool,
    prefer: &'a [TransportId],
    fallback: &'a [TransportId],
    /// Left out for the sake of the question.
    without: &'a [TransportId],
    /// Used in this round, so not a choice and not worth a word.
    tried: &'a [TransportId],
    never: &'a [(TransportId, Reason)],
    fresh: bool,
}

impl<'a> Ask<'a> {
    /// For a message at the beginning of a round.
    pub(super) fn new_round(message: &'a Message) -> Self {
        let mut ask = Self::outgoing(&message.out);
        ask.never = &message.never;
        // A message of somebody's ended its peer's long rests when it came in, for all that wait; an ack, which overtakes
        // anyway, does so for itself.
        ask.fresh = message.is_control() && message.is_fresh();
        ask
    }

    /// For a message in the middle of a round.
    pub(super) fn rest_of_round(message: &'a Message) -> Self {
        let mut ask = Self::new_round(message);
        ask.tried = &message.tried;
        // The first round goes over every path, whatever was tried before.
        ask.fresh = message.rounds == 0;
        ask
    }

    fn outgoing(out: &'a Outgoing) -> Self {
        Self {
            peer: out.peer,
            mode: out.mode,
            policy: out.policy,
            urgency: out.urgency,
            size: out.size,
            control: !out.wants_ack,
            prefer: &out.prefer,
            fallback: &out.fallback,
            without: &[],
            tried: &[],
            never: &[],
            fresh: false,
        }
    }

    fn plan(ask: &'a PlanRequest) -> Self {
        Self {
            peer: ask.peer,
            mode: ask.mode,
            policy: ask.policy,
            urgency: ask.urgency,
            size: ask.size,
            control: false,
            prefer: &ask.prefer,
            fallback: &ask.fallback,
            without: &ask.without,
            tried: &[],
            never: &[],
            fresh: true,
        }
    }
}

/// What bars a path.
#[derive(Clone, Debug)]
pub(super) enum Bar {
    LeftOut,
    NotConfigured,
    Disabled,
    Starting,
    Down { reason: Reason, until: Option<Duration> },
    TooLarge { max: usize },
    Leaks,
    TooSlow,
    Refused { reason: Reason },
    Closed { until: Duration, bulk: bool, told: String },
    Breaker { reason: Option<Reason>, until: Option<Duration> },
    Resting { reason: Reason, until: Duration },
}

/// Whom a bar concerns, and what lifts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Every message; time or the transport lifts it.
    Path,
    /// This message (or those like it); only a change of the configuration lifts it, unless it has a time.
    Message,
}

impl Bar {
    pub(super) fn scope(&self) -> Scope {
        match self {
            Self::TooLarge { .. } | Self::Leaks | Self::Refused { .. } | Self::Closed { bulk: true, .. } => {
                Scope::Message
            }
            _ => Scope::Path,
        }
    }

    /// When it lifts by itself.
    pub(super) fn until(&self) -> Option<Duration> {
        match self {
            Self::Down { until, .. } | Self::Breaker { until, .. } => *until,
            Self::Resting { until, .. } | Self::Closed { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// The reason without a countdown, so that it stays the same as long as the bar does.
    fn cause(&self) -> Reason {
        match self {
            Self::LeftOut => Reason::new(ReasonKind::Disabled, "left out of this question"),
            Self::NotConfigured => Reason::new(ReasonKind::NotConfigured, "this transport is not configured here"),
            Self::Disabled => Reason::new(ReasonKind::Disabled, "switched off by you"),
            Self::Starting => Reason::new(ReasonKind::Stopping, "still starting"),
            Self::Down { reason, .. } | Self::Refused { reason } | Self::Resting { reason, .. } => reason.clone(),
            Self::TooLarge { max } => Reason::new(ReasonKind::TooLarge, format!("carries at most {max} bytes")),
            Self::Leaks => Reason::new(ReasonKind::LeaksTooMuch, "gives away who talks to whom"),
            Self::Closed { told, .. } => Reason::new(Closed::KIND, told),
            Self::TooSlow => Reason::new(ReasonKind::TooSlow, "a faster path is there"),
            Self::Breaker { reason, until } => {
                let what = if until.is_some() { "circuit open" } else { "circuit half open, a probe decides" };
                let why = reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
                Reason::new(ReasonKind::BreakerOpen, what.to_owned() + why.as_str())
            }
        }
    }

    /// The reason with a countdown where there is one.
    fn reason(&self, now: Duration) -> Reason {
        let cause = self.cause();
        match self.until().filter(|until| *until > now) {
            Some(until) => {
                let left = (until - now).as_secs() + 1;
                Reason::new(cause.kind, format!("{cause} (next try in {left} s)"))
            }
            None => cause,
        }
    }
}

/// A path that may be taken.
#[derive(Clone, Debug)]
pub(super) struct Ranked {
    pub(super) via: TransportId,
    pub(super) address: String,
    pub(super) score: f64,
    parts: Vec<(&'static str, f64)>,
}

/// The choice.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// Best first.
    pub(super) ranked: Vec<Ranked>,
    pub(super) barred: Vec<(TransportId, Bar)>,
}

impl Choice {
    /// Whether nothing but a change of the configuration can open a path.
    pub(super) fn is_hopeless(&self) -> bool {
        let for_good = |bar: &Bar| bar.scope() == Scope::Message && bar.until().is_none();
        self.ranked.is_empty() && self.barred.iter().all(|(_, bar)| for_good(bar))
    }

    /// Whether other messages like this one are barred just as well.
    pub(super) fn bars_everyone(&self) -> bool {
        self.ranked.is_empty() && self.barred.iter().all(|(_, bar)| bar.scope() == Scope::Path)
    }

    /// Whether it waits for the hours of a path that others may take now.
    pub(super) fn waits_for_hours(&self) -> bool {
        let hours = |bar: &Bar| matches!(bar, Bar::Closed { bulk: true, .. });
        self.ranked.is_empty() && self.barred.iter().any(|(_, bar)| hours(bar))
    }

    /// When the first bar lifts by itself.
    pub(super) fn opens_at(&self) -> Option<Duration> {
        self.barred.iter().filter_map(|(_, bar)| bar.until()).min()
    }

    /// The reason to show for a message that cannot go: of the path that opens first, else of the first.
    pub(super) fn why_not(&self) -> Reason {
        let first = self.barred.iter().min_by_key(|(_, bar)| {
            let leaks = matches!(bar, Bar::Leaks);
            (self.is_hopeless() && !leaks, bar.scope() == Scope::Message, bar.until().unwrap_or(Duration::MAX))
        });
        match first {
            None => Reason::new(ReasonKind::NoRoute, "no route to this peer is known: add one"),
            Some((via, bar)) => {
                let cause = bar.cause();
                Reason::new(cause.kind, format!("{via}: {cause}"))
            }
        }
    }
}

impl Machine {
    /// Which paths a message would take now, and why. Changes nothing.
    pub fn plan(&self, now: Now, ask: &PlanRequest) -> RoutePlan {
        let choice = self.choose(now, &Ask::plan(ask));
        let candidates = choice.ranked.into_iter().map(|path| Candidate {
            transport: path.via,
            address: SafeText::line(&path.address),
            score: path.score,
            parts: path.parts.into_iter().map(|(name, share)| (SafeText::line(name), share)).collect(),
        });
        let skipped = choice.barred.into_iter();
        let skipped = skipped.map(|(transport, bar)| Skipped { transport, reason: bar.reason(now.mono) });
        RoutePlan {
            mode: ask.mode,
            policy: ask.policy,
            urgency: ask.urgency,
            decided: Vec::new(),
            candidates: candidates.collect(),
            skipped: skipped.collect(),
        }
    }

    pub(super) fn choose(&self, now: Now, ask: &Ask<'_>) -> Choice {
        let mut choice = Choice::default();
        let Some(peer) = self.peers.get(&ask.peer) else { return choice };
        let priorities: BTreeSet<u16> =
            peer.routes.iter().filter_map(|(via, _)| self.carriers.get(via)).map(|c| c.priority).collect();
        for (place, (via, address)) in peer.routes.iter().enumerate() {
            if ask.tried.contains(via) {
                continue;
            }
            let Some(carrier) = self.carriers.get(via) else {
                choice.barred.push((via.clone(), Bar::NotConfigured));
                continue;
            };
            if let Some(bar) = self.bar(now, ask, peer, via, carrier) {
                choice.barred.push((via.clone(), bar));
                continue;
            }
            let behind = priorities.range(..carrier.priority).count();
            let parts = score::parts(&Facts { place, behind, ..self.facts(now.mono, ask, peer, via, carrier) });
            let score = parts.iter().map(|(_, share)| share).sum();
            choice.ranked.push(Ranked { via: via.clone(), address: address.clone(), score, parts });
        }
        if peer.wary {
            self.keep_our_address(ask, &mut choice);
        }
        choice.ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.via.cmp(&b.via)));
        if ask.mode == Mode::Speed {
            self.drop_slow(&mut choice);
        }
        choice
    }

    fn bar(&self, now: Now, ask: &Ask<'_>, peer: &Peer, via: &TransportId, carrier: &Carrier) -> Option<Bar> {
        if ask.without.contains(via) {
            return Some(Bar::LeftOut);
        }
        let schedule = self.schedules.get(via);
        let most = schedule.and_then(|schedule| schedule.max_bytes).unwrap_or(usize::MAX);
        let max = most.min(carrier.capabilities.max_frame);
        if ask.size > max {
            return Some(Bar::TooLarge { max });
        }
        if ask.mode == Mode::Stealth && !carrier.capabilities.stealthy() {
            return Some(Bar::Leaks);
        }
        if let Some((_, reason)) = ask.never.iter().find(|(id, _)| id == via) {
            return Some(Bar::Refused { reason: reason.clone() });
        }
        let barred = self.path_bar(now, peer, via, carrier, ask.fresh);
        barred.or_else(|| {
            let schedule = schedule?;
            let closed = schedule.closed(now.wall, ask.size, ask.urgency, ask.control)?;
            Some(closed_bar(now, schedule, &closed))
        })
    }

    /// What bars a path for every message.
    pub(super) fn path_bar(
        &self,
        now: Now,
        peer: &Peer,
        via: &TransportId,
        carrier: &Carrier,
        fresh: bool,
    ) -> Option<Bar> {
        if !carrier.enabled {
            return Some(Bar::Disabled);
        }
        match &carrier.status {
            Status::Up => {}
            Status::Starting => return Some(Bar::Starting),
            Status::Down { reason, retry_at } => {
                return Some(Bar::Down { reason: reason.clone(), until: *retry_at });
            }
        }
        if !carrier.switch.is_closed() {
            let (reason, until) = (carrier.switch.reason().cloned(), carrier.switch.open_until());
            return Some(Bar::Breaker { reason, until });
        }
        let rest = peer.paths.get(via).and_then(|path| path.resting(now.mono, fresh, &self.config));
        if let Some(rest) = rest {
            return Some(Bar::Resting { reason: rest.reason.clone(), until: rest.until });
        }
        let schedule = self.schedules.get(via)?;
        let closed = schedule.closed(now.wall, 0, Urgency::Critical, true)?;
        Some(closed_bar(now, schedule, &closed))
    }

    fn facts(&self, now: Duration, ask: &Ask<'_>, peer: &Peer, via: &TransportId, carrier: &Carrier) -> Facts {
        let path = peer.paths.get(via);
        let class = carrier.capabilities.latency;
        let measured = path.and_then(|path| path.rtt.smoothed()).or(carrier.meter.latency());
        let silent = path.map_or(0, |path| path.silence(now, &self.config));
        let troubled = path.is_some_and(|path| path.on_probation() || path.silent > 0);
        Facts {
            mode: ask.mode,
            policy: ask.policy,
            urgency: ask.urgency,
            behind: 0,
            place: 0,
            latency_ms: measured.unwrap_or_else(|| score::expected_ms(class)),
            class,
            success: path.map_or(carrier.meter.success, |path| path.success).get(now),
            silent,
            suspect: silent >= self.config.suspect_after,
            flapping: carrier.is_flapping(now, &self.config),
            offline: carrier.stores(),
            away: peer.seems_away(now, &self.config),
            fill: ask.size as f64 / carrier.capabilities.max_frame.max(1) as f64,
            exposure: policy::exposure(&carrier.capabilities.leaks),
            assurance: policy::assurance(&carrier.capabilities),
            price: policy::price(carrier.capabilities.cost),
            preferred: ask.prefer.iter().position(|id| id == via),
            fallback: ask.fallback.contains(via),
            current: peer.current.as_ref() == Some(via) && !troubled,
        }
    }

    /// A peer of whom the user has not made sure learns our network address only where that saves minutes: a path that
    /// keeps it goes first if it is about as fast, or if privacy is wanted at any price.
    fn keep_our_address(&self, ask: &Ask<'_>, choice: &mut Choice) {
        let tells = |via: &TransportId| {
            self.carriers.get(via).is_some_and(|carrier| carrier.capabilities.leaks.contains(&Leak::AddressToPeer))
        };
        let quick = |via: &TransportId| {
            self.carriers.get(via).is_some_and(|carrier| carrier.capabilities.latency < LatencyClass::Slow)
        };
        let at_any_price = ask.policy == Policy::MostPrivate;
        if choice.ranked.iter().any(|path| !tells(&path.via) && (at_any_price || quick(&path.via))) {
            for path in choice.ranked.iter_mut().filter(|path| tells(&path.via)) {
                path.parts.push(("shows our address", score::WARY));
                path.score += score::WARY;
            }
        }
    }

    /// In a race slow paths only cost: they are left out where a faster one is there.
    fn drop_slow(&self, choice: &mut Choice) {
        let slow = |path: &Ranked| {
            self.carriers.get(&path.via).is_some_and(|carrier| carrier.capabilities.latency >= LatencyClass::Slow)
        };
        if choice.ranked.iter().all(slow) {
            return;
        }
        let (slow, fast) = std::mem::take(&mut choice.ranked).into_iter().partition(slow);
        choice.ranked = fast;
        let slow: Vec<Ranked> = slow;
        choice.barred.extend(slow.into_iter().map(|path| (path.via, Bar::TooSlow)));
    }
}

fn closed_bar(now: Now, schedule: &Schedule, closed: &Closed) -> Bar {
    let wait = u64::try_from(closed.opens.ms_since(now.wall)).unwrap_or(0);
    let until = now.mono.saturating_add(Duration::from_millis(wait));
    Bar::Closed { until, bulk: closed.bulk, told: schedule.describe(closed) }
}
