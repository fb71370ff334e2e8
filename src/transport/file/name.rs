//! Names of message files: `<milliseconds since 1970>-<counter and randomness>.skc.json`.

/// What a whole message's name ends with.
const SUFFIX: &str = ".skc.json";
/// What the name of a file that is still being written begins with.
pub(super) const TEMPORARY: &str = ".tmp-";

/// Whether `name` is that of a whole message. Everything else in a mailbox is left alone: files being written, hidden
/// files, backups and the conflict copies of synchronisers (`…sync-conflict-…`, `… (conflicted copy …)`), all of
/// which have other characters in their names.
pub(super) fn is_message(name: &[u8]) -> bool {
    let Some(stem) = name.strip_suffix(SUFFIX.as_bytes()) else { return false };
    let Some(dash) = stem.iter().position(|b| *b == b'-') else { return false };
    let (time, random) = (&stem[..dash], &stem[dash + 1..]);
    (10..=20).contains(&time.len())
        && time.iter().all(u8::is_ascii_digit)
        && (8..=64).contains(&random.len())
        && random.iter().all(u8::is_ascii_alphanumeric)
}

/// Makes names that sort in the order in which they were made, also within a millisecond and when the clock steps
/// back.
#[derive(Debug, Default)]
pub(super) struct Names {
    last_ms: u64,
    counter: u16,
}

impl Names {
    /// The next name at `now_ms`, made unique by `random`.
    pub(super) fn next(&mut self, now_ms: u64, random: u64) -> String {
        if now_ms > self.last_ms {
            (self.last_ms, self.counter) = (now_ms, 0);
        } else if let Some(next) = self.counter.checked_add(1) {
            self.counter = next;
        } else {
            (self.last_ms, self.counter) = (self.last_ms + 1, 0);
        }
        format!("{:013}-{:04x}{random:016x}{SUFFIX}", self.last_ms, self.counter)
    }
}

/// The name under which `name` is put where it is taken already.
pub(super) fn alternative(name: &str, random: u64) -> String {
    let stem = name.strip_suffix(SUFFIX).unwrap_or(name);
    format!("{stem}x{random:016x}{SUFFIX}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_whole_messages_are_messages() {
        for name in ["1795196016452-0000deadbeef0123.skc.json", "1795196016-abcdefgh.skc.json"] {
            assert!(is_message(name.as_bytes()), "{name}");
        }
        for name in [
            "",
            ".skc.json",
            "-.skc.json",
            ".tmp-1795196016452-0000deadbeef0123.skc.json",
            ".1795196016452-0000deadbeef0123.skc.json.swp",
            "1795196016452-0000deadbeef0123.skc.json~",
            "1795196016452-0000deadbeef0123.skc.json.tmp",
            "1795196016452-0000deadbeef0123.skc.json.part",
            "1795196016452-0000deadbeef0123.sync-conflict-20261120-170000-ABCDEFG.skc.json",
            "1795196016452-0000deadbeef0123.skc.sync-conflict-20261120-170000-ABCDEFG.json",
            "1795196016452-0000deadbeef0123 (conflicted copy 2026-11-20 170000).skc.json",
            "1795196016452-0000deadbeef0123(1).skc.json",
            "17951960164520000deadbeef0123.skc.json",
            "1795196016452-../../../etc/passwd.skc.json",
            "x795196016452-0000deadbeef0123.skc.json",
            "1795196016452-short.skc.json",
            "archive",
            "refused",
        ] {
            assert!(!is_message(name.as_bytes()), "{name}");
        }
        assert!(!is_message(b"1795196016452-0000dead\xff\xff0123.skc.json"));
    }

    proptest! {
        #[test]
        fn names_grow_whatever_the_clock_does(times in proptest::collection::vec(0u64..2_000_000_000_000, 1..100)) {
            let mut names = Names::default();
            let made: Vec<String> = times.iter().map(|ms| names.next(*ms, ms.wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
            prop_assert!(made.iter().all(|name| is_message(name.as_bytes())));
            prop_assert!(made.iter().all(|name| is_message(alternative(name, 7).as_bytes())));
            prop_assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    #[test]
    fn a_hundred_thousand_in_one_millisecond_still_grow() {
        let mut names = Names::default();
        let made: Vec<String> = (0..100_000).map(|n| names.next(1_795_196_016_452, n % 3)).collect();
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
