//! The node's answers.

use super::{Effect, Effects, Tag, conversation, events};
use crate::{
    node::{Message, NodeError, NoticeLevel, Reply},
    tui::model::{Anchor, Loading, Model, Overlay, Quoted, Side},
    wire::Conversation,
};

/// Takes an answer.
pub(super) fn reply(model: &mut Model, tag: Tag, reply: Result<Reply, NodeError>, out: &mut Effects) {
    model.reported.answered();
    match reply {
        Ok(reply) => good(model, tag, reply, out),
        Err(error) => bad(model, tag, &error),
    }
}

fn good(model: &mut Model, tag: Tag, reply: Reply, out: &mut Effects) {
    match (tag, reply) {
        (_, Reply::Status(status)) => events::status(model, *status),
        (_, Reply::Peers(peers)) => {
            let known = std::mem::take(&mut model.peers);
            model.peers = model.reported.peers.merge(known, peers, |peer| peer.name.clone());
            model.arrange_peers();
            conversation::open_first(model, out);
        }
        (_, Reply::Conversations(all)) => {
            let known = std::mem::take(&mut model.conversations).into_values().collect();
            let all = model.reported.conversations.merge(known, all, |summary| summary.conversation.clone());
            model.conversations = all.into_iter().map(|c| (c.conversation.clone(), c)).collect();
            model.sidebar.rebuild(&model.peers, &model.conversations);
        }
        (_, Reply::Drafts(drafts)) => drafts_loaded(model, drafts),
        (Tag::Transports, Reply::Transports(all)) => {
            model.health.replace(all, model.clock, &model.reported.transports);
        }
        (_, Reply::Transports(some)) => {
            let clock = model.clock;
            let news = some.into_iter().filter(|health| !model.reported.transports.contains(&health.transport));
            news.for_each(|health| model.health.update(health, clock));
        }
        (tag, Reply::Messages(messages)) => messages_came(model, tag, messages, out),
        (Tag::Send(serial), Reply::Sent(message)) => {
            if let Some(sent) = model.sends.remove(&serial)
                && let Some(view) = model.views.get_mut(&sent.conversation)
            {
                view.composer.unsaved_since.get_or_insert(model.clock);
            }
            events::message(model, *message, false, out);
        }
        (Tag::File(_), Reply::Sent(message)) => events::message(model, *message, false, out),
        (Tag::Trace(_), Reply::Trace(trace)) => model.ledger.trace(*trace),
        (Tag::Quote(id), Reply::Trace(trace)) => {
            model.quote(id, Quoted::Known(Box::new(trace.message)));
            events::relay_quotes(model, &id);
        }
        (Tag::Jump(_), Reply::Trace(trace)) => conversation::jump(model, &trace.message, out),
        (Tag::Search(_), Reply::SearchDone { search_id, more, .. }) => super::search::done(model, search_id, more),
        (Tag::Plan(name), Reply::Plan(found)) => {
            if let Some(Overlay::Plan { peer, plan, .. }) = model.overlays.last_mut()
                && *peer == name
            {
                *plan = Some(found);
            }
        }
        (Tag::Certificate, Reply::Certificate(armored)) => {
            model.notice(NoticeLevel::Info, "Certificate copied to the clipboard");
            out.push(Effect::Copy(armored));
        }
        (_, Reply::Transfers(all)) => {
            for transfer in all {
                if !model.reported.files.contains(&(transfer.peer, transfer.transfer)) {
                    super::files::transfer(model, transfer);
                }
            }
        }
        (tag, Reply::Transfer(transfer)) => {
            if !model.reported.files.contains(&(transfer.peer, transfer.transfer)) {
                super::files::transfer(model, *transfer);
            }
            done(model, tag);
        }
        (tag, Reply::Peer(peer)) => {
            if !model.reported.peers.contains(&peer.name) {
                events::peer(model, *peer);
            }
            done(model, tag);
        }
        (Tag::Done(text), Reply::Count(count)) => {
            model.notice(NoticeLevel::Info, format!("{text}: {count}"));
            super::commands::refresh_queue(model, out);
        }
        (tag, Reply::Done | Reply::Count(_)) => done(model, tag),
        // An answer that does not fit its question is the node's mistake; it must not pass unseen.
        (tag, other) => {
            let text = format!("The node answered {tag:?} with something else: {}", kind_of(&other));
            model.notice(NoticeLevel::Error, text);
        }
    }
}

fn kind_of(reply: &Reply) -> &'static str {
    match reply {
        Reply::Done => "done",
        Reply::Count(_) => "a count",
        Reply::Sent(_) => "a sent message",
        Reply::Messages(_) => "messages",
        Reply::Trace(_) => "a trace",
        Reply::Peers(_) | Reply::Peer(_) => "peers",
        Reply::Conversations(_) => "conversations",
        Reply::Drafts(_) => "drafts",
        Reply::SearchDone { .. } => "the end of a search",
        Reply::Status(_) => "a status",
        Reply::Transports(_) => "transports",
        Reply::Plan(_) => "a plan",
        Reply::Certificate(_) => "a certificate",
        Reply::Transfer(_) | Reply::Transfers(_) => "file transfers",
    }
}

fn done(model: &mut Model, tag: Tag) {
    match tag {
        Tag::Done(text) if !text.is_empty() => model.notice(NoticeLevel::Info, text),
        Tag::PeerAdd => {
            model.overlays.retain(|overlay| !matches!(overlay, Overlay::PeerForm(_)));
            model.notice(NoticeLevel::Info, "Peer added; compare its fingerprint before you trust it");
        }
        _ => {}
    }
}

fn drafts_loaded(model: &mut Model, drafts: Vec<(Conversation, String)>) {
    for (conversation, text) in drafts {
        let composer = &mut model.views.entry(conversation).or_default().composer;
        // What was typed before the answer came is newer than any draft.
        if composer.is_blank() {
            composer.set(&text);
        }
    }
}

fn messages_came(model: &mut Model, tag: Tag, messages: Vec<Message>, out: &mut Effects) {
    if let Tag::Queue = tag {
        if let Some(Overlay::Queue { messages: shown, selected }) = model.overlays.last_mut() {
            *selected = (*selected).min(messages.len().saturating_sub(1));
            *shown = Some(messages);
        }
        return;
    }
    if let Tag::Seek { .. } = tag {
        return conversation::seek_found(model, tag, &messages, out);
    }
    let (Tag::Latest(conversation)
    | Tag::Older(conversation)
    | Tag::Newer(conversation)
    | Tag::AroundOlder(conversation, _)
    | Tag::AroundNewer(conversation, _)) = &tag
    else {
        return;
    };
    let conversation = conversation.clone();
    let Some(view) = model.views.get_mut(&conversation) else { return };
    let short = |limit: usize| messages.len() < limit;
    match (tag, view.loading) {
        (Tag::Latest(_), Some(Loading::Latest)) => {
            let at_start = short(conversation::PAGE);
            view.laid.lines.clear();
            view.window.replace(messages, at_start, true);
            view.loading = None;
        }
        (Tag::Older(_), Some(Loading::Older)) => {
            let complete = short(conversation::PAGE);
            view.window.extend(Side::Older, messages, complete);
            view.loading = None;
        }
        (Tag::Newer(_), Some(Loading::Newer)) => {
            let complete = short(conversation::PAGE);
            view.window.extend(Side::Newer, messages, complete);
            view.loading = None;
        }
        (Tag::AroundOlder(_, at), Some(Loading::Around { position })) if at == position => {
            view.halves.0 = Some(messages);
            around(view, position);
        }
        (Tag::AroundNewer(_, at), Some(Loading::Around { position })) if at == position => {
            view.halves.1 = Some(messages);
            around(view, position);
        }
        // The user went elsewhere meanwhile.
        _ => return,
    }
    // The place that is looked at is known when the view is next laid out; it is trimmed there.
    events::catch_up(model, &conversation);
}

/// A half of a jump came; once both are here the view goes there.
fn around(view: &mut crate::tui::model::ConversationView, position: u64) {
    let (older, newer) = match std::mem::take(&mut view.halves) {
        (Some(older), Some(newer)) => (older, newer),
        halves => {
            view.halves = halves;
            return;
        }
    };
    let (at_start, at_end) = (older.len() < conversation::PAGE / 2, newer.len() < conversation::PAGE / 2);
    let messages: Vec<Message> = older.into_iter().chain(newer).collect();
    view.laid.lines.clear();
    view.window.replace(messages, at_start, at_end);
    view.loading = None;
    match view.window.index_at(position).map(|index| view.window.messages()[index].position) {
        Some(found) => {
            view.anchor = Anchor::Top { position: found, line: 0 };
            if view.selected.is_some() {
                view.show(found);
            }
        }
        None => {
            view.to_bottom();
        }
    }
}

fn bad(model: &mut Model, tag: Tag, error: &NodeError) {
    let text = error.message.as_str().to_owned();
    match tag {
        Tag::Send(serial) => {
            let Some(sent) = model.sends.remove(&serial) else { return };
            let composer = &mut model.views.entry(sent.conversation).or_default().composer;
            composer.give_back(&sent.request.content);
            composer.reply_to = composer.reply_to.or(sent.request.in_reply_to);
            composer.unsaved_since.get_or_insert(model.clock);
            model.notice(NoticeLevel::Error, format!("Not sent, the text is back in the composer: {text}"));
        }
        Tag::Latest(c) | Tag::Older(c) | Tag::Newer(c) | Tag::AroundOlder(c, _) | Tag::AroundNewer(c, _) => {
            if let Some(view) = model.views.get_mut(&c) {
                view.loading = None;
                view.halves = (None, None);
                // Without this a failing store would be asked again with every frame.
                view.refused = true;
            }
            model.notice(NoticeLevel::Error, format!("Messages could not be read: {text}"));
        }
        Tag::Quote(id) => {
            model.quote(id, Quoted::Missing);
            events::relay_quotes(model, &id);
        }
        Tag::Search(_) => {
            super::search::failed(model);
            model.notice(NoticeLevel::Error, format!("Search failed: {text}"));
        }
        Tag::File(name) => model.notice(NoticeLevel::Error, format!("{name} was not sent: {text}")),
        Tag::PeerAdd => {
            if let Some(Overlay::PeerForm(form)) = model.overlays.last_mut() {
                form.error = Some(text);
            }
        }
        Tag::Draft(c) => {
            if let Some(view) = model.views.get_mut(&c) {
                view.composer.unsaved_since = Some(model.clock);
            }
            model.notice(NoticeLevel::Error, format!("The draft could not be saved: {text}"));
        }
        Tag::Trace(_) | Tag::Read(_) => {
            model.notices.record(model.now, crate::tui::model::LogRank::Notice(NoticeLevel::Warning), text);
        }
        _ => model.notice(NoticeLevel::Error, text),
    }
}
