//! The real program in a pseudo-terminal: keys go in, bytes come out and are parsed into a grid.

use std::{
    io::{Read as _, Write as _},
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use portable_pty::{CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

/// No wait lasts longer, on however busy a machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Output that stays away for so long is not the middle of a frame, even on a busy machine.
const REST: Duration = Duration::from_secs(1);

/// Keys as a terminal sends them.
pub(crate) const ENTER: &str = "\r";
pub(crate) const ESC: &str = "\x1b";
pub(crate) const DOWN: &str = "\x1b[B";
pub(crate) const PAGE_UP: &str = "\x1b[5~";
pub(crate) const F1: &str = "\x1bOP";
pub(crate) const F3: &str = "\x1bOR";
pub(crate) const F4: &str = "\x1bOS";
pub(crate) const F8: &str = "\x1b[19~";
pub(crate) const F9: &str = "\x1b[20~";
pub(crate) const PASTE: &str = "\x1b[200~";
pub(crate) const PASTE_END: &str = "\x1b[201~";

/// What has come out so far.
struct Output {
    parser: vt100::Parser,
    raw: Vec<u8>,
    closed: bool,
    /// Nothing is read from the program any more, as on a line that hangs.
    stalled: bool,
    exit: Option<ExitStatus>,
}

#[derive(Clone)]
struct Shared(Arc<(Mutex<Output>, Condvar)>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Output> {
        self.0.0.lock().unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut Output)) {
        change(&mut self.lock());
        self.0.1.notify_all();
    }
}

/// The screen at one moment.
pub(crate) struct Grid {
    rows: Vec<String>,
}

impl Grid {
    fn of(output: &Output) -> Self {
        let screen = output.parser.screen();
        let width = screen.size().1;
        Self { rows: screen.rows(0, width).collect() }
    }

    /// Whether a line holds the text.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.rows.iter().any(|row| row.contains(text))
    }

    /// Whether one line holds all the texts.
    pub(crate) fn has_line(&self, texts: &[&str]) -> bool {
        self.line(texts).is_some()
    }

    /// The first line that holds all the texts.
    pub(crate) fn line(&self, texts: &[&str]) -> Option<&str> {
        self.rows.iter().find(|row| texts.iter().all(|text| row.contains(text))).map(String::as_str)
    }

    /// How often the text is there.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.rows.iter().map(|row| row.matches(text).count()).sum()
    }

    /// The lines from the top.
    pub(crate) fn rows(&self) -> &[String] {
        &self.rows
    }
}

/// A running program and its terminal. Killed when dropped.
pub(crate) struct Terminal {
    shared: Shared,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn std::io::Write + Send>,
    pid: Pid,
}

impl Terminal {
    /// Starts `skcomm-tui` with everything that it could leave somewhere under `place`.
    pub(crate) fn start(place: &Path, size: (u16, u16), arguments: &[&str]) -> Self {
        Self::start_with(place, size, arguments, &[])
    }

    /// The same with more in its environment.
    pub(crate) fn start_with(place: &Path, size: (u16, u16), arguments: &[&str], more: &[(&str, &str)]) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_skcomm-tui"));
        command.args(arguments);
        Self::spawn(place, size, command, more)
    }

    /// The same as a job of a shell. When the job is stopped the shell says that it has the terminal, waits for a line,
    /// and brings the job back.
    pub(crate) fn start_in_shell(place: &Path, size: (u16, u16), arguments: &[&str]) -> Self {
        let mut command = CommandBuilder::new("sh");
        command.args(["-c", "set -m; \"$@\"; echo; echo the shell has it; read line; fg", "sh"]);
        command.arg(env!("CARGO_BIN_EXE_skcomm-tui"));
        command.args(arguments);
        Self::spawn(place, size, command, &[])
    }

    fn spawn(place: &Path, size: (u16, u16), mut command: CommandBuilder, more: &[(&str, &str)]) -> Self {
        command.cwd(place);
        command.env_clear();
        let temporary = place.join("tmp");
        std::fs::create_dir_all(&temporary).unwrap();
        for (name, value) in [
            ("TERM", "xterm-256color"),
            ("COLORTERM", "truecolor"),
            ("LANG", "C.UTF-8"),
            ("TZ", "UTC"),
            ("USER", "opus"),
        ] {
            command.env(name, value);
        }
        for (name, value) in more {
            command.env(name, value);
        }
        command.env("HOME", place);
        command.env("TMPDIR", &temporary);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let pair = native_pty_system().openpty(pty_size(size)).unwrap();
        let mut child = pair.slave.spawn_command(command).unwrap();
        // The last open end of this side is the program's: its end is the end of the output.
        drop(pair.slave);
        let pid = Pid::from_raw(child.process_id().unwrap().try_into().unwrap()).unwrap();
        let output = Output {
            parser: vt100::Parser::new(size.1, size.0, 0),
            raw: Vec::new(),
            closed: false,
            stalled: false,
            exit: None,
        };
        let shared = Shared(Arc::new((Mutex::new(output), Condvar::new())));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let reading = shared.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 65_536];
            let mut marks = Marks::default();
            // Linux reports the end as an error.
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                reading.change(|output| {
                    output.parser.process(&marks.replaced(&bytes[..read]));
                    output.raw.extend_from_slice(&bytes[..read]);
                });
                drop(reading.0.1.wait_while(reading.lock(), |output| output.stalled).unwrap());
            }
            reading.change(|output| output.closed = true);
        });
        let waiting = shared.clone();
        std::thread::spawn(move || {
            let status = child.wait().unwrap();
            waiting.change(|output| output.exit = Some(status));
        });
        let keys = pair.master.take_writer().unwrap();
        Self { shared, master: pair.master, keys, pid }
    }

    /// Types this.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Types this one byte at a time.
    pub(crate) fn keys_bytewise(&mut self, keys: &str) {
        for byte in keys.as_bytes() {
            self.keys.write_all(&[*byte]).unwrap();
            self.keys.flush().unwrap();
        }
    }

    /// Waits until the screen fits, and returns it.
    pub(crate) fn wait_until(&self, why: &str, fits: impl Fn(&Grid) -> bool) -> Grid {
        let grid = self.wait(why, |output| {
            let grid = Grid::of(output);
            if fits(&grid) {
                return Some(grid);
            }
            assert!(!output.closed, "the program ended before: {why}; its last screen:\n{}", picture(&grid));
            None
        });
        grid.0
    }

    /// Waits until a line holds all these texts.
    pub(crate) fn wait_for(&self, texts: &[&str]) -> Grid {
        self.wait_until(&format!("a line with {texts:?}"), |grid| grid.has_line(texts))
    }

    /// The screen now.
    pub(crate) fn grid(&self) -> Grid {
        Grid::of(&self.shared.lock())
    }

    /// The screen once the program has come to rest: whatever it had to draw is drawn, and has been read. Only for one that
    /// draws nothing by itself.
    pub(crate) fn settled(&self) -> Grid {
        let end = Instant::now() + LIMIT;
        let mut output = self.shared.lock();
        loop {
            let written = output.raw.len();
            let (held, quiet) =
                self.shared.0.1.wait_timeout_while(output, REST, |output| output.raw.len() == written).unwrap();
            if quiet.timed_out() {
                return Grid::of(&held);
            }
            assert!(Instant::now() < end, "it never comes to rest");
            output = held;
        }
    }

    /// What stands in each cell, row by row; in the right half of a wide character nothing.
    pub(crate) fn cells(&self) -> Vec<Vec<String>> {
        let output = self.shared.lock();
        let screen = output.parser.screen();
        let (height, width) = screen.size();
        let cell = |y, x| screen.cell(y, x).map(|cell| cell.contents().to_owned()).unwrap_or_default();
        (0..height).map(|y| (0..width).map(|x| cell(y, x)).collect()).collect()
    }

    fn wait<T>(&self, why: &str, mut fits: impl FnMut(&Output) -> Option<T>) -> (T,) {
        let end = Instant::now() + LIMIT;
        let mut output = self.shared.lock();
        loop {
            if let Some(found) = fits(&output) {
                return (found,);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let grid = Grid::of(&output);
                drop(output);
                panic!("waited in vain: {why}; the screen:\n{}", picture(&grid));
            }
            output = self.shared.0.1.wait_timeout(output, left).unwrap().0;
        }
    }

    /// Makes the terminal that large.
    pub(crate) fn resize(&self, size: (u16, u16)) {
        // The parser first: what the program draws for the new size must find a grid of that size.
        // (Its grid has room for a wide character to wrap: smaller ones make the parser itself fail.)
        self.shared.lock().parser.screen_mut().set_size(size.1.max(2), size.0.max(2));
        self.master.resize(pty_size(size)).unwrap();
    }

    /// Stops taking what the program writes, until [`Terminal::take_again`].
    pub(crate) fn take_nothing(&self) {
        self.shared.change(|output| output.stalled = true);
    }

    /// Goes on taking what the program writes.
    pub(crate) fn take_again(&self) {
        self.shared.change(|output| output.stalled = false);
    }

    /// Everything it has written so far.
    pub(crate) fn written(&self) -> Vec<u8> {
        self.shared.lock().raw.clone()
    }

    /// Waits until the screen was wiped more than `times` times since the start.
    pub(crate) fn wait_for_wipe(&self, times: usize) {
        self.wait("the screen is wiped", |output| (wipes(&output.raw) > times).then_some(()));
    }

    /// Whether the program has ended, whatever of its output is not taken yet.
    pub(crate) fn wait_for_exit(&self) -> ExitStatus {
        self.wait("the end of the program", |output| output.exit.clone()).0
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    /// Waits for the end of the program; how it ended and everything it ever wrote.
    pub(crate) fn ended(&self) -> (ExitStatus, Vec<u8>) {
        let ended = |output: &Output| {
            let exit = output.exit.clone().filter(|_| output.closed)?;
            Some((exit, output.raw.clone()))
        };
        self.wait("the end of the program", ended).0
    }

    /// Waits for a good end, and checks that the terminal was given back as it was.
    pub(crate) fn ended_well(&self) {
        let (status, raw) = self.ended();
        assert!(status.success(), "{status}: {}", String::from_utf8_lossy(&raw[raw.len().saturating_sub(600)..]));
        let raw = String::from_utf8_lossy(&raw);
        for mode in ["?1049", "?2004", "?1004", "?1000", "?1006", "?2026"] {
            let (on, off) = (raw.rfind(&format!("\x1b[{mode}h")), raw.rfind(&format!("\x1b[{mode}l")));
            assert!(on.is_none() || off > on, "{mode} was left on");
        }
        assert!(raw.rfind("\x1b[?25h") > raw.rfind("\x1b[?25l"), "the cursor was left hidden");
        assert!(raw.contains("\x1b[?1049h"), "it never took the screen");
        let output = self.shared.lock();
        let screen = output.parser.screen();
        assert!(!screen.alternate_screen() && !screen.bracketed_paste() && !screen.hide_cursor());
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.shared.lock().exit.is_none() {
            // It may have ended this very moment.
            let _ = kill_process(self.pid, Signal::KILL);
        }
    }
}

/// Puts another mark of one column in the place of U+FFFD, which the parser would not draw as terminals do.
#[derive(Default)]
struct Marks {
    held: Vec<u8>,
}

impl Marks {
    const MARK: &'static [u8] = "\u{FFFD}".as_bytes();

    fn replaced(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        // The rest of one that was cut comes with the next bytes.
        let cut = (1..Self::MARK.len()).rev().find(|n| all.ends_with(&Self::MARK[..*n])).unwrap_or(0);
        self.held = all.split_off(all.len() - cut);
        let mut shown = Vec::with_capacity(all.len());
        let mut rest = all.as_slice();
        while let Some(at) = rest.windows(Self::MARK.len()).position(|window| window == Self::MARK) {
            shown.extend_from_slice(&rest[..at]);
            shown.extend_from_slice("¿".as_bytes());
            rest = &rest[at + Self::MARK.len()..];
        }
        shown.extend_from_slice(rest);
        shown
    }
}

/// How often the screen was wiped in what a program wrote.
pub(crate) fn wipes(raw: &[u8]) -> usize {
    const WIPE: &[u8] = b"\x1b[2J";
    raw.windows(WIPE.len()).filter(|bytes| *bytes == WIPE).count()
}

fn pty_size((cols, rows): (u16, u16)) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

fn picture(grid: &Grid) -> String {
    let lines: Vec<String> = grid.rows.iter().map(|row| format!("| {}", row.trim_end())).collect();
    lines.join("\n")
}
