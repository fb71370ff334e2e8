//! How much is drawn: measured in cells, not in time.

use crate::tui::testing::{FakeNode, Harness};

/// Cells that differ between two frames: what is written to the terminal grows with them.
fn changed_cells(screen: &mut Harness, step: impl FnOnce(&mut Harness)) -> usize {
    let before = screen.terminal.backend().buffer().clone();
    step(screen);
    before.diff(screen.terminal.backend().buffer()).len()
}

#[test]
fn typing_changes_one_cell() {
    let mut screen = Harness::new(120, 40, FakeNode::long(1_000));
    screen.run("conversation.open lumina").write("steady");
    for c in "typing".chars() {
        let cells = changed_cells(&mut screen, |screen| {
            screen.write(&c.to_string());
        });
        assert_eq!(cells, 1, "{c}");
    }
}

#[test]
fn a_key_press_lays_out_nothing_anew() {
    let mut screen = Harness::new(120, 40, FakeNode::long(100_000));
    screen.run("conversation.open lumina");
    let asked = screen.node.asked.len();
    let laid = screen.model.view().unwrap().laid.lines.len();
    screen.write("x");
    assert_eq!(screen.model.view().unwrap().laid.lines.len(), laid);
    assert!(laid < 100, "{laid} messages laid out for forty rows");
    assert_eq!(screen.node.asked.len(), asked, "nothing is asked for");
}

/// Draws what the screen shows on a terminal that counts bytes.
fn bytes(screen: &Harness, terminal: &mut ratatui::Terminal<crate::tui::term::SparingBackend<Vec<u8>>>) -> usize {
    terminal.backend_mut().writer_mut().clear();
    terminal.draw(|frame| crate::tui::view::draw(&screen.model, frame)).unwrap();
    terminal.backend().writer().len()
}

#[test]
fn steady_typing_costs_few_bytes_and_an_unchanged_screen_none() {
    let backend = crate::tui::term::SparingBackend::fixed(Vec::new(), true, 120, 40);
    let mut terminal = ratatui::Terminal::new(backend).unwrap();
    let mut screen = Harness::new(120, 40, FakeNode::long(1_000));
    screen.run("conversation.open lumina").write("steady");
    assert!(bytes(&screen, &mut terminal) > 1_000, "the first frame draws everything");
    // The first letter after other things were drawn pays for setting the colours.
    screen.write("x");
    bytes(&screen, &mut terminal);
    for c in "typing goes on".chars() {
        screen.write(&c.to_string());
        let written = bytes(&screen, &mut terminal);
        let raw = String::from_utf8_lossy(terminal.backend().writer()).escape_debug().to_string();
        assert!((1..=16).contains(&written), "{written} bytes for {c:?}: {raw}");
    }
    assert_eq!(bytes(&screen, &mut terminal), 0, "nothing changed");
}

#[tokio::test]
async fn calls_reach_the_node_in_order_and_all_are_answered() {
    use crate::{
        node::{Command, NodeHandle, Reply},
        tui::{app::Outcome, dispatch::dispatcher, testing::conversation, update::Tag},
    };
    let (handle, mut node) = NodeHandle::from_parts(tokio::sync::broadcast::Sender::new(1));
    let (outcomes, mut inbox) = tokio::sync::mpsc::channel(64);
    let mut dispatcher = dispatcher(handle, outcomes);
    let general = conversation(0xA1, "general");
    for n in 0..50 {
        let command = Command::SaveDraft { conversation: general.clone(), text: n.to_string() };
        dispatcher.call(Tag::Draft(general.clone()), command);
    }
    // The node takes its time with the first answer; the others must not overtake on their way in.
    let mut first = None;
    for n in 0..50 {
        let (command, answer) = node.recv().await.unwrap();
        assert_eq!(command, Command::SaveDraft { conversation: general.clone(), text: n.to_string() });
        if n == 0 { first = Some(answer) } else { answer.give(Ok(Reply::Done)) }
    }
    first.unwrap().give(Ok(Reply::Done));
    for _ in 0..50 {
        assert!(matches!(inbox.recv().await, Some(Outcome::Msg(_))));
    }
    dispatcher.finish().await;
}
