//! What a path is worth for a message: a sum of named parts, so that the choice can be explained.
//!
//! Parts of hundreds make tiers (asked for, ordinary, unsteady, only in need); parts of tens order the paths within
//! a tier. The path in use gets a bonus on what was measured of it, so that another one must be clearly better to
//! take its place, while what the user wants and a change of tier take effect at once.

use super::{LatencyClass, Policy};
use crate::wire::{Mode, Urgency};

/// By how much a challenger must measure better than the path in use.
const STAY: f64 = 0.2;

/// What it costs a path to show our network address to a peer of whom the user has not made sure, where another will do:
/// more than all that orders the paths within a tier, less than unsteadiness.
pub(super) const WARY: f64 = -250.0;
/// A step of what the user's policy is about is worth as much: it makes a tier of its own.
const STEP: f64 = 100.0;

/// All that a score depends on.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) mode: Mode,
    pub(super) policy: Policy,
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
    /// How much the path gives away: 0 for nothing, about 50 for who talks to whom.
    pub(super) exposure: f64,
    /// What its acceptance promises, 0 to 80.
    pub(super) assurance: f64,
    /// Steps dearer than free.
    pub(super) price: f64,
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
    let hasty = facts.mode == Mode::Speed || facts.policy == Policy::Fastest;
    // Where the user named what counts, the order of the configuration only decides between equals.
    let priority = if hasty || facts.policy != Policy::Balanced { 2.0 } else { 20.0 };
    let latency = if hasty { 100.0 } else { 15.0 };
    let success = if facts.policy == Policy::Surest { 120.0 } else { 40.0 };
    let urgent = facts.urgency >= Urgency::High;
    let haste = match facts.class {
        LatencyClass::Courier if urgent => -20.0,
        LatencyClass::Slow if urgent => -10.0,
        _ => 0.0,
    };
    vec![
        ("priority", priority * 3_usize.saturating_sub(facts.behind) as f64),
        ("success", success * facts.success),
        ("latency", latency / (1.0 + facts.latency_ms.max(0.0) / 300.0)),
        ("silence", -10.0 * f64::from(facts.silent.min(2))),
        ("works while away", if facts.away && facts.offline { 45.0 } else { 0.0 }),
        ("size", if facts.fill > 0.5 { -5.0 * facts.fill } else { 0.0 }),
        ("urgency", haste),
        ("discretion", discretion(facts)),
        ("cost", cost(facts)),
        ("assurance", if facts.policy == Policy::Surest { facts.assurance } else { 0.0 }),
        ("peer's order", -(facts.place.min(5) as f64)),
    ]
}

fn discretion(facts: &Facts) -> f64 {
    match facts.policy {
        Policy::MostPrivate => -2.0 * facts.exposure,
        _ if facts.mode == Mode::Stealth => -0.5 * facts.exposure,
        _ => 0.0,
    }
}

/// Nobody marks a path as metered to have it used like the others; where cost is what counts, each step is a tier.
fn cost(facts: &Facts) -> f64 {
    match facts.policy {
        Policy::Cheapest => -STEP * facts.price,
        Policy::Balanced => -25.0 * (facts.price - 1.0).max(0.0),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Facts {
        Facts {
            mode: Mode::Failover,
            policy: Policy::Balanced,
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
            exposure: 0.0,
            assurance: 0.0,
            price: 0.0,
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

    #[test]
    fn each_policy_asks_for_something_else() {
        let by = |policy, facts: Facts| Facts { policy, ..facts };
        let quick = Facts { latency_ms: 5.0, exposure: 30.0, assurance: 20.0, price: 2.0, behind: 2, ..plain() };
        let cheap = Facts { latency_ms: 20_000.0, class: LatencyClass::Slow, exposure: 50.0, behind: 1, ..plain() };
        let discreet = Facts { latency_ms: 800.0, price: 1.0, assurance: 20.0, behind: 1, ..plain() };
        let sure = Facts { latency_ms: 400.0, price: 1.0, exposure: 50.0, assurance: 80.0, ..plain() };
        let all = [quick, cheap, discreet, sure];
        let best = |policy| {
            let score = |at: usize| sum(&by(policy, all[at].clone()));
            (0..all.len()).max_by(|a, b| score(*a).total_cmp(&score(*b))).unwrap()
        };
        assert_eq!(best(Policy::Fastest), 0);
        assert_eq!(best(Policy::Cheapest), 1);
        assert_eq!(best(Policy::MostPrivate), 2);
        assert_eq!(best(Policy::Surest), 3);
        assert_eq!(best(Policy::Balanced), 3, "the first by priority");
    }

    #[test]
    fn no_policy_prefers_a_black_hole() {
        for policy in Policy::ALL {
            let best = Facts { policy, latency_ms: 1.0, assurance: 80.0, suspect: true, ..plain() };
            let worst = Facts { policy, latency_ms: 1e7, exposure: 175.0, price: 2.0, behind: 3, ..plain() };
            check(policy.as_str(), worst, best);
        }
    }

    #[test]
    fn a_metered_path_is_not_used_like_the_others() {
        check("the next by priority", Facts { behind: 1, ..plain() }, Facts { price: 2.0, ..plain() });
        check("a shared server is nobody's loss", Facts { price: 1.0, ..plain() }, Facts { behind: 1, ..plain() });
    }
}
