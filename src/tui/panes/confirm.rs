//! A question before something is lost: it names what.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{put, span, window};
use crate::{
    tui::{
        command::Cmd,
        keymap::Context,
        model::{Confirm, Model},
        text,
        theme::Role,
    },
    wire::SafeText,
};

/// Draws the question.
pub(crate) fn draw(model: &Model, confirm: &Confirm, frame: &mut Frame<'_>, area: Rect) {
    let width = 64.min(area.width);
    let room = width.saturating_sub(4).max(1);
    let mut lines = text::layout_plain(&SafeText::line(&confirm.question), room, model.theme.style(Role::TextStrong));
    lines.extend(text::layout_plain(&SafeText::line(&confirm.loses), room, model.theme.style(Role::NoticeWarning)));
    let key = |cmd: &Cmd| model.keymap.key_in(Context::Confirm, cmd).unwrap_or_else(|| cmd.name().to_owned());
    lines.push(Line::default());
    lines.push(Line::from(vec![
        span(model, Role::StatusKey, key(&Cmd::ConfirmYes)),
        span(model, Role::Overlay, " yes   "),
        span(model, Role::StatusKey, key(&Cmd::ConfirmNo)),
        span(model, Role::Overlay, " no"),
    ]));
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let inner = window(model, frame, area, (width, height), "Are you sure?", Line::default());
    // The keys must be seen even where the question is too long for the window.
    let surplus = lines.len().saturating_sub(usize::from(inner.height));
    let inset = Rect { x: inner.x + 1.min(inner.width), width: inner.width.saturating_sub(1), ..inner };
    for (row, line) in lines.iter().skip(surplus).enumerate() {
        put(frame.buffer_mut(), inset, row, line);
    }
}
