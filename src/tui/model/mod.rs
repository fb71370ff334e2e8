//! Everything the screen knows. It is changed in one place, `update`, and only looked at by drawing.

mod composer;
mod conversation;
mod health;
mod ledger;
mod notices;
mod overlay;
mod panes;
mod reported;
mod sidebar;
mod window;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use composer::Composer;
pub use conversation::{Anchor, ConversationView, Laid, Loading, Motion, Row, Separator};
pub use health::{FLASH_MS, Flash, Health, Shown};
pub use ledger::{Ledger, Story};
pub use notices::{LOG_MOST, LogEntry, LogRank, Notices, Toast};
pub use overlay::{
    Confirm, Confirmed, FileKey, Input, LogView, Overlay, PeerForm, Picker, PickerAction, PickerItem, Search,
    SearchProgress, Whose,
};
pub use panes::{Focus, Layout, PANES_MOST, Pane};
pub use reported::{Newer, Reported};
pub use sidebar::{Sidebar, SidebarRow, of_peer};
pub use window::{Side, WINDOW_MESSAGES, Window};

use crate::{
    delivery::{Policy, TransportId},
    identity::RoutingDefaults,
    node::{ConversationSummary, Message, NoticeLevel, Peer, SendRequest, Status, Transfer},
    tui::{
        keymap::{Hint, Key, Keymap},
        theme::Theme,
        view::Regions,
    },
    wire::{Conversation, EnvelopeId, Fingerprint, Mode, Timestamp},
};

/// Most conversations whose messages stay in memory; of the others only the draft and the place of the eye do.
pub const VIEWS_LOADED: usize = 12;
/// Most quoted messages remembered that are outside the windows.
const QUOTES_MOST: usize = 512;

/// A message on its way to the node; its text comes back into the composer if the node refuses it.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingSend {
    /// Where it was written.
    pub conversation: Conversation,
    /// What is to be sent.
    pub request: SendRequest,
}

/// A message that is quoted but not in memory with its conversation.
#[derive(Clone, Debug, PartialEq)]
pub enum Quoted {
    /// The node is being asked.
    Asked,
    /// Here it is.
    Known(Box<Message>),
    /// The node does not have it.
    Missing,
}

/// Everything the screen knows.
pub struct Model {
    /// Milliseconds since the program started; it never goes back.
    pub clock: u64,
    /// The time of the day, for what is shown.
    pub now: Timestamp,
    /// The zone times are shown in.
    pub zone: jiff::tz::TimeZone,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Whether the terminal has the focus, as far as it tells.
    pub attended: bool,
    /// How things look.
    pub theme: Theme,
    /// What keys do.
    pub keymap: Keymap,
    /// Only ASCII may be drawn.
    pub ascii: bool,
    /// Nothing may flash.
    pub reduced_motion: bool,
    /// The node at a glance, as last told.
    pub status: Option<Status>,
    /// When the node is asked for it again, in milliseconds of the clock, because messages moved on.
    pub status_due: Option<u64>,
    /// What the node reported since it was asked for something.
    pub reported: Reported,
    /// The node stopped: what is on the screen stays, nothing can be sent.
    pub gone: bool,
    /// Peers in the order of their names.
    pub peers: Vec<Peer>,
    /// All conversations.
    pub conversations: BTreeMap<Conversation, ConversationSummary>,
    /// Conversations that were looked at.
    pub views: BTreeMap<Conversation, ConversationView>,
    /// The list of peers and threads.
    pub sidebar: Sidebar,
    /// The transports.
    pub health: Health,
    /// Attempts and plans of single messages.
    pub ledger: Ledger,
    /// The topmost line of the path view.
    pub path_top: usize,
    /// Toasts and the log.
    pub notices: Notices,
    /// Panes and their sizes.
    pub layout: Layout,
    /// Whether the focused pane has the whole screen.
    pub zoomed: bool,
    /// Where the keys go while nothing lies over the panes.
    pub focus: Focus,
    /// What lies over the panes, the topmost last.
    pub overlays: Vec<Overlay>,
    /// Keys of an unfinished sequence.
    pub pending_keys: Vec<Key>,
    /// What could follow them.
    pub hints: Vec<Hint>,
    /// The peer whose conversation is opened as soon as the peer is known; none once that is done.
    pub open_first: Option<String>,
    /// Whether the node goes on when this screen ends.
    pub attached: bool,
    /// Whether this is the demonstration.
    pub demo: bool,
    /// Transports the user knocked out in the demonstration.
    pub knocked: BTreeSet<TransportId>,
    /// Messages the node has not answered for yet.
    pub sends: BTreeMap<u64, PendingSend>,
    /// Quoted messages that are not in memory with their conversation.
    pub quotes: BTreeMap<EnvelopeId, Quoted>,
    quotes_order: VecDeque<EnvelopeId>,
    /// Files on their way, by the other end and the message that offers them.
    pub transfers: BTreeMap<FileKey, Transfer>,
    /// The folder that is shown while a path is typed, and what is in it.
    pub listed: Option<(String, Vec<String>)>,
    /// Where things are on the screen, as last drawn.
    pub regions: Regions,
    /// Something changed that may be on the screen.
    pub dirty: bool,
    /// Numbers handed out for sends and searches.
    pub serial: u64,
    /// Makes envelope ids: fresh random in the program, fixed in tests.
    pub random: Box<dyn FnMut() -> [u8; 16] + Send>,
}

impl Model {
    /// An empty screen.
    pub fn new(theme: Theme, keymap: Keymap) -> Self {
        Self {
            clock: 0,
            now: Timestamp::default(),
            zone: jiff::tz::TimeZone::UTC,
            size: (80, 24),
            attended: true,
            theme,
            keymap,
            ascii: false,
            reduced_motion: false,
            status: None,
            status_due: None,
            gone: false,
            peers: Vec::new(),
            conversations: BTreeMap::new(),
            views: BTreeMap::new(),
            sidebar: Sidebar::default(),
            health: Health::default(),
            ledger: Ledger::default(),
            path_top: 0,
            notices: Notices::default(),
            layout: Layout::default(),
            zoomed: false,
            focus: Focus::Peers,
            overlays: Vec::new(),
            pending_keys: Vec::new(),
            hints: Vec::new(),
            open_first: None,
            attached: false,
            demo: false,
            knocked: BTreeSet::new(),
            sends: BTreeMap::new(),
            quotes: BTreeMap::new(),
            quotes_order: VecDeque::new(),
            transfers: BTreeMap::new(),
            reported: Reported::default(),
            listed: None,
            regions: Regions::default(),
            dirty: true,
            serial: 0,
            random: Box::new(rand::random),
        }
    }

    /// Lets time pass; the clock never goes back.
    pub fn set_time(&mut self, clock: u64, now: Timestamp) {
        self.clock = self.clock.max(clock);
        self.now = now;
    }

    /// A number that was not handed out before.
    pub fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// The conversation of the focused pane.
    pub fn current(&self) -> Option<&Conversation> {
        self.layout.pane().conversation.as_ref()
    }

    /// The view of the focused pane.
    pub fn view(&self) -> Option<&ConversationView> {
        self.views.get(self.current()?)
    }

    /// The view of the focused pane, to be changed.
    pub fn view_mut(&mut self) -> Option<&mut ConversationView> {
        let conversation = self.layout.pane().conversation.clone()?;
        Some(self.views.entry(conversation).or_default())
    }

    /// The composer the keys go to.
    pub fn composer_mut(&mut self) -> Option<&mut Composer> {
        Some(&mut self.view_mut()?.composer)
    }

    /// The selected message of the focused pane.
    pub fn selected_message(&self) -> Option<&Message> {
        self.view()?.selected_message()
    }

    /// The peer with that key.
    pub fn peer_of(&self, key: &Fingerprint) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.fingerprint.as_ref() == Some(key))
    }

    /// The peer of that name.
    pub fn peer_named(&self, name: &str) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.name.as_str() == name)
    }

    /// The peer of the focused pane's conversation.
    pub fn current_peer(&self) -> Option<&Peer> {
        self.peer_of(&self.current()?.peer)
    }

    /// The peer a command without a name means: that of the trust panel, of the selected line, of the conversation.
    pub fn meant_peer(&self) -> Option<&Peer> {
        if let Some(Overlay::Trust { whose: Whose::Peer(name), .. }) = self.overlays.last() {
            return self.peer_named(name);
        }
        if self.focus == Focus::Peers && self.overlays.is_empty() {
            return match self.sidebar.rows.get(self.sidebar.selected)? {
                SidebarRow::Peer { name, .. } => self.peer_named(name),
                SidebarRow::Thread { conversation, .. } => self.peer_of(&conversation.peer),
                SidebarRow::Requests { .. } => None,
            };
        }
        self.current_peer()
    }

    /// How a peer is called on the screen: its name, else what the conversation says, else its key.
    pub fn name_of(&self, key: &Fingerprint) -> String {
        if let Some(peer) = self.peer_of(key) {
            return peer.name.as_str().to_owned();
        }
        let summary = self.conversations.values().find(|c| c.conversation.peer == *key && !c.peer_name.is_empty());
        // What an unknown sender calls itself is worth nothing without the key.
        summary.map_or_else(|| key.short(), |c| format!("{} ({})", key.short(), c.peer_name))
    }

    /// The way the next message of a conversation goes: as chosen there, else by default.
    pub fn mode_for(&self, conversation: &Conversation) -> Mode {
        let chosen = self.views.get(conversation).and_then(|view| view.composer.mode);
        chosen.or_else(|| self.default_for(conversation, |said| said.mode)).unwrap_or_default()
    }

    /// Which of the usable paths go first for the next message of a conversation: as chosen there, else by default.
    pub fn policy_for(&self, conversation: &Conversation) -> Policy {
        let chosen = self.views.get(conversation).and_then(|view| view.composer.policy);
        chosen.or_else(|| self.default_for(conversation, |said| said.policy)).unwrap_or_default()
    }

    /// What is said first: by the thread, by its peer, by the node.
    fn default_for<T>(&self, at: &Conversation, said: impl Fn(&RoutingDefaults) -> Option<T>) -> Option<T> {
        let peer = self.peer_of(&at.peer);
        let thread = peer.and_then(|peer| peer.threads.get(&at.thread_id));
        let node = self.status.as_ref().map(|status| &status.defaults);
        [thread, peer.map(|peer| &peer.defaults), node].into_iter().flatten().find_map(said)
    }

    /// The files on their way and those that ended, as they are listed: those that go on first, then the newest first.
    pub fn listed_transfers(&self) -> Vec<&Transfer> {
        let mut all: Vec<&Transfer> = self.transfers.values().collect();
        all.sort_by_key(|t| (t.state.is_final(), std::cmp::Reverse(t.since), t.transfer));
        all
    }

    /// Peers whose key wants to change and waits for the user's word.
    pub fn conflicts(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().filter(|peer| peer.conflict.is_some())
    }

    /// Unread messages in all conversations.
    pub fn unread(&self) -> u64 {
        self.conversations.values().map(|c| c.unread).sum()
    }

    /// Shows a toast and writes it to the log.
    pub fn notice(&mut self, level: NoticeLevel, text: impl AsRef<str>) {
        self.notices.show(self.now, self.clock, level, text);
    }

    /// Remembers a quoted message, or that it is asked for; the oldest is forgotten when there are too many.
    pub fn quote(&mut self, id: EnvelopeId, quoted: Quoted) {
        if self.quotes.insert(id, quoted).is_none() {
            self.quotes_order.push_back(id);
            if self.quotes_order.len() > QUOTES_MOST
                && let Some(oldest) = self.quotes_order.pop_front()
            {
                self.quotes.remove(&oldest);
            }
        }
    }

    /// A message by its id, wherever it is in memory.
    pub fn find_message(&self, id: &EnvelopeId) -> Option<&Message> {
        self.views.values().find_map(|view| view.window.find(id)).or_else(|| match self.quotes.get(id)? {
            Quoted::Known(message) => Some(message.as_ref()),
            _ => None,
        })
    }

    /// Whether a conversation is in a pane that is on the screen.
    pub fn is_on_screen(&self, conversation: &Conversation) -> bool {
        self.regions
            .panes
            .iter()
            .any(|pane| self.layout.panes.get(pane.index).and_then(|p| p.conversation.as_ref()) == Some(conversation))
    }

    /// Keeps the peers in the order of their names and the list in step with them.
    pub fn arrange_peers(&mut self) {
        self.peers.sort_by_key(|peer| peer.name.as_str().to_lowercase());
        self.sidebar.rebuild(&self.peers, &self.conversations);
    }
}
