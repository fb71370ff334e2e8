//! Conversations: opening them, fetching what is looked at, moving the eye and the selection.

use super::{Effect, Effects, Tag};
use crate::{
    node::{Command, HistoryQuery, Message, NoticeLevel},
    tui::model::{
        Anchor, ConversationView, Focus, Loading, Model, Motion, Row, Side, SidebarRow, VIEWS_LOADED, of_peer,
    },
    wire::{Conversation, ThreadId, Timestamp},
};

/// Messages fetched at once.
pub(super) const PAGE: usize = 200;
/// When fewer messages than this are left on a side, more are fetched.
const MARGIN: usize = 60;

/// Shows a conversation in the focused pane (or goes to the pane that shows it already) and fetches what is missing.
pub(super) fn open(model: &mut Model, conversation: &Conversation, out: &mut Effects) {
    model.layout.open(conversation);
    look_at(model, conversation, out);
    let name = model.name_of(&conversation.peer);
    model.sidebar.select(conversation, Some(&name));
    out.push(Effect::SaveLayout(model.layout.clone()));
}

/// Opens the conversation that the program wants to begin with, unless one is open already.
pub(super) fn open_first(model: &mut Model, out: &mut Effects) {
    let Some(name) = model.open_first.take() else { return };
    let key = model.peer_named(&name).and_then(|peer| peer.fingerprint);
    if let Some(peer) = key.filter(|_| model.current().is_none()) {
        open(model, &Conversation { peer, thread_id: ThreadId::general() }, out);
        model.focus = Focus::Composer;
    }
}

/// Makes sure that a conversation in a pane has a view with messages.
pub(crate) fn look_at(model: &mut Model, conversation: &Conversation, out: &mut Effects) {
    let serial = model.next_serial();
    let summary = model.conversations.get(conversation);
    let unread_after = summary.filter(|c| c.unread > 0).map(|c| c.read_up_to.unwrap_or(0));
    let view = model.views.entry(conversation.clone()).or_default();
    view.touched = serial;
    view.unread_after = unread_after.or(view.unread_after);
    if !view.window.loaded() && view.loading.is_none() {
        fetch_latest(view, conversation, out);
    }
    let_go(model);
}

/// Frees the messages of conversations that were not looked at for long; drafts stay.
fn let_go(model: &mut Model) {
    let mut idle: Vec<(u64, Conversation)> = model
        .views
        .iter()
        .filter(|(c, view)| {
            view.window.loaded() && !model.layout.panes.iter().any(|p| p.conversation.as_ref() == Some(*c))
        })
        .map(|(c, view)| (view.touched, c.clone()))
        .collect();
    idle.sort_unstable();
    let surplus = idle.len().saturating_sub(VIEWS_LOADED);
    for (_, conversation) in idle.into_iter().take(surplus) {
        if let Some(view) = model.views.get_mut(&conversation) {
            let composer = std::mem::take(&mut view.composer);
            *view = ConversationView { composer, ..ConversationView::default() };
        }
    }
}

fn query(conversation: &Conversation, limit: usize) -> HistoryQuery {
    HistoryQuery {
        peer: Some(conversation.peer.to_string()),
        thread_id: Some(conversation.thread_id.clone()),
        limit,
        ..HistoryQuery::default()
    }
}

/// Asks for the newest messages.
pub(super) fn fetch_latest(view: &mut ConversationView, conversation: &Conversation, out: &mut Effects) {
    view.loading = Some(Loading::Latest);
    out.push(Effect::Call(Tag::Latest(conversation.clone()), Command::History(query(conversation, PAGE))));
}

/// Asks for the messages around a place.
pub(super) fn fetch_around(view: &mut ConversationView, conversation: &Conversation, position: u64, out: &mut Effects) {
    view.loading = Some(Loading::Around { position });
    view.halves = (None, None);
    let older = HistoryQuery { before: Some(position.saturating_add(1)), ..query(conversation, PAGE / 2) };
    let newer = HistoryQuery { after: Some(position), ..query(conversation, PAGE / 2) };
    out.push(Effect::Call(Tag::AroundOlder(conversation.clone(), position), Command::History(older)));
    out.push(Effect::Call(Tag::AroundNewer(conversation.clone(), position), Command::History(newer)));
}

/// Asks for more where the eye comes near an edge of what is in memory. `first` and `last` are the indices of the
/// outermost messages on the screen.
pub(crate) fn fetch_near(
    view: &mut ConversationView,
    conversation: &Conversation,
    first: usize,
    last: usize,
) -> Option<Effect> {
    let (oldest, newest) = view.window.span()?;
    if view.loading.is_some() || view.refused {
        return None;
    }
    if first < MARGIN && !view.window.complete(Side::Older) {
        view.loading = Some(Loading::Older);
        let older = HistoryQuery { before: Some(oldest), ..query(conversation, PAGE) };
        return Some(Effect::Call(Tag::Older(conversation.clone()), Command::History(older)));
    }
    if view.window.messages().len().saturating_sub(last) < MARGIN && !view.window.complete(Side::Newer) {
        view.loading = Some(Loading::Newer);
        let newer = HistoryQuery { after: Some(newest), ..query(conversation, PAGE) };
        return Some(Effect::Call(Tag::Newer(conversation.clone()), Command::History(newer)));
    }
    None
}

/// Goes to one message, wherever it is.
pub(super) fn jump(model: &mut Model, message: &Message, out: &mut Effects) {
    let conversation = message.conversation();
    open(model, &conversation, out);
    model.focus = Focus::Conversation;
    jump_in(model, &conversation, message.position, out);
}

/// Goes to a position of a conversation that is open.
pub(super) fn jump_in(model: &mut Model, conversation: &Conversation, position: u64, out: &mut Effects) {
    let Some(view) = model.views.get_mut(conversation) else { return };
    view.show(position);
    if view.window.at(position).is_none() {
        fetch_around(view, conversation, position, out);
    }
}

/// Which way the selection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To the message above.
    Up,
    /// To the message below.
    Down,
}

/// Moves the selection by one message; from nowhere it begins at the bottom of the screen.
pub(super) fn step(model: &mut Model, step: Step, out: &mut Effects) {
    let Some(view) = model.view_mut() else { return };
    view.refused = false;
    let on_screen = |view: &ConversationView, index: Option<usize>| {
        index.and_then(|i| view.window.messages().get(i)).map(|m| m.position)
    };
    let Some(selected) = view.selected else {
        let last = view.rows.iter().rev().find_map(|row| row.message());
        view.selected = on_screen(view, last).or(view.window.span().map(|(_, last)| last));
        view.motion.reveal = true;
        ask_path(model, out);
        return;
    };
    let messages = view.window.messages();
    let index = messages.partition_point(|m| m.position < selected);
    let next = match step {
        Step::Up => index.checked_sub(1),
        Step::Down => (index + 1 < messages.len()).then_some(index + 1),
    };
    match next.and_then(|i| messages.get(i)) {
        Some(message) => view.show(message.position),
        None if step == Step::Down && view.window.complete(Side::Newer) => {
            view.to_bottom();
        }
        None => view.motion.reveal = true,
    }
    ask_path(model, out);
}

/// Moves by half screens; the selection is let go, so that it does not pull the view back.
pub(super) fn page(model: &mut Model, half_screens: i64) {
    if let Some(view) = model.view_mut() {
        view.selected = None;
        view.refused = false;
        view.motion = Motion { half_screens, ..Motion::default() };
    }
}

/// Goes to the oldest message.
pub(super) fn to_first(model: &mut Model, out: &mut Effects) {
    let Some(conversation) = model.current().cloned() else { return };
    let Some(view) = model.views.get_mut(&conversation) else { return };
    match view.window.span() {
        Some((first, _)) if view.window.complete(Side::Older) => view.show(first),
        _ => {
            view.selected = None;
            fetch_around(view, &conversation, 0, out);
        }
    }
}

/// Goes to the newest message and follows new ones.
pub(super) fn to_last(model: &mut Model, out: &mut Effects) {
    let Some(conversation) = model.current().cloned() else { return };
    let Some(view) = model.views.get_mut(&conversation) else { return };
    if view.to_bottom() {
        fetch_latest(view, &conversation, out);
    }
}

/// Goes to the first message that was not seen.
pub(super) fn to_unread(model: &mut Model, out: &mut Effects) {
    let Some(conversation) = model.current().cloned() else { return };
    let Some(after) = model.views.get(&conversation).and_then(|view| view.unread_after) else {
        model.notice(NoticeLevel::Info, "Nothing is unread here");
        return;
    };
    let found = model.views.get(&conversation).and_then(|view| {
        let inside = view.window.span().is_some_and(|(first, _)| first <= after) || view.window.complete(Side::Older);
        let index = view.window.index_at(after.saturating_add(1))?;
        inside.then(|| view.window.messages()[index].position)
    });
    jump_in(model, &conversation, found.unwrap_or(after), out);
}

/// Looks for the first message of a day, by halving the range of positions: the node can list by position only.
pub(super) fn to_date(model: &mut Model, date: jiff::civil::Date, out: &mut Effects) {
    let Some(conversation) = model.current().cloned() else { return };
    let start = date.to_zoned(model.zone.clone()).map(|zoned| zoned.timestamp().as_millisecond());
    let (Ok(start), Some(summary)) = (start, model.conversations.get(&conversation)) else { return };
    let tag = Tag::Seek {
        conversation: conversation.clone(),
        target: Timestamp::from_unix_ms(start),
        low: 0,
        high: summary.last_position,
        candidate: None,
    };
    seek(model, tag, out);
}

/// Takes the next step of looking for a day, or goes where it led.
pub(super) fn seek(model: &mut Model, tag: Tag, out: &mut Effects) {
    let Tag::Seek { conversation, low, high, candidate, .. } = &tag else { return };
    if low < high {
        let middle = low + (high - low) / 2;
        let step = HistoryQuery { after: Some(middle), ..query(conversation, 1) };
        out.push(Effect::Call(tag, Command::History(step)));
    } else if let Some(position) = candidate {
        jump_in(model, &conversation.clone(), *position, out);
    } else {
        model.notice(NoticeLevel::Info, "No message is that young");
    }
}

/// Takes what a step of looking for a day found.
pub(super) fn seek_found(model: &mut Model, tag: Tag, found: &[Message], out: &mut Effects) {
    let Tag::Seek { conversation, target, low, high, candidate } = tag else { return };
    let middle = low + (high.saturating_sub(low)) / 2;
    let (low, high, candidate) = match found.first() {
        Some(message) if message.timestamp < target => {
            (message.position.max(middle.saturating_add(1)), high, candidate)
        }
        Some(message) => (low, middle, Some(message.position)),
        None => (low, middle, candidate),
    };
    seek(model, Tag::Seek { conversation, target, low, high, candidate }, out);
}

/// Asks for the story of the selected message, if it is our own and the story is not here.
pub(super) fn ask_path(model: &mut Model, out: &mut Effects) {
    let Some(id) = model.selected_message().map(|m| m.envelope_id) else { return };
    model.path_top = 0;
    if model.ledger.ask(id) {
        out.push(Effect::Call(Tag::Trace(id), Command::Trace { envelope_id: id }));
    }
}

/// The conversation a peer is opened with: the one with unread messages, else the latest, else the general thread.
pub(super) fn of_name(model: &Model, name: &str) -> Option<Conversation> {
    let peer = model.peer_named(name)?;
    let key = peer.fingerprint?;
    let best = of_peer(&model.conversations, key).max_by_key(|c| (c.unread > 0, c.last_at));
    Some(best.map_or_else(|| Conversation { peer: key, thread_id: ThreadId::general() }, |c| c.conversation.clone()))
}

/// Goes to the next (or the previous) conversation with unread messages, in the order of the list.
pub(super) fn to_unread_conversation(model: &mut Model, backwards: bool, out: &mut Effects) {
    let mut order: Vec<Conversation> = Vec::new();
    for peer in &model.peers {
        let Some(key) = peer.fingerprint else { continue };
        order.extend(of_peer(&model.conversations, key).map(|c| c.conversation.clone()));
    }
    let rest: Vec<_> = model.conversations.keys().filter(|c| !order.contains(c)).cloned().collect();
    order.extend(rest);
    if backwards {
        order.reverse();
    }
    let start = model.current().and_then(|c| order.iter().position(|o| o == c)).map_or(0, |i| i + 1);
    let split = start.min(order.len());
    let (before, after) = order.split_at(split);
    let unread = |c: &&Conversation| model.conversations.get(*c).is_some_and(|s| s.unread > 0);
    match after.iter().chain(before).find(unread).cloned() {
        Some(conversation) => {
            open(model, &conversation, out);
            model.focus = Focus::Conversation;
        }
        None => model.notice(NoticeLevel::Info, "Everything is read"),
    }
}

/// Goes to another thread of the same peer.
pub(super) fn to_thread(model: &mut Model, backwards: bool, out: &mut Effects) {
    let Some(current) = model.current().cloned() else { return };
    let threads: Vec<Conversation> =
        of_peer(&model.conversations, current.peer).map(|c| c.conversation.clone()).collect();
    if threads.is_empty() {
        return;
    }
    let at = threads.iter().position(|c| *c == current).unwrap_or(0);
    let next = (at + if backwards { threads.len() - 1 } else { 1 }) % threads.len();
    open(model, &threads[next].clone(), out);
}

/// Opens what is selected in the list of peers.
pub(super) fn open_selected(model: &mut Model, out: &mut Effects) {
    let target = match model.sidebar.rows.get(model.sidebar.selected) {
        Some(SidebarRow::Thread { conversation, .. }) => Some(conversation.clone()),
        Some(SidebarRow::Peer { name, .. }) => {
            let name = name.clone();
            let target = of_name(model, &name);
            if target.is_none() {
                let text = format!("{name} has no key yet: add its certificate with skcomm peer add or peer.add");
                model.notice(NoticeLevel::Warning, text);
            }
            target
        }
        _ => None,
    };
    if let Some(conversation) = target {
        open(model, &conversation, out);
        model.focus = Focus::Composer;
    }
}

/// What the view holds on to, for fetching around the eye anew.
pub(super) fn eye(view: &ConversationView) -> Option<u64> {
    match view.anchor {
        Anchor::Bottom => None,
        Anchor::Top { position, .. } => Some(position),
    }
}

/// The newest message on the screen.
pub(crate) fn newest_on_screen(view: &ConversationView) -> Option<&Message> {
    let index = view.rows.iter().rev().find_map(|row: &Row| row.message())?;
    view.window.messages().get(index)
}
