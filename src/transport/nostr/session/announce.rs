//! Publishing what others need to write to us, over the connections on which we read.

use tokio::sync::oneshot;

use super::{Order, Session};
use crate::{delivery::Reason, transport::SendError};

impl Session {
    /// What others need to write to us. It comes after the first answer to our question: by then we are logged in where that is wanted.
    pub(super) async fn publish_announcements(&mut self) {
        for event in std::mem::take(&mut self.announce) {
            self.announcing += 1;
            // Nobody waits; what comes of it is told as trouble.
            let (reply, _) = oneshot::channel();
            self.obey(Order::Publish { event, reply }).await;
        }
        self.ready_when_announced();
    }

    /// When our mail comes, others can write to us.
    fn ready_when_announced(&self) {
        if self.announcing == 0 {
            self.told.ready.send_replace(true);
        }
    }

    /// What others must know to write to us was published, or could not be: then we still read.
    /// (Connections that receive publish nothing else.)
    pub(super) fn announced(&mut self, outcome: &Result<(), SendError>) {
        if self.mail.is_none() {
            return;
        }
        self.announcing = self.announcing.saturating_sub(1);
        self.ready_when_announced();
        if let Err(error) = outcome {
            let reason = &error.reason;
            let text = format!("our key and relays are not published there: {reason}");
            self.told.set_trouble(Some(Reason::new(reason.kind, text)));
        }
    }
}
