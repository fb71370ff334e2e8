//! Signals as events.

use std::io;

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// A signal the program acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: quit cleanly.
    Terminate,
    /// SIGHUP: the terminal is gone (SSH dropped): quit cleanly without drawing.
    Hangup,
    /// SIGINT from outside (Control-C is a key in raw mode).
    Interrupt,
    /// SIGCONT: back from the background: take the terminal again and draw everything.
    Continue,
    /// SIGTSTP from outside: give the terminal back and stop.
    Suspend,
    /// SIGWINCH: the terminal has another size.
    Resize,
}

/// The signals, as they come in.
pub struct Signals {
    terminate: Stream,
    hangup: Stream,
    interrupt: Stream,
    resume: Stream,
    suspend: Stream,
    resize: Stream,
}

impl Signals {
    /// Begins to listen. From then on these signals no longer end the program by themselves.
    ///
    /// # Errors
    /// When a handler cannot be installed, or outside a tokio runtime with I/O.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            resume: signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?,
            suspend: signal(SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw()))?,
            resize: signal(SignalKind::window_change())?,
        })
    }

    /// The next signal. Safe to cancel.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.hangup.recv() => Signal::Hangup,
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.resume.recv() => Signal::Continue,
            _ = self.suspend.recv() => Signal::Suspend,
            _ = self.resize.recv() => Signal::Resize,
        }
    }
}
