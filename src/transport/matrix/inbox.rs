//! From events to the node, and the node's receipts back.
//!
//! The homeserver keeps the original: what is not durable yet holds back the token that is written down (see
//! [`batches`](super::batches)), and comes again after a restart.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use matrix_sdk::ruma::{OwnedRoomId, OwnedUserId};
use tokio::{
    sync::{Semaphore, mpsc},
    time::{Instant, sleep, sleep_until},
};

use super::{
    Common,
    batches::{BatchId, Batches},
    content::Stored,
    events::{Verdict, What, judge},
    lock,
    session::Session,
};
use crate::{
    delivery::{Reason, ReasonKind},
    transport::{Inbound, Receipt, TransportEvent, backoff::Backoff},
    wire::SafeText,
};

/// Frames that may be without a receipt; more wait at the homeserver.
const WINDOW: usize = 128;
/// Events of one room that may wait for a key, and for being fetched.
const WAITING_PER_ROOM: usize = 32;
/// The same over all rooms.
const WAITING: usize = 512;
/// Frames of the media repository that are in memory at once.
const FETCHED: usize = 2;
/// How often fetching one frame is tried.
const FETCH_TRIES: u32 = 6;
/// How long a key may be late.
const KEY_WAIT: Duration = Duration::from_secs(300);
/// How often decryption is tried again at least.
const KEY_TRY: Duration = Duration::from_secs(10);
/// The pause before a frame that the node put off is brought again.
const AGAIN: Duration = Duration::from_secs(5);

/// Something that came in.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) batch: BatchId,
    pub(super) room: OwnedRoomId,
    pub(super) peer: OwnedUserId,
    pub(super) what: What,
}

/// The node is gone, or the frame is settled.
type Ended = (BatchId, Option<(OwnedRoomId, Kind)>);

/// What is bounded on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Stored,
    Sealed,
}

/// Hands frames to the node and settles batches.
pub(super) struct Inbox {
    pub(super) common: Arc<Common>,
    pub(super) session: Arc<Session>,
    pub(super) batches: Arc<Mutex<Batches>>,
    waiting: HashMap<(OwnedRoomId, Kind), usize>,
    fetching: Arc<Semaphore>,
}

impl Inbox {
    pub(super) fn new(common: Arc<Common>, session: Arc<Session>, batches: Arc<Mutex<Batches>>) -> Self {
        Self { common, session, batches, waiting: HashMap::new(), fetching: Arc::new(Semaphore::new(FETCHED)) }
    }

    /// Works until nothing more can come and all is settled, or it is dropped.
    pub(super) async fn run(mut self, mut arrivals: mpsc::Receiver<Arrival>) {
        let mut under_way: FuturesUnordered<BoxFuture<'static, Ended>> = FuturesUnordered::new();
        loop {
            let frames = under_way.len() - self.waiting.values().sum::<usize>();
            tokio::select! {
                biased;
                Some((batch, counted)) = under_way.next(), if !under_way.is_empty() => {
                    self.discount(counted);
                    settle(&self.common, &self.session, &self.batches, batch).await;
                }
                arrival = arrivals.recv(), if frames < WINDOW => match arrival {
                    Some(arrival) => {
                        let batch = arrival.batch;
                        match self.begin(arrival) {
                            Ok(handling) => under_way.push(handling),
                            Err(reason) => {
                                self.common.refuse(reason);
                                settle(&self.common, &self.session, &self.batches, batch).await;
                            }
                        }
                    }
                    None if under_way.is_empty() => return,
                    None => sleep(KEY_TRY).await,
                },
            }
        }
    }

    fn begin(&mut self, arrival: Arrival) -> Result<BoxFuture<'static, Ended>, Reason> {
        let Arrival { batch, room, peer, what } = arrival;
        let counted = match &what {
            What::Frame(_) => None,
            What::Stored(_) => Some((room.clone(), Kind::Stored)),
            What::Sealed(_) => Some((room.clone(), Kind::Sealed)),
        };
        if let Some(counted) = &counted {
            let all: usize = self.waiting.values().sum();
            let count = self.waiting.entry(counted.clone()).or_default();
            if *count >= WAITING_PER_ROOM || all >= WAITING {
                let told = match counted.1 {
                    Kind::Stored => "large frames",
                    Kind::Sealed => "events without a key",
                };
                return Err(Reason::new(ReasonKind::QueueFull, format!("too many {told} of {peer} at once")));
            }
            *count += 1;
        }
        let (common, session, fetching) = (self.common.clone(), self.session.clone(), self.fetching.clone());
        let handling = async move {
            let hand = Hand { common: &common, session: &session, fetching: &fetching, peer: &peer };
            if let Err(reason) = hand.on(&room, what).await {
                common.refuse(reason);
            }
            (batch, counted)
        };
        Ok(handling.boxed())
    }

    fn discount(&mut self, counted: Option<(OwnedRoomId, Kind)>) {
        let Some(counted) = counted else { return };
        if let Some(count) = self.waiting.get_mut(&counted) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.waiting.remove(&counted);
            }
        }
    }
}

/// Something of a batch is settled: writes down how far everything is.
pub(super) async fn settle(common: &Common, session: &Session, batches: &Mutex<Batches>, batch: BatchId) {
    let settled = lock(batches).settle(batch);
    let Some(settled) = settled else { return };
    let written = session.keeper.change(|place| {
        place.since = Some(settled.token);
        for room in &settled.rooms {
            place.fresh.remove(room);
        }
    });
    if let Err(reason) = written.await {
        // Nothing is lost: after a restart more comes again than is needed.
        tracing::error!(transport = %common.id, %reason, "the place in the homeserver's stream is not written down");
    }
}

/// One arrival on its way.
struct Hand<'a> {
    common: &'a Common,
    session: &'a Session,
    fetching: &'a Semaphore,
    peer: &'a OwnedUserId,
}

impl Hand<'_> {
    /// Hands it on until the node has answered.
    ///
    /// # Errors
    /// When it is no frame after all.
    async fn on(&self, room: &OwnedRoomId, what: What) -> Result<(), Reason> {
        let what = match what {
            What::Sealed(event) => match self.wait_for_key(room, &event).await? {
                Some(what) => what,
                None => return Ok(()),
            },
            what => what,
        };
        match what {
            What::Frame(frame) => self.deliver(frame).await,
            What::Stored(stored) => {
                // Held until the node has the frame: large ones are not gathered in memory.
                let _place = self.fetching.acquire().await;
                self.deliver(self.fetch(&stored).await?).await;
            }
            What::Sealed(_) => {}
        }
        Ok(())
    }

    async fn deliver(&self, frame: Bytes) {
        loop {
            let (receipt, answer) = Receipt::new();
            let origin = SafeText::line(self.peer.as_str());
            let inbound = Inbound { via: self.common.id.clone(), frame: frame.clone(), origin, receipt };
            if self.common.sink.send(TransportEvent::Inbound(inbound)).await.is_err() {
                // The node is gone: it must not count as settled. The transport is about to be stopped.
                return std::future::pending().await;
            }
            // Refused for good is settled as well: the homeserver need not know the difference.
            if answer.await.is_ok() {
                return;
            }
            sleep(AGAIN).await;
        }
    }

    async fn fetch(&self, stored: &Stored) -> Result<Bytes, Reason> {
        let mut pause = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        let mut tries = 0;
        loop {
            let trouble = match self.session.fetch(stored).await {
                Ok(frame) => return Ok(frame),
                Err(trouble) => trouble,
            };
            tries += 1;
            if trouble.refused || tries >= FETCH_TRIES {
                let told = format!("a large frame of {} is not to be had: {}", self.peer, trouble.reason);
                return Err(Reason::new(trouble.reason.kind, told));
            }
            sleep(trouble.wait.unwrap_or_else(|| pause.fail())).await;
        }
    }

    /// What a sealed event was, once its key has come; none when it was nothing.
    async fn wait_for_key(
        &self,
        room: &OwnedRoomId,
        event: &matrix_sdk::ruma::serde::Raw<matrix_sdk::ruma::events::room::encrypted::OriginalSyncRoomEncryptedEvent>,
    ) -> Result<Option<What>, Reason> {
        let end = Instant::now() + KEY_WAIT;
        let mut keys = self.session.keys.subscribe();
        loop {
            tokio::select! {
                changed = keys.changed() => if changed.is_err() { return Ok(None) },
                () = sleep_until(end.min(Instant::now() + KEY_TRY)) => {}
            }
            let opened = match self.session.client.get_room(room) {
                Some(room) => room.decrypt_event(event, None).await.ok(),
                None => None,
            };
            match opened.map(|event| judge(&event, self.peer, &self.session.user)) {
                Some(Verdict::Arrived(What::Sealed(_))) | None => {}
                Some(Verdict::Arrived(what)) => return Ok(Some(what)),
                Some(Verdict::Nothing) => return Ok(None),
                Some(Verdict::Refused(reason)) => return Err(reason),
            }
            if Instant::now() >= end {
                let told = format!("{} sent an event whose key did not come", self.peer);
                return Err(Reason::new(ReasonKind::Protocol, told));
            }
        }
    }
}
