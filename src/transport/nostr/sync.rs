//! Fetching stored mail page by page. Relays give the newest events of a window, up to a number of their own choosing, so the
//! rest is asked for with an earlier end until nothing older comes.

/// Events asked for at once.
pub(super) const PAGE: usize = 500;
/// Most pages of one fetch: a relay that makes up events for ever is left alone then.
const PAGES: u32 = 2_000;

/// One fetch. Times are seconds.
#[derive(Debug)]
pub(super) struct Sync {
    since: u64,
    /// The end of the page that is being fetched; none while it is the live subscription.
    until: Option<u64>,
    oldest: Option<u64>,
    events: usize,
    pages: u32,
    done: bool,
}

/// What to do after the end of a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask for events from `since` up to this time.
    Until(u64),
    /// Everything has come.
    Done,
}

impl Sync {
    /// A fetch of everything since that time, which begins with the live subscription.
    pub(super) fn new(since: u64) -> Self {
        Self { since, until: None, oldest: None, events: 0, pages: 0, done: false }
    }

    /// Where the window begins.
    pub(super) fn since(&self) -> u64 {
        self.since
    }

    /// Whether everything has come.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// A stored event of the page came.
    pub(super) fn event(&mut self, created_at: u64) {
        if !self.done {
            self.events += 1;
            self.oldest = Some(self.oldest.map_or(created_at, |oldest| oldest.min(created_at)));
        }
    }

    /// The page is at its end.
    pub(super) fn page_end(&mut self) -> Next {
        let (events, oldest) = (std::mem::take(&mut self.events), self.oldest.take());
        self.pages += 1;
        let next = match (oldest, self.until) {
            (None, _) => None,
            // All of one second: some of that second may be left out, which no filter could ask for.
            (Some(oldest), Some(until)) if oldest >= until => until.checked_sub(1),
            (Some(oldest), _) => Some(oldest),
        };
        match next {
            Some(until) if events > 0 && until >= self.since && self.pages < PAGES => {
                self.until = Some(until);
                Next::Until(until)
            }
            _ => {
                self.done = true;
                Next::Done
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A relay with these events that gives at most `most` of them, the newest.
    fn fetch(events: &[u64], most: usize, since: u64) -> std::collections::BTreeSet<usize> {
        let mut found = std::collections::BTreeSet::new();
        let mut sync = Sync::new(since);
        let mut until = u64::MAX;
        loop {
            let mut page: Vec<usize> = (0..events.len()).filter(|n| (since..=until).contains(&events[*n])).collect();
            page.sort_by_key(|n| std::cmp::Reverse(events[*n]));
            for n in page.into_iter().take(most) {
                sync.event(events[n]);
                found.insert(n);
            }
            match sync.page_end() {
                Next::Until(earlier) => until = earlier,
                Next::Done => return found,
            }
        }
    }

    proptest! {
        #[test]
        fn all_events_are_found(mut events in prop::collection::vec(0_u64..1000, 0..60), since in 0_u64..1000) {
            // At most as many in one second as a page holds.
            events.sort_unstable();
            events.dedup();
            let expected: std::collections::BTreeSet<usize> =
                (0..events.len()).filter(|n| events[*n] >= since).collect();
            prop_assert_eq!(fetch(&events, 2, since), expected);
        }
    }

    #[test]
    fn a_relay_that_repeats_itself_or_makes_up_events_comes_to_an_end() {
        let mut sync = Sync::new(0);
        let mut pages = 0_u32;
        loop {
            sync.event(5);
            pages += 1;
            if sync.page_end() == Next::Done {
                break;
            }
        }
        assert!(pages <= 8 && sync.is_done(), "{pages}");
        let mut sync = Sync::new(0);
        for page in 1..=PAGES {
            sync.event(u64::MAX - u64::from(page));
            assert_eq!(sync.page_end() == Next::Done, page == PAGES, "{page}");
        }
    }
}
