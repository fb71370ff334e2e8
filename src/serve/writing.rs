//! What the relay says to a client: answers and mail.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{SinkExt, stream::SplitSink};
use tokio::sync::{Notify, mpsc};
use tokio_tungstenite::tungstenite::Message;

use super::{
    Shared,
    keeper::{Answer, Found, Look},
    session::{Client, Socket, say_goodbye},
    socket::LEAST_BYTES,
    switchboard::Line,
};
use crate::transport::websocket::{
    moving::{Moved, while_moving},
    protocol::{FromRelay, Refusal, RefusalKind, Window},
};

/// Most messages looked up at once.
const LOOK_MESSAGES: usize = 32;
/// Most bytes looked up at once, save for a single larger message.
const LOOK_BYTES: u64 = 256 * 1024;
/// How long a message that the client put off is held back.
const LATER: Duration = Duration::from_secs(30);
/// How long to wait when mailboxes cannot be read.
const UNREADABLE: Duration = Duration::from_secs(5);
/// How long to wait for one of the places for large messages.
const CROWDED: Duration = Duration::from_millis(200);

/// The deliveries of one connection that are not settled.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    state: Mutex<Unsettled>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Unsettled {
    /// Sizes by id.
    under_way: BTreeMap<u64, u64>,
    bytes: u64,
    /// Put off, with the time from which they may be brought again.
    put_off: BTreeMap<u64, Instant>,
}

impl Deliveries {
    /// The client has the message; whether it was under way on this connection.
    pub(super) fn taken(&self, id: u64) -> bool {
        let known = self.settle(id);
        self.changed.notify_one();
        known
    }

    /// The client wants the message later.
    pub(super) fn later(&self, id: u64, now: Instant) {
        if self.settle(id) {
            self.lock().put_off.insert(id, now + LATER);
        }
        self.changed.notify_one();
    }

    fn settle(&self, id: u64) -> bool {
        let mut state = self.lock();
        let Some(bytes) = state.under_way.remove(&id) else { return false };
        state.bytes -= bytes;
        true
    }

    fn sent(&self, id: u64, bytes: u64) {
        let mut state = self.lock();
        state.under_way.insert(id, bytes);
        state.bytes += bytes;
    }

    /// How many messages and bytes the window has room for, and whether nothing is under way, so that one message of
    /// any size fits; none when a message of `need` bytes does not fit.
    fn room(&self, window: Window, need: u64) -> Option<(usize, u64, bool)> {
        let state = self.lock();
        let messages = usize::from(window.messages).saturating_sub(state.under_way.len());
        let bytes = u64::from(window.bytes).saturating_sub(state.bytes);
        let idle = state.under_way.is_empty();
        (messages > 0 && (idle || bytes >= need.max(1))).then_some((messages, bytes, idle))
    }

    /// Ids that must not be looked up now, in order.
    fn hidden(&self) -> Vec<u64> {
        let state = self.lock();
        let mut hidden: Vec<u64> = state.under_way.keys().chain(state.put_off.keys()).copied().collect();
        hidden.sort_unstable();
        hidden
    }

    /// The first id that was put off and is due again; it and all others that are due are put off no more.
    fn due(&self, now: Instant) -> Option<u64> {
        let mut state = self.lock();
        let first = state.put_off.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).next();
        state.put_off.retain(|_, at| *at > now);
        first
    }

    fn next_due(&self) -> Option<Instant> {
        self.lock().put_off.values().min().copied()
    }

    fn lock(&self) -> MutexGuard<'_, Unsettled> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writing half of a connection.
pub(super) struct Writing {
    shared: Arc<Shared>,
    client: Client,
    sink: SplitSink<Socket, Message>,
    moved: Arc<Moved>,
    answers: mpsc::Receiver<Answer>,
    line: Option<Line>,
    deliveries: Arc<Deliveries>,
    /// Everything up to this id has been looked at.
    cursor: u64,
    /// Whether there may be mail behind the cursor.
    more: bool,
    /// The size of the next message, where that is known to be the obstacle.
    need: u64,
    /// No mail before this time.
    pause: Option<Instant>,
    newest: bool,
}

impl Writing {
    pub(super) fn new(
        shared: Arc<Shared>,
        client: Client,
        (sink, moved): (SplitSink<Socket, Message>, Arc<Moved>),
        answers: mpsc::Receiver<Answer>,
        line: Option<Line>,
    ) -> Self {
        let deliveries = Arc::default();
        Self {
            shared,
            client,
            sink,
            moved,
            answers,
            line,
            deliveries,
            cursor: 0,
            more: false,
            need: 0,
            pause: None,
            newest: false,
        }
    }

    pub(super) fn deliveries(&self) -> Arc<Deliveries> {
        self.deliveries.clone()
    }

    /// Writes until the connection ends; the refusal to close with, if the other side is still there.
    pub(super) async fn run(&mut self) -> Option<Refusal> {
        loop {
            let step = self.step().await;
            // A reader may be slow, but not stand still for as long as silence is allowed.
            let wrote = match step {
                Step::Answers(first) => self.write_while_read(Mail::Answers(first)).await,
                Step::Mail => self.deliver().await,
                Step::Nothing => Some(true),
                Step::End => Some(false),
            };
            match wrote {
                Some(true) => {}
                Some(false) => return None,
                None => return Some(Refusal::new(RefusalKind::Idle, "you do not read what is sent to you")),
            }
        }
    }

    /// Waits for something to do. Answers go before mail.
    async fn step(&mut self) -> Step {
        let may_deliver =
            self.more && self.pause.is_none() && self.deliveries.room(self.client.receive, self.need).is_some();
        let due = [self.deliveries.next_due(), self.pause].into_iter().flatten().min();
        tokio::select! {
            biased;
            answer = self.answers.recv() => answer.map_or(Step::End, Step::Answers),
            () = std::future::ready(()), if may_deliver => Step::Mail,
            () = rung(self.line.as_ref()) => self.line_rang(),
            () = self.deliveries.changed.notified() => Step::Nothing,
            () = wait_until(due) => self.time_passed(Instant::now()),
        }
    }

    fn time_passed(&mut self, now: Instant) -> Step {
        self.pause = self.pause.filter(|until| *until > now);
        if let Some(first) = self.deliveries.due(now) {
            self.cursor = self.cursor.min(first.saturating_sub(1));
            self.more = true;
        }
        Step::Nothing
    }

    /// There is mail, or this connection has become or is no longer the newest of its mailbox.
    fn line_rang(&mut self) -> Step {
        let newest = self.line.as_ref().is_some_and(Line::is_newest);
        if newest && !self.newest {
            self.cursor = 0;
        }
        self.newest = newest;
        self.more = newest;
        Step::Nothing
    }

    /// Writes; whether that worked, or none when the other side does not read.
    async fn write_while_read(&mut self, mail: Mail) -> Option<bool> {
        let (silence, moved) = (self.shared.limits.silence, self.moved.clone());
        let writing = async {
            match mail {
                Mail::Answers(first) => self.write_answers(first).await,
                Mail::Frames(found) => self.write_mail(found).await,
            }
        };
        while_moving(silence, LEAST_BYTES, || moved.written(), writing).await
    }

    async fn write_answers(&mut self, first: Answer) -> bool {
        let mut next = Some(first);
        let mut places = Vec::new();
        while let Some(Answer { seq, outcome, place }) = next {
            let message = match outcome {
                Ok(()) => FromRelay::Stored { seq, durable: true },
                Err(refusal) => FromRelay::Refused { seq, refusal },
            };
            if self.sink.feed(Message::Binary(message.encode())).await.is_err() {
                return false;
            }
            places.push(place);
            next = self.answers.try_recv().ok();
        }
        self.sink.flush().await.is_ok()
    }

    async fn deliver(&mut self) -> Option<bool> {
        self.more = false;
        if !self.line.as_ref().is_some_and(Line::is_newest) {
            self.newest = false;
            return Some(true);
        }
        let Some((messages, bytes, idle)) = self.deliveries.room(self.client.receive, self.need) else {
            return Some(true);
        };
        self.more = true;
        self.need = 0;
        let look = self.look(messages.min(LOOK_MESSAGES), bytes.min(LOOK_BYTES));
        match self.shared.keeper.look(look).await {
            Some(Found::Nothing) => self.more = false,
            Some(Found::Some(found)) => return self.write_while_read(Mail::Frames(found)).await,
            Some(Found::Large(size)) if idle || size <= bytes => return self.deliver_large(size).await,
            Some(Found::Large(size)) => self.need = size,
            None => self.pause = Some(Instant::now() + UNREADABLE),
        }
        Some(true)
    }

    /// A message larger than what is looked up at once needs one of the few places for such.
    async fn deliver_large(&mut self, size: u64) -> Option<bool> {
        let Ok(_place) = self.shared.large_out.clone().try_acquire_owned() else {
            self.pause = Some(Instant::now() + CROWDED);
            return Some(true);
        };
        match self.shared.keeper.look(self.look(1, size)).await {
            Some(Found::Some(found)) => self.write_while_read(Mail::Frames(found)).await,
            _ => Some(true),
        }
    }

    fn look(&self, messages: usize, bytes: u64) -> Look {
        Look { owner: self.client.fingerprint, after: self.cursor, skip: self.deliveries.hidden(), messages, bytes }
    }

    async fn write_mail(&mut self, found: Vec<(u64, Bytes)>) -> bool {
        // Answers that came meanwhile go first: what somebody writes to itself is stored before it comes back.
        if let Ok(first) = self.answers.try_recv()
            && !self.write_answers(first).await
        {
            return false;
        }
        for (id, frame) in found {
            self.cursor = id;
            self.deliveries.sent(id, frame.len() as u64);
            let message = FromRelay::Deliver { id, frame };
            if self.sink.feed(Message::Binary(message.encode())).await.is_err() {
                return false;
            }
        }
        self.sink.flush().await.is_ok()
    }

    /// Says why, and closes.
    pub(super) async fn say_goodbye(&mut self, refusal: Refusal) {
        say_goodbye(&mut self.sink, refusal).await;
    }
}

/// What is written in one go.
enum Mail {
    Answers(Answer),
    Frames(Vec<(u64, Bytes)>),
}

enum Step {
    Answers(Answer),
    Mail,
    Nothing,
    End,
}

async fn rung(line: Option<&Line>) {
    match line {
        Some(line) => line.rung().await,
        None => std::future::pending().await,
    }
}

async fn wait_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
