//! The demonstration's keys: a transport is knocked out for real and brought back.

use super::{Effect, Effects};
use crate::{
    delivery::TransportId,
    node::NoticeLevel,
    tui::model::{Focus, Model, Shown},
};

/// Knocks a transport out, so that the next message fails over.
pub(super) fn knock(model: &mut Model, transport: Option<TransportId>, out: &mut Effects) {
    if !model.demo {
        return model.notice(NoticeLevel::Info, "Only the demonstration can knock transports out; see --demo");
    }
    // Without a name: the selected one in the panel, else the path that would be taken next, so that the very next message fails over.
    let shown = (model.focus == Focus::Health && model.overlays.is_empty()).then(|| model.health.selected_id());
    let transport = transport.or(shown.flatten());
    let up = |shown: &&Shown| !model.knocked.contains(&shown.health.transport);
    let target = transport.or_else(|| model.health.transports.iter().find(up).map(|s| s.health.transport.clone()));
    if let Some(id) = &target {
        model.knocked.insert(id.clone());
        model.notice(NoticeLevel::Warning, format!("{id} is knocked out: send a message and watch"));
    }
    out.push(Effect::Knock(target));
}

/// Brings one transport back, or all.
pub(super) fn revive(model: &mut Model, transport: Option<TransportId>, out: &mut Effects) {
    if !model.demo {
        return model.notice(NoticeLevel::Info, "Only the demonstration can bring transports back; see --demo");
    }
    match &transport {
        Some(id) => {
            model.knocked.remove(id);
        }
        None => model.knocked.clear(),
    }
    model.notice(NoticeLevel::Info, "The path is back");
    out.push(Effect::Revive(transport));
}
