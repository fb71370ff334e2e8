//! The screen.

use clap::Parser as _;
use skcomm_tui::{cli::TuiArgs, launch};

fn main() -> anyhow::Result<()> {
    skcomm_tui::use_small_pages();
    let args = TuiArgs::parse();
    // More than one provider may be linked; this one is meant. It fails only if one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(launch::run(args.into()));
    // A thread that hangs on a dead network folder must not keep the program from ending.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    Ok(ended?)
}
