//! The login, when the relay asks for it (NIP-42).

use std::time::Duration;

use nostr_sdk::{ClientMessage, EventBuilder, EventId, JsonUtil as _, RelayUrl, SubscriptionId};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::Session;
use crate::{
    delivery::{Reason, ReasonKind, Retry},
    transport::SendError,
    wire::SafeText,
};

/// Where the login is.
pub(super) enum Login {
    /// The relay has not asked.
    Unasked,
    /// This is its challenge.
    Challenged(String),
    /// Our answer is under way.
    Answered(EventId, Instant),
    /// Logged in.
    In,
    /// Refused, with the reason.
    Refused(SendError),
}

impl Session {
    /// Whether a login is still worth a try.
    pub(super) fn can_log_in(&self) -> bool {
        matches!(self.login, Login::Challenged(_) | Login::Answered(..) | Login::Unasked)
    }

    /// Whether anything waits for it.
    pub(super) fn waits_for_login(&self) -> bool {
        self.publishing.values().any(|waiting| waiting.waits_for_login)
            || self.fetching.values().any(|waiting| waiting.waits_for_login)
            || self.mail.as_ref().is_some_and(|mail| mail.waits_for_login)
    }

    /// Answers the challenge.
    pub(super) async fn log_in(&mut self) {
        // Without a challenge it is waited for as long as for an answer.
        let Login::Challenged(challenge) = &self.login else { return };
        let Ok(url) = RelayUrl::parse(&self.manner.url) else { return };
        let Ok(event) = EventBuilder::auth(challenge.clone(), url).sign_with_keys(&self.manner.login) else { return };
        self.login = Login::Answered(event.id, Instant::now() + self.manner.answer);
        self.say(ClientMessage::auth(event)).await;
    }

    /// The relay's answer to that: what waited is said again, or given up.
    pub(super) async fn logged_in(&mut self, ok: bool, message: &str) {
        if ok {
            self.login = Login::In;
            let again: Vec<_> = self.publishing.values_mut().filter(|waiting| waiting.waits_for_login).collect();
            let mut texts = Vec::with_capacity(again.len());
            for waiting in again {
                waiting.waits_for_login = false;
                texts.push(Message::Text(waiting.event.text.clone()));
            }
            for (name, waiting) in self.fetching.iter_mut().filter(|(_, waiting)| waiting.waits_for_login) {
                waiting.waits_for_login = false;
                let ask = ClientMessage::req(SubscriptionId::new(name), waiting.filter.clone());
                texts.extend(ask.try_as_json().ok().map(Message::text));
            }
            if let Some(mail) = self.mail.as_mut().filter(|mail| mail.waits_for_login) {
                let (ask, _) = mail.begin();
                texts.extend(ask.try_as_json().ok().map(Message::text));
            }
            for text in texts {
                self.write(text).await;
            }
            return;
        }
        let reason = format!("{} refuses the login: {}", self.manner.relay, SafeText::line(message));
        self.login_failed(Reason::new(ReasonKind::AuthRefused, reason));
    }

    /// Who waits for the login gets that reason.
    pub(super) fn login_failed(&mut self, reason: Reason) {
        let error = SendError { reason, retry: Retry::After(Duration::from_secs(600)) };
        self.login = Login::Refused(error.clone());
        let failed: Vec<EventId> =
            self.publishing.iter().filter(|(_, waiting)| waiting.waits_for_login).map(|(id, _)| *id).collect();
        for id in failed {
            if let Some(publishing) = self.publishing.remove(&id) {
                let outcome = Err(error.clone());
                self.announced(&outcome);
                let _ = publishing.reply.send(outcome);
            }
        }
        for (_, fetching) in self.fetching.extract_if(|_, waiting| waiting.waits_for_login) {
            let _ = fetching.reply.send(Err(error.reason.clone()));
        }
    }
}
