//! Scrolling, selecting and jumping in conversations of any length.

use crate::{
    node::{Command, Event},
    tui::{
        model::{Anchor, Motion, WINDOW_MESSAGES},
        testing::{FakeNode, Harness, conversation, id, message},
        update::Msg,
    },
};

fn long(count: u64) -> Harness {
    let mut screen = Harness::new(100, 30, FakeNode::long(count));
    screen.run("conversation.open lumina").press("Esc");
    screen
}

fn first_line(screen: &Harness) -> String {
    screen.screen().lines().nth(1).unwrap_or_default().to_owned()
}

#[test]
fn a_hundred_thousand_messages_are_never_in_memory_at_once() {
    let mut screen = long(100_000);
    screen.sees("number 100000");
    for _ in 0..150 {
        screen.press("PageUp");
    }
    let view = screen.model.view().unwrap();
    assert!(view.window.messages().len() <= WINDOW_MESSAGES + 200, "{}", view.window.messages().len());
    assert!(view.laid.lines.len() <= 1_000, "{} laid out", view.laid.lines.len());
    let (_, last) = view.window.span().unwrap();
    assert!(last < 100_000, "what is far away is let go");
    screen.press("G").sees("number 100000");
    screen.press("g g").sees("number 1 ");
}

#[test]
fn paging_up_and_down_passes_every_message() {
    let mut screen = long(700);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..200 {
        for line in screen.screen().lines() {
            if let Some(rest) = line.split("Message number ").nth(1) {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                seen.insert(digits.parse::<u64>().unwrap());
            }
        }
        screen.press("PageUp");
    }
    assert_eq!(seen.len(), 700, "some messages were never shown");
}

/// Messages come while the user goes on: what is not here yet when a key is pressed must not end the way.
#[test]
fn a_motion_goes_on_when_older_messages_have_come() {
    let (mut at_once, mut in_steps) = (long(2_000), long(2_000));
    at_once.model.view_mut().unwrap().motion = Motion { half_screens: -40, ..Motion::default() };
    at_once.feed(Msg::Tick);
    for _ in 0..20 {
        in_steps.press("PageUp");
    }
    // A line more or less: the day above the oldest message in memory goes when an older one of the same day comes.
    let middle = in_steps
        .screen()
        .lines()
        .find_map(|line| line.split(" and more").next()?.split("number ").nth(1)?.parse().ok());
    let middle: u64 = middle.unwrap();
    assert!(middle < 1_900, "{middle}: far away from what is in memory at first");
    at_once.sees(&format!("number {} ", middle + 2));
    assert_eq!(at_once.model.view().unwrap().motion, Motion::default());
    at_once.model.view_mut().unwrap().motion = Motion { half_screens: -10_000, ..Motion::default() };
    at_once.feed(Msg::Tick);
    at_once.press("g g").sees("number 1 ");
    assert_eq!(at_once.model.view().unwrap().motion, Motion::default(), "nothing is owed at the beginning");
}

#[test]
fn the_place_stays_when_messages_arrive() {
    let mut screen = long(500);
    screen.press("PageUp PageUp PageUp");
    let before = screen.screen();
    let general = conversation(0xA1, "general");
    for n in 501..520 {
        let new = message(n, &general, "a new one");
        screen.node.messages.get_mut(&general).unwrap().push(new.clone());
        screen.feed(Msg::Event(Box::new(Event::Message(Box::new(new)))));
    }
    let strip = |text: &str| -> Vec<String> {
        text.lines().skip(1).take(15).map(|line| line.chars().take(80).collect()).collect()
    };
    assert_eq!(strip(&before), strip(&screen.screen()));
    screen.sees("19 new below").press("G").sees("a new one");
}

#[test]
fn the_place_survives_resizing_to_anything_and_back() {
    let mut screen = long(500);
    screen.press("PageUp PageUp PageUp");
    let before = screen.screen();
    for (width, height) in [(40, 12), (300, 100), (1, 1), (80, 24), (200, 100), (45, 90)] {
        screen.resize(width, height);
    }
    screen.resize(100, 30);
    assert_eq!(before, screen.screen());
}

#[test]
fn following_goes_on_at_the_bottom_only() {
    let mut screen = long(50);
    let general = conversation(0xA1, "general");
    screen.feed(Msg::Event(Box::new(Event::Message(Box::new(message(51, &general, "shown at once"))))));
    screen.sees("shown at once");
    assert_eq!(screen.model.view().unwrap().anchor, Anchor::Bottom);
}

#[test]
fn jumps_to_a_day_and_to_what_is_quoted() {
    let mut node = FakeNode::long(5_000);
    let general = conversation(0xA1, "general");
    let mut reply = message(5_001, &general, "as you said then");
    reply.in_reply_to = Some(id(7));
    node.messages.get_mut(&general).unwrap().push(reply);
    let mut screen = Harness::new(100, 30, node);
    screen.run("conversation.open lumina").press("Esc");
    // The quote itself is outside of what is in memory and was asked for.
    screen.sees("lumina: Message number 7").press("Up o").sees("Message number 7 ");
    screen.run("message.goto-date 2026-11-19");
    let first = screen.model.selected_message().unwrap().timestamp.to_string();
    assert_eq!(&first[..16], "2026-11-19T00:00", "{}", screen.screen());
    let steps = screen.node.asked.iter().filter(|c| matches!(c, Command::History(q) if q.limit == 1)).count();
    assert!((1..=20).contains(&steps), "{steps} steps");
}

#[test]
fn a_state_overtakes_no_page_and_never_goes_back() {
    use crate::{
        delivery::MessageState,
        tui::testing::{delivered, own, transport},
    };
    let mut screen = long(10);
    let general = conversation(0xA1, "general");
    let mine = own(11, &general, "mine", delivered("tcp", 3));
    screen.feed(Msg::Event(Box::new(Event::Message(Box::new(mine)))));
    let state = MessageState::Accepted { via: transport("file"), stored_by: None };
    screen.feed(Msg::Event(Box::new(Event::State { envelope_id: id(11), conversation: general, state })));
    screen.sees("✓✓ tcp 3 ms");
}

#[test]
fn the_screen_follows_after_missed_events() {
    let mut screen = long(50);
    let general = conversation(0xA1, "general");
    screen.node.messages.get_mut(&general).unwrap().push(message(51, &general, "missed by the screen"));
    screen.feed(Msg::Event(Box::new(Event::Lagged(7))));
    screen.sees("missed by the screen");
}

#[test]
fn one_line_does_not_move_by_more_than_one() {
    let mut screen = long(200);
    screen.press("PageUp");
    let before = first_line(&screen);
    screen.press("PageDown PageUp");
    assert_eq!(before, first_line(&screen));
}

#[test]
fn text_has_the_whole_width_and_what_is_told_of_it_stands_behind_or_below() {
    let general = conversation(0xA1, "general");
    let words: Vec<String> = (100..160).map(|n| format!("word{n}")).collect();
    for width in (40..200).step_by(3) {
        let mut node = FakeNode::long(0);
        node.messages.insert(general.clone(), vec![message(1, &general, &words.join(" "))]);
        let mut screen = Harness::new(width, 40, node);
        screen.run("conversation.open lumina").press("Esc");
        let text = screen.screen();
        let mut rest = text.as_str();
        for word in &words {
            let at = rest.find(word.as_str()).unwrap_or_else(|| panic!("{word} is missing at {width}:\n{text}"));
            rest = &rest[at + word.len()..];
        }
        assert!(rest.contains("file ✓V"), "{width}:\n{text}");
        // The words fill the lines: no room for two more is left on any but the last.
        let region = &screen.model.regions.panes[0].list;
        let lines = text.lines().filter(|line| line.contains("word")).count();
        let indent = if region.width >= 50 { 14 } else { 1 };
        let room = usize::from(region.width) - indent;
        let least = (words.len() * 8).div_ceil(room);
        assert!(
            lines <= (words.len()).div_ceil(((room + 1) / 8).max(1)),
            "{lines} lines, {least} needed, at {width}:\n{text}"
        );
    }
}

#[test]
fn a_short_state_stands_behind_the_text_and_a_long_one_below() {
    use crate::{
        delivery::{MessageState, Reason, ReasonKind},
        tui::testing::{at, delivered, own},
    };
    let mut screen = long(1);
    let general = conversation(0xA1, "general");
    let mine = own(11, &general, "mine", delivered("tcp", 3));
    screen.feed(Msg::Event(Box::new(Event::Message(Box::new(mine)))));
    let row = |screen: &Harness, text: &str| screen.screen().lines().position(|line| line.contains(text));
    assert_eq!(row(&screen, "mine"), row(&screen, "✓✓ tcp 3 ms"));
    let reason = Reason::new(ReasonKind::Unreachable, "nobody answers at any of its addresses ".repeat(2));
    let state = MessageState::Queued { next_try: Some(at(-42_000)), reason: Some(reason) };
    let waits = own(12, &general, "waits", state);
    screen.feed(Msg::Event(Box::new(Event::Message(Box::new(waits)))));
    assert_eq!(row(&screen, "waits").map(|row| row + 1), row(&screen, "next try in 42 s"), "{}", screen.screen());
}
