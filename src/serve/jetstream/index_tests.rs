use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn now() -> Timestamp {
    Timestamp::from_unix_ms(1_800_000_000_000)
}

fn entry(mailbox: u8, sender: u8, bytes: u32) -> Entry {
    Entry { mailbox: [mailbox; 16], sender: [sender; 8], bytes, stored_ms: now().unix_ms() }
}

fn index() -> Index {
    Index::new(StorageLimits { keep: Duration::from_secs(100), ..StorageLimits::default() })
}

fn all(index: &Index, mailbox: u8) -> Vec<u64> {
    match index.seek(&[mailbox; 16], 0, |_| false, (usize::MAX, u64::MAX), now()) {
        Sought::Some(found) => found.into_iter().map(|(sequence, _)| sequence).collect(),
        Sought::Nothing => Vec::new(),
        Sought::Large(size) => panic!("{size} bytes are not too large"),
    }
}

#[test]
fn a_look_keeps_to_its_bounds() {
    let mut index = index();
    (1..=3).for_each(|n| assert!(index.came(n, Some(entry(1, 2, 100)))));
    let seek = |after, hidden: Option<u64>, bounds| index.seek(&[1; 16], after, |n| Some(n) == hidden, bounds, now());
    assert_eq!(seek(0, None, (2, 1000)), Sought::Some(vec![(1, 100), (2, 100)]));
    assert_eq!(seek(0, None, (9, 250)), Sought::Some(vec![(1, 100), (2, 100)]));
    assert_eq!(seek(0, Some(1), (9, 1000)), Sought::Some(vec![(2, 100), (3, 100)]));
    assert_eq!(seek(0, None, (9, 99)), Sought::Large(100));
    assert_eq!(seek(3, None, (9, 1000)), Sought::Nothing);
    assert_eq!(seek(u64::MAX, None, (9, 1000)), Sought::Nothing);
}

#[test]
fn a_deletion_that_is_told_before_its_message_comes_hides_it() {
    let mut index = index();
    index.gone(2).unwrap();
    assert!(index.came(1, Some(entry(1, 2, 10))) && !index.came(2, Some(entry(1, 2, 10))));
    assert!(index.came(3, Some(entry(1, 2, 10))));
    assert_eq!(all(&index, 1), [1, 3]);
    assert_eq!(index.total(), Amount { messages: 2, bytes: 20 });
    index.gone(1).unwrap();
    index.gone(1).unwrap();
    assert_eq!(index.total(), Amount { messages: 1, bytes: 10 });
    assert!(!index.came(1, Some(entry(1, 2, 10))), "it does not come back");
}

#[test]
fn early_deletions_are_bounded() {
    let mut index = index();
    (1..=EARLY as u64).for_each(|n| index.gone(n).unwrap());
    assert_eq!(index.gone(EARLY as u64 + 1), Err(()));
    assert!(!index.came(EARLY as u64, Some(entry(1, 2, 10))));
    assert!(index.early.is_empty(), "what is past is forgotten");
}

#[test]
fn what_is_being_stored_counts_until_it_comes() {
    let mut index = index();
    let one = |index: &mut Index| index.reserve([1; 16], [2; 8], 10).unwrap();
    let (a, b, c, d) = (one(&mut index), one(&mut index), one(&mut index), one(&mut index));
    assert_eq!(index.total().messages, 4);
    index.release(&a);
    // Number 1 comes before, number 2 after we are told that it is stored; 3 is deleted before we see it.
    index.came(1, Some(entry(1, 2, 10)));
    index.stored(b, 1);
    index.stored(c, 2);
    index.stored(d, 3);
    assert_eq!(index.total().messages, 3);
    index.came(2, Some(entry(1, 2, 10)));
    assert_eq!(index.total().messages, 3);
    index.came(4, None);
    assert_eq!(index.total(), Amount { messages: 2, bytes: 20 });
}

#[test]
fn a_new_index_owes_nothing_to_the_old_ones_reservations() {
    let mut index = index();
    let reserved = index.reserve([1; 16], [2; 8], 10).unwrap();
    let mut fresh = self::index();
    fresh.came(1, Some(entry(1, 2, 10)));
    fresh.replace(&mut index);
    index.release(&reserved);
    assert_eq!(index.total(), Amount { messages: 1, bytes: 10 });
}

#[test]
fn the_old_is_not_shown_and_then_forgotten() {
    let mut index = index();
    index.came(1, Some(entry(1, 2, 10)));
    index.came(2, Some(Entry { stored_ms: now().unix_ms() + 50_000, ..entry(1, 2, 10) }));
    let later = now().plus_ms(120_000);
    assert_eq!(index.seek(&[1; 16], 0, |_| false, (9, 99), later), Sought::Some(vec![(2, 10)]));
    assert_eq!(index.total().messages, 2);
    index.expire(later);
    assert_eq!(index.total().messages, 1);
    assert_eq!(index.boxes.len(), 1);
    index.expire(later.plus_ms(60_000));
    assert_eq!((index.total(), index.boxes.len()), (Amount::default(), 0));
}

proptest! {
    /// Whatever order notices and messages come in, the accounts are those of what is visible.
    #[test]
    fn accounts_and_mailboxes_agree(steps in proptest::collection::vec((any::<bool>(), 1u64..40, 0u8..3, 1u32..99), 0..80)) {
        let mut index = index();
        let (mut model, mut seen, mut early) = (BTreeMap::<u64, Entry>::new(), 0, BTreeSet::new());
        for (comes, number, mailbox, bytes) in steps {
            if comes {
                let number = seen + 1 + number % 3;
                let fresh = entry(mailbox, 7, bytes);
                prop_assert_eq!(index.came(number, Some(fresh)), !early.contains(&number));
                seen = number;
                if !early.contains(&number) {
                    model.insert(number, fresh);
                }
            } else {
                index.gone(number).unwrap();
                if model.remove(&number).is_none() && number > seen {
                    early.insert(number);
                }
            }
            let bytes: u64 = model.values().map(|entry| u64::from(entry.bytes)).sum();
            prop_assert_eq!(index.total(), Amount { messages: model.len() as u64, bytes });
            for mailbox in 0..3 {
                let expected: Vec<u64> =
                    model.iter().filter(|(_, entry)| entry.mailbox == [mailbox; 16]).map(|(number, _)| *number).collect();
                prop_assert_eq!(all(&index, mailbox), expected);
            }
        }
    }
}
