//! How a file stands, as a line below its message: a bar, and words that say the same.

use ratatui::text::{Line, Span};

use crate::{
    node::{Transfer, TransferState, size_text},
    tui::{
        text,
        theme::{Role, Theme},
    },
};

/// Columns of the bar.
const BAR: u64 = 12;
/// With fewer columns there is no bar, but the words.
const BAR_AND_WORDS: usize = 28;

/// The line for a transfer.
pub(crate) fn line(transfer: &Transfer, room: usize, theme: &Theme, ascii: bool) -> Line<'static> {
    let percent = transfer.bytes.saturating_mul(100).checked_div(transfer.size).unwrap_or(100).min(100);
    let (role, words) = words(transfer, percent);
    let moving =
        matches!(transfer.state, TransferState::Running | TransferState::Paused { .. } | TransferState::Verifying);
    let mut spans = Vec::new();
    if moving && room >= BAR_AND_WORDS {
        let full = usize::try_from(percent * BAR / 100).unwrap_or(0);
        let (done, rest) = if ascii { ("#", ".") } else { ("█", "░") };
        let empty = usize::try_from(BAR).unwrap_or(0).saturating_sub(full);
        spans.push(Span::styled(format!("{}{} ", done.repeat(full), rest.repeat(empty)), theme.style(role)));
    }
    let left = room.saturating_sub(spans.iter().map(|span| text::width(&span.content)).sum());
    spans.push(Span::styled(text::truncate_end(&words, left, ascii), theme.style(role)));
    Line::from(spans)
}

fn words(transfer: &Transfer, percent: u64) -> (Role, String) {
    let rate = transfer.rate.map(|rate| format!(" {}/s", size_text(rate))).unwrap_or_default();
    let via = transfer.via.as_ref().map(|via| format!(" {via}")).unwrap_or_default();
    match &transfer.state {
        TransferState::Offered if transfer.incoming => (Role::MessageUrgent, "waits for you: file.accept".to_owned()),
        TransferState::Offered => (Role::TextDim, "waits to be taken".to_owned()),
        TransferState::Running => (Role::MessageVia, format!("{percent} %{rate}{via}")),
        TransferState::Paused { by_peer: true, .. } => (Role::TextDim, format!("{percent} % paused by peer")),
        TransferState::Paused { reason: Some(reason), .. } => {
            (Role::MessageUrgent, format!("{percent} % paused: {reason}"))
        }
        TransferState::Paused { .. } => (Role::TextDim, format!("{percent} % paused")),
        TransferState::Verifying => (Role::MessageVia, "comparing the hash".to_owned()),
        TransferState::Done { path: Some(path) } => (Role::MessageVia, format!("done: {path}")),
        TransferState::Done { path: None } => (Role::MessageVia, "done: the recipient has it".to_owned()),
        TransferState::Damaged { path: Some(path), .. } => (Role::MessageUrgent, format!("damaged: {path}")),
        TransferState::Damaged { reason, .. } => (Role::MessageUrgent, format!("damaged: {reason}")),
        TransferState::Cancelled { by_peer: false, .. } => (Role::TextDim, "given up".to_owned()),
        TransferState::Cancelled { reason: Some(reason), .. } => {
            (Role::TextDim, format!("given up by the other end: {reason}"))
        }
        TransferState::Cancelled { .. } => (Role::TextDim, "given up by the other end".to_owned()),
        TransferState::Failed { reason } => (Role::MessageUrgent, format!("failed: {reason}")),
    }
}
