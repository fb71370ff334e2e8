//! `peer`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::values::{DefaultsArgs, DefaultsChange, RouteArg};
use crate::wire::ThreadId;

/// What can be done with peers. A peer is named by its name, its FQID or at least eight digits of its fingerprint.
#[derive(Debug, Subcommand)]
pub enum PeerCommand {
    /// Add a peer, or routes or a key to a peer
    Add(PeerAddArgs),
    /// List all peers
    List,
    /// Everything about one peer
    Show {
        /// Name, FQID or fingerprint
        peer: String,
    },
    /// Set what messages to a peer get that ask for nothing else
    ///
    /// A message's own options win, then the defaults of its thread (`skcomm thread set`), then these, then config.yml.
    Set {
        /// Name, FQID or fingerprint
        peer: String,
        /// The defaults
        #[command(flatten)]
        change: DefaultsChange,
    },
    /// Forget a peer; its messages stay
    Remove {
        /// Name, FQID or fingerprint
        peer: String,
    },
    /// Refuse a peer's messages, and write it none
    Block {
        /// Name, FQID or fingerprint
        peer: String,
    },
    /// Undo `block`
    Unblock {
        /// Name, FQID or fingerprint
        peer: String,
    },
    /// No notifications for this peer's messages
    Mute {
        /// Name, FQID or fingerprint
        peer: String,
    },
    /// Undo `mute`
    Unmute {
        /// Name, FQID or fingerprint
        peer: String,
    },
    /// Accept a stranger who wrote to you
    Accept {
        /// Name or fingerprint
        peer: String,
    },
}

/// What can be done with threads.
#[derive(Debug, Subcommand)]
pub enum ThreadCommand {
    /// Set what messages in a thread with a peer get that ask for nothing else
    ///
    /// They win over the defaults of the peer (`skcomm peer set`) and of config.yml.
    Set {
        /// Name, FQID or fingerprint
        peer: String,
        /// The thread
        thread: ThreadId,
        /// The defaults
        #[command(flatten)]
        change: DefaultsChange,
    },
}

/// Options of `peer add`.
#[derive(Debug, Args)]
pub struct PeerAddArgs {
    /// What you call it
    #[arg(long)]
    pub name: String,
    /// Its certificate, armored; `-` is standard input. Without it messages to the peer are held
    #[arg(long, value_name = "FILE|-", value_hint = clap::ValueHint::FilePath)]
    pub pubkey: Option<PathBuf>,
    /// Its id as agent@operator.realm
    #[arg(long)]
    pub fqid: Option<String>,
    /// Where it is reached, over which of your transports; may be repeated, the first is preferred
    #[arg(long = "route", value_name = "TRANSPORT=ADDRESS")]
    pub routes: Vec<RouteArg>,
    /// What messages to it get that ask for nothing else
    #[command(flatten)]
    pub defaults: DefaultsArgs,
}
