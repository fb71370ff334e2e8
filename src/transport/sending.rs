//! The refusals that the transports word alike.

use std::{fmt::Display, time::Duration};

use super::{Retry, SendError};
use crate::delivery::{Reason, ReasonKind};

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
