//! The program as its user sees it: keys go into a pseudo-terminal, the grid is looked at.

use std::path::Path;

use rustix::process::Signal;
use skcomm_tui::{
    home::Home,
    identity::TrustLevel,
    node::{Command, NewIdentity, Node, NodeHandle, PeerAdd, Reply, SendRequest, create_identity},
    pgp::{Certificate, Passphrase, SecretKey},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{
    support::until,
    terminal::{DOWN, ENTER, ESC, F1, F3, F4, F8, F9, Grid, PASTE, PASTE_END, Terminal},
};

const WIDE: (u16, u16) = (120, 40);
const SECRET: &str = "correct horse battery";

/// The state line of an own message that arrived: two ticks, the path, milliseconds.
fn arrived(grid: &Grid, via: &[&str]) -> bool {
    via.iter().any(|via| grid.has_line(&["✓✓", via, " ms"]))
}

fn demo(place: &TempDir, arguments: &[&str]) -> Terminal {
    let terminal = Terminal::start(place.path(), WIDE, &[&["--demo"], arguments].concat());
    terminal.wait_until("everybody and every transport", |grid| {
        let peers = ["lumina", "jarvis", "mira", "nova"].iter().all(|name| grid.has(name));
        let paths = ["o tcp", "o relay", "o file"].iter().all(|path| grid.has(path));
        peers && paths && grid.has("Peers, ") && grid.has("Write me something")
    });
    terminal
}

/// Quits with the key for it.
pub(crate) fn quit(mut terminal: Terminal) {
    terminal.keys("\x11");
    terminal.ended_well();
}

/// Quits although messages wait, which the program asks about.
pub(crate) fn quit_with_waiting(mut terminal: Terminal) {
    terminal.keys("\x11");
    terminal.wait_for(&["Quit now?"]);
    terminal.keys("y");
    terminal.ended_well();
}

/// Nothing of a demo stays in the folder for temporary files.
fn nothing_left(place: &TempDir) {
    let left: Vec<_> = std::fs::read_dir(place.path().join("tmp")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn the_demo_delivers_fails_over_and_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let mut screen = demo(&place, &[]);
    // Unread: lumina's other thread and the other peers are not open.
    screen.wait_until("unread counts beside the names", |grid| {
        let unread =
            |name: &str| grid.line(&[name, "│"]).is_some_and(|row| row.chars().take(22).any(|c| c.is_ascii_digit()));
        ["jarvis", "mira", "nova", "blueprint"].into_iter().all(unread)
    });

    screen.keys("hello from the test\r");
    screen.wait_until("delivered over tcp", |grid| grid.has("hello from the test") && arrived(grid, &["tcp"]));
    screen.wait_for(&["Got it. It came in sealed"]);

    screen.keys(F4);
    screen.wait_for(&[" broadcast ", "encrypted to"]);
    screen.keys("on every path\r");
    screen.wait_for(&["✓✓", "broadcast 3/3", "tcp", "relay", "file"]);
    screen.keys(F4);
    screen.wait_for(&[" stealth ", "encrypted to"]);
    screen.keys(&F4.repeat(2));
    screen.wait_for(&[" failover ", "encrypted to"]);

    screen.keys(F8);
    screen.wait_for(&["out: tcp"]);
    screen.keys("after the outage\r");
    screen.wait_for(&["Failover", "tcp -> "]);
    screen.wait_until("delivered another way", |grid| {
        let rows = grid.rows();
        let at = rows.iter().position(|row| row.contains("after the outage"));
        at.and_then(|at| rows.get(at + 1)).is_some_and(|row| {
            row.contains("✓✓") && (row.contains("relay") || row.contains("file")) && row.contains(" ms")
        })
    });
    screen.wait_until("the health panel tells", |grid| !grid.has("o tcp"));

    // The path view: what was tried and what happened.
    screen.keys(F3);
    screen.wait_for(&["Search everything"]);
    screen.keys("after the outage");
    screen.wait_for(&["to lumina", "after the outage"]);
    screen.keys(ENTER);
    screen.wait_until("the attempts of the selected message", |grid| {
        let ways = grid.has_line(&["relay accepted"]) || grid.has_line(&["file accepted"]);
        grid.has("Path of ") && grid.has("tcp failed") && ways
    });

    screen.keys(F9);
    screen.wait_until("tcp is back", |grid| !grid.has("out: tcp"));
    screen.keys("i");
    screen.keys("back on the first path\r");
    screen.wait_until("delivered over tcp again", |grid| {
        let rows = grid.rows();
        let at = rows.iter().position(|row| row.contains("back on the first path"));
        let delivered = at.and_then(|at| rows.get(at + 1)).is_some_and(|row| row.contains("✓✓") && row.contains("tcp"));
        delivered && grid.has("o tcp")
    });
    quit(screen);
    nothing_left(&place);
}

#[test]
fn every_view_opens_over_a_living_demo_of_any_size() {
    let place = tempfile::tempdir().unwrap();
    let mut screen = demo(&place, &["--new-phone-after", "0"]);

    // Somebody with nova's name and another key.
    screen.wait_until("the banner over the whole width", |grid| {
        grid.rows().iter().any(|row| row.contains("KEY CHANGED: nova"))
    });
    screen.keys("\x0b");
    screen.wait_for(&["> "]);
    screen.keys("nova\r");
    screen.wait_for(&["KEY CHANGED, not sending"]);
    screen.keys("nobody gets this");
    screen.wait_for(&["nobody gets this"]);
    screen.keys(ENTER);
    screen.wait_for(&["The key of nova changed: decide first"]);
    screen.wait_for(&["nobody gets this"]);

    // Mira was never compared.
    screen.keys("\x0bmira\r");
    screen.wait_for(&["mira / general", "untrusted"]);
    screen.keys("\x1bt");
    screen.wait_for(&["fingerprint"]);
    let grid = screen.wait_for(&["in words"]);
    assert!(grid.has("Trust: mira"));
    screen.keys(ESC);
    screen.wait_until("the trust panel is gone", |grid| !grid.has("Trust: mira"));

    screen.keys(F1);
    screen.wait_for(&["composer.newline"]);
    screen.keys("\x1b[F");
    screen.wait_for(&["demo.revive"]);
    screen.keys(ESC);
    screen.wait_until("the help is gone", |grid| !grid.has("demo.revive"));

    screen.keys("\x10log.op");
    screen.wait_for(&["log.open"]);
    screen.keys(ENTER);
    screen.wait_until("the log", |grid| grid.has(" Log"));
    screen.keys(ESC);

    screen.wait_until("the log is gone", |grid| !grid.has(" Log"));
    screen.keys(F3);
    screen.wait_for(&["Search everything"]);
    screen.keys("nozzle");
    screen.wait_for(&["lumina", "nozzle"]);
    screen.wait_until("one found", |grid| grid.has("1 found"));
    screen.keys(ENTER);
    screen.wait_for(&["lumina / blueprint"]);

    screen.keys("g");
    screen.wait_for(&["First unread here"]);
    screen.keys("h");
    screen.wait_until("which-key is gone", |grid| !grid.has("First unread here"));

    resize_storm(&screen);
    // Decided: the banner goes away.
    screen.keys(":");
    screen.wait_until("the palette", |grid| grid.has("> "));
    screen.keys("conflict.reject\r");
    screen.wait_until("the banner is gone", |grid| !grid.has("KEY CHANGED: nova"));
    quit(screen);
    nothing_left(&place);
}

fn resize_storm(screen: &Terminal) {
    for _ in 0..3 {
        for size in [(80, 24), (40, 12), (20, 5), (300, 100), (1, 1), (120, 16), (41, 60)] {
            screen.resize(size);
        }
    }
    screen.resize((80, 24));
    screen.wait_until("medium: the transports in one line", |grid| grid.has_line(&["o tcp", "o relay", "o file"]));
    screen.resize((40, 12));
    screen.wait_until("narrow: only the pane with the focus", |grid| {
        let whole = grid.rows().iter().any(|row| row.starts_with("┌ Transports ─") && row.trim_end().ends_with("─┐"));
        whole && grid.rows().len() == 12 && !grid.has("lumina") && !grid.has("Peers")
    });
    screen.resize((20, 5));
    screen.wait_for(&["skcomm-tui needs"]);
    screen.resize((300, 100));
    screen.wait_until("very large", |grid| grid.has("Transports") && grid.has("lumina") && grid.rows().len() == 100);
    screen.resize(WIDE);
    screen.wait_until("as before", |grid| grid.has("Transports") && grid.has("lumina") && grid.rows().len() == 40);
}

/// A home of opus, who knows lumina but has no way to her: messages wait.
pub(crate) struct Prepared {
    place: TempDir,
    home: Home,
    pub(crate) runtime: Runtime,
}

impl Prepared {
    fn new(passphrase: Option<&str>) -> Self {
        let runtime = Runtime::new().unwrap();
        let place = tempfile::tempdir().unwrap();
        let home = Home::at(place.path().join("home"));
        let passphrase = passphrase.map(|text| Passphrase::new(text.as_bytes().to_vec()));
        let opus = identity(&home, "opus", passphrase.as_ref());
        let elsewhere = Home::at(place.path().join("elsewhere"));
        let certificate = identity(&elsewhere, "lumina", None).certificate().armored();
        let known = home.clone();
        runtime.block_on(async move {
            let node = Node::start(known, opus).unwrap();
            let peer = PeerAdd { name: "lumina".to_owned(), certificate: Some(certificate), ..PeerAdd::default() };
            node.handle().call(Command::PeerAdd(peer)).await.unwrap();
            let trust = Command::TrustSet { peer: "lumina".to_owned(), level: TrustLevel::Verified };
            node.handle().call(trust).await.unwrap();
            node.stop().await.unwrap();
        });
        Self { place, home, runtime }
    }

    /// The same with a listener for strangers.
    pub(crate) fn listening() -> Self {
        let prepared = Self::new(None);
        prepared.home.save_transport(&"tcp".parse().unwrap(), &crate::support::tcp()).unwrap();
        prepared
    }

    /// Where the running program listens, and its certificate.
    pub(crate) fn reachable(&self) -> (String, Certificate) {
        let node = self.node();
        self.runtime.block_on(async {
            let address = until("it listens", || async {
                let Ok(Reply::Transports(all)) = node.call(Command::Transports).await else { return None };
                all.into_iter().find_map(|transport| transport.address).map(|address| address.to_string())
            });
            let address = address.await;
            let Ok(Reply::Certificate(own)) = node.call(Command::KeyExport { peer: None }).await else { panic!() };
            (address, Certificate::parse(own.as_bytes()).unwrap())
        })
    }

    fn start(&self) -> Terminal {
        self.start_with(&[])
    }

    fn start_with(&self, environment: &[(&str, &str)]) -> Terminal {
        Terminal::start_with(self.place.path(), WIDE, &["--home", self.home.root().to_str().unwrap()], environment)
    }

    /// Starts it and goes to lumina's composer.
    pub(crate) fn start_writing(&self) -> Terminal {
        self.write_to_lumina(self.start())
    }

    fn write_to_lumina(&self, mut screen: Terminal) -> Terminal {
        screen.wait_for(&["lumina"]);
        screen.keys("\x0b");
        screen.wait_until("the switcher", |grid| grid.has("> "));
        screen.keys("lumina\r");
        screen.wait_for(&["lumina / general", "verified"]);
        screen.keys("\x1b3");
        screen.wait_for(&["Enter send"]);
        screen
    }

    /// The node inside the program, over its control socket.
    pub(crate) fn node(&self) -> NodeHandle {
        let socket = self.home.socket_path();
        self.runtime.block_on(until("the control socket", || async { NodeHandle::connect(&socket).await.ok() }))
    }

    /// How many messages wait.
    pub(crate) fn waiting(&self) -> usize {
        let node = self.node();
        match self.runtime.block_on(node.call(Command::Status)) {
            Ok(Reply::Status(status)) => status.queued,
            other => panic!("{other:?}"),
        }
    }

    fn wait_for_draft(&self, text: &str) {
        let node = self.node();
        self.runtime.block_on(until("the draft is saved", || async {
            let Ok(Reply::Drafts(drafts)) = node.call(Command::Drafts).await else { return None };
            drafts.iter().any(|(_, draft)| draft == text).then_some(())
        }));
    }
}

fn identity(home: &Home, name: &str, passphrase: Option<&Passphrase>) -> SecretKey {
    let identity = NewIdentity { name: name.to_owned(), email: None, fqid: None };
    create_identity(home, &identity, passphrase, &[]).unwrap()
}

#[test]
fn what_is_typed_and_pasted_is_text_whatever_it_holds() {
    let home = Prepared::new(None);
    let mut screen = home.start_writing();
    // Every byte on its own, several columns and bytes a letter.
    screen.keys_bytewise("äöü 漢字 👩‍🚀 done");
    screen.wait_for(&["äöü 漢字", "done"]);
    throw_away(&mut screen);

    // A paste never sends: not by a newline, not by an end of the paste inside of it.
    screen.keys_bytewise(&format!("{PASTE}first\rsecond\nthird{PASTE_END}"));
    screen
        .wait_until("three lines in the composer", |grid| grid.has("first") && grid.has("second") && grid.has("third"));
    screen.keys(&format!("{PASTE}\x1b]0;owned\x07fourth\x1b[2J{PASTE_END}"));
    screen.wait_for(&["fourth"]);
    assert_eq!(home.waiting(), 0, "nothing was sent");
    throw_away(&mut screen);
    quit(screen);
}

#[test]
fn a_paste_that_is_cut_anywhere_by_a_pause_is_not_sent() {
    let home = Prepared::new(None);
    let mut screen = home.start_writing();
    let paste = |mark: usize| format!("{PASTE}one\rtwo{PASTE_END}three\r{mark}end\n\r{PASTE_END}");
    for at in 1..paste(10).len() {
        let bytes = paste(10 + at);
        let (first, second) = bytes.split_at(at);
        screen.keys(first);
        // The pause is what is tried here: twice as long as the program waits for the rest of a sequence.
        std::thread::sleep(std::time::Duration::from_millis(60));
        screen.keys(second);
        screen.wait_for(&[&format!("{}end", 10 + at)]);
    }
    // A paste is shown when it is over, and then Enter is Enter again.
    screen.keys(&format!("{PASTE}the last one{PASTE_END}"));
    screen.wait_for(&["the last one"]);
    assert_eq!(home.waiting(), 0, "nothing was sent");
    screen.keys(ENTER);
    let node = home.node();
    home.runtime.block_on(until("it is sent", || async {
        matches!(node.call(Command::Status).await, Ok(Reply::Status(status)) if status.queued == 1).then_some(())
    }));
    screen.wait_for(&["queue 1"]);
    quit_with_waiting(screen);
}

#[test]
fn an_editor_that_hangs_keeps_neither_the_node_nor_the_end_of_the_program() {
    let home = Prepared::new(None);
    let (script, started) = (home.place.path().join("editor"), home.place.path().join("started"));
    std::fs::write(&script, format!("echo $$ > {}; exec sleep 600", started.display())).unwrap();
    let editor = format!("sh {}", script.display());
    let mut screen = home.write_to_lumina(home.start_with(&[("EDITOR", &editor)]));
    screen.keys("half a thought\x0f");
    let pid: i32 = home
        .runtime
        .block_on(until("the editor runs", || async { std::fs::read_to_string(&started).ok()?.trim().parse().ok() }));
    // The node answers, and takes what another face sends.
    let node = home.node();
    let other = SendRequest { to: "lumina".into(), content: "meanwhile".into(), ..SendRequest::default() };
    home.runtime.block_on(node.call(Command::Send(other))).unwrap();
    assert_eq!(home.waiting(), 1);
    screen.signal(Signal::TERM);
    home.runtime.block_on(until("the program has ended", || async {
        NodeHandle::connect(&home.home.socket_path()).await.is_err().then_some(())
    }));
    // It is the user's; only the test has no use for it. It holds the terminal until then.
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    screen.ended_well();
    let screen = home.start_writing();
    screen.wait_until("both are there", |grid| grid.has("half a thought") && grid.has("meanwhile"));
    quit_with_waiting(screen);
}

/// Empties the composer, which asks first.
fn throw_away(screen: &mut Terminal) {
    screen.keys("\x1bx");
    screen.wait_for(&["Throw away what is written?"]);
    screen.keys("y");
    screen.wait_for(&["Type a message"]);
}

#[test]
fn a_paste_of_a_megabyte_is_taken_and_not_sent() {
    let home = Prepared::new(None);
    let mut screen = home.start_writing();
    let paste = "all work and no play\n".repeat(50_000);
    screen.keys(&format!("{PASTE}{paste}the last line{PASTE_END}"));
    screen.wait_for(&["the last line"]);
    assert_eq!(home.waiting(), 0);
    quit(screen);
}

#[test]
fn signals_end_it_cleanly() {
    let home = Prepared::new(None);
    let mut written = String::new();
    for (signal, word) in [(Signal::TERM, "kept over TERM "), (Signal::HUP, "and over HUP ")] {
        let mut screen = home.start_writing();
        screen.keys("\x1b[F");
        screen.keys(word);
        written.push_str(word);
        screen.wait_for(&[written.trim_end()]);
        screen.signal(signal);
        screen.ended_well();
    }
    let screen = home.start_writing();
    screen.wait_for(&[written.trim_end()]);
    quit(screen);
}

#[test]
fn a_killed_program_keeps_messages_and_drafts() {
    let home = Prepared::new(None);
    let mut screen = home.start_writing();
    screen.keys("written before the kill\r");
    screen.wait_until("it waits for a way", |grid| {
        grid.has_line(&["you", "written before the kill"]) && grid.has("queue 1")
    });
    screen.keys("half a thought");
    screen.wait_for(&["half a thought"]);
    home.wait_for_draft("half a thought");
    screen.signal(Signal::KILL);
    let (status, _) = screen.ended();
    assert!(!status.success());

    let screen = home.start_writing();
    let grid = screen.wait_until("both are there", |grid| {
        grid.has_line(&["you", "written before the kill"]) && grid.has("half a thought") && grid.has("queue 1")
    });
    assert_eq!(grid.count("written before the kill"), 1);
    quit_with_waiting(screen);
}

#[test]
fn a_second_screen_shows_the_same_node() {
    let home = Prepared::new(None);
    let mut first = home.start_writing();
    let mut second = home.start_writing();
    second.keys("seen on both\r");
    second.wait_for(&["you", "seen on both"]);
    first.wait_for(&["you", "seen on both"]);
    first.keys("and back\r");
    second.wait_for(&["you", "and back"]);
    // The second one is only a face of the node: it goes without a question, the first one stays.
    second.wait_for(&["queue 2"]);
    quit(second);
    first.keys("still here\r");
    first.wait_until("three messages wait", |grid| grid.has_line(&["you", "still here"]) && grid.has("queue 3"));
    quit_with_waiting(first);
}

#[test]
fn the_first_run_makes_an_identity_and_the_second_goes_straight_in() {
    let place = tempfile::tempdir().unwrap();
    let start = || Terminal::start(place.path(), (80, 24), &[]);
    let mut screen = start();
    screen.wait_for(&["Welcome to skcomm"]);
    screen.keys("Opus\r");
    screen.wait_for(&["agent@operator.realm"]);
    screen.keys("opus@casey.douno\r\r");
    screen.wait_for(&["2/3 Passphrase"]);
    screen.keys(&DOWN.repeat(2));
    screen.wait_for(&["> [ ] No passphrase"]);
    screen.keys(" \r");
    screen.wait_for(&["3/3 First transport"]);
    screen.keys("\r\r");
    screen.wait_for(&["This is you"]);
    let grid = screen.grid();
    assert!(grid.has("Opus") && grid.has("opus@casey.douno"));
    screen.keys(ENTER);
    screen.wait_for(&["Nobody is here yet"]);
    screen.wait_for(&["file"]);
    quit(screen);
    assert!(place.path().join(".skcomm/identity/private.asc").exists());

    let screen = start();
    screen.wait_for(&["Nobody is here yet"]);
    screen.wait_for(&["opus@casey.douno"]);
    quit(screen);
}

#[test]
fn the_first_run_can_be_skipped_or_left() {
    let place = tempfile::tempdir().unwrap();
    let start = || Terminal::start(place.path(), (80, 24), &[]);
    let mut screen = start();
    screen.wait_for(&["Welcome to skcomm"]);
    screen.keys(ESC);
    screen.wait_for(&["q  quit"]);
    screen.keys("q");
    screen.ended_well();
    assert!(!place.path().join(".skcomm/identity").exists(), "leaving makes nothing");

    let mut screen = start();
    screen.wait_for(&["Welcome to skcomm"]);
    screen.keys(ESC);
    screen.wait_for(&["y  skip"]);
    screen.keys("y");
    screen.wait_for(&["This is you"]);
    screen.keys(ENTER);
    screen.wait_for(&["Nobody is here yet"]);
    quit(screen);
    check_private(&place.path().join(".skcomm"));
}

/// Nobody else may look into the home.
fn check_private(home: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(home), 0o700);
    assert_eq!(mode(&home.join("identity/private.asc")), 0o600);
}

#[test]
fn a_locked_identity_asks_and_refuses_a_wrong_passphrase() {
    let home = Prepared::new(Some(SECRET));
    let mut screen = home.start();
    screen.wait_for(&["The key of opus is locked"]);
    screen.keys("let me in\r");
    screen.wait_for(&["That was wrong"]);
    screen.keys(SECRET);
    screen.wait_until("the passphrase is not shown", |grid| !grid.has("correct"));
    screen.keys(ENTER);
    screen.wait_for(&["lumina"]);
    quit(screen);

    // Given up: no node is started, the terminal is given back.
    let mut screen = home.start();
    screen.wait_for(&["The key of opus is locked"]);
    screen.keys(ESC);
    screen.ended_well();
}
