//! Being asked to stop.

use tokio::signal::unix::{SignalKind, signal};

use super::outcome::CliError;

/// Waits for SIGINT or SIGTERM. From the first poll on they no longer end the process.
pub(super) async fn asked_to_stop() -> Result<(), CliError> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
