//! From the model to the screen: where things go (`regions`), what of the conversations is laid out (`prepare`),
//! and the drawing itself, which only looks at the model.

mod flow;
mod regions;

use ratatui::Frame;

pub use regions::{Class, PaneRegion, Regions};

use super::{
    model::{Anchor, Model, Overlay, Quoted},
    panes,
    update::{Effect, Effects, Tag},
};
use crate::{node::Command, wire::Conversation};

/// Decides where things go and lays out what will be on the screen; says what must be fetched for it. To be called
/// before each [`draw`].
pub fn prepare(model: &mut Model) -> Effects {
    let mut out = Effects::new();
    model.regions = regions::compute(model);
    stop_at_the_end(model);
    for region in model.regions.panes.clone() {
        let Some(conversation) = model.layout.panes.get(region.index).and_then(|pane| pane.conversation.clone()) else {
            continue;
        };
        if !model.views.get(&conversation).is_some_and(|view| view.window.loaded() || view.refused) {
            super::update::look_at(model, &conversation, &mut out);
        }
        flow::flow(model, &conversation, region.list, &mut out);
        let focused = region.index == model.layout.focused;
        if focused && model.attended && model.overlays.is_empty() {
            mark_seen(model, &conversation, &mut out);
        }
    }
    out
}

/// Nothing is scrolled beyond its end: the way back would begin with keys that seem to do nothing.
fn stop_at_the_end(model: &mut Model) {
    let area = model.regions.body;
    if let Some(area) = model.regions.path {
        model.path_top = model.path_top.min(panes::path::last_top(model, area));
    }
    let Some(last) = model.overlays.last().and_then(|overlay| panes::last_top(model, overlay, area)) else { return };
    if let Some(at) = model.overlays.last_mut().and_then(Overlay::scrolled) {
        *at = (*at).min(last);
    }
}

/// What is on the screen of someone who looks at it is read.
fn mark_seen(model: &mut Model, conversation: &Conversation, out: &mut Effects) {
    let seen = model.conversations.get(conversation).map(|c| (c.unread, c.read_up_to.unwrap_or(0)));
    let Some((unread, read_up_to)) = seen.filter(|(unread, _)| *unread > 0) else { return };
    let _ = unread;
    let Some(view) = model.views.get_mut(conversation) else { return };
    let Some(newest) = super::update::newest_on_screen(view).map(|m| (m.envelope_id, m.position)) else { return };
    if newest.1 > read_up_to && view.marked != Some(newest.0) {
        view.marked = Some(newest.0);
        if view.anchor == Anchor::Bottom {
            view.new_below = 0;
        }
        let command = Command::MarkRead { conversation: conversation.clone(), up_to: newest.0 };
        out.push(Effect::Call(Tag::Read(conversation.clone()), command));
    }
}

/// Asks once for a quoted message that is not in memory.
pub(crate) fn want_quote(model: &mut Model, id: crate::wire::EnvelopeId, out: &mut Effects) {
    if !model.quotes.contains_key(&id) {
        model.quote(id, Quoted::Asked);
        out.push(Effect::Call(Tag::Quote(id), Command::Trace { envelope_id: id }));
    }
}

/// Draws the screen.
pub fn draw(model: &Model, frame: &mut Frame<'_>) {
    let regions = &model.regions;
    let area = frame.area();
    // The terminal may have changed its size since the layout was made: it is drawn anew in a moment.
    if (area.width, area.height) != regions.size {
        return;
    }
    let background = model.theme.style(super::theme::Role::Text);
    frame.buffer_mut().set_style(area, background);
    if regions.class == Class::TooSmall {
        return panes::too_small(model, frame, area);
    }
    if let Some(area) = regions.hint {
        panes::hint::draw(model, frame, area);
    }
    if let Some(area) = regions.banner {
        panes::banner::draw(model, frame, area);
    }
    if let Some(area) = regions.peers {
        panes::peers::draw(model, frame, area);
    }
    for region in &regions.panes {
        panes::conversation::draw(model, frame, region);
        panes::composer::draw(model, frame, region);
    }
    if let Some(area) = regions.health {
        panes::health::draw(model, frame, area);
    }
    if let Some(area) = regions.path {
        panes::path::draw(model, frame, area);
    }
    if let Some(area) = regions.strip {
        panes::health::draw_strip(model, frame, area);
    }
    panes::status::draw(model, frame, regions.status);
    for overlay in &model.overlays {
        panes::overlay(model, overlay, frame, regions.body);
    }
    panes::toast::draw(model, frame, regions.body);
    if !model.hints.is_empty() {
        panes::which_key::draw(model, frame, regions.body);
    }
}
