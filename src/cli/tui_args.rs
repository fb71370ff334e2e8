//! The arguments of `skcomm-tui`.

use std::path::PathBuf;

use clap::Parser;

/// A terminal chat client: one message, many paths.
#[derive(Clone, Debug, Parser)]
#[command(name = "skcomm-tui", version, about)]
pub struct TuiArgs {
    /// Show a small real world in a temporary folder; nothing of yours is touched and nothing stays
    #[arg(long)]
    pub demo: bool,
    /// In the demo, the seconds until a peer turns up with another key
    #[arg(long, value_name = "SECONDS", requires = "demo", hide = true)]
    pub new_phone_after: Option<u64>,
    /// The home folder [default: ~/.skcomm]
    #[arg(long, value_name = "DIR", env = "SKCOMM_HOME")]
    pub home: Option<PathBuf>,
    /// A theme's name: dark, light, high-contrast, mono, or one of yours
    #[arg(long, value_name = "NAME")]
    pub theme: Option<String>,
    /// A keymap's name: default, vim, emacs, or one of yours
    #[arg(long, value_name = "NAME")]
    pub keymap: Option<String>,
    /// Most frames a second, 1 to 60
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=60))]
    pub fps: Option<u16>,
    /// Draw only ASCII
    #[arg(long)]
    pub ascii: bool,
    /// Nothing flashes
    #[arg(long)]
    pub reduced_motion: bool,
    /// Leave the mouse to the terminal
    #[arg(long)]
    pub no_mouse: bool,
    /// A file whose first line is the passphrase
    #[arg(long, value_name = "FILE", env = "SKCOMM_PASSPHRASE_FILE")]
    pub passphrase_file: Option<PathBuf>,
}
