//! When to try again.

use std::time::Duration;

use rand::{RngExt, rngs::StdRng};

/// `base`, made up to `share` longer or shorter, so that what failed together does not return together.
pub(super) fn jittered(base: Duration, share: f64, rng: &mut StdRng) -> Duration {
    let share = share.clamp(0.0, 0.5);
    base.mul_f64(1.0 + share * (rng.random::<f64>() * 2.0 - 1.0))
}

/// The wait before try number `step` (from 0) of a schedule whose last entry repeats; a minute if it is empty.
pub(super) fn wait(schedule: &[Duration], step: u32) -> Duration {
    let step = usize::try_from(step).unwrap_or(usize::MAX);
    schedule.get(step).or(schedule.last()).copied().unwrap_or(Duration::from_secs(60))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::delivery::Config;

    #[test]
    fn the_schedule_is_the_protocols_and_its_end_repeats() {
        let config = Config::default();
        let waits: Vec<u64> = (0..8).map(|step| wait(&config.retry, step).as_secs()).collect();
        assert_eq!(waits, [5, 15, 60, 300, 900, 3_600, 3_600, 3_600]);
        assert_eq!(wait(&[], 3), Duration::from_secs(60));
    }

    #[test]
    fn jitter_stays_in_its_share_and_is_the_same_for_the_same_seed() {
        let draw = |seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            (0..100).map(|_| jittered(Duration::from_secs(100), 0.1, &mut rng)).collect::<Vec<_>>()
        };
        let waits = draw(7);
        assert!(waits.iter().all(|w| (90..=110).contains(&w.as_secs())));
        assert!(waits.iter().any(|w| w.as_secs() < 97) && waits.iter().any(|w| w.as_secs() > 102));
        assert_eq!(waits, draw(7));
    }
}
