//! The settings of a file transport, and the notation of its addresses.

use std::{
    path::{Component, Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use crate::{
    delivery::LatencyClass,
    transport::{ConfigError, Settings, TransportConfig, settings},
};

/// Every setting of the kind.
const KNOWN: &[&str] = &["folders", "keep", "poll_seconds", "shared", "latency"];
/// Most folders one transport watches.
const FOLDERS_MOST: usize = 64;
/// Longest path, in bytes.
const PATH_BYTES: usize = 3072;

/// What becomes of a file when its frame is durable here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Keep {
    /// It is removed.
    #[default]
    Delete,
    /// It is moved to `archive/` in the mailbox.
    Archive,
}

/// Checked settings.
#[derive(Clone, Debug)]
pub(super) struct FileSettings {
    /// Shared folders in which this node has a mailbox; absolute.
    pub(super) folders: Vec<PathBuf>,
    pub(super) keep: Keep,
    /// How often folders are looked at where nothing tells of new files.
    pub(super) poll: Duration,
    /// Whether files and mailboxes are open to the group.
    pub(super) shared: bool,
    pub(super) latency: LatencyClass,
    /// Shortest and longest wait before a file that the node did not answer for is brought again.
    pub(super) again: (Duration, Duration),
    /// Longest wait for one operation on a folder.
    pub(super) patience: Duration,
    /// Whether to ask the system to tell of new files at all; polling goes on beside it.
    pub(super) notify: bool,
}

impl FileSettings {
    /// Reads them from `config`.
    pub(super) fn read(config: &TransportConfig) -> Result<Self, ConfigError> {
        let settings = Settings::new(config, KNOWN)?;
        let written = settings.get::<Vec<String>>("folders")?.unwrap_or_default();
        let mut folders = Vec::new();
        for text in &written {
            let folder = folder("folders", text)?;
            if folders.contains(&folder) {
                return Err(settings::problem("folders", format!("{text:?} is named twice")));
            }
            folders.push(folder);
        }
        if folders.len() > FOLDERS_MOST {
            return Err(settings::problem("folders", format!("at most {FOLDERS_MOST}")));
        }
        Ok(Self {
            folders,
            keep: settings.get("keep")?.unwrap_or_default(),
            poll: Duration::from_secs(settings.number("poll_seconds", 5, 1, 86_400)?),
            shared: settings.get("shared")?.unwrap_or_default(),
            latency: settings.get("latency")?.unwrap_or(LatencyClass::Slow),
            again: (Duration::from_secs(1), Duration::from_secs(300)),
            patience: Duration::from_secs(20),
            notify: true,
        })
    }
}

/// Reads the path of a shared folder: absolute or beginning with `~/`, without `..`. `setting` names what it was
/// written for in the error.
pub(super) fn folder(setting: &str, text: &str) -> Result<PathBuf, ConfigError> {
    let wrong = |why: &str| {
        settings::problem(setting, format!("{why}; wants a path such as /srv/shared or ~/Nextcloud/skcomm"))
    };
    if text.len() > PATH_BYTES {
        return Err(wrong("the path is too long"));
    }
    if text.chars().any(char::is_control) {
        return Err(wrong("the path has control characters"));
    }
    let path = match text.strip_prefix("~/") {
        Some(rest) => {
            let dirs = directories::BaseDirs::new().ok_or_else(|| wrong("this user has no home folder"))?;
            dirs.home_dir().join(rest.trim_start_matches('/'))
        }
        None => PathBuf::from(text),
    };
    if !path.is_absolute() {
        return Err(wrong("the path is not absolute"));
    }
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(wrong("the path has \"..\" in it"));
    }
    if path == Path::new("/") {
        return Err(wrong("the root folder is nobody's shared folder"));
    }
    // Without doubled and trailing separators, so that one folder has one name.
    Ok(path.components().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_checked_when_they_are_configured() {
        let folder = |text: &str| folder("address", text);
        assert_eq!(folder("/srv/shared").unwrap(), Path::new("/srv/shared"));
        assert_eq!(folder("/srv//shared/./").unwrap().to_str(), Some("/srv/shared"));
        let home = directories::BaseDirs::new().unwrap().home_dir().to_owned();
        assert_eq!(folder("~/a/b").unwrap(), home.join("a/b"));
        assert_eq!(folder("~//etc").unwrap(), home.join("etc"), "does not leave the home folder");
        for text in ["", "a", "./a", "~", "~other/a", "/", "//", "/a/../b", "~/../b", "/a\0b", "/a\nb", "/a\u{1b}b"] {
            assert!(folder(text).is_err(), "{text:?} was accepted");
        }
        assert!(folder(&format!("/{}", "a".repeat(PATH_BYTES))).is_err());
    }
}
