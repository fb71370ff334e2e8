//! What lies over the panes: at most a few views, the topmost gets the keys, Esc takes it away.

use crate::{
    delivery::TransportId,
    node::{Message, RoutePlan},
    tui::command::{Cmd, LogLevel},
    wire::{Conversation, EnvelopeId, Fingerprint},
};

/// Names a transfer: the other end, and the message that offers the file.
pub type FileKey = (Fingerprint, EnvelopeId);

/// A line of text that is typed into an overlay, with a cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    before: String,
    after: String,
}

/// Most bytes in an [`Input`]; a longer paste is cut.
const INPUT_BYTES: usize = 64 * 1024;

impl Input {
    /// Holding `text`, the cursor at its end.
    pub fn new(text: &str) -> Self {
        let mut input = Self::default();
        input.insert(text);
        input
    }

    /// The text.
    pub fn text(&self) -> String {
        format!("{}{}", self.before, self.after)
    }

    /// The text before the cursor.
    pub fn before(&self) -> &str {
        &self.before
    }

    /// Types text at the cursor; line ends become blanks, other control characters are left out.
    pub fn insert(&mut self, text: &str) {
        for c in text.chars().map(|c| if matches!(c, '\n' | '\t') { ' ' } else { c }).filter(|c| !c.is_control()) {
            if self.before.len() + self.after.len() + c.len_utf8() > INPUT_BYTES {
                return;
            }
            self.before.push(c);
        }
    }

    /// Removes the character before the cursor; whether there was one.
    pub fn backspace(&mut self) -> bool {
        self.before.pop().is_some()
    }

    /// Removes the character after the cursor.
    pub fn delete(&mut self) {
        let mut rest = self.after.chars();
        rest.next();
        self.after = rest.as_str().to_owned();
    }

    /// Removes the word before the cursor.
    pub fn delete_word(&mut self) {
        let kept = self.before.trim_end();
        let end = kept.rfind(' ').map_or(0, |i| i + 1);
        self.before.truncate(end);
    }

    /// Removes everything before the cursor.
    pub fn delete_to_start(&mut self) {
        self.before.clear();
    }

    /// Moves the cursor one character to the left.
    pub fn left(&mut self) {
        if let Some(c) = self.before.pop() {
            self.after.insert(0, c);
        }
    }

    /// Moves the cursor one character to the right.
    pub fn right(&mut self) {
        if let Some(c) = self.after.chars().next() {
            self.before.push(c);
            self.delete();
        }
    }

    /// Moves the cursor to the start.
    pub fn home(&mut self) {
        self.after = self.text();
        self.before.clear();
    }

    /// Moves the cursor to the end.
    pub fn end(&mut self) {
        self.before = self.text();
        self.after.clear();
    }
}

/// One line of a picker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PickerItem {
    /// What is matched and shown first.
    pub label: String,
    /// What stands beside it: a help line, a state.
    pub note: String,
    /// What stands at the right: keys, a count.
    pub right: String,
    /// What accepting it does.
    pub action: PickerAction,
    /// The matched parts of the label, as byte ranges.
    pub matched: Vec<std::ops::Range<usize>>,
}

/// What accepting a line of a picker does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PickerAction {
    /// Runs a command.
    Run(Cmd),
    /// Puts this text into the input, for arguments to follow.
    Fill(String),
    /// Goes to a conversation.
    Open(Conversation),
    /// Goes to a peer that has no conversation yet, by its name.
    Peer(String),
}

/// A list that is narrowed by typing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picker {
    /// What is typed.
    pub input: Input,
    /// What fits, best first.
    pub items: Vec<PickerItem>,
    /// The selected line.
    pub selected: usize,
    /// Why what is typed cannot be run, or what is expected next.
    pub hint: Option<String>,
}

/// A search through the messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Search {
    /// What is typed.
    pub input: Input,
    /// Only in this conversation.
    pub scope: Option<Conversation>,
    /// The running or last search.
    pub id: u64,
    /// What was found, newest first.
    pub hits: Vec<Message>,
    /// The selected hit.
    pub selected: usize,
    /// How the search stands.
    pub progress: SearchProgress,
    /// When to start it, in milliseconds of the model's clock: a pause in the typing.
    pub due: Option<u64>,
}

/// How a search stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SearchProgress {
    /// Nothing was asked.
    #[default]
    Idle,
    /// Hits are coming.
    Running,
    /// All hits are here.
    Done {
        /// Whether the limit cut it short.
        more: bool,
    },
    /// The node could not search.
    Failed,
}

/// A question before something is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirm {
    /// What is asked.
    pub question: String,
    /// What will be lost.
    pub loses: String,
    /// What is done on yes.
    pub then: Confirmed,
}

/// What a confirmation leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// The command, without asking again.
    Run(Cmd),
    /// That transfer is given up or refused, whatever is selected by then.
    GiveUpFile(Fingerprint, EnvelopeId),
}

/// The log view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogView {
    /// Only lines of this level and graver ones.
    pub level: LogLevel,
    /// Only what concerns keys and forgery.
    pub security: bool,
    /// Lines scrolled up from the newest.
    pub up: usize,
}

/// The form for a new peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerForm {
    /// Name, FQID, certificate (a file's path or the armored text), routes (`transport=address ...`).
    pub fields: [Input; 4],
    /// The field that is typed into.
    pub field: usize,
    /// What is wrong with it.
    pub error: Option<String>,
}

impl PeerForm {
    /// What stands before each field.
    pub const LABELS: [&'static str; 4] = ["Name", "FQID", "Certificate", "Routes"];
}

/// Whose key the trust panel shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Our own.
    Mine,
    /// A peer's, by name.
    Peer(String),
}

/// One view over the panes.
#[derive(Clone, Debug, PartialEq)]
pub enum Overlay {
    /// Commands.
    Palette(Picker),
    /// Conversations.
    Switcher(Picker),
    /// Full-text search.
    Search(Search),
    /// The help; only the keys when `keys`.
    Help {
        /// Whether to show every key binding rather than what is valid here.
        keys: bool,
        /// The topmost line.
        top: usize,
    },
    /// The log.
    Log(LogView),
    /// A key and its history.
    Trust {
        /// Whose.
        whose: Whose,
        /// The topmost line.
        top: usize,
    },
    /// A question.
    Confirm(Confirm),
    /// What is not yet delivered.
    Queue {
        /// The messages; none until the node answered.
        messages: Option<Vec<Message>>,
        /// The selected line.
        selected: usize,
    },
    /// The files on their way, and those that ended.
    Files {
        /// The selected one; none while there is none.
        selected: Option<FileKey>,
    },
    /// The node at a glance.
    Status {
        /// The topmost line.
        top: usize,
    },
    /// One transport in full.
    Transport {
        /// Which.
        id: TransportId,
        /// The topmost line.
        top: usize,
    },
    /// The path of the selected message, where there is no room for its pane.
    Path {
        /// The topmost line.
        top: usize,
    },
    /// What the next message would do.
    Plan {
        /// For whom.
        peer: String,
        /// The plan; none until the node answered.
        plan: Option<RoutePlan>,
        /// The topmost line.
        top: usize,
    },
    /// A new peer.
    PeerForm(PeerForm),
}

impl Overlay {
    /// How far a window is scrolled whose text is only read, in lines: from the top, the log's from its newest line. None
    /// for one in which something is selected or asked.
    pub fn scrolled(&mut self) -> Option<&mut usize> {
        match self {
            Self::Help { top, .. }
            | Self::Trust { top, .. }
            | Self::Status { top }
            | Self::Transport { top, .. }
            | Self::Path { top }
            | Self::Plan { top, .. } => Some(top),
            Self::Log(view) => Some(&mut view.up),
            Self::Palette(_)
            | Self::Switcher(_)
            | Self::Search(_)
            | Self::Confirm(_)
            | Self::Queue { .. }
            | Self::Files { .. }
            | Self::PeerForm(_) => None,
        }
    }
}
