//! Files coming in.

use std::{fs::File, os::unix::fs::FileExt as _, path::PathBuf, sync::Arc};

use super::{
    ACTIVE_MAX, Key, Live, OFFERS_MAX, TransferState, WRITING_MAX,
    bitmap::Bitmap,
    name::safe_name,
    parts::part_mode,
    record::Record,
    sandbox::{Ended, Need, Sandbox, io_reason},
};
use crate::{
    delivery::{Policy, Reason, ReasonKind},
    identity::{Permission, TrustLevel},
    node::{NodeError, NodeErrorKind, NoticeLevel, acks::Arrival, core::Core, handle::Answer, refusal::Refusal},
    store::{CrashPoint, MessageRecord},
    transport::Receipt,
    wire::{FileChunk, FileManifest, Fingerprint, SafeText},
};

/// How a folder and a file are made ready for chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prepare {
    /// The user takes the file, or it may come by itself.
    Accept,
    /// The user resumes it.
    Resume,
    /// It came damaged and is fetched anew.
    Anew,
    /// The program started.
    Reopen,
}

impl Core {
    /// Whether one more offer of a peer may be kept.
    pub(in crate::node) fn admit_offer(&self, from: &Fingerprint) -> Result<(), Refusal> {
        let incoming = || self.files.live.values().map(|live| &live.record).filter(|record| record.incoming);
        let waiting = incoming().filter(|r| r.peer == *from && r.state == TransferState::Offered).count();
        let active = incoming().filter(|record| !record.state.is_final()).count();
        if waiting >= OFFERS_MAX || active >= ACTIVE_MAX { Err(Refusal::TooManyOffers) } else { Ok(()) }
    }

    /// What is kept of an offer, beside its message.
    pub(in crate::node) fn offer_record(&self, message: &MessageRecord, manifest: &FileManifest) -> Record {
        let most = self.config.files.max_bytes;
        let state = if manifest.size > most {
            let text = format!("it has {} bytes; at most {most} are taken (files.max_bytes)", manifest.size);
            TransferState::Failed { reason: Reason::new(ReasonKind::TooLarge, text) }
        } else {
            TransferState::Offered
        };
        Record {
            peer: message.conversation.peer,
            id: message.envelope_id,
            thread_id: message.conversation.thread_id.clone(),
            incoming: true,
            mode: part_mode(message.mode),
            policy: Policy::default(),
            name: manifest.name.clone(),
            size: manifest.size,
            sha256: manifest.sha256,
            chunk_bytes: manifest.chunk_bytes,
            have: Bitmap::empty(manifest.chunks()),
            state,
            paused_there: false,
            turn_here: 0,
            turn_there: 0,
            untold: false,
            source: None,
            folder: String::new(),
            safe_name: safe_name(&manifest.name),
            since: message.stored,
        }
    }

    /// An offer is durable: a small file of a peer whose trust allows files is taken at once.
    pub(in crate::node) fn offer_kept(&mut self, record: Record, trust: TrustLevel) {
        let key = record.key();
        let by_itself = trust.allows(Permission::Files) && record.size <= self.config.files.auto_accept_bytes;
        let failed = record.state.is_final();
        self.files.live.insert(key, Live::new(record));
        self.show_transfer(&key);
        if failed {
            self.say(key, None);
        } else if by_itself {
            self.prepare(key, Prepare::Accept, None);
        }
    }

    /// Makes folder and file ready on another thread, checks what there is room for, and lets the chunks come.
    pub(super) fn prepare(&mut self, key: Key, how: Prepare, answer: Option<Answer>) {
        let promised = |same_peer: bool| -> u64 {
            let others = self.files.live.iter().filter(|(other, live)| {
                let r = &live.record;
                let taken = !r.state.is_final() && r.state != TransferState::Offered;
                **other != key && r.incoming && taken && (!same_peer || r.peer == key.0)
            });
            others.map(|(_, live)| live.record.size).fold(0, u64::saturating_add)
        };
        let (promised_peer, promised_all) = (promised(true), promised(false));
        let peer = self.people.book.by_key(&key.0).map(|peer| peer.name.to_string());
        let (downloads, config) = (self.downloads(), self.config.files.clone());
        let Some(live) = self.files.live.get_mut(&key).filter(|live| !live.busy) else {
            return refuse(answer, "the transfer is busy; try again in a moment");
        };
        live.busy = true;
        if live.record.folder.is_empty() {
            live.record.folder = peer.unwrap_or_else(|| key.0.to_string());
        }
        let (folder, id) = (live.record.folder.clone(), key.1);
        let have = if how == Prepare::Anew { 0 } else { live.record.bytes() };
        let need = Need { size: live.record.size, have, promised_peer, promised_all };
        let preparing = tokio::task::spawn_blocking(move || {
            let sandbox = Sandbox::open(&downloads, &folder)?;
            sandbox.check_room(&downloads, &config, need)?;
            if how == Prepare::Anew {
                sandbox.discard(&id)?;
            }
            sandbox.part(&id)
        });
        self.later(preparing, move |core, prepared| {
            let crashed = |error: tokio::task::JoinError| Err(Reason::new(ReasonKind::Other, error.to_string()));
            match prepared.unwrap_or_else(crashed) {
                Ok((part, there)) => core.prepared(key, how, Arc::new(part), there, answer),
                Err(reason) => core.not_prepared(key, how, reason, answer),
            }
        });
    }

    fn prepared(&mut self, key: Key, how: Prepare, part: Arc<File>, there: bool, answer: Option<Answer>) {
        let Some(live) = self.files.live.get_mut(&key) else { return };
        live.busy = false;
        if live.record.state.is_final() {
            // It was given up meanwhile.
            self.discard_part(key);
            return refuse(answer, "the transfer was given up meanwhile");
        }
        live.part = Some(part);
        let lost = !there && live.record.have.count() > 0;
        if !there {
            live.record.have = Bitmap::empty(live.record.chunks());
        }
        let told = how == Prepare::Reopen && !lost && !live.record.untold;
        live.record.state = TransferState::Running;
        match answer {
            None if told => self.save_transfer(key, None),
            answer => self.say(key, answer),
        }
        self.show_transfer(&key);
        self.finish_if_whole(key);
    }

    fn not_prepared(&mut self, key: Key, how: Prepare, reason: Reason, answer: Option<Answer>) {
        let Some(live) = self.files.live.get_mut(&key) else { return };
        live.busy = false;
        let name = live.record.view_name();
        if how == Prepare::Reopen {
            live.record.state = TransferState::Paused { by_peer: false, reason: Some(reason.clone()) };
            self.say(key, None);
            self.show_transfer(&key);
        }
        let text = format!("{name} cannot be received: {reason}");
        match answer {
            Some(answer) => {
                let full = matches!(reason.kind, ReasonKind::Quota | ReasonKind::NoSpace);
                let kind = if full { NodeErrorKind::Full } else { NodeErrorKind::Storage };
                answer.give(Err(NodeError::new(kind, text)));
            }
            None => self.notice(NoticeLevel::Warning, text),
        }
    }

    /// A chunk came: it is written to its place, synced, noted in the store and only then acked.
    pub(in crate::node) fn chunk_came(
        &mut self,
        chunk: FileChunk,
        arrival: Arrival,
        receipt: Receipt,
    ) -> Result<(), Box<(Refusal, Receipt)>> {
        let key = (arrival.from, chunk.transfer);
        let index = chunk.index;
        let Some(live) = self.files.live.get_mut(&key).filter(|live| live.record.incoming) else {
            return Err(Box::new((Refusal::UnknownTransfer, receipt)));
        };
        let bytes = chunk.data.len() as u64;
        if live.record.manifest().chunk_len(index.into()) != Some(bytes) {
            let text = format!("chunk {index} has {bytes} bytes, which is not what was offered");
            return Err(Box::new((Refusal::BadChunk(text), receipt)));
        }
        if live.writing.contains(&index) || live.writing.len() >= WRITING_MAX {
            return Err(Box::new((Refusal::ChunkTooSoon, receipt)));
        }
        if live.record.have.has(index) {
            self.note_known(arrival, receipt);
            return Ok(());
        }
        let Some(part) = live.part.clone().filter(|_| !live.record.state.is_final()) else {
            // Just after a start the file is still being opened.
            let soon = live.busy && live.record.state == TransferState::Running;
            let refusal = if soon { Refusal::ChunkTooSoon } else { Refusal::ChunkNotAskedFor };
            return Err(Box::new((refusal, receipt)));
        };
        live.writing.insert(index);
        let offset = u64::from(index) * live.record.chunk_bytes;
        let writing = tokio::task::spawn_blocking(move || write_chunk(&part, &chunk.data, offset));
        self.later(writing, move |core, written| {
            match written.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
                Ok(()) => core.chunk_synced(key, index, arrival, receipt),
                // The receipt is dropped unanswered: the chunk stays with its sender.
                Err(error) => core.chunk_not_written(key, index, error),
            }
        });
        Ok(())
    }

    /// A chunk that is durable came again in another envelope: its sender missed the ack.
    fn note_known(&mut self, arrival: Arrival, receipt: Receipt) {
        let (from, id, digest, now) =
            (arrival.from, arrival.envelope_id, *arrival.digest.as_bytes(), self.clock.now().wall);
        self.counters.duplicates += 1;
        self.write(
            move |store| store.mark_seen(&from, &id, &digest, now),
            move |core, noted| match noted {
                Ok(()) => {
                    receipt.durable();
                    core.ack(arrival);
                }
                Err(error) => core.storage_failed("that a chunk came", &error),
            },
        );
    }

    fn chunk_not_written(&mut self, key: Key, index: u32, error: std::io::Error) {
        let path = self.downloads();
        let Some(live) = self.files.live.get_mut(&key) else { return };
        live.writing.remove(&index);
        if live.record.state != TransferState::Running {
            return;
        }
        let reason = io_reason(&path, "cannot be written to", error);
        let name = live.record.view_name();
        live.record.state = TransferState::Paused { by_peer: false, reason: Some(reason.clone()) };
        self.say(key, None);
        self.show_transfer(&key);
        self.notice(NoticeLevel::Error, format!("Receiving {name} is paused: {reason}"));
    }

    fn chunk_synced(&mut self, key: Key, index: u32, arrival: Arrival, receipt: Receipt) {
        let Some(live) = self.files.live.get_mut(&key) else { return };
        live.synced.push((index, arrival, receipt));
        if !live.noting {
            self.note_chunks(key);
        }
    }

    /// Notes the chunks that are synced; those that come meanwhile share the next note.
    fn note_chunks(&mut self, key: Key) {
        let now = self.clock.now().wall;
        let Some(live) = self.files.live.get_mut(&key) else { return };
        let synced = std::mem::take(&mut live.synced);
        live.noting = !synced.is_empty();
        if synced.is_empty() {
            return;
        }
        synced.iter().for_each(|(index, ..)| live.record.have.set(*index));
        let record = live.record.clone();
        let marks: Vec<_> = synced.iter().map(|(_, a, _)| (a.from, a.envelope_id, *a.digest.as_bytes())).collect();
        self.write(
            move |store| {
                record.put(store)?;
                marks.iter().try_for_each(|(from, id, digest)| store.mark_seen(from, id, digest, now))
            },
            move |core, noted| {
                match noted {
                    Ok(()) => {
                        CrashPoint::ChunkNoted.pass();
                        core.chunks_durable(key, synced);
                    }
                    Err(error) => {
                        core.storage_failed("that chunks came; they stay with their sender", &error);
                        core.chunks_lost(key, &synced);
                    }
                }
                core.note_chunks(key);
                core.finish_if_whole(key);
            },
        );
    }

    fn chunks_durable(&mut self, key: Key, synced: Vec<(u32, Arrival, Receipt)>) {
        for (index, arrival, receipt) in synced {
            if let Some(live) = self.files.live.get_mut(&key) {
                live.writing.remove(&index);
                live.via = Some(arrival.via.clone());
            }
            receipt.durable();
            self.ack(arrival);
            CrashPoint::ChunkTold.pass();
        }
        self.show_progress(&key);
    }

    fn chunks_lost(&mut self, key: Key, synced: &[(u32, Arrival, Receipt)]) {
        let Some(live) = self.files.live.get_mut(&key) else { return };
        for (index, ..) in synced {
            live.writing.remove(index);
            live.record.have.clear(*index);
        }
    }

    /// When all chunks are durable the hash decides.
    pub(super) fn finish_if_whole(&mut self, key: Key) {
        let Some(live) = self.files.live.get_mut(&key) else { return };
        let open = matches!(live.record.state, TransferState::Running | TransferState::Verifying);
        let settled = live.writing.is_empty() && !live.noting && !live.busy;
        if !live.record.incoming || !open || !settled || !live.record.is_whole() {
            return;
        }
        live.busy = true;
        live.part = None;
        live.record.state = TransferState::Verifying;
        let record = live.record.clone();
        self.show_transfer(&key);
        // Durable before the file gets its name: a start after a crash then knows that it may have one already.
        self.write(
            move |store| record.put(store),
            move |core, noted| match noted {
                Ok(()) => core.compare_hash(key),
                Err(error) => {
                    core.storage_failed("that a file came whole", &error);
                    core.finished(key, Err(Reason::new(ReasonKind::Io, error.to_string())));
                }
            },
        );
    }

    fn compare_hash(&mut self, key: Key) {
        CrashPoint::FileWhole.pass();
        let downloads = self.downloads();
        let Some(live) = self.files.live.get_mut(&key) else { return };
        if live.record.state != TransferState::Verifying {
            // It was given up meanwhile.
            live.busy = false;
            return;
        }
        let r = &live.record;
        let (folder, id, name, size, sha256) = (r.folder.clone(), r.id, r.safe_name.clone(), r.size, r.sha256);
        let finishing =
            tokio::task::spawn_blocking(move || Sandbox::open(&downloads, &folder)?.finish(&id, &name, size, &sha256));
        self.later(finishing, move |core, ended| {
            let crashed = |error: tokio::task::JoinError| Err(Reason::new(ReasonKind::Other, error.to_string()));
            core.finished(key, ended.unwrap_or_else(crashed));
        });
    }

    fn finished(&mut self, key: Key, ended: Result<Ended, Reason>) {
        let Some(live) = self.files.live.get_mut(&key) else { return };
        live.busy = false;
        let shown = |path: PathBuf| Some(SafeText::line(&path.to_string_lossy()));
        let name = live.record.view_name();
        let (state, level, text) = match ended {
            Ok(Ended::Good(path)) => {
                let text = format!("{name} was received: {}", path.display());
                (TransferState::Done { path: shown(path) }, NoticeLevel::Info, text)
            }
            Ok(Ended::Damaged(path)) => {
                let reason =
                    Reason::new(ReasonKind::HashMismatch, "all of it came, and its hash is not the offered one");
                let text = format!("{name} came damaged and was put aside as {}", path.display());
                (TransferState::Damaged { path: shown(path), reason }, NoticeLevel::Warning, text)
            }
            Ok(Ended::Gone) => {
                // Otherwise it could not be fetched anew.
                live.record.have = Bitmap::empty(live.record.chunks());
                let reason = Reason::new(ReasonKind::Io, "what had been received is gone; resume to fetch it anew");
                let text = format!("{name} cannot be finished: {reason}");
                (TransferState::Paused { by_peer: false, reason: Some(reason) }, NoticeLevel::Warning, text)
            }
            Err(reason) => {
                let text = format!("{name} cannot be finished: {reason}");
                (TransferState::Paused { by_peer: false, reason: Some(reason) }, NoticeLevel::Error, text)
            }
        };
        live.record.state = state;
        self.say(key, None);
        self.show_transfer(&key);
        self.prune_transfers();
        self.notice(level, text);
    }

    /// What was written of a transfer that was given up goes.
    pub(super) fn discard_part(&mut self, key: Key) {
        let downloads = self.downloads();
        let Some(live) = self.files.live.get_mut(&key).filter(|live| live.record.incoming) else { return };
        live.part = None;
        let (folder, id) = (live.record.folder.clone(), key.1);
        if folder.is_empty() {
            return;
        }
        let discarding = tokio::task::spawn_blocking(move || Sandbox::open(&downloads, &folder)?.discard(&id));
        self.later(discarding, |core, discarded| {
            if let Ok(Err(reason)) = discarded {
                core.notice(NoticeLevel::Warning, format!("A given-up file was not removed: {reason}"));
            }
        });
    }
}

/// Puts a chunk into its place and makes it durable. Blocks.
fn write_chunk(part: &File, data: &[u8], offset: u64) -> std::io::Result<()> {
    CrashPoint::PartWrite.pass();
    part.write_all_at(data, offset)?;
    CrashPoint::PartWritten.pass();
    part.sync_data()?;
    CrashPoint::PartSynced.pass();
    Ok(())
}

/// Nothing can be done; whoever waits is told.
fn refuse(answer: Option<Answer>, text: &str) {
    if let Some(answer) = answer {
        answer.give(Err(NodeError::new(NodeErrorKind::Refused, text)));
    }
}
