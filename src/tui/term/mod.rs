//! The terminal: what it can do, taking it over and giving it back, and drawing with few bytes.

mod backend;
mod capability;
mod guard;
mod input;
mod osc;
mod output;
mod signal;

pub use backend::SparingBackend;
pub use capability::{Capabilities, Overrides};
pub use guard::{TerminalGuard, TerminalOptions};
pub use input::{Input, PASTE_BYTES_MAX, Piece, Splitter};
pub use osc::{COPY_BYTES, copy, notify, title};
pub use output::Output;
pub use signal::{Signal, Signals};

/// The screen: ratatui over the sparing backend on standard output, which nobody waits for.
pub type Screen = ratatui::Terminal<SparingBackend<Output>>;
