//! Terminals that misbehave: lines that hang, stopped jobs, terminals without colour or Unicode.

use std::time::Duration;

use rustix::process::Signal;

use super::{Prepared, WIDE, quit};
use crate::terminal::{Grid, Terminal, wipes};

/// The screen after all it went through is the one that is drawn when nothing about it is believed.
pub(super) fn is_what_a_fresh_one_shows(screen: &mut Terminal) {
    let before = screen.settled();
    let wiped = wipes(&screen.written());
    screen.keys("\x0c");
    screen.wait_for_wipe(wiped);
    let same = |grid: &Grid| grid.rows() == before.rows();
    screen.wait_until(&format!("the same as before:\n{}", before.rows().join("\n")), same);
}

#[test]
fn a_line_that_hangs_holds_up_nothing_but_frames() {
    let home = Prepared::new(None);
    let mut screen = home.start_writing();
    screen.take_nothing();
    // More than lies between the program and us: every size is drawn anew.
    for size in [(200, 60), (180, 50)].into_iter().cycle().take(60) {
        screen.resize(size);
        std::thread::sleep(Duration::from_millis(20));
    }
    screen.keys("typed blind");
    // Only a screen that goes on taking keys and time saves a draft.
    home.wait_for_draft("typed blind");
    screen.resize(WIDE);
    screen.take_again();
    screen.wait_for(&["typed blind"]);
    is_what_a_fresh_one_shows(&mut screen);

    // And it ends when it is told to, with the draft.
    screen.take_nothing();
    for size in [(200, 60), (180, 50)].into_iter().cycle().take(60) {
        screen.resize(size);
        std::thread::sleep(Duration::from_millis(20));
    }
    screen.keys(" and kept");
    home.wait_for_draft("typed blind and kept");
    screen.signal(Signal::TERM);
    assert!(screen.wait_for_exit().success());
    drop(screen);
    let screen = home.start_writing();
    screen.wait_for(&["typed blind and kept"]);
    quit(screen);
}

#[test]
fn a_stopped_job_gives_the_terminal_back_and_takes_it_again() {
    let home = Prepared::new(None);
    let root = home.home.root().to_str().unwrap();
    let mut screen = home.write_to_lumina(Terminal::start_in_shell(home.place.path(), WIDE, &["--home", root]));
    screen.keys("half a thought");
    screen.wait_for(&["half a thought"]);
    screen.keys("\x1a");
    screen.wait_until("the shell", |grid| grid.has("the shell has it") && !grid.has("half a thought"));
    screen.keys("\n");
    screen.wait_until("back again", |grid| grid.has("half a thought") && grid.has("lumina / general"));
    screen.keys(" goes on");
    screen.wait_for(&["half a thought goes on"]);
    quit(screen);
}

#[test]
fn signals_to_stop_and_go_on_leave_it_whole() {
    let home = Prepared::new(None);
    let mut screen = home.start_writing();
    // No shell could bring it back: it says so and goes on.
    screen.signal(Signal::TSTP);
    screen.wait_for(&["there is no shell to come back from"]);
    screen.keys("still here");
    screen.wait_for(&["still here"]);
    // Stopped by force, and the terminal changes meanwhile.
    screen.signal(Signal::STOP);
    screen.resize((80, 24));
    screen.keys(" and again");
    screen.signal(Signal::CONT);
    screen.wait_for(&["still here and again"]);
    screen.wait_until("drawn for the new size", |grid| grid.rows().len() == 24 && grid.has("lumina / general"));
    is_what_a_fresh_one_shows(&mut screen);
    quit(screen);
}

/// The parameters of every sequence that sets attributes.
fn attributes(raw: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(raw);
    let sequences = text.split("\x1b[").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';')?;
        rest[end..].starts_with('m').then(|| rest[..end].to_owned())
    });
    sequences.flat_map(|list| list.split(';').filter_map(|n| n.parse().ok()).collect::<Vec<u16>>()).collect()
}

#[test]
fn without_colour_and_unicode_everything_is_still_told() {
    let home = Prepared::new(None);
    let plain: [&[(&str, &str)]; 3] = [
        &[("NO_COLOR", "1")],
        &[("TERM", "dumb"), ("COLORTERM", ""), ("LANG", "C")],
        &[("TERM", "xterm"), ("COLORTERM", ""), ("LANG", "")],
    ];
    for environment in plain {
        let mut screen = home.write_to_lumina(home.start_with(environment));
        screen.keys("plain and simple");
        screen.wait_until("all of it", |grid| {
            grid.has("plain and simple") && grid.has("Transports") && grid.has("encrypted to") && grid.has("failover")
        });
        let raw = screen.written();
        let unicode = environment.iter().all(|(name, _)| *name != "LANG");
        assert_eq!(raw.is_ascii(), !unicode, "{environment:?}");
        assert_eq!(screen.grid().has("┌"), unicode, "{environment:?}");
        let coloured = attributes(&raw).into_iter().any(|n| matches!(n, 30..=48 | 90..=107));
        let colours = environment.contains(&("TERM", "xterm"));
        assert_eq!(coloured, colours, "{environment:?}");
        // The draft is the next one's too.
        screen.keys("\x1bx");
        screen.wait_for(&["Throw away what is written?"]);
        screen.keys("y");
        screen.wait_for(&["Type a message"]);
        quit(screen);
    }
}
