//! The loop breaker: two programs that answer each other for ever are stopped, people never.
//!
//! Two signs count. *Ping-pong*: strictly one message from here, one from there, more turns in a short time than people
//! take. *A chain*: each message answers by id the one before it, more links than a talk has in which nobody but programs
//! takes part. What a person here writes ends both counts. Once a conversation is stopped it stays so until the user lets
//! it go on.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use crate::{
    home::Limits,
    wire::{Conversation, EnvelopeId, Fingerprint},
};

/// Most conversations that are watched; the one that was quiet for the longest time is forgotten first.
const WATCHED_MAX: usize = 4_096;
/// Messages of a conversation that are remembered, to find what an answer answers.
const REMEMBERED: usize = 64;
/// How long a chain may rest before its next link counts as a new beginning.
const CHAIN_REST: Duration = Duration::from_secs(24 * 3_600);

/// A message of a conversation, as far as loops are concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) id: EnvelopeId,
    pub(super) in_reply_to: Option<EnvelopeId>,
    /// Monotonic time.
    pub(super) at: Duration,
}

/// What to do with a message that is about to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    /// The conversation is stopped with this message.
    Trip,
    /// The conversation was stopped before.
    Stopped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

/// One conversation.
#[derive(Debug, Default)]
struct Track {
    last: Option<Way>,
    latest: Duration,
    /// When answers were given without a break in the alternation, the newest last.
    turns: VecDeque<Duration>,
    /// The newest messages: how many links of a chain each ends, and when.
    chain: VecDeque<(EnvelopeId, u32, Duration)>,
    stopped: bool,
}

impl Track {
    fn links(&self, link: &Link) -> u32 {
        let parent = link.in_reply_to.and_then(|parent| self.chain.iter().rev().find(|(id, ..)| *id == parent));
        let fresh = parent.filter(|(_, _, at)| link.at.saturating_sub(*at) < CHAIN_REST);
        fresh.map_or(0, |(_, links, _)| links.saturating_add(1))
    }

    fn remember(&mut self, link: &Link, links: u32, way: Way) {
        if self.chain.len() == REMEMBERED {
            self.chain.pop_front();
        }
        self.chain.push_back((link.id, links, link.at));
        (self.last, self.latest) = (Some(way), link.at);
    }

    fn knows(&self, id: &EnvelopeId) -> bool {
        self.chain.iter().any(|(known, ..)| known == id)
    }
}

/// Watches conversations.
#[derive(Debug)]
pub(super) struct Loops {
    turns: usize,
    window: Duration,
    links: u32,
    watched: BTreeMap<Conversation, Track>,
}

impl Loops {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            turns: limits.loop_turns,
            window: Duration::from_secs(limits.loop_seconds),
            links: limits.loop_chain,
            watched: BTreeMap::new(),
        }
    }

    fn track(&mut self, conversation: &Conversation) -> &mut Track {
        if self.watched.len() >= WATCHED_MAX && !self.watched.contains_key(conversation) {
            let idle = self.watched.iter().filter(|(_, track)| !track.stopped);
            let oldest = idle.min_by_key(|(_, track)| track.latest).map(|(conversation, _)| conversation.clone());
            if let Some(oldest) = oldest {
                self.watched.remove(&oldest);
            }
        }
        self.watched.entry(conversation.clone()).or_default()
    }

    /// A message came in.
    pub(super) fn incoming(&mut self, conversation: &Conversation, link: &Link) {
        let track = self.track(conversation);
        if track.last == Some(Way::In) {
            track.turns.clear();
        }
        let links = track.links(link);
        track.remember(link, links, Way::In);
    }

    /// A message is about to be sent.
    pub(super) fn outgoing(&mut self, conversation: &Conversation, link: &Link, by_person: bool) -> Verdict {
        let (turns, window, most) = (self.turns, self.window, self.links);
        let track = self.track(conversation);
        if track.knows(&link.id) {
            // A face repeats a send: it is stored once, and counts once.
            return Verdict::Pass;
        }
        if by_person {
            track.turns.clear();
            track.remember(link, 0, Way::Out);
            return Verdict::Pass;
        }
        if track.stopped {
            return Verdict::Stopped;
        }
        if track.last == Some(Way::In) {
            track.turns.push_back(link.at);
        } else {
            track.turns.clear();
        }
        while track.turns.front().is_some_and(|first| link.at.saturating_sub(*first) > window) {
            track.turns.pop_front();
        }
        let links = track.links(link);
        track.stopped = (turns > 0 && track.turns.len() > turns) || (most > 0 && links > most);
        track.remember(link, links, Way::Out);
        if track.stopped { Verdict::Trip } else { Verdict::Pass }
    }

    /// What an earlier run stopped stays stopped.
    pub(super) fn stop(&mut self, conversation: &Conversation) {
        self.track(conversation).stopped = true;
    }

    /// Lets a conversation go on, as if it had just begun.
    pub(super) fn release(&mut self, conversation: &Conversation) {
        self.watched.remove(conversation);
    }

    /// Lets all of one peer, or of everybody, go on.
    pub(super) fn release_all(&mut self, peer: Option<Fingerprint>) {
        self.watched.retain(|conversation, _| peer.is_some_and(|peer| conversation.peer != peer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversation() -> Conversation {
        Conversation { peer: Fingerprint::from_bytes(&[7; 20]).unwrap(), thread_id: "build".parse().unwrap() }
    }

    fn loops(turns: usize, chain: u32) -> Loops {
        Loops::new(&Limits { loop_turns: turns, loop_seconds: 300, loop_chain: chain, ..Limits::default() })
    }

    fn link(n: u64, answers: Option<u64>, at: u64) -> Link {
        let id = |n: u64| {
            let mut raw = [1; 16];
            raw[..6].copy_from_slice(&n.to_be_bytes()[2..]);
            EnvelopeId::from_random(raw)
        };
        Link { id: id(n), in_reply_to: answers.map(id), at: Duration::from_millis(at) }
    }

    /// Strict alternation, one turn every `pace` milliseconds; after how many answers it is stopped.
    fn ping_pong(loops: &mut Loops, pace: u64, turns: u64) -> Option<u64> {
        (0..turns).find(|n| {
            loops.incoming(&conversation(), &link(2 * n, None, n * pace));
            loops.outgoing(&conversation(), &link(2 * n + 1, None, n * pace + 1), false) != Verdict::Pass
        })
    }

    #[test]
    fn machines_that_answer_each_other_at_once_are_stopped_until_released() {
        let mut loops = loops(60, 50);
        assert_eq!(ping_pong(&mut loops, 100, 1_000), Some(60));
        let next = link(9_001, None, 999_999_999);
        assert_eq!(loops.outgoing(&conversation(), &next, false), Verdict::Stopped);
        assert_eq!(loops.outgoing(&conversation(), &link(9_002, None, 0), true), Verdict::Pass, "a person may write");
        loops.release(&conversation());
        assert_eq!(loops.outgoing(&conversation(), &next, false), Verdict::Pass);
    }

    #[test]
    fn a_chain_of_answers_is_stopped_however_slow_it_is() {
        let mut loops = loops(60, 50);
        let hour = 3_600_000;
        let stopped = (0..500_u64).find(|n| {
            let before = (2 * n).checked_sub(1);
            loops.incoming(&conversation(), &link(2 * n, before, n * hour));
            loops.outgoing(&conversation(), &link(2 * n + 1, Some(2 * n), n * hour + 1), false) != Verdict::Pass
        });
        assert_eq!(stopped, Some(25));
    }

    #[test]
    fn ordinary_talk_is_never_stopped() {
        // A person who asks a program something every six seconds, for an hour.
        assert_eq!(ping_pong(&mut loops(60, 50), 6_000, 600), None);
        // Two people who answer by id and at once.
        let mut both = loops(60, 50);
        for n in 0..500 {
            both.incoming(&conversation(), &link(2 * n, (2 * n).checked_sub(1), n * 100));
            let answer = link(2 * n + 1, Some(2 * n), n * 100 + 1);
            assert_eq!(both.outgoing(&conversation(), &answer, true), Verdict::Pass);
        }
        // Programs that stream to each other without answering.
        let mut streams = loops(60, 50);
        for n in 0..3_000_u64 {
            let pass = if n % 3 == 0 {
                streams.incoming(&conversation(), &link(n, None, n));
                true
            } else {
                streams.outgoing(&conversation(), &link(n, None, n), false) == Verdict::Pass
            };
            assert!(pass, "{n}");
        }
    }

    #[test]
    fn zero_switches_it_off_and_what_is_kept_is_bounded() {
        assert_eq!(ping_pong(&mut loops(0, 0), 1, 2_000), None);
        let mut loops = loops(60, 50);
        for n in 0..(WATCHED_MAX + 100) {
            let thread_id = format!("t{n}").parse().unwrap();
            loops.incoming(&Conversation { thread_id, ..conversation() }, &link(n as u64, None, n as u64));
        }
        assert_eq!(loops.watched.len(), WATCHED_MAX);
        ping_pong(&mut loops, 100_000, 500);
        let track = &loops.watched[&conversation()];
        assert!(track.chain.len() <= REMEMBERED && track.turns.len() <= 60);
    }

    #[test]
    fn a_repeated_send_counts_once() {
        let mut loops = loops(1, 0);
        loops.incoming(&conversation(), &link(1, None, 1));
        for _ in 0..5 {
            assert_eq!(loops.outgoing(&conversation(), &link(2, None, 2), false), Verdict::Pass);
        }
    }
}
