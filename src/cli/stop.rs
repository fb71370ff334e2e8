//! Being asked to stop.

use tokio::signal::unix::{SignalKind, signal};

use super::outcome::CliError;

/// Waits for SIGINT or SIGTERM. From the call on they no longer end the process.
pub(super) fn asked_to_stop() -> impl Future<Output = Result<(), CliError>> + Send {
    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async move {
        let (mut interrupt, mut terminate) = (interrupt?, terminate?);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    }
}
