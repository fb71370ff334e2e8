//! How far the homeserver's events are settled.
//!
//! Each answer of the homeserver is a batch with a token: "everything before this you have seen". What came in must not be
//! taken as seen before the node has it on its disk, else a crash loses it. So the token that is written down is that of the
//! newest batch before which nothing is open; after a crash the homeserver is asked for everything since.

use std::collections::VecDeque;

/// A batch that may have something open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchId(u64);

#[derive(Debug)]
struct Batch {
    token: String,
    /// Rooms whose history before the batch was fetched with it.
    rooms: Vec<String>,
    /// Frames without an answer, and one more while the batch itself is being read.
    open: usize,
}

/// What is settled.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settled {
    /// The token to go on from after a restart.
    pub(super) token: String,
    /// Rooms that need not be read from their beginning any more.
    pub(super) rooms: Vec<String>,
}

/// The batches since the last one that is settled.
#[derive(Debug, Default)]
pub(super) struct Batches {
    /// The number of the first one in the queue.
    first: u64,
    queue: VecDeque<Batch>,
}

impl Batches {
    /// Begins a batch; it stays open until [`Self::settle`] was called for the batch itself and for each [`Self::add`].
    pub(super) fn begin(&mut self, token: String, rooms: Vec<String>) -> BatchId {
        self.queue.push_back(Batch { token, rooms, open: 1 });
        BatchId(self.first + self.queue.len() as u64 - 1)
    }

    /// Something in the batch waits for its answer.
    pub(super) fn add(&mut self, id: BatchId) {
        if let Some(batch) = self.get(id) {
            batch.open += 1;
        }
    }

    /// Something in the batch is answered. Returns what is settled by it.
    pub(super) fn settle(&mut self, id: BatchId) -> Option<Settled> {
        let batch = self.get(id)?;
        batch.open = batch.open.saturating_sub(1);
        let mut settled: Option<Settled> = None;
        while self.queue.front().is_some_and(|batch| batch.open == 0) {
            let Some(batch) = self.queue.pop_front() else { break };
            self.first += 1;
            let mut rooms = settled.map(|before| before.rooms).unwrap_or_default();
            rooms.extend(batch.rooms);
            settled = Some(Settled { token: batch.token, rooms });
        }
        settled
    }

    fn get(&mut self, id: BatchId) -> Option<&mut Batch> {
        let index = usize::try_from(id.0.checked_sub(self.first)?).ok()?;
        self.queue.get_mut(index)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_is_settled_when_nothing_before_it_is_open() {
        let mut batches = Batches::default();
        let one = batches.begin("1".into(), vec!["!a".into()]);
        batches.add(one);
        batches.add(one);
        assert_eq!(batches.settle(one), None);
        let two = batches.begin("2".into(), vec!["!b".into()]);
        assert_eq!(batches.settle(two), None, "the first is open");
        assert_eq!(batches.settle(one), None);
        let settled = Settled { token: "2".into(), rooms: vec!["!a".into(), "!b".into()] };
        assert_eq!(batches.settle(one), Some(settled));
        assert_eq!(batches.settle(one), None, "an answer too many changes nothing");
        let three = batches.begin("3".into(), Vec::new());
        assert_eq!(batches.settle(three).unwrap().token, "3");
    }

    proptest! {
        #[test]
        fn no_token_overtakes_what_is_open(sizes in proptest::collection::vec(0_usize..4, 1..20), seed in any::<u64>()) {
            let mut batches = Batches::default();
            let mut open: Vec<(usize, BatchId)> = Vec::new();
            for (number, size) in sizes.iter().enumerate() {
                let id = batches.begin(number.to_string(), Vec::new());
                (0..*size).for_each(|_| batches.add(id));
                open.extend(std::iter::repeat_n((number, id), size + 1));
            }
            let mut random = seed;
            let mut last = None;
            while !open.is_empty() {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let (_, id) = open.swap_remove(random as usize % open.len());
                if let Some(settled) = batches.settle(id) {
                    let number: usize = settled.token.parse().unwrap();
                    prop_assert!(open.iter().all(|(other, _)| *other > number));
                    last = Some(number);
                }
            }
            prop_assert_eq!(last, Some(sizes.len() - 1));
        }
    }
}
