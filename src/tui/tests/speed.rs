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
