//! The types of arguments: how each is read, written, described and completed.

use jiff::civil::Date;

use crate::{
    delivery::{Policy, TransportId},
    identity::TrustLevel,
    wire::{Mode, ThreadId, Urgency, limits},
};

/// One argument of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgSpec {
    /// What the help calls it.
    pub name: &'static str,
    /// What it is, for completion.
    pub kind: ArgKind,
    /// Whether it must be given.
    pub required: bool,
}

/// What an argument is; the palette and the `:` prompt complete by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgKind {
    /// A peer's name, FQID or fingerprint.
    Peer,
    /// A thread's name.
    Thread,
    /// A configured transport.
    Transport,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A theme's name.
    Theme,
    /// A keymap's name.
    Keymap,
    /// A day, `2026-11-20`.
    Date,
    /// A file on this machine.
    Path,
    /// Free text up to the end of the line.
    Query,
}

impl ArgKind {
    /// What would be right, for error messages.
    pub fn expected(self) -> String {
        match self {
            Self::Peer => "a peer's name, FQID or fingerprint".to_owned(),
            Self::Thread => "the name of a thread, at most 256 bytes".to_owned(),
            Self::Transport => "the name of a transport, such as file or tcp".to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Theme => "the name of a theme, such as dark, light, high-contrast or mono".to_owned(),
            Self::Keymap => "the name of a keymap, such as default, vim or emacs".to_owned(),
            Self::Path => "the path of a file; in double quotation marks if it has blanks".to_owned(),
            Self::Date => "a day as YYYY-MM-DD".to_owned(),
            Self::Query => "some words".to_owned(),
        }
    }

    /// Whether the argument takes all the rest of the line.
    pub(super) fn takes_rest(self) -> bool {
        self == Self::Query
    }
}

/// A type that can be an argument.
pub(super) trait Value: Sized {
    const KIND: ArgKind;
    fn read(word: &str) -> Option<Self>;
    fn write(&self) -> String;
}

/// How the user names a peer: by name, FQID or fingerprint; 1 to 256 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerName(String);

/// The name of a theme, a preset or a file of the user; 1 to 64 characters out of letters, digits, `-`, `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThemeName(String);

/// The name of a keymap, a preset or a file of the user; 1 to 64 characters out of letters, digits, `-`, `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeymapName(String);

/// Words to look for; not empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Query(String);

/// The path of a file on this machine, 1 to 4096 bytes; `~/` at its front means the home folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePath(String);

/// How much the log view shows: records of this level and graver ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// Failures.
    Error,
    /// And what should be looked at.
    Warn,
    /// And what is good to know.
    #[default]
    Info,
    /// And what helps to find a fault.
    Debug,
    /// Everything.
    Trace,
}

macro_rules! text_values {
    ($($name:ident, $kind:ident, $fine:expr;)*) => {$(
        impl $name {
            /// The value, if the text is acceptable.
            pub fn new(text: &str) -> Option<Self> {
                let fine: fn(&str) -> bool = $fine;
                fine(text).then(|| Self(text.to_owned()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Value for $name {
            const KIND: ArgKind = ArgKind::$kind;
            fn read(word: &str) -> Option<Self> {
                Self::new(word)
            }
            fn write(&self) -> String {
                self.0.clone()
            }
        }
    )*};
}

fn is_peer_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= limits::NAME_BYTES && !text.chars().any(char::is_control)
}

fn is_file_stem(text: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !text.is_empty() && text.len() <= 64 && text.chars().all(fine)
}

fn is_path(text: &str) -> bool {
    !text.is_empty() && text.len() <= 4096 && !text.chars().any(char::is_control)
}

/// Queries are kept with single blanks, so that they survive being written and read again.
fn is_query(text: &str) -> bool {
    !text.is_empty() && text.len() <= 1024 && !text.chars().any(char::is_control)
}

text_values! {
    PeerName, Peer, is_peer_name;
    ThemeName, Theme, is_file_stem;
    KeymapName, Keymap, is_file_stem;
    Query, Query, is_query;
    FilePath, Path, is_path;
}

macro_rules! choice_values {
    ($($type:ty { $($word:literal = $value:path),* $(,)? })*) => {$(
        impl Value for $type {
            const KIND: ArgKind = ArgKind::Choice(&[$($word),*]);
            fn read(word: &str) -> Option<Self> {
                match word { $($word => Some($value),)* _ => None }
            }
            fn write(&self) -> String {
                match self { $($value => $word,)* }.to_owned()
            }
        }
    )*};
}

choice_values! {
    Mode { "failover" = Mode::Failover, "broadcast" = Mode::Broadcast, "stealth" = Mode::Stealth, "speed" = Mode::Speed }
    Policy {
        "balanced" = Policy::Balanced, "fastest" = Policy::Fastest, "cheapest" = Policy::Cheapest,
        "most-private" = Policy::MostPrivate, "surest" = Policy::Surest,
    }
    Urgency { "low" = Urgency::Low, "normal" = Urgency::Normal, "high" = Urgency::High, "critical" = Urgency::Critical }
    TrustLevel {
        "untrusted" = TrustLevel::Untrusted, "verified" = TrustLevel::Verified,
        "trusted" = TrustLevel::Trusted, "sovereign" = TrustLevel::Sovereign,
    }
    LogLevel {
        "error" = LogLevel::Error, "warn" = LogLevel::Warn, "info" = LogLevel::Info,
        "debug" = LogLevel::Debug, "trace" = LogLevel::Trace,
    }
}

macro_rules! parsed_values {
    ($($type:ty, $kind:ident;)*) => {$(
        impl Value for $type {
            const KIND: ArgKind = ArgKind::$kind;
            fn read(word: &str) -> Option<Self> {
                word.parse().ok()
            }
            fn write(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

parsed_values! {
    ThreadId, Thread;
    TransportId, Transport;
    Date, Date;
}
