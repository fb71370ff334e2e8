//! Files on their way, in both directions.
//!
//! A file is offered by a message (its *manifest*), and goes in *chunks*, each a sealed envelope of its own that takes
//! the ordinary router's paths, acks and retries. Neither end ever holds the whole file in memory, in the outbox or in
//! the store: the sender reads chunks from the user's file when there is room for them on the way, the recipient writes
//! them to a private file at their places. **Invariant:** a chunk is acked when it is synced to that file and noted in
//! the store; a file gets its name when its hash is right. What must survive a restart is in a [`record::Record`].
//!
//! Chunks and *words* (go, pause, done, ...) are parts: they are kept in memory only, because their cause is durable
//! at their sender and they are made anew after a restart.

mod api;
mod bitmap;
mod control;
mod name;
mod parts;
mod receive;
mod record;
mod sandbox;
mod send;
mod source;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::File,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

pub use api::{FileSend, Transfer, TransferState};
pub(super) use record::Loaded;
use record::{Key, Record};

use super::{Event, NodeError, NodeErrorKind, Reply, acks::Arrival, core::Core, handle::Answer};
use crate::{
    delivery::TransportId,
    transport::Receipt,
    wire::{Content, Digest, EnvelopeId, FileBody, Fingerprint, SafeText},
};

/// Most chunks under way to one peer, over all files. Small beside what a path lets under way at once, so that there is
/// always room for messages.
const WINDOW: usize = 8;
/// Most chunks of one file that wait for the disk.
const WRITING_MAX: usize = 64;
/// Most offers of one peer that wait to be taken.
const OFFERS_MAX: usize = 32;
/// Most transfers that have not ended, each way.
const ACTIVE_MAX: usize = 256;
/// Most transfers that are at hand after their end; those that ended first are forgotten.
const ENDED_MAX: usize = 1000;
/// How long the sender of a file that goes on waits, once it knows that its word arrived, for the recipient to say which
/// chunks it has. Without an answer it goes by what it knows itself.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// Shortest time between two reports of one transfer's progress.
const REPORT_EVERY: Duration = Duration::from_millis(200);

/// The files that are on their way, and those that ended.
#[derive(Default)]
pub(super) struct Files {
    live: BTreeMap<Key, Live>,
    /// Parts that are under way, by their envelopes.
    parts: HashMap<EnvelopeId, Part>,
    expected: Arc<Expected>,
    /// Transfers whose record changed a little and is not written yet.
    dirty: BTreeSet<Key>,
}

/// One transfer with what is needed while the program runs.
struct Live {
    record: Record,
    /// Outgoing: the sums of the chunks.
    sums: Option<Arc<source::Sums>>,
    /// Outgoing: the recipient was asked which chunks it has; none is sent until it answers.
    asked: bool,
    /// Outgoing: the chunks that are being read, sealed or sent.
    sending: BTreeMap<u32, Option<EnvelopeId>>,
    /// Incoming: the file that is written to.
    part: Option<Arc<File>>,
    /// Incoming: the chunks that are being written and are not durable yet.
    writing: BTreeSet<u32>,
    /// Incoming: chunks that are synced to the file and not yet noted in the store.
    synced: Vec<(u32, Arrival, Receipt)>,
    /// Whether the store is noting some.
    noting: bool,
    /// Whether the folder is being prepared, or the hash compared.
    busy: bool,
    via: Option<TransportId>,
    /// Outgoing: chunks handed to the router since the program started.
    chunks_out: u64,
    meter: Meter,
}

impl Live {
    fn new(record: Record) -> Self {
        Self {
            record,
            sums: None,
            asked: false,
            sending: BTreeMap::new(),
            part: None,
            writing: BTreeSet::new(),
            synced: Vec::new(),
            noting: false,
            busy: false,
            via: None,
            chunks_out: 0,
            meter: Meter::default(),
        }
    }

    /// Whether chunks may be put on their way.
    fn may_send(&self) -> bool {
        !self.record.incoming && self.record.is_running() && !self.asked
    }
}

/// How fast it goes.
#[derive(Default)]
struct Meter {
    /// When it was looked at last, and how many bytes there were.
    last: Option<(Duration, u64)>,
    rate: Option<f64>,
}

impl Meter {
    /// Whether it is time to report again; the rate is brought up to date then.
    fn is_due(&mut self, now: Duration, bytes: u64) -> bool {
        let Some((at, before)) = self.last else {
            self.last = Some((now, bytes));
            return true;
        };
        let passed = now.saturating_sub(at);
        if passed < REPORT_EVERY {
            return false;
        }
        #[allow(clippy::cast_precision_loss, reason = "a rate for the eye")]
        let latest = bytes.saturating_sub(before) as f64 / passed.as_secs_f64();
        self.rate = Some(self.rate.map_or(latest, |rate| rate + 0.3 * (latest - rate)));
        self.last = Some((now, bytes));
        true
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is finite and not negative")]
    fn bytes_a_second(&self) -> Option<u64> {
        self.rate.map(|rate| rate as u64)
    }
}

/// A part under way.
#[derive(Clone, Copy, Debug)]
struct Part {
    key: Key,
    what: What,
}

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Chunk(u32),
    /// Our word of that turn.
    Word(u64),
}

/// The parts whose acks count: shared with the threads that open envelopes.
#[derive(Debug, Default)]
pub(super) struct Expected(Mutex<HashMap<EnvelopeId, (Fingerprint, Digest)>>);

impl Expected {
    /// Whether we sent that part to `peer`, with that digest.
    pub(super) fn contains(&self, id: &EnvelopeId, peer: &Fingerprint, digest: &Digest) -> bool {
        self.map().get(id) == Some(&(*peer, *digest))
    }

    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<EnvelopeId, (Fingerprint, Digest)>> {
        // A panic elsewhere leaves the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    /// For the threads that open envelopes.
    pub(super) fn expected(&self) -> Arc<Expected> {
        self.expected.clone()
    }

    /// Parts that the delivery machine counts among the messages that wait.
    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Whether records wait to be written.
    pub(super) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    fn record(&mut self, key: &Key) -> Option<&mut Record> {
        self.live.get_mut(key).map(|live| &mut live.record)
    }
}

impl Core {
    fn downloads(&self) -> PathBuf {
        match &self.config.files.downloads {
            Some(path) => self.home.root().join(path),
            None => self.home.downloads_dir(),
        }
    }

    fn transfer_view(&self, key: &Key) -> Option<Transfer> {
        let live = self.files.live.get(key)?;
        let known = self.people.names().get(&key.0).cloned();
        let name = known.unwrap_or_else(|| SafeText::line(&key.0.short()));
        let view = live.record.view(name, live.meter.bytes_a_second(), live.via.clone());
        Some(Transfer { chunks_out: live.chunks_out, ..view })
    }

    /// Reports a transfer whose state changed.
    fn show_transfer(&self, key: &Key) {
        if let Some(view) = self.transfer_view(key) {
            self.emit(Event::Transfer(Box::new(view)));
        }
    }

    /// Reports a transfer that came a little further, unless it was just reported.
    fn show_progress(&mut self, key: &Key) {
        let now = self.clock.now().mono;
        let Some(live) = self.files.live.get_mut(key) else { return };
        let bytes = live.record.bytes();
        if live.meter.is_due(now, bytes) || bytes == live.record.size {
            self.show_transfer(key);
        }
    }

    /// Writes a record, then answers if somebody waits.
    fn save_transfer(&self, key: Key, answer: Option<Answer>) {
        let Some(record) = self.files.live.get(&key).map(|live| live.record.clone()) else { return };
        self.write(
            move |store| record.put(store),
            move |core, written| {
                let answered = match written {
                    Ok(()) => core.transfer_view(&key).map(|view| Reply::Transfer(Box::new(view))).ok_or_else(gone),
                    Err(error) => {
                        core.storage_failed("how a file transfer stands", &error);
                        Err(NodeError::new(NodeErrorKind::Storage, error.to_string()))
                    }
                };
                if let Some(answer) = answer {
                    answer.give(answered);
                }
            },
        );
    }

    /// Writes the records that changed a little.
    pub(super) fn write_transfers(&mut self) {
        for key in std::mem::take(&mut self.files.dirty) {
            self.save_transfer(key, None);
        }
    }

    /// Forgets the transfers that ended first, when there are too many.
    fn prune_transfers(&mut self) {
        let mut ended: Vec<_> = self.files.live.values().filter(|live| live.record.state.is_final()).collect();
        if ended.len() <= ENDED_MAX {
            return;
        }
        ended.sort_by_key(|live| live.record.since);
        let doomed: Vec<Key> = ended[..ended.len() - ENDED_MAX].iter().map(|live| live.record.key()).collect();
        for key in doomed {
            self.files.live.remove(&key);
            self.forget_blobs(key);
        }
    }

    fn forget_blobs(&self, key: Key) {
        let name = record::blob_name(&key);
        self.write(
            move |store| {
                store.remove_blob(record::NAMESPACE, &name)?;
                store.remove_blob(record::SUMS, &name)
            },
            |core, removed| {
                if let Err(error) = removed {
                    core.storage_failed("that a file transfer ended", &error);
                }
            },
        );
    }
}

fn gone() -> NodeError {
    NodeError::new(NodeErrorKind::NotFound, "the transfer was forgotten meanwhile")
}

/// What a message of type `file` shows as its text; none for a form that is not ours.
pub(super) fn message_text(content: &str) -> Option<String> {
    let map = serde_json::from_str(content).ok()?;
    match FileBody::from_content(&Content::Object(map)).ok()? {
        Some(FileBody::Manifest(manifest)) => Some(format!("{} ({})", manifest.name, size_text(manifest.size))),
        _ => None,
    }
}

/// Bytes as a person reads them: `999 B`, `1.5 KiB`, `20.0 MiB`.
pub fn size_text(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut scaled = (bytes, 0);
    let mut unit = None;
    for name in UNITS {
        if scaled.0 < 1024 {
            break;
        }
        scaled = (scaled.0 / 1024, scaled.0 % 1024 * 10 / 1024);
        unit = Some(name);
    }
    match unit {
        None => format!("{bytes} B"),
        Some(unit) => format!("{}.{} {unit}", scaled.0, scaled.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let cases = [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (20 << 20, "20.0 MiB"), (3 << 40, "3.0 TiB")];
        for (bytes, text) in cases {
            assert_eq!(size_text(bytes), text);
        }
    }

    #[test]
    fn progress_is_reported_now_and_then_with_a_rate() {
        let mut meter = Meter::default();
        let ms = Duration::from_millis;
        assert!(meter.is_due(ms(0), 0) && meter.bytes_a_second().is_none());
        assert!(!meter.is_due(ms(199), 500));
        assert!(meter.is_due(ms(1000), 1000));
        assert_eq!(meter.bytes_a_second(), Some(1000));
        assert!(meter.is_due(ms(2000), 1000));
        assert_eq!(meter.bytes_a_second(), Some(700), "what stands still slows down");
    }
}
