//! What peers write and call themselves, end to end: it is text on the screen and nothing else for the terminal.

use skcomm_tui::{
    pgp::{Identity, generate},
    wire::{FileBody, FileManifest, PayloadType},
};

use super::{Prepared, WIDE, faults::is_what_a_fresh_one_shows, quit_anyway};
use crate::{
    letters::{Author, now, pour},
    terminal::{PAGE_UP, Terminal},
};

/// What the texts try to leave on the terminal: no sequence of the program's has it.
const LOOT: &str = "owned";

/// What stands before the texts that are looked at one by one.
const FIRST: &str = "the first of lumina";

/// A tag that stands for its letter and is shown nowhere.
fn tags(text: &str) -> String {
    text.chars().filter_map(|c| char::from_u32(0xE0000 + u32::from(c))).collect()
}

/// Texts that would do something to a terminal, or to its grid, if they reached it as they are.
fn texts() -> Vec<String> {
    let fixed = [
        "\x1b]0;owned\x07 \x1b]2;owned\x1b\\ \u{9d}0;owned\u{9c} the title",
        "\x1b]52;c;b3duZWQ=\x07 \x1b]52;p;b3duZWQ=\x1b\\ \u{9d}52;c;b3duZWQ=\u{9c} the clipboard",
        "\x1b]8;;https://owned.example/\x07a link\x1b]8;;\x07 \x1b]9;owned\x07 \x1b]777;notify;owned;owned\x07",
        "\x1b[2J\x1b[H\x1b[3J wiped \x1bc reset \x1b#8 filled \x1b[!p",
        "\x1b[?1049l the other screen \x1b[?25l \x1b[?1000h \x1b[?2004h\x1b[200~\r\x1b[201~",
        "\x1b[31;5;7m colours \x1b[38;2;1;2;3m \u{9b}31;7m and in one byte\u{9b}2J",
        "\x1b[c \x1b[5n \x1b[6n \x05 \x1bP$qm\x1b\\ \x1b[>q asks the terminal",
        "\x1bP1000p owned \x1b\\ \u{90}q#0;2;0;0;0#0!200~\u{9c} \x1b_Gf=24;owned\x1b\\ \x1b^owned\x1b\\ \x1bXowned\x1b\\",
        "\x1b(0 lqqk \x0e lqqk \x0f \x1b)0 \x1bN \x1bO other letters",
        "\x07\x07\x07 \x08\x08\x08\x08 \x7f\x7f \0\0 \x0b \x0c \u{85} \u{84} \u{8d} small ones",
        "a\rb\r\nc\n\n\nd\u{2028}e\u{2029}f\tg",
        "\u{202e}drowssap ruoy si siht\u{202c} \u{202a}\u{202b}\u{202d}\u{2066}\u{2067}\u{2068}\u{2069}\u{200e}\u{200f}\u{61c}",
        "pay\u{200b}pal \u{200c}\u{200d}\u{2060}\u{feff}\u{ad}\u{34f}\u{115f}\u{3164}\u{ffa0}\u{180e}\u{206a}\u{fff9}\u{fffb} nothing",
        "漢字かな交じり文 ｆｕｌｌ　ｗｉｄｔｈ 한국어 👩‍👩‍👧‍👦 🏳️‍🌈 🇪🇺 ☺️ ⚠︎ 1️⃣ 👍🏽",
        "e\u{301}\u{323}\u{302} ก็ำ ह्म्म्म ᄀᄀᄀ각ᆨᆨ \u{1F1E6} \u{301} ﷽ 𒐫 ⸻ ꧅",
        "אבגד عربي mixed אבג english \u{5d0}\u{5b0}\u{5b1}\u{5b2} \u{644}\u{644}\u{647}",
        "<b>&#27;[31m&#x9b;2J&#7;</b> [owned](\x1b]0;x) ![owned](x) `\x1b[2J` **\u{9b}1m**\n```\n\x1b[2J\u{9b}2J\n```",
        "| a | b |\n|---|---|\n| \x1b[7m漢 | \u{9b}K |\n# \x1b]2;owned\x07\n> \x1b[1A\n- \x1b[1A",
    ];
    // Those that take many pages come first: the others are looked at one by one.
    let mut all = vec![
        "x".repeat(60_000),
        "漢".repeat(3_000),
        "\x1b[A".repeat(2_000),
        format!("z{}", "\u{301}\u{323}\u{489}".repeat(300)),
        "👩‍".repeat(500),
        format!("hidden{} {}", tags("owned by tags"), "\u{fe0f}\u{200d}".repeat(50)),
        FIRST.to_owned(),
    ];
    all.extend(fixed.map(str::to_owned));
    all
}

/// The letters of control sequences the program itself draws with.
const DRAWING: &str = "ABCDHJKXm";
/// Modes it sets and resets.
const MODES: [&str; 7] = ["25", "1000", "1004", "1006", "1049", "2004", "2026"];

/// All that was written is the program's own: text without a control character of any kind, and its own sequences.
fn nothing_slipped_through(raw: &[u8]) {
    let all = std::str::from_utf8(raw).expect("what is written is UTF-8");
    let mut rest = all;
    while let Some(c) = rest.chars().next() {
        let here = || format!("{:?}", rest.chars().take(60).collect::<String>());
        let (_, behind) = rest.split_at(c.len_utf8());
        rest = match c {
            '\x1b' => sequence(behind).unwrap_or_else(|| panic!("not a sequence of ours: {}", here())),
            '\r' | '\n' | '\x08' => behind,
            // The bell rings behind a notification.
            '\x07' => behind,
            _ => {
                let unseen = c.is_control()
                    || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
                    || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
                    || matches!(c, '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{3164}' | '\u{ffa0}' | '\u{180e}')
                    || matches!(c, '\u{e0000}'..='\u{e0fff}');
                assert!(!unseen, "{:?} in {}", c, here());
                behind
            }
        };
    }
}

/// What is behind a sequence of the program's own; none for any other.
fn sequence(behind: &str) -> Option<&str> {
    if let Some(osc) = behind.strip_prefix(']') {
        let (said, rest) = osc.split_once('\x07')?;
        let plain = !said.chars().any(char::is_control);
        return (plain && (said.starts_with("9;") || said.starts_with("777;notify;"))).then_some(rest);
    }
    let csi = behind.strip_prefix('[')?;
    let end = csi.find(|c: char| !c.is_ascii_digit() && !matches!(c, ';' | '?'))?;
    let (parameters, rest) = csi.split_at(end);
    let letter = rest.chars().next()?;
    let known = match parameters.strip_prefix('?') {
        Some(mode) => MODES.contains(&mode) && matches!(letter, 'h' | 'l'),
        None => DRAWING.contains(letter),
    };
    known.then(|| &rest[letter.len_utf8()..])
}

/// Every border that begins somewhere goes on to its end.
fn borders_are_whole(screen: &Terminal) {
    let cells = screen.cells();
    for (y, row) in cells.iter().enumerate() {
        for (x, cell) in row.iter().enumerate().filter(|(_, cell)| matches!(cell.as_str(), "┌" | "┐")) {
            let below: Vec<&str> = cells[y + 1..].iter().map(|row| row[x].as_str()).collect();
            let end = below.iter().position(|cell| !matches!(*cell, "│" | "├" | "┤"));
            let picture = || cells.iter().map(|row| row.concat() + "\n").collect::<String>();
            let ends = end.map(|end| below[end]);
            assert!(matches!(ends, Some("└" | "┘")), "the border at {x} {y} ({cell}) ends in {ends:?}:\n{}", picture());
        }
    }
}

#[test]
fn what_others_write_is_text_whatever_it_holds() {
    let home = Prepared::listening();
    let mut screen = home.start_writing();
    // Nobody looks at it: what comes is told as a notification of the terminal's, too.
    screen.keys("\x1b[O");
    let (address, own) = home.reachable();
    let (key, name) = (home.lumina(), "lu\x1b]0;owned\x07mina\u{202e}");
    let lumina = Author { key: &key, name, to: &own, introduces: false };
    let identity = Identity { name: "mallory".to_owned(), email: "mallory@example.org".to_owned(), fqid: None };
    let mallory = generate(identity, None, now()).unwrap().secret;
    let name = "\x1b]52;c;b3duZWQ=\x07\u{202e}\u{9b}2Jlumina\u{200b}";
    let mallory = Author { key: &mallory, name, to: &own, introduces: true };
    let texts = texts();
    let mut letters: Vec<_> = texts.iter().enumerate().map(|(n, text)| lumina.letter(n, text)).collect();
    let manifest = FileManifest {
        name: "\x1b]2;owned\x07\u{202e}gpj.exe\u{9b}2J\n../\u{200b}".to_owned(),
        size: 1_000_000,
        sha256: "ab".repeat(32).parse().unwrap(),
        chunk_bytes: 65_536,
        media_type: None,
    };
    letters.push(lumina.envelope(1_000, PayloadType::File, FileBody::Manifest(manifest).to_content()));
    letters.push(lumina.letter(1_001, "the last of lumina"));
    letters.extend(texts.iter().take(5).enumerate().map(|(n, text)| mallory.letter(2_000 + n, text)));
    let frames: Vec<_> = letters.iter().map(|letter| letter.encode().into()).collect();
    let all = frames.len();
    assert_eq!(home.runtime.block_on(pour(address, frames, None)), (all, 0));

    screen.wait_until("the newest, and the request", |grid| grid.has("the last of lumina") && grid.has("Requests: 1"));
    screen.keys("\x1b[I\x1b2");
    for size in [WIDE, (80, 24), (40, 12), (200, 60)] {
        screen.resize(size);
        screen.wait_until("the new size", |grid| grid.rows().len() == usize::from(size.1));
        screen.keys("\x1b[F");
        let mut grid = screen.settled();
        borders_are_whole(&screen);
        while !grid.has(FIRST) {
            screen.keys(PAGE_UP);
            let before = std::mem::replace(&mut grid, screen.settled());
            borders_are_whole(&screen);
            assert!(grid.rows() != before.rows(), "it goes on to the first one:\n{}", grid.rows().join("\n"));
        }
        is_what_a_fresh_one_shows(&mut screen);
    }
    // Who the stranger says to be, what was offered, what the log has of it.
    screen.resize(WIDE);
    for command in ["file.list", "log.open", "trust.open lumina"] {
        screen.keys(&format!("\x1b:{command}\r"));
        screen.settled();
        is_what_a_fresh_one_shows(&mut screen);
        screen.keys("\x1b");
    }
    screen.keys("\x1b3");
    screen.wait_for(&["Enter send"]);
    let raw = screen.written();
    quit_anyway(&home, screen);
    nothing_slipped_through(&raw);
    let told = String::from_utf8(raw).unwrap();
    assert!(told.contains("\x1b]777;notify;"), "something was told");
    assert!(told.contains(LOOT), "it is shown as text");
}
