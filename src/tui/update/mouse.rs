//! The mouse is a courtesy: a click focuses and selects, the wheel scrolls.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::{Effects, conversation, lists};
use crate::tui::model::{Focus, Model, Motion};

/// Lines for one notch of the wheel.
const NOTCH: i64 = 3;

/// The mouse did something.
pub(super) fn mouse(model: &mut Model, mouse: MouseEvent, out: &mut Effects) {
    let at = Position::new(mouse.column, mouse.row);
    match mouse.kind {
        MouseEventKind::Down(MouseButton::Left) if model.overlays.is_empty() => click(model, at, out),
        MouseEventKind::ScrollUp => wheel(model, at, -NOTCH, out),
        MouseEventKind::ScrollDown => wheel(model, at, NOTCH, out),
        // A mere movement changes nothing that is drawn.
        _ => model.dirty = false,
    }
}

fn row_in(area: Option<Rect>, at: Position) -> Option<usize> {
    let area = area.filter(|area| area.contains(at))?;
    Some(usize::from(at.y.saturating_sub(area.y)))
}

fn click(model: &mut Model, at: Position, out: &mut Effects) {
    if let Some(row) = row_in(model.regions.peers_list, at) {
        model.focus = Focus::Peers;
        let index = row + model.regions.peers_top;
        if index < model.sidebar.rows.len() {
            model.sidebar.selected = index;
            conversation::open_selected(model, out);
        }
        return;
    }
    if let Some(row) = row_in(model.regions.health_list, at) {
        model.focus = Focus::Health;
        if row < model.health.transports.len() {
            model.health.selected = row;
        }
        return;
    }
    let pane = model.regions.panes.iter().find(|pane| pane.area.contains(at)).cloned();
    let Some(pane) = pane else { return };
    model.layout.focused = pane.index;
    if pane.composer.contains(at) {
        model.focus = Focus::Composer;
        return;
    }
    model.focus = Focus::Conversation;
    if let (Some(row), Some(view)) = (row_in(Some(pane.list), at), model.view_mut()) {
        // Few messages stand at the bottom, with empty lines above them.
        let blank = usize::from(pane.list.height).saturating_sub(view.rows.len());
        let index = row.checked_sub(blank).and_then(|row| view.rows.get(row)).and_then(|row| row.message());
        if let Some(message) = index.and_then(|index| view.window.messages().get(index)) {
            view.selected = Some(message.position);
            conversation::ask_path(model, out);
        }
    }
}

fn wheel(model: &mut Model, at: Position, lines: i64, out: &mut Effects) {
    if !model.overlays.is_empty() {
        return lists::go(model, lists::By::Lines(lines.signum()), out);
    }
    if row_in(model.regions.peers_list, at).is_some() {
        let rows = model.sidebar.rows.len().saturating_sub(1);
        model.sidebar.selected = model.sidebar.selected.saturating_add_signed(lines.signum() as isize).min(rows);
        return;
    }
    let Some(index) = model.regions.panes.iter().find(|pane| pane.area.contains(at)).map(|pane| pane.index) else {
        return;
    };
    let conversation = model.layout.panes.get(index).and_then(|pane| pane.conversation.clone());
    if let Some(view) = conversation.and_then(|c| model.views.get_mut(&c)) {
        view.refused = false;
        view.motion = Motion { lines: view.motion.lines.saturating_add(lines), ..Motion::default() };
    }
}
