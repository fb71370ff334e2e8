//! Terminals that misbehave, and text that means to: floods, storms of sizes, lines that hang, stopped jobs, terminals
//! without colour or Unicode.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use skcomm_tui::node::{Command, HistoryQuery, Reply, SendRequest};

use super::{Prepared, WIDE, quit, quit_with_waiting};
use crate::{
    support::until_within,
    terminal::{Grid, Terminal, wipes},
};

/// Messages of the flood.
const FLOOD: usize = 1_000;
/// Longest time until all of it has arrived and is acked; the machine may be busy with other tests.
const ARRIVES: Duration = Duration::from_secs(240);
/// Time between two sizes of the storm: 20 a second.
const STORM: Duration = Duration::from_millis(50);
/// Longest time from a key to its letter on the screen; the machine may be busy with other tests.
const ANSWER: Duration = Duration::from_secs(20);
/// Most frames a second.
const FPS: f64 = 60.0;

/// Begins of frames that were too large to be written without synchronized output.
fn large_frames(raw: &[u8]) -> usize {
    const BEGIN: &[u8] = b"\x1b[?2026h";
    raw.windows(BEGIN.len()).filter(|bytes| *bytes == BEGIN).count()
}

#[test]
fn a_flood_from_a_friend_and_a_storm_of_sizes_leave_the_screen_alive_and_right() {
    let home = Prepared::listening();
    let mut screen = home.start_writing();
    let lumina = home.lumina();
    let (handle, node) = (lumina.handle(), home.node());
    let before = screen.written().len();
    let started = Instant::now();
    let pouring = home.runtime.spawn(async move {
        let mut answers = std::collections::VecDeque::new();
        for n in 1..=FLOOD {
            let content = format!("message {n} of the flood, with enough to say that it wraps in a narrow window");
            let request = SendRequest { to: "opus".into(), content, wait_for_room: true, ..SendRequest::default() };
            answers.push_back(handle.ask(Command::Send(request)).await);
            if answers.len() == 64 {
                answers.pop_front().unwrap().await.unwrap();
            }
        }
        for answer in answers {
            answer.await.unwrap();
        }
        until_within(ARRIVES, "all of it is here", || async {
            let all = HistoryQuery { incoming: Some(true), limit: 10_000, ..HistoryQuery::default() };
            let Ok(Reply::Messages(kept)) = node.call(Command::History(all)).await else { panic!() };
            (kept.len() == FLOOD).then_some(())
        })
        .await;
    });
    let (mut rounds, mut slowest, mut sizes) = (0, Duration::ZERO, 0);
    while !pouring.is_finished() || rounds < 3 {
        for size in [(80, 24), (40, 12), (1, 1), WIDE].into_iter().cycle().take(12) {
            screen.resize(size);
            sizes += 1;
            // The pace of the storm, not a wait for anything.
            std::thread::sleep(STORM);
        }
        let word = format!("word{rounds}");
        let asked = Instant::now();
        screen.keys(&format!("{word} "));
        screen.wait_for(&[&word]);
        slowest = slowest.max(asked.elapsed());
        rounds += 1;
        if rounds % 8 == 0 {
            screen.keys("\r");
            screen.wait_for(&["Type a message"]);
        }
    }
    home.runtime.block_on(pouring).unwrap();
    screen.wait_for(&[&format!("message {FLOOD} of the flood")]);
    let took = started.elapsed().as_secs_f64();
    let raw = screen.written().split_off(before);
    let frames = large_frames(&raw);
    eprintln!(
        "{:.0} messages a second, {sizes} sizes, {frames} large frames and {} bytes in {took:.1} s, slowest key {slowest:?}",
        FLOOD as f64 / took,
        raw.len()
    );
    assert!(slowest < ANSWER, "{slowest:?} for a key");
    // Frames gather what happens between them: their number follows the time, not the flood.
    assert!(frames as f64 <= took * FPS + 2.0, "{frames} frames in {took:.1} s");
    let largest = usize::from(WIDE.0) * usize::from(WIDE.1) * 8;
    assert!(raw.len() <= (frames + 1) * largest, "{} bytes in {frames} frames", raw.len());
    is_what_a_fresh_one_shows(&mut screen);
    home.runtime.block_on(lumina.stop()).unwrap();
    if home.waiting() == 0 { quit(screen) } else { quit_with_waiting(screen) }
}

/// The screen after all it went through is the one that is drawn when nothing about it is believed.
fn is_what_a_fresh_one_shows(screen: &mut Terminal) {
    let before = screen.grid();
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

#[test]
fn text_that_means_to_break_the_screen_is_only_text() {
    let home = Prepared::new(None);
    let mut screen = home.start_writing();
    let node = home.node();
    let hostile = [
        "wide 漢字カナ한글 end".to_owned(),
        format!("marks e{} end", "\u{301}".repeat(200)),
        "right مرحبا שלום left end".to_owned(),
        "zero\u{200b}\u{200d}\u{feff}width end".to_owned(),
        "bidi \u{202e}txt.exe\u{202c}\u{2066}x\u{2069} end".to_owned(),
        "escape \x1b]0;owned\x07\x1b[2J\u{9b}31m\x08\x7f end".to_owned(),
    ];
    for text in &hostile {
        let request = SendRequest { to: "lumina".into(), content: text.clone(), ..SendRequest::default() };
        home.runtime.block_on(node.call(Command::Send(request))).unwrap();
    }
    screen.wait_for(&[&format!("queue {}", hostile.len())]);
    screen.wait_for(&["escape", "owned", "end"]);
    for size in [WIDE, (80, 24), (40, 12), WIDE] {
        screen.resize(size);
        screen.wait_until("the newest message, within whole borders", |grid| {
            let pane = grid.rows().iter().position(|row| row.contains("lumina / general"));
            let bottom = grid.rows().iter().rposition(|row| row.contains("└"));
            let (Some(top), Some(bottom)) = (pane, bottom) else { return false };
            grid.rows().len() == usize::from(size.1) && grid.has("end") && bottom > top
        });
        is_what_a_fresh_one_shows(&mut screen);
    }
    let raw = String::from_utf8(screen.written()).expect("whole characters");
    for never in ["\u{202e}", "\u{202c}", "\u{2066}", "\u{2069}", "\u{200b}", "\u{feff}", "\u{9b}", "\x1b]0;", "\x7f"] {
        assert!(!raw.contains(never), "{never:?} reached the terminal");
    }
    quit_with_waiting(screen);
}
