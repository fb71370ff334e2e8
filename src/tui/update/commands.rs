//! Every command of the table, carried out.

use super::{Effect, Effects, Tag, composer, conversation, demo, files, lists, peers, pickers, search, timers};
use crate::{
    delivery::{Policy, TransportId},
    node::{Breaker, Command, NoticeLevel, RouteQuestion},
    tui::{
        command::{Cmd, Query},
        model::{Confirm, Confirmed, Focus, LogView, Model, Overlay, PeerForm, Whose},
    },
    wire::{Conversation, Mode},
};

/// Runs a command; what loses something asks first.
pub(super) fn run(model: &mut Model, cmd: &Cmd, out: &mut Effects) {
    if pickers::is_destructive(cmd)
        && let Some(confirm) = question(model, cmd)
    {
        model.overlays.push(Overlay::Confirm(confirm));
        return;
    }
    run_now(model, cmd, out);
}

/// The question before a destructive command, with what will be lost; none where nothing would be.
fn question(model: &Model, cmd: &Cmd) -> Option<Confirm> {
    let (question, loses) = match cmd {
        Cmd::MessageCancel => {
            let message = model.selected_message().filter(|m| !m.incoming() && !m.state.is_final())?;
            let text: String = message.content.as_str().chars().take(60).collect();
            (format!("Give up the message to {}?", message.to), format!("It will not be sent any more: {text}"))
        }
        Cmd::FileCancel => return files::question(model),
        Cmd::ComposerClear => {
            let (_, chars) = model.view().filter(|view| !view.composer.is_blank())?.composer.size();
            ("Throw away what is written?".to_owned(), format!("{chars} characters will be lost"))
        }
        Cmd::PeerBlock => {
            let name = &model.meant_peer()?.name;
            (format!("Block {name}?"), "Nothing is sent to it or shown from it until you unblock it".to_owned())
        }
        Cmd::PeerRemove => {
            let name = &model.meant_peer()?.name;
            (format!("Forget {name}?"), "Its key, its routes and its trust are lost; the messages stay".to_owned())
        }
        Cmd::ConflictAccept => {
            let peer = peers::conflicted(model)?;
            let new = peer.conflict.map(|key| key.grouped()).unwrap_or_default();
            let loses = format!("Its trust falls to untrusted. Only do this after comparing: {new}");
            (format!("Take the new key of {}?", peer.name), loses)
        }
        Cmd::QueuePurge => {
            let waiting = model.status.as_ref().map_or(0, |status| status.queued);
            ("Give up everything that waits?".to_owned(), format!("{waiting} messages will never be delivered"))
        }
        _ => (format!("{}?", cmd.name()), "This cannot be undone".to_owned()),
    };
    Some(Confirm { question, loses, then: Confirmed::Run(cmd.clone()) })
}

fn run_now(model: &mut Model, cmd: &Cmd, out: &mut Effects) {
    match cmd {
        Cmd::AppQuit => quit(model, out),
        Cmd::AppSuspend => out.push(Effect::Suspend),
        Cmd::AppRedraw => out.push(Effect::Redraw),
        Cmd::ConfirmYes => confirm(model, out),
        Cmd::ConfirmNo | Cmd::NavBack => back(model),
        Cmd::NoticeDismiss => {
            model.notices.dismiss();
        }
        Cmd::UnreadNext => conversation::to_unread_conversation(model, false, out),
        Cmd::UnreadPrev => conversation::to_unread_conversation(model, true, out),
        Cmd::ThemeSet(name) => out.push(Effect::LoadTheme(name.as_str().to_owned())),
        Cmd::KeymapSet(name) => out.push(Effect::LoadKeymap(name.as_str().to_owned())),
        Cmd::DemoKnock(transport) => demo::knock(model, transport.clone(), out),
        Cmd::DemoRevive(transport) => demo::revive(model, transport.clone(), out),
        _ => {
            let done = views(model, cmd, out)
                || panes(model, cmd, out)
                || moves(model, cmd, out)
                || messages(model, cmd, out)
                || writing(model, cmd, out)
                || transports(model, cmd, out)
                || files::run(model, cmd, out)
                || peers::run(model, cmd, out);
            if !done {
                model.notice(NoticeLevel::Error, format!("{} is not carried out by this screen", cmd.name()));
            }
        }
    }
}

/// Commands that open a view over the panes.
fn views(model: &mut Model, cmd: &Cmd, out: &mut Effects) -> bool {
    let text = |query: &Option<Query>| query.as_ref().map(|q| q.as_str().to_owned());
    match cmd {
        Cmd::HelpShow => show(model, Overlay::Help { keys: false, top: 0 }),
        Cmd::HelpKeys => show(model, Overlay::Help { keys: true, top: 0 }),
        Cmd::PaletteOpen => pickers::open_palette(model, ""),
        Cmd::SwitcherOpen => pickers::open_switcher(model),
        Cmd::SearchOpen(query) => search::open(model, text(query).as_deref(), None),
        Cmd::SearchHere(query) => {
            let scope = model.current().cloned();
            search::open(model, text(query).as_deref(), scope);
        }
        Cmd::LogOpen => show(model, Overlay::Log(LogView::default())),
        Cmd::LogSetLevel(level) => {
            let level = *level;
            with_log(model, |log| (log.level, log.up) = (level, 0));
        }
        Cmd::LogSecurity => with_log(model, |log| (log.security, log.up) = (!log.security, 0)),
        Cmd::StatusShow => {
            show(model, Overlay::Status { top: 0 });
            out.push(Effect::Call(Tag::Status, Command::Status));
        }
        Cmd::QueueOpen => {
            show(model, Overlay::Queue { messages: None, selected: 0 });
            refresh_queue(model, out);
        }
        Cmd::QueueRetry => {
            let command = Command::QueueRetry { envelope_id: None };
            out.push(Effect::Call(Tag::Done("Trying again".to_owned()), command));
        }
        Cmd::QueuePurge => {
            let command = Command::QueuePurge { envelope_id: None, peer: None };
            out.push(Effect::Call(Tag::Done("Given up".to_owned()), command));
        }
        Cmd::IdentityShow => show(model, Overlay::Trust { whose: Whose::Mine, top: 0 }),
        Cmd::IdentityCopy => out.push(Effect::Call(Tag::Certificate, Command::KeyExport { peer: None })),
        Cmd::TrustOpen(peer) => {
            let name = peer.as_ref().map(|peer| peer.as_str().to_owned());
            open_trust(model, name.as_deref());
        }
        Cmd::RouteExplain(mode) => explain(model, *mode, out),
        Cmd::PeerAdd => show(model, Overlay::PeerForm(PeerForm::default())),
        _ => return false,
    }
    true
}

/// Puts a view on top; there is at most one of each kind.
pub(super) fn show(model: &mut Model, overlay: Overlay) {
    let kind = std::mem::discriminant(&overlay);
    model.overlays.retain(|other| std::mem::discriminant(other) != kind);
    model.overlays.push(overlay);
}

fn with_log(model: &mut Model, change: impl FnOnce(&mut LogView)) {
    if !matches!(model.overlays.last(), Some(Overlay::Log(_))) {
        show(model, Overlay::Log(LogView::default()));
    }
    if let Some(Overlay::Log(log)) = model.overlays.last_mut() {
        change(log);
    }
}

/// Asks for the queue anew, if it is shown.
pub(super) fn refresh_queue(model: &Model, out: &mut Effects) {
    if model.overlays.iter().any(|overlay| matches!(overlay, Overlay::Queue { .. })) {
        out.push(Effect::Call(Tag::Queue, Command::QueueList { peer: None, attempts: false }));
    }
}

fn explain(model: &mut Model, mode: Option<Mode>, out: &mut Effects) {
    let Some(peer) = model.meant_peer() else { return no_peer(model) };
    let name = peer.name.as_str().to_owned();
    let size = model.view().map(|view| view.composer.size().0).filter(|size| *size > 0);
    // What nobody chose is left to the node, which says who decided it.
    let chosen = model.view().map(|view| (view.composer.mode, view.composer.policy)).unwrap_or_default();
    let (mode, policy) = (mode.or(chosen.0), chosen.1);
    let thread_id = model.current().map(|conversation| conversation.thread_id.clone());
    show(model, Overlay::Plan { peer: name.clone(), plan: None, top: 0 });
    let question = RouteQuestion { peer: name.clone(), thread_id, mode, policy, size, ..Default::default() };
    let command = Command::RouteExplain(question);
    out.push(Effect::Call(Tag::Plan(name), command));
}

pub(super) fn no_peer(model: &mut Model) {
    model.notice(NoticeLevel::Info, "Select a peer first");
}

/// Commands that change which panes there are and which has the focus.
fn panes(model: &mut Model, cmd: &Cmd, out: &mut Effects) -> bool {
    match cmd {
        Cmd::PaneNext => cycle(model, 1),
        Cmd::PanePrev => cycle(model, -1),
        Cmd::PaneLeft => sideways(model, -1),
        Cmd::PaneRight => sideways(model, 1),
        Cmd::PaneSplit => {
            if model.layout.split() {
                model.focus = Focus::Conversation;
                pickers::open_switcher(model);
            } else {
                model.notice(NoticeLevel::Info, "There is no room for another pane");
            }
        }
        Cmd::PaneClose => model.layout.close(),
        Cmd::PaneZoom => model.zoomed = !model.zoomed,
        Cmd::PaneGrow => grow(model, 1),
        Cmd::PaneShrink => grow(model, -1),
        Cmd::PanelPeers => model.layout.peers = !model.layout.peers,
        Cmd::PanelHealth => model.layout.health = !model.layout.health,
        Cmd::FocusPeers => focus(model, Focus::Peers),
        Cmd::FocusConversation => focus(model, Focus::Conversation),
        Cmd::FocusComposer => focus(model, Focus::Composer),
        Cmd::FocusHealth => focus(model, Focus::Health),
        Cmd::FocusPath => {
            conversation::ask_path(model, out);
            focus(model, Focus::Path);
        }
        _ => return false,
    }
    let remembered =
        [Cmd::PaneSplit, Cmd::PaneClose, Cmd::PaneGrow, Cmd::PaneShrink, Cmd::PanelPeers, Cmd::PanelHealth];
    if remembered.contains(cmd) {
        out.push(Effect::SaveLayout(model.layout.clone()));
    }
    true
}

fn focus(model: &mut Model, focus: Focus) {
    model.focus = focus;
    model.pending_keys.clear();
    model.hints.clear();
    // A panel that was hidden is wanted now.
    match focus {
        Focus::Peers => model.layout.peers = true,
        Focus::Health => model.layout.health = true,
        _ => {}
    }
}

fn cycle(model: &mut Model, by: isize) {
    let mut order = vec![Focus::Peers, Focus::Conversation, Focus::Composer, Focus::Health];
    if model.selected_message().is_some() {
        order.push(Focus::Path);
    }
    let at = order.iter().position(|f| *f == model.focus).unwrap_or(0);
    let len = order.len();
    let next = (at + len).saturating_add_signed(by) % len;
    focus(model, order[next]);
}

fn sideways(model: &mut Model, by: isize) {
    let inside = matches!(model.focus, Focus::Conversation | Focus::Composer);
    let panes = model.layout.panes.len();
    let next = model.layout.focused.checked_add_signed(by).filter(|next| *next < panes);
    match (inside, next) {
        (true, Some(next)) => model.layout.focused = next,
        (true, None) => focus(model, if by < 0 { Focus::Peers } else { Focus::Health }),
        (false, _) => focus(model, Focus::Conversation),
    }
}

fn grow(model: &mut Model, by: i16) {
    match model.focus {
        Focus::Peers => model.layout.peers_width = model.layout.peers_width.saturating_add_signed(2 * by),
        Focus::Health | Focus::Path => {
            model.layout.health_width = model.layout.health_width.saturating_add_signed(2 * by);
        }
        Focus::Conversation | Focus::Composer => model.layout.grow(by),
    }
    model.layout = std::mem::take(&mut model.layout).sane();
}

/// Commands that move in lists.
fn moves(model: &mut Model, cmd: &Cmd, out: &mut Effects) -> bool {
    use lists::By;
    match cmd {
        Cmd::ListUp => lists::go(model, By::Lines(-1), out),
        Cmd::ListDown => lists::go(model, By::Lines(1), out),
        Cmd::ListPageUp => lists::go(model, By::Pages(-1), out),
        Cmd::ListPageDown => lists::go(model, By::Pages(1), out),
        Cmd::ListFirst => lists::go(model, By::First, out),
        Cmd::ListLast => lists::go(model, By::Last, out),
        Cmd::ListAccept => lists::accept(model, out),
        Cmd::ListFold => lists::fold(model),
        _ => return false,
    }
    true
}

/// Commands about conversations and the selected message.
fn messages(model: &mut Model, cmd: &Cmd, out: &mut Effects) -> bool {
    match cmd {
        Cmd::ConversationOpen(peer, thread) => {
            open_named(model, peer.as_str(), thread.clone(), out);
        }
        Cmd::ConversationMarkRead => mark_read(model, out),
        Cmd::ThreadNew(None) | Cmd::MessageGotoDate(None) => {
            pickers::open_palette(model, &format!("{} ", cmd.name()));
        }
        Cmd::ThreadNew(Some(thread)) => match model.meant_peer().and_then(|peer| peer.fingerprint) {
            Some(peer) => {
                conversation::open(model, &Conversation { peer, thread_id: thread.clone() }, out);
                model.focus = Focus::Composer;
            }
            None => no_peer(model),
        },
        Cmd::ThreadNext => conversation::to_thread(model, false, out),
        Cmd::ThreadPrev => conversation::to_thread(model, true, out),
        Cmd::MessageUp => conversation::step(model, conversation::Step::Up, out),
        Cmd::MessageDown => conversation::step(model, conversation::Step::Down, out),
        Cmd::MessageFirst => conversation::to_first(model, out),
        Cmd::MessageLast => conversation::to_last(model, out),
        Cmd::MessagePageUp => conversation::page(model, -2),
        Cmd::MessagePageDown => conversation::page(model, 2),
        Cmd::MessageUnread => conversation::to_unread(model, out),
        Cmd::MessageGotoDate(Some(date)) => conversation::to_date(model, *date, out),
        Cmd::MessageReply
        | Cmd::MessageCopy
        | Cmd::MessagePath
        | Cmd::MessageRetry
        | Cmd::MessageCancel
        | Cmd::MessageJumpQuoted => on_message(model, cmd, out),
        _ => return false,
    }
    true
}

fn open_named(model: &mut Model, name: &str, thread: Option<crate::wire::ThreadId>, out: &mut Effects) {
    let by_key = |peer: &crate::node::Peer| {
        let digits = name.to_uppercase();
        name.len() >= 8 && peer.fingerprint.is_some_and(|key| key.to_string().starts_with(&digits))
    };
    let fits = |peer: &&crate::node::Peer| {
        peer.name.as_str() == name || peer.fqid.as_ref().is_some_and(|fqid| fqid.as_str() == name) || by_key(peer)
    };
    let found = model.peers.iter().find(fits).map(|peer| (peer.name.as_str().to_owned(), peer.fingerprint));
    let target = match (found, thread) {
        (Some((_, Some(peer))), Some(thread_id)) => Some(Conversation { peer, thread_id }),
        (Some((name, _)), None) => conversation::of_name(model, &name),
        _ => None,
    };
    match target {
        Some(conversation) => {
            conversation::open(model, &conversation, out);
            model.focus = Focus::Composer;
        }
        None => model.notice(NoticeLevel::Warning, format!("There is no peer {name:?} with a key")),
    }
}

fn mark_read(model: &mut Model, out: &mut Effects) {
    let Some(conversation) = model.current().cloned() else { return };
    let newest = model.views.get(&conversation).and_then(|view| view.window.messages().last());
    if let Some(up_to) = newest.map(|message| message.envelope_id) {
        let command = Command::MarkRead { conversation: conversation.clone(), up_to };
        out.push(Effect::Call(Tag::Read(conversation), command));
        if let Some(view) = model.view_mut() {
            view.unread_after = None;
        }
    }
}

fn on_message(model: &mut Model, cmd: &Cmd, out: &mut Effects) {
    let Some(message) = model.selected_message().cloned() else {
        return model.notice(NoticeLevel::Info, "Select a message first");
    };
    let id = message.envelope_id;
    match cmd {
        Cmd::MessageReply => {
            if let Some(composer) = model.composer_mut() {
                composer.reply_to = Some(id);
            }
            model.focus = Focus::Composer;
        }
        Cmd::MessageCopy => {
            model.notice(NoticeLevel::Info, "Copied to the clipboard");
            out.push(Effect::Copy(message.content.as_str().to_owned()));
        }
        Cmd::MessagePath => show_path(model, out),
        Cmd::MessageRetry => {
            let command = Command::QueueRetry { envelope_id: Some(id) };
            out.push(Effect::Call(Tag::Done("Trying again".to_owned()), command));
        }
        Cmd::MessageCancel if message.incoming() || message.state.is_final() => {
            model.notice(NoticeLevel::Info, "That message does not wait any more");
        }
        Cmd::MessageCancel => {
            let command = Command::QueuePurge { envelope_id: Some(id), peer: None };
            out.push(Effect::Call(Tag::Done("Given up".to_owned()), command));
        }
        Cmd::MessageJumpQuoted => match message.in_reply_to {
            None => model.notice(NoticeLevel::Info, "That message answers none"),
            Some(quoted) => match model.find_message(&quoted).cloned() {
                Some(found) => conversation::jump(model, &found, out),
                None => out.push(Effect::Call(Tag::Jump(quoted), Command::Trace { envelope_id: quoted })),
            },
        },
        _ => {}
    }
}

/// Shows the path of the selected message: its pane where there is one, else a view over the panes.
pub(super) fn show_path(model: &mut Model, out: &mut Effects) {
    if model.selected_message().is_none() {
        return model.notice(NoticeLevel::Info, "Select a message first");
    }
    conversation::ask_path(model, out);
    if model.regions.path.is_some() {
        model.focus = Focus::Path;
    } else {
        show(model, Overlay::Path { top: 0 });
    }
}

/// Commands about what is being written.
fn writing(model: &mut Model, cmd: &Cmd, out: &mut Effects) -> bool {
    match cmd {
        Cmd::ComposerSend => composer::send(model, out),
        Cmd::ComposerEditor => {
            if let Some(conversation) = model.current().cloned() {
                let text = model.view().map(|view| view.composer.text()).unwrap_or_default();
                out.push(Effect::Edit(conversation, text));
            }
        }
        Cmd::ComposerComplete if !model.overlays.is_empty() => pickers::complete(model),
        Cmd::ComposerComplete => composer::complete(model),
        Cmd::ModeCycle => {
            if let Some(mode) = model.current().map(|c| model.mode_for(c)) {
                set_mode(model, composer::next_mode(mode));
            }
        }
        Cmd::ModeSet(mode) => set_mode(model, *mode),
        Cmd::PolicyCycle => {
            if let Some(policy) = model.current().map(|c| model.policy_for(c)) {
                set_policy(model, composer::next_policy(policy));
            }
        }
        Cmd::PolicySet(policy) => set_policy(model, *policy),
        Cmd::ComposerNewline
        | Cmd::ComposerClear
        | Cmd::ComposerHistoryPrev
        | Cmd::ComposerHistoryNext
        | Cmd::ComposerCancelReply
        | Cmd::UrgencyCycle
        | Cmd::UrgencySet(_) => in_composer(model, cmd),
        _ => return false,
    }
    true
}

fn set_mode(model: &mut Model, mode: Mode) {
    if let Some(composer) = model.composer_mut() {
        composer.mode = Some(mode);
    }
}

fn set_policy(model: &mut Model, policy: Policy) {
    if let Some(composer) = model.composer_mut() {
        composer.policy = Some(policy);
    }
}

fn in_composer(model: &mut Model, cmd: &Cmd) {
    let Some(composer) = model.composer_mut() else { return };
    match cmd {
        Cmd::ComposerNewline => composer.area_mut().insert_newline(),
        Cmd::ComposerClear => composer.set(""),
        Cmd::ComposerHistoryPrev => {
            composer.recall_previous();
        }
        Cmd::ComposerHistoryNext => {
            composer.recall_next();
        }
        Cmd::ComposerCancelReply => composer.reply_to = None,
        Cmd::UrgencyCycle => composer.urgency = composer::next_urgency(composer.urgency),
        Cmd::UrgencySet(urgency) => composer.urgency = *urgency,
        _ => {}
    }
    composer::changed(model);
}

/// Commands about transports.
fn transports(model: &mut Model, cmd: &Cmd, out: &mut Effects) -> bool {
    let (Cmd::TransportEnable(named)
    | Cmd::TransportDisable(named)
    | Cmd::TransportToggle(named)
    | Cmd::TransportProbe(named)
    | Cmd::TransportRaise(named)
    | Cmd::TransportLower(named)
    | Cmd::TransportDetails(named)) = cmd
    else {
        return false;
    };
    let shown = match model.overlays.last() {
        Some(Overlay::Transport { id, .. }) => Some(id.clone()),
        _ => None,
    };
    let Some(transport) = named.clone().or(shown).or_else(|| model.health.selected_id()) else {
        model.notice(NoticeLevel::Info, "No transport is configured");
        return true;
    };
    let Some(health) = model.health.get(&transport).map(|shown| shown.health.clone()) else {
        model.notice(NoticeLevel::Warning, format!("There is no transport {transport}"));
        return true;
    };
    let off = matches!(health.state, crate::transport::TransportState::Disabled { .. });
    let switch = |enabled: bool| {
        let word = if enabled { "on" } else { "off" };
        let command = Command::TransportEnable { transport: transport.clone(), enabled };
        Effect::Call(Tag::Done(format!("{transport} switched {word}")), command)
    };
    let priority = |priority: u16| {
        let command = Command::TransportPriority { transport: transport.clone(), priority };
        Effect::Call(Tag::Done(format!("{transport} now has priority {priority}")), command)
    };
    match cmd {
        Cmd::TransportEnable(_) => out.push(switch(true)),
        Cmd::TransportDisable(_) => out.push(switch(false)),
        Cmd::TransportToggle(_) => out.push(switch(off)),
        Cmd::TransportProbe(_) => {
            let text =
                if matches!(health.breaker, Breaker::Closed) { "" } else { "Probing; the breaker decides by it" };
            out.push(Effect::Call(Tag::Done(text.to_owned()), Command::TransportProbe { transport }));
        }
        Cmd::TransportRaise(_) => out.push(priority(health.priority.saturating_sub(10))),
        Cmd::TransportLower(_) => out.push(priority(health.priority.saturating_add(10).min(1_000))),
        _ => open_transport(model, Some(transport)),
    }
    true
}

/// Shows a transport in full.
pub(super) fn open_transport(model: &mut Model, transport: Option<TransportId>) {
    if let Some(id) = transport.or_else(|| model.health.selected_id()) {
        show(model, Overlay::Transport { id, top: 0 });
    }
}

/// Shows a peer's key.
pub(super) fn open_trust(model: &mut Model, name: Option<&str>) {
    let name = name.map(str::to_owned).or_else(|| model.meant_peer().map(|peer| peer.name.as_str().to_owned()));
    match name.filter(|name| model.peer_named(name).is_some()) {
        Some(name) => show(model, Overlay::Trust { whose: Whose::Peer(name), top: 0 }),
        None => no_peer(model),
    }
}

/// Esc: takes the topmost view away, else lets the selection go, else moves back towards the composer and the peers.
fn back(model: &mut Model) {
    model.hints.clear();
    if model.overlays.pop().is_some() {
        return;
    }
    if model.zoomed {
        model.zoomed = false;
        return;
    }
    let focus = model.focus;
    let Some(view) = model.view_mut() else {
        model.focus = Focus::Peers;
        return;
    };
    match focus {
        Focus::Composer if view.composer.reply_to.take().is_some() => {}
        Focus::Conversation if view.selected.take().is_some() => {}
        Focus::Composer | Focus::Path => model.focus = Focus::Conversation,
        Focus::Conversation | Focus::Health => model.focus = Focus::Peers,
        Focus::Peers => model.focus = Focus::Composer,
    }
}

fn confirm(model: &mut Model, out: &mut Effects) {
    if let Some(Overlay::Confirm(_)) = model.overlays.last()
        && let Some(Overlay::Confirm(confirm)) = model.overlays.pop()
    {
        match confirm.then {
            Confirmed::Run(Cmd::AppQuit) => leave(model, out),
            Confirmed::Run(cmd) => run_now(model, &cmd, out),
            Confirmed::GiveUpFile(peer, transfer) => files::give_up(model, (peer, transfer), out),
        }
    }
}

/// Leaving with messages that wait: they stay in the outbox, but nothing sends them while the node does not run. Where
/// it goes on without this screen there is nothing to ask.
fn quit(model: &mut Model, out: &mut Effects) {
    let waiting = model.status.as_ref().map_or(0, |status| status.queued);
    if waiting == 0 || model.gone || model.attached {
        return leave(model, out);
    }
    let loses = match waiting {
        1 => "One message waits; it stays safe, but nothing sends it until you start again".to_owned(),
        n => format!("{n} messages wait; they stay safe, but nothing sends them until you start again"),
    };
    let confirm = Confirm { question: "Quit now?".to_owned(), loses, then: Confirmed::Run(Cmd::AppQuit) };
    show(model, Overlay::Confirm(confirm));
}

fn leave(model: &mut Model, out: &mut Effects) {
    timers::save_all_drafts(model, out);
    out.push(Effect::Quit);
}
