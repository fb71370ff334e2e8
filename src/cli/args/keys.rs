//! `keys`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::values;
use crate::identity::TrustLevel;

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Your own key and those of your peers
    List,
    /// Print a certificate: your own, to give it to others, or a peer's
    Export {
        /// A peer; your own certificate without it
        peer: Option<String>,
        /// Write to this file
        #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
        output: Option<PathBuf>,
    },
    /// Pin a certificate to a peer, new or known
    Import {
        /// The certificate, armored; `-` is standard input
        #[arg(value_name = "FILE|-", value_hint = clap::ValueHint::FilePath)]
        file: PathBuf,
        /// Whose it is
        #[arg(long)]
        name: String,
    },
    /// Set how far a peer is trusted, after comparing fingerprints
    Trust {
        /// Name, FQID or fingerprint
        peer: String,
        /// The new level
        #[arg(long, value_parser = values::trust_level())]
        level: TrustLevel,
    },
    /// Decide what to do about a peer whose key changed
    Conflict {
        /// Name, FQID or fingerprint
        peer: String,
        /// The decision
        #[command(flatten)]
        choice: ConflictChoice,
    },
    /// Revoke your own key, for good
    ///
    /// Applies identity/revocation.asc to your certificate, writes the result to identity/public.asc and exports it.
    /// This version tells nobody by itself: give the exported file to your peers, who run `skcomm keys import`. Your
    /// node can still read what was sealed to the key; move the home folder away and run `skcomm init` for a new key.
    Revoke {
        /// Write the revoked certificate to this file too; printed otherwise
        #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
        output: Option<PathBuf>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Which key wins.
#[derive(Clone, Copy, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct ConflictChoice {
    /// Pin the new key; the peer falls back to untrusted
    #[arg(long)]
    pub accept_new: bool,
    /// Keep the pinned key and forget the new one
    #[arg(long)]
    pub keep_old: bool,
}
