//! `send`, `receive`, `history`, `search`.

use clap::Args;

use super::values;
use crate::{
    delivery::Policy,
    wire::{EnvelopeId, Mode, ThreadId, Urgency},
};

/// Options of `send`.
#[derive(Debug, Args)]
#[command(after_help = "\
Waits until the message is delivered, failed or held, at most --wait seconds. Exit code 3 means: safe in the outbox,
not yet delivered.

With --lines many messages are under way at once, reported and delivered in the order of the lines; empty lines are
skipped. Where the queue is full it waits for room. If the node goes away meanwhile, the command takes over its work; no line is lost or sent twice.")]
pub struct SendArgs {
    /// To whom: name, FQID or fingerprint
    #[arg(long, value_name = "NAME")]
    pub to: String,
    /// How many paths it takes, and which are allowed; as for policy, urgency and ttl, the default of the thread, the
    /// peer or the configuration without it
    #[arg(long, value_parser = values::mode())]
    pub mode: Option<Mode>,
    /// Which of the allowed paths is the best
    #[arg(long, value_parser = values::policy())]
    pub policy: Option<Policy>,
    /// The thread [default: general]
    #[arg(long, value_name = "THREAD")]
    pub thread: Option<ThreadId>,
    /// The message it answers
    #[arg(long, value_name = "ID")]
    pub reply_to: Option<EnvelopeId>,
    /// How much it matters
    #[arg(long, value_parser = values::urgency())]
    pub urgency: Option<Urgency>,
    /// Give up after so many seconds, at most 28 days
    #[arg(long, value_name = "SECONDS", value_parser = values::ttl())]
    pub ttl: Option<u64>,
    /// How long to wait for delivery; 0 returns once the message is safe in the outbox
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub wait: u64,
    /// One message per line of the text
    #[arg(long)]
    pub lines: bool,
    /// The text; `-` reads standard input
    #[arg(value_name = "TEXT|-", allow_hyphen_values = true)]
    pub text: String,
}

/// Options of `receive`.
#[derive(Debug, Args)]
pub struct ReceiveArgs {
    /// Go on printing what arrives, until interrupted
    #[arg(long, conflicts_with = "limit")]
    pub follow: bool,
    /// Wait so long for a message if none is unread [default: 0, or 2 without a running node]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub wait: Option<u64>,
    /// At most so many, the oldest first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// Only from this peer
    #[arg(long, value_name = "NAME")]
    pub peer: Option<String>,
    /// Leave them unread, and send no read receipts
    #[arg(long)]
    pub peek: bool,
}

/// Options of `history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Only with this peer
    #[arg(long, value_name = "NAME")]
    pub peer: Option<String>,
    /// Only in this thread
    #[arg(long, value_name = "THREAD")]
    pub thread: Option<ThreadId>,
    /// The newest so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
}

/// Options of `search`.
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// All these words, in upper or lower case
    #[arg(value_name = "TEXT", required = true)]
    pub text: Vec<String>,
    /// Only with this peer
    #[arg(long, value_name = "NAME")]
    pub peer: Option<String>,
    /// Only in this thread
    #[arg(long, value_name = "THREAD")]
    pub thread: Option<ThreadId>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub limit: u32,
}
