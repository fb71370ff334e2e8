//! Reports what a transport itself refuses, at a bounded rate, so that a flood cannot drown the node.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use super::{EventSink, TransportEvent};
use crate::{
    delivery::{Reason, TransportId},
    wire::SafeText,
};

/// Refusals that may be reported at once.
const BURST: u32 = 16;
/// After a burst, one more may be reported each time this much has passed.
const REFILL: Duration = Duration::from_secs(1);

/// Counts refusals and lets through a bounded number of reports.
#[derive(Debug)]
pub(super) struct Refusals {
    id: TransportId,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: u32,
    refilled: Instant,
    left_out: u64,
}

impl Refusals {
    pub(super) fn new(id: TransportId) -> Self {
        Self { id, state: Mutex::new(State { tokens: BURST, refilled: Instant::now(), left_out: 0 }) }
    }

    /// Logs the refusal and, unless there were too many lately, reports it through `sink`. Never waits: when the
    /// sink is full the refusal is counted and named with the next one that gets through.
    pub(super) fn report(&self, sink: &EventSink, reason: Reason) {
        tracing::warn!(transport = %self.id, kind = ?reason.kind, reason = %reason, "refused");
        let Some(left_out) = self.admit(Instant::now()) else { return };
        let reason = match left_out {
            0 => reason,
            n => Reason { detail: SafeText::line(&format!("{} (and {n} more)", reason.detail)), kind: reason.kind },
        };
        if sink.try_send(TransportEvent::Refused(self.id.clone(), reason)).is_err() {
            self.lock().left_out += left_out + 1;
        }
    }

    /// How many were left out before this one, or none when this one is left out as well.
    fn admit(&self, now: Instant) -> Option<u64> {
        let mut state = self.lock();
        let earned = now.saturating_duration_since(state.refilled).as_secs() / REFILL.as_secs();
        if earned > 0 {
            state.tokens = BURST.min(state.tokens.saturating_add(u32::try_from(earned).unwrap_or(BURST)));
            state.refilled = now;
        }
        if state.tokens == 0 {
            state.left_out += 1;
            return None;
        }
        state.tokens -= 1;
        Some(std::mem::take(&mut state.left_out))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::ReasonKind;

    #[test]
    fn a_flood_is_counted_not_reported() {
        let refusals = Refusals::new("t".parse().unwrap());
        let (sink, mut events) = tokio::sync::mpsc::channel(100);
        for _ in 0..1000 {
            refusals.report(&sink, Reason::new(ReasonKind::Protocol, "garbage"));
        }
        let mut reported = 0;
        while events.try_recv().is_ok() {
            reported += 1;
        }
        assert!((BURST..=BURST + 2).contains(&reported), "{reported}");
        refusals.lock().refilled -= Duration::from_secs(5);
        refusals.report(&sink, Reason::new(ReasonKind::Protocol, "garbage"));
        let Ok(TransportEvent::Refused(_, reason)) = events.try_recv() else { panic!("nothing reported") };
        assert_eq!(reason.to_string(), format!("garbage (and {} more)", 1000 - reported));
    }

    #[test]
    fn a_full_sink_loses_no_count() {
        let refusals = Refusals::new("t".parse().unwrap());
        let (sink, mut events) = tokio::sync::mpsc::channel(1);
        for _ in 0..3 {
            refusals.report(&sink, Reason::new(ReasonKind::Protocol, "garbage"));
        }
        assert!(events.try_recv().is_ok());
        refusals.report(&sink, Reason::new(ReasonKind::Protocol, "garbage"));
        let Ok(TransportEvent::Refused(_, reason)) = events.try_recv() else { panic!("nothing reported") };
        assert_eq!(reason.to_string(), "garbage (and 2 more)");
    }
}
