//! Which events were dealt with, and up to when each relay's mail was fetched. Bounded, and kept between runs.
//!
//! Wraps are dated back by up to two days, so every new connection asks for days that were asked for before; what is remembered
//! here is not unpacked again. Losing it costs work, never a message: the node recognises what it has.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use nostr_sdk::EventId;

use crate::transport::Secret;

/// Most events that are remembered; when there are more, the oldest are forgotten.
const EVENTS: usize = 200_000;
/// Bytes of a record: the name, and the event's time in seconds.
const RECORD: usize = 20;
/// Largest file with the times, in bytes.
const TIMES_BYTES: u64 = 64 * 1024;

/// A name of an event that tells nothing to who does not know the secret: the file says how many events came, not which.
type Name = [u8; 16];

/// The record, in memory and on disk.
#[derive(Debug)]
pub(super) struct Seen {
    key: [u8; 32],
    folder: PathBuf,
    events: HashMap<Name, u32>,
    file: File,
    /// Records in the file, those of events that are forgotten included.
    written: usize,
    /// For each relay, the time up to which its mail was fetched, in seconds.
    times: BTreeMap<String, u64>,
}

impl Seen {
    /// Reads the record in `folder`, which is made when it is missing.
    ///
    /// # Errors
    /// When the folder or a file in it cannot be used. What is damaged is left out.
    pub(super) fn open(folder: &Path, secret: &Secret) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let path = folder.join("seen");
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path)?;
        let mut raw = Vec::new();
        let most = (2 * EVENTS * RECORD) as u64;
        (&mut file).take(most).read_to_end(&mut raw)?;
        let (records, torn) = raw.as_chunks::<RECORD>();
        let mut events = HashMap::with_capacity(records.len());
        for record in records {
            let (name, time) = record.split_at(16);
            if let (Ok(name), Ok(time)) = (name.try_into(), time.try_into()) {
                events.insert(name, u32::from_be_bytes(time));
            }
        }
        let key = blake3::derive_key("skcomm nostr seen events 1", secret.bytes());
        let times = read_times(&folder.join("fetched.json"));
        let written = records.len();
        let mut seen = Self { key, folder: folder.to_owned(), events, file, written, times };
        if !torn.is_empty() || fs::metadata(&path)?.len() > raw.len() as u64 {
            seen.rewrite()?;
        }
        Ok(seen)
    }

    /// Whether the event was dealt with.
    pub(super) fn contains(&self, id: &EventId) -> bool {
        self.events.contains_key(&self.name(id))
    }

    /// Remembers events with their times, in seconds.
    ///
    /// # Errors
    /// When the file cannot be written; in memory they are remembered all the same.
    pub(super) fn mark(&mut self, events: &[(EventId, u64)]) -> io::Result<()> {
        let mut records = Vec::with_capacity(events.len() * RECORD);
        for (id, time) in events {
            let (name, time) = (self.name(id), u32::try_from(*time).unwrap_or(u32::MAX));
            if self.events.insert(name, time).is_none() {
                records.extend_from_slice(&name);
                records.extend_from_slice(&time.to_be_bytes());
            }
        }
        self.written += records.len() / RECORD;
        if self.events.len() > EVENTS {
            self.forget_oldest();
        }
        if self.written >= 2 * EVENTS { self.rewrite() } else { self.file.write_all(&records) }
    }

    /// The time, in seconds, up to which the mail of `relay` was fetched.
    pub(super) fn fetched(&self, relay: &str) -> Option<u64> {
        self.times.get(relay).copied()
    }

    /// Remembers that the mail of `relay` was fetched up to that time, and forgets relays that are not in `current`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn set_fetched(&mut self, relay: &str, time: u64) -> io::Result<()> {
        self.times.insert(relay.to_owned(), time);
        let json = serde_json::to_vec(&self.times).map_err(io::Error::other)?;
        replace(&self.folder, "fetched.json", &json).map(drop)
    }

    fn name(&self, id: &EventId) -> Name {
        let hash = blake3::keyed_hash(&self.key, id.as_bytes());
        let mut name = [0; 16];
        name.copy_from_slice(&hash.as_bytes()[..16]);
        name
    }

    /// A tenth goes at once, so that it is not to be done again for each event.
    fn forget_oldest(&mut self) {
        let mut times: Vec<u32> = self.events.values().copied().collect();
        let (_, limit, _) = times.select_nth_unstable(EVENTS / 10);
        let (limit, mut spare) = (*limit, EVENTS / 10);
        self.events.retain(|_, time| {
            let goes = *time <= limit && spare > 0;
            spare -= usize::from(goes);
            !goes
        });
    }

    fn rewrite(&mut self) -> io::Result<()> {
        let mut records = Vec::with_capacity(self.events.len() * RECORD);
        for (name, time) in &self.events {
            records.extend_from_slice(name);
            records.extend_from_slice(&time.to_be_bytes());
        }
        self.file = replace(&self.folder, "seen", &records)?;
        self.written = self.events.len();
        Ok(())
    }
}

/// Writes a whole file and puts it in the place of the old one; open for more at its end.
fn replace(folder: &Path, name: &str, content: &[u8]) -> io::Result<File> {
    let partial = folder.join(format!("{name}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    file.write_all(content)?;
    fs::rename(&partial, folder.join(name))?;
    Ok(file)
}

fn read_times(path: &Path) -> BTreeMap<String, u64> {
    let small = fs::metadata(path).is_ok_and(|facts| facts.len() <= TIMES_BYTES);
    let raw = if small { fs::read(path).unwrap_or_default() } else { Vec::new() };
    // Without it, everything is asked for again.
    serde_json::from_slice(&raw).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret::new(zeroize::Zeroizing::new([3; 32]))
    }

    fn id(n: u32) -> EventId {
        let mut bytes = [9; 32];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        EventId::from_byte_array(bytes)
    }

    #[test]
    fn what_was_seen_is_known_in_the_next_run() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("data");
        let mut seen = Seen::open(&folder, &secret()).unwrap();
        seen.mark(&[(id(1), 100), (id(2), 200), (id(1), 100)]).unwrap();
        seen.set_fetched("wss://a", 77).unwrap();
        drop(seen);
        // A crash in the middle of a record.
        let mut file = OpenOptions::new().append(true).open(folder.join("seen")).unwrap();
        file.write_all(b"torn").unwrap();
        let mut seen = Seen::open(&folder, &secret()).unwrap();
        assert!(seen.contains(&id(1)) && seen.contains(&id(2)) && !seen.contains(&id(3)));
        assert_eq!((seen.fetched("wss://a"), seen.fetched("wss://b")), (Some(77), None));
        seen.mark(&[(id(3), 1)]).unwrap();
        drop(seen);
        assert!(Seen::open(&folder, &secret()).unwrap().contains(&id(3)), "the torn record does no harm");
        assert_eq!(fs::metadata(folder.join("seen")).unwrap().len(), 60);
        let raw = fs::read(folder.join("seen")).unwrap();
        assert!(!raw.windows(8).any(|window| window == &id(1).as_bytes()[..8]), "ids are not to be read");
    }

    #[test]
    fn the_record_is_bounded_and_forgets_the_oldest() {
        let dir = tempfile::tempdir().unwrap();
        let mut seen = Seen::open(dir.path(), &secret()).unwrap();
        let all: Vec<_> = (0..EVENTS as u32 + 1).map(|n| (id(n), u64::from(n))).collect();
        seen.mark(&all).unwrap();
        assert_eq!(seen.events.len(), EVENTS + 1 - EVENTS / 10);
        assert!(!seen.contains(&id(0)) && seen.contains(&id(EVENTS as u32)));
        let more: Vec<_> = (0..EVENTS as u32).map(|n| (id(1_000_000 + n), 1_000_000 + u64::from(n))).collect();
        for some in more.chunks(1000) {
            seen.mark(some).unwrap();
        }
        assert!(seen.events.len() <= EVENTS);
        assert!(fs::metadata(dir.path().join("seen")).unwrap().len() <= (2 * EVENTS * RECORD) as u64);
        drop(seen);
        assert!(Seen::open(dir.path(), &secret()).unwrap().contains(&more.last().unwrap().0));
    }
}
