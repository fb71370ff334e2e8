//! The `file` transport: frames as files in a shared folder (NFS, SSHFS, Nextcloud, Syncthing, a USB stick).
//!
//! Each peer has a mailbox, `<folder>/<fingerprint>/`. A frame counts as accepted when its file is durable there
//! under its final name; the recipient's node takes it when it comes by.

mod again;
mod config;
mod fault;
mod health;
mod lane;
mod mailbox;
mod name;
mod outbox;
#[cfg(test)]
mod tests;
mod watch;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use self::{
    config::FileSettings,
    health::Health,
    lane::{Lane, Threads},
    mailbox::{Mailbox, Rights, Seen},
    name::Names,
    outbox::Outbox,
    watch::{Common, READERS, Watch},
};
use super::{
    Accepted, ConfigError, Context, EventSink, Kind, Route, SendError, Transport, TransportConfig, lock,
    refusals::Refusals,
    running::{Slot, Tasks, tell_up},
    sending::check_size,
};
use crate::{
    delivery::{Capabilities, Cost, Guarantee, Leak, Reason, ReasonKind, TransportId},
    wire::{Fingerprint, SafeText, limits},
};

/// The registry's line for this kind.
pub const KIND: Kind = Kind {
    name: "file",
    summary: "a shared folder: NFS, SSHFS, Nextcloud, Syncthing, a USB stick",
    default_priority: 60,
    public_address: false,
    build,
};

/// Folders whose outboxes are kept while idle.
const OUTBOXES_KEPT: usize = 64;

fn build(config: &TransportConfig, context: Context) -> Result<Arc<dyn Transport>, ConfigError> {
    let owner = context.authenticator.fingerprint();
    Ok(Arc::new(FileTransport::new(FileSettings::read(config)?, context.id, owner)))
}

/// Frames as files in shared folders.
struct FileTransport {
    id: TransportId,
    owner: Fingerprint,
    settings: FileSettings,
    rights: Rights,
    capabilities: Capabilities,
    seen: Arc<Seen>,
    threads: Threads,
    names: Mutex<Names>,
    /// By folder; they outlive a restart, so that a folder that hangs stays known.
    outboxes: Mutex<BTreeMap<PathBuf, Arc<Outbox>>>,
    /// Threads for probes, by folder.
    probes: BTreeMap<PathBuf, Lane>,
    running: Slot<Tasks>,
}

impl FileTransport {
    fn new(settings: FileSettings, id: TransportId, owner: Fingerprint) -> Self {
        let capabilities = Capabilities {
            duplex: !settings.folders.is_empty(),
            offline: true,
            next_hop_stores: true,
            latency: settings.latency,
            max_frame: limits::ENVELOPE_BYTES,
            leaks: vec![Leak::RecipientToMedium, Leak::Timing],
            per_peer: None,
            guarantee: Guarantee::Durable,
            cost: Cost::Free,
        };
        let threads = Threads::default();
        let probe = |folder: &PathBuf| (folder.clone(), Lane::new(folder, 1, threads.clone()));
        Self {
            id,
            owner,
            rights: Rights { shared: settings.shared },
            capabilities,
            seen: Arc::default(),
            names: Mutex::default(),
            outboxes: Mutex::default(),
            probes: settings.folders.iter().map(probe).collect(),
            running: Slot::default(),
            threads,
            settings,
        }
    }

    fn outbox(&self, folder: &Path) -> Arc<Outbox> {
        let mut outboxes = lock(&self.outboxes);
        if let Some(outbox) = outboxes.get(folder) {
            return outbox.clone();
        }
        if outboxes.len() >= OUTBOXES_KEPT {
            outboxes.retain(|_, outbox| !outbox.is_idle());
        }
        let outbox = Arc::new(Outbox::new(folder, self.rights, self.seen.clone(), self.threads.clone()));
        outboxes.insert(folder.to_owned(), outbox.clone());
        outbox
    }

    fn next_name(&self) -> String {
        let now = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0);
        lock(&self.names).next(now, rand::random())
    }

    fn launch(&self, sink: EventSink) -> Tasks {
        let (tasks, folders) = (Tasks::default(), &self.settings.folders);
        if folders.is_empty() {
            tasks.spawn(tell_up(self.id.clone(), sink));
            return tasks;
        }
        let common = Arc::new(Common {
            id: self.id.clone(),
            owner: self.owner,
            settings: self.settings.clone(),
            rights: self.rights,
            seen: self.seen.clone(),
            health: Health::new(self.id.clone(), sink.clone(), self.settings.poll, folders.len()),
            sink,
            refusals: Refusals::new(self.id.clone()),
        });
        for (index, folder) in folders.iter().enumerate() {
            let lane = Lane::new(folder, READERS, self.threads.clone());
            tasks.spawn(Watch::new(common.clone(), index, folder, lane).run());
        }
        tasks
    }

    async fn write(&self, frame: Bytes, recipient: Fingerprint, folder: &Path) -> Result<(), SendError> {
        let later = SendError::later;
        let running = self.running.get().map_err(later)?;
        let answered = self.outbox(folder).push(recipient, self.next_name(), frame).map_err(later)?;
        let broken = || Reason::new(ReasonKind::Io, format!("writing to {} broke off", folder.display()));
        match running.stop().run_until_cancelled(answered).await {
            Some(Ok(written)) => written.map_err(later),
            Some(Err(_)) => Err(later(broken())),
            None => Err(SendError::stopping()),
        }
    }

    async fn probe_folder(&self, folder: &Path, lane: &Lane, deadline: Duration) -> Result<(), Reason> {
        let (path, owner, rights, seen) = (folder.to_owned(), self.owner, self.rights, self.seen.clone());
        lane.run(deadline, move || Mailbox::open(&path, owner, rights, &seen)?.probe()).await?
    }
}

#[async_trait]
impl Transport for FileTransport {
    fn id(&self) -> &TransportId {
        &self.id
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn check_address(&self, address: &str) -> Result<(), ConfigError> {
        config::folder("address", address).map(drop)
    }

    fn address(&self) -> Option<String> {
        self.running.get().ok()?;
        Some(self.settings.folders.first()?.display().to_string())
    }

    async fn start(&self, sink: EventSink) -> Result<(), Reason> {
        self.running.fill(|| Arc::new(self.launch(sink)))
    }

    async fn send(&self, frame: Bytes, route: &Route, deadline: Duration) -> Result<Accepted, SendError> {
        check_size(&frame, limits::ENVELOPE_BYTES)?;
        let folder = config::folder("address", &route.address);
        let folder = folder.map_err(|error| SendError::never(ReasonKind::NotConfigured, error))?;
        let bytes = frame.len() as u64;
        let written = timeout(deadline, self.write(frame, route.recipient, &folder)).await;
        written.unwrap_or_else(|_| Err(SendError::late(folder.display(), deadline)))?;
        Ok(Accepted { stored_by: Some(SafeText::line(&folder.display().to_string())), bytes })
    }

    async fn probe(&self, deadline: Duration) -> Result<Duration, Reason> {
        self.running.get()?;
        let began = Instant::now();
        let probes = self.probes.iter().map(|(folder, lane)| self.probe_folder(folder, lane, deadline));
        let results = join_all(probes).await;
        // One folder that works is enough to be usable; which one does not is in the state.
        match results.iter().any(Result::is_ok) {
            true => Ok(began.elapsed()),
            false => results.into_iter().find_map(Result::err).map_or_else(|| Ok(began.elapsed()), Err),
        }
    }

    async fn stop(&self) {
        if let Some(tasks) = self.running.take() {
            tasks.end(&self.id).await;
        }
    }
}
