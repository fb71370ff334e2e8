//! The small screens before the main one: first run, passphrase.

use std::path::Path;

use super::{Prepared, quit};
use crate::terminal::{DOWN, ENTER, ESC, Terminal};

const SECRET: &str = "correct horse battery";

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
