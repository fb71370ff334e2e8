//! Moving in lists and read-only views: the same commands everywhere.

use super::{Effects, commands, conversation, files, forms, pickers};
use crate::tui::model::{Focus, Model, Overlay, SidebarRow};

/// How far to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// By so many lines; negative is up.
    Lines(i64),
    /// By so many pages; negative is up.
    Pages(i64),
    /// To the first line.
    First,
    /// To the last line.
    Last,
}

impl By {
    fn apply(self, at: usize, len: usize, page: usize) -> usize {
        let last = len.saturating_sub(1);
        let moved = |by: i64| at.saturating_add_signed(isize::try_from(by).unwrap_or_default()).min(last);
        match self {
            Self::Lines(by) => moved(by),
            Self::Pages(by) => moved(by.saturating_mul(i64::try_from(page.max(1)).unwrap_or(1))),
            Self::First => 0,
            Self::Last => last,
        }
    }
}

/// A scroll offset has no end here; drawing stops at the last line.
const UNBOUNDED: usize = 1_000_000;

/// Moves whatever has the focus.
pub(super) fn go(model: &mut Model, by: By, out: &mut Effects) {
    let page = usize::from(model.size.1 / 2);
    let transports = model.health.transports.len();
    let log_len = model.notices.log().len();
    match model.overlays.last_mut() {
        Some(Overlay::Palette(picker) | Overlay::Switcher(picker)) => {
            picker.selected = by.apply(picker.selected, picker.items.len(), page);
        }
        Some(Overlay::Search(search)) => search.selected = by.apply(search.selected, search.hits.len(), page),
        Some(Overlay::Queue { messages, selected }) => {
            *selected = by.apply(*selected, messages.as_ref().map_or(0, Vec::len), page);
        }
        Some(Overlay::Files { .. }) => files::select(model, |at, len| by.apply(at, len, page)),
        Some(Overlay::PeerForm(form)) => form.field = by.apply(form.field, form.fields.len(), page),
        Some(Overlay::Log(log)) => {
            // The log is counted from its newest line.
            let upwards = match by {
                By::Lines(n) => By::Lines(-n),
                By::Pages(n) => By::Pages(-n),
                By::First => By::Last,
                By::Last => By::First,
            };
            log.up = upwards.apply(log.up, log_len, page);
        }
        Some(other) => {
            if let Some(top) = other.scrolled() {
                *top = by.apply(*top, UNBOUNDED, page);
            }
        }
        None => in_pane(model, by, page, transports, out),
    }
}

fn in_pane(model: &mut Model, by: By, page: usize, transports: usize, out: &mut Effects) {
    match model.focus {
        Focus::Peers => {
            let rows = &model.sidebar.rows;
            let mut next = by.apply(model.sidebar.selected, rows.len(), page);
            // A heading is not something to open.
            if matches!(rows.get(next), Some(SidebarRow::Requests { .. })) {
                let down = next >= model.sidebar.selected;
                next = if down { (next + 1).min(rows.len().saturating_sub(1)) } else { next.saturating_sub(1) };
            }
            model.sidebar.selected = next;
        }
        Focus::Health => model.health.selected = by.apply(model.health.selected, transports, page),
        Focus::Path => model.path_top = by.apply(model.path_top, UNBOUNDED, page),
        Focus::Conversation | Focus::Composer => match by {
            By::Lines(n) if n < 0 => conversation::step(model, conversation::Step::Up, out),
            By::Lines(_) => conversation::step(model, conversation::Step::Down, out),
            By::Pages(n) => conversation::page(model, 2 * n),
            By::First => conversation::to_first(model, out),
            By::Last => conversation::to_last(model, out),
        },
    }
}

/// Opens or runs what is selected.
pub(super) fn accept(model: &mut Model, out: &mut Effects) {
    match model.overlays.last() {
        Some(Overlay::Palette(_) | Overlay::Switcher(_)) => pickers::accept(model, out),
        Some(Overlay::Search(search)) => {
            let hit = search.hits.get(search.selected).cloned();
            match hit {
                Some(hit) => {
                    model.overlays.pop();
                    conversation::jump(model, &hit, out);
                }
                None => super::search::begin(model, out),
            }
        }
        Some(Overlay::Queue { messages, selected }) => {
            if let Some(message) = messages.as_ref().and_then(|all| all.get(*selected)).cloned() {
                model.overlays.pop();
                conversation::jump(model, &message, out);
            }
        }
        Some(Overlay::Files { .. }) => files::jump(model, out),
        Some(Overlay::PeerForm(_)) => forms::submit(model, out),
        Some(Overlay::Confirm(_)) => {}
        Some(_) => {
            model.overlays.pop();
        }
        None => match model.focus {
            Focus::Peers => conversation::open_selected(model, out),
            Focus::Health => commands::open_transport(model, None),
            Focus::Conversation => commands::show_path(model, out),
            Focus::Path => model.focus = Focus::Conversation,
            Focus::Composer => {}
        },
    }
}

/// Folds or unfolds the threads of the selected peer.
pub(super) fn fold(model: &mut Model) {
    let rows = &model.sidebar.rows;
    let upto = rows.iter().take(model.sidebar.selected + 1).rev();
    let name = upto.filter_map(|row| match row {
        SidebarRow::Peer { name, .. } => Some(name.clone()),
        _ => None,
    });
    if let Some(name) = name.into_iter().next() {
        if !model.sidebar.folded.remove(&name) {
            model.sidebar.folded.insert(name);
        }
        model.sidebar.rebuild(&model.peers, &model.conversations);
    }
}
