//! The one place where results are written.

use std::io::{self, IsTerminal as _, Write};

use serde::Serialize;

use super::outcome::CliError;

/// Where results go, and how they look.
pub(super) struct Out {
    to: Box<dyn Write + Send>,
    json: bool,
    colour: bool,
}

/// How a piece of text is set apart on a terminal. The text says the same without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    Bold,
    Dim,
    Good,
    Bad,
}

impl Out {
    /// Standard output.
    pub(super) fn stdout(json: bool) -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        let colour = terminal && !json && colours_wanted();
        Self { to: Box::new(io::BufWriter::new(stdout)), json, colour }
    }

    /// Whether results are JSON objects.
    pub(super) fn json(&self) -> bool {
        self.json
    }

    /// Writes a line.
    pub(super) fn line(&mut self, text: impl AsRef<str>) -> Result<(), CliError> {
        writeln!(self.to, "{}", text.as_ref()).map_err(CliError::Output)
    }

    /// Writes text as it is, without an end of line.
    pub(super) fn raw(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.to.write_all(bytes).map_err(CliError::Output)
    }

    /// Writes an object as one line of JSON.
    pub(super) fn object(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string(value).map_err(|e| CliError::Output(e.into()))?;
        self.line(text)
    }

    /// Makes sure that what was written is seen.
    pub(super) fn flush(&mut self) -> Result<(), CliError> {
        self.to.flush().map_err(CliError::Output)
    }

    /// `text`, painted if the terminal wants colours.
    pub(super) fn paint(&self, paint: Paint, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Bold => "1",
            Paint::Dim => "2",
            Paint::Good => "32",
            Paint::Bad => "31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Whether the environment wants colours (<https://no-color.org>).
pub(super) fn colours_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
