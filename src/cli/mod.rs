//! The command line, a face of the node.
//!
//! A command speaks to the node that runs on the home folder, over its control socket, or starts one for its own
//! duration. It never reaches below the node, but for making an identity and for the relay, which are no node's
//! business. Results go through `out`, errors to standard error; exit codes are in `outcome`.

pub mod args;
mod commands;
mod input;
mod logging;
mod out;
mod outcome;
mod passphrase;
mod session;
mod show;
mod stop;
mod table;
mod tui_args;

use std::{ffi::OsString, io::Write as _, process::ExitCode, time::Duration};

use clap::Parser as _;

pub use commands::{completions, man};
pub use tui_args::TuiArgs;

use self::{
    args::{Cli, Command},
    out::Out,
    outcome::{CliError, Outcome},
};

/// How long threads that wait for input may hold up the end of the process.
const ENDING: Duration = Duration::from_millis(50);

/// Runs the command line of this process and says how it ended (see `skcomm --help` for the codes).
pub fn main() -> ExitCode {
    // More than one provider may be linked; this one is meant. It fails only if one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    ExitCode::from(run(std::env::args_os().collect()).code())
}

fn run(args: Vec<OsString>) -> Outcome {
    let json = args.iter().any(|arg| arg == "--json");
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, json),
    };
    match perform(cli) {
        Ok(outcome) => outcome,
        Err(error) => {
            if !error.is_broken_pipe() {
                complain_as(&error.kind(), &error.to_string(), json);
            }
            error.outcome()
        }
    }
}

/// Help and version are results; everything else is a usage error.
fn usage(error: &clap::Error, json: bool) -> Outcome {
    if !error.use_stderr() {
        // Nobody may be reading; that is no error.
        let _ = error.print();
        return Outcome::Done;
    }
    if json {
        let text = error.render().to_string();
        let first = text.split("\n\n").next().unwrap_or_default().trim();
        complain_as("usage", first.strip_prefix("error: ").unwrap_or(first), true);
    } else {
        let _ = error.print();
    }
    Outcome::Usage
}

fn perform(cli: Cli) -> Result<Outcome, CliError> {
    let mut out = Out::stdout(cli.global.json);
    match &cli.command {
        Command::Completions { shell } => out.raw(&completions(*shell))?,
        Command::Man => out.raw(&man()?)?,
        _ => {
            // The daemon sets up its own logs, with a file.
            if !matches!(cli.command, Command::Daemon) {
                logging::to_stderr("warn")?;
            }
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let result = runtime.block_on(commands::run(cli, &mut out));
            // What was written before an error is a result too.
            let flushed = out.flush();
            runtime.shutdown_timeout(ENDING);
            return result.and_then(|outcome| flushed.map(|()| outcome));
        }
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// Says something to the person, beside the results.
fn complain(text: &str) {
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{}", crate::wire::SafeText::body(text));
}

fn complain_as(kind: &str, message: &str, json: bool) {
    // As above.
    let _ = writeln!(std::io::stderr(), "{}", outcome::describe(kind, message, json));
}
