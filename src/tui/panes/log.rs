//! The log: every toast, failover and refusal; what concerns keys and forgery can be looked at alone.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{put, span, toast, window};
use crate::{
    node::NoticeLevel,
    tui::{
        command::LogLevel,
        model::{LogEntry, LogRank, LogView, Model},
        text,
        theme::Role,
    },
};

/// Draws the log, the newest line lowest.
pub(crate) fn draw(model: &Model, view: &LogView, frame: &mut Frame<'_>, area: Rect) {
    let name = match (view.security, view.level) {
        (true, _) => "Log: keys and forgery",
        (_, LogLevel::Error) => "Log: errors",
        (_, LogLevel::Warn) => "Log: warnings",
        (_, LogLevel::Info) => "Log",
        (_, LogLevel::Debug | LogLevel::Trace) => "Log: everything",
    };
    let size = (area.width.saturating_sub(4), area.height.saturating_sub(2));
    let inner = window(model, frame, area, size, name);
    let shown: Vec<&LogEntry> = model.notices.log().iter().filter(|entry| fits(view, entry)).collect();
    let list = inner;
    let height = usize::from(list.height);
    let up = view.up.min(shown.len().saturating_sub(height));
    let end = shown.len() - up;
    let start = end.saturating_sub(height);
    for (row, entry) in shown[start..end].iter().enumerate() {
        put(frame.buffer_mut(), list, row, line(model, entry, usize::from(list.width)));
    }
    if shown.is_empty() {
        put(frame.buffer_mut(), list, 0, Line::from(span(model, Role::TextDim, "Nothing")));
    }
}

fn fits(view: &LogView, entry: &LogEntry) -> bool {
    let security = entry.level == LogRank::Notice(NoticeLevel::Security);
    if view.security && !security {
        return false;
    }
    let level = match entry.level {
        LogRank::Debug => LogLevel::Debug,
        LogRank::Notice(NoticeLevel::Info) => LogLevel::Info,
        LogRank::Notice(NoticeLevel::Warning) => LogLevel::Warn,
        LogRank::Notice(NoticeLevel::Error | NoticeLevel::Security) => LogLevel::Error,
    };
    // `LogLevel` grows with how much is shown.
    level <= view.level
}

fn line(model: &Model, entry: &LogEntry, width: usize) -> Line<'static> {
    let (role, word) = match entry.level {
        LogRank::Debug => (Role::TextDim, "debug"),
        LogRank::Notice(level) => toast::level(level),
    };
    let time = super::message::clock(entry.at, &model.zone);
    let text = text::truncate_end(entry.text.as_str(), width.saturating_sub(16), model.ascii);
    let spans = vec![
        span(model, Role::TextDim, format!("{time} ")),
        span(model, role, format!("{word:<9}")),
        span(model, Role::Overlay, text),
    ];
    Line::from(super::cut(model, spans, width))
}
