//! Toasts: at the upper right of the conversation, where the oldest is; each is in the log too.

use ratatui::{
    Frame,
    layout::Rect,
    text::Line,
    widgets::{Clear, Widget},
};

use super::{put, span};
use crate::{
    node::NoticeLevel,
    tui::{model::Model, text, theme::Role},
};

/// The style and the word of a level.
pub(crate) fn level(level: NoticeLevel) -> (Role, &'static str) {
    match level {
        NoticeLevel::Info => (Role::NoticeInfo, "info"),
        NoticeLevel::Warning => (Role::NoticeWarning, "warning"),
        NoticeLevel::Error => (Role::NoticeError, "error"),
        NoticeLevel::Security => (Role::NoticeSecurity, "security"),
    }
}

/// Draws the toasts, the newest topmost. They keep off the newest messages, the composer and the transports, which are
/// what they tell about.
pub(crate) fn draw(model: &Model, frame: &mut Frame<'_>, body: Rect) {
    let over = model.regions.panes.iter().map(|pane| pane.list).reduce(Rect::union);
    let area = over.filter(|list| list.height > 0).unwrap_or(body);
    let room = (area.height / 2).max(1);
    for (n, toast) in model.notices.toasts().iter().rev().enumerate() {
        let Some(down) = u16::try_from(n).ok().filter(|n| *n < room) else { break };
        let (role, word) = level(toast.level);
        let mark = if toast.level == NoticeLevel::Info { String::new() } else { format!("{word}: ") };
        let line = text::truncate_end(&format!(" {mark}{} ", toast.text), usize::from(area.width), model.ascii);
        let width = u16::try_from(text::width(&line)).unwrap_or(area.width);
        let place = Rect { x: area.x + area.width.saturating_sub(width), y: area.y + down, width, height: 1 };
        let place = place.intersection(frame.area());
        Clear.render(place, frame.buffer_mut());
        frame.buffer_mut().set_style(place, model.theme.style(Role::Overlay));
        put(frame.buffer_mut(), place, 0, Line::from(span(model, role, line)));
    }
}
