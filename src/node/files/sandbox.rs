//! The downloads folder, where received files are put and nowhere else. Blocks: for worker threads.
//!
//! Everything is opened below the folder's own descriptor and without following links, so that a name or a link that
//! is put there meanwhile leads nowhere else. A file gets its final name only when it is whole and its hash is right.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _},
    os::{fd::OwnedFd, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, Mode, OFlags, RenameFlags},
    io::Errno,
};
use sha2::{Digest as _, Sha256};

use super::name::candidates;
use crate::{
    delivery::{Reason, ReasonKind},
    home::FilesConfig,
    store::CrashPoint,
    wire::{Digest, EnvelopeId},
};

/// Most entries of the downloads folder that are counted; with more it counts as full.
const ENTRIES_MAX: usize = 100_000;
/// What a file is called that came damaged, behind its own name.
const DAMAGED: &str = ".damaged";

/// The folder of one peer in the downloads folder, open.
pub(super) struct Sandbox {
    folder: OwnedFd,
    path: PathBuf,
}

/// How a whole file ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Its hash is right; it lies here.
    Good(PathBuf),
    /// Its hash is wrong; it was put aside here.
    Damaged(PathBuf),
    /// Neither what was written nor a file with this content is there.
    Gone,
}

/// What a new file needs, and what others need already.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    /// Bytes of the file.
    pub(super) size: u64,
    /// Bytes of it that are on the disk.
    pub(super) have: u64,
    /// Announced bytes of the other files that are coming from the same peer, and from all.
    pub(super) promised_peer: u64,
    pub(super) promised_all: u64,
}

impl Sandbox {
    /// Opens the folder of a peer, and makes it when it is not there. Private, and not a link.
    pub(super) fn open(downloads: &Path, peer: &str) -> Result<Self, Reason> {
        let path = downloads.join(peer);
        let told = |errno: Errno| io_reason(&path, "cannot be used", errno.into());
        crate::home::create_private_dir(downloads).map_err(|e| Reason::new(ReasonKind::Io, e.to_string()))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(downloads, flags, Mode::empty()).map_err(told)?;
        match rustix::fs::mkdirat(&root, peer, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(told(errno)),
        }
        let folder = rustix::fs::openat(&root, peer, flags | OFlags::NOFOLLOW, Mode::empty()).map_err(told)?;
        Ok(Self { folder, path })
    }

    /// Opens the file that a transfer is written to, and makes it when it is not there. Says whether it was there.
    pub(super) fn part(&self, id: &EnvelopeId) -> Result<(File, bool), Reason> {
        let name = part_name(id);
        let told = |errno: Errno| io_reason(&self.path.join(&name), "cannot be opened", errno.into());
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let (opened, there) = match rustix::fs::openat(&self.folder, &name, flags, Mode::empty()) {
            Ok(opened) => (opened, true),
            Err(Errno::NOENT) => {
                let make = flags | OFlags::CREATE | OFlags::EXCL;
                let made = rustix::fs::openat(&self.folder, &name, make, Mode::RUSR | Mode::WUSR).map_err(told)?;
                rustix::fs::fsync(&self.folder).map_err(told)?;
                (made, false)
            }
            Err(errno) => return Err(told(errno)),
        };
        let file = File::from(opened);
        let meta = file.metadata().map_err(|error| io_reason(&self.path.join(&name), "cannot be used", error))?;
        if !meta.is_file() || meta.nlink() != 1 {
            let text = format!("{} is not a file of ours; remove it", self.path.join(&name).display());
            return Err(Reason::new(ReasonKind::Io, text));
        }
        Ok((file, there))
    }

    /// Throws away what a transfer has written.
    pub(super) fn discard(&self, id: &EnvelopeId) -> Result<(), Reason> {
        match rustix::fs::unlinkat(&self.folder, part_name(id), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(io_reason(&self.path.join(part_name(id)), "cannot be removed", errno.into())),
        }
    }

    /// Compares the hash of what was written and gives the file its name, or puts it aside.
    pub(super) fn finish(&self, id: &EnvelopeId, name: &str, size: u64, sha256: &Digest) -> Result<Ended, Reason> {
        let (mut part, there) = self.part(id)?;
        if !there {
            self.discard(id)?;
            // The program died after the file got its name and before that was written down.
            return Ok(self.find(name, size, sha256).map_or(Ended::Gone, Ended::Good));
        }
        let told = |error: io::Error| io_reason(&self.path.join(part_name(id)), "cannot be read", error);
        let good = part.metadata().map_err(told)?.len() == size && digest(&mut part).map_err(told)? == *sha256;
        let part = part_name(id);
        CrashPoint::FileHashed.pass();
        match good {
            true => {
                let path = self.place(&part, name)?;
                CrashPoint::FileNamed.pass();
                Ok(Ended::Good(path))
            }
            false => self.place(&part, &format!("{name}{DAMAGED}")).map(Ended::Damaged),
        }
    }

    /// Gives `part` the first name that is free. Nothing is ever overwritten.
    fn place(&self, part: &str, name: &str) -> Result<PathBuf, Reason> {
        for name in candidates(name) {
            match self.rename(part, &name) {
                Ok(()) => {
                    let path = self.path.join(&name);
                    rustix::fs::fsync(&self.folder).map_err(|e| io_reason(&path, "cannot be synced", e.into()))?;
                    return Ok(path);
                }
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(io_reason(&self.path.join(&name), "cannot be made", errno.into())),
            }
        }
        let text = format!("too many files in {} have the name {name}", self.path.display());
        Err(Reason::new(ReasonKind::Io, text))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Errno> {
        let folder = &self.folder;
        match rustix::fs::renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
            // Some network file systems do not know that flag.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                rustix::fs::linkat(folder, from, folder, to, AtFlags::empty())?;
                rustix::fs::unlinkat(folder, from, AtFlags::empty())
            }
            result => result,
        }
    }

    /// The file of that name, or with a number behind it, that has this content.
    fn find(&self, name: &str, size: u64, sha256: &Digest) -> Option<PathBuf> {
        for name in candidates(name) {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let Ok(opened) = rustix::fs::openat(&self.folder, &name, flags, Mode::empty()) else { break };
            let mut file = File::from(opened);
            let fits = file.metadata().is_ok_and(|meta| meta.is_file() && meta.len() == size);
            if fits && digest(&mut file).is_ok_and(|found| found == *sha256) {
                return Some(self.path.join(&name));
            }
        }
        None
    }

    /// Whether the file may be written here: quotas and free space.
    pub(super) fn check_room(&self, downloads: &Path, config: &FilesConfig, need: Need) -> Result<(), Reason> {
        let full = |text: String| Err(Reason::new(ReasonKind::Quota, text));
        let peer = usage(&self.path).and_then(|used| used.checked_add(need.promised_peer)?.checked_add(need.size));
        if peer.is_none_or(|bytes| bytes > config.peer_quota_bytes) {
            let most = config.peer_quota_bytes;
            return full(format!("its folder may hold {most} bytes (files.peer_quota_bytes); remove files from it"));
        }
        let all = usage_of_all(downloads).and_then(|used| used.checked_add(need.promised_all)?.checked_add(need.size));
        if all.is_none_or(|bytes| bytes > config.quota_bytes) {
            let most = config.quota_bytes;
            return full(format!("the downloads may hold {most} bytes (files.quota_bytes); remove files from there"));
        }
        let stat = rustix::fs::fstatvfs(&self.folder).map_err(|e| io_reason(&self.path, "has no size", e.into()))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let wanted = need.size.saturating_sub(need.have).saturating_add(config.keep_free_bytes);
        if free < wanted {
            let text = format!("{free} bytes are free on the disk of the downloads, {wanted} are needed");
            return Err(Reason::new(ReasonKind::NoSpace, text));
        }
        Ok(())
    }
}

fn part_name(id: &EnvelopeId) -> String {
    format!(".{id}.part")
}

fn digest(file: &mut File) -> io::Result<Digest> {
    file.rewind()?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 256 * 1024]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Digest::from_bytes(hash.finalize().into())),
            Ok(read) => hash.update(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Bytes of the files of one folder that are whole; what is still being written is counted by what was announced.
/// None when there are too many to count.
fn usage(folder: &Path) -> Option<u64> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Some(0) };
    let mut total = 0u64;
    for (number, entry) in entries.flatten().enumerate() {
        if number >= ENTRIES_MAX {
            return None;
        }
        let name = entry.file_name();
        let is_part = name.to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(".part"));
        if let Ok(meta) = entry.metadata()
            && meta.is_file()
            && !is_part
        {
            total = total.saturating_add(meta.len());
        }
    }
    Some(total)
}

fn usage_of_all(downloads: &Path) -> Option<u64> {
    let Ok(entries) = std::fs::read_dir(downloads) else { return Some(0) };
    let folders: Vec<PathBuf> = entries.flatten().take(ENTRIES_MAX).map(|entry| entry.path()).collect();
    folders.iter().try_fold(0u64, |total, folder| Some(total.saturating_add(usage(folder)?)))
}

/// A failure of the disk, by what it means.
pub(super) fn io_reason(path: &Path, what: &str, error: io::Error) -> Reason {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let kind = if full { ReasonKind::NoSpace } else { ReasonKind::Io };
    Reason::new(kind, format!("{} {what}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::{FileExt as _, PermissionsExt as _, symlink},
        sync::Arc,
    };

    use super::*;

    fn id() -> EnvelopeId {
        EnvelopeId::from_random(rand::random())
    }

    fn received(sandbox: &Sandbox, bytes: &[u8]) -> EnvelopeId {
        let id = id();
        let (file, there) = sandbox.part(&id).unwrap();
        assert!(!there);
        file.write_all_at(bytes, 0).unwrap();
        id
    }

    #[test]
    fn a_good_file_gets_the_first_free_name_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::open(dir.path(), "Lumina").unwrap();
        let elsewhere = dir.path().join("elsewhere");
        std::fs::write(&elsewhere, b"precious").unwrap();
        std::fs::write(dir.path().join("Lumina/a.txt"), b"mine").unwrap();
        symlink(&elsewhere, dir.path().join("Lumina/a (1).txt")).unwrap();
        let part = received(&sandbox, b"hello");
        let ended = sandbox.finish(&part, "a.txt", 5, &Digest::of(b"hello")).unwrap();
        let path = dir.path().join("Lumina/a (2).txt");
        assert_eq!(ended, Ended::Good(path.clone()));
        assert_eq!(std::fs::read(&path).unwrap(), b"hello");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read(&elsewhere).unwrap(), b"precious");
        assert_eq!(std::fs::read(dir.path().join("Lumina/a.txt")).unwrap(), b"mine");
        assert_eq!(std::fs::metadata(dir.path().join("Lumina")).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_wrong_hash_or_size_puts_the_file_aside() {
        let dir = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::open(dir.path(), "Lumina").unwrap();
        for (size, claimed) in [(5, &b"other"[..]), (6, b"hello")] {
            let part = received(&sandbox, b"hello");
            match sandbox.finish(&part, "a.txt", size, &Digest::of(claimed)).unwrap() {
                Ended::Damaged(path) => assert!(path.to_str().unwrap().contains("a.txt"), "{path:?}"),
                other => panic!("{other:?}"),
            }
        }
        assert!(!dir.path().join("Lumina/a.txt").exists());
        assert!(dir.path().join("Lumina/a.txt.damaged").exists());
    }

    #[test]
    fn links_lead_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let target = tempfile::tempdir().unwrap();
        symlink(target.path(), dir.path().join("Eve")).unwrap();
        assert!(Sandbox::open(dir.path(), "Eve").is_err());
        let sandbox = Sandbox::open(dir.path(), "Lumina").unwrap();
        let id = id();
        symlink(target.path().join("out"), dir.path().join("Lumina").join(part_name(&id))).unwrap();
        assert!(sandbox.part(&id).is_err());
        assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 0);
        // A second name for the part would let its bytes be changed from elsewhere.
        let linked = received(&sandbox, b"x");
        std::fs::hard_link(dir.path().join("Lumina").join(part_name(&linked)), target.path().join("twin")).unwrap();
        assert!(sandbox.part(&linked).is_err());
    }

    #[test]
    fn a_crash_between_the_name_and_the_record_is_recovered() {
        let dir = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::open(dir.path(), "Lumina").unwrap();
        std::fs::write(dir.path().join("Lumina/a.txt"), b"older").unwrap();
        let part = received(&sandbox, b"hello");
        let first = sandbox.finish(&part, "a.txt", 5, &Digest::of(b"hello")).unwrap();
        assert_eq!(sandbox.finish(&part, "a.txt", 5, &Digest::of(b"hello")).unwrap(), first);
        assert_eq!(sandbox.finish(&part, "b.txt", 5, &Digest::of(b"hello")).unwrap(), Ended::Gone);
        let names = std::fs::read_dir(dir.path().join("Lumina")).unwrap().count();
        assert_eq!(names, 2, "nothing is left beside them");
    }

    #[test]
    fn two_files_of_one_name_that_end_together_both_stay() {
        let dir = tempfile::tempdir().unwrap();
        let sandbox = Arc::new(Sandbox::open(dir.path(), "Lumina").unwrap());
        let ends: Vec<_> = (0..8u8)
            .map(|n| {
                let (part, sandbox) = (received(&sandbox, &[n]), sandbox.clone());
                std::thread::spawn(move || sandbox.finish(&part, "a", 1, &Digest::of(&[n])).unwrap())
            })
            .collect();
        let mut kept: Vec<u8> = Vec::new();
        for end in ends {
            let Ended::Good(path) = end.join().unwrap() else { panic!("damaged") };
            kept.extend(std::fs::read(path).unwrap());
        }
        kept.sort_unstable();
        assert_eq!(kept, [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn quotas_and_free_space_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::open(dir.path(), "Lumina").unwrap();
        std::fs::write(dir.path().join("Lumina/a"), vec![0; 600]).unwrap();
        received(&sandbox, &[0; 10_000]);
        let other = Sandbox::open(dir.path(), "Opus").unwrap();
        let config =
            FilesConfig { peer_quota_bytes: 1000, quota_bytes: 1500, keep_free_bytes: 0, ..Default::default() };
        let need = |size, promised_peer, promised_all| Need { size, have: 0, promised_peer, promised_all };
        let room = |sandbox: &Sandbox, need| sandbox.check_room(dir.path(), &config, need).map_err(|r| r.kind);
        assert_eq!(room(&sandbox, need(400, 0, 0)), Ok(()));
        assert_eq!(room(&sandbox, need(401, 0, 0)), Err(ReasonKind::Quota));
        assert_eq!(room(&sandbox, need(300, 101, 101)), Err(ReasonKind::Quota));
        assert_eq!(room(&sandbox, need(u64::MAX, 0, 0)), Err(ReasonKind::Quota));
        assert_eq!(room(&other, need(900, 0, 0)), Ok(()));
        assert_eq!(room(&other, need(901, 0, 0)), Err(ReasonKind::Quota));
        let greedy = FilesConfig { keep_free_bytes: u64::MAX, ..Default::default() };
        let reason = sandbox.check_room(dir.path(), &greedy, need(1, 0, 0)).unwrap_err();
        assert_eq!(reason.kind, ReasonKind::NoSpace);
    }
}
