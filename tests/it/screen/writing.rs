//! What is typed, pasted and edited elsewhere is text, and sent by nothing but the key for it.

use rustix::process::Signal;
use skcomm_tui::node::{Command, NodeHandle, Reply, SendRequest};

use super::{Prepared, quit, quit_with_waiting};
use crate::{
    support::until,
    terminal::{ENTER, PASTE, PASTE_END, Terminal},
};

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
