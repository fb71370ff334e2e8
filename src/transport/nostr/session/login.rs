//! The login, when the relay asks for it (NIP-42), and what is said again for its sake.
//!
//! A decent relay answers a login, and says `auth-required:` to what needs one. Some never answer a login, and refuse access with
//! `restricted:`, without saying what they refuse. So a login without an answer is tried by going on; what was refused before the login
//! was through is said once more; and a refusal of access without a name is taken to mean what was said first.

use std::time::Duration;

use nostr_sdk::{ClientMessage, EventBuilder, EventId, JsonUtil as _, RelayUrl, SubscriptionId};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::Session;
use crate::{
    delivery::{Reason, ReasonKind, Retry},
    transport::{
        SendError,
        link::Failure,
        nostr::{
            mail::Mail,
            message::{refusal, refuses_access, wants_login},
        },
    },
    wire::SafeText,
};

/// How long an answer to a login is waited for before we go on as if it were fine.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often one connection logs in: a relay that challenges without end does not have us sign without end.
const LOGINS: u32 = 3;
/// When to try again after a refused login.
const REFUSED_LOGIN_WAIT: Duration = Duration::from_secs(600);

/// Where the login is.
pub(super) enum Login {
    /// The relay has not asked.
    Unasked,
    /// This is its challenge.
    Challenged(String),
    /// Our answer is under way; until then the relay's word is waited for.
    Answered { id: EventId, until: Instant, notice: Option<SafeText> },
    /// Logged in, as far as we know; without an answer, what the relay said instead.
    In { id: EventId, notice: Option<SafeText> },
    /// Refused, with the reason.
    Refused(SendError),
}

/// How an event or a question stands with the login.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::transport::nostr) struct Said {
    /// Its place among all that was said.
    order: u64,
    /// Whether the login was through by then.
    logged_in: bool,
    /// It was refused, and is said again after the login.
    pub(super) waits: bool,
}

/// Something that a relay can refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Event(EventId),
    Question(String),
    Mail,
}

/// What to do about something that was refused.
#[derive(Debug, PartialEq, Eq)]
enum Again {
    Now,
    AfterLogin,
    Never,
}

impl Login {
    /// Whether that is our answer to the challenge.
    pub(super) fn is_answered_with(&self, event: &EventId) -> bool {
        matches!(self, Self::Answered { id, .. } | Self::In { id, .. } if id == event)
    }

    /// Whether something that was refused in these words is worth saying again.
    fn again(&self, said: &Said, message: &str) -> Again {
        match self {
            // The challenge may be on its way; it is waited for as long as for an answer.
            Self::Unasked if wants_login(message) => Again::AfterLogin,
            Self::Challenged(_) | Self::Answered { .. } if refuses_access(message) => Again::AfterLogin,
            Self::In { .. } if refuses_access(message) && !said.logged_in => Again::Now,
            _ => Again::Never,
        }
    }
}

impl Session {
    /// How something stands that is said at this moment.
    pub(super) fn said_now(&mut self) -> Said {
        self.number += 1;
        Said { order: self.number, logged_in: matches!(self.login, Login::In { .. }), waits: false }
    }

    /// The event that was said first and has no answer.
    pub(super) fn first_event(&self) -> Option<EventId> {
        let open = self.publishing.iter().filter(|(_, waiting)| !waiting.said.waits);
        open.min_by_key(|(_, waiting)| waiting.said.order).map(|(id, _)| *id)
    }

    /// The question that was said first and has no answer.
    fn first_question(&self) -> Option<Item> {
        let fetching = self.fetching.iter().map(|(name, waiting)| (waiting.said, Item::Question(name.clone())));
        let mail = self.mail.iter().filter(|mail| mail.is_unanswered()).map(|mail| (mail.said, Item::Mail));
        let open = fetching.chain(mail).filter(|(said, _)| !said.waits);
        open.min_by_key(|(said, _)| said.order).map(|(_, item)| item)
    }

    fn said(&mut self, item: &Item) -> Option<&mut Said> {
        match item {
            Item::Event(id) => self.publishing.get_mut(id).map(|waiting| &mut waiting.said),
            Item::Question(name) => self.fetching.get_mut(name).map(|waiting| &mut waiting.said),
            Item::Mail => self.mail.as_mut().map(|mail| &mut mail.said),
        }
    }

    /// The relay wants to know who we are.
    pub(super) async fn challenged(&mut self, challenge: String) {
        if self.logins == LOGINS {
            return;
        }
        let unasked = self.manner.own && matches!(self.login, Login::Unasked);
        self.login = Login::Challenged(challenge);
        if unasked || self.waits_for_login() {
            self.log_in().await;
        }
    }

    /// What a relay says to people. Some refuse a question, or a login, in this way only.
    pub(super) async fn notice(&mut self, text: &str) -> Result<(), Failure> {
        let told = SafeText::line(text);
        tracing::info!(relay = %self.manner.relay, notice = %told, "a relay says");
        if !refuses_access(text) {
            if let Login::Answered { notice, .. } = &mut self.login {
                *notice = Some(told.clone());
            }
            self.notice = Some(told);
            return Ok(());
        }
        self.notice = Some(told);
        match self.first_question() {
            Some(item) => self.question_refused(&item, text).await,
            None => Ok(()),
        }
    }

    /// Whether what was refused in these words is said again, now or after a login.
    pub(super) async fn is_said_again(&mut self, item: &Item, message: &str) -> bool {
        let Some(said) = self.said(item).copied() else { return false };
        match self.login.again(&said, message) {
            Again::Never => return false,
            Again::Now => self.say_item(item).await,
            Again::AfterLogin => {
                self.wait_for_login(item);
                self.log_in().await;
            }
        }
        true
    }

    fn wait_for_login(&mut self, item: &Item) {
        if let Some(said) = self.said(item) {
            said.waits = true;
        }
        let until = Instant::now() + self.manner.answer;
        match item {
            Item::Event(id) => self.publishing.get_mut(id).into_iter().for_each(|waiting| waiting.until = until),
            Item::Question(name) => self.fetching.get_mut(name).into_iter().for_each(|waiting| waiting.until = until),
            Item::Mail => self.mail.iter_mut().for_each(Mail::heard),
        }
    }

    /// A refusal for good. It tells what became of the login, where that may be why.
    pub(super) fn refused(&self, message: &str) -> SendError {
        let plain = refusal(&self.manner.relay, message);
        if !refuses_access(message) {
            return plain;
        }
        let why = match &self.login {
            Login::Refused(error) => return error.clone(),
            Login::In { notice: Some(notice), .. } => format!("; after our login it said: {notice}"),
            Login::In { .. } | Login::Answered { .. } if !self.manner.own => {
                "; we logged in with a key made for this connection, `login: own` uses ours".to_owned()
            }
            _ => return plain,
        };
        let SendError { reason, retry } = plain;
        SendError { reason: Reason::new(reason.kind, format!("{reason}{why}")), retry }
    }

    /// Whether anything waits for it.
    fn waits_for_login(&self) -> bool {
        self.publishing.values().any(|waiting| waiting.said.waits)
            || self.fetching.values().any(|waiting| waiting.said.waits)
            || self.mail.as_ref().is_some_and(|mail| mail.said.waits)
    }

    /// Answers the challenge, if there is one that was not answered.
    async fn log_in(&mut self) {
        let Login::Challenged(challenge) = &self.login else { return };
        let Ok(url) = RelayUrl::parse(&self.manner.url) else { return };
        let Ok(event) = EventBuilder::auth(challenge.clone(), url).sign_with_keys(&self.manner.login) else { return };
        let until = Instant::now() + PATIENCE.min(self.manner.answer);
        self.logins += 1;
        self.login = Login::Answered { id: event.id, until, notice: None };
        self.say(ClientMessage::auth(event)).await;
    }

    /// The relay's answer to that: what waited is said again, or given up.
    pub(super) async fn logged_in(&mut self, ok: bool, message: &str) {
        if ok {
            return self.login_is_through(None).await;
        }
        let reason = format!("{} refuses the login: {}", self.manner.relay, SafeText::line(message));
        self.login_failed(Reason::new(ReasonKind::AuthRefused, reason));
    }

    /// A login without an answer is tried by going on.
    pub(super) async fn go_on_without_answer(&mut self, now: Instant) {
        if let Login::Answered { until, notice, .. } = &self.login
            && *until <= now
        {
            let notice = notice.clone();
            self.login_is_through(notice).await;
        }
    }

    async fn login_is_through(&mut self, notice: Option<SafeText>) {
        let (Login::Answered { id, .. } | Login::In { id, .. }) = self.login else { return };
        self.login = Login::In { id, notice };
        let events = self.publishing.iter().filter(|(_, waiting)| waiting.said.waits);
        let mut again: Vec<_> = events.map(|(id, waiting)| (waiting.said.order, Item::Event(*id))).collect();
        let questions = self.fetching.iter().filter(|(_, waiting)| waiting.said.waits);
        again.extend(questions.map(|(name, waiting)| (waiting.said.order, Item::Question(name.clone()))));
        let mail = self.mail.iter().filter(|mail| mail.said.waits);
        again.extend(mail.map(|mail| (mail.said.order, Item::Mail)));
        again.sort_by_key(|(order, _)| *order);
        for (_, item) in again {
            self.say_item(&item).await;
        }
    }

    async fn say_item(&mut self, item: &Item) {
        let (said, until) = (self.said_now(), Instant::now() + self.manner.answer);
        let message = match item {
            Item::Event(id) => self.publishing.get_mut(id).map(|waiting| {
                (waiting.said, waiting.until) = (said, until);
                Message::Text(waiting.event.text.clone())
            }),
            Item::Question(name) => self.fetching.get_mut(name).and_then(|waiting| {
                (waiting.said, waiting.until) = (said, until);
                let ask = ClientMessage::req(SubscriptionId::new(name), waiting.filter.clone());
                ask.try_as_json().ok().map(Message::text)
            }),
            Item::Mail => self.mail.as_mut().and_then(|mail| {
                let (ask, _) = mail.begin();
                mail.said = said;
                ask.try_as_json().ok().map(Message::text)
            }),
        };
        if let Some(message) = message {
            self.write(message).await;
        }
    }

    /// Who waits for the login gets that reason.
    fn login_failed(&mut self, reason: Reason) {
        let error = SendError { reason, retry: Retry::After(REFUSED_LOGIN_WAIT) };
        self.login = Login::Refused(error.clone());
        let failed: Vec<EventId> =
            self.publishing.iter().filter(|(_, waiting)| waiting.said.waits).map(|(id, _)| *id).collect();
        for id in failed {
            if let Some(publishing) = self.publishing.remove(&id) {
                let outcome = Err(error.clone());
                self.announced(&outcome);
                let _ = publishing.reply.send(outcome);
            }
        }
        for (_, fetching) in self.fetching.extract_if(|_, waiting| waiting.said.waits) {
            let _ = fetching.reply.send(Err(error.clone()));
        }
    }
}
