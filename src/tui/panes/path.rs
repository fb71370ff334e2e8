//! The path view: the whole story of one message, and what the next one would do.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{
    frame_of,
    sheet::{self, Sheet},
    span, title, words,
};
use crate::{
    node::{Message, RoutePlan},
    tui::{
        command::Cmd,
        model::{Focus, Model},
        text,
        theme::Role,
    },
    wire::SafeText,
};

/// Draws the pane.
pub(crate) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let focused = model.focus == Focus::Path && model.overlays.is_empty();
    let selected = model.selected_message();
    let name = selected.map_or_else(|| "Path".to_owned(), |m| format!("Path of {}", &m.envelope_id.to_string()[..8]));
    let inner = frame_of(model, frame.buffer_mut(), area, title(model, &name, focused), focused);
    sheet::draw_in(model, &pane_lines(model, usize::from(inner.width)), model.path_top, frame, inner);
}

fn pane_lines(model: &Model, width: usize) -> Vec<Line<'static>> {
    match model.selected_message() {
        Some(message) => story(model, message, width),
        None => vec![Line::from(span(model, Role::TextDim, "Select a message"))],
    }
}

/// How far the pane can be scrolled in `area`, which has a border.
pub(crate) fn last_top(model: &Model, area: Rect) -> usize {
    let lines = pane_lines(model, usize::from(area.width.saturating_sub(2)));
    sheet::last_top(lines.len(), area.height.saturating_sub(2))
}

/// The story as a window, where there is no room for the pane.
pub(crate) fn sheet(model: &Model, top: usize, area: Rect) -> Sheet {
    let width = usize::from(76.min(area.width).saturating_sub(2));
    let lines = model.selected_message().map(|message| story(model, message, width)).unwrap_or_default();
    let can = vec![(Cmd::MessageCancel, "give up"), (Cmd::MessageRetry, "try again")];
    Sheet { name: "Path".to_owned(), top, size: (76, 24), lines, can }
}

/// What the next message to a peer would do.
pub(crate) fn plan_sheet(model: &Model, peer: &str, plan: Option<&RoutePlan>, top: usize, area: Rect) -> Sheet {
    let name = format!("The next message to {peer}");
    let width = usize::from(76.min(area.width).saturating_sub(2));
    let lines = match plan {
        Some(plan) => plan_lines(model, plan, "", width),
        None => vec![Line::from(span(model, Role::TextDim, "Asking"))],
    };
    Sheet { name, top, size: (76, 20), lines, can: Vec::new() }
}

/// The whole story of a message.
fn story(model: &Model, message: &Message, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let known = model.ledger.get(&message.envelope_id);
    if message.incoming() {
        arrival(model, message, width, &mut lines);
        return lines;
    }
    let (role, state) = words::state(model, message, known);
    wrapped(model, role, &state, width, &mut lines);
    wrapped(model, Role::TextDim, &format!("mode {}", words::mode(message.mode)), width, &mut lines);
    let Some(known) = known else {
        wrapped(model, Role::TextDim, "Asking for its attempts", width, &mut lines);
        return lines;
    };
    for attempt in known.attempts.values() {
        let (role, what) = words::outcome(attempt);
        let when = super::message::clock(attempt.started, &model.zone);
        wrapped(model, role, &format!("{when} {} {what}", attempt.via), width, &mut lines);
    }
    if known.attempts.is_empty() {
        wrapped(model, Role::TextDim, "No attempt yet", width, &mut lines);
    }
    if let Some(plan) = &known.plan {
        lines.push(Line::default());
        let when = if message.state.is_final() { ", as sent" } else { "" };
        lines.extend(plan_lines(model, plan, when, width));
    }
    lines
}

fn arrival(model: &Model, message: &Message, width: usize, lines: &mut Vec<Line<'static>>) {
    let trust = words::trust(message.trust);
    let signed = format!("Signature good, by the key {} ({trust} then)", message.peer.short());
    wrapped(model, words::trust_role(message.trust), &signed, width, lines);
    for (n, path) in message.paths.iter().enumerate() {
        let how = if n == 0 { "came via" } else { "again via" };
        wrapped(model, Role::MessageVia, &format!("{how} {path}"), width, lines);
    }
    let when = format!("written {}", message.timestamp);
    wrapped(model, Role::TextDim, &when, width, lines);
    if message.late {
        wrapped(model, Role::MessageLate, "came late: newer ones had been shown", width, lines);
    }
    wrapped(model, Role::TextDim, &format!("thread {}", SafeText::line(message.thread_id.as_str())), width, lines);
    wrapped(model, Role::TextDim, &format!("id {}", message.envelope_id), width, lines);
}

/// A plan: candidates with their scores in parts, and what was skipped and why.
fn plan_lines(model: &Model, plan: &RoutePlan, when: &str, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let heading = format!("Plan, {}{when}", words::way(plan.mode, plan.policy));
    wrapped(model, Role::TextStrong, &heading, width, &mut lines);
    let said = plan.decided.iter().filter(|(what, _)| matches!(what.as_str(), "mode" | "policy"));
    let said: Vec<String> = said.map(|(what, by)| format!("{what} by {by}")).collect();
    if !said.is_empty() {
        wrapped(model, Role::TextDim, &said.join(", "), width, &mut lines);
    }
    for (n, candidate) in plan.candidates.iter().enumerate() {
        let text = format!("{}. {} {:.1}  {}", n + 1, candidate.transport, candidate.score, candidate.address);
        wrapped(model, Role::HealthUp, &text, width, &mut lines);
        let parts: Vec<String> = candidate.parts.iter().map(|(name, share)| format!("{name} {share:+.1}")).collect();
        wrapped(model, Role::TextDim, &format!("   {}", parts.join(", ")), width, &mut lines);
    }
    if plan.candidates.is_empty() {
        wrapped(model, Role::StateHeld, "No usable path", width, &mut lines);
    }
    for skipped in &plan.skipped {
        let text = format!("- {}: {}", skipped.transport, words::skipped(model, skipped));
        wrapped(model, Role::HealthDisabled, &text, width, &mut lines);
    }
    lines
}

fn wrapped(model: &Model, role: Role, text: &str, width: usize, lines: &mut Vec<Line<'static>>) {
    let width = u16::try_from(width).unwrap_or(u16::MAX).max(1);
    lines.extend(text::layout_plain(&SafeText::line(text), width, model.theme.style(role)));
}
