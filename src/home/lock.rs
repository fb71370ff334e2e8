//! One process a home.

use std::{
    fs,
    io::{Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
};

use super::{Home, HomeError};

/// Holds the home for this process until dropped. The kernel lets go of it when the process dies, so a stale
/// lock cannot block anyone.
#[derive(Debug)]
pub struct HomeLock {
    _file: fs::File,
}

impl Home {
    /// Takes the home for this process.
    ///
    /// # Errors
    /// [`HomeError::InUse`] when another process holds it, [`HomeError::Io`] when the file cannot be opened or locked (some network
    /// file systems have no locks).
    pub fn lock(&self) -> Result<HomeLock, HomeError> {
        let path = self.root.join("run/lock");
        let io = || HomeError::io(&path);
        let mut file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io())?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Only for the message: the holder may be writing it just now.
                let _ = (&mut file).take(20).read_to_string(&mut pid);
                return Err(HomeError::InUse { home: self.root.clone(), pid: pid.trim().to_owned() });
            }
            Err(fs::TryLockError::Error(error)) => return Err(io()(error)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(io())?;
        writeln!(file, "{}", std::process::id()).map_err(io())?;
        Ok(HomeLock { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        home.create().unwrap();
        let lock = home.lock().unwrap();
        match home.lock() {
            Err(HomeError::InUse { pid, .. }) => assert_eq!(pid, std::process::id().to_string()),
            other => panic!("{other:?}"),
        }
        drop(lock);
        home.lock().unwrap();
    }
}
