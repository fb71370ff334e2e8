//! Files that are to be looked at again later, each with its own growing wait.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::transport::{Disposition, backoff::Backoff};

/// Files that may wait; beyond that those with the longest wait are simply found again by the next look.
const MOST: usize = 8192;

/// The files of one mailbox that wait for another turn.
#[derive(Debug)]
pub(super) struct Again {
    wait: (Duration, Duration),
    files: BTreeMap<String, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    /// When; none while its turn has come.
    due: Option<Instant>,
    backoff: Backoff,
    /// What the node said already, where only the file could not be moved or removed.
    said: Option<Disposition>,
}

impl Again {
    /// With the shortest and the longest wait.
    pub(super) fn new(wait: (Duration, Duration)) -> Self {
        Self { wait, files: BTreeMap::new() }
    }

    /// `name` gets another turn, after a longer wait than last time.
    pub(super) fn later(&mut self, now: Instant, name: String, said: Option<Disposition>) {
        let (first, most) = self.wait;
        let before = self.files.remove(&name).map(|waiting| waiting.backoff);
        let mut backoff = before.unwrap_or_else(|| Backoff::new(first, most));
        if self.files.len() >= MOST {
            let latest = self.files.iter().max_by_key(|(_, waiting)| waiting.due).map(|(name, _)| name.clone());
            latest.and_then(|name| self.files.remove(&name));
        }
        let due = Some(now + backoff.fail());
        self.files.insert(name, Waiting { due, backoff, said });
    }

    /// `name` is done with.
    pub(super) fn forget(&mut self, name: &str) {
        self.files.remove(name);
    }

    /// Whether `name` had a turn before.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// Names that are not to be brought to the node now.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &String> {
        self.files.iter().filter(|(_, waiting)| waiting.due.is_some() || waiting.said.is_some()).map(|(name, _)| name)
    }

    /// When the next turn comes.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.files.values().filter_map(|waiting| waiting.due).min()
    }

    /// Gives every file whose turn has come its turn: those that the node has answered for, and whether there are
    /// others, which the next look finds.
    pub(super) fn turn(&mut self, now: Instant) -> (Vec<(String, Disposition)>, bool) {
        let (mut answered, mut others) = (Vec::new(), false);
        for (name, waiting) in &mut self.files {
            if waiting.due.is_some_and(|due| due <= now) {
                waiting.due = None;
                match &waiting.said {
                    Some(said) => answered.push((name.clone(), said.clone())),
                    None => others = true,
                }
            }
        }
        (answered, others)
    }

    /// Forgets files whose turn has come and that are not `there` any more.
    pub(super) fn prune(&mut self, there: impl Fn(&String) -> bool) {
        self.files.retain(|name, waiting| waiting.due.is_some() || waiting.said.is_some() || there(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::{Reason, ReasonKind};

    #[test]
    fn turns_come_when_due_and_waits_grow() {
        let mut again = Again::new((Duration::from_secs(1), Duration::from_secs(60)));
        let start = Instant::now();
        let refused = Disposition::Refused(Reason::new(ReasonKind::Protocol, "no"));
        again.later(start, "a".to_owned(), None);
        again.later(start, "b".to_owned(), Some(refused.clone()));
        assert_eq!(again.turn(start), (vec![], false));
        assert_eq!(again.waiting().collect::<Vec<_>>(), ["a", "b"]);
        let soon = start + Duration::from_secs(2);
        assert_eq!(again.turn(soon), (vec![("b".to_owned(), refused)], true));
        assert_eq!(again.waiting().collect::<Vec<_>>(), ["b"], "what was answered for is not brought again");
        assert_eq!((again.turn(soon), again.next_due()), ((vec![], false), None), "a turn comes once");
        again.later(soon, "a".to_owned(), None);
        assert!(again.next_due().unwrap() >= soon + Duration::from_millis(1500), "the second wait is longer");
        assert_eq!(again.turn(soon + Duration::from_secs(3)), (vec![], true));
        again.prune(|_| false);
        assert!(!again.knows("a") && again.knows("b"));
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut again = Again::new((Duration::from_secs(1), Duration::from_secs(60)));
        for n in 0..MOST + 100 {
            again.later(Instant::now(), n.to_string(), None);
        }
        assert_eq!(again.files.len(), MOST);
    }
}
