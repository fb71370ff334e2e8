//! The homeserver's stream of events: followed from where the last run ended, without gaps.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use matrix_sdk::{
    Room,
    config::SyncSettings,
    deserialized_responses::TimelineEvent,
    room::MessagesOptions,
    ruma::{
        OwnedRoomId,
        api::client::{
            filter::{Filter as EventFilter, FilterDefinition, LazyLoadOptions, RoomEventFilter, RoomFilter},
            sync::sync_events::v3::Filter,
        },
        assign, uint,
    },
    store::StateStoreDataKey,
    sync::{JoinedRoomUpdate, State, SyncResponse},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

use super::{
    Common,
    batches::{BatchId, Batches},
    events::{Verdict, judge},
    inbox::{Arrival, Inbox, settle},
    lock,
    rooms::is_ours,
    session::Session,
    trouble::Trouble,
};
use crate::{
    delivery::ReasonKind,
    transport::{backoff::Backoff, link::Board},
};

/// How long the homeserver may hold back its answer when there is nothing to say.
const LONG_POLL: Duration = Duration::from_secs(30);
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A homeserver that answers faster than this without anything to say is not asked again at once.
const TOO_FAST: Duration = Duration::from_millis(50);
const BREATH: Duration = Duration::from_millis(500);
/// Events that wait for the inbox.
const QUEUE: usize = 64;
/// Events of one room that are asked for with what is new; those before them are read page by page. Fewer after an answer that was
/// too large, so that a node which was away for long, with many peers who wrote much, does not ask for it in vain for ever.
const EVENTS: u32 = 50;
/// Pages that are read to fill one gap; a page has up to 100 events.
const PAGES: usize = 10_000;

/// Follows the stream of one session.
pub(super) struct Follower {
    common: Arc<Common>,
    session: Arc<Session>,
    batches: Arc<Mutex<Batches>>,
    arrivals: mpsc::Sender<Arrival>,
    /// The token of the last answer.
    since: Option<String>,
    /// How many events of a room the next answer may have.
    events: u32,
    backoff: Backoff,
}

impl Follower {
    /// Prepares to follow; the inbox runs until the follower is dropped.
    pub(super) fn new(common: Arc<Common>, session: Arc<Session>) -> (Self, impl Future<Output = ()>) {
        let (arrivals, queue) = mpsc::channel(QUEUE);
        let batches = Arc::new(Mutex::new(Batches::default()));
        let inbox = Inbox::new(common.clone(), session.clone(), batches.clone()).run(queue);
        let backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        (Self { common, session, batches, arrivals, since: None, events: EVENTS, backoff }, inbox)
    }

    /// Follows until the session is over.
    pub(super) async fn follow(mut self, board: &Board<Session>) -> Trouble {
        match self.catch_up(board).await {
            Ok(()) => {}
            Err(trouble) => return trouble,
        }
        loop {
            let poll = if board.is_up() { LONG_POLL } else { Duration::ZERO };
            let began = Instant::now();
            let asked = SyncSettings::new().filter(filter(self.events)).timeout(poll);
            let answer = self.session.client.sync_once(asked).await;
            let done = match answer {
                Ok(response) => {
                    let empty = response.rooms.is_empty() && response.to_device.is_empty();
                    if empty && board.is_up() && began.elapsed() < TOO_FAST {
                        sleep(BREATH).await;
                    }
                    self.backoff.reset();
                    self.events = (self.events * 2).min(EVENTS);
                    self.take(response, board).await
                }
                Err(error) => {
                    let trouble = Trouble::from(error);
                    if trouble.cut {
                        self.events = (self.events / 8).max(1);
                    }
                    Err(trouble)
                }
            };
            match done {
                Ok(()) => board.up(&self.session),
                Err(trouble) => {
                    if let Err(over) = self.endure(trouble, board).await {
                        return over;
                    }
                }
            }
        }
    }

    /// Waits after a failure, unless it ends the session.
    async fn endure(&mut self, trouble: Trouble, board: &Board<Session>) -> Result<(), Trouble> {
        if trouble.token_gone.is_some() {
            return Err(trouble);
        }
        let wait = trouble.wait.unwrap_or_else(|| self.backoff.fail());
        sleep_until(board.wait(trouble.reason, wait)).await;
        Ok(())
    }

    /// Fetches again what the last run had received and not settled.
    async fn catch_up(&mut self, board: &Board<Session>) -> Result<(), Trouble> {
        let token = self.session.client.state_store().get_kv_data(StateStoreDataKey::SyncToken).await;
        let token = token.map_err(|error| Trouble::new(ReasonKind::Io, format!("the databases: {error}")))?;
        self.since = token.and_then(|value| value.into_sync_token());
        let rooms: Vec<Room> = self.session.client.joined_rooms().into_iter().filter(is_ours).collect();
        let Some(to) = self.since.clone() else { return Ok(()) };
        let place = self.session.keeper.place();
        let fresh: Vec<String> =
            rooms.iter().map(|room| room.room_id().to_string()).filter(|id| place.fresh.contains(id)).collect();
        let behind = place.since.as_ref().is_some_and(|since| *since != to);
        let batch = lock(&self.batches).begin(to.clone(), fresh.clone());
        for room in rooms {
            while let Err(trouble) = self.session.look_at(&room).await {
                self.endure(trouble, board).await?;
            }
            let from = if fresh.iter().any(|id| id == room.room_id()) { None } else { place.since.as_deref() };
            if behind || from.is_none() && !fresh.is_empty() {
                self.fill(batch, &room, (from, Some(&to)), board).await?;
            }
        }
        settle(&self.common, &self.session, &self.batches, batch).await;
        Ok(())
    }

    /// Takes one answer in.
    async fn take(&mut self, response: SyncResponse, board: &Board<Session>) -> Result<(), Trouble> {
        if !response.to_device.is_empty() {
            self.session.keys.send_modify(|count| *count += 1);
        }
        for room in response.rooms.left.keys() {
            self.session.rooms.remove(room);
        }
        let mut ours = Vec::new();
        for (id, update) in response.rooms.joined {
            if let Some(room) = self.session.client.get_room(&id).filter(is_ours) {
                if self.session.rooms.view(&id).is_none() || changes_members(&update) {
                    while let Err(trouble) = self.session.look_at(&room).await {
                        self.endure(trouble, board).await?;
                    }
                }
                ours.push((room, update));
            }
        }
        let fresh = ours.iter().map(|(room, _)| room.room_id().to_string());
        let fresh: Vec<String> = fresh.filter(|id| self.session.keeper.is_fresh(id)).collect();
        let batch = lock(&self.batches).begin(response.next_batch.clone(), fresh.clone());
        for (room, update) in ours {
            let is_fresh = fresh.iter().any(|id| id == room.room_id());
            if update.timeline.limited && (is_fresh || self.since.is_some()) {
                let from = if is_fresh { None } else { self.since.clone() };
                let gap = (from.as_deref(), update.timeline.prev_batch.as_deref());
                self.fill(batch, &room, gap, board).await?;
            }
            for event in update.timeline.events {
                self.hand(batch, &room, event).await;
            }
        }
        self.since = Some(response.next_batch);
        settle(&self.common, &self.session, &self.batches, batch).await;
        // Also when this answer brings none: some may be left from before.
        self.session.invited.notify_one();
        Ok(())
    }

    /// Reads the events of a room between two tokens, oldest first.
    async fn fill(
        &mut self,
        batch: BatchId,
        room: &Room,
        (from, to): (Option<&str>, Option<&str>),
        board: &Board<Session>,
    ) -> Result<(), Trouble> {
        let mut from = from.map(ToOwned::to_owned);
        for _ in 0..PAGES {
            let options = assign!(MessagesOptions::forward(), {
                from: from.clone(),
                to: to.map(ToOwned::to_owned),
                limit: uint!(100),
            });
            let page = match room.messages(options).await {
                Ok(page) => page,
                Err(error) => {
                    self.endure(error.into(), board).await?;
                    continue;
                }
            };
            let empty = page.chunk.is_empty();
            for event in page.chunk {
                self.hand(batch, room, event).await;
            }
            if empty || page.end.is_none() || page.end.as_deref() == to || page.end == from {
                return Ok(());
            }
            from = page.end;
        }
        tracing::warn!(transport = %self.common.id, pages = PAGES, "a room has more to read than is read");
        Ok(())
    }

    async fn hand(&self, batch: BatchId, room: &Room, event: TimelineEvent) {
        let id: OwnedRoomId = room.room_id().to_owned();
        let Some(view) = self.session.rooms.view(&id) else { return };
        match judge(&event, &view.peer, &self.session.user) {
            Verdict::Nothing => {}
            Verdict::Refused(reason) => self.common.refuse(reason),
            Verdict::Arrived(what) => {
                lock(&self.batches).add(batch);
                let arrival = Arrival { batch, room: id, peer: view.peer, what };
                if self.arrivals.send(arrival).await.is_err() {
                    // The inbox has ended: the transport is stopping, and what is open stays open.
                    tracing::debug!(transport = %self.common.id, "an event came while stopping");
                }
            }
        }
    }
}

/// Answers invitations beside the stream whenever some may have come: joining a room far away takes time.
pub(super) async fn answer_invitations(common: &Common, session: &Session) {
    loop {
        session.invited.notified().await;
        for reason in session.answer_invitations(common.settings.strangers).await {
            common.refuse(reason);
        }
    }
}

/// Whether an update tells who came or went.
fn changes_members(update: &JoinedRoomUpdate) -> bool {
    let member = |kind: Option<String>| kind.is_some_and(|kind| kind == "m.room.member");
    let state = match &update.state {
        State::Before(events) | State::After(events) => events,
    };
    state.iter().any(|event| member(event.get_field("type").ok().flatten()))
        || update.timeline.events.iter().any(|event| member(event.raw().get_field("type").ok().flatten()))
}

/// What we want to hear: rooms without the noise. Members only where somebody speaks, because the account may be in large
/// rooms as well.
fn filter(events: u32) -> Filter {
    let lazy = LazyLoadOptions::Enabled { include_redundant_members: false };
    let none = || assign!(RoomEventFilter::default(), { types: Some(Vec::new()) });
    let room = assign!(RoomFilter::default(), {
        timeline: assign!(RoomEventFilter::default(), { limit: Some(events.into()), lazy_load_options: lazy }),
        state: assign!(RoomEventFilter::default(), { lazy_load_options: lazy }),
        ephemeral: none(),
    });
    let presence = assign!(EventFilter::default(), { types: Some(Vec::new()) });
    Filter::FilterDefinition(assign!(FilterDefinition::default(), { room, presence }))
}
