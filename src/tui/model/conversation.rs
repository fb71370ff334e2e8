//! One conversation as it is looked at: the messages in memory, the place of the eye, the selection, the composer.

use std::collections::BTreeMap;

use ratatui::text::Line;

use super::{Composer, Window};
use crate::{delivery::MessageState, node::Message, wire::EnvelopeId};

/// What the top of the view holds on to. A position in the conversation and a line in it stay the same whatever
/// arrives above or below, and survive a change of width.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anchor {
    /// The newest message is at the bottom, and new ones push it up.
    #[default]
    Bottom,
    /// This line of this message is the topmost one.
    Top {
        /// [`crate::node::Message::position`].
        position: u64,
        /// Counts from 0, separators above the message included.
        line: usize,
    },
}

/// How the user wants the view moved; carried out when it is next laid out, because only then the heights are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Motion {
    /// Lines to move by; negative is up.
    pub lines: i64,
    /// Half screens to move by; negative is up.
    pub half_screens: i64,
    /// Bring the selected message into view.
    pub reveal: bool,
}

/// A line above a message that is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separator {
    /// A new day begins.
    Day(jiff::civil::Date),
    /// What follows was not seen before.
    Unread,
}

/// One line on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// A separator.
    Separator(Separator),
    /// A line of a message: its index in the window and the line.
    Line(usize, usize),
    /// The last line of a message, which also tells how it stands.
    End(usize, usize),
    /// The line below a message that tells how it stands, where its last line has no room for that.
    State(usize),
}

impl Row {
    /// The index of the message the row belongs to.
    pub fn message(self) -> Option<usize> {
        match self {
            Self::Separator(_) => None,
            Self::Line(index, _) | Self::End(index, _) | Self::State(index) => Some(index),
        }
    }

    /// The index of the message that the row tells of how it stands.
    pub fn standing(self) -> Option<usize> {
        match self {
            Self::End(index, _) | Self::State(index) => Some(index),
            Self::Separator(_) | Self::Line(..) => None,
        }
    }
}

/// Messages laid out for one width. Only what is on the screen and a margin around it is ever in here.
#[derive(Debug, Default)]
pub struct Laid {
    /// The width it is for.
    pub width: u16,
    /// The peer's name that it is for.
    pub peer: String,
    /// Lines by position. How a message stands is not among them: that is drawn fresh.
    pub lines: BTreeMap<u64, Vec<Line<'static>>>,
}

impl Laid {
    /// Most messages kept laid out.
    pub const MOST: usize = 512;

    /// Forgets what is not within the given positions once there is too much.
    pub fn prune(&mut self, first: u64, last: u64) {
        if self.lines.len() > Self::MOST {
            self.lines.retain(|position, _| (first..=last).contains(position));
        }
    }
}

/// What is being fetched for a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loading {
    /// The newest messages.
    Latest,
    /// Messages before the first in memory.
    Older,
    /// Messages after the last in memory.
    Newer,
    /// Messages around a place the user jumps to; both halves must come.
    Around {
        /// The place.
        position: u64,
    },
}

/// One conversation as it is looked at.
#[derive(Debug, Default)]
pub struct ConversationView {
    /// The messages in memory.
    pub window: Window,
    /// What is being fetched.
    pub loading: Option<Loading>,
    /// The older and the newer half of a jump, until both came.
    pub halves: (Option<Vec<Message>>, Option<Vec<Message>>),
    /// The node could not read messages; it is asked again when the user moves.
    pub refused: bool,
    /// Messages that came in while older ones were being fetched.
    pub arrived: Vec<Message>,
    /// States that were reported while messages were being fetched.
    pub states: Vec<(EnvelopeId, MessageState)>,
    /// The place of the eye.
    pub anchor: Anchor,
    /// What the user wants moved.
    pub motion: Motion,
    /// The position of the selected message.
    pub selected: Option<u64>,
    /// The position after which the unread line stands; set when the conversation is opened.
    pub unread_after: Option<u64>,
    /// Messages that came while the eye was elsewhere in the conversation.
    pub new_below: usize,
    /// The newest message reported as seen.
    pub marked: Option<EnvelopeId>,
    /// What is being written.
    pub composer: Composer,
    /// Laid out messages.
    pub laid: Laid,
    /// What is on the screen, from the top.
    pub rows: Vec<Row>,
    /// The height of the view when it was last laid out.
    pub height: u16,
    /// When it was last looked at, for letting go of what is not.
    pub touched: u64,
}

impl ConversationView {
    /// The selected message, if it is in memory.
    pub fn selected_message(&self) -> Option<&Message> {
        self.window.at(self.selected?)
    }

    /// Whether the newest message is on the screen.
    pub fn at_bottom(&self) -> bool {
        self.anchor == Anchor::Bottom && self.window.complete(super::Side::Newer)
    }

    /// Goes to the newest message; whether it has to be loaded first.
    pub fn to_bottom(&mut self) -> bool {
        self.anchor = Anchor::Bottom;
        self.motion = Motion::default();
        self.new_below = 0;
        self.selected = None;
        !self.window.complete(super::Side::Newer)
    }

    /// Puts the message at `position` on the screen and selects it.
    pub fn show(&mut self, position: u64) {
        self.selected = Some(position);
        self.motion = Motion { reveal: true, ..Motion::default() };
    }

    /// A message's text or surroundings changed: it is laid out again.
    pub fn forget_layout(&mut self, position: u64) {
        self.laid.lines.remove(&position);
    }
}
