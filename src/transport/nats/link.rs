//! How the link to the realm makes its sessions: at the first server of the cluster that lets us in.

use std::{sync::Arc, time::Duration};

use super::{
    inbox::Puller,
    session::{Dialer, Session},
};
use crate::{
    delivery::{Reason, ReasonKind},
    transport::link::{Board, Dial, Failure, Live as _, Pace},
};

/// Refused credentials become right only when somebody changes something.
const REFUSED_WAIT: Duration = Duration::from_secs(30);

/// The realm's servers, and what takes the frames from them.
pub(super) struct Realm {
    pub(super) dialer: Dialer,
    pub(super) puller: Puller,
}

impl Dial for Realm {
    type Session = Session;

    const PACE: Pace = Pace { first: Duration::from_millis(250), good_after: Duration::from_secs(10), ..Pace::USUAL };

    async fn dial(&mut self) -> Result<Arc<Session>, Failure> {
        let mut last = Reason::new(ReasonKind::NotConfigured, "no server is configured");
        for address in &self.dialer.settings.servers {
            match self.dialer.dial(address).await {
                Ok(session) => return Ok(Arc::new(session)),
                Err(reason) => last = reason,
            }
        }
        Err(failure(last))
    }

    async fn attend(&mut self, session: Arc<Session>, board: &Board<Session>) -> Option<Failure> {
        board.up(&session);
        let reason = tokio::select! {
            reason = self.puller.run(&session) => reason,
            ended = session.life().ended() => ended.reason,
        };
        session.hearing.end(reason);
        Some(failure(session.life().cause().reason))
    }
}

fn failure(reason: Reason) -> Failure {
    let wait = (reason.kind == ReasonKind::AuthRefused).then_some(REFUSED_WAIT);
    Failure { reason, wait }
}
