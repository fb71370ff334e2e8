//! One connection that is logged in, with the realm's stream and our consumer found or made.

use std::{sync::Arc, time::Duration};

use async_nats::{
    Client,
    jetstream::{
        Context,
        consumer::{AckPolicy, Consumer, pull},
        message::PublishMessage,
        stream::{Config as StreamConfig, DiscardPolicy, RetentionPolicy, StorageType, Stream},
    },
};
use bytes::Bytes;
use tokio::time::Instant;

use super::{
    address::ServerAddress,
    config::NatsSettings,
    connect::{Connection, Hearing, Purpose},
    faults,
    login::Login,
    names::{Addressing, Names, message_id},
};
use crate::{
    delivery::{Reason, ReasonKind},
    transport::{
        Accepted, Retry, SendError,
        link::{Life, Live},
    },
    wire::{Fingerprint, SafeText},
};

/// Room for the headers of a message, which count against the server's limit.
pub(crate) const HEADER_BYTES: usize = 512;
/// The header that marks a frame of the realm's common subject.
pub(super) const TAG_HEADER: &str = "Skc-To";
/// Most messages that wait in one mailbox.
const MAILBOX_MESSAGES: i64 = 20_000;
/// How long the server remembers what it has stored; also that of a server that is not asked.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
/// Frames that the server may have given us without an ack.
const UNACKED: i64 = 256;
/// Messages that wait between the connection and our puller.
const SUBSCRIPTION: usize = 64;
/// Bytes around a message's headers and payload: the command, the inbox for the answer, the lengths.
const COMMAND_BYTES: usize = 80;

/// A connection in use.
pub(super) struct Session {
    pub(super) client: Client,
    jetstream: Context,
    pub(super) consumer: Consumer<pull::Config>,
    /// The server, for people.
    pub(super) server: SafeText,
    /// Largest frame that goes over it, in bytes, and what sets this limit.
    pub(super) limit: (usize, &'static str),
    /// Tells the end.
    pub(super) hearing: Arc<Hearing>,
    names: Names,
    addressing: Addressing,
    /// What does not work as the settings want it.
    trouble: Option<Reason>,
}

impl Live for Session {
    fn life(&self) -> &Life {
        self.hearing.life()
    }

    fn close(&self) {
        self.hearing.end(SendError::stopping().reason);
    }

    fn trouble(&self) -> Option<Reason> {
        self.trouble.clone()
    }
}

/// Opens sessions for one identity.
pub(super) struct Dialer {
    pub(super) settings: NatsSettings,
    pub(super) names: Names,
    pub(super) owner: Fingerprint,
    pub(super) login: Login,
}

impl Dialer {
    /// Connects, logs in, finds or makes the stream and our consumer, within the time for that.
    pub(super) async fn dial(&self, address: &ServerAddress) -> Result<Session, Reason> {
        let message = self.settings.max_frame + HEADER_BYTES;
        let purpose = Purpose { subscription: SUBSCRIPTION, message, complete: false };
        let login = (&self.settings, &self.login);
        Connection::dial(login, address, purpose, |connection| self.settle(connection)).await
    }

    async fn settle(&self, connection: Connection) -> Result<Session, Reason> {
        let server = connection.server.as_str();
        let stream = connection.patiently(|| self.stream(server, &connection.jetstream)).await?;
        let limit = self.limit(server, &connection.client, stream.cached_info().config.max_message_size)?;
        let trouble = faults::copies(server, &stream.cached_info().config, self.settings.stream.replicas);
        let consumer = async || {
            let consumer = stream.create_consumer(self.consumer()).await;
            consumer.map_err(|error| faults::consuming(server, &error))
        };
        let consumer = connection.patiently(consumer).await?;
        let Connection { client, jetstream, server, hearing, .. } = connection;
        let (names, addressing) = (self.names.clone(), self.settings.addressing);
        Ok(Session { client, jetstream, consumer, server, limit, hearing, names, addressing, trouble })
    }

    /// The realm's stream, which the first node makes.
    async fn stream(&self, server: &str, jetstream: &Context) -> Result<Stream, Reason> {
        let name = self.names.stream(self.settings.addressing);
        let found = match jetstream.get_stream(&name).await {
            Ok(found) => found,
            Err(error) => match faults::looking(server, &error) {
                Some(reason) => return Err(reason),
                None => self.make_stream(server, jetstream, &name).await?,
            },
        };
        let wanted = self.stream_config(name);
        let config = &found.cached_info().config;
        if config.discard != DiscardPolicy::New || config.retention != wanted.retention {
            let detail = format!(
                "{server}: the stream {} drops what it has stored (discard policy or retention); remove it, and it is made anew",
                wanted.name
            );
            return Err(Reason::new(ReasonKind::NotConfigured, detail));
        }
        Ok(found)
    }

    async fn make_stream(&self, server: &str, jetstream: &Context, name: &str) -> Result<Stream, Reason> {
        let made = match jetstream.create_stream(self.stream_config(name.to_owned())).await {
            Ok(made) => return Ok(made),
            Err(error) => faults::making(server, &error, "stream_mib"),
        };
        // Another node may have been faster, with other settings.
        jetstream.get_stream(name).await.map_err(|_| made)
    }

    fn stream_config(&self, name: String) -> StreamConfig {
        let (settings, addressing) = (&self.settings, self.settings.addressing);
        let mailboxes = addressing == Addressing::Mailbox;
        StreamConfig {
            name,
            subjects: vec![self.names.subjects(addressing)],
            // A mailbox's frame goes when it is acked. A frame for all stays for those who are away.
            retention: if mailboxes { RetentionPolicy::WorkQueue } else { RetentionPolicy::Limits },
            // Full means refused: what is stored is never pushed out by what comes later.
            discard: DiscardPolicy::New,
            discard_new_per_subject: mailboxes,
            max_messages_per_subject: if mailboxes { MAILBOX_MESSAGES } else { -1 },
            max_bytes: settings.stream.bytes,
            max_messages: -1,
            max_age: settings.stream.keep,
            max_message_size: i32::try_from(settings.max_frame + HEADER_BYTES).unwrap_or(i32::MAX),
            storage: StorageType::File,
            num_replicas: settings.stream.replicas,
            duplicate_window: DUPLICATE_WINDOW.min(settings.stream.keep),
            ..StreamConfig::default()
        }
    }

    fn consumer(&self) -> pull::Config {
        pull::Config {
            durable_name: Some(self.names.mailbox(self.owner)),
            filter_subject: self.names.subject(self.settings.addressing, self.owner),
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.settings.ack_wait,
            max_deliver: -1,
            max_ack_pending: UNACKED,
            ..pull::Config::default()
        }
    }

    /// Largest frame: the least of what we, the server and the stream allow.
    fn limit(&self, server: &str, client: &Client, stream: i32) -> Result<(usize, &'static str), Reason> {
        let ours = self.settings.max_frame;
        let less = |bytes: usize| bytes.saturating_sub(HEADER_BYTES);
        let stream = usize::try_from(stream).ok().filter(|bytes| *bytes > 0).map(less);
        // The watch over the connection takes a larger message for an attack.
        let Some(stream) = stream.filter(|bytes| *bytes <= ours) else {
            let most = stream.map_or("of any size".to_owned(), |bytes| format!("of up to {bytes} bytes"));
            let detail = format!(
                "{server}: this realm's stream holds frames {most}; set max_frame_bytes to that, or limit the stream"
            );
            return Err(Reason::new(ReasonKind::NotConfigured, detail));
        };
        let limits = [
            (ours, "the setting max_frame_bytes"),
            (less(client.max_payload()), "the server's max_payload"),
            (stream, "the realm's stream"),
        ];
        Ok(limits.into_iter().min_by_key(|(bytes, _)| *bytes).unwrap_or(limits[0]))
    }
}

impl Session {
    /// Hands a frame to the server and waits until its stream has it.
    pub(super) async fn publish(&self, recipient: Fingerprint, frame: Bytes) -> Result<Accepted, SendError> {
        let (most, by) = self.limit;
        if frame.len() > most {
            let detail =
                format!("{} takes frames up to {most} bytes ({by}), this one has {}", self.server, frame.len());
            return Err(SendError { reason: Reason::new(ReasonKind::TooLarge, detail), retry: Retry::Never });
        }
        let subject = self.names.subject(self.addressing, recipient);
        let id = message_id(&subject_for_id(&self.names, &subject, recipient), &frame);
        let size = frame.len() + subject.len() + COMMAND_BYTES + "Nats-Msg-Id: \r\n".len() + id.len();
        let mut message = PublishMessage::build().payload(frame).message_id(id);
        let mut headers = 0;
        if self.addressing == Addressing::Realm {
            let tag = self.names.tag(recipient, rand::random());
            headers = TAG_HEADER.len() + tag.len() + 4;
            message = message.header(TAG_HEADER, tag.as_str());
        }
        let sent = async { self.jetstream.send_publish(subject, message).await?.await };
        let sent = tokio::select! {
            sent = sent => sent,
            reason = self.hearing.ended() => return Err(SendError { reason, retry: Retry::Later }),
        };
        match sent {
            // The same frame is on its way from the stream's leader to the other servers, and they may never get it.
            Ok(stored) if stored.duplicate && stored.sequence == 0 => {
                let detail = format!("{}: the same frame is being stored", self.server);
                Err(SendError { reason: Reason::new(ReasonKind::Timeout, detail), retry: Retry::Later })
            }
            Ok(_) => Ok(Accepted { stored_by: Some(self.server.clone()), bytes: (size + headers) as u64 }),
            Err(error) => {
                let mut failed = faults::publishing(self.server.as_str(), &error);
                failed.reason = self.hearing.explain(self.server.as_str(), failed.reason);
                Err(failed)
            }
        }
    }

    /// What the server said when a send stays without an answer.
    pub(super) fn explain(&self, reason: Reason) -> Reason {
        self.hearing.explain(self.server.as_str(), reason)
    }

    /// Measures a round trip through JetStream, not only to the server.
    pub(super) async fn probe(&self) -> Result<Duration, Reason> {
        let began = Instant::now();
        let asked = self.consumer.get_info().await;
        if self.life().is_over() {
            return Err(self.life().cause().reason);
        }
        asked.map_err(|error| {
            let detail = format!("{}: {error}", self.server);
            self.explain(Reason::new(ReasonKind::Timeout, detail))
        })?;
        Ok(began.elapsed())
    }

    /// Frames that may be on their way to us at once.
    pub(super) fn batch(&self) -> usize {
        const BYTES: usize = 32 * 1024 * 1024;
        (BYTES / self.limit.0.max(1)).clamp(1, SUBSCRIPTION / 2)
    }
}

/// On the common subject the same frame is another message for another recipient.
fn subject_for_id(names: &Names, subject: &str, recipient: Fingerprint) -> String {
    format!("{subject} {}", names.mailbox(recipient))
}
