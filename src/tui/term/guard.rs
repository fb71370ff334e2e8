//! Taking the terminal over, and giving it back whatever happens.

use std::{
    io::{self, Write},
    panic::PanicHookInfo,
    sync::{
        Mutex, Once, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::ThreadId,
    time::Duration,
};

use crossterm::terminal::{disable_raw_mode, enable_raw_mode};

use tokio::signal::unix::{SignalKind, signal};

use super::{Output, Screen, SparingBackend};

/// What is asked of the terminal besides raw mode, the alternate screen, bracketed paste and focus reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalOptions {
    /// Report mouse clicks and the wheel.
    pub mouse: bool,
    /// Wrap larger frames in synchronized output.
    pub synchronized: bool,
}

const ENTER: &str = "\x1b[?1049h\x1b[?2004h\x1b[?1004h\x1b[?25l\x1b[2J\x1b[H";
const MOUSE: &str = "\x1b[?1000h\x1b[?1006h";
/// Ends everything that [`ENTER`], [`MOUSE`] and drawing may have begun, in any state.
const LEAVE: &str = "\x1b[?2026l\x1b[m\x1b[?1006l\x1b[?1000l\x1b[?1004l\x1b[?2004l\x1b[?25h\x1b[?1049l";

/// Whether the terminal is ours now, for the panic hook.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// The thread that took it, which is the one that draws.
static OWNER: Mutex<Option<ThreadId>> = Mutex::new(None);
/// Where it is drawn, while it is ours: behind the last frame it is given back.
static OUTPUT: Mutex<Option<Output>> = Mutex::new(None);
static HOOK: Once = Once::new();

/// How long the terminal may take to take the last frame and be given back. One that hangs for longer keeps what is on
/// it, rather than the program that wants to end.
const GIVE_BACK: Duration = Duration::from_secs(1);

/// Holds the terminal in raw mode on the alternate screen; dropping it, a panic anywhere, or
/// [`TerminalGuard::leave`] gives it back as it was.
///
/// A panic of another thread (a background task, which the runtime catches) leaves the screen alone: its
/// message goes to the log, because on the screen it would be torn and then painted over.
pub struct TerminalGuard {
    options: TerminalOptions,
    output: Output,
}

impl TerminalGuard {
    /// Takes the terminal. Call it on the thread that draws.
    ///
    /// # Errors
    /// When standard output is no terminal or cannot be written.
    pub fn enter(options: TerminalOptions) -> io::Result<Self> {
        HOOK.call_once(|| {
            let previous = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| on_panic(info, &previous)));
        });
        *OWNER.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::thread::current().id());
        let guard = Self { options, output: Output::standard()? };
        guard.take()?;
        Ok(guard)
    }

    fn take(&self) -> io::Result<()> {
        enable_raw_mode()?;
        let mut out = self.output.clone();
        *OUTPUT.lock().unwrap_or_else(PoisonError::into_inner) = Some(out.clone());
        TAKEN.store(true, Ordering::SeqCst);
        out.write_all(ENTER.as_bytes())?;
        if self.options.mouse {
            out.write_all(MOUSE.as_bytes())?;
        }
        out.flush()
    }

    /// The screen to draw on.
    ///
    /// # Errors
    /// When the terminal's size cannot be read.
    pub fn screen(&self) -> io::Result<Screen> {
        ratatui::Terminal::new(SparingBackend::new(self.output(), self.options.synchronized))
    }

    /// Where the screen is drawn.
    pub fn output(&self) -> Output {
        self.output.clone()
    }

    /// Gives the terminal back. Doing it twice is harmless.
    ///
    /// # Errors
    /// When the terminal cannot be written (it may be gone, or take nothing for longer than a moment).
    pub fn leave(&mut self) -> io::Result<()> {
        restore()
    }

    /// Takes the terminal again after [`TerminalGuard::leave`] (an editor, SIGCONT). The screen must be drawn
    /// anew: [`Screen::clear`] first.
    ///
    /// # Errors
    /// As [`TerminalGuard::enter`].
    pub fn resume(&mut self) -> io::Result<()> {
        self.take()
    }

    /// Gives the terminal back and stops the process group, as Control-Z does, until SIGCONT; then takes the
    /// terminal again. The screen must be drawn anew: [`Screen::clear`] first. (A [`super::Signal::Continue`]
    /// follows when signals are listened to.)
    ///
    /// # Errors
    /// `Unsupported`, with nothing changed, where no shell could bring the program back; `TimedOut`, with nothing
    /// changed, when the terminal takes nothing; else when it cannot be written or read.
    pub fn suspend(&mut self) -> io::Result<()> {
        // Only a shell with job control puts its jobs in groups of their own.
        if rustix::process::getsid(None)? == rustix::process::getpgrp() {
            let why = "there is no shell to come back from: open another terminal instead";
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        }
        self.output.settle(GIVE_BACK)?;
        let continued = listen_for_continue()?;
        restore()?;
        // SIGSTOP rather than SIGTSTP: our own handler would only report that one.
        rustix::process::kill_current_process_group(rustix::process::Signal::STOP)?;
        // Another thread may take the signal, and this one runs on for a moment: taking the terminal now would
        // leave it to the shell in raw mode. Time goes on while the process is stopped, so the limit only ends
        // a wait for a signal that was lost.
        let _ = continued.recv_timeout(STOP_LIMIT);
        self.take()
    }
}

/// Longest time that the signal to stop takes to be obeyed.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// Gets a word at the next SIGCONT. Returns when the handler is in place.
fn listen_for_continue() -> io::Result<mpsc::Receiver<io::Result<()>>> {
    let (report, reports) = mpsc::channel();
    std::thread::Builder::new().name("sigcont".to_owned()).spawn(move || {
        let listen = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
            runtime.block_on(async {
                let mut signals = signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?;
                // Nobody listens any more: then there is nothing to do either.
                let _ = report.send(Ok(()));
                signals.recv().await;
                Ok(())
            })
        };
        let _ = report.send(listen());
    })?;
    reports.recv().unwrap_or_else(|_| Err(io::Error::other("the wait for SIGCONT ended early")))?;
    Ok(reports)
}

fn on_panic(info: &PanicHookInfo<'_>, previous: &dyn Fn(&PanicHookInfo<'_>)) {
    let owner = *OWNER.lock().unwrap_or_else(PoisonError::into_inner);
    let elsewhere = owner != Some(std::thread::current().id());
    if TAKEN.load(Ordering::SeqCst) && elsewhere {
        tracing::error!(panic = %info, "a background task failed");
        return;
    }
    // The message must be readable, so the terminal goes back first; an error here has no one left to tell.
    let _ = restore();
    previous(info);
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = restore();
    }
}

fn restore() -> io::Result<()> {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return Ok(());
    }
    let raw = disable_raw_mode();
    let output = OUTPUT.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut output) = output else { return raw };
    let written = output.write_all(LEAVE.as_bytes()).and_then(|()| output.settle(GIVE_BACK));
    raw.and(written)
}

#[cfg(test)]
mod tests;
