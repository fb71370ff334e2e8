//! The demonstration: delivery, failover, every view, sizes.

use tempfile::TempDir;

use super::{WIDE, quit};
use crate::terminal::{ENTER, ESC, F1, F3, F4, F8, F9, Grid, Terminal};

/// Whether an own message with this text arrived: two ticks, one of these paths and milliseconds, behind it or below it.
fn arrived(grid: &Grid, text: &str, via: &[&str]) -> bool {
    let rows = grid.rows();
    let Some(at) = rows.iter().position(|row| row.contains("you") && row.contains(text)) else { return false };
    let told = |row: &String| row.contains("✓✓") && row.contains(" ms") && via.iter().any(|via| row.contains(via));
    rows.iter().skip(at).take(2).any(told)
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
    screen.wait_until("delivered over tcp", |grid| arrived(grid, "hello from the test", &["tcp"]));
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
    screen.wait_until("delivered another way", |grid| arrived(grid, "after the outage", &["relay", "file"]));
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
        arrived(grid, "back on the first path", &["tcp"]) && grid.has("o tcp")
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
