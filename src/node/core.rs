//! The node's heart: one task that owns everything that changes. Slow work (cryptography, disk, network) runs
//! elsewhere and comes back as a [`Done`] to be run here, so that nothing in this task ever waits.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesOrdered};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::{
    Event, NoticeLevel, Reply,
    acks::AckQueue,
    clock::Clock,
    files::Files,
    handle::{Answer, Call},
    held::HeldDrafts,
    identity::Me,
    keyring::Keyring,
    ledger::Ledger,
    loops::Loops,
    pace::Pace,
    paths::Paths,
    people::People,
    presence::Heartbeats,
    room::Room,
    throttle::Throttle,
    unshown::Unshown,
    workers::Workers,
    writer::Writer,
};
use crate::{
    delivery::{Input, Machine},
    home::{Config, Home},
    store::{Store, StoreKey},
    transport::TransportEvent,
    wire::{SafeText, Timestamp},
};

/// What background work wants done in the node's task when it is finished.
pub(super) type Done = Box<dyn FnOnce(&mut Core) + Send>;

/// Most frames that are being opened at once; further ones wait in their transports.
const OPENING_MAX: usize = 128;
/// Most drafts that are being sealed at once; further commands wait in their faces.
const SEALING_MAX: usize = 128;
/// Most writes that wait before no new work is taken on.
const WRITES_MAX: usize = 4096;
/// How often what changed a little is written and shown.
const TICK: Duration = Duration::from_millis(20);

/// Everything that changes.
pub(super) struct Core {
    pub(super) clock: Clock,
    pub(super) home: Home,
    pub(super) me: Me,
    pub(super) config: Config,
    pub(super) store: Arc<Store>,
    /// What the secrets of the transports are derived from.
    pub(super) store_key: StoreKey,
    pub(super) writer: Writer,
    pub(super) workers: Workers,
    pub(super) people: People,
    pub(super) keys: Keyring,
    pub(super) machine: Machine,
    pub(super) paths: Paths,
    pub(super) ledger: Ledger,
    pub(super) acks: AckQueue,
    pub(super) room: Room,
    pub(super) loops: Loops,
    pub(super) pace: Pace,
    pub(super) held: HeldDrafts,
    pub(super) heartbeats: Heartbeats,
    pub(super) files: Files,
    pub(super) unshown: Unshown,
    pub(super) counters: Counters,
    pub(super) warnings: Vec<SafeText>,
    pub(super) searches: BTreeMap<u64, Arc<std::sync::atomic::AtomicBool>>,
    pub(super) sealing: FuturesOrdered<BoxFuture<'static, Done>>,
    pub(super) opening: FuturesOrdered<BoxFuture<'static, Done>>,
    pub(super) done: mpsc::UnboundedSender<Done>,
    pub(super) events: broadcast::Sender<Event>,
    /// When the latest message was composed here.
    pub(super) composed: Timestamp,
    /// Set when a face asked to shut down: it is answered last.
    pub(super) stopping: Option<Answer>,
}

/// What is only counted.
#[derive(Debug)]
pub(super) struct Counters {
    pub(super) refused: BTreeMap<String, u64>,
    pub(super) duplicates: u64,
    /// Refusals that are told of.
    pub(super) shown: Throttle,
    /// Those of them that interrupt the person.
    pub(super) notices: Throttle,
}

impl Default for Counters {
    fn default() -> Self {
        Self { refused: BTreeMap::new(), duplicates: 0, shown: Throttle::new(60), notices: Throttle::new(6) }
    }
}

/// Where the core's work comes from.
pub(super) struct Sources {
    pub(super) calls: mpsc::Receiver<Call>,
    pub(super) frames: mpsc::Receiver<TransportEvent>,
    pub(super) done: mpsc::UnboundedReceiver<Done>,
}

impl Core {
    /// Runs until a face asks to shut down.
    pub(super) async fn run(mut self, mut from: Sources) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while self.stopping.is_none() {
            let room = self.writer.depth() < WRITES_MAX;
            let alarm = self.machine.next_wake().map(|mono| self.clock.instant(mono));
            let acks_due = self.acks.due_at().map(|mono| self.clock.instant(mono));
            let heartbeat = self.heartbeats.next().map(|mono| self.clock.instant(mono));
            tokio::select! {
                Some(done) = from.done.recv() => {
                    done(&mut self);
                    while let Ok(done) = from.done.try_recv() {
                        done(&mut self);
                    }
                }
                Some(done) = self.sealing.next(), if !self.sealing.is_empty() => done(&mut self),
                Some(done) = self.opening.next(), if !self.opening.is_empty() => done(&mut self),
                event = from.frames.recv(), if room && self.opening.len() < OPENING_MAX => {
                    if let Some(event) = event { self.transport_event(event) }
                }
                call = from.calls.recv(), if room && self.sealing.len() < SEALING_MAX => match call {
                    Some((command, answer)) => self.command(command, answer),
                    None => break,
                },
                () = sleep_until(alarm), if alarm.is_some() => self.drive(Input::Wake),
                () = sleep_until(acks_due), if acks_due.is_some() => {}
                () = sleep_until(heartbeat), if heartbeat.is_some() && self.sealing.is_empty() => self.send_heartbeats(),
                _ = tick.tick(), if self.ledger.is_dirty() || self.files.is_dirty() => {
                    self.write_ledger();
                    self.write_transfers();
                }
            }
            // While more is coming in, one ack can answer it all.
            let busy = !self.opening.is_empty() || self.writer.depth() > 0;
            if self.acks.is_due(self.clock.now().mono, busy) {
                self.send_acks();
            }
            self.let_in();
        }
        self.stop(from).await;
    }

    /// Runs `done` here when `work` is finished.
    pub(super) fn later<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
        done: impl FnOnce(&mut Self, T) + Send + 'static,
    ) -> tokio::task::AbortHandle {
        let back = self.done.clone();
        let task = async move {
            let result = work.await;
            // The core may have stopped meanwhile; what it must not forget is in the store.
            let _ = back.send(Box::new(move |core: &mut Self| done(core, result)));
        };
        // Boxed, tokio's part of a task is compiled once and not for each caller.
        tokio::spawn(task.boxed()).abort_handle()
    }

    /// Writes to the store and runs `done` here once it is durable.
    pub(super) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, crate::store::StoreError> + Send + 'static,
        done: impl FnOnce(&mut Self, super::writer::Written<T>) + Send + 'static,
    ) {
        self.writer.write(work, done);
    }

    /// Tells the delivery machine what happened and does what it says.
    pub(super) fn drive(&mut self, input: Input) {
        let actions = self.machine.handle(self.clock.now(), input);
        for action in actions {
            self.perform(action);
        }
    }

    /// Reports to all faces.
    pub(super) fn emit(&self, event: Event) {
        // Without a listening face there is nobody to tell.
        let _ = self.events.send(event);
    }

    /// Tells the person, and the log.
    pub(super) fn notice(&self, level: NoticeLevel, text: impl AsRef<str>) {
        let text = SafeText::line(text.as_ref());
        match level {
            NoticeLevel::Info => tracing::info!("{text}"),
            NoticeLevel::Warning => tracing::warn!("{text}"),
            NoticeLevel::Error => tracing::error!("{text}"),
            NoticeLevel::Security => tracing::warn!(target: "security", "{text}"),
        }
        self.emit(Event::Notice { level, text });
    }

    /// Finishes what is being sealed, opened and written, and gives the answers: a face may be waiting for one, a
    /// transport for its receipt.
    async fn settle(&mut self, from: &mut Sources) {
        while let Some(done) = self.sealing.next().await {
            done(self);
        }
        while let Some(done) = self.opening.next().await {
            done(self);
        }
        let (tell, mut told) = oneshot::channel::<()>();
        // Writes are done in order: when this one's turn has come, all earlier ones were answered.
        self.write(|_| Ok(()), move |_, _| drop(tell));
        loop {
            tokio::select! {
                Some(done) = from.done.recv() => done(self),
                _ = &mut told => return,
            }
        }
    }

    async fn stop(mut self, mut from: Sources) {
        self.emit(Event::Stopping);
        for cancelled in self.searches.values() {
            cancelled.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        self.settle(&mut from).await;
        self.write_ledger();
        self.write_transfers();
        self.paths.stop_all().await;
        let writer = self.writer;
        if tokio::task::spawn_blocking(move || writer.finish()).await.is_err() {
            tracing::error!("the store's writer could not be waited for");
        }
        from.done.close();
        if let Some(answer) = self.stopping.take() {
            answer.give(Ok(Reply::Done));
        }
    }
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
