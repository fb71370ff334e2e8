//! What happens on one connection: orders out, answers and mail in.

mod announce;
mod login;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, stream::SplitSink};
use nostr_sdk::{ClientMessage, Event, EventId, Filter, JsonUtil as _, Keys, RelayMessage, SubscriptionId};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, interval, timeout},
};
use tokio_tungstenite::tungstenite::Message;

pub(super) use self::login::Said;
use self::login::{Item, Login};
use super::{
    connection::{Ends, ORDERS, Order, Ready, Told},
    mail::Mail,
    message::{MESSAGE_BYTES, decode, has_it_already, nameless_refusal, refuses_access},
};
use crate::{
    delivery::{Reason, ReasonKind, Retry},
    transport::{
        SendError,
        link::Failure,
        websocket::dial::{Socket, web_failure},
    },
    wire::SafeText,
};

/// Events that may be without an OK.
const PUBLISHING: usize = 64;
/// Events that one question may bring, and their bytes: statements and lists of relays are small.
const FETCHED: usize = 16;
const FETCHED_BYTES: usize = 128 * 1024;
/// Longest challenge that is signed, in bytes.
const CHALLENGE_BYTES: usize = 1024;
/// How often times are looked at.
const TICK: Duration = Duration::from_millis(250);
/// When to try again where we may not read.
const REFUSED_WAIT: Duration = Duration::from_secs(60);
/// How long one write may take.
const WRITE_LIMIT: Duration = Duration::from_secs(20);
/// How long a relay that wants to know who we are has to say so before we say anything.
const GREETING: Duration = Duration::from_millis(100);
/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// How a session behaves.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    /// The relay, for people.
    pub(super) relay: SafeText,
    /// Its address, as a login names it.
    pub(super) url: String,
    /// Who answers its challenge.
    pub(super) login: Keys,
    /// Whether that is our own key, which may be known there. Then the challenge is answered as soon as it comes, not only when the
    /// relay insists.
    pub(super) own: bool,
    pub(super) answer: Duration,
    pub(super) keepalive: Duration,
}

struct Publishing {
    event: Ready,
    reply: oneshot::Sender<Result<(), SendError>>,
    until: Instant,
    said: Said,
}

struct Fetching {
    filter: Filter,
    events: Vec<Event>,
    bytes: usize,
    reply: oneshot::Sender<Result<Vec<Event>, SendError>>,
    until: Instant,
    said: Said,
}

/// One session.
pub(super) struct Session {
    manner: Manner,
    out: mpsc::Sender<Message>,
    told: Arc<Told>,
    publishing: HashMap<EventId, Publishing>,
    fetching: HashMap<String, Fetching>,
    pings: BTreeMap<u64, oneshot::Sender<()>>,
    login: Login,
    /// The last thing the relay said to people; it explains a missing answer.
    notice: Option<SafeText>,
    mail: Option<Mail>,
    /// What is to be published once the relay has answered, and how much of it has no answer yet.
    announce: Vec<Ready>,
    announcing: usize,
    /// How often we logged in.
    logins: u32,
    number: u64,
    heard: Instant,
    pinged: Instant,
}

/// Runs a connection until it ends.
pub(super) async fn run(socket: Socket, manner: Manner, mail: Option<Mail>, ends: Ends) {
    let Ends { mut orders, told, closing } = ends;
    let (mut sink, mut stream) = socket.split();
    let (out, queue) = mpsc::channel(ORDERS);
    let (now, relay) = (Instant::now(), manner.relay.clone());
    let mut session = Session {
        manner,
        out,
        told: told.clone(),
        publishing: HashMap::new(),
        fetching: HashMap::new(),
        pings: BTreeMap::new(),
        login: Login::Unasked,
        notice: None,
        mail,
        announce: Vec::new(),
        announcing: 0,
        logins: 0,
        number: 0,
        heard: now,
        pinged: now,
    };
    let failure = tokio::select! {
        failure = session.run(&mut stream, &mut orders) => failure,
        failure = write(&mut sink, queue, &relay) => failure,
        () = closing.cancelled() => Failure::new(ReasonKind::Stopping, "the connection was closed on this side"),
    };
    // The reason first: whoever finds its answer gone looks for it.
    told.life.end(failure);
    drop((session, orders));
    if timeout(GOODBYE, sink.close()).await.is_err() {
        tracing::debug!("the relay did not read the farewell");
    }
    told.life.finish();
}

async fn write(sink: &mut SplitSink<Socket, Message>, mut queue: mpsc::Receiver<Message>, relay: &SafeText) -> Failure {
    while let Some(message) = queue.recv().await {
        let writing = async {
            sink.feed(message).await?;
            while let Ok(more) = queue.try_recv() {
                sink.feed(more).await?;
            }
            sink.flush().await
        };
        match timeout(WRITE_LIMIT, writing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return web_failure(relay.as_str(), error),
            Err(_) => return Failure::new(ReasonKind::Timeout, format!("{relay} does not read what it is sent")),
        }
    }
    std::future::pending().await
}

type Stream = futures_util::stream::SplitStream<Socket>;

impl Session {
    async fn run(&mut self, stream: &mut Stream, orders: &mut mpsc::Receiver<Order>) -> Failure {
        if self.manner.own
            && let Ok(message) = timeout(GREETING, stream.next()).await
            && let Err(failure) = self.hear(message).await
        {
            return failure;
        }
        self.begin().await;
        let mut tick = interval(TICK);
        loop {
            let room = self.publishing.len() < PUBLISHING && self.fetching.len() < PUBLISHING;
            let failure = tokio::select! {
                message = stream.next() => self.hear(message).await.err(),
                Some(order) = orders.recv(), if room => { self.obey(order).await; None }
                _ = tick.tick() => self.tick().await.err(),
            };
            if let Some(failure) = failure {
                return failure;
            }
        }
    }

    async fn begin(&mut self) {
        let begin = self.mail.as_mut().map(Mail::begin);
        match begin {
            Some((ask, announce)) => {
                self.announce = announce;
                let said = self.said_now();
                if let Some(mail) = self.mail.as_mut() {
                    mail.said = said;
                }
                self.say(ask).await;
            }
            None => {
                self.told.ready.send_replace(true);
            }
        }
    }

    async fn say(&self, message: ClientMessage<'_>) {
        if let Ok(text) = message.try_as_json() {
            self.write(Message::text(text)).await;
        }
    }

    /// When the writer is gone, so is the session.
    async fn write(&self, message: Message) {
        let _ = self.out.send(message).await;
    }

    async fn obey(&mut self, order: Order) {
        let until = Instant::now() + self.manner.answer;
        match order {
            Order::Publish { event, reply } => {
                self.write(Message::Text(event.text.clone())).await;
                let (id, said) = (event.id, self.said_now());
                self.publishing.insert(id, Publishing { event, reply, until, said });
            }
            Order::Fetch { filter, reply } => {
                let said = self.said_now();
                let name = format!("ask-{}", self.number);
                self.say(ClientMessage::req(SubscriptionId::new(&name), (*filter).clone())).await;
                let fetching = Fetching { filter: *filter, events: vec![], bytes: 0, reply, until, said };
                self.fetching.insert(name, fetching);
            }
            Order::Ping(reply) => {
                self.number += 1;
                self.pings.insert(self.number, reply);
                self.write(Message::Ping(Bytes::copy_from_slice(&self.number.to_be_bytes()))).await;
            }
        }
    }

    async fn hear(
        &mut self,
        message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
    ) -> Result<(), Failure> {
        let gone = || Failure::new(ReasonKind::Disconnected, format!("{} closed the connection", self.manner.relay));
        self.heard = Instant::now();
        match message.ok_or_else(gone)?.map_err(|error| web_failure(self.manner.relay.as_str(), error))? {
            Message::Text(text) => match decode(&text) {
                Ok(message) => self.understand(message, text.len()).await?,
                Err(what) => self.guess(&text, &what).await,
            },
            Message::Binary(_) => self.refuse("a message that is not text"),
            Message::Pong(payload) => {
                let number = payload.as_ref().try_into().map(u64::from_be_bytes);
                if let Some(waiting) = number.ok().and_then(|number| self.pings.remove(&number)) {
                    let _ = waiting.send(());
                }
            }
            Message::Close(_) => return Err(gone()),
            Message::Ping(_) | Message::Frame(_) => {}
        }
        Ok(())
    }

    /// Something a relay should not say: counted where it is one of ours, left out otherwise.
    fn refuse(&self, what: &str) {
        match &self.mail {
            Some(mail) => mail.refuse(what),
            None => tracing::debug!(relay = %self.manner.relay, what, "the relay breaks the protocol"),
        }
    }

    /// Some relays refuse an event without saying which: it is the only one that waits, or at least the reason is told when
    /// the answer stays away.
    async fn guess(&mut self, text: &str, what: &str) {
        let Some(why) = nameless_refusal(text) else { return self.refuse(what) };
        self.notice = Some(SafeText::line(&why));
        let meant = match refuses_access(&why) {
            true => self.first_event(),
            false => self.publishing.keys().next().copied().filter(|_| self.publishing.len() == 1),
        };
        if let Some(id) = meant {
            self.answered(id, false, &why).await;
        }
    }

    async fn understand(&mut self, message: RelayMessage<'static>, bytes: usize) -> Result<(), Failure> {
        match message {
            RelayMessage::Event { subscription_id, event } => {
                self.event(subscription_id.as_str(), event.into_owned(), bytes).await;
            }
            RelayMessage::Ok { event_id, status, message } => self.answered(event_id, status, &message).await,
            RelayMessage::EndOfStoredEvents(id) => self.end_of_stored(id.as_str()).await,
            RelayMessage::Closed { subscription_id, message } => {
                return self.subscription_closed(subscription_id.as_str(), &message).await;
            }
            RelayMessage::Notice(text) => return self.notice(&text).await,
            RelayMessage::Auth { challenge } if challenge.len() <= CHALLENGE_BYTES => {
                self.challenged(challenge.into_owned()).await;
            }
            _ => self.refuse("a message that was not asked for"),
        }
        Ok(())
    }

    async fn event(&mut self, subscription: &str, event: Event, bytes: usize) {
        if let Some(mail) = self.mail.as_mut()
            && mail.is_subscription(subscription)
        {
            return mail.event(subscription, event).await;
        }
        match self.fetching.get_mut(subscription) {
            Some(fetching) if fetching.events.len() < FETCHED && fetching.bytes + bytes <= FETCHED_BYTES => {
                fetching.bytes += bytes;
                fetching.events.push(event);
            }
            Some(_) => self.refuse("more than was asked for"),
            None => self.refuse("an event that was not asked for"),
        }
    }

    async fn end_of_stored(&mut self, subscription: &str) {
        if let Some(fetching) = self.fetching.remove(subscription) {
            let _ = fetching.reply.send(Ok(fetching.events));
            return self.say(ClientMessage::close(SubscriptionId::new(subscription))).await;
        }
        let next = self.mail.as_mut().map(|mail| mail.end_of_stored(subscription)).unwrap_or_default();
        for message in next {
            self.say(message).await;
        }
        if self.mail.is_some() {
            self.publish_announcements().await;
        }
    }

    async fn subscription_closed(&mut self, subscription: &str, message: &str) -> Result<(), Failure> {
        let is_mail = self.mail.as_ref().is_some_and(|mail| mail.is_subscription(subscription));
        let item = if is_mail { Item::Mail } else { Item::Question(subscription.to_owned()) };
        self.question_refused(&item, message).await
    }

    /// A question that is not answered: it is said again after a login, or given up.
    async fn question_refused(&mut self, item: &Item, message: &str) -> Result<(), Failure> {
        if self.is_said_again(item, message).await {
            return Ok(());
        }
        let error = self.refused(message);
        match item {
            Item::Mail => {
                let wait = match error.retry {
                    _ if refuses_access(message) => Some(REFUSED_WAIT),
                    Retry::After(wait) => Some(wait),
                    _ => None,
                };
                Err(Failure { reason: error.reason, wait })
            }
            Item::Question(name) => {
                if let Some(fetching) = self.fetching.remove(name) {
                    let _ = fetching.reply.send(Err(error));
                }
                Ok(())
            }
            Item::Event(_) => Ok(()),
        }
    }

    async fn answered(&mut self, id: EventId, ok: bool, message: &str) {
        if self.login.is_answered_with(&id) {
            return self.logged_in(ok, message).await;
        }
        if !ok && self.is_said_again(&Item::Event(id), message).await {
            return;
        }
        // Whoever gave up waiting needs no answer.
        let Some(publishing) = self.publishing.remove(&id) else { return };
        let outcome = if ok || has_it_already(message) { Ok(()) } else { Err(self.refused(message)) };
        self.announced(&outcome);
        let _ = publishing.reply.send(outcome);
    }

    async fn tick(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        if now.duration_since(self.heard) > self.manner.keepalive.mul_f32(2.5) {
            return Err(Failure::new(ReasonKind::Timeout, format!("{} was silent for too long", self.manner.relay)));
        }
        if now.duration_since(self.pinged) >= self.manner.keepalive {
            self.pinged = now;
            self.write(Message::Ping(Bytes::new())).await;
        }
        self.go_on_without_answer(now).await;
        self.give_up(now);
        if !self.publishing.is_empty() {
            self.told.touch();
        }
        let Some(mail) = self.mail.as_mut() else { return Ok(()) };
        if let (true, Login::Refused(error)) = (mail.said.waits, &self.login) {
            return Err(Failure { reason: error.reason.clone(), wait: Some(REFUSED_WAIT) });
        }
        if mail.is_late(now, self.manner.answer) {
            return Err(Failure { reason: self.late("the question for our mail"), wait: None });
        }
        let next = mail.tick(now);
        for message in next {
            self.say(message).await;
        }
        Ok(())
    }

    /// Events and questions that were not answered in time.
    fn give_up(&mut self, now: Instant) {
        let late: Vec<EventId> =
            self.publishing.iter().filter(|(_, waiting)| waiting.until <= now).map(|(id, _)| *id).collect();
        for id in late {
            if let Some(publishing) = self.publishing.remove(&id) {
                let outcome = Err(SendError { reason: self.late("the event"), retry: Retry::Later });
                self.announced(&outcome);
                let _ = publishing.reply.send(outcome);
            }
        }
        let late: Vec<String> =
            self.fetching.iter().filter(|(_, waiting)| waiting.until <= now).map(|(name, _)| name.clone()).collect();
        for name in late {
            if let Some(fetching) = self.fetching.remove(&name) {
                let _ = fetching.reply.send(Err(SendError { reason: self.late("a question"), retry: Retry::Later }));
            }
        }
        self.pings.retain(|_, waiting| !waiting.is_closed());
    }

    fn late(&self, what: &str) -> Reason {
        let (relay, seconds) = (&self.manner.relay, self.manner.answer.as_secs());
        let said = self.notice.as_ref().map(|said| format!("; it said: {said}")).unwrap_or_default();
        let refused = self.notice.as_ref().is_some_and(|said| refuses_access(said.as_str()));
        let kind = if refused { ReasonKind::AuthRefused } else { ReasonKind::Timeout };
        Reason::new(kind, format!("{relay} did not answer {what} within {seconds} s{said}"))
    }
}

/// Largest message that is taken from the network, in bytes. Larger than what is read, so that an event that is too large costs
/// only itself and not the connection.
pub(super) const SOCKET_BYTES: usize = 16 * MESSAGE_BYTES;
