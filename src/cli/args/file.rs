//! `file`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::values;
use crate::{
    delivery::Policy,
    wire::{EnvelopeId, Mode, ThreadId},
};

/// What can be done with files.
#[derive(Debug, Subcommand)]
pub enum FileCommand {
    /// Offer a file to a peer, and send it when the peer takes it
    Send(FileSendArgs),
    /// List files on their way, both ways, and those that ended lately
    List {
        /// Only with this peer
        #[arg(long, value_name = "NAME")]
        peer: Option<String>,
    },
    /// Take a file that a peer offers
    ///
    /// It is put into the peer's folder in the downloads folder when all of it came and its hash is right.
    Accept(TransferArgs),
    /// Let a file rest, coming or going
    Pause {
        /// The transfer, as `file list` names it
        #[arg(value_name = "ID")]
        transfer: EnvelopeId,
    },
    /// Go on with a file that was paused, or fetch one anew that came damaged
    Resume(TransferArgs),
    /// Give a file up, or refuse an offered one; what came of it is removed
    Cancel {
        /// The transfer, as `file list` names it
        #[arg(value_name = "ID")]
        transfer: EnvelopeId,
    },
}

/// Options of `file send`.
#[derive(Debug, Args)]
#[command(after_help = "\
Waits until the recipient has the file, at most --wait seconds, and prints how far it came. Exit code 3 means: not there
yet; the node goes on with it, also after a restart, as long as the file is not changed.")]
pub struct FileSendArgs {
    /// To whom: name, FQID or fingerprint
    #[arg(long, value_name = "NAME")]
    pub to: String,
    /// The thread the offer stands in [default: general]
    #[arg(long, value_name = "THREAD")]
    pub thread: Option<ThreadId>,
    /// Which paths are allowed, as for a message; the chunks take one path at a time
    #[arg(long, value_parser = values::mode())]
    pub mode: Option<Mode>,
    /// Which of the allowed paths is the best
    #[arg(long, value_parser = values::policy())]
    pub policy: Option<Policy>,
    /// How long to wait; 0 returns once the offer is safe in the outbox
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u64).range(..=2_419_200))]
    pub wait: u64,
    /// The file
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub path: PathBuf,
}

/// Which transfer, and how long to follow it.
#[derive(Debug, Args)]
pub struct TransferArgs {
    /// The transfer, as `file list` names it
    #[arg(value_name = "ID")]
    pub transfer: EnvelopeId,
    /// How long to follow it; 0 returns at once
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u64).range(..=2_419_200))]
    pub wait: u64,
}
