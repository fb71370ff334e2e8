//! The table itself. Each line makes a variant of [`Cmd`], its [`CommandSpec`], its reader and its writer,
//! so that none of them can be forgotten.

use std::fmt;

use jiff::civil::Date;

use super::{
    ArgSpec, CommandError, CommandSpec, FilePath, KeymapName, LogLevel, PeerName, Query, ThemeName,
    arg::Value,
    line::{Arguments, push_word},
};
use crate::{
    delivery::{Policy, TransportId},
    identity::TrustLevel,
    wire::{Mode, ThreadId, Urgency},
};

macro_rules! destructive {
    () => {
        false
    };
    (destructive) => {
        true
    };
}

macro_rules! required {
    (need) => {
        true
    };
    (may) => {
        false
    };
}

macro_rules! field {
    (need $type:ty) => { $type };
    (may $type:ty) => { Option<$type> };
}

macro_rules! take {
    ($arguments:ident, need $type:ty) => {
        $arguments.required::<$type>()?
    };
    ($arguments:ident, may $type:ty) => {
        $arguments.optional::<$type>()?
    };
}

macro_rules! put {
    ($line:ident, $value:ident, need) => {
        push_word(&mut $line, &Value::write($value))
    };
    ($line:ident, $value:ident, may) => {
        if let Some(value) = $value {
            push_word(&mut $line, &Value::write(value));
        }
    };
}

macro_rules! commands {
    ($($name:literal $variant:ident $(($($need:ident $arg:ident: $type:ty),*))? $doc:literal $($destructive:ident)?;)*) => {
        /// A command with its arguments, ready to be run.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Cmd {
            $(
                #[doc = $doc]
                $variant $(($(field!($need $type)),*))?,
            )*
        }

        static TABLE: &[CommandSpec] = &[
            $(CommandSpec {
                name: $name,
                args: &[$($(ArgSpec {
                    name: stringify!($arg), kind: <$type as Value>::KIND, required: required!($need),
                }),*)?],
                doc: $doc,
                destructive: destructive!($($destructive)?),
            },)*
        ];

        /// Takes the arguments of the command `spec` describes.
        pub(super) fn build(spec: &CommandSpec, arguments: &mut Arguments<'_>) -> Result<Cmd, CommandError> {
            let cmd = match spec.name {
                $($name => Cmd::$variant $(($(take!(arguments, $need $type)),*))?,)*
                _ => return Err(CommandError::Empty),
            };
            arguments.finish()?;
            Ok(cmd)
        }

        impl Cmd {
            /// Its name in the table.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $name,)*
                }
            }
        }

        impl fmt::Display for Cmd {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                #[allow(unused_mut)]
                let mut line = self.name().to_owned();
                match self {
                    $(Self::$variant $(($($arg),*))? => { $($(put!(line, $arg, $need);)*)? })*
                }
                f.pad(&line)
            }
        }
    };
}

commands! {
    "app.quit" AppQuit "Quit; asks first while messages wait that nothing will send";
    "app.suspend" AppSuspend "Go to the background (fg brings it back)";
    "app.redraw" AppRedraw "Draw the whole screen anew";
    "help.show" HelpShow "Show the help: what the keys do here, and every command";
    "help.keys" HelpKeys "Show every key binding of the active keymap";
    "palette.open" PaletteOpen "Find any command by name or purpose and run it";
    "switcher.open" SwitcherOpen "Jump to a peer or thread by a few letters of its name";
    "search.open" SearchOpen(may query: Query) "Search all messages";
    "search.here" SearchHere(may query: Query) "Search this conversation";
    "log.open" LogOpen "Show the log: every notice, failover and refusal";
    "log.level" LogSetLevel(need level: LogLevel) "Choose how much the log shows";
    "log.security" LogSecurity "Show only what concerns keys and forgery, or all again";
    "notice.dismiss" NoticeDismiss "Take the notice off the screen (it stays in the log)";
    "status.show" StatusShow "Show the node at a glance: queue, refusals, duplicates, warnings";
    "pane.next" PaneNext "Move to the next pane";
    "pane.prev" PanePrev "Move to the pane before";
    "pane.left" PaneLeft "Move to the pane on the left";
    "pane.right" PaneRight "Move to the pane on the right";
    "pane.split" PaneSplit "Put a second conversation beside this one";
    "pane.close" PaneClose "Close this conversation pane (its draft is kept)";
    "pane.zoom" PaneZoom "Give this pane the whole screen, or take it back";
    "pane.grow" PaneGrow "Make this pane wider";
    "pane.shrink" PaneShrink "Make this pane narrower";
    "panel.peers" PanelPeers "Show or hide the list of peers";
    "panel.health" PanelHealth "Show or hide the transport panel";
    "focus.peers" FocusPeers "Move to the peers";
    "focus.conversation" FocusConversation "Move to the conversation";
    "focus.composer" FocusComposer "Move to the composer to write";
    "focus.health" FocusHealth "Move to the transports";
    "focus.path" FocusPath "Move to the path view of the selected message";
    "list.up" ListUp "One line up";
    "list.down" ListDown "One line down";
    "list.page-up" ListPageUp "One page up";
    "list.page-down" ListPageDown "One page down";
    "list.first" ListFirst "To the first line";
    "list.last" ListLast "To the last line";
    "list.accept" ListAccept "Open or run what is selected";
    "list.fold" ListFold "Fold or unfold the threads of a peer";
    "nav.back" NavBack "Back: close what is open, else leave the pane";
    "confirm.yes" ConfirmYes "Yes, do it";
    "confirm.no" ConfirmNo "No, leave it as it is";
    "unread.next" UnreadNext "Next conversation with unread messages";
    "unread.prev" UnreadPrev "Conversation with unread messages before this one";
    "conversation.open" ConversationOpen(need peer: PeerName, may thread: ThreadId) "Open the conversation with a peer";
    "conversation.mark-read" ConversationMarkRead "Mark everything in this conversation as read";
    "thread.new" ThreadNew(may name: ThreadId) "Start a thread with this peer; asks for its name";
    "thread.next" ThreadNext "Next thread of this peer";
    "thread.prev" ThreadPrev "Thread of this peer before this one";
    "message.up" MessageUp "Select the message above";
    "message.down" MessageDown "Select the message below";
    "message.first" MessageFirst "Select the oldest message";
    "message.last" MessageLast "Select the newest message and follow new ones";
    "message.page-up" MessagePageUp "One page towards older messages";
    "message.page-down" MessagePageDown "One page towards newer messages";
    "message.unread" MessageUnread "Jump to the first unread message";
    "message.reply" MessageReply "Answer the selected message with a quote";
    "message.copy" MessageCopy "Copy the text of the selected message";
    "message.path" MessagePath "Show which way the selected message went, and why";
    "message.retry" MessageRetry "Try to send the selected message again now";
    "message.cancel" MessageCancel "Give up the selected message if it is still waiting" destructive;
    "message.jump-quoted" MessageJumpQuoted "Jump to the message that the selected one answers";
    "message.goto-date" MessageGotoDate(may date: Date) "Jump to a day in this conversation; asks which";
    "composer.send" ComposerSend "Send what is written";
    "composer.newline" ComposerNewline "Begin a new line";
    "composer.editor" ComposerEditor "Write in $EDITOR";
    "composer.clear" ComposerClear "Throw away what is written" destructive;
    "composer.history-prev" ComposerHistoryPrev "Bring back the text sent before";
    "composer.history-next" ComposerHistoryNext "Bring back the text sent after";
    "composer.complete" ComposerComplete "Complete a mention (@) or an emoji (:name:)";
    "composer.cancel-reply" ComposerCancelReply "Write without answering a message";
    "file.send" FileSend(may path: FilePath) "Send a file to this peer; asks for its path";
    "file.accept" FileAccept "Take the file that the selected message offers";
    "file.pause" FilePause "Let the file of the selected message rest";
    "file.resume" FileResume "Go on with a paused file, or fetch a damaged one anew";
    "file.cancel" FileCancel "Give up the file of the selected message, or refuse it" destructive;
    "file.list" FileList "Show the files on their way, and those that ended";
    "mode.cycle" ModeCycle "Next way of sending: failover, broadcast, stealth, speed";
    "mode.set" ModeSet(need mode: Mode) "Choose the way of sending";
    "policy.cycle" PolicyCycle "Next policy: balanced, fastest, cheapest, most private, surest";
    "policy.set" PolicySet(need policy: Policy) "Choose which of the usable paths go first";
    "urgency.cycle" UrgencyCycle "Next urgency: low, normal, high, critical";
    "urgency.set" UrgencySet(need urgency: Urgency) "Choose how much the message matters";
    "route.explain" RouteExplain(may mode: Mode) "Show which paths the next message would take, and why";
    "transport.enable" TransportEnable(may transport: TransportId) "Switch a transport on";
    "transport.disable" TransportDisable(may transport: TransportId) "Switch a transport off";
    "transport.toggle" TransportToggle(may transport: TransportId) "Switch a transport on or off";
    "transport.probe" TransportProbe(may transport: TransportId) "Check a transport now";
    "transport.raise" TransportRaise(may transport: TransportId) "Use a transport before others";
    "transport.lower" TransportLower(may transport: TransportId) "Use a transport after others";
    "transport.details" TransportDetails(may transport: TransportId) "Show a transport's details and last errors";
    "peer.add" PeerAdd "Add a peer: name, certificate, routes";
    "peer.trust" PeerTrust(need level: TrustLevel) "Set how far this peer is trusted";
    "peer.verify" PeerVerify "Mark this peer as verified after comparing the fingerprint";
    "peer.accept" PeerAccept "Accept a stranger who wrote to you: from now on it is answered";
    "peer.block" PeerBlock "Block this peer: nothing is sent or shown any more" destructive;
    "peer.unblock" PeerUnblock "Unblock this peer";
    "peer.mute" PeerMute "Mute this peer's notifications, or unmute them";
    "peer.remove" PeerRemove "Forget this peer, its key and routes (messages stay)" destructive;
    "trust.open" TrustOpen(may peer: PeerName) "Show a peer's key, fingerprint, words, QR code and history";
    "trust.raise" TrustRaise "Trust this peer one level more";
    "trust.lower" TrustLower "Trust this peer one level less";
    "conflict.accept" ConflictAccept "Take the new key of this peer; its trust falls to untrusted" destructive;
    "conflict.reject" ConflictReject "Keep the old key of this peer and refuse the new one";
    "queue.open" QueueOpen "Show what is not yet delivered";
    "queue.retry" QueueRetry "Try everything that waits again now";
    "queue.purge" QueuePurge "Give up everything that waits" destructive;
    "theme.set" ThemeSet(need theme: ThemeName) "Change the colours";
    "keymap.set" KeymapSet(need keymap: KeymapName) "Change the keys";
    "identity.show" IdentityShow "Show my card: fingerprint, words and QR code";
    "identity.copy" IdentityCopy "Copy my public certificate";
    "demo.knock" DemoKnock(may transport: TransportId) "Demo: knock a transport out and watch the failover";
    "demo.revive" DemoRevive(may transport: TransportId) "Demo: bring knocked-out transports back";
}

/// Every command, in the order in which the help shows them.
pub fn table() -> &'static [CommandSpec] {
    TABLE
}
