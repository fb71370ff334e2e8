//! Fuzzy finding for the palette and the switcher, and "did you mean" for errors.

use std::ops::Range;

use nucleo_matcher::{
    Config, Matcher, Utf32Str,
    pattern::{CaseMatching, Normalization, Pattern},
};
use unicode_segmentation::UnicodeSegmentation;

/// Longest part of a candidate that is looked at, in bytes; names and commands are far shorter.
const CANDIDATE_BYTES: usize = 1024;
/// Longest part of a needle that is used, in bytes.
const NEEDLE_BYTES: usize = 128;

/// A fuzzy matcher with its working memory (about 135 kB); keep one and use it again.
pub struct Fuzzy {
    matcher: Matcher,
}

/// One candidate that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// Which candidate, counted from 0 in the order given.
    pub index: usize,
    /// How well; higher is better.
    pub score: u32,
    /// The matched parts as byte ranges of the candidate, in order, for highlighting.
    pub ranges: Vec<Range<usize>>,
}

impl Default for Fuzzy {
    fn default() -> Self {
        Self::new()
    }
}

impl Fuzzy {
    /// A matcher.
    pub fn new() -> Self {
        Self { matcher: Matcher::new(Config::DEFAULT) }
    }

    /// The candidates that match all words of `needle`, best first, at most `limit`; equal ones stay in the
    /// order given. An empty needle matches everything with score 0. Lower-case letters match both cases.
    pub fn rank<'a>(
        &mut self,
        needle: &str,
        candidates: impl IntoIterator<Item = &'a str>,
        limit: usize,
    ) -> Vec<Match> {
        let pattern = Pattern::parse(cut(needle, NEEDLE_BYTES), CaseMatching::Smart, Normalization::Smart);
        let mut buffer = Vec::new();
        let mut found: Vec<(Match, &str)> = Vec::new();
        for (index, candidate) in candidates.into_iter().enumerate() {
            let candidate = cut(candidate, CANDIDATE_BYTES);
            if let Some(score) = pattern.score(Utf32Str::new(candidate, &mut buffer), &mut self.matcher) {
                found.push((Match { index, score, ranges: Vec::new() }, candidate));
            }
        }
        found.sort_by_key(|(hit, _)| std::cmp::Reverse(hit.score));
        found.truncate(limit);
        found.into_iter().map(|(hit, text)| Match { ranges: self.ranges(&pattern, text), ..hit }).collect()
    }

    fn ranges(&mut self, pattern: &Pattern, text: &str) -> Vec<Range<usize>> {
        let (mut buffer, mut indices) = (Vec::new(), Vec::new());
        pattern.indices(Utf32Str::new(text, &mut buffer), &mut self.matcher, &mut indices);
        indices.sort_unstable();
        indices.dedup();
        let mut wanted = indices.into_iter().peekable();
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for (number, (start, grapheme)) in text.grapheme_indices(true).enumerate() {
            if wanted.next_if(|index| *index as usize == number).is_none() {
                continue;
            }
            let end = start + grapheme.len();
            match ranges.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => ranges.push(start..end),
            }
        }
        ranges
    }
}

/// The candidates that `typed` was most likely meant to be, best first, at most `limit`: those within a few
/// slips of the finger, then those that hold it as a part.
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>, limit: usize) -> Vec<&'a str> {
    let typed = cut(typed, NEEDLE_BYTES).to_lowercase();
    if typed.is_empty() {
        return Vec::new();
    }
    let allowed = (typed.chars().count() / 3).max(2);
    let mut found: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            let slips = slips(&typed, &lower);
            if slips <= allowed {
                return Some((slips, candidate));
            }
            // A whole part counts more than a fragment of one, the beginning more than the end.
            let at = lower.find(&typed)?;
            Some((allowed + 1 + usize::from(!lower.split('.').any(|part| part == typed)) + at, candidate))
        })
        .collect();
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().take(limit).map(|(_, candidate)| candidate).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours between two short strings.
fn slips(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = row[j] + usize::from(x != y);
            let mut best = replaced.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(0)
}

fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_best_comes_first_and_is_marked() {
        let names = ["unread.prev", "app.quit", "unread.next", "pane.next"];
        let found = Fuzzy::new().rank("unnext", names, 10);
        assert_eq!(found[0].index, 2);
        assert_eq!(found[0].ranges, [0..2, 7..11]);
        assert_eq!(found.len(), 1);
        assert_eq!(Fuzzy::new().rank("", names, 3).iter().map(|hit| hit.index).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn words_match_in_any_order_and_over_accents() {
        let found = Fuzzy::new().rank("kasten blau", ["blauer Kästen", "roter Kasten"], 10);
        assert_eq!(found.iter().map(|hit| hit.index).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn nearest_forgives_slips() {
        let names = ["unread.next", "unread.prev", "mode.set", "theme.set"];
        assert_eq!(nearest("unraed.next", names, 1), ["unread.next"]);
        assert_eq!(nearest("mode", names, 3), ["mode.set"]);
        assert_eq!(nearest("xyzzy-nothing", names, 3), Vec::<&str>::new());
        assert_eq!(slips("ab", "ba"), 1);
        assert_eq!(slips("kitten", "sitting"), 3);
    }

    proptest! {
        #[test]
        fn ranges_are_slices_in_order(needle in ".{0,6}", text in ".{0,40}") {
            for hit in Fuzzy::new().rank(&needle, [text.as_str()], 1) {
                let mut end = 0;
                for range in hit.ranges {
                    prop_assert!(range.start >= end && text.get(range.clone()).is_some());
                    end = range.end;
                }
            }
        }
    }
}
