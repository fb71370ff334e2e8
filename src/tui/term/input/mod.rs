//! Keys, pastes and the mouse, read from the terminal.
//!
//! The bytes are cut here and not by crossterm, whose own reader takes a read that ends behind Escape for that key and
//! the rest of a paste for keys: a newline in it would send. What the bytes of a key mean is left to `terminput`,
//! which reads them as crossterm does.

mod marker;
mod sequence;
mod split;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, IsTerminal as _, Read as _},
    os::fd::AsFd as _,
    time::Duration,
};

use crossterm::event::Event;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::{
    io::{Interest, unix::AsyncFd},
    time::{Instant, timeout_at},
};

pub use split::{PASTE_BYTES_MAX, Piece, Splitter};

/// How long an Escape waits for what it may begin. A terminal writes a sequence in one piece, and networks keep
/// pieces together; a person does not notice.
const HOLD: Duration = Duration::from_millis(30);
/// After how much silence a paste whose end did not come can be left with Escape.
const BROKEN_OFF: Duration = Duration::from_secs(1);
/// Most bytes read at once.
const READ_BYTES: usize = 4096;

/// What the user does, as it comes in. Only one may live at a time: two would share the bytes between them.
pub struct Input {
    terminal: AsyncFd<File>,
    buffer: Box<[u8]>,
    splitter: Splitter,
    ready: VecDeque<Event>,
    /// When the latest bytes came.
    heard: Instant,
}

impl Input {
    /// Begins to read: standard input, or the controlling terminal where that is something else.
    ///
    /// # Errors
    /// When there is no terminal, or outside a tokio runtime with I/O.
    #[allow(deprecated, reason = "sound for a file, which keeps its descriptor; what came in its place is unsafe code")]
    pub fn open() -> io::Result<Self> {
        let standard = io::stdin();
        let terminal = if standard.is_terminal() {
            standard.as_fd().try_clone_to_owned()?.into()
        } else {
            File::open("/dev/tty")?
        };
        Ok(Self {
            terminal: AsyncFd::with_interest(terminal, Interest::READABLE)?,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            splitter: Splitter::default(),
            ready: VecDeque::new(),
            heard: Instant::now(),
        })
    }

    /// The next thing the user does; none when the terminal is gone. Sizes are not told here: see
    /// [`super::Signal::Resize`]. Safe to cancel.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let waiting = self.splitter.is_waiting();
            let due = self.heard + HOLD;
            if waiting && Instant::now() >= due && matches!(has_bytes(self.terminal.get_ref()), Ok(false)) {
                let pieces = self.splitter.settle();
                self.ready.extend(pieces.into_iter().filter_map(event));
                continue;
            }
            let reading = self.read();
            let read = if waiting { timeout_at(due, reading).await } else { Ok(reading.await) };
            match read {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::info!("the terminal is gone: {error}");
                    return None;
                }
                // Once more round: whatever came in this moment counts.
                Err(_) => {}
            }
        }
    }

    /// Reads once, as soon as there is something. Standard input's description is shared with whoever
    /// started us, so it must not be made non-blocking; it is asked first instead.
    async fn read(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.terminal.readable().await?;
            if !has_bytes(self.terminal.get_ref())? {
                ready.clear_ready();
                continue;
            }
            let read = match self.terminal.get_ref().read(&mut self.buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let silent = self.heard.elapsed() >= BROKEN_OFF;
            self.heard = Instant::now();
            let bytes = self.buffer.get(..read).unwrap_or_default();
            let pieces = self.splitter.push(bytes, silent);
            self.ready.extend(pieces.into_iter().filter_map(event));
            return Ok(());
        }
    }
}

/// Whether a read would return at once.
fn has_bytes(terminal: &File) -> io::Result<bool> {
    let mut asked = [PollFd::new(terminal, PollFlags::IN)];
    Ok(poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? > 0)
}

/// What a piece means; none for what no key is known for, such as a terminal's answer that nobody asked for.
fn event(piece: Piece) -> Option<Event> {
    match piece {
        Piece::Paste(text) => Some(Event::Paste(text)),
        Piece::Key(bytes) => {
            let event = terminput::Event::parse_from(&bytes).ok().flatten()?;
            terminput_crossterm::to_crossterm(event).ok()
        }
    }
}
