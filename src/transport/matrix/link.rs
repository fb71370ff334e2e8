//! How the link to the homeserver makes its sessions, and what goes on while one lasts.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{
    Common,
    config::LoginWay,
    session::{Door, Session},
    sync::{Follower, answer_invitations},
    trouble::Trouble,
};
use crate::{
    delivery::ReasonKind,
    transport::link::{Board, Dial, Failure, Pace},
};

/// The wait after a login that was refused: nobody's password is to be tried again and again.
const REFUSED_WAIT: Duration = Duration::from_secs(300);

/// The homeserver, as we reach it.
pub(super) struct Home(pub(super) Arc<Common>);

impl Dial for Home {
    type Session = Session;

    // A session ends with its token only; what happens in between, the follower endures.
    const PACE: Pace = Pace { good_after: Duration::ZERO, ..Pace::USUAL };

    async fn dial(&mut self) -> Result<Arc<Session>, Failure> {
        match self.door().enter().await {
            Ok(session) => Ok(Arc::new(session)),
            Err(trouble) => Err(self.failure(trouble).await),
        }
    }

    async fn attend(&mut self, session: Arc<Session>, board: &Board<Session>) -> Option<Failure> {
        let (follower, inbox) = Follower::new(self.0.clone(), session.clone());
        let ending = CancellationToken::new();
        let _end = ending.clone().drop_guard();
        let common = self.0.clone();
        self.0.tasks.spawn(ending.run_until_cancelled_owned(async move {
            tokio::join!(inbox, answer_invitations(&common, &session));
        }));
        let over = follower.follow(board).await;
        Some(self.failure(over).await)
    }
}

impl Home {
    fn door(&self) -> Door<'_> {
        Door { settings: &self.0.settings, vault: &self.0.vault, http: &self.0.http, tasks: &self.0.tasks }
    }

    /// What comes of it for the next login.
    async fn failure(&self, over: Trouble) -> Failure {
        let Trouble { reason, wait, token_gone, .. } = over;
        if let Some(gone) = token_gone {
            if let Err(reason) = self.door().forget(gone).await {
                tracing::error!(transport = %self.0.id, %reason, "the old session is not forgotten");
            } else if matches!(self.0.settings.login, LoginWay::Password(_)) {
                tracing::warn!(transport = %self.0.id, %reason, "logging in again");
                // Soon, but not at once, in case the homeserver takes tokens back as fast as it gives them.
                return reason.into();
            }
        }
        let refused = matches!(reason.kind, ReasonKind::AuthRefused | ReasonKind::NotConfigured);
        Failure { reason, wait: wait.or(refused.then_some(REFUSED_WAIT)) }
    }
}
