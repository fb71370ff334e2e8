//! States in words and signs: never by colour alone.

use crate::{
    delivery::{AttemptOutcome, AttemptRecord, Leak, MessageState, Policy, ReasonKind, TransportId},
    identity::TrustLevel,
    node::{Breaker, Message, Peer, Presence, Skipped, TransportHealth},
    transport::TransportState,
    tui::{
        model::{Model, Shown, Story},
        text,
        theme::Role,
    },
    wire::{Mode, Timestamp, Urgency},
};

/// Whether a peer is there, in words; none where nothing is known.
pub(crate) fn presence(model: &Model, peer: &Peer) -> Option<(Role, String)> {
    let seen = peer.last_seen?;
    Some(match Presence::of(Some(seen), model.now) {
        Presence::Online => (Role::PeerOnline, "online".to_owned()),
        _ => (Role::PeerAway, format!("away, heard {} ago", text::relative_time(model.now, seen))),
    })
}

/// A trust level's name.
pub(crate) fn trust(level: TrustLevel) -> &'static str {
    match level {
        TrustLevel::Untrusted => "untrusted",
        TrustLevel::Verified => "verified",
        TrustLevel::Trusted => "trusted",
        TrustLevel::Sovereign => "sovereign",
    }
}

/// A trust level's letter.
pub(crate) fn trust_letter(level: TrustLevel) -> &'static str {
    match level {
        TrustLevel::Untrusted => "?",
        TrustLevel::Verified => "V",
        TrustLevel::Trusted => "T",
        TrustLevel::Sovereign => "S",
    }
}

/// A trust level's style.
pub(crate) fn trust_role(level: TrustLevel) -> Role {
    match level {
        TrustLevel::Untrusted => Role::TrustUntrusted,
        TrustLevel::Verified => Role::TrustVerified,
        TrustLevel::Trusted => Role::TrustTrusted,
        TrustLevel::Sovereign => Role::TrustSovereign,
    }
}

/// A mode's name.
pub(crate) fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Failover => "failover",
        Mode::Broadcast => "broadcast",
        Mode::Stealth => "stealth",
        Mode::Speed => "speed",
    }
}

/// A policy's name, as a person says it.
pub(crate) fn policy(policy: Policy) -> &'static str {
    match policy {
        Policy::Balanced => "balanced",
        Policy::Fastest => "fastest",
        Policy::Cheapest => "cheapest",
        Policy::MostPrivate => "most private",
        Policy::Surest => "surest",
    }
}

/// Mode and policy; the ordinary policy goes without saying.
pub(crate) fn way(of: Mode, with: Policy) -> String {
    match with {
        Policy::Balanced => mode(of).to_owned(),
        other => format!("{}, {}", mode(of), policy(other)),
    }
}

/// A mode's style.
pub(crate) fn mode_role(mode: Mode) -> Role {
    match mode {
        Mode::Failover => Role::ModeFailover,
        Mode::Broadcast => Role::ModeBroadcast,
        Mode::Stealth => Role::ModeStealth,
        Mode::Speed => Role::ModeSpeed,
    }
}

/// An urgency's name; none for the ordinary one.
pub(crate) fn urgency(urgency: Urgency) -> Option<(&'static str, Role)> {
    match urgency {
        Urgency::Low => Some(("low", Role::UrgencyLow)),
        Urgency::Normal => None,
        Urgency::High => Some(("high", Role::UrgencyHigh)),
        Urgency::Critical => Some(("CRITICAL", Role::UrgencyCritical)),
    }
}

/// What a transport gives away.
pub(crate) fn leak(leak: Leak) -> &'static str {
    match leak {
        Leak::AddressToPeer => "your address to the peer",
        Leak::AddressToServer => "your address to a server",
        Leak::BothEndsToServer => "who talks to whom to a server",
        Leak::BothEndsToNetwork => "who talks to whom to the network",
        Leak::RecipientToMedium => "who receives, to readers of the medium",
        Leak::Timing => "when and how much",
    }
}

/// Seconds and minutes that are left, in few letters.
pub(crate) fn countdown(ms: u64) -> String {
    let seconds = ms.div_ceil(1_000);
    match seconds {
        0..=99 => format!("{seconds} s"),
        100..=5_999 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

fn until(now: Timestamp, at: Timestamp) -> String {
    countdown(u64::try_from(at.ms_since(now)).unwrap_or(0))
}

/// Whole milliseconds, in few letters.
fn whole_ms(ms: u64) -> String {
    if ms < 1_000 { format!("{ms} ms") } else { text::ms(ms as f64) }
}

/// How an own message stands, in words and signs.
pub(crate) fn state(model: &Model, message: &Message, story: Option<&Story>) -> (Role, String) {
    let sign = |unicode, ascii| super::glyph(model, unicode, ascii);
    let several = matches!(message.mode, Mode::Broadcast | Mode::Speed);
    let paths = story.filter(|story| several && story.attempts.len() > 1).map(|story| results(message.mode, story));
    let with = |plain: String| paths.clone().unwrap_or(plain);
    match &message.state {
        MessageState::Received => (Role::MessageVia, received(message)),
        MessageState::Queued { next_try, reason } => {
            let shut = reason.as_ref().is_some_and(|reason| reason.kind == ReasonKind::OutsideWindow);
            let when = match next_try {
                Some(at) if *at > model.now && shut => {
                    let text = format!("queued until {}, when a path opens", opening(model, *at));
                    return (Role::StateQueued, format!("{} {text}", sign("…", "..")));
                }
                Some(at) if *at > model.now => format!("queued, next try in {}", until(model.now, *at)),
                Some(_) => "queued, trying now".to_owned(),
                None => "queued, waits for a path".to_owned(),
            };
            let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            (Role::StateQueued, format!("{} {when}{why}", sign("…", "..")))
        }
        MessageState::Held { reason } => (Role::StateHeld, format!("! held: {reason}")),
        MessageState::InFlight { via } => {
            (Role::StateInFlight, format!("{} {}", sign("→", ">"), with(format!("on its way via {via}"))))
        }
        MessageState::Accepted { via, stored_by } => {
            let by = stored_by.as_ref().map(|by| format!(", stored by {by}")).unwrap_or_default();
            let plain = format!("accepted via {via}{by}");
            (Role::StateAccepted, format!("{} {}", sign("✓", "v"), with(plain)))
        }
        MessageState::Delivered { via, latency_ms } => {
            let plain = format!("{via} {}", whole_ms(*latency_ms));
            (Role::StateDelivered, format!("{} {}", sign("✓✓", "vv"), with(plain)))
        }
        MessageState::Read { via, latency_ms, .. } => {
            let plain = format!("{via} {}", whole_ms(*latency_ms));
            (Role::StateRead, format!("{} read, {}", sign("✓✓", "vv"), with(plain)))
        }
        MessageState::Expired => (Role::StateExpired, format!("{} expired, never sent again", sign("✗", "x"))),
        MessageState::Failed { reason } => (Role::StateFailed, format!("{} failed: {reason}", sign("✗", "x"))),
    }
}

/// What each path of a broadcast did: `broadcast 2/3  file 1 ms  tcp 4 ms  relay failed`.
fn results(mode_of: Mode, story: &Story) -> String {
    // A path that was tried again counts once, as it stands now.
    let mut last: Vec<&AttemptRecord> = Vec::new();
    for attempt in story.attempts.values() {
        last.retain(|other| other.via != attempt.via);
        last.push(attempt);
    }
    let good = last.iter().filter(|a| matches!(a.outcome, AttemptOutcome::Accepted | AttemptOutcome::Acked { .. }));
    let parts: Vec<String> = last.iter().map(|a| format!("{} {}", a.via, outcome_short(a))).collect();
    format!("{} {}/{}  {}", mode(mode_of), good.count(), last.len(), parts.join("  "))
}

/// How an attempt stands, in a word.
fn outcome_short(attempt: &AttemptRecord) -> String {
    match &attempt.outcome {
        AttemptOutcome::Running => "...".to_owned(),
        AttemptOutcome::Accepted => whole_ms(attempt.took_ms.unwrap_or(0)),
        AttemptOutcome::Acked { after_ms, .. } => whole_ms(*after_ms),
        AttemptOutcome::Silent { .. } => "silent".to_owned(),
        AttemptOutcome::Failed { .. } => "failed".to_owned(),
        AttemptOutcome::Cancelled => "cancelled".to_owned(),
    }
}

/// How an attempt stands, in words.
pub(crate) fn outcome(attempt: &AttemptRecord) -> (Role, String) {
    let took = attempt.took_ms.map(|took| format!(" {}", whole_ms(took))).unwrap_or_default();
    match &attempt.outcome {
        AttemptOutcome::Running => (Role::StateInFlight, "under way".to_owned()),
        AttemptOutcome::Accepted => (Role::StateAccepted, format!("accepted{took}, no ack yet")),
        AttemptOutcome::Acked { after_ms, ack_via } => {
            let over = ack_via.as_ref().map(|via| format!(" over {via}")).unwrap_or_default();
            (Role::StateDelivered, format!("accepted{took}, acked {}{over}", whole_ms(*after_ms)))
        }
        AttemptOutcome::Silent { after_ms } => {
            (Role::StateQueued, format!("accepted{took}, silent for {}", whole_ms(*after_ms)))
        }
        AttemptOutcome::Failed { reason } => (Role::StateFailed, format!("failed{took}: {reason}")),
        AttemptOutcome::Cancelled => (Role::TextDim, format!("cancelled{took}")),
    }
}

/// Which way a received message came, and by whose word it is the sender's.
pub(crate) fn received(message: &Message) -> String {
    let via = paths(&message.paths);
    let late = if message.late { "late, " } else { "" };
    format!("{late}{via} signed {}", trust_letter(message.trust))
}

/// The paths a message came by, the first by name.
pub(crate) fn paths(paths: &[TransportId]) -> String {
    match paths {
        [] => "-".to_owned(),
        [one] => one.to_string(),
        [first, rest @ ..] => format!("{first}+{}", rest.len()),
    }
}

/// Below this smoothed share of successful attempts a transport that is up does not pass for well: one failure after
/// long success is below it, and the next success is above it.
const SHAKY: f64 = 0.86;

/// A transport's sign.
pub(crate) fn transport_sign(model: &Model, shown: &Shown) -> (&'static str, Role) {
    match (&shown.health.state, &shown.health.breaker) {
        (TransportState::Disabled { .. }, _) => ("-", Role::HealthDisabled),
        (TransportState::Down { .. }, _) => ("x", Role::HealthDown),
        (_, Breaker::Open { .. }) => ("x", Role::HealthDown),
        _ if shown.opens(model.now).is_some() => ("-", Role::HealthDisabled),
        (_, Breaker::HalfOpen) | (TransportState::Degraded { .. }, _) => ("!", Role::HealthDegraded),
        (TransportState::Starting, _) => ("~", Role::HealthStarting),
        (TransportState::Up, _) if shown.health.success < SHAKY => ("!", Role::HealthDegraded),
        (TransportState::Up, _) => ("o", Role::HealthUp),
    }
}

/// When a window opens: the hour, with the day unless it is today.
pub(crate) fn opening(model: &Model, at: Timestamp) -> String {
    let zoned = |at: Timestamp| {
        let instant = jiff::Timestamp::from_millisecond(at.unix_ms()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        instant.to_zoned(model.zone.clone())
    };
    let (now, then) = (zoned(model.now), zoned(at));
    let form = match then.date().duration_since(now.date()).as_hours() / 24 {
        0 => "%H:%M",
        1..7 => "%a %H:%M",
        _ => "%d %b %H:%M",
    };
    then.strftime(form).to_string()
}

/// What the user's rules for a transport bar at the moment; none where they bar nothing.
pub(crate) fn transport_rules(model: &Model, health: &TransportHealth) -> Option<String> {
    match (hours(model, health), health.max_bytes.map(only_up_to)) {
        (Some(hours), Some(size)) => Some(format!("{hours}, {size}")),
        (hours, size) => hours.or(size),
    }
}

/// What waits for a window, and until when.
fn hours(model: &Model, health: &TransportHealth) -> Option<String> {
    let due = |at: Option<Timestamp>| at.filter(|at| *at > model.now).map(|at| opening(model, at));
    match (due(health.opens), due(health.bulk_opens)) {
        (Some(at), _) => Some(format!("closed until {at}")),
        (None, Some(at)) => Some(format!("bulk waits until {at}")),
        (None, None) => None,
    }
}

fn only_up_to(bytes: usize) -> String {
    format!("only up to {}", text::human_bytes(bytes as u64))
}

/// Why a path is not in a plan: the rules as the health panel tells them, else the node's own words.
pub(crate) fn skipped(model: &Model, skipped: &Skipped) -> String {
    let health = model.health.get(&skipped.transport).map(|shown| &shown.health);
    let told = health.and_then(|health| match skipped.reason.kind {
        ReasonKind::OutsideWindow => hours(model, health),
        ReasonKind::TooLarge => Some(only_up_to(health.max_bytes?.min(health.capabilities.max_frame))),
        _ => None,
    });
    told.unwrap_or_else(|| skipped.reason.to_string())
}

/// A transport's state, in words, without its name.
pub(crate) fn transport_state(model: &Model, shown: &Shown) -> String {
    let rules = transport_rules(model, &shown.health);
    let up = matches!((&shown.health.state, &shown.health.breaker), (TransportState::Up, Breaker::Closed));
    match (plain_state(shown, model.clock), rules) {
        // That the other end could be reached is of no use while it must not be.
        (_, Some(rules)) if up && shown.opens(model.now).is_some() => rules,
        (state, Some(rules)) => format!("{state}, {rules}"),
        (state, None) => state,
    }
}

fn plain_state(shown: &Shown, clock: u64) -> String {
    let retry = shown.retry_in(clock).map(|ms| format!(", retry in {}", countdown(ms))).unwrap_or_default();
    match (&shown.health.state, &shown.health.breaker) {
        (TransportState::Disabled { reason }, _) => format!("off: {reason}"),
        (TransportState::Down { reason, .. }, _) => format!("down{retry}: {reason}"),
        (_, Breaker::Open { reason, .. }) => format!("breaker open{retry}: {reason}"),
        (_, Breaker::HalfOpen) => "probing".to_owned(),
        (TransportState::Degraded { reason }, _) => format!("degraded: {reason}"),
        (TransportState::Starting, _) => "starting".to_owned(),
        (TransportState::Up, _) => "up".to_owned(),
    }
}

/// A transport's state in at most a few columns: its latency when it works, else what it waits for. `room` is how many
/// columns there are.
pub(crate) fn transport_short(model: &Model, shown: &Shown, room: usize) -> String {
    let retry = shown.retry_in(model.clock).map(|ms| format!("retry {}", countdown(ms)));
    match (&shown.health.state, &shown.health.breaker) {
        (TransportState::Disabled { .. }, _) => "off".to_owned(),
        (TransportState::Down { reason, .. }, _) => retry.unwrap_or_else(|| reason.to_string()),
        (_, Breaker::Open { .. }) => retry.unwrap_or_else(|| "breaker open".to_owned()),
        _ if shown.opens(model.now).is_some() => closed(model, shown, room),
        (_, Breaker::HalfOpen) => "probing".to_owned(),
        (TransportState::Degraded { reason }, _) => reason.to_string(),
        (TransportState::Starting, _) => "starting".to_owned(),
        (TransportState::Up, _) => {
            let latency = shown.health.latency_ms.map_or_else(|| "up".to_owned(), text::ms);
            let sign = super::glyph(model, "≤", "<=");
            let size = shown.health.max_bytes.map(|most| format!(" {sign}{}", text::human_bytes(most as u64)));
            latency + size.as_deref().unwrap_or_default()
        }
    }
}

/// That its windows are closed, in as many words as there is room for.
fn closed(model: &Model, shown: &Shown, room: usize) -> String {
    let at = shown.opens(model.now).map(|at| opening(model, at)).unwrap_or_default();
    let long = format!("closed until {at}");
    if text::width(&long) <= room { long } else { format!("opens {at}") }
}
