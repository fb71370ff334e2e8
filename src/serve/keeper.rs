//! The keeper of the mailboxes: one thread that owns them and writes in groups, so that many frames share
//! one flush of the disk.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::{
    mailboxes::{Found, Mailboxes, Put, StorageError, storage_refusal},
    switchboard::Switchboard,
    usage::Amount,
};
use crate::{
    transport::websocket::protocol::{Refusal, RefusalKind},
    wire::{Fingerprint, Timestamp},
};

/// Most requests in one group.
const GROUP: usize = 1024;
/// Most bytes of frames in one group; one frame may go over.
const GROUP_BYTES: usize = 16 * 1024 * 1024;
/// Requests that may wait.
const WAITING: usize = 4096;
/// How often old messages are looked for.
const EXPIRY: Duration = Duration::from_secs(60);
/// Most old messages deleted at once, so that nobody waits long for the keeper.
const EXPIRE_AT_ONCE: usize = 2_000;

/// The answer to a PUT, on its way to the connection.
#[derive(Debug)]
pub(super) struct Answer {
    /// The number of the PUT.
    pub(super) seq: u64,
    /// Stored, or why not.
    pub(super) outcome: Result<(), Refusal>,
    /// The place in the connection's window, free once the answer is written.
    pub(super) place: OwnedSemaphorePermit,
}

/// Where the answer to a PUT goes. The channel has room for the whole window, so that answering never waits.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) seq: u64,
    pub(super) place: OwnedSemaphorePermit,
    /// The bytes' part of what may wait unwritten; free when they are written.
    pub(super) memory: Option<OwnedSemaphorePermit>,
    pub(super) answers: mpsc::Sender<Answer>,
}

impl Ticket {
    /// Answers. A connection that is gone does not hear it; its client will ask again.
    pub(super) fn answer(self, outcome: Result<(), Refusal>) {
        drop(self.memory);
        if self.answers.try_send(Answer { seq: self.seq, outcome, place: self.place }).is_err() {
            tracing::debug!("an answer came too late for its connection");
        }
    }
}

/// A look into a mailbox.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) owner: Fingerprint,
    pub(super) after: u64,
    /// Ids that are under way already.
    pub(super) skip: Vec<u64>,
    pub(super) messages: usize,
    pub(super) bytes: u64,
}

enum Request {
    Put(Put, Ticket),
    Taken(Fingerprint, u64),
    Look(Look, oneshot::Sender<Result<Found, ()>>),
    Claim(Fingerprint),
    Count(oneshot::Sender<Amount>),
}

/// A handle to the keeper. The thread ends, with everything written, when the last handle is gone.
#[derive(Clone, Debug)]
pub(super) struct Keeper {
    requests: mpsc::Sender<Request>,
}

/// Waits for the keeper's end.
#[derive(Debug)]
pub(super) struct KeeperEnd(oneshot::Receiver<()>);

impl KeeperEnd {
    /// Returns when the keeper's thread has written everything and closed the mailboxes.
    pub(super) async fn ended(self) {
        // An error means that the thread is gone, which is what is waited for.
        let _ = self.0.await;
    }
}

impl Keeper {
    /// Starts the thread.
    pub(super) fn start(mailboxes: Mailboxes, board: Arc<Switchboard>) -> std::io::Result<(Self, KeeperEnd)> {
        let (requests, queue) = mpsc::channel(WAITING);
        let (ended, end) = oneshot::channel();
        std::thread::Builder::new().name("relay-keeper".to_owned()).spawn(move || {
            Thread { mailboxes, board, queue, last_expiry: None }.run();
            // The runtime may be gone already; then nobody waits.
            let _ = ended.send(());
        })?;
        Ok((Self { requests }, KeeperEnd(end)))
    }

    /// Puts a frame; the answer goes by the ticket once it is durable.
    pub(super) async fn put(&self, put: Put, ticket: Ticket) {
        if let Err(mpsc::error::SendError(Request::Put(_, ticket))) =
            self.requests.send(Request::Put(put, ticket)).await
        {
            ticket.answer(Err(Refusal::new(RefusalKind::Stopping, "the relay is being stopped")));
        }
    }

    /// Deletes a message. When the relay stops before that, it is delivered once more, which does no harm.
    pub(super) async fn taken(&self, owner: Fingerprint, id: u64) {
        let _ = self.requests.send(Request::Taken(owner, id)).await;
    }

    /// Looks into a mailbox; none when it cannot be read or the relay stops.
    pub(super) async fn look(&self, look: Look) -> Option<Found> {
        let (tx, rx) = oneshot::channel();
        self.requests.send(Request::Look(look, tx)).await.ok()?;
        rx.await.ok()?.ok()
    }

    /// The owner of a mailbox is here. When the relay stops before that, it will be noted the next time.
    pub(super) async fn claim(&self, owner: Fingerprint) {
        let _ = self.requests.send(Request::Claim(owner)).await;
    }

    /// What all mailboxes hold; none when the relay stops.
    pub(super) async fn count(&self) -> Option<Amount> {
        let (tx, rx) = oneshot::channel();
        self.requests.send(Request::Count(tx)).await.ok()?;
        rx.await.ok()
    }
}

struct Thread {
    mailboxes: Mailboxes,
    board: Arc<Switchboard>,
    queue: mpsc::Receiver<Request>,
    last_expiry: Option<Instant>,
}

impl Thread {
    fn run(mut self) {
        let mut group = Vec::new();
        while let Some(first) = self.queue.blocking_recv() {
            self.gather(first, &mut group);
            self.serve(group.drain(..));
            self.expire_when_due();
        }
        if let Err(error) = self.mailboxes.flush() {
            tracing::error!(%error, "the last flush failed");
        }
    }

    fn gather(&mut self, first: Request, group: &mut Vec<Request>) {
        let size = |request: &Request| if let Request::Put(put, _) = request { put.frame.len() } else { 0 };
        let mut bytes = size(&first);
        group.push(first);
        while group.len() < GROUP && bytes < GROUP_BYTES {
            let Ok(next) = self.queue.try_recv() else { break };
            bytes += size(&next);
            group.push(next);
        }
    }

    /// Writes first, then looks: only what is durable is delivered.
    fn serve(&mut self, group: impl Iterator<Item = Request>) {
        let (mut puts, mut tickets, mut taken, mut looks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut counts = Vec::new();
        for request in group {
            match request {
                Request::Put(put, ticket) => {
                    puts.push(put);
                    tickets.push(ticket);
                }
                Request::Taken(owner, id) => taken.push((owner, id)),
                Request::Look(look, reply) => looks.push((look, reply)),
                Request::Claim(owner) => {
                    if let Err(error) = self.mailboxes.claim(owner, now()) {
                        tracing::error!(%error, "an owner could not be noted");
                    }
                }
                Request::Count(reply) => counts.push(reply),
            }
        }
        self.commit(&puts, tickets, &taken);
        for (look, reply) in looks {
            // A connection that is gone no longer wants to know.
            let _ = reply.send(self.look(&look));
        }
        let total = self.mailboxes.total();
        for reply in counts {
            // As above.
            let _ = reply.send(total);
        }
    }

    fn commit(&mut self, puts: &[Put], tickets: Vec<Ticket>, taken: &[(Fingerprint, u64)]) {
        let answers = self.mailboxes.commit(puts, taken, now()).unwrap_or_else(|error: StorageError| {
            tracing::error!(%error, "writing failed");
            puts.iter().map(|_| Err(storage_refusal())).collect()
        });
        for ((put, ticket), answer) in puts.iter().zip(tickets).zip(answers) {
            let stored = answer.is_ok();
            // The answer first: whoever writes to itself hears that it is stored before it comes back.
            ticket.answer(answer.map(|_| ()));
            if stored {
                self.board.ring(&put.recipient);
            }
        }
    }

    fn look(&self, look: &Look) -> Result<Found, ()> {
        let skip = |id| look.skip.binary_search(&id).is_ok();
        let found = self.mailboxes.fetch(&look.owner, look.after, skip, (look.messages, look.bytes), now());
        found.map_err(|error| tracing::error!(%error, "reading failed"))
    }

    /// Old messages are never delivered in any case; this frees their space.
    fn expire_when_due(&mut self) {
        if self.last_expiry.is_some_and(|last| last.elapsed() < EXPIRY) {
            return;
        }
        match self.mailboxes.expire(now(), EXPIRE_AT_ONCE) {
            // There may be more of them: do not wait a whole period.
            Ok(EXPIRE_AT_ONCE) => {}
            Ok(_) => self.last_expiry = Some(Instant::now()),
            Err(error) => {
                tracing::error!(%error, "old messages could not be deleted");
                self.last_expiry = Some(Instant::now());
            }
        }
    }
}

/// The wall clock.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
