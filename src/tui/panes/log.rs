//! The log: every toast, failover and refusal; what concerns keys and forgery can be looked at alone.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{foot, put, span, toast, window};
use crate::{
    node::NoticeLevel,
    tui::{
        command::{Cmd, LogLevel},
        keymap::Context,
        model::{LogEntry, LogRank, LogView, Model},
        text,
        theme::Role,
    },
};

/// Columns of the time and the level.
const HEAD: usize = 15;

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
    let can = [
        (Cmd::LogSetLevel(LogLevel::Debug), "everything"),
        (Cmd::LogSetLevel(LogLevel::Warn), "warnings"),
        (Cmd::LogSetLevel(LogLevel::Error), "errors"),
        (Cmd::LogSecurity, "security"),
        (Cmd::NavBack, "back"),
    ];
    let inner = window(model, frame, area, size, name, foot(model, Context::Log, Vec::new(), &can, size.0));
    let (width, height) = (usize::from(inner.width), usize::from(inner.height));
    // From the newest line upwards, which is the lowest; what is long is wrapped, because this is where it is read.
    let mut rows: Vec<Line<'static>> = Vec::with_capacity(height);
    for entry in shown(model, view).skip(view.up.min(last_up(model, view, area))) {
        rows.extend(lines(model, entry, width).into_iter().rev());
        if rows.len() >= height {
            break;
        }
    }
    rows.truncate(height);
    if rows.is_empty() {
        let everything = model.keymap.key_in(Context::Log, &Cmd::LogSetLevel(LogLevel::Debug));
        let more = everything.map_or_else(String::new, |key| format!("; {key} shows all"));
        let line = Line::from(span(model, Role::TextDim, format!(" Nothing yet{more}")));
        return put(frame.buffer_mut(), inner, 0, line);
    }
    for (row, line) in rows.iter().rev().enumerate() {
        put(frame.buffer_mut(), inner, row, line);
    }
}

/// What the view shows, the newest first.
fn shown<'a>(model: &'a Model, view: &'a LogView) -> impl Iterator<Item = &'a LogEntry> {
    model.notices.log().iter().rev().filter(|entry| fits(view, entry))
}

/// How many entries one can go up: the oldest then stand at the top.
pub(crate) fn last_up(model: &Model, view: &LogView, area: Rect) -> usize {
    let width = usize::from(area.width.saturating_sub(6));
    let height = usize::from(area.height.saturating_sub(4));
    let mut rows = 0;
    let oldest: Vec<&LogEntry> = shown(model, view).collect();
    let page = oldest.iter().rev().take_while(|entry| {
        rows += lines(model, entry, width).len();
        rows <= height
    });
    oldest.len() - page.count()
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

/// When, how grave, and what, wrapped.
fn lines(model: &Model, entry: &LogEntry, width: usize) -> Vec<Line<'static>> {
    let (role, word) = match entry.level {
        LogRank::Debug => (Role::TextDim, "debug"),
        LogRank::Notice(level) => toast::level(level),
    };
    let time = super::message::clock(entry.at, &model.zone);
    let room = u16::try_from(width.saturating_sub(HEAD)).unwrap_or(u16::MAX).max(1);
    let wrapped = text::layout_plain(&entry.text, room, model.theme.style(Role::Overlay));
    let line = |(n, line): (usize, Line<'static>)| {
        let mut spans = match n {
            0 => vec![span(model, Role::TextDim, format!("{time} ")), span(model, role, format!("{word:<9}"))],
            _ => vec![Span::raw(" ".repeat(HEAD))],
        };
        spans.extend(line.spans);
        Line::from(spans)
    };
    wrapped.into_iter().enumerate().map(line).collect()
}
