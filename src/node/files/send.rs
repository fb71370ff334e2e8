//! Files going out.

use std::{sync::Arc, time::Duration};

use super::{
    ACTIVE_MAX, ANSWER_WAIT, FileSend, Key, Live, TransferState, WINDOW, What,
    bitmap::Bitmap,
    parts::part_mode,
    record::{Record, SUMS, blob_name},
    source,
};
use crate::{
    delivery::{MessageState, Reason, ReasonKind, TransportId},
    node::{NodeError, NodeErrorKind, NoticeLevel, SendRequest, core::Core, handle::Answer},
    store::CrashPoint,
    wire::{EnvelopeId, FileBody, FileChunk, FileManifest, Fingerprint, PayloadType, ThreadId, limits},
};

/// Bytes of a chunk, unless a path wants smaller ones: what it grows to when sealed just fits a step of the ladder
/// that stealth pads to (256 KiB).
const CHUNK_BYTES: u64 = 240 * 1024;
/// How long chunks stay away from a queue that is full.
const MAKE_ROOM: Duration = Duration::from_secs(5);
/// Paths for smaller frames than this are for small messages: while there is another, chunks are not cut for them.
const SMALL_FRAME: u64 = 64 * 1024;
/// Bytes of an envelope that are not the chunk: headers, signatures, framing.
const ENVELOPE_OVERHEAD: u64 = 8 * 1024;

impl Core {
    /// [`crate::node::Command::FileSend`].
    pub(in crate::node) fn file_send(&mut self, request: FileSend, answer: Answer) {
        let active = self.files.live.values().filter(|l| !l.record.incoming && !l.record.state.is_final()).count();
        let checked = self.find_peer(&request.to).and_then(|peer| {
            let refused = |text: String| Err(NodeError::new(NodeErrorKind::Refused, text));
            match peer.fingerprint.filter(|key| self.keys.get(key).is_some()) {
                None => refused(format!("no certificate of {} is known; a file cannot wait for one", peer.name)),
                Some(_) if active >= ACTIVE_MAX => {
                    let text = format!("{ACTIVE_MAX} files are on their way; wait for some or cancel them");
                    Err(NodeError::new(NodeErrorKind::Full, text))
                }
                Some(key) => Ok(key),
            }
        });
        let key = match checked {
            Ok(key) => key,
            Err(error) => return answer.give(Err(error)),
        };
        let (chunk_bytes, path) = (self.chunk_bytes(&key), request.path.clone());
        let looking = tokio::task::spawn_blocking(move || source::look_at(&path, chunk_bytes));
        self.later(looking, move |core, looked| match looked {
            Ok(Ok(looked)) => core.offer(key, request, looked, answer),
            Ok(Err(reason)) => answer.give(Err(NodeError::new(NodeErrorKind::Invalid, reason.to_string()))),
            Err(error) => answer.give(Err(NodeError::new(NodeErrorKind::Internal, error.to_string()))),
        });
    }

    /// The largest chunk that every path of the peer carries in one frame.
    fn chunk_bytes(&self, peer: &Fingerprint) -> u64 {
        let routes = self.people.book.by_key(peer).map(|peer| peer.routes.as_slice()).unwrap_or_default();
        chunk_for(routes.iter().filter_map(|route| self.paths.max_frame(&route.transport)).map(|frame| frame as u64))
    }

    fn offer(&mut self, key: Fingerprint, request: FileSend, looked: source::Looked, answer: Answer) {
        let FileSend { to, path, thread_id, mode, policy } = request;
        let ask = SendRequest { to, thread_id, mode, policy, by_person: true, ..SendRequest::default() };
        let (peer, mut draft) = match self.draft(ask) {
            Ok(drafted) => drafted,
            Err(error) => return answer.give(Err(error)),
        };
        let Some(certificate) = self.keys.get(&key).cloned() else {
            return answer.give(Err(NodeError::new(NodeErrorKind::Refused, "the certificate is gone")));
        };
        let name = path.rsplit('/').next().unwrap_or_default();
        let manifest = FileManifest {
            name: name[..name.floor_char_boundary(limits::FILE_NAME_BYTES)].to_owned(),
            size: looked.facts.size,
            sha256: looked.sha256,
            chunk_bytes: looked.chunk_bytes,
            media_type: None,
        };
        draft.kind = PayloadType::File;
        draft.content_type = "application/json".to_owned();
        draft.content = FileBody::Manifest(manifest.clone()).to_content();
        let record = Record {
            peer: key,
            id: draft.envelope_id,
            thread_id: draft.thread_id.clone().unwrap_or_else(ThreadId::general),
            incoming: false,
            mode: part_mode(draft.mode),
            policy: draft.policy,
            name: manifest.name.clone(),
            size: manifest.size,
            sha256: manifest.sha256,
            chunk_bytes: manifest.chunk_bytes,
            have: Bitmap::empty(manifest.chunks()),
            state: TransferState::Offered,
            paused_there: false,
            turn_here: 0,
            turn_there: 0,
            untold: false,
            source: Some(looked.facts),
            folder: String::new(),
            safe_name: String::new(),
            since: draft.composed,
        };
        let (kept, sums) = (record.clone(), looked.sums);
        let id = record.key();
        let mut live = Live::new(record);
        let bytes = sums.as_bytes().to_vec();
        live.sums = Some(Arc::new(sums));
        // The record comes before the offer: an offer without one could not be kept.
        self.write(
            move |store| {
                store.put_blob(SUMS, &blob_name(&id), &bytes)?;
                kept.put(store)
            },
            move |core, written| match written {
                Ok(()) => {
                    CrashPoint::OfferKept.pass();
                    core.files.live.insert(id, live);
                    core.seal_and_store(&peer, certificate, draft, Some(answer));
                    core.show_transfer(&id);
                }
                Err(error) => {
                    core.storage_failed("a file transfer", &error);
                    answer.give(Err(NodeError::new(NodeErrorKind::Storage, format!("not sent: {error}"))));
                }
            },
        );
    }

    /// The message that offers a file changed its state: an offer that does not arrive ends the transfer.
    pub(in crate::node) fn offer_changed(&mut self, peer: Fingerprint, id: EnvelopeId, state: &MessageState) {
        let reason = match state {
            MessageState::Failed { reason } => reason.clone(),
            MessageState::Expired => Reason::new(ReasonKind::Expired, "the offer did not arrive in time"),
            _ => return,
        };
        let key = (peer, id);
        let Some(record) = self.files.record(&key).filter(|r| !r.incoming && r.state == TransferState::Offered) else {
            return;
        };
        record.state = TransferState::Failed { reason };
        self.save_transfer(key, None);
        self.show_transfer(&key);
    }

    /// Puts chunks on the way to a peer while there is room, those of the transfer with the fewest first.
    pub(super) fn fill(&mut self, peer: Fingerprint) {
        let mut under_way: usize = self.of_peer(&peer).map(|(_, live)| live.sending.len()).sum();
        while under_way < WINDOW {
            let next = |live: &Live| {
                let chunks = live.record.chunks();
                live.record.have.missing(chunks).find(|index| !live.sending.contains_key(index))
            };
            let ready = self.of_peer(&peer).filter(|(_, live)| live.may_send());
            let ready = ready.filter_map(|(key, live)| Some((live.sending.len(), *key, next(live)?)));
            let Some((_, key, index)) = ready.min() else { return };
            self.send_chunk(key, index);
            under_way += 1;
        }
    }

    /// Asks the recipient which chunks are on its disk: those whose acks were on their way when the program ended, or when
    /// the chunks were taken back, need not be sent again.
    pub(super) fn ask_what_is_there(&mut self, key: Key, answer: Option<Answer>) {
        if let Some(live) = self.files.live.get_mut(&key) {
            live.asked = true;
        }
        self.say(key, answer);
    }

    /// The question arrived: the answer should come soon.
    pub(super) fn wait_for_answer(&mut self, key: Key) {
        if self.files.live.get(&key).is_some_and(|live| live.asked) {
            self.later(tokio::time::sleep(ANSWER_WAIT), move |core, ()| core.go_on_unanswered(key));
        }
    }

    /// Nobody says which chunks are there: what this end knows has to do.
    pub(super) fn go_on_unanswered(&mut self, key: Key) {
        let Some(live) = self.files.live.get_mut(&key).filter(|live| live.asked) else { return };
        live.asked = false;
        self.check_whole(key);
        self.fill(key.0);
    }

    fn of_peer(&self, peer: &Fingerprint) -> impl Iterator<Item = (&Key, &Live)> {
        let peer = *peer;
        self.files.live.iter().filter(move |(key, _)| key.0 == peer)
    }

    fn send_chunk(&mut self, key: Key, index: u32) {
        let Some(live) = self.files.live.get_mut(&key) else { return };
        live.sending.insert(index, None);
        let manifest = live.record.manifest();
        let (Some(sums), Some(facts)) = (live.sums.clone(), live.record.source.clone()) else {
            let reason = Reason::new(ReasonKind::Io, "what was noted of the file is damaged; send it anew");
            return self.transfer_failed(key, reason);
        };
        let transfer = key.1;
        self.send_part(key, What::Chunk(index), move || {
            let bytes = manifest.chunk_len(index.into()).unwrap_or(0);
            let data = source::read_chunk(&facts, &sums, index, u64::from(index) * manifest.chunk_bytes, bytes)?;
            Ok(FileBody::Chunk(FileChunk { transfer, index, data }))
        });
    }

    pub(super) fn chunk_delivered(&mut self, key: Key, index: u32, via: TransportId) {
        CrashPoint::ChunkDelivered.pass();
        let Some(live) = self.files.live.get_mut(&key) else { return };
        live.sending.remove(&index);
        live.record.have.set(index);
        live.via = Some(via);
        self.files.dirty.insert(key);
        self.check_whole(key);
        self.show_progress(&key);
        self.fill(key.0);
    }

    /// All chunks are on the recipient's disk: it compares the hash now.
    pub(super) fn check_whole(&mut self, key: Key) {
        let Some(record) = self.files.record(&key) else { return };
        if record.is_whole() && record.state == TransferState::Running {
            record.state = TransferState::Verifying;
            self.files.dirty.insert(key);
            self.show_transfer(&key);
        }
    }

    pub(super) fn chunk_failed(&mut self, key: Key, index: u32, reason: Reason) {
        let Some(live) = self.files.live.get_mut(&key) else { return };
        live.sending.remove(&index);
        if !live.record.is_running() {
            return;
        }
        match reason.kind {
            ReasonKind::FileChanged => self.transfer_failed(key, reason),
            // It had its day and is made anew, for another one.
            ReasonKind::Expired => self.fill(key.0),
            // Messages needed the room; the chunk comes again when they are through.
            ReasonKind::QueueFull => {
                self.later(tokio::time::sleep(MAKE_ROOM), move |core, ()| core.fill(key.0));
            }
            _ => {
                let name = live.record.view_name();
                live.record.state = TransferState::Paused { by_peer: false, reason: Some(reason.clone()) };
                self.call_back(key);
                self.say(key, None);
                self.show_transfer(&key);
                self.notice(NoticeLevel::Warning, format!("Sending {name} is paused: {reason}"));
            }
        }
    }

    /// A transfer cannot go on: both ends are told.
    pub(super) fn transfer_failed(&mut self, key: Key, reason: Reason) {
        let Some(record) = self.files.record(&key).filter(|record| !record.state.is_final()) else { return };
        let name = record.view_name();
        record.state = TransferState::Failed { reason: reason.clone() };
        self.call_back(key);
        self.say(key, None);
        self.show_transfer(&key);
        self.prune_transfers();
        self.notice(NoticeLevel::Error, format!("The transfer of {name} failed: {reason}"));
    }
}

/// Bytes of a chunk for paths that carry frames of these sizes.
fn chunk_for(frames: impl Iterator<Item = u64>) -> u64 {
    let frames: Vec<u64> = frames.collect();
    let ample = frames.iter().filter(|frame| **frame >= SMALL_FRAME).min();
    let frame = ample.or(frames.iter().max()).copied().unwrap_or(u64::MAX);
    // Compressed base64 is about as long as what it stands for; the armor adds a third.
    let fits = frame.saturating_sub(ENVELOPE_OVERHEAD) / 3 * 2;
    fits.clamp(limits::FILE_CHUNK_BYTES_MIN, CHUNK_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_fit_every_path_but_those_for_small_messages() {
        const KIB: u64 = 1024;
        let chunk = |frames: &[u64]| chunk_for(frames.iter().copied());
        assert_eq!(chunk(&[]), CHUNK_BYTES);
        assert_eq!(chunk(&[16 * KIB * KIB, 128 * KIB]), 80 * KIB);
        assert_eq!(chunk(&[16 * KIB * KIB, 4 * KIB]), CHUNK_BYTES, "a radio is not for files");
        assert_eq!(chunk(&[4 * KIB, 32 * KIB]), 16 * KIB, "unless there is nothing better");
        assert_eq!(chunk(&[4 * KIB]), limits::FILE_CHUNK_BYTES_MIN);
    }
}
