//! Standard output behind a thread of its own.
//!
//! A terminal may take nothing for as long as it likes: an SSH line hangs, a window is stopped, a pager holds it. Whoever
//! writes to it waits, so that must not be the screen's task. It hands whole frames over and draws the next one only
//! when the terminal has taken the last ([`Output::is_idle`]): on a slow line frames are left out, never queued.

use std::{
    fs::File,
    io::{self, ErrorKind, Write},
    os::fd::AsFd as _,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::Notify;

/// Bytes handed over in order to a thread that writes them. Its writes never wait for the terminal. Clones share the
/// thread, which ends with the last of them, or with the terminal.
#[derive(Clone)]
pub struct Output {
    line: Arc<Line>,
    _end: Arc<End>,
}

/// What the two sides share.
#[derive(Default)]
struct Line {
    state: Mutex<State>,
    changed: Condvar,
    idle: Notify,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    writing: bool,
    failed: Option<(ErrorKind, String)>,
    closed: bool,
}

impl State {
    fn is_idle(&self) -> bool {
        self.failed.is_some() || (self.waiting.is_empty() && !self.writing)
    }

    fn check(&self) -> io::Result<()> {
        match &self.failed {
            Some((kind, what)) => Err(io::Error::new(*kind, what.clone())),
            None => Ok(()),
        }
    }
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that holds it can leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the thread that nothing more will come.
struct End(Arc<Line>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}

impl Output {
    /// Standard output.
    ///
    /// # Errors
    /// When it is closed, or no thread can be started.
    pub fn standard() -> io::Result<Self> {
        Self::to(io::stdout().as_fd().try_clone_to_owned()?.into())
    }

    /// An open file, pipe or terminal.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn to(file: File) -> io::Result<Self> {
        let line = Arc::new(Line::default());
        let theirs = Arc::clone(&line);
        std::thread::Builder::new().name("terminal".to_owned()).spawn(move || pump(&theirs, &file))?;
        Ok(Self { _end: Arc::new(End(Arc::clone(&line))), line })
    }

    /// Whether everything was taken, or never will be because the terminal is gone.
    pub fn is_idle(&self) -> bool {
        self.line.lock().is_idle()
    }

    /// Bytes that the terminal has not begun to take.
    pub fn waiting(&self) -> usize {
        self.line.lock().waiting.len()
    }

    /// Returns when [`Output::is_idle`]. For one caller at a time. Safe to cancel.
    pub async fn idle(&self) {
        while !self.is_idle() {
            self.line.idle.notified().await;
        }
    }

    /// Waits on this thread until everything was taken.
    ///
    /// # Errors
    /// `TimedOut` when that takes longer than `limit`; else why the terminal cannot be written.
    pub fn settle(&self, limit: Duration) -> io::Result<()> {
        let state = self.line.lock();
        let (state, _) = self
            .line
            .changed
            .wait_timeout_while(state, limit, |state| !state.is_idle())
            .unwrap_or_else(PoisonError::into_inner);
        if !state.is_idle() {
            return Err(io::Error::new(ErrorKind::TimedOut, "the terminal takes nothing at the moment"));
        }
        state.check()
    }
}

impl Write for Output {
    /// Hands all of it over. There is no limit here: see [`Output::waiting`].
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.line.lock();
        state.check()?;
        state.waiting.extend_from_slice(bytes);
        self.line.changed.notify_all();
        Ok(bytes.len())
    }

    /// Waits for nothing.
    fn flush(&mut self) -> io::Result<()> {
        self.line.lock().check()
    }
}

/// The thread: writes what waits until nothing more can come.
fn pump(line: &Line, file: &File) {
    let mut state = line.lock();
    loop {
        while state.waiting.is_empty() {
            if state.closed {
                return;
            }
            state = line.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let bytes = std::mem::take(&mut state.waiting);
        state.writing = true;
        drop(state);
        let result = write_whole(file, &bytes);
        state = line.lock();
        state.writing = false;
        if let Err(error) = &result {
            state.failed = Some((error.kind(), error.to_string()));
            state.waiting.clear();
        }
        if state.is_idle() {
            line.changed.notify_all();
            line.idle.notify_one();
        }
        if result.is_err() {
            return;
        }
    }
}

fn write_whole(mut file: &File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            // Whoever shares the terminal with us may have made it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(file, PollFlags::OUT)], None)?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, os::fd::OwnedFd};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    fn pipe() -> (File, File) {
        let (reader, writer) = io::pipe().unwrap();
        (OwnedFd::from(reader).into(), OwnedFd::from(writer).into())
    }

    #[tokio::test]
    async fn a_reader_that_takes_nothing_holds_nobody_up_and_loses_nothing() {
        let (mut reader, writer) = pipe();
        let mut output = Output::to(writer).unwrap();
        assert!(output.is_idle());
        // Far more than a pipe holds, in pieces: each is handed over at once.
        let piece: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        for _ in 0..10 {
            output.write_all(&piece).unwrap();
        }
        assert!(!output.is_idle());
        let error = output.settle(Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let reading = std::thread::spawn(move || {
            let mut all = vec![0; 1_000_000];
            reader.read_exact(&mut all).unwrap();
            all
        });
        tokio::time::timeout(LIMIT, output.idle()).await.unwrap();
        assert!(output.is_idle());
        assert_eq!(output.waiting(), 0);
        assert_eq!(reading.join().unwrap(), piece.repeat(10));
    }

    #[test]
    fn what_was_handed_over_is_written_after_the_last_handle_is_gone() {
        let (mut reader, writer) = pipe();
        let mut output = Output::to(writer).unwrap();
        output.clone().write_all(b"one ").unwrap();
        output.write_all(b"two").unwrap();
        drop(output);
        let mut all = String::new();
        // The end comes when the thread has let go of the pipe.
        reader.read_to_string(&mut all).unwrap();
        assert_eq!(all, "one two");
    }

    #[test]
    fn a_terminal_that_is_gone_is_an_error_and_not_a_wait() {
        let (reader, writer) = pipe();
        drop(reader);
        let mut output = Output::to(writer).unwrap();
        output.write_all(b"nobody reads this").unwrap();
        let error = output.settle(LIMIT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert!(output.is_idle(), "nothing is waited for");
        assert_eq!(output.write(b"more").unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(output.flush().unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_non_blocking_terminal_is_waited_for() {
        let (mut reader, writer) = pipe();
        rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).unwrap();
        let mut output = Output::to(writer).unwrap();
        output.write_all(&[7; 300_000]).unwrap();
        let mut all = vec![0; 300_000];
        reader.read_exact(&mut all).unwrap();
        output.settle(LIMIT).unwrap();
        assert!(all.iter().all(|byte| *byte == 7));
    }
}
