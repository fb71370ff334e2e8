//! Peers and their threads: who is there, and what is unread.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{ends, frame_of, glyph, put, span, title, words};
use crate::{
    node::{Peer, Presence},
    tui::{
        command::Cmd,
        keymap::Context,
        model::{Focus, Model, SidebarRow},
        text::relative_time,
        theme::Role,
    },
    wire::{Conversation, SafeText},
};

/// Draws the list.
pub(crate) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let focused = model.focus == Focus::Peers && model.overlays.is_empty();
    let unread = model.unread();
    let name = if unread > 0 { format!("Peers, {unread} new") } else { "Peers".to_owned() };
    let inner = frame_of(model, frame.buffer_mut(), area, title(model, &name, focused), focused);
    if model.sidebar.rows.is_empty() {
        let add = model.keymap.key_in(Context::Peers, &Cmd::PeerAdd).unwrap_or_else(|| Cmd::PeerAdd.name().to_owned());
        for (row, text) in ["Nobody yet", &format!("{add} adds a peer")].into_iter().enumerate() {
            put(frame.buffer_mut(), inner, row, Line::from(span(model, Role::TextDim, text)));
        }
        return;
    }
    let top = model.regions.peers_top;
    let width = usize::from(inner.width);
    for (n, row) in model.sidebar.rows.iter().skip(top).take(usize::from(inner.height)).enumerate() {
        put(frame.buffer_mut(), inner, n, line(model, row, width));
        if top + n == model.sidebar.selected {
            let role = if focused { Role::Selection } else { Role::SelectionInactive };
            let y = inner.y + u16::try_from(n).unwrap_or(0);
            frame.buffer_mut().set_style(Rect { y, height: 1, ..inner }, model.theme.style(role));
        }
    }
}

fn line(model: &Model, row: &SidebarRow, width: usize) -> Line<'static> {
    match row {
        SidebarRow::Peer { name, unread, threads } => match model.peer_named(name) {
            Some(peer) => peer_line(model, peer, *unread, *threads, width),
            None => Line::default(),
        },
        SidebarRow::Thread { conversation, unread } => thread_line(model, conversation, *unread, width),
        SidebarRow::Requests { count } => Line::from(span(model, Role::NoticeWarning, format!("Requests: {count}"))),
    }
}

fn peer_line(model: &Model, peer: &Peer, unread: u64, threads: usize, width: usize) -> Line<'static> {
    let presence = Presence::of(peer.last_seen, model.now);
    let current = model.current().is_some_and(|c| Some(c.peer) == peer.fingerprint);
    let mark = match (peer.conflict.is_some(), presence) {
        (true, _) => span(model, Role::PeerConflict, "!"),
        (_, Presence::Online) => span(model, Role::PeerOnline, glyph(model, "●", "*")),
        _ => span(model, Role::PeerAway, glyph(model, "○", "o")),
    };
    let role = match (peer.conflict.is_some(), peer.blocked, peer.muted) {
        (true, ..) => Role::PeerConflict,
        (_, true, _) => Role::PeerBlocked,
        (_, _, true) => Role::PeerMuted,
        _ if current => Role::TextStrong,
        _ => Role::PeerName,
    };
    let fold = match threads {
        0 => "",
        _ if model.sidebar.folded.contains(peer.name.as_str()) => " +",
        _ => "",
    };
    let left = vec![mark, span(model, role, format!(" {}{fold}", peer.name))];
    let mut right = Vec::new();
    if peer.request && !peer.blocked {
        right.push(span(model, Role::NoticeWarning, "new "));
    }
    if peer.blocked {
        right.push(span(model, Role::PeerBlocked, "blocked "));
    } else if peer.muted {
        right.push(span(model, Role::PeerMuted, "muted "));
    }
    if let (Presence::Away, Some(seen)) = (presence, peer.last_seen) {
        right.push(span(model, Role::PeerAway, format!("{} ", relative_time(model.now, seen))));
    }
    let badge = if peer.fingerprint.is_some() { words::trust_letter(peer.trust) } else { "-" };
    right.push(span(model, words::trust_role(peer.trust), badge));
    right.push(count(model, unread));
    ends(model, left, right, width)
}

fn thread_line(model: &Model, conversation: &Conversation, unread: u64, width: usize) -> Line<'static> {
    let open = model.current() == Some(conversation);
    let mark = if open { " > " } else { "   " };
    let known = model.peer_of(&conversation.peer).is_some();
    let thread = SafeText::line(conversation.thread_id.as_str());
    let name = if known { thread.to_string() } else { format!("{}: {thread}", model.name_of(&conversation.peer)) };
    let role = if open { Role::TextStrong } else { Role::PeerThread };
    ends(model, vec![span(model, role, format!("{mark}{name}"))], vec![count(model, unread)], width)
}

fn count(model: &Model, unread: u64) -> ratatui::text::Span<'static> {
    match unread {
        0 => span(model, Role::Text, "    "),
        1..=999 => span(model, Role::Unread, format!("{unread:>4}")),
        _ => span(model, Role::Unread, "999+"),
    }
}
