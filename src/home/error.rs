//! What can be wrong with the user's folder.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// Something is wrong with the user's folder.
#[derive(Debug, Error)]
pub enum HomeError {
    /// Nobody knows where it is.
    #[error("there is no home folder; set SKCOMM_HOME or use --home")]
    NoHome,
    /// Another process holds it.
    #[error("{} is in use by process {pid}; stop it, or let this command talk to it", home.display())]
    InUse {
        /// The folder.
        home: PathBuf,
        /// The holder.
        pid: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// A file's content is not valid.
    #[error("{}{}: {problem}", path.display(), line.map(|l| format!(":{l}")).unwrap_or_default())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: Option<u64>,
        /// What is wrong and what would be right.
        problem: String,
    },
}

impl HomeError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn invalid(path: &Path, line: Option<u64>, problem: impl Into<String>) -> Self {
        Self::Invalid { path: path.to_owned(), line, problem: problem.into() }
    }
}
