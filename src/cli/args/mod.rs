//! The command line, defined once: `--help`, the man page and the completions come from here.

mod file;
mod keys;
mod messages;
mod peer;
mod running;
mod setup;
mod values;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use file::{FileCommand, FileSendArgs, TransferArgs};
pub use keys::{ConflictChoice, KeysCommand};
pub use messages::{HistoryArgs, ReceiveArgs, SearchArgs, SendArgs};
pub use peer::{PeerAddArgs, PeerCommand, ThreadCommand};
pub use running::{ExplainArgs, QueueCommand, RouteCommand, ServeArgs, TransportCommand};
pub use setup::InitArgs;
pub use values::{DefaultsArgs, DefaultsChange, RouteArg};

/// What `--help` says at its end.
const AFTER: &str = "\
Exit codes:
  0  done; for `send`: delivered, the recipient has it on its disk
  1  an error; the message says what to do next
  2  the command line cannot be understood
  3  accepted, queued or held, but not yet delivered; the node goes on with it
  4  refused: by policy (a blocked peer, an unusable key), or a queue is full

Without a running node (`skcomm daemon` or `skcomm-tui`) a command starts one
for its own duration; what is not delivered by its end stays in the outbox and
goes out with the next start.

With --json every result is one JSON object a line on standard output, and
every error one on standard error:
  {\"error\":\"not_found\",\"message\":\"...\"}

Environment:
  SKCOMM_HOME             the home folder, default ~/.skcomm
  SKCOMM_PASSPHRASE_FILE  like --passphrase-file
  SKCOMM_LOG              what is logged to standard error, default warn
                          (error, info, debug, skcomm_tui::node=debug)
  NO_COLOR                no colours";

/// One message, many paths: encrypted messages between people and agents, over every transport at hand.
#[derive(Debug, Parser)]
#[command(name = "skcomm", version, after_help = AFTER, max_term_width = 110, propagate_version = true)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Default, Args)]
pub struct GlobalArgs {
    /// The home folder [default: $SKCOMM_HOME, else ~/.skcomm]
    #[arg(long, global = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub home: Option<PathBuf>,
    /// One JSON object a line, for programs
    #[arg(long, global = true)]
    pub json: bool,
    /// Read the passphrase of the private key from the first line of this file
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub passphrase_file: Option<PathBuf>,
    /// Read the passphrase from the first line of this open file descriptor
    #[arg(long, global = true, value_name = "N", conflicts_with = "passphrase_file")]
    pub passphrase_fd: Option<u32>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a key, an identity and the first transports
    Init(InitArgs),
    /// Show who you are: name, fingerprint, and the words to read it aloud
    Identity,
    /// Peers: whom you write to, and where they are reached
    #[command(subcommand)]
    Peer(PeerCommand),
    /// Threads: what their messages get
    #[command(subcommand)]
    Thread(ThreadCommand),
    /// Keys: list, exchange, trust, revoke
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Send a message
    Send(SendArgs),
    /// Files: send, take, pause, resume, give up
    #[command(subcommand)]
    File(FileCommand),
    /// Print unread messages and mark them read
    Receive(ReceiveArgs),
    /// Print older messages, both ways, oldest first
    History(HistoryArgs),
    /// Search all messages, newest first
    Search(SearchArgs),
    /// The node at a glance
    Status,
    /// What is not yet delivered
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Transports: the ways messages can take
    #[command(subcommand)]
    Transport(TransportCommand),
    /// The path choice
    #[command(subcommand)]
    Route(RouteCommand),
    /// The whole story of one message: state, attempts, plan
    Trace {
        /// The message's envelope_id
        #[arg(value_name = "ID")]
        id: crate::wire::EnvelopeId,
    },
    /// Run the node in the foreground, without a screen
    ///
    /// Other commands talk to it. It logs to standard error and to logs/skcomm.log in the home folder, and stops
    /// cleanly on SIGINT or SIGTERM.
    Daemon,
    /// Run a WebSocket relay, which keeps sealed messages for recipients that are away
    ///
    /// It needs no identity and never sees plaintext.
    Serve(ServeArgs),
    /// Print shell completions
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff)
    Man,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_documents_every_exit_code() {
        let help = Cli::command().render_long_help().to_string();
        for code in ["\n  0  ", "\n  1  ", "\n  2  ", "\n  3  ", "\n  4  "] {
            assert!(help.contains(code), "{help}");
        }
    }

    #[test]
    fn global_options_may_stand_anywhere() {
        let cli = Cli::try_parse_from(["skcomm", "peer", "list", "--json", "--home", "/x"]).unwrap();
        assert!(cli.global.json && cli.global.home.is_some());
    }
}
