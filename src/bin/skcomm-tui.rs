//! The screen.

use clap::Parser as _;
use skcomm_tui::{cli::TuiArgs, launch};

fn main() -> anyhow::Result<()> {
    skcomm_tui::use_small_pages();
    Ok(launch::main(TuiArgs::parse().into())?)
}
