//! The `nostr` transport: frames as private messages of Nostr (NIP-17), through any number of relays.
//!
//! Of nostr-sdk this uses what is under `nostr_sdk::nostr`: keys, events, NIP-44, NIP-59, messages. The connections are our
//! own, as those of the `websocket` transport are, and not the SDK's pool of relays: the pool hands on what arrives over a broadcast
//! channel that drops events when its reader is slow, has no place where a frame's receipt could hold back the reading, and
//! does not bound what one relay may make us do; and it is no longer maintained (see deny.toml).
//!
//! We read at the relays in the setting `relays`, over connections that are always kept. What we send goes over other
//! connections, also where a relay is the same, so that a relay that asks who leaves something here does not learn our key. What
//! is given away is said in [`Capabilities::leaks`] and in `docs/transports/nostr.md`.

mod address;
mod binding;
mod chunk;
mod config;
mod connection;
mod directory;
mod gift;
mod inbox;
mod keys;
mod link;
mod mail;
mod message;
mod seen;
mod send;
mod session;
mod sync;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use nostr_sdk::{EventBuilder, Keys, Kind as EventKind, RelayUrl, Tag};
use tokio::{
    sync::{Notify, Semaphore},
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{address::PeerAddress, chunk::Part, message::decode};
use self::{
    config::NostrSettings,
    connection::Ready,
    directory::Directory,
    inbox::{Inbox, Refuse, Slot, Source, inbox},
    link::{Common, Link, LinkState, link},
    mail::MailPlan,
    seen::Seen,
};
use super::{
    Accepted, Authenticator, ConfigError, Context, EventSink, Kind, Retry, Route, SendError, Transport,
    TransportConfig, TransportEvent, TransportState,
    refusals::Refusals,
    websocket::{address::RelayAddress, connection::lock, tls},
};
use crate::{
    delivery::{Capabilities, Cost, Guarantee, LatencyClass, Leak, Reason, ReasonKind, TransportId},
    wire::{SafeText, limits},
};

/// The registry's line for this kind.
pub const KIND: Kind = Kind {
    name: "nostr",
    summary: "private messages through relays of the Nostr network",
    default_priority: 40,
    public_address: true,
    build,
};

/// Relays of peers that are remembered at once.
const LINKS: usize = 1024;
/// KiB of frames that may be under way to relays at once.
const MEMORY_KIB: usize = 2 * limits::ENVELOPE_BYTES / 1024;
/// How long [`Transport::stop`] waits for the tasks.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// Checks the settings and makes the transport; touches neither disk nor network.
///
/// # Errors
/// Names the setting at fault.
pub fn build(config: &TransportConfig, context: Context) -> Result<Arc<dyn Transport>, ConfigError> {
    Ok(Arc::new(NostrTransport::new(NostrSettings::read(config)?, context)))
}

/// Frames through Nostr relays.
struct NostrTransport {
    context: Context,
    settings: NostrSettings,
    capabilities: Capabilities,
    running: Mutex<Option<Arc<Running>>>,
}

/// What exists between start and stop.
struct Running {
    common: Arc<Common>,
    authenticator: Arc<dyn Authenticator>,
    directory: Arc<Directory>,
    /// The connections over which we read.
    homes: BTreeMap<RelayAddress, Arc<Link>>,
    /// The connections over which we send.
    others: Mutex<BTreeMap<RelayAddress, Arc<Link>>>,
    /// The relay that something was sent to last, for a probe when we have none of our own.
    last: Mutex<Option<RelayAddress>>,
    memory: Arc<Semaphore>,
    tasks: TaskTracker,
}

/// What is made on a thread that may block, before anything runs.
struct Prepared {
    tls: Arc<rustls::ClientConfig>,
    keys: Keys,
    seen: Seen,
    announce: Vec<Ready>,
}

impl NostrTransport {
    fn new(settings: NostrSettings, context: Context) -> Self {
        // No event names its sender, but a relay at which we both read and write, or that compares network addresses, can tell.
        let mut leaks = vec![Leak::AddressToServer, Leak::BothEndsToServer, Leak::RecipientToMedium, Leak::Timing];
        if settings.relays.iter().any(|relay| !relay.tls() && !relay.is_loopback()) {
            leaks.push(Leak::BothEndsToNetwork);
        }
        let capabilities = Capabilities {
            duplex: !settings.relays.is_empty(),
            offline: true,
            next_hop_stores: true,
            latency: LatencyClass::Fast,
            max_frame: limits::ENVELOPE_BYTES.min(settings.piece_bytes * chunk::PIECES),
            leaks,
            // An OK says that the relay has taken the event, not that it is on its disk.
            guarantee: Guarantee::Confirmed,
            cost: Cost::Shared,
        };
        Self { context, settings, capabilities, running: Mutex::new(None) }
    }

    fn running(&self) -> Result<Arc<Running>, Reason> {
        lock(&self.running).clone().ok_or_else(|| Reason::new(ReasonKind::Stopping, "the transport is not started"))
    }

    fn launch(&self, prepared: Prepared, sink: &EventSink) -> Result<(), Reason> {
        let mut slot = lock(&self.running);
        if slot.is_some() {
            return Err(Reason::new(ReasonKind::Other, "the transport is started already"));
        }
        let Prepared { tls, keys, seen, announce } = prepared;
        let (directory, id) = (Arc::new(Directory::default()), self.context.id.clone());
        let refuse = Refuse { id: id.clone(), refusals: Arc::new(Refusals::new(id.clone())), sink: sink.clone() };
        let (mail, incoming) = inbox(keys.clone(), seen, directory.clone(), refuse);
        let common = Arc::new(Common {
            settings: self.settings.clone(),
            tls,
            keys,
            changed: Arc::new(Notify::new()),
            stop: CancellationToken::new(),
        });
        let running = Running::new(common, self.context.authenticator.clone(), directory, mail, &announce);
        *slot = Some(running.run(incoming, id, sink.clone()));
        Ok(())
    }
}

impl Prepared {
    fn new(settings: &NostrSettings, context: &Context) -> Result<Self, Reason> {
        let tls = tls::client_config(settings.ca_file.as_deref())?;
        let keys = match &settings.key_file {
            Some(path) => keys::from_file(path)?,
            None => keys::derived(&context.secret)?,
        };
        let seen = Seen::open(&context.data_dir, &context.secret)
            .map_err(|error| Reason::new(ReasonKind::Io, format!("{}: {error}", context.data_dir.display())))?;
        let mut announce = Vec::new();
        if !settings.relays.is_empty() {
            let failed = |why: String| Reason::new(ReasonKind::Other, format!("an event could not be made: {why}"));
            let binding = binding::publish(context.authenticator.as_ref(), &keys)?;
            announce.push(Ready::new(&binding).map_err(failed)?);
            let list = inbox_list(&keys, &settings.relays).map_err(failed)?;
            announce.push(list);
        }
        Ok(Self { tls, keys, seen, announce })
    }
}

/// The list of the relays where we read (NIP-17, kind 10050).
fn inbox_list(keys: &Keys, relays: &[RelayAddress]) -> Result<Ready, String> {
    let mut list = EventBuilder::new(EventKind::InboxRelays, "");
    for relay in relays {
        let url = RelayUrl::parse(&relay.to_string()).map_err(|error| error.to_string())?;
        list = list.tag(Tag::parse(["relay".to_owned(), url.to_string()]).map_err(|error| error.to_string())?);
    }
    Ready::new(&list.sign_with_keys(keys).map_err(|error| error.to_string())?)
}

impl Running {
    fn new(
        common: Arc<Common>,
        authenticator: Arc<dyn Authenticator>,
        directory: Arc<Directory>,
        slot: Slot,
        announce: &[Ready],
    ) -> Self {
        let mut running = Self {
            common: common.clone(),
            authenticator,
            directory,
            homes: BTreeMap::new(),
            others: Mutex::default(),
            last: Mutex::default(),
            memory: Arc::new(Semaphore::new(MEMORY_KIB)),
            tasks: TaskTracker::new(),
        };
        for address in &common.settings.relays {
            let source = Source::new(SafeText::line(&address.authority()), address.to_string());
            let plan = MailPlan { slot: slot.clone(), source: Arc::new(source), announce: announce.to_vec() };
            running.homes.insert(address.clone(), running.link(address, Some(plan)));
        }
        running
    }

    fn run(self, inbox: Inbox, id: TransportId, sink: EventSink) -> Arc<Self> {
        let running = Arc::new(self);
        let stop = running.common.stop.clone();
        running.tasks.spawn(stop.clone().run_until_cancelled_owned(inbox.run()));
        let reporter = running.clone();
        running.tasks.spawn(async move { stop.run_until_cancelled(reporter.report(id, sink)).await });
        running
    }

    fn link(&self, address: &RelayAddress, mail: Option<MailPlan>) -> Arc<Link> {
        let (link, task) = link(address, mail, self.common.clone());
        self.tasks.spawn(task.run());
        Arc::new(link)
    }

    /// The link over which something is left at `address`.
    fn link_to(&self, address: &RelayAddress) -> Result<Arc<Link>, SendError> {
        *lock(&self.last) = Some(address.clone());
        let mut others = lock(&self.others);
        if let Some(link) = others.get(address) {
            return Ok(link.clone());
        }
        if others.len() >= LINKS {
            let reason = Reason::new(ReasonKind::QueueFull, format!("more than {LINKS} relays of peers are in use"));
            return Err(SendError { reason, retry: Retry::Later });
        }
        let link = self.link(address, None);
        others.insert(address.clone(), link.clone());
        Ok(link)
    }

    /// Tells the node whenever the state of our own relays changes.
    async fn report(&self, id: TransportId, sink: EventSink) {
        let mut last = None;
        loop {
            let state = self.state();
            if last.as_ref() != Some(&state) {
                last = Some(state.clone());
                if sink.send(TransportEvent::State(id.clone(), state)).await.is_err() {
                    return;
                }
            }
            self.common.changed.notified().await;
        }
    }

    fn state(&self) -> TransportState {
        let mut up = 0;
        let mut wrong: Vec<(Reason, Option<Instant>)> = Vec::new();
        for link in self.homes.values() {
            match link.state() {
                LinkState::Up(connection) if !connection.is_ended() => {
                    up += 1;
                    wrong.extend(connection.trouble().map(|reason| (reason, None)));
                }
                LinkState::Connecting(Some(reason)) => wrong.push((reason, None)),
                LinkState::Waiting { reason, until } => wrong.push((reason, Some(until))),
                LinkState::Idle | LinkState::Connecting(None) | LinkState::Up(_) => {}
            }
        }
        // Each reason names its relay.
        let Some((reason, _)) = wrong.first() else {
            return if up == self.homes.len() { TransportState::Up } else { TransportState::Starting };
        };
        let more = if wrong.len() > 1 { format!(" (and {} more)", wrong.len() - 1) } else { String::new() };
        let reason = Reason::new(reason.kind, format!("{reason}{more}"));
        if up > 0 {
            return TransportState::Degraded { reason };
        }
        let next = wrong.iter().filter_map(|(_, until)| *until).min();
        let retry_in = next.map(|until| until.saturating_duration_since(Instant::now()).as_millis());
        TransportState::Down { reason, retry_in_ms: retry_in.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX)) }
    }

    /// The relay to probe: one of our own that is up, else any of our own, else the one that was used last.
    fn to_probe(&self) -> Option<Arc<Link>> {
        let up = |link: &&Arc<Link>| matches!(link.state(), LinkState::Up(_));
        if let Some(home) = self.homes.values().find(up).or_else(|| self.homes.values().next()) {
            return Some(home.clone());
        }
        let last = lock(&self.last).clone()?;
        lock(&self.others).get(&last).cloned()
    }
}

#[async_trait]
impl Transport for NostrTransport {
    fn id(&self) -> &TransportId {
        &self.context.id
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn check_address(&self, address: &str) -> Result<(), ConfigError> {
        PeerAddress::parse(address).map(drop)
    }

    fn address(&self) -> Option<String> {
        if self.settings.relays.is_empty() {
            return None;
        }
        let key = lock(&self.running).as_ref()?.common.keys.public_key();
        Some(PeerAddress { key, relays: self.settings.relays.clone() }.to_string())
    }

    async fn start(&self, sink: EventSink) -> Result<(), Reason> {
        let (settings, context) = (self.settings.clone(), self.context.clone());
        let preparing = tokio::task::spawn_blocking(move || Prepared::new(&settings, &context)).await;
        let prepared = preparing.map_err(|_| Reason::new(ReasonKind::Stopping, "the start was interrupted"))??;
        self.launch(prepared, &sink)
    }

    async fn send(&self, frame: Bytes, route: &Route, deadline: Duration) -> Result<Accepted, SendError> {
        let never = |kind, detail: String| SendError { reason: Reason::new(kind, detail), retry: Retry::Never };
        let most = self.capabilities.max_frame;
        if frame.is_empty() || frame.len() > most {
            return Err(never(ReasonKind::TooLarge, format!("{} bytes; a frame has 1 to {most}", frame.len())));
        }
        let address = PeerAddress::parse(&route.address);
        let address = address.map_err(|error| never(ReasonKind::NotConfigured, error.to_string()))?;
        let running = self.running().map_err(|reason| SendError { reason, retry: Retry::Later })?;
        let sending = running.deliver(frame, route.recipient, address, deadline);
        timeout(deadline, sending).await.unwrap_or_else(|_| Err(send::late(&SafeText::line("any relay"), deadline)))
    }

    async fn probe(&self, deadline: Duration) -> Result<Duration, Reason> {
        // Without a relay of our own, and before anything was sent, there is nothing that could be broken.
        let Some(link) = self.running()?.to_probe() else { return Ok(Duration::ZERO) };
        let probing = async { link.connection_now().await.map_err(|error| error.reason)?.ping().await };
        timeout(deadline, probing)
            .await
            .unwrap_or_else(|_| Err(Reason::new(ReasonKind::Timeout, "the relay did not answer the probe in time")))
    }

    async fn stop(&self) {
        let Some(running) = lock(&self.running).take() else { return };
        running.common.stop.cancel();
        running.tasks.close();
        if timeout(STOP_LIMIT, running.tasks.wait()).await.is_err() {
            tracing::error!(transport = %self.context.id, "tasks did not end in time");
        }
    }
}
