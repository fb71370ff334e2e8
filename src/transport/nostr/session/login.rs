//! The login, when the relay asks for it (NIP-42).

use std::time::Duration;

use nostr_sdk::{ClientMessage, EventBuilder, EventId, JsonUtil as _, RelayUrl, SubscriptionId};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::{REFUSED_WAIT, Session};
use crate::{
    delivery::{Reason, ReasonKind, Retry},
    transport::{
        SendError,
        link::Failure,
        nostr::message::{refusal, refuses_access, wants_login},
    },
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

impl Login {
    /// Whether there is a challenge that was not answered yet.
    pub(super) fn is_challenged(&self) -> bool {
        matches!(self, Self::Challenged(_))
    }
}

impl Session {
    /// Whether a refusal can be overcome by a login: it says so, or the relay has challenged us and now refuses access. (NIP-42 has
    /// `restricted:` for those who are logged in already; some use it before.)
    pub(super) fn asks_for_login(&self, message: &str) -> bool {
        wants_login(message) || self.login.is_challenged() && refuses_access(message)
    }

    /// What a relay says to people. Some refuse a question for mail in this way only.
    pub(super) async fn notice(&mut self, text: &str) -> Result<(), Failure> {
        tracing::info!(relay = %self.manner.relay, notice = %SafeText::line(text), "a relay says");
        self.notice = Some(SafeText::line(text));
        let Some(mail) = self.mail.as_mut().filter(|mail| refuses_access(text) && mail.is_unanswered()) else {
            return Ok(());
        };
        if self.login.is_challenged() {
            mail.waits_for_login = true;
            self.log_in_unasked().await;
            return Ok(());
        }
        let SendError { reason, .. } = self.refused(text);
        Err(Failure { reason, wait: Some(REFUSED_WAIT) })
    }

    /// A refusal; one that asks for a login although that was refused tells why it was.
    pub(super) fn refused(&self, message: &str) -> SendError {
        match &self.login {
            Login::Refused(error) if wants_login(message) => error.clone(),
            _ => refusal(&self.manner.relay, message),
        }
    }

    /// Answers the challenge and says again what waits for it, because a relay that did not ask may not answer either.
    pub(super) async fn log_in_unasked(&mut self) {
        self.log_in().await;
        self.say_again().await;
    }

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
            return self.say_again().await;
        }
        let reason = format!("{} refuses the login: {}", self.manner.relay, SafeText::line(message));
        self.login_failed(Reason::new(ReasonKind::AuthRefused, reason));
    }

    async fn say_again(&mut self) {
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
