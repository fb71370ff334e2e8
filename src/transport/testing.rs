//! What the tests of several transports share: an identity that signs nothing, a sink to look into, waiting
//! for a condition with a limit.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::{Authenticator, Context, Inbound, Secret, TransportEvent, TransportState};
use crate::{
    delivery::{Reason, ReasonKind},
    wire::Fingerprint,
};

/// Longest wait for anything in a test.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

struct Nobody(Fingerprint);

impl Authenticator for Nobody {
    fn fingerprint(&self) -> Fingerprint {
        self.0
    }
    fn certificate(&self) -> String {
        String::new()
    }
    fn sign(&self, _challenge: &[u8]) -> Result<String, Reason> {
        Err(Reason::new(ReasonKind::KeyUnusable, "a test's identity signs nothing"))
    }
}

/// The fingerprint of the test identity number `who`.
pub(crate) fn fingerprint(who: u8) -> Fingerprint {
    Fingerprint::from_bytes(&[who; 20]).unwrap()
}

/// A context for identity number `who`.
pub(crate) fn context(id: &str, who: u8, data_dir: &Path) -> Context {
    let authenticator = Arc::new(Nobody(fingerprint(who)));
    let secret = Secret::new(zeroize::Zeroizing::new([who; 32]));
    Context { id: id.parse().unwrap(), authenticator, data_dir: data_dir.to_owned(), secret }
}

/// The node's end of a sink.
pub(crate) struct Events(pub(crate) mpsc::Receiver<TransportEvent>);

impl Events {
    /// The next event that `pick` wants, dropping the others.
    pub(crate) async fn next<T>(&mut self, why: &str, mut pick: impl FnMut(TransportEvent) -> Option<T>) -> T {
        let search = async {
            loop {
                match self.0.recv().await {
                    Some(event) => match pick(event) {
                        Some(found) => return found,
                        None => continue,
                    },
                    None => panic!("the transport hung up before: {why}"),
                }
            }
        };
        tokio::time::timeout(LIMIT, search).await.unwrap_or_else(|_| panic!("waited in vain for: {why}"))
    }

    /// The next frame, unanswered.
    pub(crate) async fn inbound(&mut self, why: &str) -> Inbound {
        self.next(why, |event| match event {
            TransportEvent::Inbound(inbound) => Some(inbound),
            _ => None,
        })
        .await
    }

    /// The next frame, made durable.
    pub(crate) async fn take(&mut self, why: &str) -> bytes::Bytes {
        let inbound = self.inbound(why).await;
        inbound.receipt.durable();
        inbound.frame
    }

    /// Waits for a state that `wanted` likes.
    pub(crate) async fn state(&mut self, why: &str, wanted: impl Fn(&TransportState) -> bool) -> TransportState {
        self.next(why, |event| match event {
            TransportEvent::State(_, state) if wanted(&state) => Some(state),
            _ => None,
        })
        .await
    }

    /// The next thing the transport itself refused.
    pub(crate) async fn refusal(&mut self, why: &str) -> Reason {
        self.next(why, |event| match event {
            TransportEvent::Refused(_, reason) => Some(reason),
            _ => None,
        })
        .await
    }
}

/// Waits until `condition` holds, looking every few milliseconds.
pub(crate) async fn wait_until(why: &str, mut condition: impl FnMut() -> bool) {
    let end = tokio::time::Instant::now() + LIMIT;
    while !condition() {
        assert!(tokio::time::Instant::now() < end, "waited in vain for: {why}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
