//! The small screens before the main one, on the real terminal.

use crossterm::event::{Event as Happened, KeyEvent};
use ratatui::Frame;
use tokio::sync::mpsc;

use super::{LaunchError, unlock};
use crate::{
    home::Home,
    node::{NewIdentity, SetupError, create_identity},
    pgp::{self, Passphrase, PgpError, SecretKey, fingerprint_words},
    transport::registry::TransportConfig,
    tui::{
        app::Options,
        term::{Capabilities, Input, Overrides, Screen, Signal, Signals, TerminalGuard, TerminalOptions},
        theme::Theme,
        wizard::{
            Card, FirstTransport, Unlock, UnlockEffect, UnlockInput, Wizard, WizardEffect, WizardInput, WizardResult,
        },
    },
    wire::SafeText,
};

/// A terminal that is given back when this is dropped.
struct Stage {
    guard: TerminalGuard,
    screen: Screen,
    keys: Input,
    signals: Signals,
    theme: Theme,
    ascii: bool,
}

/// What happened on the stage.
enum Happening<T> {
    Key(KeyEvent),
    Paste(String),
    /// Draw again.
    Resize,
    /// Work that was sent away is done.
    Done(T),
    /// The user or the system wants the program to end.
    Leave,
}

impl Stage {
    fn enter(options: &Options) -> Result<Self, LaunchError> {
        let failed = || LaunchError::io("the terminal");
        let capabilities = Capabilities::detect(Overrides { ascii: options.ascii });
        let theme = options.theme.as_deref().and_then(Theme::preset).or_else(|| Theme::preset(capabilities.theme()));
        let signals = Signals::listen().map_err(failed())?;
        let terminal = TerminalOptions { mouse: false, synchronized: capabilities.synchronized };
        let guard = TerminalGuard::enter(terminal).map_err(failed())?;
        let screen = guard.screen().map_err(failed())?;
        let theme = theme.unwrap_or_default().adapted(capabilities.colors);
        let keys = Input::open().map_err(failed())?;
        Ok(Self { guard, screen, keys, signals, theme, ascii: !capabilities.unicode })
    }

    fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>, &Theme, bool)) -> Result<(), LaunchError> {
        let (theme, ascii) = (&self.theme, self.ascii);
        self.screen.draw(|frame| draw(frame, theme, ascii)).map_err(LaunchError::io("the terminal"))?;
        Ok(())
    }

    async fn next<T>(&mut self, done: &mut mpsc::Receiver<T>) -> Result<Happening<T>, LaunchError> {
        loop {
            tokio::select! {
                input = self.keys.next() => match input {
                    Some(Happened::Key(key)) => return Ok(Happening::Key(key)),
                    Some(Happened::Paste(text)) => return Ok(Happening::Paste(text)),
                    Some(_) => {}
                    None => return Ok(Happening::Leave),
                },
                Some(result) = done.recv() => return Ok(Happening::Done(result)),
                signal = self.signals.next() => match signal {
                    Signal::Terminate | Signal::Interrupt | Signal::Hangup => return Ok(Happening::Leave),
                    Signal::Resize => {
                        // It may have had other sizes meanwhile, and cut off what is believed to be on it.
                        self.screen.clear().map_err(LaunchError::io("the terminal"))?;
                        return Ok(Happening::Resize);
                    }
                    Signal::Continue => {
                        // Whoever had the terminal meanwhile left it in another state.
                        self.guard.resume().map_err(LaunchError::io("the terminal"))?;
                        self.screen.clear().map_err(LaunchError::io("the terminal"))?;
                        return Ok(Happening::Resize);
                    }
                    // Nothing is lost by not stopping, and it is over in a moment.
                    Signal::Suspend => {}
                },
            }
        }
    }
}

/// Asks who the user wants to be and makes the identity. None if the user left.
pub(super) async fn first_run(home: &Home, options: &Options) -> Result<Option<SecretKey>, LaunchError> {
    let mut stage = Stage::enter(options)?;
    let folder = home.root().join("shared").display().to_string();
    let mut wizard = Wizard::new(&std::env::var("USER").unwrap_or_default(), &folder);
    let (made, mut done) = mpsc::channel(1);
    let mut secret = None;
    loop {
        stage.draw(|frame, theme, ascii| wizard.view(frame, theme, ascii))?;
        let input = match stage.next(&mut done).await? {
            Happening::Key(key) => WizardInput::Key(key),
            Happening::Paste(text) => WizardInput::Paste(text),
            Happening::Resize => continue,
            Happening::Leave => return Ok(None),
            Happening::Done(Ok((key, card))) => {
                secret = Some(key);
                WizardInput::Created(card)
            }
            Happening::Done(Err(error)) => WizardInput::Failed(SafeText::line(&format!("{error}"))),
        };
        match wizard.update(input) {
            Some(WizardEffect::Create(wanted)) => {
                let (home, made) = (home.clone(), made.clone());
                tokio::task::spawn_blocking(move || {
                    // The user may have left meanwhile; what is made is found at the next start.
                    let _ = made.blocking_send(create(&home, *wanted));
                });
            }
            Some(WizardEffect::Finish) => return Ok(secret),
            Some(WizardEffect::Quit) => return Ok(None),
            None => {}
        }
    }
}

fn create(home: &Home, wanted: WizardResult) -> Result<(SecretKey, Card), SetupError> {
    let fqid = wanted.fqid.as_ref().and_then(|id| id.parse().ok());
    let identity = NewIdentity { name: wanted.name.clone(), email: wanted.email, fqid };
    let passphrase = wanted.passphrase.map(|p| Passphrase::new(p.as_str().as_bytes().to_vec()));
    let transports = first_transports(wanted.transport)?;
    let secret = create_identity(home, &identity, passphrase.as_ref(), &transports)?;
    let fingerprint = secret.fingerprint();
    let card = Card {
        name: SafeText::line(&wanted.name),
        fqid: identity.fqid.as_ref().map(|id| SafeText::line(id.as_str())),
        fingerprint,
        words: SafeText::line(&fingerprint_words(&fingerprint).join(" ")),
        qr: format!("OPENPGP4FPR:{fingerprint}"),
    };
    Ok((secret, card))
}

/// All three transports are there from the start, so that peers can be given routes over each; the asked one listens.
fn first_transports(first: FirstTransport) -> Result<Vec<(crate::delivery::TransportId, TransportConfig)>, SetupError> {
    let mut file = TransportConfig::new("file");
    let mut tcp = TransportConfig::new("tcp");
    let mut relay = TransportConfig::new("websocket");
    match first {
        FirstTransport::Folder(path) => {
            let path = expand(&path);
            // The shared folder may be the user's own and new; a mount that is missing is not for us to make.
            std::fs::create_dir_all(&path)
                .map_err(|source| SetupError::Io { path: path.display().to_string(), source })?;
            file = file.with("folders", vec![path.display().to_string()]);
        }
        FirstTransport::Tcp(address) => tcp = tcp.with("listen", address),
        FirstTransport::Relay(url) => relay = relay.with("relays", vec![url]),
        FirstTransport::None => {}
    }
    let named = [("file", file), ("tcp", tcp), ("relay", relay)];
    Ok(named.into_iter().filter_map(|(name, config)| Some((name.parse().ok()?, config))).collect())
}

fn expand(path: &str) -> std::path::PathBuf {
    match (path.strip_prefix("~/"), directories::BaseDirs::new()) {
        (Some(rest), Some(dirs)) => dirs.home_dir().join(rest),
        _ => path.into(),
    }
}

/// Asks for the passphrase of a locked identity. None if the user gave up.
pub(super) async fn ask_passphrase(home: &Home, options: &Options) -> Result<Option<SecretKey>, LaunchError> {
    let mut stage = Stage::enter(options)?;
    let name = home.config()?.identity.name;
    let mut prompt = Unlock::new(SafeText::line(&name));
    let (tried, mut done) = mpsc::channel(1);
    loop {
        stage.draw(|frame, theme, ascii| prompt.view(frame, theme, ascii))?;
        let input = match stage.next(&mut done).await? {
            Happening::Key(key) => UnlockInput::Key(key),
            Happening::Paste(text) => UnlockInput::Paste(text),
            Happening::Resize => continue,
            Happening::Leave => return Ok(None),
            Happening::Done(Ok(secret)) => return Ok(Some(secret)),
            Happening::Done(Err(LaunchError::Setup(SetupError::Key(PgpError::WrongPassphrase)))) => UnlockInput::Wrong,
            Happening::Done(Err(error)) => return Err(error),
        };
        match prompt.update(input) {
            Some(UnlockEffect::Try(passphrase)) => {
                let passphrase = pgp::Passphrase::new(passphrase.as_str().as_bytes().to_vec());
                let (home, tried) = (home.clone(), tried.clone());
                tokio::spawn(async move {
                    // The user may have given up meanwhile.
                    let _ = tried.send(unlock(home, Some(passphrase)).await).await;
                });
            }
            Some(UnlockEffect::GiveUp) => return Ok(None),
            None => {}
        }
    }
}
