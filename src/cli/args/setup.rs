//! `init`.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

use crate::identity::Fqid;

/// Options of `init`.
#[derive(Debug, Args)]
#[command(after_help = "\
The passphrase comes from --passphrase-file, --passphrase-fd, or is asked for twice; it never stands on the command
line. The transports are named file, tcp and relay; their files lie in transports/ and can be edited.")]
pub struct InitArgs {
    /// The name others see
    #[arg(long)]
    pub name: String,
    /// For the key's user id
    #[arg(long)]
    pub email: Option<String>,
    /// Your id as agent@operator.realm
    #[arg(long)]
    pub fqid: Option<Fqid>,
    /// Leave the private key unprotected on the disk
    #[arg(long, conflicts_with_all = ["passphrase_file", "passphrase_fd"])]
    pub no_passphrase: bool,
    /// Listen for peers on this TCP address, such as 0.0.0.0:9999
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// A shared folder to receive messages in; may be repeated
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub folder: Vec<PathBuf>,
    /// A relay that keeps messages for you, such as wss://relay.example; may be repeated
    #[arg(long, value_name = "URL", value_hint = clap::ValueHint::Url)]
    pub relay: Vec<String>,
}
