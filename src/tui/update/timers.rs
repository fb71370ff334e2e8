//! What time does to the screen. A timer runs only while something on the screen counts down.

use super::{Effect, Effects, Tag};
use crate::{
    delivery::MessageState,
    node::{Command, PRESENT_MS},
    tui::model::{Model, Overlay},
    wire::Timestamp,
};

/// A draft is saved when the typing pauses for so long, in milliseconds.
const DRAFT_PAUSE_MS: u64 = 1_000;

/// Time has passed.
pub(super) fn tick(model: &mut Model, out: &mut Effects) {
    let clock = model.clock;
    let expired = model.notices.expire(clock) | model.health.expire(clock);
    model.dirty |= expired || counts_down(model) || presence_changed(model) || model.health.just_opened(model.now);
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
    let presence = model.peers.iter().filter_map(|peer| presence_changes_in(model.now, peer.last_seen?)).min();
    let presence = presence.map(|ms| clock.saturating_add(ms));
    let opening = model.health.next_opening(model.now).and_then(|at| u64::try_from(at.ms_since(model.now)).ok());
    let opening = opening.map(|ms| clock.saturating_add(ms));
    let expiries = [model.notices.next_expiry(), model.health.next_expiry()];
    let times = [model.status_due, draft, search, second, presence, opening];
    times.into_iter().chain(expiries).flatten().min()
}

/// Milliseconds until a peer's presence, or the time since it was heard of, reads differently.
fn presence_changes_in(now: Timestamp, seen: Timestamp) -> Option<u64> {
    let age = now.ms_since(seen);
    let left = if age < PRESENT_MS { PRESENT_MS - age.max(0) } else { age_step(age) - age % age_step(age) };
    u64::try_from(left).ok()
}

/// How often a time that long ago reads differently, in milliseconds.
fn age_step(age: i64) -> i64 {
    match age / 60_000 {
        ..60 => 60_000,
        60..1_440 => 3_600_000,
        _ => 86_400_000,
    }
}

/// A peer's presence ran out, or the time since it was heard of changed, within the last moments.
fn presence_changed(model: &Model) -> bool {
    let just = |seen| {
        let age = model.now.ms_since(seen);
        (0..1_000).contains(&(age - PRESENT_MS)) || age > PRESENT_MS && age % age_step(age) < 1_000
    };
    model.peers.iter().filter_map(|peer| peer.last_seen).any(just)
}

/// Whether something on the screen shows seconds.
fn counts_down(model: &Model) -> bool {
    let waiting = |message: &crate::node::Message| matches!(&message.state, MessageState::Queued { next_try: Some(at), .. } if *at > model.now);
    let on_screen = |pane: &crate::tui::view::PaneRegion| {
        let conversation = model.layout.panes.get(pane.index).and_then(|p| p.conversation.as_ref());
        let Some(view) = conversation.and_then(|c| model.views.get(c)) else { return false };
        view.rows.iter().filter_map(|row| view.window.messages().get(row.standing()?)).any(waiting)
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
