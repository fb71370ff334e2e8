//! Logs: to standard error, and for the daemon also to a file of bounded size.

use std::{
    fs::{File, OpenOptions},
    io::{self, IsTerminal as _, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Mutex,
};

use tracing_subscriber::{EnvFilter, Layer as _, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use super::{out, outcome::CliError};

/// Size at which a log file is put aside as `.1`, in bytes.
const LOG_BYTES: u64 = 8 * 1024 * 1024;

/// Logs to standard error, as `SKCOMM_LOG` says.
pub(super) fn to_stderr(default: &str) -> Result<(), CliError> {
    install(default, None)
}

/// Logs to standard error and to a file in `dir`.
pub(super) fn to_stderr_and(dir: &Path, default: &str) -> Result<(), CliError> {
    let path = dir.join("skcomm.log");
    let file = BoundedLog::open(path.clone(), LOG_BYTES).map_err(CliError::file(path))?;
    install(default, Some(file))
}

fn install(default: &str, file: Option<BoundedLog>) -> Result<(), CliError> {
    let filter = || match std::env::var("SKCOMM_LOG") {
        Ok(wanted) if !wanted.is_empty() => EnvFilter::try_new(&wanted)
            .map_err(|e| CliError::Input(format!("SKCOMM_LOG={wanted:?} is no log filter: {e}; try SKCOMM_LOG=debug"))),
        _ => Ok(EnvFilter::new(default)),
    };
    let colour = io::stderr().is_terminal() && out::colours_wanted();
    let stderr = fmt::layer().with_writer(io::stderr).with_ansi(colour).with_filter(filter()?);
    let file = match file {
        Some(file) => Some(fmt::layer().with_writer(Mutex::new(file)).with_ansi(false).with_filter(filter()?)),
        None => None,
    };
    // Fails only when there is a logger already, as in tests of the library.
    let _ = tracing_subscriber::registry().with(stderr).with(file).try_init();
    Ok(())
}

/// A log file that is put aside when it is full: at most twice `most` bytes on the disk.
struct BoundedLog {
    path: PathBuf,
    file: File,
    bytes: u64,
    most: u64,
}

impl BoundedLog {
    fn open(path: PathBuf, most: u64) -> io::Result<Self> {
        let file = append(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path, file, bytes, most })
    }
}

impl Write for BoundedLog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.bytes >= self.most {
            std::fs::rename(&self.path, self.path.with_extension("log.1"))?;
            self.file = append(&self.path)?;
            self.bytes = 0;
        }
        let written = self.file.write(line)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_is_put_aside_and_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("skcomm.log");
        let mut log = BoundedLog::open(path.clone(), 100).unwrap();
        for _ in 0..100 {
            log.write_all(b"twenty bytes a line\n").unwrap();
        }
        let size = |path: &Path| std::fs::metadata(path).unwrap().len();
        assert!(size(&path) <= 120 && size(&dir.path().join("skcomm.log.1")) <= 120);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
