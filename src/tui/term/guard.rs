//! Taking the terminal over, and giving it back whatever happens.

use std::{
    io::{self, Write},
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
};

use crossterm::terminal::{disable_raw_mode, enable_raw_mode};

use super::{Screen, SparingBackend};

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
static HOOK: Once = Once::new();

/// Holds the terminal in raw mode on the alternate screen; dropping it, a panic anywhere, or
/// [`TerminalGuard::leave`] gives it back as it was.
#[derive(Debug)]
pub struct TerminalGuard {
    options: TerminalOptions,
}

impl TerminalGuard {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When standard output is no terminal or cannot be written.
    pub fn enter(options: TerminalOptions) -> io::Result<Self> {
        HOOK.call_once(|| {
            let previous = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                // The message must be readable, so the terminal goes back first; an error here has no one left to tell.
                let _ = restore();
                previous(info);
            }));
        });
        let guard = Self { options };
        guard.take()?;
        Ok(guard)
    }

    fn take(&self) -> io::Result<()> {
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let mut out = io::stdout().lock();
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
        ratatui::Terminal::new(SparingBackend::new(io::stdout(), self.options.synchronized))
    }

    /// Gives the terminal back. Doing it twice is harmless.
    ///
    /// # Errors
    /// When the terminal cannot be written (it may be gone).
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

    /// Gives the terminal back and stops the process (Control-Z) until SIGCONT, then takes it again. The
    /// screen must be drawn anew: [`Screen::clear`] first.
    ///
    /// # Errors
    /// When the terminal cannot be written or read.
    pub fn suspend(&mut self) -> io::Result<()> {
        restore()?;
        // SIGSTOP rather than SIGTSTP: our own handler would only report that one.
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)?;
        self.take()
    }
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
    let mut out = io::stdout();
    let written = out.write_all(LEAVE.as_bytes()).and_then(|()| out.flush());
    raw.and(written)
}
