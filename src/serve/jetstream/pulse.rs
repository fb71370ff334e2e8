//! Whether the cluster keeps anything at present, which an open connection does not say: its server may be cut off from the
//! others, or most of them may be gone.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use super::session::Session;
use crate::delivery::{Reason, ReasonKind};

/// How often the stream's leader is asked for.
const EVERY: Duration = Duration::from_secs(10);
/// How long one question may take, and how soon it is repeated.
const ANSWER: Duration = Duration::from_secs(3);
const AGAIN: Duration = Duration::from_secs(1);
/// How long the stream may be without a leader: longer than the servers need to elect another. After that it may be this
/// server alone that knows of none, and the next one is tried.
const PATIENCE: Duration = Duration::from_secs(15);

/// Notices when frames are no longer stored, and when they are again.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    failing: AtomicBool,
    doubt: Notify,
}

impl Pulse {
    /// A frame was stored.
    pub(super) fn stored(&self) {
        if self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("the store takes frames again");
        }
    }

    /// A frame was not stored. The log tells the first of many.
    pub(super) fn failed(&self, reason: &Reason) {
        if self.failing.swap(true, Ordering::Relaxed) {
            tracing::debug!(%reason, "another frame was not stored");
        } else {
            tracing::warn!(%reason, "a frame was not stored; its sender is told, and so are others until the store takes frames");
        }
        self.doubt.notify_one();
    }

    /// Returns when the stream has had no leader for long, with the reason.
    pub(super) async fn lost(&self, session: &Session) -> Reason {
        loop {
            tokio::select! {
                () = sleep(EVERY) => {}
                () = self.doubt.notified() => {}
            }
            let began = Instant::now();
            while let Err(reason) = timeout(ANSWER, session.is_led()).await.unwrap_or_else(|_| Err(leaderless(session)))
            {
                if began.elapsed() >= PATIENCE {
                    return reason;
                }
                sleep(AGAIN).await;
            }
            // At most so often, however many frames are refused meanwhile.
            sleep(AGAIN).await;
        }
    }
}

/// What is told when nobody answers for the stream.
pub(super) fn leaderless(session: &Session) -> Reason {
    let told = "no server of the cluster leads the store's stream; do more than half of them run and reach each other?";
    session.failed(ReasonKind::Unreachable, told)
}
