//! Which panes there are and where the keys go. The part that is remembered over restarts is [`Layout`].

use serde::{Deserialize, Serialize};

use crate::wire::Conversation;

/// Most conversations side by side.
pub const PANES_MOST: usize = 4;
/// The share of the width a new pane gets, in arbitrary parts.
const WEIGHT: u16 = 8;

/// Where the keys go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Focus {
    /// The list of peers and threads.
    #[default]
    Peers,
    /// The messages of the focused pane.
    Conversation,
    /// The composer of the focused pane.
    Composer,
    /// The transports.
    Health,
    /// The path of the selected message.
    Path,
}

/// One conversation pane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pane {
    /// What it shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<Conversation>,
    /// Its share of the width.
    #[serde(default = "weight")]
    pub weight: u16,
}

fn weight() -> u16 {
    WEIGHT
}

fn shown() -> bool {
    true
}

fn sidebar() -> u16 {
    22
}

fn health() -> u16 {
    30
}

impl Default for Pane {
    fn default() -> Self {
        Self { conversation: None, weight: WEIGHT }
    }
}

/// What is remembered of the screen over restarts. Unknown and missing fields do not matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Whether the list of peers is shown.
    #[serde(default = "shown")]
    pub peers: bool,
    /// Whether the transport panel is shown.
    #[serde(default = "shown")]
    pub health: bool,
    /// Columns of the list of peers.
    #[serde(default = "sidebar")]
    pub peers_width: u16,
    /// Columns of the transport panel.
    #[serde(default = "health")]
    pub health_width: u16,
    /// The focused conversation pane.
    #[serde(default)]
    pub focused: usize,
    /// Conversation panes, from the left; never empty.
    #[serde(default)]
    pub panes: Vec<Pane>,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            peers: true,
            health: true,
            peers_width: sidebar(),
            health_width: health(),
            focused: 0,
            panes: vec![Pane::default()],
        }
    }
}

impl Layout {
    /// Brings what was read from a file into the bounds of the screen's code.
    pub fn sane(mut self) -> Self {
        self.panes.truncate(PANES_MOST);
        if self.panes.is_empty() {
            self.panes.push(Pane::default());
        }
        for pane in &mut self.panes {
            pane.weight = pane.weight.clamp(1, 4 * WEIGHT);
        }
        self.focused = self.focused.min(self.panes.len() - 1);
        self.peers_width = self.peers_width.clamp(12, 60);
        self.health_width = self.health_width.clamp(20, 60);
        self
    }

    /// The focused pane.
    pub fn pane(&self) -> &Pane {
        // `sane` keeps at least one pane and the focus within them; this is the answer if that were broken.
        static NONE: Pane = Pane { conversation: None, weight: WEIGHT };
        self.panes.get(self.focused).unwrap_or(&NONE)
    }

    /// Shows a conversation in the focused pane, or moves the focus to the pane that shows it already.
    pub fn open(&mut self, conversation: &Conversation) {
        if let Some(index) = self.panes.iter().position(|p| p.conversation.as_ref() == Some(conversation)) {
            self.focused = index;
        } else if let Some(pane) = self.panes.get_mut(self.focused) {
            pane.conversation = Some(conversation.clone());
        }
    }

    /// Puts an empty pane to the right of the focused one and focuses it; whether there was room.
    pub fn split(&mut self) -> bool {
        if self.panes.len() >= PANES_MOST {
            return false;
        }
        self.focused += 1;
        self.panes.insert(self.focused.min(self.panes.len()), Pane::default());
        true
    }

    /// Closes the focused pane; the last one is only emptied.
    pub fn close(&mut self) {
        if self.panes.len() > 1 && self.focused < self.panes.len() {
            self.panes.remove(self.focused);
            self.focused = self.focused.min(self.panes.len() - 1);
        } else {
            self.panes = vec![Pane::default()];
            self.focused = 0;
        }
    }

    /// Makes the focused pane wider or narrower.
    pub fn grow(&mut self, by: i16) {
        if let Some(pane) = self.panes.get_mut(self.focused) {
            pane.weight = pane.weight.saturating_add_signed(by).clamp(1, 4 * WEIGHT);
        }
    }
}
