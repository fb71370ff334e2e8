//! The one command table.
//!
//! A command has a dotted name, typed arguments and one line of help. Keymaps, the palette, the `:`
//! prompt, the help screen and `docs/keys.md` all use the same strings, and [`Cmd`] turns them into
//! values and back without loss.

mod arg;
mod line;
mod table;
#[cfg(test)]
mod tests;

pub use arg::{ArgKind, ArgSpec, FilePath, KeymapName, LogLevel, PeerName, Query, ThemeName};
pub use table::{Cmd, table};

use thiserror::Error;

use super::fuzzy;

/// One command as the table describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandSpec {
    /// The dotted name, such as `unread.next`.
    pub name: &'static str,
    /// The arguments, in order; optional ones come last.
    pub args: &'static [ArgSpec],
    /// One line of help, without a full stop.
    pub doc: &'static str,
    /// Whether something is lost by it, so that it must be confirmed.
    pub destructive: bool,
}

impl CommandSpec {
    /// The name with its arguments: `<needed>`, `[optional]`.
    pub fn usage(&self) -> String {
        let mut usage = self.name.to_owned();
        for arg in self.args {
            let (open, close) = if arg.required { ('<', '>') } else { ('[', ']') };
            usage.push(' ');
            usage.push(open);
            usage.push_str(arg.name);
            usage.push(close);
        }
        usage
    }

    /// Whether it can be run without any argument.
    pub fn runs_bare(&self) -> bool {
        self.args.iter().all(|arg| !arg.required)
    }

    /// The group: what stands before the first dot.
    pub fn group(&self) -> &'static str {
        self.name.split('.').next().unwrap_or(self.name)
    }
}

/// Why a line is not a command.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CommandError {
    /// Nothing was typed.
    #[error("type a command, such as help.show")]
    Empty,
    /// No command has that name.
    #[error("there is no command {name:?}{}", did_you_mean(.nearest))]
    Unknown {
        /// What was typed, cut at 64 characters.
        name: String,
        /// The commands with the nearest names, best first, at most three.
        nearest: Vec<&'static str>,
    },
    /// A needed argument is not there.
    #[error("{usage}: {argument} is missing: {expected}")]
    Missing {
        /// How the command is called.
        usage: String,
        /// The argument's name.
        argument: &'static str,
        /// What would be right.
        expected: String,
    },
    /// An argument is not what it should be.
    #[error("{usage}: {value:?} is not a {argument}: {expected}")]
    Invalid {
        /// How the command is called.
        usage: String,
        /// The argument's name.
        argument: &'static str,
        /// What was typed.
        value: String,
        /// What would be right.
        expected: String,
    },
    /// More arguments than the command takes.
    #[error("{usage}: {extra:?} is too much")]
    TooMany {
        /// How the command is called.
        usage: String,
        /// The first argument too many.
        extra: String,
    },
    /// A quotation mark has no partner.
    #[error("a quotation mark is not closed")]
    OpenQuote,
}

fn did_you_mean(nearest: &[&str]) -> String {
    match nearest {
        [] => String::new(),
        [one] => format!("; did you mean {one}?"),
        [many @ .., last] => format!("; did you mean {} or {last}?", many.join(", ")),
    }
}

/// Reads a command line: a name and its arguments, parted by blanks; an argument with blanks stands in
/// double quotation marks, in which `\"` and `\\` stand for themselves.
///
/// # Errors
/// [`CommandError`], which names the nearest commands or what the argument should be.
pub fn parse(line: &str) -> Result<Cmd, CommandError> {
    let words = line::split(line)?;
    let Some((name, rest)) = words.split_first() else { return Err(CommandError::Empty) };
    let Some(spec) = find(name) else {
        return Err(CommandError::Unknown { name: name.chars().take(64).collect(), nearest: nearest(name) });
    };
    table::build(spec, &mut line::Arguments::new(spec, rest))
}

/// The command of that name.
pub fn find(name: &str) -> Option<&'static CommandSpec> {
    table().iter().find(|spec| spec.name == name)
}

/// The commands whose names are nearest to `name`, best first, at most three.
pub fn nearest(name: &str) -> Vec<&'static str> {
    fuzzy::nearest(name, table().iter().map(|spec| spec.name), 3)
}
