//! The program `skcomm-tui` around its screen: the demo or the user's own home, the first run, the passphrase, a node of
//! its own or one that runs already, and a clean end.

mod prelude;

use std::{io::Write as _, path::PathBuf, time::Duration};

use thiserror::Error;

use crate::{
    demo::{Demo, DemoError, DemoOptions, GREETER},
    home::{Home, HomeError},
    node::{Node, NodeHandle, SetupError, StartError, unlock_identity},
    pgp::{Passphrase, PgpError, SecretKey},
    tui::app::{self, Options, RunError},
};

/// What the user asked for.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// Show the demo instead of the user's own home.
    pub demo: Option<DemoOptions>,
    /// The home folder; the usual one when none.
    pub home: Option<PathBuf>,
    /// A file whose first line is the passphrase.
    pub passphrase_file: Option<PathBuf>,
    /// How the screen is run.
    pub screen: Options,
}

/// Why the program ended badly.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// The home folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The identity.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The node.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The screen.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The demo.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// A file or the terminal.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The system's word.
        source: std::io::Error,
    },
    /// A task died.
    #[error("{0} was interrupted")]
    Interrupted(&'static str),
}

impl LaunchError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// Runs the program until the user leaves it. For a process's first thread: installs the TLS provider and makes a
/// tokio runtime of its own.
///
/// # Errors
/// In words that say what to do; the terminal is restored by then.
// Here and not in the program's own file: a future is compiled where it is driven, and here it is once, with all else.
pub fn main(launch: Launch) -> Result<(), LaunchError> {
    // More than one provider may be linked; this one is meant. It fails only if one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(LaunchError::io("The program's threads cannot be started"))?;
    let ended = runtime.block_on(run(launch));
    // A thread that hangs on a dead network folder must not keep the program from ending.
    runtime.shutdown_timeout(Duration::from_secs(2));
    ended
}

async fn run(launch: Launch) -> Result<(), LaunchError> {
    match launch.demo {
        Some(options) => run_demo(options, launch.screen).await,
        None => run_home(launch).await,
    }
}

async fn run_demo(options: DemoOptions, screen: Options) -> Result<(), LaunchError> {
    // The only line before the screen: making keys for six nodes takes a moment.
    let _ = writeln!(std::io::stdout(), "Making a small world: six nodes, three transports, one process…");
    let demo = Demo::start(options).await?;
    let screen = Options { demo: Some(demo.actions()), open: Some(GREETER.to_owned()), home_ui_dir: None, ..screen };
    let shown = app::run(demo.handle(), screen).await;
    demo.stop().await?;
    Ok(shown?)
}

async fn run_home(launch: Launch) -> Result<(), LaunchError> {
    let home = Home::locate(launch.home)?;
    let config = home.config()?;
    let mut screen = launch.screen;
    screen.theme = screen.theme.or(Some(config.ui.theme).filter(|theme| theme != "auto"));
    screen.keymap = screen.keymap.or(Some(config.ui.keymap));
    // The default is no wish: over SSH the screen chooses less by itself.
    screen.fps = screen.fps.or(Some(config.ui.fps).filter(|fps| *fps != crate::home::UiConfig::default().fps));
    screen.ascii |= config.ui.ascii;
    screen.reduced_motion |= config.ui.reduced_motion;
    screen.home_ui_dir = Home::ui_dir();
    if let Ok(running) = NodeHandle::connect(&home.socket_path()).await {
        // Another program holds the home: this is one more face of its node.
        return Ok(app::run(running, Options { attached: true, ..screen }).await?);
    }
    let Some(secret) = identity(&home, launch.passphrase_file, &screen).await? else { return Ok(()) };
    let node = Node::start(home, secret)?;
    let shown = app::run(node.handle(), screen).await;
    node.stop().await?;
    Ok(shown?)
}

/// The unlocked key: by the wizard if there is none yet, by the passphrase if it is locked. None if the user left.
async fn identity(
    home: &Home,
    passphrase_file: Option<PathBuf>,
    screen: &Options,
) -> Result<Option<SecretKey>, LaunchError> {
    if !home.has_identity() {
        return prelude::first_run(home, screen).await;
    }
    let passphrase = passphrase_file.map(read_passphrase).transpose()?;
    let given = passphrase.is_some();
    match unlock(home.clone(), passphrase).await {
        Err(LaunchError::Setup(SetupError::Key(PgpError::PassphraseNeeded))) if !given => {
            prelude::ask_passphrase(home, screen).await
        }
        unlocked => unlocked.map(Some),
    }
}

/// Unlocks on another thread: it takes a noticeable moment.
async fn unlock(home: Home, passphrase: Option<Passphrase>) -> Result<SecretKey, LaunchError> {
    let unlocking = tokio::task::spawn_blocking(move || unlock_identity(&home, passphrase.as_ref()));
    Ok(unlocking.await.map_err(|_| LaunchError::Interrupted("unlocking the key"))??)
}

/// The first line of the file.
fn read_passphrase(path: PathBuf) -> Result<Passphrase, LaunchError> {
    let text = std::fs::read_to_string(&path).map_err(LaunchError::io(path.display().to_string()))?;
    let text = zeroize::Zeroizing::new(text);
    Ok(Passphrase::new(text.lines().next().unwrap_or_default().as_bytes().to_vec()))
}

impl From<crate::cli::TuiArgs> for Launch {
    fn from(args: crate::cli::TuiArgs) -> Self {
        let screen = Options {
            theme: args.theme,
            keymap: args.keymap,
            fps: args.fps,
            ascii: args.ascii,
            reduced_motion: args.reduced_motion,
            no_mouse: args.no_mouse,
            ..Options::default()
        };
        let pace = args.new_phone_after.map(|seconds| DemoOptions { new_phone_after: Duration::from_secs(seconds) });
        let demo = args.demo.then(|| pace.unwrap_or_default());
        Self { demo, home: args.home, passphrase_file: args.passphrase_file, screen }
    }
}
