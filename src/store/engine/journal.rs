//! The journal: every batch, in order, appended to a file and synced before it counts as durable. It is the truth
//! about what was written last; sled is brought up to it later and may lose its own tail without harm.
//!
//! A record is `SKJ1`, the length of its payload, its sequence number, a 16-byte keyed BLAKE3 hash of number and
//! payload, and the payload: for each change the lengths of key and value (all ones: removed), key and value.
//! Segments are named by the number of their first record.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Batch, EngineError};
use crate::store::{crash::CrashPoint, fault::DiskFault};

const MAGIC: [u8; 4] = *b"SKJ1";
const HEADER: usize = 4 + 4 + 8 + 16;
const REMOVED: u32 = u32::MAX;
/// A new segment is begun after so many bytes.
const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;
/// Segments that sled has taken in are kept up to so many bytes until the next start, because until then sled
/// forgets all behind a damaged spot in what it wrote since its last start.
const RETAINED_BYTES: u64 = 64 * 1024 * 1024;
/// What is told of every flush after a sync that failed: the system may have dropped what it could not write, and a
/// second sync would not say so.
const SYNC_FAILED: &str =
    "an earlier sync failed, so the disk is not trusted any more; check it and restart the program";
/// Most bytes that may wait for a flush.
const PENDING_MAX: usize = 256 * 1024 * 1024;
/// Largest buffer kept for the next records.
const SPARE_MAX: usize = 1024 * 1024;

/// The journal of an open store.
pub(super) struct Journal {
    dir: PathBuf,
    key: [u8; 32],
    pending: Mutex<Pending>,
    files: Mutex<Files>,
}

/// Records that wait for the next flush.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    /// Number of the last record in `bytes`, or of the last one written.
    last: u64,
}

/// Files, and what is in them.
struct Files {
    /// Segments by the number of their first record, with their length.
    segments: BTreeMap<u64, u64>,
    /// The segment that is written to; none before the first flush.
    current: Option<(u64, File)>,
    /// Number of the last durable record.
    durable: u64,
    /// Where the number of the last durable record is noted.
    mark: File,
    /// A sync failed: what is on the disk is not known any more.
    broken: bool,
    /// An empty buffer for the next records: new memory, which the system has to wipe, costs more than the copying.
    spare: Vec<u8>,
}

/// What reading the journal found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Replay {
    /// Number of the last record found; 0 when there is none.
    pub(super) last: u64,
    /// Records known to be lost: numbers missing between those found.
    pub(super) missing: u64,
    /// The number that was noted as durable, when the note is readable.
    pub(super) noted: u64,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The hash that authenticates a record.
fn mac(key: &[u8; 32], number: u64, payload: &[u8]) -> [u8; 16] {
    let mut hash = blake3::Hasher::new_keyed(key);
    hash.update(&number.to_le_bytes()).update(payload);
    let mut out = [0; 16];
    out.copy_from_slice(&hash.finalize().as_bytes()[..16]);
    out
}

impl Journal {
    /// Reads what is in `dir`, giving every batch with its number to `take` in order.
    pub(super) fn read(
        dir: &Path,
        key: &[u8; 32],
        after: u64,
        mut take: impl FnMut(u64, &Batch),
    ) -> Result<Replay, EngineError> {
        let mut replay = Replay { last: after, noted: read_mark(dir, key), ..Replay::default() };
        let segments = segments(dir)?;
        let nexts = segments.keys().skip(1).map(Some).chain([None]);
        for ((&first, path), next) in segments.iter().zip(nexts) {
            // Nothing in it is behind `after`.
            if next.is_some_and(|&next| next <= after.saturating_add(1)) {
                continue;
            }
            let bytes = fs::read(path).map_err(EngineError::Io)?;
            let mut last_here = first.saturating_sub(1);
            for (number, payload) in (Records { key, bytes: &bytes }) {
                last_here = number;
                if number <= replay.last {
                    continue;
                }
                let Some(batch) = decode(payload) else { continue };
                replay.missing += number - replay.last - 1;
                replay.last = number;
                take(number, &batch);
            }
            tracing::debug!(segment = first, last = last_here, "journal read");
        }
        Ok(replay)
    }

    /// Opens the journal in `dir` to append records after number `last`.
    pub(super) fn open(dir: &Path, key: [u8; 32], last: u64) -> Result<Self, EngineError> {
        fs::create_dir_all(dir).map_err(EngineError::Io)?;
        let mut known = BTreeMap::new();
        for (first, path) in segments(dir)? {
            known.insert(first, fs::metadata(path).map_err(EngineError::Io)?.len());
        }
        let mark = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(dir.join("mark"));
        let files = Files {
            segments: known,
            current: None,
            durable: last,
            mark: mark.map_err(EngineError::Io)?,
            broken: false,
            spare: Vec::new(),
        };
        Ok(Self {
            dir: dir.to_owned(),
            key,
            pending: Mutex::new(Pending { bytes: Vec::new(), last }),
            files: Mutex::new(files),
        })
    }

    /// Adds a batch; it is durable after the next [`Journal::flush`]. Returns its number.
    pub(super) fn append(&self, batch: &Batch) -> Result<u64, EngineError> {
        let payload = encode(batch)?;
        let mut pending = locked(&self.pending);
        if pending.bytes.len() > PENDING_MAX {
            return Err(EngineError::Io(io::Error::other("too much waits to be written")));
        }
        let number = pending.last + 1;
        let length = u32::try_from(payload.len()).map_err(|_| EngineError::Io(io::ErrorKind::FileTooLarge.into()))?;
        pending.bytes.extend_from_slice(&MAGIC);
        pending.bytes.extend_from_slice(&length.to_le_bytes());
        pending.bytes.extend_from_slice(&number.to_le_bytes());
        pending.bytes.extend_from_slice(&mac(&self.key, number, &payload));
        pending.bytes.extend_from_slice(&payload);
        pending.last = number;
        Ok(number)
    }

    /// Writes and syncs all that waits. When the disk is full or does not write, what waits is kept, and a later flush can
    /// succeed; when it does not sync, none does any more.
    pub(super) fn flush(&self) -> Result<(), EngineError> {
        let mut files = locked(&self.files);
        if files.broken {
            return Err(EngineError::Io(io::Error::other(SYNC_FAILED)));
        }
        let (mut bytes, last) = {
            let mut pending = locked(&self.pending);
            let spare = std::mem::take(&mut files.spare);
            (std::mem::replace(&mut pending.bytes, spare), pending.last)
        };
        if bytes.is_empty() {
            files.spare = bytes;
            return Ok(());
        }
        if let Err(error) = files.append(&self.dir, &bytes) {
            // Records that came meanwhile go behind those that could not be written.
            let mut pending = locked(&self.pending);
            let newer = std::mem::replace(&mut pending.bytes, bytes);
            pending.bytes.extend_from_slice(&newer);
            return Err(EngineError::Io(error));
        }
        files.durable = last;
        files.note(&self.key);
        if bytes.capacity() <= SPARE_MAX {
            bytes.clear();
            files.spare = bytes;
        }
        Ok(())
    }

    /// Bytes on the disk.
    pub(super) fn size(&self) -> u64 {
        locked(&self.files).segments.values().sum()
    }

    /// Removes segments that hold nothing beyond record `applied`: all of them, or as many as are over the bound.
    pub(super) fn retire(&self, applied: u64, all: bool) -> Result<(), EngineError> {
        let mut files = locked(&self.files);
        let mut total: u64 = files.segments.values().sum();
        loop {
            let mut starts = files.segments.keys();
            let (Some(&first), next) = (starts.next(), starts.next().copied()) else { return Ok(()) };
            let current = files.current.as_ref().is_some_and(|(segment, _)| *segment == first);
            // The last record of a segment is the one before the next segment's first.
            let last = next.map_or(files.durable, |next| next.saturating_sub(1));
            if current || last > applied || (!all && total <= RETAINED_BYTES) {
                return Ok(());
            }
            fs::remove_file(self.dir.join(name(first))).map_err(EngineError::Io)?;
            total -= files.segments.remove(&first).unwrap_or(0);
        }
    }
}

impl Files {
    /// Appends to the current segment and syncs it; leaves no half record behind.
    fn append(&mut self, dir: &Path, bytes: &[u8]) -> io::Result<()> {
        let full = self.current.as_ref().is_some_and(|(first, _)| self.segments.get(first) >= Some(&SEGMENT_BYTES));
        if full {
            self.current = None;
        }
        if self.current.is_none() {
            self.begin(dir)?;
        }
        let Some((first, file)) = &mut self.current else { return Err(io::ErrorKind::NotFound.into()) };
        let length = self.segments.entry(*first).or_default();
        // Written at the known end: what a failed write left there is overwritten, or ignored at the next start.
        DiskFault::Write.check(dir)?;
        file.write_all_at(bytes, *length)?;
        CrashPoint::FlushWritten.pass();
        if let Err(error) = DiskFault::Sync.check(dir).and_then(|()| file.sync_data()) {
            self.broken = true;
            // What it was for is called not done, and must not come back with the next start.
            if let Err(error) = file.set_len(*length) {
                tracing::warn!(%error, "what could not be synced could not be taken back either");
            }
            return Err(error);
        }
        CrashPoint::FlushSynced.pass();
        *length += bytes.len() as u64;
        Ok(())
    }

    fn begin(&mut self, dir: &Path) -> io::Result<()> {
        let first = self.durable + 1;
        let path = dir.join(name(first));
        // A segment of that name can only hold what could not be read: nothing in it counts.
        let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
        File::open(dir)?.sync_all()?;
        self.segments.insert(first, 0);
        self.current = Some((first, file));
        Ok(())
    }

    /// Notes how far the journal is durable, without syncing: after a crash of the process the note is exact, after
    /// a power loss it may be behind, never ahead.
    fn note(&mut self, key: &[u8; 32]) {
        let mut note = [0; 24];
        note[..8].copy_from_slice(&self.durable.to_le_bytes());
        note[8..].copy_from_slice(&mac(key, self.durable, b"mark"));
        // The note only serves to tell the user of a loss; failing to write it loses nothing.
        if let Err(error) = self.mark.write_all_at(&note, 0) {
            tracing::warn!(%error, "the journal's mark could not be written");
        }
    }
}

fn read_mark(dir: &Path, key: &[u8; 32]) -> u64 {
    let Ok(note) = fs::read(dir.join("mark")) else { return 0 };
    let (Some(number), Some(tag)) = (note.first_chunk::<8>(), note.get(8..24)) else { return 0 };
    let number = u64::from_le_bytes(*number);
    if mac(key, number, b"mark") == tag { number } else { 0 }
}

/// Copies a journal, synced, into the existing folder `to`. None is an empty one.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), EngineError> {
    let mut files: Vec<PathBuf> = segments(from)?.into_values().collect();
    files.extend(Some(from.join("mark")).filter(|mark| mark.exists()));
    for file in files {
        let copy = to.join(file.file_name().unwrap_or_default());
        fs::copy(&file, &copy).map_err(EngineError::Io)?;
        File::open(copy).and_then(|copy| copy.sync_all()).map_err(EngineError::Io)?;
    }
    File::open(to).and_then(|dir| dir.sync_all()).map_err(EngineError::Io)
}

/// The number of the last record before those in the journal in `dir`.
pub(super) fn base(dir: &Path, key: &[u8; 32]) -> Result<u64, EngineError> {
    let first = segments(dir)?.into_keys().next();
    Ok(first.map_or_else(|| read_mark(dir, key), |first| first.saturating_sub(1)))
}

fn name(first: u64) -> String {
    format!("{first:016x}.log")
}

fn segments(dir: &Path) -> Result<BTreeMap<u64, PathBuf>, EngineError> {
    let mut found = BTreeMap::new();
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries.map_err(EngineError::Io)?,
    };
    for entry in entries {
        let path = entry.map_err(EngineError::Io)?.path();
        let stem = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".log"));
        if let Some(first) = stem.and_then(|stem| u64::from_str_radix(stem, 16).ok()) {
            found.insert(first, path);
        }
    }
    Ok(found)
}

/// The authentic records in a segment, in order. What is not authentic is skipped up to the next record that is.
struct Records<'a> {
    key: &'a [u8; 32],
    bytes: &'a [u8],
}

impl<'a> Iterator for Records<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self.bytes.windows(MAGIC.len()).position(|window| window == MAGIC)?;
            self.bytes = self.bytes.get(start..)?;
            if let Some((number, payload, rest)) = record(self.key, self.bytes) {
                self.bytes = rest;
                return Some((number, payload));
            }
            self.bytes = self.bytes.get(1..)?;
        }
    }
}

fn record<'a>(key: &[u8; 32], bytes: &'a [u8]) -> Option<(u64, &'a [u8], &'a [u8])> {
    let length = usize::try_from(u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?)).ok()?;
    let number = u64::from_le_bytes(*bytes.get(8..)?.first_chunk()?);
    let tag = bytes.get(16..HEADER)?;
    let payload = bytes.get(HEADER..HEADER.checked_add(length)?)?;
    (mac(key, number, payload) == tag).then(|| (number, payload, &bytes[HEADER + length..]))
}

fn encode(batch: &Batch) -> Result<Vec<u8>, EngineError> {
    let mut out = Vec::new();
    for (key, value) in batch.ops() {
        let length = |bytes: &[u8]| {
            let length = u32::try_from(bytes.len()).ok().filter(|length| *length != REMOVED);
            length.ok_or_else(|| EngineError::Io(io::ErrorKind::FileTooLarge.into()))
        };
        out.extend_from_slice(&length(key)?.to_le_bytes());
        out.extend_from_slice(&value.map_or(Ok(REMOVED), length)?.to_le_bytes());
        out.extend_from_slice(key);
        out.extend_from_slice(value.unwrap_or_default());
    }
    Ok(out)
}

fn decode(mut payload: &[u8]) -> Option<Batch> {
    let mut batch = Batch::default();
    while !payload.is_empty() {
        let key_length = usize::try_from(u32::from_le_bytes(*payload.first_chunk()?)).ok()?;
        let value_length = u32::from_le_bytes(*payload.get(4..)?.first_chunk()?);
        let rest = payload.get(8..)?;
        let (key, rest) = rest.split_at_checked(key_length)?;
        if value_length == REMOVED {
            batch.remove(key.to_vec());
            payload = rest;
        } else {
            let (value, rest) = rest.split_at_checked(usize::try_from(value_length).ok()?)?;
            batch.put(key.to_vec(), value.to_vec());
            payload = rest;
        }
    }
    Some(batch)
}
