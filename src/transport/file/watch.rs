//! The receiving side: watches this node's mailbox in one shared folder and hands what it finds to the node.
//!
//! A file is pushed once and stays where it is until the node has answered for it. The system's notices of new files
//! only make this quicker: folders that give none (NFS, SSHFS, many FUSE mounts) are polled.

use std::{
    collections::{BTreeSet, VecDeque},
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use notify::{
    EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode, ModifyKind, RenameMode},
};
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use super::{
    again::Again,
    config::{FileSettings, Keep},
    health::{FolderState, Health},
    lane::Lane,
    mailbox::{Found, Mailbox, Rights, Seen, Version},
    name,
};
use crate::{
    delivery::{Reason, TransportId},
    transport::{Disposition, EventSink, Inbound, Receipt, TransportEvent, refusals::Refusals},
    wire::{Fingerprint, SafeText},
};

/// Files of one folder that the node has not answered for.
const WINDOW_FILES: usize = 256;
/// Bytes of them.
const WINDOW_BYTES: usize = 48 * 1024 * 1024;
/// Names that are listed at a time, so that a mailbox of a million files costs no more memory than one of these.
const LIST_NAMES: usize = 4096;
/// Files that are read at a time.
const BATCH_FILES: usize = 64;
/// Bytes after which a batch is not added to.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Files that the node has answered for and that are not yet removed or put aside; beyond that no more are brought.
const ANSWERED_MOST: usize = 4096;
/// Threads that read one folder.
pub(super) const READERS: usize = 2;

/// What the watchers of all folders share.
pub(super) struct Common {
    pub(super) id: TransportId,
    pub(super) owner: Fingerprint,
    pub(super) settings: FileSettings,
    pub(super) rights: Rights,
    pub(super) seen: Arc<Seen>,
    pub(super) sink: EventSink,
    pub(super) health: Health,
    pub(super) refusals: Refusals,
}

/// One folder's watcher.
pub(super) struct Watch {
    common: Arc<Common>,
    index: usize,
    folder: PathBuf,
    lane: Arc<Lane>,
    /// Listed and not yet read, in the order of their names.
    listed: VecDeque<String>,
    /// Whether there may be more than is listed.
    stale: bool,
    /// Pushed and not yet answered.
    pushed: BTreeSet<String>,
    pushed_bytes: usize,
    answers: FuturesUnordered<BoxFuture<'static, Answer>>,
    /// Answered, and waiting to be removed, kept or put aside.
    answered: Vec<Answered>,
    /// The names of those, and of those that are being removed, kept or put aside.
    ending: BTreeSet<String>,
    /// At most one batch at a time that is being removed, kept or put aside, while others are read.
    endings: FuturesUnordered<BoxFuture<'static, Ended>>,
    again: Again,
    /// Why the folder cannot be written to, while that is so.
    unwritable: Option<Reason>,
    news: Arc<Notify>,
    notices: Option<Notices>,
    started: bool,
}

/// What the node said about one file; none when it dropped the receipt.
struct Answer {
    name: String,
    bytes: usize,
    version: Version,
    said: Option<Disposition>,
}

/// A file that the node has answered for, with the version that was read if there was one.
#[derive(Clone)]
struct Answered {
    name: String,
    version: Option<Version>,
    said: Disposition,
}

/// What became of a batch of those.
struct Ended {
    batch: Vec<Answered>,
    results: Result<Vec<Result<End, Reason>>, Reason>,
}

/// The system's notices about one mailbox.
struct Notices {
    mailbox: (u64, u64),
    /// None where the system gives no notices: not asked again until the mailbox is another.
    _watcher: Option<RecommendedWatcher>,
}

/// What a look at the mailbox gave.
struct Listing {
    names: Vec<String>,
    identity: (u64, u64),
    path: PathBuf,
    written: Result<(), Reason>,
}

impl Watch {
    pub(super) fn new(common: Arc<Common>, index: usize, folder: &Path, lane: Lane) -> Self {
        Self {
            again: Again::new(common.settings.again),
            common,
            index,
            folder: folder.to_owned(),
            lane: Arc::new(lane),
            listed: VecDeque::new(),
            stale: true,
            pushed: BTreeSet::new(),
            pushed_bytes: 0,
            answers: FuturesUnordered::new(),
            answered: Vec::new(),
            ending: BTreeSet::new(),
            endings: FuturesUnordered::new(),
            unwritable: None,
            news: Arc::new(Notify::new()),
            notices: None,
            started: false,
        }
    }

    /// Watches until dropped or until the node hangs up.
    pub(super) async fn run(mut self) {
        let mut poll = interval(self.common.settings.poll);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let news = self.news.clone();
        while !self.common.sink.is_closed() {
            if self.listed.is_empty() && self.stale {
                self.look().await;
            }
            if self.may_bring() {
                self.bring().await;
            }
            self.end_answered();
            let (more, due) = (self.may_bring(), self.again.next_due());
            tokio::select! {
                Some(answer) = self.answers.next(), if !self.answers.is_empty() => self.settle(answer),
                Some(ended) = self.endings.next(), if !self.endings.is_empty() => self.ended(ended).await,
                () = std::future::ready(()), if more => {}
                () = news.notified() => self.stale = true,
                _ = poll.tick() => self.stale = true,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.retry(),
            }
        }
    }

    fn may_bring(&self) -> bool {
        !self.listed.is_empty()
            && self.pushed.len() < WINDOW_FILES
            && self.pushed_bytes < WINDOW_BYTES
            && self.ending.len() < ANSWERED_MOST
    }

    /// Runs `work` on the open mailbox.
    fn with_mailbox<T, W>(&self, work: W) -> impl Future<Output = Result<T, Reason>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce(&Mailbox) -> Result<T, Reason> + Send + 'static,
    {
        let (common, folder, lane) = (self.common.clone(), self.folder.clone(), self.lane.clone());
        let patience = self.common.settings.patience;
        let opened = move || work(&Mailbox::open(&folder, common.owner, common.rights, &common.seen)?);
        async move { lane.run(patience, opened).await? }
    }

    /// Lists the mailbox and learns how the folder is.
    async fn look(&mut self) {
        self.stale = false;
        let skip = self.pushed.iter().chain(&self.ending).chain(self.again.waiting());
        let skip: BTreeSet<String> = skip.cloned().collect();
        // The first look and those after a failed write also try to write.
        let (probe, sweep) = (!self.started || self.unwritable.is_some(), !self.started);
        let look = move |mailbox: &Mailbox| {
            let names = mailbox.list(LIST_NAMES, |name| skip.contains(name))?;
            let written = if probe { mailbox.probe() } else { Ok(()) };
            if sweep && written.is_ok() {
                // What a crash left behind is no reason not to read.
                let _ = mailbox.sweep();
            }
            Ok(Listing { names, identity: mailbox.identity, path: mailbox.path().to_owned(), written })
        };
        match self.with_mailbox(look).await {
            Ok(listing) => self.looked(listing, probe).await,
            Err(reason) => self.common.health.set(self.index, FolderState::Broken(reason)).await,
        }
    }

    async fn looked(&mut self, listing: Listing, probed: bool) {
        self.started = true;
        if probed {
            self.unwritable = listing.written.err();
        }
        if listing.names.len() >= LIST_NAMES {
            self.stale = true;
        } else {
            // Files that went by themselves need not be looked at again.
            let there = |name: &String| listing.names.binary_search(name).is_ok();
            self.again.prune(|name| there(name) || self.pushed.contains(name) || self.ending.contains(name));
        }
        self.listed = listing.names.into();
        if self.common.settings.notify && self.notices.as_ref().is_none_or(|n| n.mailbox != listing.identity) {
            self.subscribe(listing.identity, listing.path).await;
        }
        let state = self.unwritable.clone().map_or(FolderState::Fine, FolderState::ReadOnly);
        self.common.health.set(self.index, state).await;
    }

    /// Asks the system to tell of new files in the mailbox at `path`.
    async fn subscribe(&mut self, mailbox: (u64, u64), path: PathBuf) {
        let (news, place) = (self.news.clone(), path.clone());
        let subscribe = move || {
            let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                if event.map_or(true, |event| concerns_us(&event)) {
                    news.notify_one();
                }
            })?;
            watcher.watch(&place, RecursiveMode::NonRecursive)?;
            Ok::<_, notify::Error>(watcher)
        };
        let watcher = match self.lane.run(self.common.settings.patience, subscribe).await {
            Ok(Ok(watcher)) => Some(watcher),
            Ok(Err(error)) => {
                tracing::info!(path = %path.display(), %error, "no notices of new files here, it is polled");
                None
            }
            Err(reason) => {
                tracing::info!(path = %path.display(), %reason, "no notices of new files here, it is polled");
                None
            }
        };
        // A file that came between listing and subscribing gives no notice: look once more.
        self.stale |= watcher.is_some();
        self.notices = Some(Notices { mailbox, _watcher: watcher });
    }

    /// Reads the next files and pushes them.
    async fn bring(&mut self) {
        let room = BATCH_FILES.min(WINDOW_FILES - self.pushed.len());
        let names: Vec<String> = self.listed.drain(..room.min(self.listed.len())).collect();
        let read = move |mailbox: &Mailbox| {
            let (mut bytes, mut found) = (0, Vec::new());
            let mut names = names.into_iter();
            while bytes < BATCH_BYTES
                && let Some(name) = names.next()
            {
                let what = mailbox.read(&name);
                if let Found::Frame(frame, _) = &what {
                    bytes += frame.len();
                }
                found.push((name, what));
            }
            Ok((found, names.collect::<Vec<_>>()))
        };
        match self.with_mailbox(read).await {
            Ok((found, unread)) => {
                for name in unread.into_iter().rev() {
                    self.listed.push_front(name);
                }
                for (name, what) in found {
                    self.found(name, what).await;
                }
            }
            Err(reason) => {
                // The next look lists them again.
                self.listed.clear();
                self.common.health.set(self.index, FolderState::Broken(reason)).await;
            }
        }
    }

    async fn found(&mut self, name: String, what: Found) {
        match what {
            Found::Frame(frame, version) => self.push(name, frame, version).await,
            Found::Gone => self.again.forget(&name),
            Found::Unfinished => self.again.later(Instant::now(), name, None),
            Found::Refused(reason) => {
                self.refuse(&reason);
                self.answer(Answered { name, version: None, said: Disposition::Refused(reason) });
            }
            Found::Failed(reason) => {
                if !self.again.knows(&name) {
                    self.refuse(&reason);
                }
                self.again.later(Instant::now(), name, None);
            }
        }
    }

    fn refuse(&self, reason: &Reason) {
        let detail = format!("{}: {reason}", self.folder.display());
        self.common.refusals.report(&self.common.sink, Reason::new(reason.kind, detail));
    }

    async fn push(&mut self, name: String, frame: bytes::Bytes, version: Version) {
        let (receipt, said) = Receipt::new();
        let origin = SafeText::line(&format!("{}: {name}", self.folder.display()));
        let bytes = frame.len();
        self.pushed.insert(name.clone());
        self.pushed_bytes += bytes;
        self.answers.push(said.map(move |said| Answer { name, bytes, version, said: said.ok() }).boxed());
        let inbound = Inbound { via: self.common.id.clone(), frame, origin, receipt };
        // Waits as long as the node needs. A node that hung up has dropped the receipt with it, and the loop ends.
        let _ = self.common.sink.send(TransportEvent::Inbound(inbound)).await;
    }

    /// Applies `first` and every other answer that is there.
    fn settle(&mut self, first: Answer) {
        let mut next = Some(first);
        while let Some(Answer { name, bytes, version, said }) = next {
            self.pushed.remove(&name);
            self.pushed_bytes -= bytes;
            match said {
                Some(said) => self.answer(Answered { name, version: Some(version), said }),
                None => self.again.later(Instant::now(), name, None),
            }
            next = self.answers.next().now_or_never().flatten();
        }
    }

    fn answer(&mut self, file: Answered) {
        self.ending.insert(file.name.clone());
        self.answered.push(file);
    }

    /// Begins to remove, keep or put aside what was answered, unless a batch is under way.
    fn end_answered(&mut self) {
        if self.answered.is_empty() || !self.endings.is_empty() {
            return;
        }
        let batch = std::mem::take(&mut self.answered);
        let (files, keep) = (batch.clone(), self.common.settings.keep);
        let work = move |mailbox: &Mailbox| Ok(files.iter().map(|file| end_one(mailbox, keep, file)).collect());
        let ended = self.with_mailbox(work).map(move |results| Ended { batch, results });
        self.endings.push(ended.boxed());
    }

    async fn ended(&mut self, Ended { batch, results }: Ended) {
        let mut fault = None;
        let results = results.unwrap_or_else(|reason| vec![Err(reason); batch.len()]);
        for (Answered { name, said, .. }, result) in batch.into_iter().zip(results) {
            self.ending.remove(&name);
            match result {
                Ok(End::Done) => self.again.forget(&name),
                Ok(End::Trimmed(count)) => {
                    tracing::warn!(folder = %self.folder.display(), count, "older refused files were removed");
                    self.again.forget(&name);
                }
                Ok(End::Changed) => self.again.later(Instant::now(), name, None),
                Err(reason) => {
                    fault = Some(reason);
                    self.again.later(Instant::now(), name, Some(said));
                }
            }
        }
        if let Some(reason) = fault {
            self.unwritable = Some(reason.clone());
            self.common.health.set(self.index, FolderState::ReadOnly(reason)).await;
        }
    }

    /// Gives files their turn again: those that the node has answered for are ended, the others are found by the
    /// next look.
    fn retry(&mut self) {
        let (answered, others) = self.again.turn(Instant::now());
        self.stale |= others;
        for (name, said) in answered {
            self.answer(Answered { name, version: None, said });
        }
    }
}

/// What became of a file that was to be removed, kept or put aside.
#[derive(Clone)]
enum End {
    Done,
    /// Done, and so many older refused files were removed for it.
    Trimmed(usize),
    /// It was refused while somebody still wrote to it: it gets another chance.
    Changed,
}

fn end_one(mailbox: &Mailbox, keep: Keep, file: &Answered) -> Result<End, Reason> {
    match (&file.said, keep) {
        (Disposition::Durable, Keep::Delete) => mailbox.remove(&file.name)?,
        (Disposition::Durable, Keep::Archive) => mailbox.archive(&file.name)?,
        (Disposition::Refused(_), _) => {
            if file.version.is_some_and(|read| !mailbox.is_still(&file.name, read)) {
                return Ok(End::Changed);
            }
            let trimmed = mailbox.put_aside(&file.name)?;
            return Ok(if trimmed == 0 { End::Done } else { End::Trimmed(trimmed) });
        }
    }
    Ok(End::Done)
}

/// Whether a notice may be about a new message: not the removals and moves that we make ourselves.
fn concerns_us(event: &notify::Event) -> bool {
    let kind = match event.kind {
        EventKind::Create(_) | EventKind::Any | EventKind::Other => true,
        EventKind::Modify(ModifyKind::Name(mode)) => mode != RenameMode::From,
        EventKind::Access(AccessKind::Close(mode)) => mode == AccessMode::Write,
        _ => false,
    };
    let message = |path: &PathBuf| path.file_name().is_some_and(|n| name::is_message(n.as_encoded_bytes()));
    event.need_rescan() || (kind && event.paths.iter().any(message))
}
