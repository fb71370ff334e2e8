//! The user's files: themes, keymaps, the remembered layout, a text in an editor. All in blocking tasks, all bounded.

use std::{
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    app::Options,
    keymap::Keymap,
    model::{Layout, Model},
    patch::{FILE_BYTES, Problem},
    term::Capabilities,
    theme::{ColorDepth, Theme},
    update::Msg,
};
use crate::wire::{SafeText, limits};

/// The user's folder of the screen.
#[derive(Clone)]
pub(super) struct UiFolder {
    path: Option<PathBuf>,
    colors: ColorDepth,
    saving: Arc<Saving>,
}

/// The layout that waits to be written, and the task that writes: only ever the latest, one at a time.
#[derive(Default)]
struct Saving {
    wanted: Mutex<Option<Layout>>,
    turn: tokio::sync::Mutex<()>,
}

impl UiFolder {
    /// The folder, or none: then presets are all there is and nothing is remembered.
    pub(super) fn new(path: Option<PathBuf>, colors: ColorDepth) -> Self {
        Self { path, colors, saving: Arc::default() }
    }

    /// The model of the first frame, and what was wrong with the files for it.
    pub(super) async fn first_model(&self, options: &Options, terminal: &Capabilities) -> (Model, Vec<SafeText>) {
        let theme = options.theme.clone().unwrap_or_else(|| terminal.theme().to_owned());
        let keymap = options.keymap.clone().unwrap_or_else(|| "default".to_owned());
        let folder = self.clone();
        let read = move || {
            let (theme, mut notes) = folder.theme(&theme);
            let (keymap, more) = folder.keymap(&keymap);
            notes.extend(more);
            let layout = folder.layout(&mut notes);
            (theme, keymap, layout, notes, jiff::tz::TimeZone::system())
        };
        let failed = || (Theme::default(), Keymap::default(), None, Vec::new(), jiff::tz::TimeZone::UTC);
        let (theme, keymap, layout, notes, zone) = tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| failed());
        let mut model = Model::new(theme, keymap);
        model.zone = zone;
        model.ascii = options.ascii || !terminal.unicode;
        model.reduced_motion = options.reduced_motion;
        model.demo = options.demo.is_some();
        model.attached = options.attached;
        model.layout = layout.unwrap_or_default().sane();
        model.open_first = options.open.clone();
        (model, notes)
    }

    /// Loads a theme; what was wrong with it, if anything.
    fn theme(&self, name: &str) -> (Theme, Vec<SafeText>) {
        let (theme, notes) = match self.read("themes", name) {
            Ok(Some((file, text))) => {
                let (theme, problems) = Theme::from_user(name, &file, &text);
                (theme, told(&problems))
            }
            Ok(None) => match Theme::preset(name) {
                Some(theme) => (theme, Vec::new()),
                None => (Theme::default(), vec![SafeText::line(&format!("There is no theme {name:?}"))]),
            },
            Err(note) => (Theme::preset(name).unwrap_or_default(), vec![note]),
        };
        (theme.adapted(self.colors), notes)
    }

    /// Loads a keymap; what was wrong with it, if anything.
    fn keymap(&self, name: &str) -> (Keymap, Vec<SafeText>) {
        match self.read("keymaps", name) {
            Ok(Some((file, text))) => {
                let (keymap, problems) = Keymap::from_user(name, &file, &text);
                (keymap, told(&problems))
            }
            Ok(None) => match Keymap::preset(name) {
                Some(keymap) => (keymap, Vec::new()),
                None => (Keymap::default(), vec![SafeText::line(&format!("There is no keymap {name:?}"))]),
            },
            Err(note) => (Keymap::preset(name).unwrap_or_default(), vec![note]),
        }
    }

    /// Loads a theme for the running screen.
    pub(super) async fn theme_msg(&self, name: String) -> Msg {
        let folder = self.clone();
        match tokio::task::spawn_blocking(move || folder.theme(&name)).await {
            Ok((theme, notes)) => Msg::ThemeLoaded(Box::new(theme), notes),
            Err(error) => Msg::Trouble(SafeText::line(&error.to_string())),
        }
    }

    /// Loads a keymap for the running screen.
    pub(super) async fn keymap_msg(&self, name: String) -> Msg {
        let folder = self.clone();
        match tokio::task::spawn_blocking(move || folder.keymap(&name)).await {
            Ok((keymap, notes)) => Msg::KeymapLoaded(Box::new(keymap), notes),
            Err(error) => Msg::Trouble(SafeText::line(&error.to_string())),
        }
    }

    /// The text of a user's file, and what to call it in messages; none when there is no such file.
    fn read(&self, kind: &str, name: &str) -> Result<Option<(String, String)>, SafeText> {
        let fine = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        let Some(path) = self.path.as_ref().filter(|_| fine) else { return Ok(None) };
        let path = path.join(kind).join(format!("{name}.toml"));
        let shown = path.display().to_string();
        match read_bounded(&path, FILE_BYTES + 1) {
            Ok(text) => Ok(Some((shown, text))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(SafeText::line(&format!("{shown} cannot be read: {error}"))),
        }
    }

    fn layout(&self, notes: &mut Vec<SafeText>) -> Option<Layout> {
        let path = self.path.as_ref()?.join("layout.toml");
        let text = match read_bounded(&path, FILE_BYTES) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                notes.push(SafeText::line(&format!("The layout cannot be read: {error}")));
                return None;
            }
        };
        toml::from_str(&text)
            .map_err(|error| notes.push(SafeText::line(&format!("The remembered layout is not used: {error}"))))
            .ok()
    }

    /// Remembers a layout; of several in quick succession only the last one is written.
    pub(super) fn save_layout(&self, layout: Layout) {
        if self.path.is_none() {
            return;
        }
        *self.saving.wanted.lock().unwrap_or_else(PoisonError::into_inner) = Some(layout);
        let folder = self.clone();
        tokio::spawn(async move { folder.finish().await });
    }

    /// Waits until the remembered layout is on the disk.
    pub(super) async fn finish(&self) {
        let _turn = self.saving.turn.lock().await;
        let wanted = self.saving.wanted.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (Some(layout), Some(path)) = (wanted, self.path.clone()) else { return };
        let written = tokio::task::spawn_blocking(move || write_layout(&path, &layout)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the layout could not be saved"),
            Err(error) => tracing::error!(%error, "the layout could not be saved"),
        }
    }

    /// Opens the user's editor with a text and waits for it. The file lies in memory where the system has such a
    /// place, is readable by the user alone, and is removed in every case.
    pub(super) async fn edit(&self, text: String) -> Result<String, SafeText> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_dir());
        let folder = runtime.or_else(|| self.path.clone()).unwrap_or_else(std::env::temp_dir);
        let name = u128::from_le_bytes(rand::random());
        let path = folder.join(format!("skcomm-{name:032x}.md"));
        let removed = Remove(path.clone());
        let result = edit_file(&path, text).await;
        drop(removed);
        result.map_err(|error| SafeText::line(&error.to_string()))
    }
}

/// Removes a file when it goes out of scope.
struct Remove(PathBuf);

impl Drop for Remove {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "the editor's file could not be removed");
        }
    }
}

async fn edit_file(path: &Path, text: String) -> std::io::Result<String> {
    let file = path.to_owned();
    blocking(move || write_private(&file, text.as_bytes())).await?;
    let editor = ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.trim().is_empty()));
    let editor = editor.unwrap_or_else(|| "vi".to_owned());
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let status = tokio::process::Command::new(program).args(words).arg(path).status().await?;
    if !status.success() {
        return Err(std::io::Error::other(format!("{program} ended with {status}")));
    }
    let file = path.to_owned();
    blocking(move || read_bounded(&file, 2 * limits::TEXT_BYTES)).await
}

async fn blocking<T: Send + 'static>(task: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> std::io::Result<T> {
    tokio::task::spawn_blocking(task).await.map_err(std::io::Error::other)?
}

fn told(problems: &[Problem]) -> Vec<SafeText> {
    problems.iter().map(|problem| SafeText::line(&problem.to_string())).collect()
}

/// Reads a text file of at most `most` bytes.
fn read_bounded(path: &Path, most: usize) -> std::io::Result<String> {
    let mut text = String::new();
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    std::fs::File::open(path)?.take(most.saturating_add(1)).read_to_string(&mut text)?;
    if text.len() as u64 > most {
        return Err(std::io::Error::other(format!("it is larger than {most} bytes")));
    }
    Ok(text)
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

/// Writes the whole new file beside the old one and puts it in its place.
fn write_layout(folder: &Path, layout: &Layout) -> std::io::Result<()> {
    let text = toml::to_string(layout).map_err(std::io::Error::other)?;
    std::fs::create_dir_all(folder)?;
    let new = folder.join(format!("layout.toml.{}", std::process::id()));
    if let Err(error) = std::fs::remove_file(&new)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error);
    }
    write_private(&new, text.as_bytes())?;
    std::fs::rename(&new, folder.join("layout.toml"))
}

/// Most entries of a folder that complete a path.
const LISTED_MOST: usize = 2_000;

/// A path as the user means it: `~/` is the home folder.
fn at_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), directories::BaseDirs::new()) {
        (Some(rest), Some(dirs)) => dirs.home_dir().join(rest),
        _ => PathBuf::from(path),
    }
}

/// The whole path of a file the user names; what is relative begins where the program was started.
pub(super) fn whole_path(path: &str) -> Result<String, String> {
    let whole = std::path::absolute(at_home(path)).map_err(|error| format!("{path}: {error}"))?;
    whole.into_os_string().into_string().map_err(|_| format!("{path}: the folder's name is not UTF-8"))
}

/// The names in a folder, folders with a slash at their end, sorted; none when it cannot be read. What is hidden is
/// left out, and what is not UTF-8, which cannot be typed.
pub(super) async fn list_folder(folder: String) -> Vec<String> {
    let path = if folder.is_empty() { PathBuf::from(".") } else { at_home(&folder) };
    let listing = tokio::task::spawn_blocking(move || {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten().take(LISTED_MOST);
        let named = entries.filter_map(|entry| {
            let name = entry.file_name().into_string().ok().filter(|name| !name.starts_with('.'))?;
            let is_folder = std::fs::metadata(entry.path()).is_ok_and(|meta| meta.is_dir());
            Some(if is_folder { name + "/" } else { name })
        });
        let mut names: Vec<String> = named.collect();
        names.sort();
        names
    });
    listing.await.unwrap_or_default()
}

/// Reads a certificate that the user named by its path; `~/` is the home folder.
pub(super) async fn read_certificate(path: String) -> Result<String, SafeText> {
    let full = at_home(&path);
    let read = blocking(move || read_bounded(&full, limits::CERTIFICATE_BYTES)).await;
    read.map_err(|error| SafeText::line(&format!("{path} cannot be read: {error}")))
}
