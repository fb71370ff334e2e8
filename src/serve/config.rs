//! How a relay is set up, and its bounds.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf, time::Duration};

use crate::wire::{Fingerprint, limits};

/// What a relay is started with.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The names by which clients may dial it, as `host:port` (or `host`, for any port). A login is good only for a host
    /// that is ours; the local address of the connection and, on the loopback, `localhost` always count.
    pub hosts: Vec<String>,
    /// The folder of its mailboxes; made with mode 0700 if it is not there. Unused with a `store`.
    pub data_dir: PathBuf,
    /// Where several relays keep their mailboxes together: `nats://HOST[:PORT][?SETTING=VALUE...]`, as `docs/relay.md`
    /// describes it. Needs the feature `nats`.
    pub store: Option<String>,
    /// Its name, for people; at most 255 bytes reach the clients.
    pub name: String,
    /// Its bounds.
    pub limits: Limits,
    /// Who may use it.
    pub access: Access,
    /// A certificate of its own; without one it speaks plain `ws` (behind a proxy that has one, or in a trusted network).
    pub tls: Option<TlsFiles>,
}

impl RelayConfig {
    /// An open relay at `listen` with its mailboxes in `data_dir`, default bounds, without TLS.
    pub fn new(listen: SocketAddr, data_dir: PathBuf) -> Self {
        Self {
            listen,
            hosts: Vec::new(),
            data_dir,
            store: None,
            name: "skcomm-relay".to_owned(),
            limits: Limits::default(),
            access: Access::default(),
            tls: None,
        }
    }
}

/// Files of a TLS certificate, PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, its intermediates behind it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Who may use a relay. The default is an open relay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Who may have a mailbox and log in; none for everybody.
    pub members: Option<BTreeSet<Fingerprint>>,
    /// Whether others may log in to leave frames for members.
    pub guests: bool,
    /// A secret every client must prove to know. Choose a long random one.
    pub token: Option<String>,
}

impl Access {
    /// Whether `fingerprint` may have a mailbox.
    pub fn is_member(&self, fingerprint: &Fingerprint) -> bool {
        self.members.as_ref().is_none_or(|members| members.contains(fingerprint))
    }

    /// Whether `fingerprint` may log in.
    pub fn may_log_in(&self, fingerprint: &Fingerprint) -> bool {
        self.guests || self.is_member(fingerprint)
    }
}

/// The bounds of a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Time from connecting to being logged in.
    pub handshake: Duration,
    /// Failed logins a minute from one address before it is turned away for a while.
    pub failed_logins_per_minute: u32,
    /// Silence after which a connection is closed. A large message may take longer, as long as at least 64 KiB of it
    /// move in each such period.
    pub silence: Duration,
    /// Largest frame, in bytes; at most [`limits::ENVELOPE_BYTES`].
    pub frame_bytes: usize,
    /// Frames a connection may send ahead of answers.
    pub window_messages: u16,
    /// Bytes of frames a connection may send ahead of answers.
    pub window_bytes: u32,
    /// Bytes of frames of all connections that wait to be written to disk.
    pub unwritten_bytes: usize,
    /// Large messages (over 64 KiB) that may be under way at once, in each direction.
    pub large_messages: usize,
    /// What mailboxes may hold.
    pub storage: StorageLimits,
    /// How fast one sender may be.
    pub sender: SenderLimits,
}

/// What the mailboxes of a relay may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageLimits {
    /// Messages in one mailbox.
    pub mailbox_messages: u64,
    /// Bytes in one mailbox.
    pub mailbox_bytes: u64,
    /// Messages in a mailbox whose owner was never here.
    pub unclaimed_messages: u64,
    /// Bytes in a mailbox whose owner was never here.
    pub unclaimed_bytes: u64,
    /// The share of one mailbox that one sender may fill, in percent.
    pub sender_share_percent: u64,
    /// Bytes in all mailboxes. The disk use is up to three times as much.
    pub total_bytes: u64,
    /// Messages in all mailboxes; bounds the memory for their accounts.
    pub total_messages: u64,
    /// The share of the total that mailboxes whose owners were never here may fill, in percent.
    pub unclaimed_share_percent: u64,
    /// How long a message is kept.
    pub keep: Duration,
}

/// How fast one sender may be: each a mean and a burst.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderLimits {
    /// Messages a second, in the long run.
    pub messages_per_second: u32,
    /// Messages at once.
    pub messages_burst: u32,
    /// Bytes a second, in the long run.
    pub bytes_per_second: u64,
    /// Bytes at once; never less than one frame.
    pub bytes_burst: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            handshake: Duration::from_secs(10),
            failed_logins_per_minute: 30,
            silence: Duration::from_secs(90),
            frame_bytes: limits::ENVELOPE_BYTES,
            window_messages: 256,
            window_bytes: 8 * MIB_U32,
            unwritten_bytes: 256 * MIB,
            large_messages: 16,
            storage: StorageLimits::default(),
            sender: SenderLimits::default(),
        }
    }
}

impl Default for StorageLimits {
    fn default() -> Self {
        Self {
            mailbox_messages: 10_000,
            mailbox_bytes: 256 * MIB as u64,
            unclaimed_messages: 500,
            unclaimed_bytes: 32 * MIB as u64,
            sender_share_percent: 50,
            total_bytes: 4096 * MIB as u64,
            total_messages: 2_000_000,
            unclaimed_share_percent: 25,
            keep: Duration::from_secs(limits::TTL_SECONDS_MAX),
        }
    }
}

impl Default for SenderLimits {
    fn default() -> Self {
        Self {
            messages_per_second: 500,
            messages_burst: 5_000,
            bytes_per_second: 16 * MIB as u64,
            bytes_burst: 128 * MIB as u64,
        }
    }
}

const MIB: usize = 1024 * 1024;
const MIB_U32: u32 = 1024 * 1024;
