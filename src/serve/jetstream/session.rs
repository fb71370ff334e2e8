//! One connection to the store, and what is asked of it.

use std::time::Duration;

use async_nats::{
    Client,
    jetstream::{
        Context, ErrorCode,
        context::PublishError,
        message::PublishMessage,
        publish::PublishAck,
        response::Response,
        stream::{
            Config as StreamConfig, DeleteStatus, DirectGetErrorKind, DiscardPolicy, RawMessageErrorKind,
            RetentionPolicy, StorageType, Stream,
        },
    },
};
use bytes::Bytes;
use serde_json::json;
use tokio::time::timeout;

use super::{
    index::Mailbox,
    names::{StoreNames, sender_header, write_notice},
    pulse::leaderless,
};
use crate::{
    delivery::{Reason, ReasonKind},
    serve::{config::StorageLimits, usage::SenderTag},
    transport::nats::{
        Connection, HEADER_BYTES, Login, NatsSettings, Purpose, ServerAddress, faults, names::message_id,
    },
};

/// How long the server recognises what is put again.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
/// How long it is remembered that an owner was here.
pub(super) const OWNER_KEEP: Duration = Duration::from_secs(180 * 24 * 3600);
/// Bytes for remembering owners, about a hundred each; who was not here for longest is forgotten first.
const OWNERS_BYTES: i64 = 16 * 1024 * 1024;
/// Messages that may wait between the connection and us.
const SUBSCRIPTION: usize = 1024;
/// When a frame is asked for a second time, and what is added for large ones.
const READ_WITHIN: Duration = Duration::from_secs(2);
const READ_BYTES_A_MS: u64 = 1024;
/// A frame read from a stream's leader comes as base64 in JSON with its headers.
const ENVELOPE_BYTES: usize = 4096;

/// Opens sessions.
pub(super) struct Dialer {
    pub(super) settings: NatsSettings,
    pub(super) login: Login,
    pub(super) names: StoreNames,
    pub(super) limits: StorageLimits,
    /// Largest frame that the relay takes, in bytes.
    pub(super) frame: usize,
}

/// A connection with the store's streams found or made.
pub(super) struct Session {
    pub(super) connection: Connection,
    pub(super) names: StoreNames,
    pub(super) boxes: Stream,
    pub(super) owners: Stream,
    /// Largest frame that fits, in bytes.
    pub(super) limit: usize,
    /// When the stream of the frames was made, in nanoseconds since 1970: its numbers begin anew with it.
    pub(super) made: i128,
}

impl Dialer {
    /// The first server of the cluster that lets us in, or what the last one said.
    pub(super) async fn dial(&self) -> Result<Session, Reason> {
        let mut last = Reason::new(ReasonKind::NotConfigured, "no server is named");
        for address in &self.settings.servers {
            match self.dial_one(address).await {
                Ok(session) => return Ok(session),
                Err(reason) => last = reason,
            }
        }
        Err(last)
    }

    async fn dial_one(&self, address: &ServerAddress) -> Result<Session, Reason> {
        let message = (self.frame + HEADER_BYTES) * 4 / 3 + ENVELOPE_BYTES;
        // What was dropped on the way to us would be missing in the accounts.
        let purpose = Purpose { subscription: SUBSCRIPTION, message, complete: true };
        Connection::dial((&self.settings, &self.login), address, purpose, |connection| self.settle(connection)).await
    }

    async fn settle(&self, connection: Connection) -> Result<Session, Reason> {
        let (server, jetstream) = (connection.server.as_str(), &connection.jetstream);
        let boxes = connection.patiently(|| find_or_make(server, jetstream, self.boxes())).await?;
        let owners = connection.patiently(|| find_or_make(server, jetstream, self.owners())).await?;
        self.check(server, &boxes.cached_info().config)?;
        for stream in [&boxes, &owners] {
            if let Some(reason) = faults::copies(server, &stream.cached_info().config, self.settings.stream.replicas) {
                tracing::warn!(%reason, "fewer servers than wanted keep what the relay stores");
            }
        }
        let limit = self.limit(&connection.client, boxes.cached_info().config.max_message_size);
        let made = boxes.cached_info().created.unix_timestamp_nanos();
        Ok(Session { names: self.names.clone(), boxes, owners, limit, made, connection })
    }

    /// The stream of the frames, with the relay's bounds as far as JetStream knows such.
    fn boxes(&self) -> StreamConfig {
        let limits = &self.limits;
        let signed = |bound: u64| i64::try_from(bound).unwrap_or(i64::MAX);
        StreamConfig {
            name: self.names.boxes(),
            subjects: vec![self.names.to(None)],
            retention: RetentionPolicy::Limits,
            // Full means refused: what is stored is never pushed out by what comes later.
            discard: DiscardPolicy::New,
            discard_new_per_subject: true,
            max_messages_per_subject: signed(limits.mailbox_messages.max(limits.unclaimed_messages)),
            max_messages: signed(limits.total_messages),
            // The server counts the headers as well.
            max_bytes: signed(limits.total_bytes.saturating_add(limits.total_bytes / 4)),
            max_age: limits.keep,
            max_message_size: i32::try_from(self.frame + HEADER_BYTES).unwrap_or(i32::MAX),
            allow_direct: true,
            duplicate_window: DUPLICATE_WINDOW.min(limits.keep),
            ..self.plain()
        }
    }

    /// The stream that remembers owners: the last visit of each.
    fn owners(&self) -> StreamConfig {
        StreamConfig {
            name: self.names.owners(),
            subjects: vec![self.names.owner(None)],
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::Old,
            max_messages_per_subject: 1,
            max_messages: -1,
            max_bytes: OWNERS_BYTES,
            max_age: OWNER_KEEP,
            max_message_size: 1024,
            ..self.plain()
        }
    }

    fn plain(&self) -> StreamConfig {
        StreamConfig {
            storage: StorageType::File,
            num_replicas: self.settings.stream.replicas,
            ..StreamConfig::default()
        }
    }

    /// A stream that is there already must keep what the relay promises.
    fn check(&self, server: &str, found: &StreamConfig) -> Result<(), Reason> {
        let refuse = |problem: String| {
            let detail = format!("{server}: the stream {} {problem}", found.name);
            Err(Reason::new(ReasonKind::NotConfigured, detail))
        };
        if found.discard != DiscardPolicy::New || found.retention != RetentionPolicy::Limits || !found.allow_direct {
            return refuse(
                "is not as a relay makes it (discard policy, retention or direct access); remove it, and it is made anew"
                    .to_owned(),
            );
        }
        let most = i64::try_from(self.frame + HEADER_BYTES).unwrap_or(i64::MAX);
        if found.max_message_size <= 0 || i64::from(found.max_message_size) > most {
            // The watch over the connection takes a larger message for an attack.
            return refuse(format!("holds larger messages than {most} bytes, this relay's limit: limit it to that"));
        }
        if found.max_age != self.limits.keep {
            let days = |time: Duration| time.as_secs_f64() / 86_400.0;
            let (theirs, ours) = (days(found.max_age), days(self.limits.keep));
            return refuse(format!(
                "keeps messages for {theirs} days, and this relay for {ours}: give all relays of the realm the same \
                 --keep-days, or change the stream (`nats stream edit`)"
            ));
        }
        Ok(())
    }

    /// The least of what we, the server and the stream allow.
    fn limit(&self, client: &Client, stream: i32) -> usize {
        let stream = usize::try_from(stream).ok().filter(|bytes| *bytes > 0).unwrap_or(usize::MAX);
        stream.min(client.max_payload()).saturating_sub(HEADER_BYTES).min(self.frame)
    }
}

async fn find_or_make(server: &str, jetstream: &Context, config: StreamConfig) -> Result<Stream, Reason> {
    let name = config.name.clone();
    match jetstream.get_stream(&name).await {
        Ok(found) => return Ok(found),
        Err(error) => match faults::looking(server, &error) {
            Some(reason) => return Err(reason),
            None => tracing::info!(stream = %name, "the store has no such stream yet; it is made"),
        },
    }
    let made = match jetstream.create_stream(config).await {
        Ok(made) => return Ok(made),
        Err(error) => faults::making(server, &error, "--total-mib"),
    };
    // Another relay may have been faster.
    jetstream.get_stream(&name).await.map_err(|_| made)
}

impl Session {
    /// A reason that names the server, and what it said about our rights if it did.
    pub(super) fn failed(&self, kind: ReasonKind, told: &str) -> Reason {
        self.connection.explain(Reason::new(kind, format!("{}: {told}", self.connection.server)))
    }

    /// Sends a frame; the answer comes by itself, so that many may be under way in order. `again` stores it also where the
    /// server remembers it from before.
    pub(super) async fn send(
        &self,
        mailbox: &Mailbox,
        sender: &SenderTag,
        frame: Bytes,
        again: bool,
    ) -> Result<impl Future<Output = Result<PublishAck, PublishError>> + use<>, PublishError> {
        let subject = self.names.to(Some(mailbox));
        let (header, tag) = sender_header(sender);
        let mut message = PublishMessage::build();
        if !again {
            message = message.message_id(message_id(&subject, &frame));
        }
        let message = message.header(header, tag.as_str()).payload(frame);
        Ok(self.connection.jetstream.send_publish(subject, message).await?.into_future())
    }

    /// A frame with what the index knows of it; none when it is gone.
    ///
    /// # Errors
    /// When the store does not answer, or with something else.
    pub(super) async fn frame(&self, mailbox: &Mailbox, sequence: u64, bytes: u32) -> Result<Option<Bytes>, Reason> {
        let reading = self.read(sequence, bytes);
        let message = tokio::select! {
            message = reading => message?,
            reason = self.connection.hearing.ended() => return Err(reason),
        };
        let Some((subject, frame)) = message else { return Ok(None) };
        if subject != self.names.to(Some(mailbox)) || frame.len() != bytes as usize {
            return Err(self.failed(ReasonKind::Protocol, "a frame of the store is not what it was"));
        }
        Ok(Some(frame))
    }

    async fn read(&self, sequence: u64, bytes: u32) -> Result<Option<(String, Bytes)>, Reason> {
        // Any server with a copy may be asked, also one that has just died: then the next one is.
        let soon = READ_WITHIN + Duration::from_millis(u64::from(bytes) / READ_BYTES_A_MS);
        let first = timeout(soon, self.boxes.direct_get(sequence)).await;
        let read = match first {
            Ok(read) => read,
            Err(_) => self.boxes.direct_get(sequence).await,
        };
        match read {
            Ok(message) => return Ok(Some((message.subject.to_string(), message.payload))),
            // Whoever answered may lag behind the stream's leader.
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => {}
            Err(error) => return Err(self.failed(ReasonKind::Timeout, &error.to_string())),
        }
        match self.boxes.get_raw_message(sequence).await {
            Ok(message) => Ok(Some((message.subject.to_string(), message.payload))),
            Err(error) => match error.kind() {
                RawMessageErrorKind::NoMessageFound => Ok(None),
                RawMessageErrorKind::JetStream(error) if error.error_code() == ErrorCode::NO_MESSAGE_FOUND => Ok(None),
                _ => Err(self.failed(ReasonKind::Timeout, &error.to_string())),
            },
        }
    }

    /// Deletes a message; also true when it was gone already.
    ///
    /// # Errors
    /// When the store does not answer or will not.
    pub(super) async fn delete(&self, sequence: u64) -> Result<(), Reason> {
        // Frames are sealed: overwriting the place on the disk would cost much and protect nothing.
        let request = json!({ "seq": sequence, "no_erase": true });
        let subject = format!("STREAM.MSG.DELETE.{}", self.names.boxes());
        let asking = self.connection.jetstream.request(subject, &request);
        let answer: Result<Response<DeleteStatus>, _> = tokio::select! {
            answer = asking => answer,
            reason = self.connection.hearing.ended() => return Err(reason),
        };
        match answer {
            Ok(Response::Ok(_)) => Ok(()),
            Ok(Response::Err { error }) if is_gone(&error) => Ok(()),
            Ok(Response::Err { error }) => Err(self.failed(ReasonKind::Other, &error.to_string())),
            Err(error) => Err(self.failed(ReasonKind::Timeout, &error.to_string())),
        }
    }

    /// Asks the leader of the frames' stream for a word.
    ///
    /// # Errors
    /// When there is none, or it does not answer.
    pub(super) async fn is_led(&self) -> Result<(), Reason> {
        let told = self.boxes.get_info().await;
        let info = told.map_err(|error| self.failed(ReasonKind::Unreachable, &error.to_string()))?;
        match info.cluster {
            Some(cluster) if cluster.leader.as_ref().is_none_or(String::is_empty) => Err(leaderless(self)),
            _ => Ok(()),
        }
    }

    /// Tells all relays what is deleted. One that does not hear it finds out when it looks for the frame.
    pub(super) async fn tell_gone(&self, gone: &[u64]) {
        let notice = Bytes::from(write_notice(gone));
        if let Err(error) = self.connection.client.publish(self.names.gone(), notice).await {
            tracing::debug!(%error, "a notice of deletions was not sent");
        }
    }

    /// Remembers that the owner of a mailbox is here.
    pub(super) async fn claim(&self, mailbox: &Mailbox) -> Result<(), Reason> {
        let told = async {
            let subject = self.names.owner(Some(mailbox));
            self.connection.jetstream.send_publish(subject, PublishMessage::build()).await?.await
        };
        let told = tokio::select! {
            told = told => told,
            reason = self.connection.hearing.ended() => return Err(reason),
        };
        told.map(|_| ()).map_err(|error| self.failed(ReasonKind::Io, &error.to_string()))
    }
}

/// Whether a deletion failed because there is nothing to delete.
fn is_gone(error: &async_nats::jetstream::Error) -> bool {
    let told = error.to_string();
    // A server that knows of no stream, as one may that has just come back, says nothing about its messages.
    let is_there = error.error_code() != ErrorCode::STREAM_NOT_FOUND;
    is_there
        && (error.error_code() == ErrorCode::NO_MESSAGE_FOUND
            || told.contains("no message found")
            || told.contains("not found"))
}
