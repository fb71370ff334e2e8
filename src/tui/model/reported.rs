//! What the node reported while an answer was on its way.

use std::collections::BTreeSet;

use super::FileKey;
use crate::{
    delivery::TransportId,
    wire::{Conversation, SafeText},
};

/// Answers and reports of the node come on two ways, so that a report may overtake an answer that was given before it. What was
/// reported since a question went out stays as reported.
#[derive(Debug, Default)]
pub struct Reported {
    /// Questions without an answer so far.
    open: usize,
    /// Peers, by name.
    pub peers: Newer<SafeText>,
    /// Conversations.
    pub conversations: Newer<Conversation>,
    /// Transports.
    pub transports: Newer<TransportId>,
    /// Files on their way.
    pub files: Newer<FileKey>,
}

impl Reported {
    /// A question goes out.
    pub fn ask(&mut self) {
        if self.open == 0 {
            *self = Self::default();
        }
        self.open += 1;
    }

    /// The answer to a question came, or it never will.
    pub fn answered(&mut self) {
        self.open = self.open.saturating_sub(1);
    }
}

/// Of what there are reports that are newer than any answer that is still to come.
#[derive(Debug)]
pub struct Newer<K>(BTreeSet<K>);

impl<K> Default for Newer<K> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<K: Ord> Newer<K> {
    /// Something was reported, its end included.
    pub fn report(&mut self, key: K) {
        self.0.insert(key);
    }

    /// Whether an answer says nothing new of it.
    pub fn contains(&self, key: &K) -> bool {
        self.0.contains(key)
    }

    /// Takes an answer that names all there is: what was reported stays as it is known (or stays away).
    pub fn merge<V>(&self, known: Vec<V>, answered: Vec<V>, key: impl Fn(&V) -> K) -> Vec<V> {
        let mut all = answered;
        all.retain(|value| !self.contains(&key(value)));
        all.extend(known.into_iter().filter(|value| self.contains(&key(value))));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_reported_since_the_question_stays() {
        let mut reported = Reported::default();
        let merge = |reported: &Reported, known: &[(&str, char)], answered: &[(&str, char)]| {
            let name = |peer: &(&str, char)| SafeText::line(peer.0);
            let all = reported.peers.merge(known.to_vec(), answered.to_vec(), name);
            all.iter().map(|(name, from)| format!("{name}:{from}")).collect::<Vec<_>>().join(" ")
        };
        let peer = |name: &str| SafeText::line(name);
        reported.peers.report(peer("a"));
        reported.ask();
        assert_eq!(merge(&reported, &[("a", 'k')], &[("a", 'x'), ("b", 'x')]), "a:x b:x", "reported before");
        reported.peers.report(peer("a"));
        reported.peers.report(peer("c"));
        let answered = [("a", 'x'), ("b", 'x'), ("c", 'x')];
        assert_eq!(merge(&reported, &[("a", 'k')], &answered), "b:x a:k", "c went away");
        reported.ask();
        reported.answered();
        reported.answered();
        assert_eq!(merge(&reported, &[("a", 'k')], &[("a", 'x')]), "a:k");
        reported.ask();
        assert_eq!(merge(&reported, &[("a", 'k')], &[("a", 'x')]), "a:x", "a new question");
    }
}
