//! What time does to the screen. A timer runs only while something on the screen counts down.

use super::{Effect, Effects, Tag};
use crate::{
    delivery::MessageState,
    node::Command,
    tui::model::{Model, Overlay, Row},
    wire::Timestamp,
};

/// A draft is saved when the typing pauses for so long, in milliseconds.
const DRAFT_PAUSE_MS: u64 = 1_000;
/// A peer heard of within this time counts as present, in milliseconds.
pub(crate) const PRESENT_MS: i64 = 120_000;

/// Time has passed.
pub(super) fn tick(model: &mut Model, out: &mut Effects) {
    let clock = model.clock;
    let expired = model.notices.expire(clock) | model.health.expire(clock);
    model.dirty |= expired || counts_down(model) || presence_ended(model);
    if model.status_due.is_some_and(|due| due <= clock) {
        model.status_due = None;
        out.push(Effect::Call(Tag::Status, Command::Status));
    }
    save_drafts(model, clock, out);
    super::search::due(model, out);
}

/// When the next tick is wanted, in milliseconds of the model's clock; none while nothing counts down.
pub fn next_wakeup(model: &Model) -> Option<u64> {
    let clock = model.clock;
    let drafts = model.views.values().filter_map(|view| view.composer.unsaved_since);
    let draft = drafts.min().map(|since| since.saturating_add(DRAFT_PAUSE_MS));
    let search = model.overlays.iter().find_map(|overlay| match overlay {
        Overlay::Search(search) => search.due,
        _ => None,
    });
    let second = counts_down(model).then(|| {
        let into = model.now.unix_ms().rem_euclid(1_000).unsigned_abs();
        clock.saturating_add(1_000 - into)
    });
    let presence = model.peers.iter().filter_map(|peer| presence_ends_in(model, peer.last_seen)).min();
    let presence = presence.map(|ms| clock.saturating_add(ms));
    let times =
        [model.status_due, draft, search, second, presence, model.notices.next_expiry(), model.health.next_expiry()];
    times.into_iter().flatten().min()
}

fn presence_ends_in(model: &Model, seen: Option<Timestamp>) -> Option<u64> {
    let left = PRESENT_MS - model.now.ms_since(seen?);
    u64::try_from(left).ok().filter(|ms| *ms > 0 && *ms <= PRESENT_MS.unsigned_abs())
}

/// A peer's presence ran out within the last moments.
fn presence_ended(model: &Model) -> bool {
    let just = |seen| (0..1_000).contains(&(model.now.ms_since(seen) - PRESENT_MS));
    model.peers.iter().filter_map(|peer| peer.last_seen).any(just)
}

/// Whether something on the screen shows seconds.
fn counts_down(model: &Model) -> bool {
    let waiting = |message: &crate::node::Message| matches!(&message.state, MessageState::Queued { next_try: Some(at), .. } if *at > model.now);
    let on_screen = |pane: &crate::tui::view::PaneRegion| {
        let conversation = model.layout.panes.get(pane.index).and_then(|p| p.conversation.as_ref());
        let Some(view) = conversation.and_then(|c| model.views.get(c)) else { return false };
        let shown = |row: &Row| match row {
            Row::State(index) => view.window.messages().get(*index).is_some_and(waiting),
            _ => false,
        };
        view.rows.iter().any(shown)
    };
    model.health.counts_down(model.clock) || model.regions.panes.iter().any(on_screen)
}

fn save_drafts(model: &mut Model, clock: u64, out: &mut Effects) {
    for (conversation, view) in &mut model.views {
        let due = view.composer.unsaved_since.is_some_and(|since| since.saturating_add(DRAFT_PAUSE_MS) <= clock);
        if due {
            view.composer.unsaved_since = None;
            let text = view.composer.text();
            let command = Command::SaveDraft { conversation: conversation.clone(), text };
            out.push(Effect::Call(Tag::Draft(conversation.clone()), command));
        }
    }
}

/// Saves every draft at once, before leaving; a text that the node has not answered for counts as a draft.
pub(super) fn save_all_drafts(model: &mut Model, out: &mut Effects) {
    for (_, sent) in std::mem::take(&mut model.sends) {
        let composer = &mut model.views.entry(sent.conversation).or_default().composer;
        composer.give_back(&sent.request.content);
        composer.unsaved_since = Some(0);
    }
    for view in model.views.values_mut() {
        view.composer.unsaved_since = view.composer.unsaved_since.map(|_| 0);
    }
    save_drafts(model, u64::MAX, out);
}
