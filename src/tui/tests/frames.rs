//! Whole frames at the three sizes.

use crate::tui::testing::{FakeNode, Harness};

fn opened(width: u16, height: u16) -> Harness {
    let mut screen = Harness::new(width, height, FakeNode::sample());
    screen.run("conversation.open lumina blueprint");
    screen
}

#[test]
fn wide() {
    let mut screen = opened(120, 40);
    screen.press("Esc Up Up");
    insta::assert_snapshot!(screen.screen());
}

#[test]
fn medium() {
    insta::assert_snapshot!(opened(80, 24).screen());
}

#[test]
fn narrow() {
    insta::assert_snapshot!(opened(40, 12).screen());
}

#[test]
fn first_frame_without_anybody() {
    let mut node = FakeNode::sample();
    node.peers.clear();
    node.messages.clear();
    insta::assert_snapshot!(Harness::new(80, 24, node).screen());
}

#[test]
fn too_small_asks_for_room() {
    Harness::new(39, 12, FakeNode::sample()).sees("needs more room");
}

#[test]
fn ascii_draws_ascii_only() {
    let mut screen = opened(120, 40);
    screen.model.ascii = true;
    screen.model.views.values_mut().for_each(|view| view.laid.lines.clear());
    screen.press("Esc Up");
    let drawn = screen.screen().replace('🎉', "");
    let foreign: Vec<char> = drawn.chars().filter(|c| !c.is_ascii()).collect();
    assert!(foreign.is_empty(), "{foreign:?} in\n{drawn}");
}
