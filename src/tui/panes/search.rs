//! Full-text search: what was found, newest first, as it comes.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{foot, list_top, message, picker, put, span, window};
use crate::{
    node::Message,
    tui::{
        command::Cmd,
        keymap::Context,
        model::{Model, Search, SearchProgress},
        text,
        theme::Role,
    },
    wire::SafeText,
};

/// Columns and rows of the window.
const SIZE: (u16, u16) = (100, 24);
/// From so many columns on a hit is told with year and hour.
const WIDE: usize = 60;

/// Draws the search.
pub(crate) fn draw(model: &Model, search: &Search, frame: &mut Frame<'_>, area: Rect) {
    let name = match &search.scope {
        Some(c) => format!("Search in {} / {}", model.name_of(&c.peer), SafeText::line(c.thread_id.as_str())),
        None => "Search everything".to_owned(),
    };
    let can = [(Cmd::ListAccept, "go there"), (Cmd::NavBack, "back")];
    let foot = foot(model, Context::Picker, Vec::new(), &can, SIZE.0.min(area.width));
    let inner = window(model, frame, area, SIZE, &name, foot);
    picker::input_line(model, "/ ", &search.input, frame, inner, 0);
    let count = search.hits.len();
    let progress = match search.progress {
        SearchProgress::Idle => "All words must occur, in any case".to_owned(),
        SearchProgress::Running => format!("{count} found so far"),
        SearchProgress::Done { more: true } => format!("the newest {count}; add a word to narrow it down"),
        SearchProgress::Done { more: false } if count == 0 => "0 found: try fewer words".to_owned(),
        SearchProgress::Done { more: false } => format!("{count} found"),
        SearchProgress::Failed => "The search failed; see the log".to_owned(),
    };
    let progress = text::truncate_end(&progress, usize::from(inner.width), model.ascii);
    put(frame.buffer_mut(), inner, 1, Line::from(span(model, Role::TextDim, progress)));
    let list = Rect { y: inner.y + 2.min(inner.height), height: inner.height.saturating_sub(2), ..inner };
    let height = usize::from(list.height);
    let top = list_top(search.selected, count, height);
    let words: Vec<String> = search.input.text().split_whitespace().map(str::to_lowercase).collect();
    for (n, hit) in search.hits.iter().skip(top).take(height).enumerate() {
        put(frame.buffer_mut(), list, n, line(model, hit, &words, usize::from(list.width)));
        if top + n == search.selected {
            let y = list.y + u16::try_from(n).unwrap_or(0);
            frame.buffer_mut().set_style(Rect { y, height: 1, ..list }, model.theme.style(Role::Selection));
        }
    }
}

/// A hit: when, where, and the line that holds the first word.
fn line(model: &Model, hit: &Message, words: &[String], width: usize) -> Line<'static> {
    let date = message::day(hit.timestamp, &model.zone);
    let time = message::clock(hit.timestamp, &model.zone);
    let who = if hit.incoming() { hit.from.to_string() } else { format!("to {}", hit.to) };
    let holds = |line: &&str| words.first().is_some_and(|word| line.to_lowercase().contains(word.as_str()));
    let body = hit.content.as_str();
    let found = body.lines().find(holds).or_else(|| body.lines().next()).unwrap_or_default();
    // Where there is little room, what was found matters more than the year and the hour.
    let (when, most) = match width {
        WIDE.. => (format!("{date} {time} "), 14),
        _ => (date.strftime("%m-%d ").to_string(), 8),
    };
    let who = format!("{} ", text::truncate_end(&who, most, model.ascii));
    let room = width.saturating_sub(text::width(&when) + text::width(&who));
    let mut spans = vec![span(model, Role::MessageTime, when), span(model, Role::PeerName, who)];
    let found = text::truncate_end(found, room, model.ascii);
    spans.extend(picker::highlighted(model, &found, &matches(&found, words)));
    Line::from(super::cut(model, spans, width))
}

/// Where the words are. Lower-casing may change lengths: then nothing is marked rather than the wrong thing.
fn matches(text: &str, words: &[String]) -> Vec<std::ops::Range<usize>> {
    let lower = text.to_lowercase();
    if lower.len() != text.len() {
        return Vec::new();
    }
    let mut found: Vec<std::ops::Range<usize>> =
        words.iter().filter_map(|word| lower.find(word.as_str()).map(|start| start..start + word.len())).collect();
    found.sort_by_key(|range| range.start);
    found.dedup_by(|next, before| next.start < before.end);
    found
}
