//! The real program in a pseudo-terminal: from its start to its first frame, and what it does when nothing happens.

use std::{
    io::{Read as _, Write as _},
    path::Path,
    sync::mpsc,
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::{
    figures::{Figure, median},
    process::{cpu_time, memory_mib},
    world::long_thread,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_skcomm-tui");
const MESSAGES: u64 = 100_000;
const RUNS: usize = 9;
const SIZE: PtySize = PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 };
/// A start that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(20);
/// How long the idle program is watched.
const IDLE: Duration = Duration::from_secs(5);

/// The program in a terminal of its own.
struct Session {
    begun: Instant,
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    output: mpsc::Receiver<(Instant, Vec<u8>)>,
    screen: vt100::Parser,
}

impl Session {
    fn start(args: &[&str]) -> Self {
        let pty = native_pty_system().openpty(SIZE).unwrap();
        let mut command = CommandBuilder::new(PROGRAM);
        command.args(args);
        command.env("TERM", "xterm-256color");
        command.env_remove("SKCOMM_HOME");
        command.cwd(std::env::temp_dir());
        let mut reader = pty.master.try_clone_reader().unwrap();
        let (bytes, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            // The end of the terminal is an error on Linux.
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                if bytes.send((Instant::now(), buffer[..read].to_vec())).is_err() {
                    return;
                }
            }
        });
        let begun = Instant::now();
        let child = pty.slave.spawn_command(command).unwrap();
        drop(pty.slave);
        let screen = vt100::Parser::new(SIZE.rows, SIZE.cols, 0);
        Self { begun, child, master: pty.master, output, screen }
    }

    /// Time from the start until the screen shows this.
    fn until(&mut self, what: &str, fits: impl Fn(&str) -> bool) -> Duration {
        while let Some(left) = LIMIT.checked_sub(self.begun.elapsed()) {
            match self.output.recv_timeout(left) {
                Ok((at, bytes)) => {
                    self.screen.process(&bytes);
                    if fits(&self.screen.screen().contents()) {
                        return at - self.begun;
                    }
                }
                Err(_) => break,
            }
        }
        panic!("waited in vain for {what}; the screen:\n{}", self.screen.screen().contents())
    }

    /// Everything written in so much time.
    fn watch(&mut self, how_long: Duration) -> usize {
        let end = Instant::now() + how_long;
        let mut bytes = 0;
        while let Ok((_, read)) = self.output.recv_timeout(end.saturating_duration_since(Instant::now())) {
            self.screen.process(&read);
            bytes += read.len();
        }
        bytes
    }

    fn end(mut self) {
        // Control-Q leaves; whoever does not is ended.
        let left = self.master.take_writer().and_then(|mut keys| Ok(keys.write_all(b"\x11")?));
        let deadline = Instant::now() + Duration::from_secs(5);
        while left.is_ok() && Instant::now() < deadline {
            if self.child.try_wait().unwrap().is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Starts of the bare process: it says its version and ends.
fn bare() -> Duration {
    let mut took: Vec<Duration> = (0..RUNS)
        .map(|_| Session::start(&["--version"]).until("the version", |text| text.contains(env!("CARGO_PKG_VERSION"))))
        .collect();
    median(&mut took)
}

pub(crate) fn measure() -> Vec<Figure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let owner = runtime.block_on(long_thread(MESSAGES));
    let home = owner.home.root().to_owned();
    let bare = bare();
    let (mut first, mut complete) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let mut session = start(&home);
        // The first frame is drawn before the store is open; the complete one tells who is there.
        first.push(session.until("a frame", |text| !text.trim().is_empty()));
        complete.push(session.until("the peers", |text| text.contains("lumina")));
        session.end();
    }
    let mut figures = vec![
        Figure::ms("process start to first frame", median(&mut first))
            .at_most(100.0)
            .note(format!("median of {RUNS}, {MESSAGES} messages stored, key without passphrase")),
        Figure::ms("process start to complete frame", median(&mut complete))
            .at_most(100.0)
            .note(format!("peers and counts of the open store; slowest {:.0} ms", complete.last().map_or(0.0, ms))),
        Figure::ms("for comparison: process start to `--version`", bare),
    ];
    figures.extend(idle(&home));
    figures
}

fn ms(time: &Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn start(home: &Path) -> Session {
    Session::start(&["--home", home.to_str().unwrap()])
}

fn idle(home: &Path) -> Vec<Figure> {
    let mut session = start(home);
    session.until("the peers", |text| text.contains("lumina"));
    // What follows the first frame shall not count.
    session.watch(Duration::from_secs(2));
    let Some(pid) = session.child.process_id() else { return vec![Figure::not_measured("idle", "no process id")] };
    let before = cpu_time(pid);
    let bytes = session.watch(IDLE);
    let cpu = cpu_time(pid) - before;
    let memory = memory_mib(pid, "VmRSS");
    session.end();
    vec![
        Figure::new("bytes written in 5 s of idling", bytes as f64, "bytes").at_most(0.0),
        Figure::ms("processor time in 5 s of idling", cpu).at_most(0.0).note("counted in steps of 10 ms"),
        Figure::new("memory, idle", memory, "MiB").note("resident"),
    ]
}
