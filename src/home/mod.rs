//! The user's folder: where everything is kept, and how files are read and written there.
//!
//! ```text
//! $SKCOMM_HOME (default ~/.skcomm)
//!   config.yml                    identity, defaults, screen
//!   identity/{private.asc,public.asc,fingerprint,revocation.asc}
//!   peers/NAME.yml  peers/NAME.pub.asc
//!   transports/NAME.yml
//!   downloads/PEER/               files that peers sent
//!   store/  run/  logs/
//! ```
//!
//! Folders are 0700 and files 0600. Every file is replaced as a whole: written beside, synced, renamed.

mod config;
mod error;
mod files;
mod lock;
mod peers;

use std::path::{Path, PathBuf};

pub use config::{Config, Defaults, FilesConfig, IdentityConfig, Limits, UiConfig};
pub use error::HomeError;
pub use files::{create_private_dir, write_private};
pub use lock::HomeLock;
pub use peers::StoredPeer;

use crate::{delivery::TransportId, transport::registry::TransportConfig};

/// A transport's name and configuration, or what is wrong with its file.
pub type ReadTransport = Result<(TransportId, TransportConfig), HomeError>;

/// One user's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// The folder at `root`, which need not exist yet.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder the user means: `explicit`, else `$SKCOMM_HOME`, else `.skcomm` in the user's home.
    ///
    /// # Errors
    /// When the user has no home folder and named none.
    pub fn locate(explicit: Option<PathBuf>) -> Result<Self, HomeError> {
        let from_env = || std::env::var_os("SKCOMM_HOME").filter(|v| !v.is_empty()).map(PathBuf::from);
        let usual = || directories::BaseDirs::new().map(|dirs| dirs.home_dir().join(".skcomm"));
        explicit.or_else(from_env).or_else(usual).map(Self::at).ok_or(HomeError::NoHome)
    }

    /// The user's own themes or keymaps folder, as the desktop's conventions have it
    /// (`$XDG_CONFIG_HOME/skcomm-tui` on Linux).
    pub fn ui_dir() -> Option<PathBuf> {
        directories::ProjectDirs::from("", "", "skcomm-tui").map(|dirs| dirs.config_dir().to_owned())
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether an identity was made here.
    pub fn has_identity(&self) -> bool {
        self.private_key_path().exists()
    }

    /// The armored private key.
    pub fn private_key_path(&self) -> PathBuf {
        self.root.join("identity/private.asc")
    }

    /// The armored certificate.
    pub fn public_key_path(&self) -> PathBuf {
        self.root.join("identity/public.asc")
    }

    /// The control socket.
    pub fn socket_path(&self) -> PathBuf {
        self.root.join("run/control.sock")
    }

    /// The store's folder.
    pub fn store_dir(&self) -> PathBuf {
        self.root.join("store")
    }

    /// Where files that peers send are put, unless the configuration says otherwise. Made when the first one is taken.
    pub fn downloads_dir(&self) -> PathBuf {
        self.root.join("downloads")
    }

    /// The sealed key of the store.
    pub fn store_key_path(&self) -> PathBuf {
        self.root.join("identity/store-key.asc")
    }

    /// The log folder.
    pub fn logs_dir(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// A transport's own folder.
    pub fn transport_data_dir(&self, id: &TransportId) -> PathBuf {
        self.root.join("run").join(id.as_str())
    }

    /// Makes the folder and its parts with the right permissions; repairs the permissions of what is there.
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub fn create(&self) -> Result<(), HomeError> {
        for part in ["", "identity", "peers", "transports", "store", "run", "logs"] {
            create_private_dir(&self.root.join(part))?;
        }
        Ok(())
    }

    /// Reads config.yml; the defaults if there is none.
    ///
    /// # Errors
    /// Names file, line and remedy when it is not valid.
    pub fn config(&self) -> Result<Config, HomeError> {
        files::read_yaml(&self.root.join("config.yml")).map(Option::unwrap_or_default)
    }

    /// Replaces config.yml.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save_config(&self, config: &Config) -> Result<(), HomeError> {
        files::write_yaml(&self.root.join("config.yml"), config)
    }

    /// Reads transports/*.yml, by name. A broken file does not hide the others.
    ///
    /// # Errors
    /// Only when the folder cannot be read.
    pub fn transports(&self) -> Result<Vec<ReadTransport>, HomeError> {
        let dir = self.root.join("transports");
        let read = |path: &Path| {
            let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
            let id = stem.parse().map_err(|e| HomeError::invalid(path, None, format!("{e}; rename the file")))?;
            Ok((id, read_transport(path)?))
        };
        Ok(files::list(&dir, "yml")?.iter().map(|path| read(path)).collect())
    }

    /// Reads transports/NAME.yml.
    ///
    /// # Errors
    /// Names file, line and remedy when it is not there or not valid.
    pub fn transport(&self, id: &TransportId) -> Result<TransportConfig, HomeError> {
        read_transport(&self.root.join("transports").join(format!("{id}.yml")))
    }

    /// Replaces transports/NAME.yml.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save_transport(&self, id: &TransportId, config: &TransportConfig) -> Result<(), HomeError> {
        files::write_yaml(&self.root.join("transports").join(format!("{id}.yml")), config)
    }
}

fn read_transport(path: &Path) -> Result<TransportConfig, HomeError> {
    files::read_yaml(path)?.ok_or_else(|| HomeError::invalid(path, None, "it is empty or missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_cannot_be_kept_is_told_with_file_line_and_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        home.create().unwrap();
        for (text, line, remedy) in [
            ("windows: [\"22:00\"]\n", 2, "mon-fri 12:00-13:30"),
            ("priority: 5\nwindows:\n  - sat\n  - 25:00-26:00\n", 5, "is no time of day"),
            ("time_zone: Mars/Olympus\n", 2, "Europe/Berlin"),
            ("max_bytes: 10\n", 2, "write at least 4096"),
            ("cost: cheap\n", 2, "metered"),
            ("bulk:\n  windows: [sat]\n", 3, "neither larger_than nor urgency"),
            ("bulk:\n  urgency: low\n  windws: [sat]\n", 4, "windows"),
        ] {
            std::fs::write(dir.path().join("transports/tcp.yml"), format!("type: tcp\n{text}")).unwrap();
            let error = home.transport(&"tcp".parse().unwrap()).unwrap_err().to_string();
            assert!(error.contains(&format!("tcp.yml:{line}")) && error.contains(remedy), "{text}: {error}");
        }
    }
}
