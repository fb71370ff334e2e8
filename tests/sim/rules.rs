//! Hours and limits of a link, as a user may set them, and the world's own idea of what they allow.

use rand::{RngExt as _, rngs::StdRng};
use skcomm_tui::{
    delivery::{Bulk, Schedule},
    wire::Timestamp,
};

/// The first minute of the day in which a world begins: 08:00 UTC.
const MORNING: u16 = 8 * 60;

/// Minutes after midnight, UTC: from, and until.
type Hours = (u16, u16);

/// Hours and limits of one link.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    /// When it may be used at all.
    open: Option<Hours>,
    /// The largest frame.
    most: Option<usize>,
    /// Larger messages wait for these hours.
    bulk: Option<(usize, Hours)>,
}

impl Rules {
    pub(super) fn random(rng: &mut StdRng) -> Self {
        let from = MORNING + rng.random_range(0..60);
        let hours = (from, from + rng.random_range(1..30));
        match rng.random_range(0..3) {
            0 => Self { open: Some(hours), ..Self::default() },
            1 => Self { most: Some(2_500), ..Self::default() },
            _ => Self { bulk: Some((2_000, hours)), ..Self::default() },
        }
    }

    /// As the machine is told of them.
    pub(super) fn schedule(self) -> Schedule {
        let window = |(from, until): Hours| {
            let text = format!("{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, until / 60, until % 60);
            vec![text.parse().unwrap()]
        };
        Schedule {
            windows: self.open.map(window).unwrap_or_default(),
            max_bytes: self.most,
            bulk: self.bulk.map(|(size, hours)| Bulk {
                larger_than: Some(size),
                urgency: None,
                windows: window(hours),
            }),
            ..Schedule::default()
        }
    }

    /// Whether something may go at that time. Acks are never bulk.
    pub(super) fn allow(self, at: Timestamp, size: usize, ack: bool) -> bool {
        let minute = at.unix_ms().div_euclid(60_000).rem_euclid(24 * 60);
        let within = |(from, until): Hours| i64::from(from) <= minute && minute < i64::from(until);
        let bulk = self.bulk.filter(|(larger_than, _)| !ack && size > *larger_than);
        self.open.is_none_or(within)
            && self.most.is_none_or(|most| size <= most)
            && bulk.is_none_or(|(_, hours)| within(hours))
    }

    /// Whether what may go depends on its size.
    pub(super) fn sizes(self) -> bool {
        self.most.is_some() || self.bulk.is_some()
    }
}
