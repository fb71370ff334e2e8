//! The list of peers and threads.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    node::{ConversationSummary, Peer},
    wire::{Conversation, Fingerprint},
};

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SidebarRow {
    /// A peer, by its name.
    Peer {
        /// The local name: unique among the peers.
        name: String,
        /// Its unread messages in all threads.
        unread: u64,
        /// Whether threads follow or could be unfolded.
        threads: usize,
    },
    /// A thread of the peer above, or of an unknown sender.
    Thread {
        /// Which.
        conversation: Conversation,
        /// Unread messages.
        unread: u64,
    },
    /// The heading over strangers who wait to be accepted, and conversations of senders who are no peers (any more).
    Requests {
        /// How many.
        count: usize,
    },
}

/// The list and where the eye is in it.
#[derive(Debug, Default)]
pub struct Sidebar {
    /// The lines, from the top.
    pub rows: Vec<SidebarRow>,
    /// The selected line.
    pub selected: usize,
    /// Peers whose threads are folded away, by name.
    pub folded: BTreeSet<String>,
}

impl Sidebar {
    /// Makes the lines anew; the selection stays on the same thing.
    pub fn rebuild(&mut self, peers: &[Peer], conversations: &BTreeMap<Conversation, ConversationSummary>) {
        let selected = self.rows.get(self.selected).map(identity);
        self.rows.clear();
        let mut known: BTreeSet<Fingerprint> = BTreeSet::new();
        let (strangers, accepted): (Vec<&Peer>, Vec<&Peer>) = peers.iter().partition(|peer| peer.request);
        for peer in accepted {
            self.push_peer(peer, conversations, &mut known);
        }
        let keys: BTreeSet<Fingerprint> = peers.iter().filter_map(|peer| peer.fingerprint).collect();
        let unknown: Vec<_> = conversations.values().filter(|c| !keys.contains(&c.conversation.peer)).collect();
        if strangers.len() + unknown.len() > 0 {
            self.rows.push(SidebarRow::Requests { count: strangers.len() + unknown.len() });
            for peer in strangers {
                self.push_peer(peer, conversations, &mut known);
            }
            self.rows.extend(unknown.into_iter().map(thread_row));
        }
        let place = selected.and_then(|key| self.rows.iter().position(|row| identity(row) == key));
        self.selected = place.unwrap_or(self.selected).min(self.rows.len().saturating_sub(1));
    }

    /// A peer and, where there are several or named ones, its threads. A key that two peers claim counts once.
    fn push_peer(
        &mut self,
        peer: &Peer,
        conversations: &BTreeMap<Conversation, ConversationSummary>,
        known: &mut BTreeSet<Fingerprint>,
    ) {
        let name = peer.name.as_str().to_owned();
        let threads: Vec<&ConversationSummary> = match peer.fingerprint {
            Some(key) if known.insert(key) => of_peer(conversations, key).collect(),
            _ => Vec::new(),
        };
        let unread = threads.iter().map(|t| t.unread).sum();
        let several = threads.len() > 1 || threads.iter().any(|t| t.conversation.thread_id.as_str() != "general");
        let count = if several { threads.len() } else { 0 };
        let folded = self.folded.contains(&name);
        self.rows.push(SidebarRow::Peer { name, unread, threads: count });
        if several && !folded {
            self.rows.extend(threads.iter().map(|t| thread_row(t)));
        }
    }

    /// Selects the line of a conversation, or of its peer where its threads are not shown.
    pub fn select(&mut self, conversation: &Conversation, peer: Option<&str>) {
        let thread = |row: &SidebarRow| matches!(row, SidebarRow::Thread { conversation: c, .. } if c == conversation);
        let whole = |row: &SidebarRow| matches!(row, SidebarRow::Peer { name, .. } if Some(name.as_str()) == peer);
        if let Some(index) = self.rows.iter().position(thread).or_else(|| self.rows.iter().position(whole)) {
            self.selected = index;
        }
    }
}

/// The threads of one peer, in the order of their names.
pub fn of_peer(
    conversations: &BTreeMap<Conversation, ConversationSummary>,
    peer: Fingerprint,
) -> impl Iterator<Item = &ConversationSummary> {
    conversations.values().filter(move |c| c.conversation.peer == peer)
}

fn thread_row(summary: &ConversationSummary) -> SidebarRow {
    SidebarRow::Thread { conversation: summary.conversation.clone(), unread: summary.unread }
}

/// What makes a line the same line after a rebuild.
fn identity(row: &SidebarRow) -> (u8, String, Option<Conversation>) {
    match row {
        SidebarRow::Peer { name, .. } => (0, name.clone(), None),
        SidebarRow::Thread { conversation, .. } => (1, String::new(), Some(conversation.clone())),
        SidebarRow::Requests { .. } => (2, String::new(), None),
    }
}
