//! The one place where the model changes: `update` takes what happened and says what is to be done about it.
//! Nothing here waits, reads a clock or touches the outside.

mod commands;
mod composer;
mod conversation;
mod demo;
mod events;
mod files;
mod forms;
mod keys;
mod lists;
mod mouse;
mod peers;
mod pickers;
mod replies;
mod search;
mod timers;

use crossterm::event::{KeyEvent, MouseEvent};

pub(crate) use conversation::{fetch_near, look_at, newest_on_screen};
pub use events::start;
pub(crate) use keys::context;
pub use timers::next_wakeup;

use super::{
    keymap::Keymap,
    model::{Layout, Model},
    theme::Theme,
};
use crate::{
    delivery::TransportId,
    node::{Command, Event, FileSend, NodeError, Reply},
    wire::{Conversation, EnvelopeId, SafeText, Timestamp},
};

/// Something that happened.
#[derive(Debug)]
pub enum Msg {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse did something.
    Mouse(MouseEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has this many columns and rows.
    Resize(u16, u16),
    /// The terminal got or lost the focus.
    Attended(bool),
    /// Time has passed.
    Tick,
    /// The node reports.
    Event(Box<Event>),
    /// The node answers.
    Reply(Tag, Box<Result<Reply, NodeError>>),
    /// The node is gone.
    NodeGone,
    /// The editor came back with a text, or why not.
    Edited(Conversation, Result<String, SafeText>),
    /// A certificate for the peer form was read, or why not.
    CertificateRead(Result<String, SafeText>),
    /// A folder was listed for the path that is being typed; folders end with a slash.
    FolderListed(String, Vec<String>),
    /// A theme was loaded; the problems in it.
    ThemeLoaded(Box<Theme>, Vec<SafeText>),
    /// A keymap was loaded; the problems in it.
    KeymapLoaded(Box<Keymap>, Vec<SafeText>),
    /// Something outside failed that the user asked for.
    Trouble(SafeText),
}

/// What an answer of the node is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tag {
    /// The node at a glance.
    Status,
    /// All peers.
    Peers,
    /// All conversations.
    Conversations,
    /// All drafts.
    Drafts,
    /// All transports.
    Transports,
    /// All files on their way.
    Files,
    /// The newest messages of a conversation.
    Latest(Conversation),
    /// Messages before those in memory.
    Older(Conversation),
    /// Messages after those in memory.
    Newer(Conversation),
    /// The half of a jump that lies before the place, the place included.
    AroundOlder(Conversation, u64),
    /// The half of a jump that lies after the place.
    AroundNewer(Conversation, u64),
    /// A step of looking for the first message of a day, by halving: the answer lies after `low` and not after `high`.
    Seek {
        /// Where.
        conversation: Conversation,
        /// The start of the day.
        target: Timestamp,
        /// Everything up to here is older.
        low: u64,
        /// Nothing before the candidate is looked for beyond this.
        high: u64,
        /// The best found so far.
        candidate: Option<u64>,
    },
    /// A message's story, for the path view and the line below it.
    Trace(EnvelopeId),
    /// A message that is quoted.
    Quote(EnvelopeId),
    /// A message to jump to.
    Jump(EnvelopeId),
    /// A sent message.
    Send(u64),
    /// A file to be sent, by its name.
    File(String),
    /// A search.
    Search(u64),
    /// What is not yet delivered, for its view.
    Queue,
    /// A plan for a peer.
    Plan(String),
    /// A certificate to be copied.
    Certificate,
    /// A new peer from the form.
    PeerAdd,
    /// Something the user asked for: what to say when it is done; nothing when empty.
    Done(String),
    /// A draft.
    Draft(Conversation),
    /// A read mark.
    Read(Conversation),
    /// A knocked-out transport is told.
    Shutdown,
}

/// Something that is to be done outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Ask the node.
    Call(Tag, Command),
    /// Put a text on the clipboard.
    Copy(String),
    /// Tell the person who is not looking.
    Notify {
        /// The sender.
        title: SafeText,
        /// What it is about.
        body: SafeText,
    },
    /// Open the editor with a text.
    Edit(Conversation, String),
    /// Read a certificate from a file.
    ReadCertificate(String),
    /// Ask the node to send a file, under its whole path.
    OfferFile(FileSend),
    /// List a folder, for the path that is being typed.
    ListFolder(String),
    /// Load a theme by name.
    LoadTheme(String),
    /// Load a keymap by name.
    LoadKeymap(String),
    /// Remember the layout.
    SaveLayout(Layout),
    /// Knock a transport out in the demonstration; the first one in use when none.
    Knock(Option<TransportId>),
    /// Bring transports back in the demonstration; all when none.
    Revive(Option<TransportId>),
    /// Draw the whole screen anew.
    Redraw,
    /// Go to the background.
    Suspend,
    /// Leave, after the drafts are saved.
    Quit,
}

/// What is to be done, in order.
pub type Effects = Vec<Effect>;

/// Takes what happened, changes the model, says what is to be done.
pub fn update(model: &mut Model, msg: Msg) -> Effects {
    let mut out = Effects::new();
    model.dirty |= !matches!(msg, Msg::Tick);
    match msg {
        Msg::Key(key) => keys::key(model, key, &mut out),
        Msg::Mouse(mouse) => mouse::mouse(model, mouse, &mut out),
        Msg::Paste(text) => keys::paste(model, &text),
        Msg::Resize(width, height) => model.size = (width, height),
        Msg::Attended(attended) => model.attended = attended,
        Msg::Tick => timers::tick(model, &mut out),
        Msg::Event(event) => events::event(model, *event, &mut out),
        Msg::Reply(tag, reply) => replies::reply(model, tag, *reply, &mut out),
        Msg::NodeGone => events::gone(model),
        Msg::Edited(conversation, text) => composer::edited(model, &conversation, text),
        Msg::CertificateRead(text) => forms::certificate_read(model, text, &mut out),
        Msg::FolderListed(folder, entries) => files::listed(model, folder, entries),
        Msg::ThemeLoaded(theme, problems) => {
            model.theme = *theme;
            model.views.values_mut().for_each(|view| view.laid.lines.clear());
            told_problems(model, &problems);
        }
        Msg::KeymapLoaded(keymap, problems) => {
            model.keymap = *keymap;
            model.pending_keys.clear();
            model.hints.clear();
            told_problems(model, &problems);
        }
        Msg::Trouble(text) => model.notice(crate::node::NoticeLevel::Error, text.as_str()),
    }
    files::want_listing(model, &mut out);
    events::note_questions(model, &out);
    out
}

/// Saves the drafts and leaves, without a question: the terminal is gone or the system wants the program to end.
pub fn leave(model: &mut Model) -> Effects {
    let mut out = Effects::new();
    timers::save_all_drafts(model, &mut out);
    out.push(Effect::Quit);
    out
}

fn told_problems(model: &mut Model, problems: &[SafeText]) {
    for problem in problems {
        model.notice(crate::node::NoticeLevel::Warning, problem.as_str());
    }
}
