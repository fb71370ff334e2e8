//! Whether a session lives, and why it does not any more.

use std::sync::OnceLock;

use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::delivery::ReasonKind;

/// The life of a session. It is over from [`Life::end`] on: nobody new should use the session. It has ended after
/// [`Life::finish`]: nothing of it runs any more.
#[derive(Debug, Default)]
pub(in crate::transport) struct Life {
    cause: OnceLock<Failure>,
    done: CancellationToken,
}

impl Life {
    /// Sets why it is over; the first cause stays.
    pub(in crate::transport) fn end(&self, failure: impl Into<Failure>) {
        let _ = self.cause.set(failure.into());
    }

    /// It has ended.
    pub(in crate::transport) fn finish(&self) {
        self.done.cancel();
    }

    /// Whether it is over.
    pub(in crate::transport) fn is_over(&self) -> bool {
        self.cause.get().is_some()
    }

    /// Waits until it has ended; says why.
    pub(in crate::transport) async fn ended(&self) -> Failure {
        self.done.cancelled().await;
        self.cause()
    }

    /// Why it is over.
    pub(in crate::transport) fn cause(&self) -> Failure {
        let unknown = || Failure::new(ReasonKind::Disconnected, "the connection ended");
        self.cause.get().cloned().unwrap_or_else(unknown)
    }
}
