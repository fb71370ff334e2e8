//! `queue`, `transport`, `route`, `serve`.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand};

use super::values;
use crate::{
    delivery::{Policy, TransportId},
    wire::{EnvelopeId, Fingerprint, Mode, ThreadId, Urgency},
};

/// What can be done with what waits.
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// List what is not yet delivered
    List {
        /// Only for this peer
        #[arg(long, value_name = "NAME")]
        peer: Option<String>,
    },
    /// Try again now
    Retry {
        /// Only this message; all without it
        id: Option<EnvelopeId>,
    },
    /// Let go on what was held because two programs seemed to answer each other for ever
    Release {
        /// Only this message's thread; all without it
        id: Option<EnvelopeId>,
        /// Only for this peer
        #[arg(long, value_name = "NAME", conflicts_with = "id")]
        peer: Option<String>,
    },
    /// Give up what waits
    Purge {
        /// Only this message
        id: Option<EnvelopeId>,
        /// Only for this peer
        #[arg(long, value_name = "NAME")]
        peer: Option<String>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// What can be done with transports.
#[derive(Debug, Subcommand)]
pub enum TransportCommand {
    /// How each one is
    List,
    /// Switch one on
    Enable {
        /// Its name
        transport: TransportId,
    },
    /// Switch one off
    Disable {
        /// Its name
        transport: TransportId,
    },
    /// Check one now
    Probe {
        /// Its name
        transport: TransportId,
    },
    /// Raise or lower one: lower numbers go first
    Priority {
        /// Its name
        transport: TransportId,
        /// The new priority
        #[arg(value_parser = clap::value_parser!(u16).range(..=1000))]
        priority: u16,
    },
}

/// What can be asked about paths.
#[derive(Debug, Subcommand)]
pub enum RouteCommand {
    /// What would happen to a message to this peer, and why
    Explain(ExplainArgs),
}

/// Options of `route explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// To whom: name, FQID or fingerprint
    pub peer: String,
    /// As if in this thread [default: general]
    #[arg(long, value_name = "THREAD")]
    pub thread: Option<ThreadId>,
    /// As if sent in this mode
    #[arg(long, value_parser = values::mode())]
    pub mode: Option<Mode>,
    /// As if sent with this policy
    #[arg(long, value_parser = values::policy())]
    pub policy: Option<Policy>,
    /// As if of this urgency
    #[arg(long, value_parser = values::urgency())]
    pub urgency: Option<Urgency>,
    /// As if these transports were dead
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub without: Vec<TransportId>,
    /// As if of this size, in bytes
    #[arg(long, value_name = "BYTES")]
    pub size: Option<usize>,
}

/// Options of `serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --tls-cert it speaks plain ws: for a trusted network, or behind a proxy that has a certificate. Name the host
by which clients dial it with --host, or their logins are refused. SIGINT or SIGTERM stop it cleanly.

With --store any number of relays keep their mailboxes together in NATS JetStream, and each serves everybody. Behind the ?
stand settings, joined by &: realm=WORD, replicas=N, token_file=FILE, user=NAME, password_file=FILE, nkey_file=FILE,
creds_file=FILE, ca_file=FILE, client_cert=FILE, client_key=FILE, connect_seconds=N, keepalive_seconds=N.")]
pub struct ServeArgs {
    /// Where it listens; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8448")]
    pub listen: SocketAddr,
    /// The folder of its mailboxes [default: relay in the home folder]
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub data: Option<PathBuf>,
    /// Keep the mailboxes in NATS JetStream, together with other relays: nats://HOST,HOST?SETTING=VALUE&SETTING=VALUE
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    pub store: Option<String>,
    /// A name, for people
    #[arg(long, default_value = "skcomm-relay")]
    pub name: String,
    /// A name by which clients dial it, as HOST:PORT or HOST; may be repeated
    #[arg(long, value_name = "HOST")]
    pub host: Vec<String>,
    /// Only these may have a mailbox, by fingerprint; may be repeated. Everybody without it
    #[arg(long, value_name = "FINGERPRINT")]
    pub member: Vec<Fingerprint>,
    /// Others than members may leave messages for members
    #[arg(long, requires = "member")]
    pub guests: bool,
    /// Clients must know the secret in the first line of this file
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub token_file: Option<PathBuf>,
    /// A TLS certificate, PEM, its intermediates behind it
    #[arg(long, value_name = "FILE", requires = "tls_key", value_hint = clap::ValueHint::FilePath)]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert", value_hint = clap::ValueHint::FilePath)]
    pub tls_key: Option<PathBuf>,
    /// Most connections at once
    #[arg(long, value_name = "N")]
    pub max_connections: Option<usize>,
    /// Most messages in one mailbox
    #[arg(long, value_name = "N")]
    pub mailbox_messages: Option<u64>,
    /// Most MiB in one mailbox
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub mailbox_mib: Option<u64>,
    /// Most MiB in all mailboxes
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub total_mib: Option<u64>,
    /// How many days a message is kept
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=28))]
    pub keep_days: Option<u64>,
}
