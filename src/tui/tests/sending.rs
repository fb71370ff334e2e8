//! Writing, sending, and never losing a text.

use crate::{
    node::{Command, NodeError, NodeErrorKind},
    tui::{
        testing::{FakeNode, Harness, fingerprint},
        update::{Effect, Msg},
    },
    wire::{Mode, Urgency},
};

fn opened() -> Harness {
    let mut screen = Harness::new(120, 40, FakeNode::sample());
    screen.run("conversation.open lumina blueprint");
    screen
}

fn sent(screen: &Harness) -> Vec<&crate::node::SendRequest> {
    let requests = screen.node.asked.iter().filter_map(|command| match command {
        Command::Send(request) => Some(request),
        _ => None,
    });
    requests.collect()
}

#[test]
fn a_text_is_sent_and_shown_as_delivered() {
    let mut screen = opened();
    screen.write("On my way").press("Enter").sees("On my way").sees("✓✓ tcp 3 ms");
    assert_eq!(sent(&screen)[0].content, "On my way");
    screen.press("Enter").sees("There is nothing to send");
}

#[test]
fn the_queue_in_the_status_line_follows() {
    let mut screen = opened();
    screen.node.status.queued = 7;
    screen.write("one more").press("Enter").sees("queue 1").pass(400).sees("queue 7");
}

#[test]
fn a_refused_text_comes_back() {
    let mut screen = opened();
    screen.node.refuse_send = Some(NodeError::new(NodeErrorKind::Full, "The queue is full"));
    screen.write("Do not lose me").press("Enter").sees("Do not lose me").sees("Not sent");
    assert_eq!(screen.model.view().unwrap().composer.text(), "Do not lose me");
}

#[test]
fn a_paste_never_sends_and_keeps_its_lines() {
    let mut screen = opened();
    screen.feed(Msg::Paste("one\r\ntwo\rthree\n\u{1b}[201~\u{7}".to_owned()));
    assert_eq!(screen.model.view().unwrap().composer.text(), "one\ntwo\nthree\n[201~");
    assert!(sent(&screen).is_empty());
}

#[test]
fn drafts_are_saved_after_a_pause_and_come_back() {
    let mut screen = opened();
    screen.write("half a thought");
    assert!(screen.node.drafts.is_empty());
    screen.pass(1_100);
    assert_eq!(screen.node.drafts.values().next().unwrap(), "half a thought");
    let mut node = FakeNode::sample();
    node.drafts = screen.node.drafts.clone();
    let mut again = Harness::new(120, 40, node);
    again.run("conversation.open lumina blueprint").sees("half a thought");
}

#[test]
fn leaving_saves_what_is_being_written() {
    let mut screen = opened();
    screen.write("half").press("C-q").sees("One message waits").press("y");
    assert_eq!(screen.node.drafts.values().next().unwrap(), "half");
    assert!(screen.outside.contains(&Effect::Quit));
}

#[test]
fn mode_and_urgency_are_shown_and_sent() {
    let mut screen = opened();
    screen.press("F4").sees(" broadcast ").run("urgency.set critical").sees("CRITICAL");
    screen.write("now").press("Enter");
    let request = sent(&screen)[0];
    assert_eq!((request.mode, request.urgency), (Some(Mode::Broadcast), Some(Urgency::Critical)));
    screen.misses("CRITICAL").sees(" broadcast ");
}

#[test]
fn a_reply_carries_what_it_answers() {
    let mut screen = opened();
    screen.press("Esc Up Up Up r").sees("answers: ").write("yes").press("Enter");
    assert!(sent(&screen)[0].in_reply_to.is_some());
    screen.misses("answers: ");
}

#[test]
fn sent_texts_come_back_with_what_was_being_written() {
    let mut screen = opened();
    screen.write("first").press("Enter").write("second").press("Enter").write("third");
    let text = |screen: &Harness| screen.model.view().unwrap().composer.text();
    screen.press("C-Up C-Up");
    assert_eq!(text(&screen), "first");
    screen.press("C-Down C-Down");
    assert_eq!(text(&screen), "third");
}

#[test]
fn a_key_conflict_blocks_sending_until_it_is_decided() {
    let mut node = FakeNode::sample();
    node.peers[0].conflict = Some(fingerprint(0x66));
    let mut screen = Harness::new(120, 40, node);
    screen.run("conversation.open lumina blueprint").sees("KEY CHANGED: lumina").sees("not sending");
    screen.write("hello").press("Enter");
    assert!(sent(&screen).is_empty());
    assert_eq!(screen.model.view().unwrap().composer.text(), "hello");
    screen.run("conflict.accept").sees("Take the new key of lumina?").press("Esc").sees("KEY CHANGED");
    screen.run("conflict.accept").press("y").misses("KEY CHANGED").press("M-3 Enter");
    assert_eq!(sent(&screen).len(), 1);
}

#[test]
fn mentions_and_emoji_are_completed() {
    let mut screen = opened();
    screen.write("hi @ja").press("Tab").write(" :rock").press("Tab");
    assert_eq!(screen.model.view().unwrap().composer.text(), "hi @jarvis 🚀");
}

#[test]
fn a_megabyte_stays_editable_and_is_not_sent_beyond_the_limit() {
    let mut screen = opened();
    screen.feed(Msg::Paste("x".repeat(1_048_577)));
    screen.press("Enter").sees("too long");
    assert!(sent(&screen).is_empty());
}
