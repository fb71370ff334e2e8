//! However the program ends, messages and drafts are there the next time.

use rustix::process::Signal;

use super::{Prepared, quit, quit_with_waiting};

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
