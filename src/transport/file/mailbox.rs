//! One mailbox: the folder `<shared folder>/<fingerprint>/`. Everything here blocks and runs in a [`super::lane`].
//!
//! Files are reached through the open folder, by names without separators, and links are never followed: whoever can
//! write to the shared folder cannot make this node read or write elsewhere.

use std::{
    collections::{BTreeMap, BinaryHeap},
    fs::File,
    io::{Read as _, Write as _},
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags, RenameFlags, Stat},
    io::Errno,
};

use super::{
    fault,
    name::{self, TEMPORARY},
};
use crate::{
    delivery::{Reason, ReasonKind},
    wire::{Fingerprint, limits},
};

/// Where files that will never be accepted are put, inside the mailbox.
const REFUSED: &str = "refused";
/// Where files go that are kept, inside the mailbox.
const ARCHIVE: &str = "archive";
/// Refused files that are kept; beyond that the oldest go.
const REFUSED_FILES: usize = 256;
/// Bytes of refused files that are kept.
const REFUSED_BYTES: u64 = 64 * 1024 * 1024;
/// A file being written that is older than this was left behind by a crash, in seconds.
const ABANDONED_SECONDS: i64 = 2 * 24 * 3600;
/// Tries for a name that is free.
const NAME_TRIES: usize = 8;

/// Which file system each shared folder was last seen on, so that a folder whose mount has gone is not mistaken for
/// an empty one and filled underneath the mount point.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<BTreeMap<PathBuf, u64>>);

/// Who may use files and folders that are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rights {
    /// Open to the group, whatever the umask says.
    pub(super) shared: bool,
}

impl Rights {
    fn file(self) -> Mode {
        if self.shared { Mode::from_raw_mode(0o660) } else { Mode::from_raw_mode(0o600) }
    }

    fn folder(self) -> Mode {
        if self.shared { Mode::from_raw_mode(0o770) } else { Mode::from_raw_mode(0o700) }
    }
}

/// A file's identity and version: when it is the same before and after, nobody wrote to it in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    inode: u64,
    size: i64,
    modified: (i64, u64),
}

/// What a message file turned out to be.
#[derive(Debug)]
pub(super) enum Found {
    /// A frame.
    Frame(Bytes, Version),
    /// Not there any more.
    Gone,
    /// Empty or being written to: look again later.
    Unfinished,
    /// Never a frame.
    Refused(Reason),
    /// It could not be read now.
    Failed(Reason),
}

/// A frame in a file under a temporary name, not durable yet.
#[derive(Debug)]
pub(super) struct Partial {
    temporary: String,
    file: File,
}

/// An open mailbox.
#[derive(Debug)]
pub(super) struct Mailbox {
    dir: OwnedFd,
    path: PathBuf,
    rights: Rights,
    /// Device and inode, to notice that the folder was replaced.
    pub(super) identity: (u64, u64),
}

fn open_folder(at: impl AsFd, path: impl AsRef<Path>, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | flags;
    retry(|| fs::openat(&at, path.as_ref(), flags, Mode::empty()))
}

fn retry<T>(work: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    rustix::io::retry_on_intr(work)
}

impl Mailbox {
    /// Opens `owner`'s mailbox in `folder`, which must exist; makes the mailbox when it is missing.
    pub(super) fn open(folder: &Path, owner: Fingerprint, rights: Rights, seen: &Seen) -> Result<Self, Reason> {
        let path = folder.join(owner.to_string());
        let fault = |errno| fault::reason("opening", folder, errno);
        let parent = open_folder(fs::CWD, folder, OFlags::empty()).map_err(fault)?;
        let device = fs::fstat(&parent).map_err(fault)?.st_dev;
        let dir = match open_folder(&parent, owner.to_string(), OFlags::NOFOLLOW) {
            Err(Errno::NOENT) => {
                seen.check(folder, device)?;
                make_folder(&parent, &owner.to_string(), rights)
            }
            other => other,
        };
        let dir = dir.map_err(|errno| fault::reason("opening", &path, errno))?;
        seen.remember(folder, device);
        let stat = fs::fstat(&dir).map_err(|errno| fault::reason("opening", &path, errno))?;
        Ok(Self { dir, path, rights, identity: (stat.st_dev, stat.st_ino) })
    }

    /// The path, for logs and watchers.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn fault(&self, doing: &str, errno: Errno) -> Reason {
        fault::reason(doing, &self.path, errno)
    }

    /// Writes `frame` under a temporary name; [`Mailbox::finish`] makes it durable and names it. Who has many frames
    /// begins all before finishing the first: what was written together costs the file system fewer commits.
    pub(super) fn begin(&self, frame: &[u8]) -> Result<Partial, Reason> {
        let temporary = format!("{TEMPORARY}{:016x}", rand::random::<u64>());
        match self.write_temporary(&temporary, frame) {
            Ok(file) => Ok(Partial { temporary, file }),
            Err(errno) => Err(self.give_up(&temporary, errno)),
        }
    }

    /// Makes a frame durable and gives it `name`, or another if that is taken. The name itself is durable after
    /// [`Mailbox::sync`].
    pub(super) fn finish(&self, Partial { temporary, file }: Partial, name: &str) -> Result<(), Reason> {
        let named = retry(|| fs::fsync(&file)).and_then(|()| self.place(&temporary, &self.dir, name));
        named.map_err(|errno| self.give_up(&temporary, errno))
    }

    fn give_up(&self, temporary: &str, errno: Errno) -> Reason {
        // The write has failed; what cannot be tidied up now is tidied up by age.
        let _ = fs::unlinkat(&self.dir, temporary, AtFlags::empty());
        self.fault("writing to", errno)
    }

    fn write_temporary(&self, name: &str, frame: &[u8]) -> Result<File, Errno> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = retry(|| fs::openat(&self.dir, name, flags, self.rights.file()))?;
        if self.rights.shared {
            fs::fchmod(&fd, self.rights.file())?;
        }
        let mut file = File::from(fd);
        file.write_all(frame).map_err(|e| errno_of(&e))?;
        Ok(file)
    }

    /// Renames `from` to `name` in `target`, or to an alternative where that is taken; never replaces a file.
    fn place(&self, from: &str, target: &OwnedFd, name: &str) -> Result<(), Errno> {
        let mut wanted = name.to_owned();
        for _ in 0..NAME_TRIES {
            match rename_new(&self.dir, from, target, &wanted) {
                Err(Errno::EXIST) => wanted = name::alternative(name, rand::random()),
                other => return other,
            }
        }
        Err(Errno::EXIST)
    }

    /// Makes the names in the mailbox durable.
    pub(super) fn sync(&self) -> Result<(), Reason> {
        sync_folder(&self.dir).map_err(|errno| self.fault("writing to", errno))
    }

    /// The first `most` names of whole messages, in their order, without those that `skip` wants left out.
    pub(super) fn list(&self, most: usize, skip: impl Fn(&str) -> bool) -> Result<Vec<String>, Reason> {
        let fault = |errno| self.fault("listing", errno);
        let mut names = BinaryHeap::with_capacity(most.min(1024));
        for entry in fs::Dir::read_from(&self.dir).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            let raw = entry.file_name().to_bytes();
            if !name::is_message(raw) || entry.file_type() == FileType::Directory {
                continue;
            }
            let Ok(name) = std::str::from_utf8(raw) else { continue };
            if skip(name) || (names.len() >= most && names.peek().is_some_and(|last: &String| name >= last.as_str())) {
                continue;
            }
            names.push(name.to_owned());
            if names.len() > most {
                names.pop();
            }
        }
        Ok(names.into_sorted_vec())
    }

    /// Removes files that a crash left half-written.
    pub(super) fn sweep(&self) -> Result<usize, Reason> {
        let fault = |errno| self.fault("tidying up", errno);
        let now = jiff::Timestamp::now().as_second();
        let mut removed = 0;
        for entry in fs::Dir::read_from(&self.dir).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            if !entry.file_name().to_bytes().starts_with(TEMPORARY.as_bytes()) {
                continue;
            }
            let Ok(stat) = fs::statat(&self.dir, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let old = now.saturating_sub(stat.st_mtime) > ABANDONED_SECONDS;
            if old && fs::unlinkat(&self.dir, entry.file_name(), AtFlags::empty()).is_ok() {
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Opens and reads the message `name`.
    pub(super) fn read(&self, name: &str) -> Found {
        match self.try_read(name) {
            Ok(found) => found,
            Err(Errno::NOENT) => Found::Gone,
            Err(Errno::LOOP) => Found::Refused(Reason::new(ReasonKind::Protocol, format!("{name} is a link"))),
            Err(errno) => Found::Failed(fault::reason("reading", &self.path.join(name), errno)),
        }
    }

    fn try_read(&self, name: &str) -> Result<Found, Errno> {
        // Looked at before it is opened, because opening a device or a pipe may do something; and again afterwards,
        // because it may have been replaced in between.
        if let Some(refused) = refusal(name, &fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW)?) {
            return Ok(refused);
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(retry(|| fs::openat(&self.dir, name, flags, Mode::empty()))?);
        let stat = fs::fstat(&file)?;
        if let Some(refused) = refusal(name, &stat) {
            return Ok(refused);
        }
        let size = usize::try_from(stat.st_size).map_err(|_| Errno::OVERFLOW)?;
        let mut frame = Vec::with_capacity(size + 1);
        // One byte more than it should have, to notice that it has grown.
        (&file).take(size as u64 + 1).read_to_end(&mut frame).map_err(|e| errno_of(&e))?;
        let version = version(&stat);
        if frame.is_empty() || frame.len() != size || self::version(&fs::fstat(&file)?) != version {
            return Ok(Found::Unfinished);
        }
        Ok(Found::Frame(frame.into(), version))
    }

    /// Whether the message `name` is still the version that was read.
    pub(super) fn is_still(&self, name: &str, read: Version) -> bool {
        fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| version(&stat) == read)
    }

    /// Removes the message `name`; one that is gone already is fine.
    pub(super) fn remove(&self, name: &str) -> Result<(), Reason> {
        match retry(|| fs::unlinkat(&self.dir, name, AtFlags::empty())) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(fault::reason("removing", &self.path.join(name), errno)),
        }
    }

    /// Moves the message `name` to the archive.
    pub(super) fn archive(&self, name: &str) -> Result<(), Reason> {
        self.move_to(name, ARCHIVE).map(drop)
    }

    /// Moves `name`, whatever it is, to where it is never read again, and keeps that place bounded. Gives the number
    /// of older ones that were removed for it.
    pub(super) fn put_aside(&self, name: &str) -> Result<usize, Reason> {
        let target = self.move_to(name, REFUSED)?;
        trim(&target).map_err(|errno| self.fault("tidying up", errno))
    }

    fn move_to(&self, name: &str, folder: &str) -> Result<OwnedFd, Reason> {
        let fault = |errno| fault::reason("moving", &self.path.join(name), errno);
        let target = match open_folder(&self.dir, folder, OFlags::NOFOLLOW) {
            Err(Errno::NOENT) => make_folder(&self.dir, folder, self.rights),
            other => other,
        };
        let target = target.map_err(fault)?;
        match self.place(name, &target, name) {
            Ok(()) | Err(Errno::NOENT) => Ok(target),
            Err(errno) => Err(fault(errno)),
        }
    }

    /// Whether the mailbox can be written to: writes a small file, makes it durable and removes it.
    pub(super) fn probe(&self) -> Result<(), Reason> {
        let name = format!("{TEMPORARY}probe-{:016x}", rand::random::<u64>());
        let written = self.write_temporary(&name, b"probe").and_then(|file| retry(|| fs::fsync(&file)));
        let removed = fs::unlinkat(&self.dir, &name, AtFlags::empty());
        written.and(removed).map_err(|errno| self.fault("writing to", errno))
    }
}

impl Seen {
    /// Whether a mailbox may be made in `folder`, which is on `device` now.
    fn check(&self, folder: &Path, device: u64) -> Result<(), Reason> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.get(folder) {
            Some(before) if *before != device => {
                let detail = format!("{} is on another file system than before: is it unmounted?", folder.display());
                Err(Reason::new(ReasonKind::Unreachable, detail))
            }
            _ => Ok(()),
        }
    }

    fn remember(&self, folder: &Path, device: u64) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(folder.to_owned(), device);
    }
}

fn make_folder(parent: &OwnedFd, name: &str, rights: Rights) -> Result<OwnedFd, Errno> {
    match fs::mkdirat(parent, name, rights.folder()) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    let dir = open_folder(parent, name, OFlags::NOFOLLOW)?;
    // Only who made it may change it; for everybody else it is as it is.
    match rights.shared.then(|| fs::fchmod(&dir, rights.folder())) {
        None | Some(Ok(()) | Err(Errno::PERM)) => {}
        Some(Err(errno)) => return Err(errno),
    }
    sync_folder(parent)?;
    Ok(dir)
}

/// Makes names durable. File systems that cannot do that for folders (some of FUSE and SMB) say so.
fn sync_folder(dir: &OwnedFd) -> Result<(), Errno> {
    match retry(|| fs::fsync(dir)) {
        Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS | Errno::BADF) => Ok(()),
        other => other,
    }
}

/// Renames without ever replacing a file, by what the file system can do.
fn rename_new(from_dir: &OwnedFd, from: &str, to_dir: &OwnedFd, to: &str) -> Result<(), Errno> {
    match fs::renameat_with(from_dir, from, to_dir, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        other => return other,
    }
    // NFS and older FUSE: a hard link refuses to replace.
    match fs::linkat(from_dir, from, to_dir, to, AtFlags::empty()) {
        Ok(()) => return fs::unlinkat(from_dir, from, AtFlags::empty()),
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK | Errno::ISDIR) => {}
        Err(errno) => return Err(errno),
    }
    // FAT and its kin: look first. The names are random, so nobody comes in between by accident.
    match fs::statat(to_dir, to, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Err(Errno::EXIST),
        Err(Errno::NOENT) => fs::renameat(from_dir, from, to_dir, to),
        Err(errno) => Err(errno),
    }
}

/// Why what `stat` describes is never a message, if so.
fn refusal(name: &str, stat: &Stat) -> Option<Found> {
    let refused = |kind, why: String| Some(Found::Refused(Reason::new(kind, format!("{name} {why}"))));
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Symlink => return refused(ReasonKind::Protocol, "is a link".to_owned()),
        _ => return refused(ReasonKind::Protocol, "is not a regular file".to_owned()),
    }
    if stat.st_size > limits::ENVELOPE_BYTES as i64 {
        let why = format!("has {} bytes, allowed are {}", stat.st_size, limits::ENVELOPE_BYTES);
        return refused(ReasonKind::TooLarge, why);
    }
    None
}

fn version(stat: &Stat) -> Version {
    #[allow(clippy::unnecessary_cast, reason = "the type differs between systems")]
    Version { inode: stat.st_ino, size: stat.st_size, modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u64) }
}

fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// Keeps the newest refused files within the bounds and removes the others; gives how many went.
fn trim(dir: &OwnedFd) -> Result<usize, Errno> {
    let mut files = Vec::new();
    for entry in fs::Dir::read_from(dir)? {
        let entry = entry?;
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        if let Ok(stat) = fs::statat(dir, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
            files.push((entry.file_name().to_owned(), u64::try_from(stat.st_size).unwrap_or(0)));
        }
    }
    files.sort_unstable_by(|a, b| b.0.cmp(&a.0));
    let (mut kept, mut bytes, mut removed) = (0, 0u64, 0);
    for (name, size) in &files {
        if kept < REFUSED_FILES && bytes.saturating_add(*size) <= REFUSED_BYTES {
            kept += 1;
            bytes += size;
        } else if fs::unlinkat(dir, name, AtFlags::empty()).is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::testing::fingerprint;

    #[test]
    fn an_unmounted_folder_is_not_filled_underneath_its_mount_point() {
        let folder = tempfile::tempdir().unwrap();
        let (rights, seen) = (Rights { shared: false }, Seen::default());
        let open = || Mailbox::open(folder.path(), fingerprint(2), rights, &seen);
        let device = fs::stat(folder.path()).unwrap().st_dev;
        seen.remember(folder.path(), device.wrapping_add(1));
        let reason = open().unwrap_err();
        assert_eq!(reason.kind, ReasonKind::Unreachable);
        assert!(reason.to_string().contains("is it unmounted?"), "{reason}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        // Mounted again, perhaps under another number: the mailbox is there, so it is the right folder.
        std::fs::create_dir(folder.path().join(fingerprint(2).to_string())).unwrap();
        let mailbox = open().unwrap();
        // From now on this is the file system it is known on, where a removed mailbox is made anew.
        std::fs::remove_dir(mailbox.path()).unwrap();
        assert!(open().is_ok());
    }
}
