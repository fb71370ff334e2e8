//! The guard against a real pseudo-terminal: the test starts itself as a child, which takes the terminal and
//! ends in one of several ways.

use std::{
    collections::VecDeque,
    io::Read,
    sync::mpsc,
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use super::*;
use crate::tui::term::{Signal, Signals};

const LIMIT: Duration = Duration::from_secs(20);
const HOW: &str = "SKCOMM_TEST_TERMINAL_CHILD";

/// Not a test of its own: what the child does.
#[test]
fn child() {
    let Ok(how) = std::env::var(HOW) else { return };
    let options = TerminalOptions { mouse: true, synchronized: true };
    let mut guard = TerminalGuard::enter(options).unwrap();
    let mut screen = guard.screen().unwrap();
    let mut draw = |text: &str| {
        screen.clear().unwrap();
        screen.draw(|frame| frame.render_widget(ratatui::widgets::Paragraph::new(text), frame.area())).unwrap();
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut signals = runtime.block_on(async { Signals::listen().unwrap() });
    draw("the program is running");
    match how.as_str() {
        "leave" => {
            guard.leave().unwrap();
            guard.leave().unwrap();
        }
        "panic" => panic!("broken beyond repair"),
        "background" => {
            let failed = std::thread::spawn(|| panic!("only a task")).join();
            assert!(failed.is_err());
            draw("still running");
            runtime.block_on(signals.next());
        }
        "signal" => {
            let signal = runtime.block_on(signals.next());
            draw(&format!("got {signal:?}"));
            assert_eq!(runtime.block_on(signals.next()), Signal::Terminate);
        }
        "suspend" => {
            let refused = guard.suspend().unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::Unsupported);
            draw("nobody to come back to");
            runtime.block_on(signals.next());
        }
        "job" => {
            guard.suspend().unwrap();
            draw("back again");
            assert_eq!(runtime.block_on(signals.next()), Signal::Continue);
        }
        other => panic!("{other}"),
    }
    drop(guard);
    writeln!(io::stderr(), "\nback in the shell").unwrap();
}

/// The child on its pseudo-terminal.
struct Session {
    child: Box<dyn Child + Send + Sync>,
    output: mpsc::Receiver<Vec<u8>>,
    unshown: VecDeque<u8>,
    screen: vt100::Parser,
    _master: Box<dyn MasterPty + Send>,
}

impl Session {
    fn start(how: &str) -> Self {
        Self::spawn(how, CommandBuilder::new(std::env::current_exe().unwrap()))
    }

    /// The same as a job of a shell, which says when it has the terminal and then brings the job back.
    fn start_in_shell(how: &str) -> Self {
        let mut command = CommandBuilder::new("sh");
        command.args(["-c", "set -m; \"$@\"; echo; echo the shell has it; fg", "sh"]);
        command.arg(std::env::current_exe().unwrap());
        Self::spawn(how, command)
    }

    fn spawn(how: &str, mut command: CommandBuilder) -> Self {
        let pair = native_pty_system().openpty(PtySize { rows: 24, cols: 80, ..PtySize::default() }).unwrap();
        command.args(["--exact", "tui::term::guard::tests::child", "--nocapture", "--test-threads=1"]);
        command.env(HOW, how);
        command.env("TERM", "xterm-256color");
        command.env("RUST_BACKTRACE", "0");
        let child = pair.slave.spawn_command(command).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (sender, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, output, unshown: VecDeque::new(), screen: vt100::Parser::new(24, 80, 0), _master: pair.master }
    }

    /// Shows what comes in byte by byte until it is seen, so that nothing that was there is missed.
    fn wait_until(&mut self, why: &str, seen: impl Fn(&vt100::Screen) -> bool) {
        let end = Instant::now() + LIMIT;
        while !seen(self.screen.screen()) {
            if let Some(byte) = self.unshown.pop_front() {
                self.screen.process(&[byte]);
                continue;
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.unshown.extend(bytes),
                Err(_) => panic!("{why}: not seen in\n{}", self.screen.screen().contents()),
            }
        }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.process_id().unwrap() as i32).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    fn runs(&mut self) {
        self.wait_until("the first frame", |screen| screen.contents().contains("the program is running"));
        let screen = self.screen.screen();
        assert!(screen.alternate_screen() && screen.bracketed_paste() && screen.hide_cursor());
        assert_ne!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    }

    /// The terminal is as it was, also its line discipline: `\n` begins a line at its start again.
    fn is_restored(&mut self, says: &str) {
        let says = says.to_owned();
        self.wait_until("the end", move |screen| screen.contents().contains(&says) && !screen.alternate_screen());
        let screen = self.screen.screen();
        assert!(!screen.hide_cursor() && !screen.bracketed_paste());
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        self.child.wait().unwrap();
    }
}

fn starts_a_line(session: &Session, text: &str) {
    assert!(session.screen.screen().contents().lines().any(|line| line.starts_with(text)), "raw mode is off again");
}

#[test]
fn leaving_gives_the_terminal_back() {
    let mut session = Session::start("leave");
    session.is_restored("back in the shell");
    starts_a_line(&session, "back in the shell");
}

#[test]
fn a_panic_gives_the_terminal_back_and_can_be_read() {
    let mut session = Session::start("panic");
    session.is_restored("broken beyond repair");
    starts_a_line(&session, "broken beyond repair");
}

#[test]
fn a_panic_of_a_background_task_leaves_the_screen_alone() {
    let mut session = Session::start("background");
    session.wait_until("the next frame", |screen| screen.contents().contains("still running"));
    assert!(session.screen.screen().alternate_screen());
    assert!(!session.screen.screen().contents().contains("only a task"));
    session.signal(rustix::process::Signal::HUP);
    session.is_restored("back in the shell");
}

#[test]
fn signals_come_as_events_and_end_cleanly() {
    for (signal, name) in [
        (rustix::process::Signal::HUP, "Hangup"),
        (rustix::process::Signal::INT, "Interrupt"),
        (rustix::process::Signal::TSTP, "Suspend"),
        (rustix::process::Signal::CONT, "Continue"),
    ] {
        let mut session = Session::start("signal");
        session.runs();
        session.signal(signal);
        session.wait_until(name, |screen| screen.contents().contains(&format!("got {name}")));
        session.signal(rustix::process::Signal::TERM);
        session.is_restored("back in the shell");
    }
}

#[test]
fn without_a_shell_there_is_no_suspending() {
    let mut session = Session::start("suspend");
    session.wait_until("the refusal", |screen| screen.contents().contains("nobody to come back to"));
    session.signal(rustix::process::Signal::TERM);
    session.is_restored("back in the shell");
}

#[test]
fn suspending_gives_the_terminal_to_the_shell_and_takes_it_again() {
    let mut session = Session::start_in_shell("job");
    session.runs();
    session
        .wait_until("the shell", |screen| screen.contents().contains("the shell has it") && !screen.alternate_screen());
    starts_a_line(&session, "the shell has it");
    session.is_restored("back in the shell");
}
