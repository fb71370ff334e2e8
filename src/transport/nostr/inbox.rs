//! From events to frames for the node, and the node's receipts back to the record of what was seen.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use nostr_sdk::{Event, EventId, Keys, Kind, PublicKey, Timestamp, ToBech32 as _};
use tokio::sync::mpsc;

use super::{
    chunk::{Assembler, Came, Outcome, Piece},
    directory::Directory,
    gift::{Unreadable, unwrap},
    seen::Seen,
};
use crate::{
    delivery::{Reason, ReasonKind, TransportId},
    transport::{Disposition, EventSink, Inbound, Receipt, TransportEvent, lock, refusals::Refusals},
    wire::{SafeText, limits},
};

/// Events that wait to be unpacked; at most 128 KiB each.
const QUEUE: usize = 64;
/// Events that are unpacked in one go, on a thread of their own.
const BATCH: usize = 16;
/// Frames that may be without a receipt, and their bytes; the node is waited for then.
const FRAMES: usize = 128;
const FRAME_BYTES: usize = 2 * limits::ENVELOPE_BYTES;
/// How far into the future an event may be dated, in seconds.
const SKEW: u64 = 24 * 3600;
/// So much time of ours may a useless event of one relay cost on average: 64 of them a second …
const USELESS: Duration = Duration::from_millis(1000 / 64);
/// … after 512 that came at once.
const USELESS_BURST: Duration = Duration::from_secs(8);
/// How often incomplete frames are looked through.
const SWEEP: Duration = Duration::from_secs(30);

/// What the connections of one relay of ours and the inbox share.
#[derive(Debug)]
pub(super) struct Source {
    /// The relay, for people.
    pub(super) relay: SafeText,
    /// Its address, under which the time of the last fetch is kept.
    pub(super) name: String,
    unsettled: AtomicUsize,
    kept: AtomicBool,
    paid_until: Mutex<Option<Instant>>,
}

impl Source {
    pub(super) fn new(relay: SafeText, name: String) -> Self {
        Self { relay, name, unsettled: AtomicUsize::new(0), kept: AtomicBool::new(false), paid_until: Mutex::default() }
    }

    /// Whether everything that came is dealt with.
    pub(super) fn is_settled(&self) -> bool {
        self.unsettled.load(Ordering::Acquire) == 0 && !self.kept.load(Ordering::Acquire)
    }

    /// Whether something must be fetched again; asked once.
    pub(super) fn take_kept(&self) -> bool {
        self.kept.swap(false, Ordering::AcqRel)
    }

    /// A useless event came.
    fn charge(&self) {
        let mut until = lock(&self.paid_until);
        *until = Some(until.map_or_else(Instant::now, |until| until.max(Instant::now())) + USELESS);
    }

    /// How long to wait before the next event is taken: nothing unless very many were useless.
    fn wait(&self) -> Duration {
        let until = *lock(&self.paid_until);
        let debt = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
        debt.saturating_sub(USELESS_BURST)
    }
}

/// An event on its way through the inbox.
#[derive(Debug)]
struct Ticket {
    id: EventId,
    time: u64,
    source: Arc<Source>,
}

/// Where the sessions put their events. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    me: PublicKey,
    seen: Arc<Mutex<Seen>>,
    /// Events that are being dealt with.
    pending: Arc<Mutex<HashSet<EventId>>>,
    queue: mpsc::Sender<(Event, Ticket)>,
    refuse: Refuse,
}

/// How refusals are reported.
#[derive(Clone, Debug)]
pub(super) struct Refuse {
    pub(super) id: TransportId,
    pub(super) refusals: Arc<Refusals>,
    pub(super) sink: EventSink,
}

impl Refuse {
    /// Reports what `source` sent and we do not take.
    pub(super) fn report(&self, source: &Source, kind: ReasonKind, what: impl std::fmt::Display) {
        source.charge();
        self.refusals.report(&self.sink, Reason::new(kind, format!("{} sent {what}", source.relay)));
    }
}

impl Slot {
    /// Whose mail this is.
    pub(super) fn me(&self) -> PublicKey {
        self.me
    }

    /// The record of what was seen.
    pub(super) fn seen(&self) -> &Arc<Mutex<Seen>> {
        &self.seen
    }

    /// How refusals are reported.
    pub(super) fn refuse(&self) -> &Refuse {
        &self.refuse
    }

    /// Takes an event that answers a question for mail since that time. The cheap checks come first; waits while the inbox is
    /// full, or when the relay has sent too much that was of no use.
    pub(super) async fn offer(&self, event: Event, since: u64, source: &Arc<Source>) {
        let time = event.created_at.as_secs();
        let ours = event.kind == Kind::GiftWrap && event.tags.public_keys().any(|key| *key == self.me);
        let in_time = time >= since && time <= Timestamp::now().as_secs() + SKEW;
        if !ours || !in_time {
            let what = if ours { "an event outside of the time asked for" } else { "an event that is not for us" };
            self.refuse.report(source, ReasonKind::Protocol, what);
            return tokio::time::sleep(source.wait()).await;
        }
        if lock(&self.seen).contains(&event.id) || !lock(&self.pending).insert(event.id) {
            return;
        }
        source.unsettled.fetch_add(1, Ordering::AcqRel);
        let ticket = Ticket { id: event.id, time, source: source.clone() };
        tokio::time::sleep(source.wait()).await;
        // Without an inbox the transport is stopping, and the event will come again.
        let _ = self.queue.send((event, ticket)).await;
    }
}

/// What it takes to run the inbox.
pub(super) struct Inbox {
    keys: Keys,
    directory: Arc<Directory>,
    slot: Slot,
    queue: mpsc::Receiver<(Event, Ticket)>,
    assembler: Assembler<Ticket>,
    receipts: FuturesUnordered<BoxFuture<'static, Settled>>,
    bytes: usize,
}

/// The node's answer to a frame.
struct Settled {
    tickets: Vec<Ticket>,
    answer: Option<Disposition>,
    bytes: usize,
}

/// An inbox for `keys`, and where events are put.
pub(super) fn inbox(keys: Keys, seen: Seen, directory: Arc<Directory>, refuse: Refuse) -> (Slot, Inbox) {
    let (tx, queue) = mpsc::channel(QUEUE);
    let (seen, pending) = (Arc::new(Mutex::new(seen)), Arc::default());
    let slot = Slot { me: keys.public_key(), seen, pending, queue: tx, refuse };
    let receipts = FuturesUnordered::new();
    let assembler = Assembler::default();
    (slot.clone(), Inbox { keys, directory, slot, queue, assembler, receipts, bytes: 0 })
}

impl Inbox {
    /// Unpacks events and hands frames to the node until that is gone.
    pub(super) async fn run(mut self) {
        let mut sweep = tokio::time::interval(SWEEP);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let room = self.receipts.len() < FRAMES && self.bytes < FRAME_BYTES;
            tokio::select! {
                Some(settled) = self.receipts.next(), if !self.receipts.is_empty() => self.settle(settled).await,
                came = self.queue.recv_many(&mut batch, BATCH), if room => {
                    if came == 0 || !self.unpack(std::mem::take(&mut batch)).await {
                        return;
                    }
                }
                _ = sweep.tick() => {
                    let expired = self.assembler.expire(Instant::now());
                    self.release(expired);
                }
            }
        }
    }

    /// Whether the node is still there.
    async fn unpack(&mut self, events: Vec<(Event, Ticket)>) -> bool {
        let keys = self.keys.clone();
        let open =
            move || -> Vec<_> { events.into_iter().map(|(event, ticket)| (unwrap(&keys, &event), ticket)).collect() };
        let Ok(opened) = tokio::task::spawn_blocking(open).await else { return false };
        for (opened, ticket) in opened {
            let alive = match opened {
                Ok((sender, piece)) => self.piece(sender, piece, ticket).await,
                Err(why) => {
                    self.slot.refuse.report(&ticket.source, ReasonKind::Protocol, &why);
                    match why {
                        // Somebody else may have the true event of this name.
                        Unreadable::Forged => self.forget(vec![ticket]),
                        _ => self.remember(vec![ticket]).await,
                    }
                    true
                }
            };
            if !alive {
                return false;
            }
        }
        true
    }

    async fn piece(&mut self, sender: PublicKey, piece: Piece, ticket: Ticket) -> bool {
        let source = ticket.source.clone();
        let Some(part) = piece.part else { return self.frame(&sender, piece.bytes, vec![ticket], &source).await };
        let known = self.directory.is_bound(&sender);
        let mut dropped = Vec::new();
        let came = Came { sender, known, part, bytes: piece.bytes, event: ticket };
        let outcome = self.assembler.add(came, Instant::now(), &mut dropped);
        self.release(dropped);
        match outcome {
            Outcome::Incomplete => true,
            Outcome::Whole(frame, tickets) => self.frame(&sender, frame, tickets, &source).await,
            Outcome::Refused(why, tickets) => {
                self.slot.refuse.report(&source, ReasonKind::Protocol, why);
                self.remember(tickets).await;
                true
            }
        }
    }

    async fn frame(&mut self, sender: &PublicKey, frame: Bytes, tickets: Vec<Ticket>, source: &Source) -> bool {
        let npub = sender.to_bech32().unwrap_or_default();
        let origin = SafeText::line(&format!("{npub} at {}", source.relay));
        let (receipt, answer) = Receipt::new();
        let (via, bytes) = (self.slot.refuse.id.clone(), frame.len());
        let event = TransportEvent::Inbound(Inbound { via, frame, origin, receipt });
        if self.slot.refuse.sink.send(event).await.is_err() {
            return false;
        }
        self.bytes += bytes;
        self.receipts.push(answer.map(move |answer| Settled { tickets, answer: answer.ok(), bytes }).boxed());
        true
    }

    async fn settle(&mut self, settled: Settled) {
        self.bytes -= settled.bytes;
        match settled.answer {
            Some(disposition) => {
                if let (Disposition::Refused(_), Some(ticket)) = (disposition, settled.tickets.first()) {
                    ticket.source.charge();
                }
                self.remember(settled.tickets).await;
            }
            None => self.release(settled.tickets),
        }
    }

    /// Dealt with for good.
    async fn remember(&mut self, tickets: Vec<Ticket>) {
        let (seen, events) = (self.slot.seen.clone(), tickets.iter().map(|t| (t.id, t.time)).collect::<Vec<_>>());
        match tokio::task::spawn_blocking(move || lock(&seen).mark(&events)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(transport = %self.slot.refuse.id, %error, "what was seen could not be written down");
            }
            Err(_) => return,
        }
        self.forget(tickets);
    }

    /// Not dealt with: to be fetched again.
    fn release(&mut self, tickets: Vec<Ticket>) {
        for ticket in &tickets {
            ticket.source.kept.store(true, Ordering::Release);
        }
        self.forget(tickets);
    }

    fn forget(&self, tickets: Vec<Ticket>) {
        let mut pending = lock(&self.slot.pending);
        for ticket in tickets {
            pending.remove(&ticket.id);
            ticket.source.unsettled.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
