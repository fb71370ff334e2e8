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

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use nostr_sdk::{EventBuilder, Keys, Kind as EventKind, RelayUrl, Tag};
use tokio::{
    sync::{Notify, Semaphore},
    time::timeout,
};

pub use self::{address::PeerAddress, chunk::Part, message::decode};
use self::{
    config::NostrSettings,
    connection::{Connection, Ready},
    directory::Directory,
    inbox::{Refuse, Source, inbox},
    link::{Common, Relay},
    mail::MailPlan,
    seen::Seen,
};
use super::{
    Accepted, Authenticator, ConfigError, Context, EventSink, Kind, Route, SendError, Transport, TransportConfig,
    link::{Link, Links, link},
    refusals::Refusals,
    running::{Slot, Tasks, blocking, report},
    sending::check_size,
    websocket::{address::RelayAddress, tls},
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

/// KiB of frames that may be under way to relays at once.
const MEMORY_KIB: usize = 2 * limits::ENVELOPE_BYTES / 1024;

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
    running: Slot<Running>,
}

/// What exists between start and stop.
struct Running {
    common: Arc<Common>,
    authenticator: Arc<dyn Authenticator>,
    directory: Arc<Directory>,
    /// Those over which we read, and those over which we send.
    links: Links<RelayAddress, Connection>,
    memory: Arc<Semaphore>,
    changed: Arc<Notify>,
    tasks: Tasks,
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
            per_peer: None,
            guarantee: Guarantee::Confirmed,
            cost: Cost::Shared,
        };
        Self { context, settings, capabilities, running: Slot::default() }
    }

    fn launch(&self, prepared: Prepared, sink: EventSink) -> Arc<Running> {
        let Prepared { tls, keys, seen, announce } = prepared;
        let (directory, id) = (Arc::new(Directory::default()), self.context.id.clone());
        let refuse = Refuse { id: id.clone(), refusals: Arc::new(Refusals::new(id.clone())), sink: sink.clone() };
        let (mail, incoming) = inbox(keys.clone(), seen, directory.clone(), refuse);
        let mut running = Running {
            common: Arc::new(Common { settings: self.settings.clone(), tls, keys }),
            authenticator: self.context.authenticator.clone(),
            directory,
            links: Links::new(BTreeMap::new()),
            memory: Arc::new(Semaphore::new(MEMORY_KIB)),
            changed: Arc::new(Notify::new()),
            tasks: Tasks::default(),
        };
        let home = |address: &RelayAddress| {
            let source = Source::new(SafeText::line(&address.authority()), address.to_string());
            let plan = MailPlan { slot: mail.clone(), source: Arc::new(source), announce: announce.clone() };
            (address.clone(), running.link(address, Some(plan)))
        };
        running.links = Links::new(self.settings.relays.iter().map(home).collect());
        let running = Arc::new(running);
        running.tasks.spawn(incoming.run());
        let (shown, changed) = (running.clone(), running.changed.clone());
        running.tasks.spawn(report(id, sink, changed, move || shown.links.state()));
        running
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
    fn link(&self, address: &RelayAddress, mail: Option<MailPlan>) -> Arc<Link<Connection>> {
        let relay = Relay { address: address.clone(), mail, common: self.common.clone() };
        let (link, keeper) = link(address.authority(), relay, self.changed.clone());
        self.tasks.track(keeper.run(self.tasks.stop().clone()));
        Arc::new(link)
    }

    /// The link over which something is left at `address`, never the one over which we read there.
    fn link_to(&self, address: &RelayAddress) -> Result<Arc<Link<Connection>>, SendError> {
        self.links.other(address, || self.link(address, None))
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
        let key = self.running.get().ok()?.common.keys.public_key();
        Some(PeerAddress { key, relays: self.settings.relays.clone() }.to_string())
    }

    async fn start(&self, sink: EventSink) -> Result<(), Reason> {
        let (settings, context) = (self.settings.clone(), self.context.clone());
        let prepared = blocking(move || Prepared::new(&settings, &context)).await?;
        self.running.fill(|| self.launch(prepared, sink))
    }

    async fn send(&self, frame: Bytes, route: &Route, deadline: Duration) -> Result<Accepted, SendError> {
        check_size(&frame, self.capabilities.max_frame)?;
        let address = PeerAddress::parse(&route.address);
        let address = address.map_err(|error| SendError::never(ReasonKind::NotConfigured, error))?;
        let running = self.running.get().map_err(SendError::later)?;
        let sending = running.deliver(frame, route.recipient, address, deadline);
        timeout(deadline, sending).await.unwrap_or_else(|_| Err(SendError::late("any relay", deadline)))
    }

    async fn probe(&self, deadline: Duration) -> Result<Duration, Reason> {
        // Without a relay of our own, and before anything was sent, there is nothing that could be broken.
        let Some(link) = self.running.get()?.links.to_probe() else { return Ok(Duration::ZERO) };
        let probing = async { link.session_now().await.map_err(|error| error.reason)?.ping().await };
        timeout(deadline, probing)
            .await
            .unwrap_or_else(|_| Err(Reason::new(ReasonKind::Timeout, "the relay did not answer the probe in time")))
    }

    async fn stop(&self) {
        if let Some(running) = self.running.take() {
            running.tasks.end(&self.context.id).await;
        }
    }
}
