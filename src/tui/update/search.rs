//! Full-text search: hits stream in while the user types on.

use super::{Effect, Effects, Tag};
use crate::{
    node::{Command, Message},
    tui::model::{Input, Model, Overlay, Search, SearchProgress},
    wire::Conversation,
};

/// A search begins when the typing pauses for so long, in milliseconds.
const PAUSE_MS: u64 = 150;
/// Most hits asked for.
const HITS_MOST: usize = 200;

/// Opens the search, with a text if there is one.
pub(super) fn open(model: &mut Model, text: Option<&str>, scope: Option<Conversation>) {
    let due = text.map(|_| model.clock);
    let search = Search { input: Input::new(text.unwrap_or_default()), scope, due, ..Search::default() };
    model.overlays.retain(|overlay| !matches!(overlay, Overlay::Search(_)));
    model.overlays.push(Overlay::Search(search));
}

/// The text changed.
pub(super) fn typed(search: &mut Search, clock: u64) {
    search.due = Some(clock.saturating_add(PAUSE_MS));
}

/// Starts a search whose time has come.
pub(super) fn due(model: &mut Model, out: &mut Effects) {
    let clock = model.clock;
    let waiting = model.overlays.iter().any(|o| matches!(o, Overlay::Search(s) if s.due.is_some_and(|at| at <= clock)));
    if waiting {
        begin(model, out);
    }
}

/// Starts the search now.
pub(super) fn begin(model: &mut Model, out: &mut Effects) {
    let id = model.next_serial();
    let Some(search) = running(model) else { return };
    search.due = None;
    search.hits.clear();
    search.selected = 0;
    let text = search.input.text().trim().to_owned();
    if text.is_empty() {
        search.progress = SearchProgress::Idle;
        return;
    }
    search.id = id;
    search.progress = SearchProgress::Running;
    let (conversation, limit) = (search.scope.clone(), HITS_MOST);
    let command = Command::Search { search_id: id, text, conversation, limit, attempts: false };
    out.push(Effect::Call(Tag::Search(id), command));
    model.dirty = true;
}

/// A hit came; those of an older search are no longer wanted.
pub(super) fn hit(model: &mut Model, id: u64, message: Message) {
    if let Some(search) = running(model).filter(|search| search.id == id && search.hits.len() < HITS_MOST) {
        search.hits.push(message);
    }
}

/// The search came to its end.
pub(super) fn done(model: &mut Model, id: u64, more: bool) {
    if let Some(search) = running(model).filter(|search| search.id == id) {
        search.progress = SearchProgress::Done { more };
    }
}

/// The node could not search.
pub(super) fn failed(model: &mut Model) {
    if let Some(search) = running(model) {
        search.progress = SearchProgress::Failed;
    }
}

fn running(model: &mut Model) -> Option<&mut Search> {
    model.overlays.iter_mut().find_map(|overlay| match overlay {
        Overlay::Search(search) => Some(search),
        _ => None,
    })
}
