//! The state of the transport, out of the states of its folders.

use std::time::Duration;

use tokio::sync::Mutex;

use crate::{
    delivery::{Reason, TransportId},
    transport::{EventSink, TransportEvent, TransportState},
};

/// How one folder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FolderState {
    /// Not looked at yet.
    Unknown,
    /// Read and written.
    Fine,
    /// Read, but not written.
    ReadOnly(Reason),
    /// Not even read.
    Broken(Reason),
}

/// Collects the states of all folders and reports the sum when it changes.
pub(super) struct Health {
    id: TransportId,
    sink: EventSink,
    poll: Duration,
    folders: Mutex<(Vec<FolderState>, TransportState)>,
}

impl Health {
    pub(super) fn new(id: TransportId, sink: EventSink, poll: Duration, folders: usize) -> Self {
        let states = vec![FolderState::Unknown; folders];
        Self { id, sink, poll, folders: Mutex::new((states, TransportState::Starting)) }
    }

    /// Folder number `index` is now like that. The lock is held while reporting, so that states are reported in the
    /// order in which they came about.
    pub(super) async fn set(&self, index: usize, state: FolderState) {
        let mut folders = self.folders.lock().await;
        if let Some(slot) = folders.0.get_mut(index) {
            *slot = state;
        }
        let sum = sum(&folders.0, self.poll);
        if sum != folders.1 {
            folders.1 = sum.clone();
            // A node that hung up is stopping; it needs no state any more.
            let _ = self.sink.send(TransportEvent::State(self.id.clone(), sum)).await;
        }
    }
}

fn sum(folders: &[FolderState], poll: Duration) -> TransportState {
    let broken: Vec<&Reason> = folders
        .iter()
        .filter_map(|state| if let FolderState::Broken(reason) = state { Some(reason) } else { None })
        .collect();
    if let Some(reason) = broken.first()
        && broken.len() == folders.len()
    {
        let retry_in_ms = u64::try_from(poll.as_millis()).ok();
        return TransportState::Down { reason: (*reason).clone(), retry_in_ms };
    }
    if folders.contains(&FolderState::Unknown) {
        return TransportState::Starting;
    }
    let partly = folders.iter().find_map(|state| match state {
        FolderState::ReadOnly(reason) | FolderState::Broken(reason) => Some(reason.clone()),
        FolderState::Unknown | FolderState::Fine => None,
    });
    partly.map_or(TransportState::Up, |reason| TransportState::Degraded { reason })
}

#[cfg(test)]
mod tests {
    use super::{FolderState::*, *};
    use crate::delivery::ReasonKind;

    #[test]
    fn the_sum_says_what_works() {
        let (io, gone) = (Reason::new(ReasonKind::Io, "read-only"), Reason::new(ReasonKind::Unreachable, "gone"));
        let sum = |folders: &[FolderState]| sum(folders, Duration::from_secs(5));
        let degraded = |reason: &Reason| TransportState::Degraded { reason: reason.clone() };
        let down = TransportState::Down { reason: gone.clone(), retry_in_ms: Some(5000) };
        assert_eq!(sum(&[]), TransportState::Up);
        assert_eq!(sum(&[Fine, Fine]), TransportState::Up);
        assert_eq!(sum(&[Fine, Unknown]), TransportState::Starting);
        assert_eq!(sum(&[ReadOnly(io.clone())]), degraded(&io));
        assert_eq!(sum(&[Fine, Broken(gone.clone())]), degraded(&gone));
        assert_eq!(sum(&[Broken(gone.clone()), Broken(io)]), down);
    }
}
