//! The files on their way, and those that ended: one line each.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{cut, foot, glyph, list_top, put, span, transfer, window};
use crate::{
    node::{Transfer, size_text},
    tui::{
        command::Cmd,
        keymap::Context,
        model::{FileKey, Model},
        text,
        theme::Role,
    },
};

/// Columns and rows of the window.
const SIZE: (u16, u16) = (110, 22);
/// Columns of a peer's name, at most.
const PEER: usize = 12;
/// With fewer columns for name and size the size is left out: the name says more.
const NAME_AND_SIZE: usize = 24;

/// Draws the list.
pub(super) fn draw(model: &Model, selected: Option<&FileKey>, frame: &mut Frame<'_>, area: Rect) {
    let all = model.listed_transfers();
    let under_way = all.iter().filter(|transfer| !transfer.state.is_final()).count();
    let name = if under_way == 0 { "Files".to_owned() } else { format!("Files, {under_way} under way") };
    let can = [
        (Cmd::FileSend(None), "send"),
        (Cmd::ListAccept, "go there"),
        (Cmd::FilePause, "pause"),
        (Cmd::FileResume, "go on"),
        (Cmd::FileCancel, "refuse, give up"),
        (Cmd::FileAccept, "take"),
        (Cmd::NavBack, "back"),
    ];
    let foot = foot(model, Context::Files, Vec::new(), &can, SIZE.0.min(area.width));
    let list = window(model, frame, area, SIZE, &name, foot);
    let width = usize::from(list.width);
    if all.is_empty() {
        let line = Line::from(span(model, Role::TextDim, "No file was sent or offered yet"));
        return put(frame.buffer_mut(), list, 0, line);
    }
    let height = usize::from(list.height);
    let at = selected.and_then(|key| all.iter().position(|t| (t.peer, t.transfer) == *key)).unwrap_or(0);
    let top = list_top(at, all.len(), height);
    for (n, transfer) in all.iter().skip(top).take(height).enumerate() {
        put(frame.buffer_mut(), list, n, line(model, transfer, width));
        if top + n == at {
            let y = list.y + u16::try_from(n).unwrap_or(0);
            frame.buffer_mut().set_style(Rect { y, height: 1, ..list }, model.theme.style(Role::Selection));
        }
    }
}

/// Way, peer, name and size, then how it stands.
fn line(model: &Model, shown: &Transfer, width: usize) -> Line<'static> {
    let way = if shown.incoming { glyph(model, "←", "<") } else { glyph(model, "→", ">") };
    let peer_width = PEER.min(width / 5);
    let peer = padded(&text::truncate_end(&model.name_of(&shown.peer), peer_width, model.ascii), peer_width);
    let room = width.saturating_sub(peer_width + 4) / 2;
    let size = if room < NAME_AND_SIZE { String::new() } else { format!(" ({})", size_text(shown.size)) };
    // The end of a name says what kind of file it is.
    let short = text::truncate_middle(shown.name.as_str(), room.saturating_sub(text::width(&size)), model.ascii);
    let name = padded(&format!("{short}{size}"), room);
    let left = vec![
        span(model, Role::TextDim, format!("{way} ")),
        span(model, Role::PeerName, format!("{peer} ")),
        span(model, Role::Text, format!("{name} ")),
    ];
    let used: usize = left.iter().map(|span| text::width(&span.content)).sum();
    let state = transfer::line(shown, width.saturating_sub(used), &model.theme, model.ascii);
    Line::from(cut(model, left.into_iter().chain(state.spans).collect(), width))
}

fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text::width(text))))
}
