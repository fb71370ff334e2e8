//! The user's file that is being sent: looked at once, then read chunk by chunk, and never trusted to be still the
//! same. Blocks: for worker threads.

use std::{
    fs::File,
    io::Read as _,
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    delivery::{Reason, ReasonKind},
    wire::{Digest, limits},
};

/// Bytes of a chunk's sum.
const SUM_BYTES: usize = 16;

/// A file as it was when it was offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SourceFacts {
    pub(super) path: String,
    pub(super) size: u64,
    modified_ns: i128,
    device: u64,
    inode: u64,
}

/// The sums of a file's chunks (BLAKE3, 16 bytes each): a chunk that does not have its sum is not sent, whatever the
/// file's size and time say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums(Vec<u8>);

/// What looking at a file found.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) facts: SourceFacts,
    pub(super) sha256: Digest,
    pub(super) chunk_bytes: u64,
    pub(super) sums: Sums,
}

impl Sums {
    /// As kept; none when they are damaged.
    pub(super) fn from_bytes(bytes: Vec<u8>, chunks: u64) -> Option<Self> {
        (bytes.len() as u64 == chunks * SUM_BYTES as u64).then_some(Self(bytes))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn push(&mut self, chunk: &[u8]) {
        self.0.extend_from_slice(&blake3::hash(chunk).as_bytes()[..SUM_BYTES]);
    }

    fn fits(&self, index: u32, chunk: &[u8]) -> bool {
        let at = index as usize * SUM_BYTES;
        self.0.get(at..at + SUM_BYTES) == blake3::hash(chunk).as_bytes().get(..SUM_BYTES)
    }
}

/// Opens a file for reading, without waiting for the other end of a pipe.
fn open(path: &Path) -> Result<(File, SourceFacts), Reason> {
    let told = |error: std::io::Error| io(path, &error);
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = std::fs::OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(told)?;
    let meta = file.metadata().map_err(told)?;
    if !meta.is_file() {
        return Err(Reason::new(ReasonKind::Io, format!("{} is not a file; pack a folder first", path.display())));
    }
    let modified_ns = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
    let path = path.to_string_lossy().into_owned();
    let facts = SourceFacts { path, size: meta.len(), modified_ns, device: meta.dev(), inode: meta.ino() };
    Ok((file, facts))
}

/// Reads a file once, to know what is offered.
///
/// # Errors
/// When it cannot be read, has more chunks than a transfer may have, or changed meanwhile.
pub(super) fn look_at(path: &str, chunk_bytes: u64) -> Result<Looked, Reason> {
    let path = Path::new(path);
    if !path.is_absolute() {
        return Err(Reason::new(ReasonKind::Io, format!("{} must be an absolute path", path.display())));
    }
    let (mut file, facts) = open(path)?;
    let most = chunk_bytes.saturating_mul(limits::FILE_CHUNKS);
    if facts.size > most {
        let text = format!("it has {} bytes; over these paths at most {most} can be sent", facts.size);
        return Err(Reason::new(ReasonKind::TooLarge, text));
    }
    let (mut whole, mut sums, mut read) = (Sha256::new(), Sums::default(), 0);
    let mut chunk = Vec::new();
    // A file that grows meanwhile is read no further than it was long.
    while read < facts.size {
        chunk.clear();
        let want = chunk_bytes.min(facts.size - read);
        (&mut file).take(want).read_to_end(&mut chunk).map_err(|error| io(path, &error))?;
        if chunk.len() as u64 != want {
            return Err(changed(path));
        }
        whole.update(&chunk);
        sums.push(&chunk);
        read += want;
    }
    if open(path)?.1 != facts {
        return Err(changed(path));
    }
    Ok(Looked { facts, sha256: Digest::from_bytes(whole.finalize().into()), chunk_bytes, sums })
}

/// Reads one chunk.
///
/// # Errors
/// [`ReasonKind::FileChanged`] when the file is not what was offered; [`ReasonKind::Io`] when it cannot be read now.
pub(super) fn read_chunk(
    facts: &SourceFacts,
    sums: &Sums,
    index: u32,
    offset: u64,
    bytes: u64,
) -> Result<Vec<u8>, Reason> {
    let path = Path::new(&facts.path);
    let (file, now) = open(path)?;
    if now != *facts {
        return Err(changed(path));
    }
    let mut chunk = vec![0; usize::try_from(bytes).unwrap_or(0)];
    match file.read_exact_at(&mut chunk, offset) {
        Ok(()) if sums.fits(index, &chunk) => Ok(chunk),
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(io(path, &error)),
        Ok(()) | Err(_) => Err(changed(path)),
    }
}

fn io(path: &Path, error: &std::io::Error) -> Reason {
    Reason::new(ReasonKind::Io, format!("{} cannot be read: {error}", path.display()))
}

fn changed(path: &Path) -> Reason {
    let text = format!("{} was changed after it was offered; send it anew", path.display());
    Reason::new(ReasonKind::FileChanged, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf, Looked) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, bytes).unwrap();
        let looked = look_at(path.to_str().unwrap(), 4096).unwrap();
        (dir, path, looked)
    }

    #[test]
    fn chunks_are_read_at_their_places() {
        let bytes: Vec<u8> = (0..10_000u32).map(|n| (n % 251) as u8).collect();
        let (_dir, _, looked) = offered(&bytes);
        assert_eq!(looked.sha256, Digest::of(&bytes));
        assert_eq!(read_chunk(&looked.facts, &looked.sums, 2, 8192, 1808).unwrap(), bytes[8192..]);
        assert!(Sums::from_bytes(looked.sums.as_bytes().to_vec(), 3).is_some());
        assert!(Sums::from_bytes(looked.sums.as_bytes().to_vec(), 4).is_none());
    }

    #[test]
    fn a_file_that_changed_is_noticed_even_when_its_time_was_set_back() {
        let (_dir, path, looked) = offered(&[1; 9000]);
        let before = std::fs::metadata(&path).unwrap().modified().unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(&[2], 5000).unwrap();
        file.set_modified(before).unwrap();
        assert!(read_chunk(&looked.facts, &looked.sums, 0, 0, 4096).is_ok());
        let reason = read_chunk(&looked.facts, &looked.sums, 1, 4096, 4096).unwrap_err();
        assert_eq!(reason.kind, ReasonKind::FileChanged);
    }

    #[test]
    fn another_size_another_time_and_no_file_are_told_apart() {
        let (_dir, path, looked) = offered(&[1; 100]);
        std::fs::write(&path, [1; 101]).unwrap();
        let kind = || read_chunk(&looked.facts, &looked.sums, 0, 0, 100).unwrap_err().kind;
        assert_eq!(kind(), ReasonKind::FileChanged);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(kind(), ReasonKind::Io);
        assert_eq!(look_at("relative", 4096).unwrap_err().kind, ReasonKind::Io);
        assert_eq!(look_at(path.parent().unwrap().to_str().unwrap(), 4096).unwrap_err().kind, ReasonKind::Io);
    }
}
