//! What a limit on the size of files does to a program that writes.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// A limit on the size of files (`ulimit -f`) shall fail a write as a full disk does, and not end the process: its signal is
/// taken from now on, and nothing is done about it. To be called in a runtime.
pub(crate) fn outlive_file_size_limit() -> io::Result<()> {
    let kind = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    signal(kind).map(drop)
}
