//! The arguments of `skcomm-tui`.

use std::path::PathBuf;

use clap::Parser;

/// The screen: encrypted messages between people and agents, over every transport at hand.
#[derive(Clone, Debug, Default, Parser)]
#[command(
    name = "skcomm-tui",
    version,
    max_term_width = 110,
    after_help = "\
Try it without any set-up: skcomm-tui --demo. The command line is `skcomm`; it also works while the screen is open."
)]
pub struct TuiArgs {
    /// The home folder [default: $SKCOMM_HOME, else ~/.skcomm]
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub home: Option<PathBuf>,
    /// A small live world to look at: real peers in a temporary home that leaves nothing behind
    #[arg(long, conflicts_with = "home")]
    pub demo: bool,
    /// In the demo, the seconds until a peer turns up with another key
    #[arg(long, value_name = "SECONDS", requires = "demo", hide = true)]
    pub new_phone_after: Option<u64>,
    /// A theme's name, or a file in your themes folder [default: ui.theme of config.yml]
    #[arg(long, value_name = "NAME")]
    pub theme: Option<String>,
    /// A keymap's name (default, vim, emacs), or a file in your keymaps folder [default: ui.keymap of config.yml]
    #[arg(long, value_name = "NAME")]
    pub keymap: Option<String>,
    /// Most frames a second [default: ui.fps of config.yml]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=60))]
    pub fps: Option<u16>,
    /// Only ASCII on the screen
    #[arg(long)]
    pub ascii: bool,
    /// No flashes and no movement
    #[arg(long)]
    pub reduced_motion: bool,
    /// Leave the mouse to the terminal, so that its own selection works
    #[arg(long)]
    pub no_mouse: bool,
    /// Read the passphrase of the private key from the first line of this file
    #[arg(long, env = "SKCOMM_PASSPHRASE_FILE", value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub passphrase_file: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        TuiArgs::command().debug_assert();
        let args = TuiArgs::try_parse_from(["skcomm-tui", "--demo", "--fps", "30", "--ascii"]).unwrap();
        assert!(args.demo && args.ascii && args.fps == Some(30));
        assert!(TuiArgs::try_parse_from(["skcomm-tui", "--demo", "--home", "/x"]).is_err());
        assert!(TuiArgs::try_parse_from(["skcomm-tui", "--fps", "0"]).is_err());
    }
}
