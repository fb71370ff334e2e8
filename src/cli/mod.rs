//! The command line.

mod tui_args;

pub use tui_args::TuiArgs;
