//! The loop: keys, the node's events and answers, and time go in; frames and calls come out.
//!
//! This task does no I/O but reading keys, and no cryptography: frames are handed to a thread that writes them, calls of
//! the node wait in a task of their own, files are read and written in blocking tasks. It draws only when something changed, at most so many
//! times a second, and sleeps without a timer while nothing on the screen counts down.

use std::{
    io::Write as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use crossterm::event::Event as Happened;
use futures_util::FutureExt as _;
use thiserror::Error;
use tokio::sync::mpsc;

use super::{
    dispatch::{Dispatcher, dispatcher},
    files::{self, UiFolder},
    model::Model,
    term::{self, Capabilities, Input, Output, Overrides, Screen, Signal, Signals, TerminalGuard, TerminalOptions},
    update::{self, Effect, Effects, Msg},
    view,
};
use crate::{
    delivery::TransportId,
    node::{EventStream, NodeHandle},
    wire::{Conversation, SafeText, Timestamp},
};

/// Frames a second over a network, unless the user says otherwise.
const REMOTE_FPS: u16 = 30;
/// Frames a second otherwise; also the most that is ever drawn.
const LOCAL_FPS: u16 = 60;
/// Events taken in at once before a frame is drawn.
const BATCH: usize = 512;
/// How long the terminal may take to take the last frame before an editor gets it.
const SETTLE: Duration = Duration::from_secs(1);
/// Most bytes that wait for the terminal when something is added that is no frame.
const WAITING_MOST: usize = 256 * 1024;
/// Time that calls which are still under way get when the program is left.
const LEAVE: Duration = Duration::from_secs(3);

/// Why the screen could not run.
#[derive(Debug, Error)]
pub enum RunError {
    /// The terminal cannot be taken over, drawn on or read.
    #[error("the terminal cannot be used: {0}")]
    Terminal(#[from] std::io::Error),
}

/// What the demonstration can do to its transports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DemoAction {
    /// Knock a transport out, really; the first one in use when none.
    Knock(Option<TransportId>),
    /// Bring a transport back; all when none.
    Revive(Option<TransportId>),
}

/// The demonstration's end of its keys.
pub type DemoKeys = mpsc::Sender<DemoAction>;

/// How the screen is run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where the demonstration's keys go; none outside of it.
    pub demo: Option<DemoKeys>,
    /// The peer whose conversation is open at the start, ready to write, when none is remembered.
    pub open: Option<String>,
    /// Whether the node belongs to another program and goes on when this screen ends.
    pub attached: bool,
    /// The theme's name; by the terminal's background when none.
    pub theme: Option<String>,
    /// The keymap's name; `default` when none.
    pub keymap: Option<String>,
    /// Most frames a second, 1 to 60; by the connection when none.
    pub fps: Option<u16>,
    /// Draw only ASCII.
    pub ascii: bool,
    /// Nothing flashes.
    pub reduced_motion: bool,
    /// Leave the mouse to the terminal (its own selection works then).
    pub no_mouse: bool,
    /// The user's folder with `themes/`, `keymaps/` and `layout.toml`; nothing is read or remembered when none.
    pub home_ui_dir: Option<PathBuf>,
}

/// Runs the screen on this process's terminal until the user leaves, the terminal goes away or SIGTERM comes. The
/// terminal is given back in every case. The node goes on.
///
/// # Errors
/// [`RunError::Terminal`] when there is no terminal or it cannot be read or written.
pub async fn run(handle: NodeHandle, options: Options) -> Result<(), RunError> {
    let capabilities = Capabilities::detect(Overrides { ascii: options.ascii });
    let folder = UiFolder::new(options.home_ui_dir.clone(), capabilities.colors);
    let (model, notes) = folder.first_model(&options, &capabilities).await;
    let mut signals = Signals::listen()?;
    let terminal = TerminalOptions { mouse: !options.no_mouse, synchronized: capabilities.synchronized };
    let guard = TerminalGuard::enter(terminal)?;
    let screen = guard.screen()?;
    let output = guard.output();
    let fallback = if capabilities.remote { REMOTE_FPS } else { LOCAL_FPS };
    let fps = options.fps.unwrap_or(fallback).clamp(1, LOCAL_FPS);
    let (outcomes, inbox) = mpsc::channel(1_024);
    let mut app = App {
        model,
        screen,
        output,
        guard,
        keys: Some(Input::open()?),
        events: Some(handle.subscribe()),
        calls: dispatcher(handle, outcomes.clone()),
        outcomes,
        inbox,
        folder,
        demo: options.demo,
        started: Instant::now(),
        frame: Duration::from_secs(1) / u32::from(fps),
        drawn: None,
        repaint: false,
        leaving: false,
        hung_up: false,
    };
    for note in notes {
        app.model.notice(crate::node::NoticeLevel::Warning, note.as_str());
    }
    let result = app.run(&mut signals).await;
    app.leave().await;
    result
}

/// The running screen.
struct App {
    model: Model,
    screen: Screen,
    output: Output,
    guard: TerminalGuard,
    /// None while an editor has the terminal.
    keys: Option<Input>,
    /// None once the node is gone.
    events: Option<EventStream>,
    calls: Dispatcher,
    outcomes: mpsc::Sender<Outcome>,
    inbox: mpsc::Receiver<Outcome>,
    folder: UiFolder,
    demo: Option<DemoKeys>,
    started: Instant,
    frame: Duration,
    drawn: Option<Instant>,
    /// Nothing that is believed to be on the terminal is certain: the next frame draws all of it.
    repaint: bool,
    leaving: bool,
    hung_up: bool,
}

/// What comes back from tasks.
pub(super) enum Outcome {
    /// Something for the model.
    Msg(Msg),
    /// The editor is done; the terminal is ours again.
    Edited(Conversation, Result<String, SafeText>),
}

/// What woke the loop.
enum Woken {
    Key(Option<Happened>),
    Node(Option<crate::node::Event>),
    Outcome(Option<Outcome>),
    Signal(Signal),
    Time,
    Draw,
}

impl App {
    async fn run(&mut self, signals: &mut Signals) -> Result<(), RunError> {
        self.take_time();
        let effects = update::start(&mut self.model);
        self.carry_out(effects);
        while !self.leaving {
            if let Err(error) = self.draw_if_due() {
                tracing::info!("the terminal cannot be drawn on: {error}");
                self.hang_up();
            }
            let woken = self.wait(signals).await;
            self.take_time();
            self.wake(woken)?;
        }
        Ok(())
    }

    fn clock(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn take_time(&mut self) {
        let now = Timestamp::from_unix_ms(jiff::Timestamp::now().as_millisecond());
        self.model.set_time(self.clock(), now);
    }

    /// Waits for whatever comes first. Every branch may be cancelled without losing anything.
    async fn wait(&mut self, signals: &mut Signals) -> Woken {
        let draws = self.draws();
        let idle = self.output.is_idle();
        let draw_at = (draws && idle).then(|| self.next_frame());
        let tick_at = update::next_wakeup(&self.model).map(|at| self.started + Duration::from_millis(at));
        // Whatever the model says, the loop never spins.
        let tick_at = tick_at.map(|at| at.max(Instant::now() + Duration::from_millis(4)));
        let sleep = |at: Option<Instant>| async move {
            match at {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            key = async { match &mut self.keys { Some(keys) => keys.next().await, None => std::future::pending().await } } => Woken::Key(key),
            () = sleep(draw_at) => Woken::Draw,
            () = self.output.idle(), if draws && !idle => Woken::Draw,
            outcome = self.inbox.recv() => Woken::Outcome(outcome),
            signal = signals.next() => Woken::Signal(signal),
            event = async { match &mut self.events { Some(events) => events.next().await, None => std::future::pending().await } } => Woken::Node(event),
            () = sleep(tick_at) => Woken::Time,
        }
    }

    fn wake(&mut self, woken: Woken) -> Result<(), RunError> {
        match woken {
            Woken::Key(Some(input)) => self.input(input),
            // The terminal is gone.
            Woken::Key(None) => self.hang_up(),
            Woken::Node(event) => self.events_came(event),
            Woken::Outcome(Some(outcome)) => self.outcomes_came(outcome)?,
            // Both ends of that channel are ours.
            Woken::Outcome(None) | Woken::Draw => {}
            Woken::Signal(signal) => self.signal(signal)?,
            Woken::Time => self.take(Msg::Tick),
        }
        Ok(())
    }

    fn take(&mut self, msg: Msg) {
        let effects = update::update(&mut self.model, msg);
        self.carry_out(effects);
    }

    /// One input a turn: frames are paced, so that what is typed faster than they come shares one.
    fn input(&mut self, input: Happened) {
        let msg = match input {
            Happened::Key(key) => Msg::Key(key),
            Happened::Mouse(mouse) => Msg::Mouse(mouse),
            Happened::Paste(text) => Msg::Paste(text),
            Happened::Resize(width, height) => Msg::Resize(width, height),
            Happened::FocusGained => Msg::Attended(true),
            Happened::FocusLost => Msg::Attended(false),
        };
        self.take(msg);
    }

    /// An event of the node, and what followed: one frame for all.
    fn events_came(&mut self, first: Option<crate::node::Event>) {
        let mut next = Some(first);
        let mut taken = 0;
        while let Some(event) = next {
            let Some(event) = event else {
                self.events = None;
                return self.take(Msg::NodeGone);
            };
            self.take(Msg::Event(Box::new(event)));
            taken += 1;
            next = match &mut self.events {
                Some(events) if taken < BATCH => events.next().now_or_never(),
                _ => None,
            };
        }
    }

    fn outcomes_came(&mut self, first: Outcome) -> Result<(), RunError> {
        let mut next = Some(first);
        while let Some(outcome) = next {
            match outcome {
                Outcome::Msg(msg) => self.take(msg),
                Outcome::Edited(conversation, text) => {
                    self.take_back()?;
                    self.take(Msg::Edited(conversation, text));
                }
            }
            next = self.inbox.try_recv().ok();
        }
        Ok(())
    }

    fn signal(&mut self, signal: Signal) -> Result<(), RunError> {
        match signal {
            Signal::Terminate | Signal::Interrupt => {
                let effects = update::leave(&mut self.model);
                self.carry_out(effects);
            }
            Signal::Hangup => self.hang_up(),
            // An editor that was in the foreground goes on by itself.
            Signal::Continue if self.keys.is_some() => self.take_back()?,
            Signal::Suspend if self.keys.is_some() => {
                if let Err(error) = self.suspend() {
                    self.model.notice(crate::node::NoticeLevel::Error, error.to_string());
                }
            }
            Signal::Resize if self.keys.is_some() && !self.hung_up => {
                // It may have had other sizes meanwhile, and cut off what is believed to be on it.
                self.repaint = true;
                let size = self.screen.size()?;
                self.take(Msg::Resize(size.width, size.height));
            }
            Signal::Continue | Signal::Suspend | Signal::Resize => {}
        }
        Ok(())
    }

    /// The terminal is gone: drafts are saved, nothing is drawn any more.
    fn hang_up(&mut self) {
        self.hung_up = true;
        let effects = update::leave(&mut self.model);
        self.carry_out(effects);
    }

    fn suspend(&mut self) -> std::io::Result<()> {
        self.guard.suspend()?;
        self.repaint = true;
        self.model.dirty = true;
        Ok(())
    }

    /// Takes the terminal again after somebody else had it.
    fn take_back(&mut self) -> Result<(), RunError> {
        self.guard.resume()?;
        if self.keys.is_none() {
            self.keys = Some(Input::open()?);
        }
        self.repaint = true;
        self.model.dirty = true;
        Ok(())
    }

    /// Whether a frame is wanted and there is a terminal to draw it on.
    fn draws(&self) -> bool {
        self.model.dirty && self.keys.is_some() && !self.hung_up
    }

    fn next_frame(&self) -> Instant {
        self.drawn.map_or_else(Instant::now, |drawn| drawn + self.frame)
    }

    fn draw_if_due(&mut self) -> std::io::Result<()> {
        // What the terminal has not taken yet is not added to: on a slow line frames are left out.
        if !self.draws() || !self.output.is_idle() || self.next_frame() > Instant::now() {
            return Ok(());
        }
        if std::mem::take(&mut self.repaint) {
            self.screen.clear()?;
        }
        let size = self.screen.size()?;
        self.model.size = (size.width, size.height);
        let effects = view::prepare(&mut self.model);
        let model = &self.model;
        self.screen.draw(|frame| view::draw(model, frame))?;
        self.drawn = Some(Instant::now());
        self.model.dirty = false;
        self.carry_out(effects);
        Ok(())
    }

    fn carry_out(&mut self, effects: Effects) {
        for effect in effects {
            if let Err(trouble) = self.carry_out_one(effect) {
                self.model.notice(crate::node::NoticeLevel::Error, trouble);
            }
        }
    }

    fn carry_out_one(&mut self, effect: Effect) -> Result<(), String> {
        match effect {
            Effect::Call(tag, command) => self.calls.call(tag, command),
            Effect::Copy(text) => {
                let most = term::COPY_BYTES;
                let bytes =
                    term::copy(&text).ok_or_else(|| format!("Too long for the clipboard: at most {most} bytes"))?;
                self.write(&bytes)?;
            }
            // A terminal that takes nothing is looked at by nobody; the notice is in the log.
            Effect::Notify { title, body } => drop(self.write(&term::notify(&title, &body))),
            Effect::Edit(conversation, text) => self.edit(conversation, text)?,
            Effect::ReadCertificate(path) => {
                self.spawn(async move { Outcome::Msg(Msg::CertificateRead(files::read_certificate(path).await)) });
            }
            Effect::OfferFile(mut request) => {
                request.path = files::whole_path(&request.path)?;
                let name = request.path.rsplit('/').next().unwrap_or_default().to_owned();
                self.calls.call(update::Tag::File(name), crate::node::Command::FileSend(request));
            }
            Effect::ListFolder(folder) => {
                self.spawn(async move {
                    let entries = files::list_folder(folder.clone()).await;
                    Outcome::Msg(Msg::FolderListed(folder, entries))
                });
            }
            Effect::LoadTheme(name) => {
                let folder = self.folder.clone();
                self.spawn(async move { Outcome::Msg(folder.theme_msg(name).await) });
            }
            Effect::LoadKeymap(name) => {
                let folder = self.folder.clone();
                self.spawn(async move { Outcome::Msg(folder.keymap_msg(name).await) });
            }
            Effect::SaveLayout(layout) => self.folder.save_layout(layout),
            Effect::Knock(transport) => self.demo(DemoAction::Knock(transport))?,
            Effect::Revive(transport) => self.demo(DemoAction::Revive(transport))?,
            Effect::Redraw => self.repaint = true,
            Effect::Suspend => self.suspend().map_err(|error| error.to_string())?,
            Effect::Quit => self.leaving = true,
        }
        Ok(())
    }

    fn spawn(&self, task: impl Future<Output = Outcome> + Send + 'static) {
        let outcomes = self.outcomes.clone();
        let task = async move {
            // The screen may have been left meanwhile.
            let _ = outcomes.send(task.await).await;
        };
        // Boxed, tokio's part of a task is compiled once and not for each caller.
        tokio::spawn(task.boxed());
    }

    /// Writes a sequence that draws nothing.
    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.output.waiting() > WAITING_MOST {
            return Err("The terminal takes nothing at the moment".to_owned());
        }
        self.output.write_all(bytes).map_err(|error| error.to_string())
    }

    fn demo(&self, action: DemoAction) -> Result<(), String> {
        let demo = self.demo.as_ref().ok_or("Only the demonstration can do that")?;
        demo.try_send(action).map_err(|_| "The demonstration is busy; press the key again".to_owned())
    }

    /// Gives the terminal to an editor. The node's events go on being taken; nothing is drawn.
    fn edit(&mut self, conversation: Conversation, text: String) -> Result<(), String> {
        if self.keys.take().is_none() {
            return Err("An editor is open already".to_owned());
        }
        if let Err(error) = self.output.settle(SETTLE).and_then(|()| self.guard.leave()) {
            self.keys = Some(Input::open().map_err(|error| error.to_string())?);
            return Err(error.to_string());
        }
        let folder = self.folder.clone();
        self.spawn(async move { Outcome::Edited(conversation, folder.edit(text).await) });
        Ok(())
    }

    /// Waits, within a bound, until the node has the drafts and the layout is on the disk.
    async fn leave(&mut self) {
        self.inbox.close();
        let rest = async {
            self.calls.finish().await;
            self.folder.finish().await;
        };
        if tokio::time::timeout(LEAVE, rest).await.is_err() {
            tracing::warn!("the node did not answer in time; the last draft may be lost");
        }
        if let Err(error) = self.guard.leave() {
            tracing::debug!(%error, "the terminal could not be given back");
        }
    }
}
