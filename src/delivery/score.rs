//! What a path is worth for a message: a sum of named parts, so that the choice can be explained.
//!
//! Parts of hundreds make tiers (asked for, ordinary, unsteady, only in need); parts of tens order the paths within
//! a tier. The path in use gets a bonus on what was measured of it, so that another one must be clearly better to
//! take its place, while what the user wants and a change of tier take effect at once.

use super::LatencyClass;
use crate::wire::{Mode, Urgency};

/// By how much a challenger must measure better than the path in use.
const STAY: f64 = 0.2;

/// All that a score depends on.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) mode: Mode,
    pub(super) urgency: Urgency,
    /// Different priorities of the peer's transports that go before this one's.
    pub(super) behind: usize,
    /// Place in the peer's own list.
    pub(super) place: usize,
    /// Measured, else what the class lets expect.
    pub(super) latency_ms: f64,
    pub(super) class: LatencyClass,
    pub(super) success: f64,
    /// Messages in a row without an ack.
    pub(super) silent: u32,
    /// Whether that is so many that the path comes after all others.
    pub(super) suspect: bool,
    pub(super) flapping: bool,
    /// Whether the path works while the recipient is away.
    pub(super) offline: bool,
    /// Whether the recipient seems to be away.
    pub(super) away: bool,
    /// Share of the largest frame that the message takes, 0 to 1.
    pub(super) fill: f64,
    pub(super) leaks: usize,
    /// Place in the message's list of preferred transports.
    pub(super) preferred: Option<usize>,
    pub(super) fallback: bool,
    /// Whether it is the path in use.
    pub(super) current: bool,
}

/// What to expect of a class before anything was measured, in milliseconds.
pub(super) fn expected_ms(class: LatencyClass) -> f64 {
    match class {
        LatencyClass::Instant => 50.0,
        LatencyClass::Fast => 300.0,
        LatencyClass::Slow => 30_000.0,
        LatencyClass::Courier => 6.0 * 3_600_000.0,
    }
}

/// The parts of a path's score.
pub(super) fn parts(facts: &Facts) -> Vec<(&'static str, f64)> {
    let mut parts = within_tier(facts);
    if facts.current {
        let measured = parts.iter().filter(|(name, _)| matches!(*name, "success" | "latency"));
        let sum: f64 = measured.map(|(_, share)| share).sum();
        parts.push(("in use", STAY * sum));
    }
    parts.extend(tier(facts));
    parts.retain(|(name, share)| *share != 0.0 || *name == "success");
    parts
}

fn tier(facts: &Facts) -> [(&'static str, f64); 4] {
    let preferred = facts.preferred.map_or(0.0, |place| 1_000.0 - 5.0 * place.min(50) as f64);
    [
        ("preferred", preferred),
        ("fallback", if facts.fallback { -1_000.0 } else { 0.0 }),
        ("unanswered", if facts.suspect { -1_500.0 } else { 0.0 }),
        ("flapping", if facts.flapping { -300.0 } else { 0.0 }),
    ]
}

fn within_tier(facts: &Facts) -> Vec<(&'static str, f64)> {
    let (priority, latency) = if facts.mode == Mode::Speed { (2.0, 100.0) } else { (20.0, 15.0) };
    let urgent = facts.urgency >= Urgency::High;
    let haste = match facts.class {
        LatencyClass::Courier if urgent => -20.0,
        LatencyClass::Slow if urgent => -10.0,
        _ => 0.0,
    };
    vec![
        ("priority", priority * 3_usize.saturating_sub(facts.behind) as f64),
        ("success", 40.0 * facts.success),
        ("latency", latency / (1.0 + facts.latency_ms.max(0.0) / 300.0)),
        ("silence", -10.0 * f64::from(facts.silent.min(2))),
        ("works while away", if facts.away && facts.offline { 45.0 } else { 0.0 }),
        ("size", if facts.fill > 0.5 { -5.0 * facts.fill } else { 0.0 }),
        ("urgency", haste),
        ("discretion", if facts.mode == Mode::Stealth { -4.0 * facts.leaks as f64 } else { 0.0 }),
        ("peer's order", -(facts.place.min(5) as f64)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Facts {
        Facts {
            mode: Mode::Failover,
            urgency: Urgency::Normal,
            behind: 0,
            place: 0,
            latency_ms: 50.0,
            class: LatencyClass::Instant,
            success: 1.0,
            silent: 0,
            suspect: false,
            flapping: false,
            offline: false,
            away: false,
            fill: 0.0,
            leaks: 0,
            preferred: None,
            fallback: false,
            current: false,
        }
    }

    fn sum(facts: &Facts) -> f64 {
        parts(facts).iter().map(|(_, share)| share).sum()
    }

    /// `better` wins over `worse`.
    fn check(why: &str, better: Facts, worse: Facts) {
        assert!(sum(&better) > sum(&worse), "{why}: {:?} {:?}", parts(&better), parts(&worse));
    }

    #[test]
    fn what_wins() {
        let fast = Facts { latency_ms: 5.0, behind: 1, ..plain() };
        let slow = Facts { latency_ms: 30_000.0, class: LatencyClass::Slow, ..plain() };
        check("priority over latency", slow.clone(), fast.clone());
        let race = |facts: Facts| Facts { mode: Mode::Speed, ..facts };
        check("latency over priority in a race", race(fast.clone()), race(slow.clone()));
        check("health over priority", Facts { behind: 1, ..plain() }, Facts { success: 0.3, ..plain() });
        check("a stored path for one who is away", Facts { offline: true, away: true, behind: 1, ..plain() }, {
            Facts { away: true, ..plain() }
        });
        check("asked for", Facts { preferred: Some(0), success: 0.1, behind: 3, ..plain() }, plain());
        check("only in need", Facts { success: 0.1, behind: 3, ..plain() }, Facts { fallback: true, ..plain() });
        check("even asked for, a black hole is last", plain(), {
            Facts { preferred: Some(0), suspect: true, ..plain() }
        });
        check("in need before a black hole", Facts { fallback: true, ..plain() }, Facts { suspect: true, ..plain() });
        check("steady before flapping", Facts { behind: 3, success: 0.3, ..plain() }, {
            Facts { flapping: true, current: true, ..plain() }
        });
        check("urgent before slow", Facts { urgency: Urgency::High, behind: 0, ..plain() }, {
            Facts { urgency: Urgency::High, class: LatencyClass::Courier, latency_ms: 1e7, ..plain() }
        });
    }

    #[test]
    fn the_path_in_use_yields_only_to_a_clear_gain() {
        let current = Facts { success: 0.9, current: true, ..plain() };
        check("not for a little", current.clone(), plain());
        check("for much", plain(), Facts { success: 0.3, ..current });
    }
}
