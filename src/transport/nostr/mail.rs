//! Receiving over one connection: the live subscription, the pages of what is stored, and what we announce.

use std::{sync::Arc, time::Duration};

use nostr_sdk::{ClientMessage, Event, Filter, Kind, SubscriptionId, Timestamp};
use tokio::time::Instant;

use super::{
    connection::Ready,
    inbox::{Slot, Source},
    session::Said,
    sync::{Next, PAGE, Sync},
};
use crate::{delivery::ReasonKind, transport::lock};

/// How far before the last fetch events are asked for, in seconds. They are dated back by up to two days (NIP-59); the third is for
/// clocks that differ.
pub(super) const LOOK_BACK: u64 = 3 * 24 * 3600;
/// How far back the first fetch goes, in seconds: as long as a message may live, and the above.
const FIRST_LOOK_BACK: u64 = crate::wire::limits::TTL_SECONDS_MAX + LOOK_BACK;
/// How often it is written down that all mail was fetched.
const NOTE: Duration = Duration::from_secs(20);
/// How soon what the node could not take is asked for again.
const AGAIN: Duration = Duration::from_secs(15);

/// The mail of one connection.
pub(super) struct Mail {
    slot: Slot,
    source: Arc<Source>,
    announce: Vec<Ready>,
    sync: Sync,
    live: String,
    page: Option<String>,
    number: u32,
    /// When the relay last said something about our questions.
    heard: Instant,
    noted: Instant,
    begun: Instant,
    /// How the question for mail stands with the login.
    pub(super) said: Said,
}

/// What makes the mail of each new connection to one relay.
#[derive(Clone, Debug)]
pub(super) struct MailPlan {
    pub(super) slot: Slot,
    pub(super) source: Arc<Source>,
    pub(super) announce: Vec<Ready>,
}

impl MailPlan {
    /// The mail of a new connection.
    pub(super) fn mail(&self) -> Mail {
        let now = Instant::now();
        Mail {
            slot: self.slot.clone(),
            source: self.source.clone(),
            announce: self.announce.clone(),
            sync: Sync::new(0),
            live: String::new(),
            page: None,
            number: 0,
            heard: now,
            noted: now,
            begun: now,
            said: Said::default(),
        }
    }
}

impl Mail {
    /// The question for mail, and what is to be published.
    pub(super) fn begin(&mut self) -> (ClientMessage<'static>, Vec<Ready>) {
        let now = Timestamp::now().as_secs();
        let fetched = lock(self.slot.seen()).fetched(&self.source.name);
        let since = match fetched {
            Some(fetched) => fetched.min(now).saturating_sub(LOOK_BACK),
            None => now.saturating_sub(FIRST_LOOK_BACK),
        };
        self.number += 1;
        self.live = format!("mail-{}", self.number);
        (self.sync, self.page) = (Sync::new(since), None);
        self.begun = Instant::now();
        self.heard = self.begun;
        (self.ask(&self.live, None), std::mem::take(&mut self.announce))
    }

    fn ask(&self, name: &str, until: Option<u64>) -> ClientMessage<'static> {
        let filter = Filter::new().kind(Kind::GiftWrap).pubkey(self.slot.me());
        let filter = filter.since(Timestamp::from_secs(self.sync.since())).limit(PAGE);
        let filter = match until {
            Some(until) => filter.until(Timestamp::from_secs(until)),
            None => filter,
        };
        ClientMessage::req(SubscriptionId::new(name), filter)
    }

    /// Whether it is one of ours.
    pub(super) fn is_subscription(&self, name: &str) -> bool {
        name == self.live || self.page.as_deref() == Some(name)
    }

    /// Takes an event.
    pub(super) async fn event(&mut self, subscription: &str, event: Event) {
        if !self.sync.is_done() && (self.page.is_none() || self.page.as_deref() == Some(subscription)) {
            self.sync.event(event.created_at.as_secs());
        }
        self.slot.offer(event, self.sync.since(), &self.source).await;
        self.heard = Instant::now();
    }

    /// A page is at its end; what to ask next.
    pub(super) fn end_of_stored(&mut self, subscription: &str) -> Vec<ClientMessage<'static>> {
        self.heard = Instant::now();
        let current = self.page.as_ref().unwrap_or(&self.live);
        if current != subscription || self.sync.is_done() {
            return Vec::new();
        }
        let mut next: Vec<_> =
            self.page.take().map(|page| ClientMessage::close(SubscriptionId::new(page))).into_iter().collect();
        if let Next::Until(until) = self.sync.page_end() {
            self.number += 1;
            let page = format!("past-{}", self.number);
            next.push(self.ask(&page, Some(until)));
            self.page = Some(page);
        }
        next
    }

    /// The relay has said something about our question.
    pub(super) fn heard(&mut self) {
        self.heard = Instant::now();
    }

    /// Whether the relay has not said anything about our question yet.
    pub(super) fn is_unanswered(&self) -> bool {
        !self.sync.is_done() && self.heard == self.begun
    }

    /// Whether the relay owes an answer for too long.
    pub(super) fn is_late(&self, now: Instant, answer: Duration) -> bool {
        !self.sync.is_done() && now.duration_since(self.heard) > answer
    }

    /// Writes down from time to time that all is fetched, and asks again for what the node could not take.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<ClientMessage<'static>> {
        if !self.sync.is_done() {
            return Vec::new();
        }
        if self.source.is_settled() && now.duration_since(self.noted) >= NOTE {
            self.noted = now;
            self.note();
        }
        if now.duration_since(self.begun) >= AGAIN && self.source.take_kept() {
            let old = ClientMessage::close(SubscriptionId::new(&self.live));
            return vec![old, self.begin().0];
        }
        Vec::new()
    }

    fn note(&self) {
        let (seen, name) = (self.slot.seen().clone(), self.source.name.clone());
        let now = Timestamp::now().as_secs();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = lock(&seen).set_fetched(&name, now) {
                tracing::warn!(%error, "the time of the last fetch could not be written down");
            }
        });
    }

    /// Counts something that the relay should not have said.
    pub(super) fn refuse(&self, what: &str) {
        self.slot.refuse().report(&self.source, ReasonKind::Protocol, what);
    }
}
