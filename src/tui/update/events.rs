//! What the node reports by itself.

use super::{Effect, Effects, Tag, conversation};
use crate::{
    delivery::{MessageState, TransportId},
    node::{Command, Event, Message, NoticeLevel, Peer, Status},
    tui::model::{ConversationView, Flash, Loading, LogRank, Model},
    wire::{Conversation, EnvelopeId, SafeText, Urgency},
};

/// So long after a message moved on the node is asked how it stands, in milliseconds.
const STATUS_PAUSE_MS: u64 = 300;
/// Most messages put aside while a page is being fetched; beyond it the newest page is fetched again.
const ARRIVED_MOST: usize = 256;

/// What to ask the node for at the start: everything the first screen shows.
pub fn start(model: &mut Model) -> Effects {
    let mut out = essentials();
    out.push(Effect::Call(Tag::Drafts, Command::Drafts));
    note_questions(model, &out);
    out
}

/// Notes what goes out to the node: what it reports from now on is newer than its answer.
pub(super) fn note_questions(model: &mut Model, out: &Effects) {
    let calls = out.iter().filter(|effect| matches!(effect, Effect::Call(..)));
    calls.for_each(|_| model.reported.ask());
}

fn essentials() -> Effects {
    vec![
        Effect::Call(Tag::Status, Command::Status),
        Effect::Call(Tag::Peers, Command::Peers),
        Effect::Call(Tag::Conversations, Command::Conversations),
        Effect::Call(Tag::Transports, Command::Transports),
        Effect::Call(Tag::Files, Command::Files { peer: None }),
    ]
}

/// Takes a report of the node.
pub(super) fn event(model: &mut Model, event: Event, out: &mut Effects) {
    // The queue's length is in no event; it is asked for once for many of them.
    if matches!(event, Event::Message(_) | Event::State { .. }) {
        let due = model.clock.saturating_add(STATUS_PAUSE_MS);
        model.status_due.get_or_insert(due);
    }
    match event {
        Event::Message(came) => message(model, *came, true, out),
        Event::State { envelope_id, conversation, state } => state_changed(model, envelope_id, &conversation, state),
        Event::Attempt { envelope_id, attempt } => model.ledger.attempt(envelope_id, attempt),
        Event::Failover { envelope_id, from, to, reason } => {
            let name = model.find_message(&envelope_id).map(|m| m.to.as_str().to_owned());
            failover(model, name, &from, to.as_ref(), &reason);
        }
        Event::Duplicate { envelope_id, via } => duplicate(model, envelope_id, via),
        Event::Transfer(transfer) => {
            model.reported.files.report((transfer.peer, transfer.transfer));
            super::files::transfer(model, *transfer);
        }
        Event::Transport(health) => {
            let clock = model.clock;
            model.reported.transports.report(health.transport.clone());
            model.health.update(*health, clock);
        }
        Event::Peer(changed) => {
            model.reported.peers.report(changed.name.clone());
            peer(model, *changed);
        }
        Event::PeerRemoved { name } => {
            model.reported.peers.report(name.clone());
            model.peers.retain(|peer| peer.name != name);
            model.arrange_peers();
        }
        Event::Conversation(summary) => {
            note_unread(model, &summary.conversation, summary.unread, summary.read_up_to);
            model.reported.conversations.report(summary.conversation.clone());
            model.conversations.insert(summary.conversation.clone(), *summary);
            model.sidebar.rebuild(&model.peers, &model.conversations);
        }
        Event::SearchHit { search_id, message } => super::search::hit(model, search_id, *message),
        // The text names the path already.
        Event::Refused { reason, .. } => {
            model.notices.record(model.now, LogRank::Notice(NoticeLevel::Security), reason.as_str());
        }
        Event::Notice { level, text } => model.notice(level, text.as_str()),
        Event::Lagged(missed) => lagged(model, missed, out),
        Event::Stopping => gone(model),
    }
}

/// The node went away.
pub(super) fn gone(model: &mut Model) {
    if !std::mem::replace(&mut model.gone, true) {
        model.notice(NoticeLevel::Error, "The node has stopped; what you write stays here, quit and start again");
    }
}

/// Takes the node at a glance.
pub(super) fn status(model: &mut Model, status: Status) {
    model.health.replace(status.transports.clone(), model.clock, &model.reported.transports);
    let known: Vec<SafeText> = model.status.as_ref().map(|s| s.warnings.clone()).unwrap_or_default();
    for warning in status.warnings.iter().filter(|w| !known.contains(w)) {
        model.notice(NoticeLevel::Warning, warning.as_str());
    }
    model.status = Some(status);
}

/// Takes a peer as it now is.
pub(super) fn peer(model: &mut Model, changed: Peer) {
    match model.peers.iter_mut().find(|peer| peer.name == changed.name) {
        Some(peer) => {
            let conflict = changed.conflict.is_some() && peer.conflict != changed.conflict;
            *peer = changed;
            let name = peer.name.clone();
            if conflict {
                let text = format!("The key of {name} changed: nothing is sent until you decide");
                model.notice(NoticeLevel::Security, text);
            }
        }
        None => model.peers.push(changed),
    }
    model.arrange_peers();
}

/// Takes a message: `fresh` when the node reported it, not when it answers for one that was just written.
pub(super) fn message(model: &mut Model, message: Message, fresh: bool, out: &mut Effects) {
    let conversation = message.conversation();
    let looked_at = model.attended && model.overlays.is_empty() && model.is_on_screen(&conversation);
    let (id, position) = (message.envelope_id, message.position);
    if let Some(view) = model.views.get_mut(&conversation) {
        if !fresh && view.window.find(&id).is_some() {
            return;
        }
        if view.loading.is_some() {
            set_aside(view, message.clone());
        }
        let offered = view.window.offer(&message);
        view.forget_layout(position);
        if message.incoming() && !looked_at_bottom(view) {
            view.new_below += 1;
        }
        if !message.incoming() && !fresh && view.to_bottom() && !offered && view.loading.is_none() {
            conversation::fetch_latest(view, &conversation, out);
        }
    }
    // A reply may have come before what it answers.
    model.quotes.remove(&id);
    relay_quotes(model, &id);
    if fresh && message.incoming() && !looked_at {
        tell_person(model, &message, out);
    }
}

fn looked_at_bottom(view: &ConversationView) -> bool {
    view.anchor == crate::tui::model::Anchor::Bottom
}

/// A message came while a page is being fetched that may have been read before it was stored.
fn set_aside(view: &mut ConversationView, message: Message) {
    if view.arrived.len() < ARRIVED_MOST {
        view.arrived.push(message);
    }
}

/// A page is here: what came meanwhile is put on top of it.
pub(super) fn catch_up(model: &mut Model, conversation: &Conversation) {
    let Some(view) = model.views.get_mut(conversation) else { return };
    for message in std::mem::take(&mut view.arrived) {
        if view.window.find(&message.envelope_id).is_none() {
            view.window.offer(&message);
        }
    }
    for (id, state) in std::mem::take(&mut view.states) {
        amend_state(view, &id, &state);
    }
}

/// The node's word is taken unless it would move a message back, as a late answer could.
fn amend_state(view: &mut ConversationView, id: &EnvelopeId, state: &MessageState) {
    view.window.amend(id, |message| {
        if state.rank() >= message.state.rank() {
            message.state = state.clone();
        }
    });
}

fn state_changed(model: &mut Model, id: EnvelopeId, conversation: &Conversation, state: MessageState) {
    let on_screen = model.is_on_screen(conversation);
    if let Some(view) = model.views.get_mut(conversation) {
        amend_state(view, &id, &state);
        if view.loading.is_some() && view.states.len() < ARRIVED_MOST {
            view.states.push((id, state.clone()));
        }
    }
    let text = match &state {
        MessageState::Failed { reason } => format!("failed: {reason}"),
        MessageState::Expired => "expired before it could be delivered".to_owned(),
        MessageState::Held { reason } => format!("is held: {reason}"),
        _ => return,
    };
    let text = format!("A message to {} {text}", model.name_of(&conversation.peer));
    if on_screen {
        model.notices.record(model.now, LogRank::Notice(NoticeLevel::Warning), text);
    } else {
        model.notice(NoticeLevel::Warning, text);
    }
}

fn failover(
    model: &mut Model,
    name: Option<String>,
    from: &TransportId,
    to: Option<&TransportId>,
    reason: &crate::delivery::Reason,
) {
    let clock = model.clock;
    if !model.reduced_motion {
        model.health.flash(from, Flash::Failed, clock);
        if let Some(to) = to {
            model.health.flash(to, Flash::Taken, clock);
        }
    }
    let whom = name.map(|name| format!(" to {name}")).unwrap_or_default();
    match to {
        Some(to) => model.notice(NoticeLevel::Info, format!("Failover{whom}: {from} -> {to} ({reason})")),
        None => model.notice(NoticeLevel::Warning, format!("{from} failed{whom}, no other path is left ({reason})")),
    }
}

fn duplicate(model: &mut Model, id: EnvelopeId, via: TransportId) {
    let text = format!("A known message came again over {via}");
    model.notices.record(model.now, LogRank::Debug, text);
    for view in model.views.values_mut() {
        let add = |message: &mut Message| {
            if !message.paths.contains(&via) {
                message.paths.push(via.clone());
            }
        };
        if let Some(position) = view.window.amend(&id, add).map(|m| m.position) {
            view.forget_layout(position);
        }
    }
}

/// Messages that quote `id` are laid out again.
pub(super) fn relay_quotes(model: &mut Model, id: &EnvelopeId) {
    for view in model.views.values_mut() {
        let quoting = view.window.messages().iter().filter(|m| m.in_reply_to.as_ref() == Some(id));
        let positions: Vec<u64> = quoting.map(|m| m.position).collect();
        positions.into_iter().for_each(|position| view.forget_layout(position));
    }
}

/// The first unread message sets the unread line, unless the eye is on it.
fn note_unread(model: &mut Model, conversation: &Conversation, unread: u64, read_up_to: Option<u64>) {
    let before = model.conversations.get(conversation).map_or(0, |c| c.unread);
    let looked_at = model.attended && model.is_on_screen(conversation);
    if let Some(view) = model.views.get_mut(conversation)
        && before == 0
        && unread > 0
        && !looked_at
    {
        view.unread_after = Some(read_up_to.unwrap_or(0));
    }
}

fn tell_person(model: &mut Model, message: &Message, out: &mut Effects) {
    let muted = model.peer_of(&message.peer).is_some_and(|peer| peer.muted || peer.blocked);
    // Late messages come in heaps; a heap of notifications helps nobody.
    if muted || message.late || model.peer_of(&message.peer).is_none() {
        return;
    }
    let urgent = message.urgency >= Urgency::High;
    if !model.attended || urgent {
        let body = SafeText::line(message.content.as_str().lines().next().unwrap_or_default());
        out.push(Effect::Notify { title: SafeText::line(message.from.as_str()), body: body.clone() });
        if urgent {
            model.notice(NoticeLevel::Warning, format!("{}: {body}", message.from));
        }
    }
}

/// Events were missed: everything that is shown is asked for anew.
fn lagged(model: &mut Model, missed: u64, out: &mut Effects) {
    let text = format!("The screen fell behind by {missed} events and asks anew");
    model.notices.record(model.now, LogRank::Debug, text);
    out.extend(essentials());
    let shown: Vec<Conversation> = model.layout.panes.iter().filter_map(|pane| pane.conversation.clone()).collect();
    for (conversation, view) in &mut model.views {
        if !shown.contains(conversation) {
            view.window.clear();
            view.laid.lines.clear();
            view.loading = None;
            continue;
        }
        match conversation::eye(view) {
            None => conversation::fetch_latest(view, conversation, out),
            Some(_) if matches!(view.loading, Some(Loading::Around { .. })) => {}
            Some(position) => conversation::fetch_around(view, conversation, position, out),
        }
    }
}
