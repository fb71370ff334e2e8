//! Reading and writing small private files.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use super::HomeError;

/// Largest file that is read from the user's folder, in bytes.
const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Makes `path` and its parents as folders that only the user may enter (0700), or makes an existing one so.
///
/// # Errors
/// When it cannot be made, or is no folder.
pub fn create_private_dir(path: &Path) -> Result<(), HomeError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(HomeError::io(path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(HomeError::io(path))
}

/// Replaces `path` by `bytes` as a whole, 0600: whoever reads it sees the old or the new, also after a crash.
///
/// # Errors
/// When it cannot be written; the old file is then untouched.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), HomeError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let beside = dir.join(format!(".{}.{}.tmp", file_name(path), std::process::id()));
    let written = write_synced(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    if let Err(source) = written {
        // The first error is the one to report; a left-over is harmless and overwritten next time.
        let _ = fs::remove_file(&beside);
        return Err(HomeError::io(path)(source));
    }
    fs::File::open(dir).and_then(|d| d.sync_all()).map_err(HomeError::io(dir))
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Reads `path`, at most 2 MiB; none if it does not exist.
pub(super) fn read_bounded(path: &Path) -> Result<Option<Vec<u8>>, HomeError> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(HomeError::io(path)(e)),
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(HomeError::io(path))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(HomeError::invalid(path, None, "it is larger than 2 MiB"));
    }
    Ok(Some(bytes))
}

/// Reads `path` as YAML; none if it does not exist or is empty.
pub(super) fn read_yaml<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, HomeError> {
    let Some(bytes) = read_bounded(path)? else { return Ok(None) };
    let text = String::from_utf8(bytes).map_err(|_| HomeError::invalid(path, None, "it is not UTF-8"))?;
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(None);
    }
    serde_saphyr::from_str(&text).map(Some).map_err(|e| {
        let line = e.location().map(|at| at.line());
        HomeError::invalid(path, line, e.without_snippet().to_string())
    })
}

/// Replaces `path` by `value` as YAML.
pub(super) fn write_yaml<T: Serialize>(path: &Path, value: &T) -> Result<(), HomeError> {
    let text = serde_saphyr::to_string(value).map_err(|e| HomeError::invalid(path, None, e.to_string()))?;
    write_private(path, text.as_bytes())
}

/// The regular files of `dir` with that extension and a name that does not begin with a dot, sorted; none if there
/// is no such folder.
pub(super) fn list(dir: &Path, extension: &str) -> Result<Vec<PathBuf>, HomeError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(HomeError::io(dir)(e)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(HomeError::io(dir))?.path();
        if path.extension().is_some_and(|e| e == extension) && !file_name(&path).starts_with('.') && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The last part of a path, to show it.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_private_and_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.yml");
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn folders_are_made_private_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        create_private_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        create_private_dir(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
