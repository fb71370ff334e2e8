//! Follows what happens in the store: what is stored, whose owner was here, what other relays delete.

use std::time::Duration;

use async_nats::{
    Subscriber,
    jetstream::{
        consumer::{AckPolicy, Consumer, DeliverPolicy, pull},
        stream::Stream,
    },
};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use super::{
    index::{Entry, Index, Mailbox},
    link::OWNERS,
    names::{read_entry, read_notice, read_owner, stored},
    session::Session,
};
use crate::{
    delivery::{Reason, ReasonKind},
    transport::nats::faults,
    wire::Timestamp,
};

/// Messages asked for at once; they come without their frames.
const BATCH: usize = 512;
/// How often an idle server says that it lives, and how long one request stays open. The places are in the memory of one server
/// of a cluster, which need not be the one that we are connected to; two missing words mean that it died.
const HEARTBEAT: Duration = Duration::from_secs(2);
const EXPIRES: Duration = Duration::from_secs(30);
/// How long the server keeps the place of a relay that is gone.
const INACTIVE: Duration = Duration::from_secs(60);
/// When to ask how much is to come where nothing does: the last ones may have been deleted meanwhile.
const QUIET: Duration = Duration::from_secs(1);

/// Something that happened.
pub(super) enum News {
    /// A message has this number; without an entry it is none of a relay's.
    Came(u64, Option<Entry>),
    /// The owner of a mailbox was here.
    Owner(Mailbox, Timestamp),
    /// Another relay, or we, deleted these.
    Gone(Vec<u64>),
}

/// Follows one session's streams.
pub(super) struct Follower {
    boxes: Tail,
    owners: Tail,
    gone: Subscriber,
}

impl Follower {
    /// Begins before the first message. Notices of deletions are heard before that, so that none is missed.
    pub(super) async fn new(session: &Session) -> Result<Self, Reason> {
        let failed = |told: String| session.failed(ReasonKind::Timeout, &told);
        let client = &session.connection.client;
        let gone = client.subscribe(session.names.gone()).await.map_err(|error| failed(error.to_string()))?;
        client.flush().await.map_err(|error| failed(error.to_string()))?;
        let (owners, boxes) =
            tokio::try_join!(Tail::new(session, &session.owners), Tail::new(session, &session.boxes))?;
        Ok(Self { boxes, owners, gone })
    }

    /// Counts everything that waits. `claimed` hears of every owner.
    pub(super) async fn count(
        &mut self,
        session: &Session,
        index: &mut Index,
        mut claimed: impl FnMut(Mailbox, Timestamp),
    ) -> Result<(), Reason> {
        let mut owners = 0;
        while self.owners.pending + self.boxes.pending > 0 {
            let Ok(news) = timeout(QUIET, self.next(session)).await else {
                self.owners.ask(session).await?;
                self.boxes.ask(session).await?;
                continue;
            };
            match news? {
                News::Came(sequence, entry) => {
                    index.came(sequence, entry);
                }
                News::Owner(mailbox, seen) => {
                    owners += 1;
                    index.claim(mailbox);
                    claimed(mailbox, seen);
                }
                News::Gone(gone) => self.forget(session, index, &gone)?,
            }
            if index.is_overfull() || owners > OWNERS {
                return Err(session.failed(ReasonKind::Protocol, "the store tells of more than it can hold"));
            }
        }
        Ok(())
    }

    /// Takes what was deleted out of the index.
    pub(super) fn forget(&self, session: &Session, index: &mut Index, gone: &[u64]) -> Result<(), Reason> {
        let too_many = || session.failed(ReasonKind::Protocol, "more deletions are told than there are messages");
        gone.iter().try_for_each(|sequence| index.gone(*sequence)).map_err(|()| too_many())
    }

    /// The next news. Safe to be dropped before it is done.
    ///
    /// # Errors
    /// Why nothing more comes from this session, or that something was missed.
    pub(super) async fn next(&mut self, session: &Session) -> Result<News, Reason> {
        loop {
            tokio::select! {
                message = self.boxes.next(session) => {
                    let (message, sequence, time) = message?;
                    let header = |name: &str| Some(message.headers.as_ref()?.get(name)?.as_str());
                    let entry = read_entry(&message.subject, header, time);
                    if entry.is_none() {
                        tracing::debug!(sequence, "a message that no relay wrote lies in the store");
                    }
                    return Ok(News::Came(sequence, entry));
                }
                message = self.owners.next(session) => {
                    let (message, _, time) = message?;
                    if let Some(mailbox) = read_owner(&message.subject) {
                        return Ok(News::Owner(mailbox, time));
                    }
                }
                notice = self.gone.next() => {
                    let ended = || session.failed(ReasonKind::Disconnected, "no more notices come");
                    if let Some(gone) = read_notice(&notice.ok_or_else(ended)?.payload) {
                        return Ok(News::Gone(gone));
                    }
                }
            }
        }
    }
}

/// Reads one stream from its beginning, without payloads.
struct Tail {
    consumer: Consumer<pull::Config>,
    messages: pull::Stream,
    /// How many are yet to come of those that were there.
    pending: u64,
    /// The consumer's number of the last one.
    last: u64,
}

impl Tail {
    async fn new(session: &Session, stream: &Stream) -> Result<Self, Reason> {
        let config = pull::Config {
            deliver_policy: DeliverPolicy::All,
            // Nothing is brought again: who missed something counts anew.
            ack_policy: AckPolicy::None,
            headers_only: true,
            inactive_threshold: INACTIVE,
            // One server's memory is enough, for the same reason.
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let server = session.connection.server.as_str();
        // Each time under another name and, with luck, at another server. What nobody uses is removed.
        let made = async || {
            let consumer = stream.create_consumer(config.clone()).await;
            consumer.map_err(|error| faults::consuming(server, &error))
        };
        let consumer: Consumer<pull::Config> = session.connection.patiently(made).await?;
        let pending = consumer.cached_info().num_pending;
        let pulling = consumer.stream().max_messages_per_batch(BATCH).heartbeat(HEARTBEAT).expires(EXPIRES);
        let messages = pulling.messages().await;
        let messages = messages.map_err(|error| session.failed(ReasonKind::Timeout, &error.to_string()))?;
        Ok(Self { consumer, messages, pending, last: 0 })
    }

    /// The next message, its number in the stream, and when it was stored.
    async fn next(&mut self, session: &Session) -> Result<(async_nats::Message, u64, Timestamp), Reason> {
        let ended = || session.failed(ReasonKind::Disconnected, "the store's messages are no longer told");
        let message = self.messages.next().await.ok_or_else(ended)?;
        let message = message.map_err(|error| session.failed(ReasonKind::Disconnected, &error.to_string()))?;
        let strange = |_| session.failed(ReasonKind::Protocol, "a message without its place in the stream");
        let (number, sequence, time) = {
            let info = message.info().map_err(strange)?;
            self.pending = info.pending;
            (info.consumer_sequence, info.stream_sequence, stored(info.published.unix_timestamp_nanos()))
        };
        if number != self.last.saturating_add(1) {
            return Err(
                session.failed(ReasonKind::Other, "a message of the store was missed; everything is counted anew")
            );
        }
        self.last = number;
        Ok((message.message, sequence, time))
    }

    async fn ask(&mut self, session: &Session) -> Result<(), Reason> {
        let info = self.consumer.get_info().await;
        let info = info.map_err(|error| session.failed(ReasonKind::Timeout, &error.to_string()))?;
        // What is on its way to us is not pending for the server.
        if info.num_pending == 0 && info.delivered.consumer_sequence == self.last {
            self.pending = 0;
        }
        Ok(())
    }
}
