//! Keeps a session with the store, and the index true: counts, follows, deletes, and begins anew when something breaks.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    follow::{Follower, News},
    index::{Entry, Index, Mailbox},
    names::{NOTICE, StoreNames},
    pulse::Pulse,
    session::{Dialer, Session},
};
use crate::{
    delivery::{Reason, ReasonKind},
    serve::{keeper::now, switchboard::Switchboard, usage::SenderTag},
    transport::backoff::Backoff,
    wire::{Fingerprint, Timestamp},
};

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// A session that lived this long was a good one.
const GOOD: Duration = Duration::from_secs(10);
/// How often old messages are forgotten.
const EXPIRY: Duration = Duration::from_secs(60);
/// When deletions that failed are tried again.
const DELETE_AGAIN: Duration = Duration::from_secs(5);
/// Most deletions that may wait for the store. What is over is shown again, which recipients recognise.
const DELETIONS: usize = 262_144;
/// How often visits are noted that could not be noted before, or not for a day.
const VISITS: Duration = Duration::from_secs(30);
/// How long the last deletions may take when the relay stops.
const STOPPING: Duration = Duration::from_secs(1);
/// How precisely the last visit of an owner is remembered, in milliseconds.
const OWNER_STEP_MS: i64 = 24 * 3600 * 1000;
/// Most owners a store tells of; its stream has room for fewer.
pub(super) const OWNERS: usize = 1_000_000;
/// Mailboxes beyond the connected ones whose owner is remembered by name.
const SPARE_NAMES: usize = 1024;

/// A session, and what follows its streams from where the index is.
pub(super) type Counted = (Arc<Session>, Follower);

/// What the keeper's handle and its task share.
pub(super) struct Core {
    dialer: Dialer,
    board: Arc<Switchboard>,
    session: Mutex<Result<Arc<Session>, Reason>>,
    state: Mutex<State>,
    deletions: Notify,
    pub(super) pulse: Pulse,
}

/// What changes with every message.
pub(super) struct State {
    pub(super) index: Index,
    /// What clients call a message: its number in the stream and this. A stream that was made anew counts from 1, but an id
    /// must never come twice.
    offset: u64,
    /// When the stream was made that the index is of.
    made: i128,
    /// Taken by their owners, and still to be deleted in the store.
    deletions: BTreeSet<u64>,
    /// The last known visits of owners, in milliseconds since 1970.
    owners: BTreeMap<Mailbox, i64>,
    /// Who the mailboxes are of those who are here.
    here: BTreeMap<Mailbox, Fingerprint>,
}

impl Core {
    pub(super) fn new(dialer: Dialer, board: Arc<Switchboard>) -> Self {
        let state = State {
            index: Index::new(dialer.limits.clone()),
            offset: 0,
            made: 0,
            deletions: BTreeSet::new(),
            owners: BTreeMap::new(),
            here: BTreeMap::new(),
        };
        let session = Mutex::new(Err(Reason::new(ReasonKind::Disconnected, "not connected yet")));
        Self { dialer, board, session, state: Mutex::new(state), deletions: Notify::new(), pulse: Pulse::default() }
    }

    /// The session of now, or why there is none.
    pub(super) fn session(&self) -> Result<Arc<Session>, Reason> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn names(&self) -> &StoreNames {
        &self.dialer.names
    }

    pub(super) fn mailbox(&self, owner: Fingerprint) -> Mailbox {
        self.names().mailbox(owner)
    }

    pub(super) fn tag(&self, recipient: Fingerprint, sender: Fingerprint) -> SenderTag {
        self.names().tag(recipient, sender)
    }

    /// Whether a message waits, or is on its way to us.
    pub(super) fn waits(&self, sequence: u64) -> bool {
        let state = self.state();
        sequence > state.index.seen() || state.index.mailbox_of(sequence).is_some()
    }

    /// From now on `owner` hears of what comes into its mailbox. Gives the offset of ids.
    pub(super) fn listen(&self, mailbox: Mailbox, owner: Fingerprint) -> u64 {
        let mut state = self.state();
        if state.here.insert(mailbox, owner).is_none() && state.here.len() > 2 * self.board.receiving() + SPARE_NAMES {
            // Who is connected looks again before it misses anything.
            state.here.retain(|_, other| *other == owner || self.board.is_connected(other));
        }
        state.offset
    }

    /// Hides a message, and has it deleted.
    pub(super) fn taken(&self, mailbox: &Mailbox, id: u64) {
        let mut state = self.state();
        let Some(sequence) = id.checked_sub(state.offset) else { return };
        if state.index.mailbox_of(sequence).as_ref() != Some(mailbox) {
            return;
        }
        if state.deletions.len() >= DELETIONS {
            tracing::warn!("too many deletions wait for the store; a message will be shown again");
            return;
        }
        // It is known, so this is no early deletion, and cannot fail.
        let _ = state.index.gone(sequence);
        state.deletions.insert(sequence);
        drop(state);
        self.deletions.notify_one();
    }

    /// A message is not in the store any more, as `session` said.
    pub(super) fn vanished(&self, session: &Session, sequence: u64) {
        let mut state = self.state();
        if state.made == session.made {
            // As above.
            let _ = state.index.gone(sequence);
        }
    }

    /// Tells the store that the owner of a mailbox is here, unless it was told lately. Whether it knows now.
    pub(super) async fn claim(&self, session: &Session, mailbox: Mailbox) -> bool {
        let time = now().unix_ms();
        {
            let mut state = self.state();
            state.index.claim(mailbox);
            if state.owners.get(&mailbox).is_some_and(|seen| time.saturating_sub(*seen) <= OWNER_STEP_MS) {
                return true;
            }
        }
        match session.claim(&mailbox).await {
            Ok(()) => {
                self.state().owners.insert(mailbox, time);
                true
            }
            Err(reason) => {
                tracing::debug!(%reason, "an owner's visit could not be noted yet");
                false
            }
        }
    }

    /// Connects, counts what waits, and makes the new index the one in use.
    pub(super) async fn dial(&self) -> Result<Counted, Reason> {
        let session = Arc::new(self.dialer.dial().await?);
        let (mut index, mut owners) = (Index::new(self.dialer.limits.clone()), BTreeMap::new());
        let counting = async {
            let mut follower = Follower::new(&session).await?;
            let claimed = |mailbox, seen: Timestamp| {
                owners.insert(mailbox, seen.unix_ms());
            };
            follower.count(&session, &mut index, claimed).await?;
            Ok::<_, Reason>(follower)
        };
        let follower = tokio::select! {
            counted = counting => counted?,
            reason = session.connection.hearing.ended() => return Err(reason),
        };
        self.install(&session, index, owners);
        Ok((session, follower))
    }

    fn install(&self, session: &Arc<Session>, mut index: Index, owners: BTreeMap<Mailbox, i64>) {
        let mut state = self.state();
        if state.made != session.made {
            state.offset = state.offset.saturating_add(state.index.seen());
            state.deletions.clear();
            state.made = session.made;
        }
        for sequence in &state.deletions {
            // There are fewer than would be too many.
            let _ = index.gone(*sequence);
        }
        state.here.keys().for_each(|mailbox| index.claim(*mailbox));
        index.replace(&mut state.index);
        state.owners = owners;
        drop(state);
        self.set(Ok(session.clone()));
        // Who is here may have mail that came meanwhile by another relay.
        let here: Vec<_> = self.state().here.values().copied().collect();
        here.iter().for_each(|owner| self.board.ring(owner));
    }

    fn set(&self, session: Result<Arc<Session>, Reason>) {
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = session;
    }

    /// Keeps the session until `stop`.
    pub(super) async fn run(&self, first: Counted, stop: CancellationToken) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut next = Some(first);
        loop {
            if let Some((session, mut follower)) = next.take() {
                let began = Instant::now();
                let reason = tokio::select! {
                    reason = self.serve(&session, &mut follower) => reason,
                    () = stop.cancelled() => return self.end(&session).await,
                };
                session.connection.hearing.end(reason);
                let reason = session.connection.hearing.ended().await;
                tracing::warn!(%reason, "the store is gone; nothing is accepted until it is back");
                self.set(Err(reason));
                if began.elapsed() >= GOOD {
                    backoff.reset();
                }
            }
            tokio::select! {
                () = sleep(backoff.fail()) => {}
                () = stop.cancelled() => return,
            }
            let dialled = tokio::select! {
                dialled = self.dial() => dialled,
                () = stop.cancelled() => return,
            };
            match dialled {
                Ok(counted) => {
                    tracing::info!("the store is back");
                    next = Some(counted);
                }
                Err(reason) => {
                    tracing::debug!(%reason, "the store is not back yet");
                    self.set(Err(reason));
                }
            }
        }
    }

    /// Follows until something breaks; says what.
    async fn serve(&self, session: &Arc<Session>, follower: &mut Follower) -> Reason {
        let side = async {
            tokio::join!(self.delete(session), self.say_who_is_here(session), self.expire());
        };
        tokio::select! {
            reason = self.follow(session, follower) => reason,
            reason = session.connection.hearing.ended() => reason,
            reason = self.pulse.lost(session) => reason,
            () = side => Reason::new(ReasonKind::Other, "the keeper's tasks ended"),
        }
    }

    async fn follow(&self, session: &Session, follower: &mut Follower) -> Reason {
        loop {
            let news = match follower.next(session).await {
                Ok(news) => news,
                Err(reason) => return reason,
            };
            match news {
                News::Came(sequence, entry) => {
                    if self.came(sequence, entry) {
                        return session
                            .failed(ReasonKind::Protocol, "the store tells of more messages than it can hold");
                    }
                }
                News::Owner(mailbox, seen) => {
                    let mut state = self.state();
                    state.index.claim(mailbox);
                    state.owners.insert(mailbox, seen.unix_ms());
                    if state.owners.len() > OWNERS {
                        return session.failed(ReasonKind::Protocol, "the store tells of more owners than it can hold");
                    }
                }
                News::Gone(gone) => {
                    if let Err(reason) = follower.forget(session, &mut self.state().index, &gone) {
                        return reason;
                    }
                }
            }
        }
    }

    /// Takes in a message; whether there are too many now.
    fn came(&self, sequence: u64, entry: Option<Entry>) -> bool {
        let mut state = self.state();
        let owner = entry.filter(|_| state.index.came(sequence, entry)).map(|entry| entry.mailbox);
        let owner = owner.and_then(|mailbox| state.here.get(&mailbox).copied());
        let full = state.index.is_overfull();
        drop(state);
        if let Some(owner) = owner {
            self.board.ring(&owner);
        }
        full
    }

    /// Deletes what was taken, as long as the session lives.
    async fn delete(&self, session: &Session) {
        loop {
            match self.delete_some(session).await {
                Ok(0) => self.deletions.notified().await,
                Ok(_) => {}
                Err(reason) => {
                    tracing::warn!(%reason, "messages that were taken could not be deleted yet");
                    sleep(DELETE_AGAIN).await;
                }
            }
        }
    }

    /// Deletes some at once; how many, or why one of them failed.
    async fn delete_some(&self, session: &Session) -> Result<usize, Reason> {
        let some: Vec<u64> = self.state().deletions.iter().take(NOTICE).copied().collect();
        if some.is_empty() {
            return Ok(0);
        }
        let answers = join_all(some.iter().map(|sequence| session.delete(*sequence))).await;
        let (mut gone, mut failed) = (Vec::with_capacity(some.len()), None);
        for (sequence, answer) in some.iter().zip(answers) {
            match answer {
                Ok(()) => gone.push(*sequence),
                Err(reason) => failed = Some(reason),
            }
        }
        {
            let mut state = self.state();
            gone.iter().for_each(|sequence| {
                state.deletions.remove(sequence);
            });
        }
        session.tell_gone(&gone).await;
        failed.map_or(Ok(gone.len()), Err)
    }

    /// Notes the visits that could not be noted when they began, and again those that last for days.
    async fn say_who_is_here(&self, session: &Session) {
        loop {
            let here: Vec<Mailbox> = self.state().here.keys().copied().collect();
            for mailbox in here {
                if !self.claim(session, mailbox).await {
                    // The next one would fare no better.
                    break;
                }
            }
            sleep(VISITS).await;
        }
    }

    async fn expire(&self) {
        loop {
            sleep(EXPIRY).await;
            self.state().index.expire(now());
        }
    }

    /// The relay stops: what was taken is deleted, as far as there is time.
    async fn end(&self, session: &Session) {
        let deleting = async { while matches!(self.delete_some(session).await, Ok(1..)) {} };
        if timeout(STOPPING, deleting).await.is_err() {
            tracing::info!("not everything that was taken is deleted; recipients recognise what they get again");
        }
        if timeout(STOPPING, session.connection.client.flush()).await.is_err() {
            tracing::debug!("the last words did not reach the store");
        }
        session.connection.hearing.end(Reason::new(ReasonKind::Stopping, "the relay is being stopped"));
    }
}
