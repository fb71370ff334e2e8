//! The keeper of mailboxes in a JetStream cluster, which any number of relays share.
//!
//! One stream holds the frames of a realm, with a subject for each mailbox. Every relay follows it without the frames, and so
//! knows what waits and for whom, whichever relay took it in (`index`). A frame is fetched when its owner is to have it, and
//! deleted when the owner took it. `docs/relay.md` says what a server or a power failure may cost.
//!
//! Without the store nothing is accepted and nothing lost: clients stay connected, and are told so.

mod address;
mod follow;
mod index;
mod link;
mod names;
mod pulse;
mod session;

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::{context::PublishError, publish::PublishAck};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use tokio::{sync::oneshot, time::timeout};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

pub use self::{
    index::Entry,
    names::{read_entry, read_notice, read_owner, write_notice},
};
use self::{
    index::{Mailbox, Reservation, Sought},
    link::Core,
    names::StoreNames,
    session::{Dialer, Session},
};
use super::{
    Limits, ServeError,
    keeper::{Found, Keeper, KeeperEnd, Look, Put, Ticket, now},
    switchboard::Switchboard,
    usage::{Amount, SenderTag},
};
use crate::{
    delivery::ReasonKind,
    transport::{
        nats::faults,
        websocket::protocol::{Refusal, RefusalKind},
    },
    wire::Fingerprint,
};

/// When a client may try again while the store cannot be reached.
const CUT_OFF_WAIT: Duration = Duration::from_secs(5);
/// How long a login waits until its visit is noted. Without that it goes on, and the visit is noted later.
const CLAIM_WAIT: Duration = Duration::from_secs(1);

/// The keeper. Its connection ends when it is dropped.
pub(super) struct JetStreamKeeper {
    core: Arc<Core>,
    puts: TaskTracker,
    _stop: DropGuard,
}

impl JetStreamKeeper {
    /// Connects to the store at `address`, counts what waits there, and stays connected from then on. Also gives the largest
    /// frame that the store takes, in bytes.
    ///
    /// # Errors
    /// What is wrong with the address, the credentials, the server or its streams.
    pub(super) async fn start(
        address: &str,
        limits: &Limits,
        board: Arc<Switchboard>,
    ) -> Result<(Self, KeeperEnd, usize), ServeError> {
        let failed = |problem: String| ServeError::Store { address: address::shown(address).to_owned(), problem };
        let text = address.to_owned();
        let read = tokio::task::spawn_blocking(move || address::read(&text)).await;
        let (settings, login) = read.map_err(|error| failed(error.to_string()))?.map_err(failed)?;
        let names = StoreNames::new(&settings.realm);
        let dialer = Dialer { settings, login, names, limits: limits.storage.clone(), frame: limits.frame_bytes };
        let core = Arc::new(Core::new(dialer, board));
        let first = core.dial().await.map_err(|reason| failed(reason.to_string()))?;
        let most = first.0.limit;
        let (stop, (ended, end)) = (CancellationToken::new(), oneshot::channel());
        let (running, stopped) = (core.clone(), stop.clone());
        tokio::spawn(async move {
            running.run(first, stopped).await;
            // The relay may not wait for it.
            let _ = ended.send(());
        });
        Ok((Self { core, puts: TaskTracker::new(), _stop: stop.drop_guard() }, KeeperEnd(end), most))
    }
}

#[async_trait]
impl Keeper for JetStreamKeeper {
    async fn put(&self, put: Put, ticket: Ticket) {
        match Storing::begin(&self.core, put).await {
            Ok(storing) => {
                let core = self.core.clone();
                self.puts.spawn(async move { ticket.answer(storing.finish(&core).await) });
            }
            Err(refusal) => ticket.answer(Err(refusal)),
        }
    }

    async fn taken(&self, owner: Fingerprint, id: u64) {
        self.core.taken(&self.core.mailbox(owner), id);
    }

    async fn look(&self, look: Look) -> Option<Found> {
        let session = self.core.session().ok()?;
        let mailbox = self.core.mailbox(look.owner);
        loop {
            let offset = self.core.listen(mailbox, look.owner);
            let skip = |sequence: u64| look.skip.binary_search(&sequence.saturating_add(offset)).is_ok();
            let after = look.after.saturating_sub(offset);
            let sought = self.core.state().index.seek(&mailbox, after, skip, (look.messages, look.bytes), now());
            let wanted = match sought {
                Sought::Nothing => return Some(Found::Nothing),
                Sought::Large(bytes) => return Some(Found::Large(u64::from(bytes))),
                Sought::Some(wanted) => wanted,
            };
            let found = self.fetch(&session, &mailbox, &wanted).await?;
            // Some may have been deleted by another relay a moment ago; then it is looked for others.
            if !found.is_empty() {
                return Some(Found::Some(
                    found.into_iter().map(|(sequence, frame)| (sequence.saturating_add(offset), frame)).collect(),
                ));
            }
        }
    }

    async fn claim(&self, owner: Fingerprint) {
        let mailbox = self.core.mailbox(owner);
        self.core.listen(mailbox, owner);
        // Without the store it is told when the store is back.
        if let Ok(session) = self.core.session()
            && timeout(CLAIM_WAIT, self.core.claim(&session, mailbox)).await.is_err()
        {
            tracing::debug!("an owner's visit is not noted yet");
        }
    }

    async fn count(&self) -> Option<Amount> {
        Some(self.core.state().index.total())
    }

    fn is_cut_off(&self) -> bool {
        self.core.session().is_err()
    }
}

impl JetStreamKeeper {
    /// The frames, up to the first that cannot be had now; none when that is the first of all.
    async fn fetch(
        &self,
        session: &Arc<Session>,
        mailbox: &Mailbox,
        wanted: &[(u64, u32)],
    ) -> Option<Vec<(u64, Bytes)>> {
        let frames = wanted.iter().map(|(sequence, bytes)| session.frame(mailbox, *sequence, *bytes));
        let mut found = Vec::with_capacity(wanted.len());
        for ((sequence, _), frame) in wanted.iter().zip(join_all(frames).await) {
            match frame {
                Ok(Some(frame)) => found.push((*sequence, frame)),
                Ok(None) => self.core.vanished(session, *sequence),
                Err(reason) => {
                    tracing::warn!(%reason, "a frame could not be read from the store");
                    return (!found.is_empty()).then_some(found);
                }
            }
        }
        Some(found)
    }
}

/// A frame on its way into the store.
struct Storing<F> {
    session: Arc<Session>,
    mailbox: Mailbox,
    sender: SenderTag,
    frame: Bytes,
    reservation: Reservation,
    answer: F,
}

type Answer = std::pin::Pin<Box<dyn Future<Output = Result<PublishAck, PublishError>> + Send>>;

impl Storing<Answer> {
    /// Checks the bounds and sends it. What is sent one after the other is stored in that order.
    async fn begin(core: &Core, put: Put) -> Result<Self, Refusal> {
        let session = core.session().map_err(|_| cut_off())?;
        if put.frame.len() > session.limit {
            let text = format!("the relay's store takes frames up to {} bytes", session.limit);
            return Err(Refusal::new(RefusalKind::TooLarge, &text));
        }
        let (mailbox, sender) = (core.mailbox(put.recipient), core.tag(put.recipient, put.sender));
        let reservation = core.state().index.reserve(mailbox, sender, put.frame.len() as u64)?;
        match send(core, &session, &mailbox, &sender, &put.frame, false).await {
            Ok(answer) => Ok(Self { session, mailbox, sender, frame: put.frame, reservation, answer }),
            Err(refusal) => {
                core.state().index.release(&reservation);
                Err(refusal)
            }
        }
    }

    /// Waits until it is stored.
    async fn finish(self, core: &Core) -> Result<(), Refusal> {
        let stored = async {
            let first = wait(core, &self.session, self.answer).await?;
            if !first.duplicate || core.waits(first.sequence) {
                return Ok(first);
            }
            // The same frame was stored and taken a moment ago: whoever sends it again wants it to arrive again. Or it is on its way
            // to the cluster's other servers, which may never get it: then it has no number yet.
            let again = send(core, &self.session, &self.mailbox, &self.sender, &self.frame, true).await?;
            wait(core, &self.session, again).await
        };
        let stored = stored.await;
        let mut state = core.state();
        match stored {
            Ok(stored) if !stored.duplicate => {
                state.index.stored(self.reservation, stored.sequence);
                Ok(())
            }
            Ok(_) => {
                state.index.release(&self.reservation);
                Ok(())
            }
            Err(refusal) => {
                state.index.release(&self.reservation);
                Err(refusal)
            }
        }
    }
}

async fn send(
    core: &Core,
    session: &Session,
    mailbox: &Mailbox,
    sender: &SenderTag,
    frame: &Bytes,
    again: bool,
) -> Result<Answer, Refusal> {
    let sending = session.send(mailbox, sender, frame.clone(), again);
    let sent = tokio::select! {
        sent = sending => sent,
        _ = session.connection.hearing.ended() => return Err(cut_off()),
    };
    match sent {
        Ok(answer) => Ok(Box::pin(answer)),
        Err(error) => Err(refusal(core, session, &error)),
    }
}

async fn wait(core: &Core, session: &Session, answer: Answer) -> Result<PublishAck, Refusal> {
    tokio::select! {
        stored = answer => stored.inspect(|_| core.pulse.stored()).map_err(|error| refusal(core, session, &error)),
        _ = session.connection.hearing.ended() => Err(cut_off()),
    }
}

/// What a client is told when JetStream did not store. It does not learn where the store is.
fn refusal(core: &Core, session: &Session, error: &PublishError) -> Refusal {
    let failed = faults::publishing(session.connection.server.as_str(), error);
    let reason = session.connection.explain(failed.reason);
    let told = reason.to_string();
    match reason.kind {
        ReasonKind::NoSpace if told.contains("per subject") => {
            Refusal::new(RefusalKind::MailboxFull, "the recipient's mailbox is full")
        }
        ReasonKind::NoSpace => {
            tracing::warn!(%reason, "the store is full");
            Refusal::new(RefusalKind::RelayFull, "the relay's store is full")
        }
        ReasonKind::TooLarge => Refusal::new(RefusalKind::TooLarge, "the frame is larger than the relay's store takes"),
        _ => {
            core.pulse.failed(&reason);
            Refusal::new(RefusalKind::StorageFailed, "the relay's store did not confirm the frame").after(CUT_OFF_WAIT)
        }
    }
}

fn cut_off() -> Refusal {
    Refusal::new(RefusalKind::StorageFailed, "the relay cannot reach its store at present").after(CUT_OFF_WAIT)
}
