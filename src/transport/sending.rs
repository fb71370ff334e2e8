//! Sending as the node does it, and the refusals that the transports word alike.

use std::{fmt::Display, panic::AssertUnwindSafe, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::time::timeout;

use super::{Accepted, Retry, Route, SendError, Transport};
use crate::delivery::{Reason, ReasonKind};

/// Sends over a transport and always comes to an end: one that does not answer in time, or panics (or a library of its), has failed.
/// A router that is never told would wait for this attempt for ever.
pub(crate) async fn send_over(
    transport: &dyn Transport,
    frame: Bytes,
    route: &Route,
    deadline: Duration,
) -> Result<Accepted, SendError> {
    let sending = AssertUnwindSafe(transport.send(frame, route, deadline)).catch_unwind();
    match timeout(deadline, sending).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => {
            Err(SendError::later(Reason::new(ReasonKind::Other, "the transport broke down over this message")))
        }
        Err(_) => {
            let detail = format!("no answer within {} s", deadline.as_secs());
            Err(SendError::later(Reason::new(ReasonKind::Timeout, detail)))
        }
    }
}

impl SendError {
    /// The same frame will not go over this path, whenever it is tried.
    pub(super) fn never(kind: ReasonKind, detail: impl Display) -> Self {
        Self { reason: Reason::new(kind, detail.to_string()), retry: Retry::Never }
    }

    /// It may go later.
    pub(super) fn later(reason: Reason) -> Self {
        Self { reason, retry: Retry::Later }
    }

    /// The transport is being stopped.
    pub(super) fn stopping() -> Self {
        Self::later(Reason::new(ReasonKind::Stopping, "the transport is stopping"))
    }

    /// `whom` did not answer within `limit`.
    pub(super) fn late(whom: impl Display, limit: Duration) -> Self {
        let detail = format!("no answer from {whom} within {:.1} s", limit.as_secs_f32());
        Self::later(Reason::new(ReasonKind::Timeout, detail))
    }
}

/// Refuses a frame that is empty or has more than `most` bytes.
pub(super) fn check_size(frame: &[u8], most: usize) -> Result<(), SendError> {
    if frame.is_empty() || frame.len() > most {
        let detail = format!("{} bytes; a frame has 1 to {most} here", frame.len());
        return Err(SendError::never(ReasonKind::TooLarge, detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::{
        delivery::{Capabilities, TransportId},
        transport::{ConfigError, EventSink, testing::fingerprint},
    };

    /// Panics over frames that begin with 0, and never answers others.
    struct Broken;

    #[async_trait]
    impl Transport for Broken {
        fn id(&self) -> &TransportId {
            panic!("sending asks for nothing else")
        }
        fn capabilities(&self) -> &Capabilities {
            panic!("sending asks for nothing else")
        }
        fn check_address(&self, _address: &str) -> Result<(), ConfigError> {
            Ok(())
        }
        fn address(&self) -> Option<String> {
            None
        }
        async fn start(&self, _sink: EventSink) -> Result<(), Reason> {
            Ok(())
        }
        async fn send(&self, frame: Bytes, _route: &Route, _deadline: Duration) -> Result<Accepted, SendError> {
            assert!(frame[0] != 0, "as a library might");
            std::future::pending().await
        }
        async fn probe(&self, _deadline: Duration) -> Result<Duration, Reason> {
            Ok(Duration::ZERO)
        }
        async fn stop(&self) {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_send_ends_whatever_the_transport_does() {
        let route = Route { recipient: fingerprint(1), address: "anywhere".to_owned() };
        let send = async |frame: &'static [u8]| {
            send_over(&Broken, Bytes::from_static(frame), &route, Duration::from_secs(5)).await.unwrap_err()
        };
        let broken = send(&[0]).await;
        assert_eq!((broken.reason.kind, broken.retry), (ReasonKind::Other, Retry::Later), "{broken}");
        let silent = send(&[1]).await;
        assert_eq!((silent.reason.kind, silent.retry), (ReasonKind::Timeout, Retry::Later), "{silent}");
        assert!(silent.to_string().contains("within 5 s"), "{silent}");
    }
}
