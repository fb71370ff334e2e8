//! Sending a frame: where the peer reads, whether the key is its, wrapping, and publishing at several relays at once.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use nostr_sdk::{Event, Filter, Keys, Kind, PublicKey};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use super::{
    Running,
    address::PeerAddress,
    binding, chunk,
    connection::{Connection, Ready},
    directory::{list_filter, listed, newest},
    gift::wrap,
};
use crate::{
    delivery::{Reason, ReasonKind},
    transport::{Accepted, Retry, SendError, link::Link, websocket::address::RelayAddress},
    wire::{Fingerprint, SafeText},
};

/// Events of one frame that one relay may have without an OK.
const AHEAD: usize = 16;
/// When to look again for a statement that was made for another key.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

impl Running {
    /// Sends a frame to `recipient`.
    pub(super) async fn deliver(
        self: &Arc<Self>,
        frame: Bytes,
        recipient: Fingerprint,
        address: PeerAddress,
        deadline: Duration,
    ) -> Result<Accepted, SendError> {
        let end = Instant::now() + deadline;
        let relays = self.relays_of(&address).await?;
        self.check_binding(recipient, &address.key, &relays).await?;
        let kib = u32::try_from(frame.len().div_ceil(1024)).unwrap_or(u32::MAX);
        // As long as it is wrapped and under way, a frame takes three times its size.
        let place = self.memory.clone().acquire_many_owned(kib).await.map_err(|_| SendError::stopping())?;
        let events = self.wrapped(frame, address.key).await?;
        let bytes = events.iter().map(|event| event.text.len() as u64).sum::<u64>() * relays.len() as u64;
        let (events, place): (Arc<[Ready]>, _) = (events.into(), Arc::new(place));
        let (tx, mut answers) = mpsc::channel(relays.len());
        for relay in &relays {
            let link = match self.link_to(relay) {
                Ok(link) => link,
                Err(error) => {
                    // There is a place for the answer of each.
                    let _ = tx.try_send((SafeText::line(&relay.authority()), Err(error)));
                    continue;
                }
            };
            // A task of its own: when one relay has the frame, the others are still to get it.
            let (events, place, tx) = (events.clone(), place.clone(), tx.clone());
            self.tasks.spawn(async move {
                let left = end.saturating_duration_since(Instant::now());
                let outcome = timeout(left, publish(&link, &events)).await;
                drop(place);
                let outcome = outcome.unwrap_or_else(|_| Err(SendError::late(&link.place, deadline)));
                let _ = tx.try_send((link.place.clone(), outcome));
            });
        }
        drop(tx);
        let mut failures = Vec::new();
        while let Some((relay, outcome)) = answers.recv().await {
            match outcome {
                Ok(()) => return Ok(Accepted { stored_by: Some(relay), bytes }),
                Err(error) => failures.push(error),
            }
        }
        Err(merged(failures))
    }

    async fn wrapped(&self, frame: Bytes, key: PublicKey) -> Result<Vec<Ready>, SendError> {
        let (keys, most) = (self.common.keys.clone(), self.common.settings.piece_bytes);
        let size = frame.len();
        let pieces = chunk::split(&frame, most).map_err(|limit| {
            let detail = format!("{size} bytes; with this max_event_bytes a frame has at most {limit}");
            SendError { reason: Reason::new(ReasonKind::TooLarge, detail), retry: Retry::Never }
        })?;
        let wrapping =
            move || -> Result<Vec<Ready>, String> { pieces.iter().map(|piece| ready(&keys, &key, piece)).collect() };
        let wrapped = tokio::task::spawn_blocking(wrapping).await.map_err(|_| SendError::stopping())?;
        wrapped.map_err(|why| {
            let reason = Reason::new(ReasonKind::Other, format!("the frame could not be wrapped: {why}"));
            SendError { reason, retry: Retry::Later }
        })
    }

    /// Where the peer reads: what its address says, or its list.
    async fn relays_of(&self, address: &PeerAddress) -> Result<Vec<RelayAddress>, SendError> {
        if !address.relays.is_empty() {
            return Ok(address.relays.clone());
        }
        if let Some(relays) = self.directory.relays(&address.key) {
            return Ok(relays);
        }
        let homes = &self.common.settings.relays;
        let found = self.look_up(homes, &address.key, Kind::InboxRelays, list_filter(address.key)).await;
        let relays = found.as_ref().map(listed).unwrap_or_default();
        if relays.is_empty() {
            let detail = "the address names no relays, and ours have no list of them; write npub1…@wss://RELAY";
            return Err(self.not_found(&address.key, detail, found.err().unwrap_or_default()));
        }
        self.directory.set_relays(address.key, relays.clone());
        Ok(relays)
    }

    /// Nothing is sent to a Nostr key unless the peer's OpenPGP key says that it is its own.
    async fn check_binding(
        &self,
        recipient: Fingerprint,
        key: &PublicKey,
        relays: &[RelayAddress],
    ) -> Result<(), SendError> {
        if self.directory.has_binding(&recipient, key) {
            return Ok(());
        }
        let places: Vec<_> = relays.iter().chain(&self.common.settings.relays).cloned().collect();
        let event = self.look_up(&places, key, binding::KIND, binding::filter(*key)).await.map_err(|asked| {
            let detail = "no statement was found that binds the peer's Nostr key to its OpenPGP key; its node publishes one \
                          at its relays";
            self.not_found(key, detail, asked)
        })?;
        let authenticator = self.authenticator.clone();
        let checking = move || binding::check(authenticator.as_ref(), &recipient, &event);
        let checked = tokio::task::spawn_blocking(checking).await.map_err(|_| SendError::stopping())?;
        checked.map_err(|reason| SendError { reason, retry: Retry::After(LOOK_AGAIN) })?;
        self.directory.bind(recipient, *key);
        Ok(())
    }

    /// The newest such event, of the first relay that has one. A relay can only leave events out, not change them.
    ///
    /// # Errors
    /// What those who were asked said, when none has one.
    async fn look_up(
        &self,
        relays: &[RelayAddress],
        author: &PublicKey,
        kind: Kind,
        filter: Filter,
    ) -> Result<Event, Asked> {
        let mut asked: Vec<&RelayAddress> = Vec::new();
        let mut asking = stream::FuturesUnordered::new();
        for relay in relays {
            if asked.contains(&relay) {
                continue;
            }
            asked.push(relay);
            let (link, filter) = (self.link_to(relay), filter.clone());
            asking.push(async move { link?.wait_for_session().await?.fetch(filter).await });
        }
        let mut asked = Asked::default();
        while let Some(answer) = asking.next().await {
            match answer {
                Ok(events) => match newest(events, author, kind) {
                    Some(event) => return Ok(event),
                    None => asked.nothing += 1,
                },
                Err(error) => asked.failed.push(error),
            }
        }
        Err(asked)
    }

    /// What was looked for was not found: because it is not there, or because nobody could be asked.
    fn not_found(&self, key: &PublicKey, detail: &str, asked: Asked) -> SendError {
        let failure = (!asked.failed.is_empty()).then(|| merged(asked.failed));
        let detail = match failure {
            Some(failure) if asked.nothing == 0 => return failure,
            Some(failure) => format!("{detail} ({})", failure.reason),
            None => detail.to_owned(),
        };
        SendError { reason: Reason::new(ReasonKind::NoRoute, detail), retry: Retry::After(self.directory.missed(key)) }
    }
}

/// What relays said that do not have what was looked for.
#[derive(Debug, Default)]
struct Asked {
    nothing: usize,
    failed: Vec<SendError>,
}

fn ready(keys: &Keys, to: &PublicKey, piece: &chunk::Piece) -> Result<Ready, String> {
    Ready::new(&wrap(keys, to, piece)?)
}

/// All events at one relay; fails with the first that fails.
async fn publish(link: &Link<Connection>, events: &[Ready]) -> Result<(), SendError> {
    let connection = link.wait_for_session().await?;
    let publishing = stream::iter(events.iter().cloned()).map(|event| connection.publish(event));
    publishing.buffer_unordered(AHEAD).try_for_each(|()| async { Ok(()) }).await
}

/// Why no relay took it: the reason of the one that may take it soonest, and how many others there were.
fn merged(failures: Vec<SendError>) -> SendError {
    let rank = |error: &SendError| match error.retry {
        Retry::Later => (0, Duration::ZERO),
        Retry::After(wait) => (1, wait),
        Retry::Never => (2, Duration::ZERO),
    };
    let others = failures.len().saturating_sub(1);
    let Some(SendError { reason, retry }) = failures.into_iter().min_by_key(rank) else { return SendError::stopping() };
    if others == 0 {
        return SendError { reason, retry };
    }
    let detail = format!("{} (and {others} more relays failed)", reason.detail);
    SendError { reason: Reason::new(reason.kind, detail), retry }
}
