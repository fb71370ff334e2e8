//! Reading what is left of a damaged sled database, past sled itself: sled opens a database whole or not at all,
//! and silently forgets all that was written behind a damaged record since its last start.
//!
//! The data file consists of segments; a segment of records, each with a checksum and the number of its segment.
//! Records set a page (a sorted run of entries), add to it, remove from it or free it. All records that are intact
//! are applied in the order in which they were written; of two pages that claim a key the later writing counts.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

/// Most threads that check a data file.
const CHECKERS_MAX: usize = 4;
/// sled's segment size, which its configuration file repeats.
const SEGMENT: usize = 512 * 1024;
const SEGMENT_HEADER: usize = 20;
const KIND_CAP: u8 = 2;
const KIND_FREE: u8 = 4;
const KIND_NODE: u8 = 8;
const KIND_LINK: u8 = 10;
/// Highest kind of record there is.
const KIND_MAX: u8 = 11;

/// Where a value is in the data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// When it was written, in sled's count of bytes.
    written: u64,
    offset: u64,
    len: usize,
}

/// What was found in a damaged database. Values stay in the file until they are asked for.
pub(in crate::store) struct Salvage {
    data: File,
    entries: BTreeMap<Box<[u8]>, Place>,
    /// Stretches of the file that should hold records and do not.
    pub(in crate::store) damaged_spots: u64,
}

impl Salvage {
    /// Reads the data file of the database in `dir`.
    pub(in crate::store) fn read(dir: &Path) -> io::Result<Self> {
        let data = File::open(dir.join("db"))?;
        let mut pages = Pages::default();
        let (mut damaged_spots, mut bytes) = (0, Vec::new());
        for (number, offset) in segments(&data)? {
            read_segment(&data, offset, &mut bytes)?;
            let mut records = Records { bytes: &bytes, at: SEGMENT_HEADER, number, damaged: 0 };
            for record in &mut records {
                pages.apply(&record, number * SEGMENT as u64, offset);
            }
            damaged_spots += records.damaged;
        }
        Ok(Self { data, entries: pages.into_entries(), damaged_spots })
    }

    /// The keys found, in order.
    pub(in crate::store) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.entries.keys().map(|key| &**key)
    }

    /// The value of a key.
    pub(in crate::store) fn value(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let Some(place) = self.entries.get(key) else { return Ok(None) };
        let mut value = vec![0; place.len];
        self.data.read_exact_at(&mut value, place.offset)?;
        Ok(Some(value))
    }
}

/// Whether what sled wrote since its last snapshot holds a damaged spot with intact records behind it. sled would
/// take such a spot for the end and, while opening, overwrite what is behind it, even when it then refuses to open.
///
/// This reads all of that, so several threads share it: a start waits for it.
pub(super) fn tail_is_damaged(dir: &Path) -> io::Result<bool> {
    let data = match File::open(dir.join("db")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        data => data?,
    };
    let begin = newest_snapshot(dir)? / SEGMENT as u64;
    let count = data.metadata()?.len().div_ceil(SEGMENT as u64);
    let (next, damaged) = (AtomicU64::new(0), AtomicBool::new(false));
    let check = || -> io::Result<()> {
        let mut bytes = Vec::new();
        while !damaged.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                break;
            }
            if segment_is_damaged(&data, index * SEGMENT as u64, begin, &mut bytes)? {
                damaged.store(true, Ordering::Relaxed);
            }
        }
        Ok(())
    };
    let checkers = std::thread::available_parallelism().map_or(1, usize::from).min(CHECKERS_MAX);
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..checkers).map(|_| scope.spawn(check)).collect();
        let mine = check();
        let gone = |_| Err(io::Error::other("checking the store's data file broke off"));
        others.into_iter().map(|other| other.join().unwrap_or_else(gone)).chain([mine]).collect::<io::Result<()>>()
    })?;
    Ok(damaged.into_inner())
}

/// Whether the segment at `offset`, if its number is `begin` or higher, holds a damaged spot with intact records
/// behind it. `bytes` is room for it.
fn segment_is_damaged(data: &File, offset: u64, begin: u64, bytes: &mut Vec<u8>) -> io::Result<bool> {
    let mut header = [0; SEGMENT_HEADER];
    let read = data.read_at(&mut header, offset)?;
    let number = header_number(&header[..read]);
    if number.is_some_and(|number| number < begin) {
        return Ok(false);
    }
    read_segment(data, offset, bytes)?;
    let Some(number) = number else {
        return Ok(any_record_number(bytes).is_some_and(|number| number >= begin));
    };
    let mut records = Records { bytes, at: SEGMENT_HEADER, number, damaged: 0 };
    records.by_ref().for_each(drop);
    Ok(records.damaged > 0)
}

/// How far sled's newest snapshot reaches in its count of bytes; its file is named by it.
fn newest_snapshot(dir: &Path) -> io::Result<u64> {
    let mut newest = 0;
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let reach = name.to_str().and_then(|name| u64::from_str_radix(name.strip_prefix("snap.")?, 16).ok());
        newest = newest.max(reach.unwrap_or(0));
    }
    Ok(newest)
}

/// Reads the segment at `offset` into `bytes`; the last one may be short.
fn read_segment(data: &File, offset: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
    bytes.resize(SEGMENT, 0);
    let mut filled = 0;
    while filled < SEGMENT {
        match data.read_at(&mut bytes[filled..], offset + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    bytes.truncate(filled);
    Ok(())
}

/// Segments by number, in the order they were written, with their offsets.
fn segments(data: &File) -> io::Result<BTreeMap<u64, u64>> {
    let len = data.metadata()?.len();
    let (mut found, mut bytes) = (BTreeMap::new(), Vec::new());
    for offset in (0..len).step_by(SEGMENT) {
        read_segment(data, offset, &mut bytes)?;
        // A damaged header is made up for by any intact record, which repeats the number.
        if let Some(number) = header_number(&bytes).or_else(|| any_record_number(&bytes)) {
            found.insert(number, offset);
        }
    }
    Ok(found)
}

fn header_number(segment: &[u8]) -> Option<u64> {
    let header = segment.get(..SEGMENT_HEADER)?;
    let checksum = u32::from_le_bytes(*header.first_chunk()?) ^ u32::MAX;
    if crc32fast::hash(&header[4..]) != checksum {
        return None;
    }
    let written = u64::from_le_bytes(*header.get(4..)?.first_chunk()?) ^ (i64::MAX as u64);
    Some(written / SEGMENT as u64)
}

fn any_record_number(segment: &[u8]) -> Option<u64> {
    // Only the start of it: an unused segment has none, and must not cost a long search.
    (SEGMENT_HEADER..segment.len().min(64 * 1024)).find_map(|at| Some(Record::read(segment, at, None)?.number))
}

/// One intact record.
struct Record<'a> {
    kind: u8,
    number: u64,
    page: u64,
    /// Where it begins and where its body begins in the segment.
    start: usize,
    body_start: usize,
    body: &'a [u8],
}

impl<'a> Record<'a> {
    /// The record at `at`, if it is intact and belongs to the segment `number` (any when none).
    fn read(segment: &'a [u8], at: usize, number: Option<u64>) -> Option<Self> {
        let mut rest = segment.get(at..)?;
        let checksum = u32::from_le_bytes(*rest.first_chunk()?);
        rest = rest.get(4..)?;
        let (&kind, mut rest) = rest.split_first()?;
        if kind == 0 || kind > KIND_MAX {
            return None;
        }
        let len = usize::try_from(varint(&mut rest)?).ok()?;
        let found = varint(&mut rest)?;
        if number.is_some_and(|number| number != found) {
            return None;
        }
        let page = varint(&mut rest)?;
        let body_start = segment.len() - rest.len();
        let body = rest.get(..len)?;
        let mut hash = crc32fast::Hasher::new();
        hash.update(body);
        hash.update(segment.get(at + 4..body_start)?);
        if hash.finalize() ^ u32::MAX != checksum {
            return None;
        }
        Some(Self { kind, number: found, page, start: at, body_start, body })
    }
}

/// The intact records of a segment. Behind a damaged spot it looks for the next intact one.
struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    number: u64,
    damaged: u64,
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let mut record = Record::read(self.bytes, self.at, Some(self.number));
        if record.is_none() {
            let begin = self.at;
            record = (begin + 1..self.bytes.len()).find_map(|at| Record::read(self.bytes, at, Some(self.number)));
            // Without an intact record behind it, it is the end of what was written or its torn tail.
            self.damaged += u64::from(record.is_some());
        }
        let record = record.filter(|record| record.kind != KIND_CAP)?;
        self.at = record.body_start + record.body.len();
        Some(record)
    }
}

/// A page: entries by the part of their key behind the page's prefix.
#[derive(Default)]
struct Page {
    prefix: Vec<u8>,
    entries: BTreeMap<Box<[u8]>, Place>,
}

#[derive(Default)]
struct Pages(HashMap<u64, Page>);

impl Pages {
    /// Applies a record of a segment that begins at `written` in sled's count and at `offset` in the file.
    fn apply(&mut self, record: &Record<'_>, written: u64, offset: u64) {
        let written = written + record.start as u64;
        let place = |from: &[u8], value: &[u8]| Place {
            written,
            // `value` is a part of the record's body, `from` what follows it there.
            offset: offset + (record.body_start + record.body.len() - from.len() - value.len()) as u64,
            len: value.len(),
        };
        match record.kind {
            KIND_FREE => drop(self.0.remove(&record.page)),
            KIND_NODE => {
                if let Some(page) = node(record.body, place) {
                    self.0.insert(record.page, page);
                }
            }
            KIND_LINK => {
                let page = self.0.entry(record.page).or_default();
                // Other links concern the shape of the tree, which is built anew.
                let _ = link(record.body, page, place);
            }
            _ => {}
        }
    }

    fn into_entries(self) -> BTreeMap<Box<[u8]>, Place> {
        let mut entries: BTreeMap<Box<[u8]>, Place> = BTreeMap::new();
        for page in self.0.into_values() {
            for (suffix, place) in page.entries {
                let key = [page.prefix.as_slice(), &suffix].concat().into_boxed_slice();
                let newer = entries.get(&key).is_none_or(|known| known.written < place.written);
                if newer {
                    entries.insert(key, place);
                }
            }
        }
        entries
    }
}

/// A whole page; none when it is an inner node of the tree or malformed.
fn node(mut body: &[u8], place: impl Fn(&[u8], &[u8]) -> Place) -> Option<Page> {
    let body = &mut body;
    let (_next, _merging_child) = (varint(body)?, varint(body)?);
    let (_merging, prefix_len) = (byte(body)?, byte(body)?);
    let low = bytes(body)?;
    let _high = bytes(body)?;
    if byte(body)? != 0 {
        return None;
    }
    let count = usize::try_from(varint(body)?).ok()?;
    let mut keys = Vec::new();
    for _ in 0..count {
        keys.push(bytes(body)?);
    }
    let mut page = Page { prefix: low.get(..usize::from(prefix_len))?.to_vec(), entries: BTreeMap::new() };
    for key in keys {
        let value = bytes(body)?;
        page.entries.insert(key.into(), place(body, value));
    }
    Some(page)
}

/// An entry set or removed in a page.
fn link(mut body: &[u8], page: &mut Page, place: impl Fn(&[u8], &[u8]) -> Place) -> Option<()> {
    let body = &mut body;
    match byte(body)? {
        0 => {
            let key = bytes(body)?;
            let value = bytes(body)?;
            page.entries.insert(key.into(), place(body, value));
        }
        1 => drop(page.entries.remove(bytes(body)?)),
        _ => {}
    }
    Some(())
}

fn byte(from: &mut &[u8]) -> Option<u8> {
    let (&first, rest) = from.split_first()?;
    *from = rest;
    Some(first)
}

fn bytes<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(varint(from)?).ok()?;
    let (taken, rest) = from.split_at_checked(len)?;
    *from = rest;
    Some(taken)
}

/// sled's variable-length number.
fn varint(from: &mut &[u8]) -> Option<u64> {
    let first = byte(from)?;
    Some(match first {
        0..=240 => u64::from(first),
        241..=248 => 240 + 256 * (u64::from(first) - 241) + u64::from(byte(from)?),
        249 => 2288 + 256 * u64::from(byte(from)?) + u64::from(byte(from)?),
        _ => {
            let (taken, rest) = from.split_at_checked(usize::from(first) - 247)?;
            let mut number = [0; 8];
            number[..taken.len()].copy_from_slice(taken);
            *from = rest;
            u64::from_le_bytes(number)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{super::sled::Sled, *};

    /// Keys and values as written, with rewrites, removals and pages of all fillings.
    fn fill(dir: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut expected = BTreeMap::new();
        let sled = Sled::open(dir).unwrap();
        for number in 0..4000u32 {
            let key = [&[(number % 7) as u8][..], &(number * 7919 % 4001).to_be_bytes()].concat();
            let value = vec![number as u8; (number * 31 % 700) as usize];
            if number % 5 == 4 {
                sled.set(&key, None).unwrap();
                expected.remove(&key);
            } else {
                sled.set(&key, Some(&value)).unwrap();
                expected.insert(key, value);
            }
        }
        sled.sync().unwrap();
        expected
    }

    #[test]
    fn an_undamaged_database_is_read_in_full() {
        let dir = tempfile::tempdir().unwrap();
        let expected = fill(dir.path());
        for _ in 0..2 {
            let salvage = Salvage::read(dir.path()).unwrap();
            assert_eq!(salvage.damaged_spots, 0);
            let found: BTreeMap<_, _> =
                salvage.keys().map(|key| (key.to_vec(), salvage.value(key).unwrap().unwrap())).collect();
            assert!(found == expected, "{} found, {} expected", found.len(), expected.len());
            // Once more after sled started anew on it and cleaned up.
            drop(Sled::open(dir.path()).unwrap());
        }
    }

    #[test]
    fn damage_costs_little_and_never_a_panic() {
        let dir = tempfile::tempdir().unwrap();
        let expected = fill(dir.path());
        let whole = std::fs::read(dir.path().join("db")).unwrap();
        for seed in 0..10usize {
            let mut damaged = whole.clone();
            let at = seed * 1_000_003 % whole.len();
            damaged[at] ^= 1 << (seed % 8);
            std::fs::write(dir.path().join("db"), &damaged).unwrap();
            let salvage = Salvage::read(dir.path()).unwrap();
            let right = salvage.keys().filter(|key| {
                let value = salvage.value(key).unwrap();
                expected.get(*key) == value.as_ref()
            });
            let right = right.count();
            assert!(right + 40 >= expected.len(), "seed {seed}: {right} of {} found", expected.len());
        }
        for len in [0, 1, SEGMENT_HEADER, whole.len() / 2, whole.len() - 1] {
            std::fs::write(dir.path().join("db"), &whole[..len]).unwrap();
            Salvage::read(dir.path()).unwrap();
        }
    }
}
