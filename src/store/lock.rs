//! Who may use a folder: at most one process, and in it one user.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::{Duration, Instant},
};

/// How long to wait for a lock. One that was let go of is held for a moment by a child process that was just forked, until
/// that runs its own program.
const WAIT: Duration = Duration::from_secs(1);
/// How often to look meanwhile.
const LOOK: Duration = Duration::from_millis(5);

/// Locks the file at `path`, which is made if it is not there; none when somebody else has it. It is let go of when the file is
/// closed. Blocks for at most a second.
///
/// # Errors
/// When the file cannot be opened or locked.
pub(crate) fn lock_file(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if begun.elapsed() < WAIT => std::thread::sleep(LOOK),
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_let_go_of_soon_is_waited_for_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = lock_file(&path).unwrap().unwrap();
        assert!(lock_file(&path).unwrap().is_none());
        let (begun, letting_go) = (Instant::now(), WAIT / 10);
        let other = std::thread::spawn(move || {
            while begun.elapsed() < letting_go {
                std::thread::yield_now();
            }
            drop(first);
        });
        assert!(lock_file(&path).unwrap().is_some());
        assert!(begun.elapsed() >= letting_go);
        other.join().unwrap();
    }
}
