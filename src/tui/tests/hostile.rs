//! Whatever the size, the content, the keys and the order of events: never a panic, never a cell outside.

use proptest::prelude::*;

use crate::{
    delivery::MessageState,
    node::Event,
    tui::{
        keymap::parse_keys,
        testing::{FakeNode, Harness, conversation, event, message, own, transport},
        update::Msg,
    },
    wire::SafeText,
};

const KEYS: &[&str] = &[
    "Up",
    "Down",
    "PageUp",
    "PageDown",
    "Home",
    "End",
    "Enter",
    "Esc",
    "Tab",
    "S-Tab",
    "F1",
    "F4",
    "F5",
    "F7",
    "F8",
    "F10",
    "F12",
    "C-p",
    "C-k",
    "/",
    ":",
    "g",
    "u",
    "G",
    "j",
    "k",
    "i",
    "r",
    "p",
    "t",
    "x",
    "Space",
    "M-1",
    "M-2",
    "M-3",
    "M-4",
    "M-5",
    "M-s",
    "M-w",
    "M-z",
    "M-e",
    "M-q",
    "M-u",
    "C-Up",
    "C-u",
    "Backspace",
    "a",
    "é",
    "界",
    "y",
    "n",
    "M-=",
    "M--",
    "M-,",
    "M-.",
    "D",
    "X",
    "o",
];

#[derive(Clone, Debug)]
enum Step {
    Key(usize),
    Paste(String),
    Resize(u16, u16),
    Incoming(u64, String),
    Own(u64, String),
    Time(u64),
    Click(u16, u16),
    Wheel(u16, u16, bool),
    Lagged,
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,80}",
        "[a\\u{300}-\\u{36f}]{0,200}",
        "[\\u{200b}-\\u{202e}界👩‍👩‍👧🇩🇪\\t ]{0,40}",
        "(\\*\\*|`|> |- |#|\\||\\[|\\]|\\(|\\)|\n|x){0,60}",
        Just("wide 界".repeat(300)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..KEYS.len()).prop_map(Step::Key),
        1 => text().prop_map(Step::Paste),
        3 => (1u16..300, 1u16..100).prop_map(|(w, h)| Step::Resize(w, h)),
        2 => (1u64..400, text()).prop_map(|(n, t)| Step::Incoming(n, t)),
        1 => (1u64..400, text()).prop_map(|(n, t)| Step::Own(n, t)),
        1 => (0u64..100_000).prop_map(Step::Time),
        1 => (0u16..300, 0u16..100).prop_map(|(x, y)| Step::Click(x, y)),
        1 => (0u16..300, 0u16..100, any::<bool>()).prop_map(|(x, y, up)| Step::Wheel(x, y, up)),
        1 => Just(Step::Lagged),
    ]
}

fn mouse(kind: crossterm::event::MouseEventKind, column: u16, row: u16) -> Msg {
    let modifiers = crossterm::event::KeyModifiers::NONE;
    Msg::Mouse(crossterm::event::MouseEvent { kind, column, row, modifiers })
}

fn take(screen: &mut Harness, step: Step) {
    use crossterm::event::{MouseButton, MouseEventKind};
    let general = conversation(0xA1, "general");
    match step {
        Step::Key(n) => parse_keys(KEYS[n]).unwrap().into_iter().for_each(|key| screen.feed(Msg::Key(event(key)))),
        Step::Paste(text) => screen.feed(Msg::Paste(text)),
        Step::Resize(width, height) => screen.feed(Msg::Resize(width, height)),
        Step::Incoming(n, text) => {
            let mut new = message(n, &general, &text);
            new.from = SafeText::line(&text);
            screen.feed(Msg::Event(Box::new(Event::Message(Box::new(new)))));
        }
        Step::Own(n, text) => {
            let state = MessageState::Accepted { via: transport("tcp"), stored_by: Some(SafeText::line(&text)) };
            screen.feed(Msg::Event(Box::new(Event::Message(Box::new(own(n, &general, &text, state))))));
        }
        Step::Time(ms) => {
            screen.pass(ms);
        }
        Step::Click(x, y) => screen.feed(mouse(MouseEventKind::Down(MouseButton::Left), x, y)),
        Step::Wheel(x, y, true) => screen.feed(mouse(MouseEventKind::ScrollUp, x, y)),
        Step::Wheel(x, y, false) => screen.feed(mouse(MouseEventKind::ScrollDown, x, y)),
        Step::Lagged => screen.feed(Msg::Event(Box::new(Event::Lagged(3)))),
    }
}

/// Few in the ordinary run, because each case draws dozens of frames; `PROPTEST_CASES` asks for more.
fn cases() -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    if asked { ProptestConfig::default() } else { ProptestConfig::with_cases(48) }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn never_a_panic(width in 1u16..300, height in 1u16..100, steps in prop::collection::vec(step(), 1..40)) {
        let mut screen = Harness::new(width, height, FakeNode::long(300));
        screen.run("conversation.open lumina");
        for step in steps {
            take(&mut screen, step);
        }
    }
}

#[test]
fn borders_stay_whole_whatever_is_in_the_text() {
    let mut screen = Harness::new(80, 24, FakeNode::long(3));
    screen.run("conversation.open lumina");
    let general = conversation(0xA1, "general");
    let nasty = ["e\u{301}".repeat(200), "界".repeat(100), "👩‍👩‍👧‍👦".repeat(40), "\u{202e}abc\u{200b}\t\u{7}".repeat(30)];
    for (n, text) in nasty.iter().enumerate() {
        let new = message(100 + n as u64, &general, text);
        screen.feed(Msg::Event(Box::new(Event::Message(Box::new(new)))));
        let buffer = screen.terminal.backend().buffer().clone();
        let right = buffer.area.width - 1;
        for y in 1..10 {
            assert_eq!(buffer[(right, y)].symbol(), "│", "row {y} of\n{}", screen.screen());
        }
    }
}
