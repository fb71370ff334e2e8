//! The two directions of a connection, side by side in one task.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at, sleep, timeout},
};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use super::{
    connection::{Outgoing, Shared},
    dial::{Socket, web_failure},
    inbox::{Mail, Slot, WINDOW, inbox},
    moving::{Moved, while_moving},
    protocol::{FromClient, FromRelay, Refusal},
};
use crate::{
    delivery::ReasonKind,
    transport::{link::Failure, lock},
};

/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// A frame above this many bytes may take longer than the silence that is allowed otherwise.
const LARGE_BYTES: usize = 256 * 1024;
/// How many bytes must move in each such period meanwhile.
const LEAST_BYTES: u64 = 16 * 1024;

/// Runs a connection until it ends or `closing` is asked for; says why it ended.
pub(super) async fn run(
    socket: Socket,
    queue: mpsc::Receiver<Outgoing>,
    shared: &Shared,
    keepalive: Duration,
    mail: Option<Mail>,
    closing: CancellationToken,
) -> Failure {
    let moved = socket.get_ref().moved();
    let (sink, stream) = socket.split();
    // At most as many answers as deliveries.
    let (answers, answered) = mpsc::channel(usize::from(WINDOW.messages));
    let (slot, inbox) = mail.map(inbox).unzip();
    let mut writer = Writer { sink, queue, answered, shared, numbers: AtomicU64::new(1), keepalive };
    let mut reader = Reader { stream, shared, moved, slot, silence: keepalive.mul_f32(2.5) };
    let receives = inbox.is_some();
    let ending = closing.clone();
    let deliveries = async move {
        match inbox {
            Some(inbox) => inbox.run(answers, ending).await,
            None => std::future::pending().await,
        }
    };
    let failure = tokio::select! {
        failure = reader.run() => failure,
        failure = writer.run() => failure,
        failure = deliveries => failure,
        () = closed(&closing, receives) => {
            Failure::new(ReasonKind::Stopping, "the connection was closed on this side")
        }
    };
    writer.say_goodbye().await;
    failure
}

/// A connection that receives ends by its inbox, which has answers to hand on; but not much later.
async fn closed(closing: &CancellationToken, receives: bool) {
    closing.cancelled().await;
    if receives {
        sleep(GOODBYE).await;
    }
}

struct Writer<'a> {
    sink: SplitSink<Socket, Message>,
    queue: mpsc::Receiver<Outgoing>,
    answered: mpsc::Receiver<FromClient>,
    shared: &'a Shared,
    numbers: AtomicU64,
    keepalive: Duration,
}

impl Writer<'_> {
    async fn run(&mut self) -> Failure {
        let mut pulse = interval_at(Instant::now() + self.keepalive, self.keepalive);
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut answering = true;
        loop {
            let message = tokio::select! {
                biased;
                _ = pulse.tick() => Some(Message::Ping(Bytes::new())),
                answer = self.answered.recv(), if answering => match answer {
                    Some(answer) => Some(Message::Binary(answer.encode())),
                    None => { answering = false; None }
                },
                outgoing = self.queue.recv() => match outgoing {
                    Some(outgoing) => self.message(outgoing),
                    None => return Failure::new(ReasonKind::Stopping, "nobody uses the connection any more"),
                },
            };
            if let Some(message) = message
                && let Err(failure) = self.write(message).await
            {
                return failure;
            }
        }
    }

    /// Writes `message` and whatever else is ready, then flushes once.
    async fn write(&mut self, message: Message) -> Result<(), Failure> {
        let failed = |error| web_failure("the relay", error);
        self.sink.feed(message).await.map_err(failed)?;
        while let Some(message) = self.ready() {
            self.sink.feed(message).await.map_err(failed)?;
        }
        self.sink.flush().await.map_err(failed)
    }

    fn ready(&mut self) -> Option<Message> {
        if let Ok(answer) = self.answered.try_recv() {
            return Some(Message::Binary(answer.encode()));
        }
        loop {
            let outgoing = self.queue.try_recv().ok()?;
            if let Some(message) = self.message(outgoing) {
                return Some(message);
            }
        }
    }

    /// None when nobody waits for it any more.
    fn message(&self, outgoing: Outgoing) -> Option<Message> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        match outgoing {
            Outgoing::Put { recipient, frame, waiting } => {
                if waiting.reply.is_closed() {
                    return None;
                }
                lock(&self.shared.puts).insert(number, waiting);
                Some(Message::Binary(FromClient::Put { seq: number, recipient, frame }.encode()))
            }
            Outgoing::Ping(reply) => {
                lock(&self.shared.pings).insert(number, reply);
                Some(Message::Ping(Bytes::copy_from_slice(&number.to_be_bytes())))
            }
        }
    }

    /// Hands over the last answers and closes; within a bound, for the other side may be gone.
    async fn say_goodbye(&mut self) {
        let farewell = async {
            while let Ok(answer) = self.answered.try_recv() {
                self.sink.feed(Message::Binary(answer.encode())).await?;
            }
            self.sink.close().await
        };
        match timeout(GOODBYE, farewell).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the relay was gone before the farewell"),
            Err(_) => tracing::debug!("the relay did not read the farewell"),
        }
    }
}

struct Reader<'a> {
    stream: SplitStream<Socket>,
    shared: &'a Shared,
    moved: Arc<Moved>,
    slot: Option<Slot>,
    silence: Duration,
}

impl Reader<'_> {
    async fn run(&mut self) -> Failure {
        loop {
            let (shared, moved) = (self.shared, &self.moved);
            let next = while_moving(self.silence, LEAST_BYTES, || signs_of_life(shared, moved), self.stream.next());
            let message = match next.await {
                Some(Some(Ok(message))) => message,
                Some(Some(Err(error))) => return web_failure("the relay", error),
                Some(None) => return Failure::new(ReasonKind::Disconnected, "the relay closed the connection"),
                None => return Failure::new(ReasonKind::Timeout, "the relay was silent for too long"),
            };
            let handled = match message {
                Message::Binary(bytes) => self.handle(bytes),
                Message::Pong(payload) => {
                    self.pong(&payload);
                    Ok(())
                }
                Message::Ping(_) => Ok(()),
                Message::Close(_) => Err(Failure::new(ReasonKind::Disconnected, "the relay closed the connection")),
                Message::Text(_) | Message::Frame(_) => Err(broken("its messages are not binary")),
            };
            if let Err(failure) = handled {
                return failure;
            }
        }
    }

    fn handle(&self, bytes: Bytes) -> Result<(), Failure> {
        match FromRelay::decode(bytes).map_err(|error| broken(&error.to_string()))? {
            // What is accepted here and lost there is noticed by the missing ack, but a relay that says so is asked
            // to be believed only when it says that it has the frame on disk.
            FromRelay::Stored { seq, durable: true } => self.answer(seq, Ok(())),
            FromRelay::Stored { durable: false, .. } => Err(broken("it does not store durably")),
            FromRelay::Refused { seq, refusal } => self.answer(seq, Err(refusal)),
            FromRelay::Deliver { id, frame } => match &self.slot {
                Some(slot) => slot.take(id, frame),
                None => Err(broken("it delivers to a connection that only sends")),
            },
            FromRelay::Bye(refusal) => Err(Failure::refused(&refusal)),
            FromRelay::Challenge(_) | FromRelay::Welcome(_) => Err(broken("it repeats the login")),
        }
    }

    fn answer(&self, seq: u64, outcome: Result<(), Refusal>) -> Result<(), Failure> {
        let waiting = lock(&self.shared.puts).remove(&seq).ok_or_else(|| broken("it answers what was not asked"))?;
        // Whoever gave up waiting does not need the answer; the frame's ack will tell.
        let _ = waiting.reply.send(outcome);
        Ok(())
    }

    fn pong(&self, payload: &[u8]) {
        let number = payload.try_into().map(u64::from_be_bytes);
        if let Some(waiting) = number.ok().and_then(|number| lock(&self.shared.pings).remove(&number)) {
            let _ = waiting.send(());
        }
    }
}

/// Bytes that tell that a large message is on its way, one way or the other. What goes out counts only for large
/// frames: small ones vanish into the buffers of a connection that is dead already.
fn signs_of_life(shared: &Shared, moved: &Moved) -> u64 {
    let large = lock(&shared.puts).values().any(|waiting| waiting.size > LARGE_BYTES);
    moved.read() + if large { moved.written() } else { 0 }
}

fn broken(why: &str) -> Failure {
    Failure::new(ReasonKind::Protocol, format!("the relay breaks the protocol: {why}"))
}
