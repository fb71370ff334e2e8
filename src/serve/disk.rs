//! The keeper of mailboxes on this machine's disk: one thread that owns them and writes in groups, so that many frames
//! share one flush of the disk.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

use super::{
    keeper::{Found, Keeper, KeeperEnd, Look, Put, Ticket, now},
    mailboxes::{Mailboxes, StorageError, storage_refusal},
    switchboard::Switchboard,
    usage::Amount,
};
use crate::{
    transport::websocket::protocol::{Refusal, RefusalKind},
    wire::Fingerprint,
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

enum Request {
    Put(Put, Ticket),
    Taken(Fingerprint, u64),
    Look(Look, oneshot::Sender<Result<Found, ()>>),
    Claim(Fingerprint),
    Count(oneshot::Sender<Amount>),
}

/// The keeper of mailboxes on this machine's disk. Its thread ends, with everything written, when it is dropped.
#[derive(Debug)]
pub(super) struct DiskKeeper {
    requests: mpsc::Sender<Request>,
}

impl DiskKeeper {
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
}

#[async_trait]
impl Keeper for DiskKeeper {
    async fn put(&self, put: Put, ticket: Ticket) {
        if let Err(mpsc::error::SendError(Request::Put(_, ticket))) =
            self.requests.send(Request::Put(put, ticket)).await
        {
            ticket.answer(Err(Refusal::new(RefusalKind::Stopping, "the relay is being stopped")));
        }
    }

    /// When the relay stops before that, it is delivered once more, which does no harm.
    async fn taken(&self, owner: Fingerprint, id: u64) {
        let _ = self.requests.send(Request::Taken(owner, id)).await;
    }

    async fn look(&self, look: Look) -> Option<Found> {
        let (tx, rx) = oneshot::channel();
        self.requests.send(Request::Look(look, tx)).await.ok()?;
        rx.await.ok()?.ok()
    }

    /// When the relay stops before that, it will be noted the next time.
    async fn claim(&self, owner: Fingerprint) {
        let _ = self.requests.send(Request::Claim(owner)).await;
    }

    async fn count(&self) -> Option<Amount> {
        let (tx, rx) = oneshot::channel();
        self.requests.send(Request::Count(tx)).await.ok()?;
        rx.await.ok()
    }

    /// A disk that fails says so at each write.
    fn is_cut_off(&self) -> bool {
        false
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

    /// Old messages are never delivered in any case; this frees their space. Deletions that no frame followed become durable
    /// by it.
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
