//! The cutting of bytes: every split, every pause.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseEventKind};
use proptest::prelude::*;

use super::{Piece, Splitter, event, split::PASTE_BYTES_MAX};

const BEGIN: &str = "\x1b[200~";
const END: &str = "\x1b[201~";

/// What the parts give when nothing comes for a while after each of them.
fn paused(parts: &[&[u8]]) -> Vec<Piece> {
    let mut splitter = Splitter::default();
    let mut pieces = Vec::new();
    for part in parts {
        pieces.extend(splitter.push(part, false));
        while splitter.is_waiting() {
            pieces.extend(splitter.settle());
        }
    }
    pieces
}

fn pasted(pieces: &[Piece]) -> String {
    let text = pieces.iter().filter_map(|piece| match piece {
        Piece::Paste(text) => Some(text.as_str()),
        Piece::Key(_) => None,
    });
    text.collect()
}

fn keys(pieces: &[Piece]) -> Vec<u8> {
    let keys = pieces.iter().filter_map(|piece| match piece {
        Piece::Key(bytes) => Some(bytes.as_slice()),
        Piece::Paste(_) => None,
    });
    keys.collect::<Vec<_>>().concat()
}

fn events(bytes: &[u8]) -> Vec<Event> {
    paused(&[bytes]).into_iter().filter_map(event).collect()
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Event {
    Event::Key(KeyEvent::new(code, modifiers))
}

#[test]
fn keys_are_what_they_were() {
    let (none, alt, ctrl, shift) = (KeyModifiers::NONE, KeyModifiers::ALT, KeyModifiers::CONTROL, KeyModifiers::SHIFT);
    let cases: [(&str, Event); 22] = [
        ("a", key(KeyCode::Char('a'), none)),
        ("Ä", key(KeyCode::Char('Ä'), shift)),
        ("漢", key(KeyCode::Char('漢'), none)),
        ("👩", key(KeyCode::Char('👩'), none)),
        ("\r", key(KeyCode::Enter, none)),
        ("\n", key(KeyCode::Char('j'), ctrl)),
        ("\x11", key(KeyCode::Char('q'), ctrl)),
        ("\x7f", key(KeyCode::Backspace, none)),
        ("\x1b", key(KeyCode::Esc, none)),
        ("\x1bt", key(KeyCode::Char('t'), alt)),
        ("\x1bä", key(KeyCode::Char('ä'), alt)),
        ("\x1b\r", key(KeyCode::Enter, alt)),
        ("\x1b[B", key(KeyCode::Down, none)),
        ("\x1bOP", key(KeyCode::F(1), none)),
        ("\x1b[[B", key(KeyCode::F(2), none)),
        ("\x1b[20~", key(KeyCode::F(9), none)),
        ("\x1b[20;5~", key(KeyCode::F(9), ctrl)),
        ("\x1b[1;5C", key(KeyCode::Right, ctrl)),
        ("\x1b[Z", key(KeyCode::BackTab, shift)),
        // kitty and xterm's modifyOtherKeys in its CSI u form.
        ("\x1b[13;2u", key(KeyCode::Enter, shift)),
        ("\x1b[I", Event::FocusGained),
        ("\x1b[O", Event::FocusLost),
    ];
    for (bytes, expected) in cases {
        assert_eq!(events(bytes.as_bytes()), std::slice::from_ref(&expected), "{bytes:?}");
        // Read a byte at a time, without a pause, it is the same.
        let mut splitter = Splitter::default();
        let mut pieces: Vec<Piece> = bytes.bytes().flat_map(|byte| splitter.push(&[byte], false)).collect();
        pieces.extend(splitter.settle());
        assert_eq!(pieces.into_iter().filter_map(event).collect::<Vec<_>>(), [expected], "{bytes:?} bytewise");
    }
    let all: String = cases_in_a_row();
    assert_eq!(events(all.as_bytes()).len(), 9, "{:?}", events(all.as_bytes()));
}

fn cases_in_a_row() -> String {
    ["a", "\x1b[20~", "\x1b[200", "\x1b", "\x1b[A", "\x1b[2", "\x1bOP", "ß", "\x1b[<0;3;4M", "\x1b[M !!", "x"].concat()
}

#[test]
fn the_mouse_is_read() {
    let kinds = |bytes: &[u8]| -> Vec<(MouseEventKind, u16, u16)> {
        let mouse = |event| if let Event::Mouse(m) = event { Some((m.kind, m.column, m.row)) } else { None };
        events(bytes).into_iter().filter_map(mouse).collect()
    };
    let left = MouseEventKind::Down(crossterm::event::MouseButton::Left);
    assert_eq!(kinds(b"\x1b[<0;20;10M\x1b[<64;1;1M"), [(left, 19, 9), (MouseEventKind::ScrollUp, 0, 0)]);
    assert_eq!(kinds(b"\x1b[M !!"), [(left, 0, 0)]);
}

#[test]
fn a_paste_cut_anywhere_is_a_paste() {
    let text = "one\rtwo\n\x1b[31mthree \x1b\x1b[A äöü\r";
    let whole = format!("{BEGIN}{text}{END}");
    for at in 0..=whole.len() {
        let (first, second) = whole.as_bytes().split_at(at);
        let pieces = paused(&[first, second]);
        assert_eq!(pasted(&pieces), text, "cut at {at}");
        let typed = keys(&pieces);
        assert!(typed.is_empty() || typed == b"\x1b", "cut at {at}: {typed:?}");
    }
    // However slowly it trickles in: all that leaks are letters of the mark, and never a newline.
    let slow: Vec<&[u8]> = whole.as_bytes().chunks(1).collect();
    let pieces = paused(&slow);
    assert_eq!(pasted(&pieces), text);
    assert_eq!(keys(&pieces), b"\x1b[200");
}

#[test]
fn a_paste_cannot_end_itself() {
    let text = format!("one\rtwo{END}three\r\x1b:app.quit\r{END}four\r");
    let whole = format!("{BEGIN}{text}{END}");
    for at in 0..=whole.len() {
        let (first, second) = whole.as_bytes().split_at(at);
        let pieces = paused(&[first, second]);
        // Of a mark that was cut behind its Escape, that may stay; the composer takes it away.
        let without = |text: &str| text.replace(END, "").replace('\x1b', "");
        assert_eq!(without(&pasted(&pieces)), without(&text), "cut at {at}");
        let typed = keys(&pieces);
        assert!(typed.is_empty() || typed == b"\x1b", "cut at {at}: {typed:?}");
    }
}

#[test]
fn after_a_paste_keys_are_keys_again() {
    let paste = format!("{BEGIN}text{END}");
    let mut splitter = Splitter::default();
    assert!(splitter.push(paste.as_bytes(), false).is_empty());
    // In the same breath it is nobody's key; only the terminal's own words are.
    assert!(splitter.push(b"\r\x1b[I", false).is_empty());
    assert_eq!(splitter.settle(), [Piece::Paste("text\r".into()), Piece::Key(b"\x1b[I".to_vec())]);
    assert!(!splitter.is_waiting());
    assert!(splitter.push(b"\r", false).is_empty() && splitter.is_waiting());
    assert_eq!(splitter.settle(), [Piece::Key(b"\r".to_vec())]);
    assert_eq!(splitter.push(b"\r", false), [Piece::Key(b"\r".to_vec())]);
}

#[test]
fn one_can_leave_a_paste_that_broke_off() {
    let mut splitter = Splitter::default();
    assert!(splitter.push(format!("{BEGIN}half").as_bytes(), false).is_empty());
    assert!(!splitter.is_waiting());
    assert!(splitter.push(b"\x1b", false).is_empty() && !splitter.is_waiting(), "it may be text");
    assert!(splitter.push(b"x", true).is_empty() && !splitter.is_waiting(), "and so may this");
    assert!(splitter.push(b"\x1b", true).is_empty() && splitter.is_waiting());
    assert_eq!(splitter.settle(), [Piece::Paste("half\x1bx".into()), Piece::Key(b"\x1b".to_vec())]);
    assert_eq!(splitter.push(b"a", false), [Piece::Key(b"a".to_vec())]);
}

#[test]
fn what_is_kept_is_bounded() {
    let mut splitter = Splitter::default();
    splitter.push(BEGIN.as_bytes(), false);
    let block = vec![b'x'; 1024 * 1024];
    for _ in 0..6 {
        assert!(splitter.push(&block, false).is_empty());
    }
    assert!(splitter.push(END.as_bytes(), false).is_empty());
    let pieces = splitter.settle();
    assert_eq!(pasted(&pieces).len(), PASTE_BYTES_MAX);
    // A sequence that does not end is dropped, and what follows it is read.
    let endless = format!("\x1b[{}Ma", "1;".repeat(10_000));
    assert_eq!(keys(&paused(&[endless.as_bytes()])), b"a");
}

proptest! {
    #[test]
    fn cuts_without_pauses_change_nothing(bytes in stream(), cuts in proptest::collection::vec(1_usize..9, 0..40)) {
        let mut whole = Splitter::default();
        let mut expected = whole.push(&bytes, false);
        let mut splitter = Splitter::default();
        let (mut pieces, mut rest) = (Vec::new(), bytes.as_slice());
        for cut in cuts {
            let (part, left) = rest.split_at(cut.min(rest.len()));
            pieces.extend(splitter.push(part, false));
            rest = left;
        }
        pieces.extend(splitter.push(rest, false));
        while whole.is_waiting() {
            expected.extend(whole.settle());
            pieces.extend(splitter.settle());
        }
        prop_assert!(!splitter.is_waiting());
        prop_assert_eq!(pieces, expected);
    }

    /// Cut and paused anywhere, what is between the marks never becomes Enter.
    #[test]
    fn a_paste_never_presses_enter(text in "[a-z\r\n\u{1b}\\[~2 é]{0,60}", cuts in proptest::collection::vec(0_usize..80, 0..6)) {
        let whole = format!("{BEGIN}{text}{END}").into_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(whole.len())).collect();
        cuts.sort_unstable();
        let mut parts = Vec::new();
        let mut at = 0;
        for cut in cuts {
            parts.push(&whole[at..cut]);
            at = cut;
        }
        parts.push(&whole[at..]);
        let pieces = paused(&parts);
        prop_assert_eq!(pasted(&pieces), text);
        prop_assert!(keys(&pieces).iter().all(|byte| b"\x1b[20".contains(byte)));
    }
}

/// Bytes of which every second is one that means something here.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let telling = proptest::sample::select(b"\x1b[O201~M<;\rA\xC3\xA4\xF0".to_vec());
    let mark = proptest::sample::select(vec![BEGIN.as_bytes().to_vec(), END.as_bytes().to_vec()]);
    let part = prop_oneof![3 => any::<u8>().prop_map(|b| vec![b]), 6 => telling.prop_map(|b| vec![b]), 1 => mark];
    proptest::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
}
