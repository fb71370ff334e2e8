//! The transports, live: is a message going to arrive, and how.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    ends, frame_of, put,
    sheet::{self, Sheet},
    span, title, words,
};
use crate::{
    delivery::TransportId,
    node::Breaker,
    tui::{
        command::Cmd,
        model::{Flash, Focus, Model, Shown},
        text,
        theme::Role,
    },
};

/// What stands where no transport is configured.
const EMPTY: &str = "None is configured: add a file transports/NAME.yml to the home and start again";
/// Columns of a sparkline.
const SPARK: usize = 8;

/// Draws the panel.
pub(crate) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let focused = model.focus == Focus::Health && model.overlays.is_empty();
    let inner = frame_of(model, frame.buffer_mut(), area, title(model, "Transports", focused), focused);
    if model.health.transports.is_empty() {
        let advice = crate::wire::SafeText::line(EMPTY);
        let style = model.theme.style(Role::TextDim);
        for (row, line) in text::layout_plain(&advice, inner.width.max(1), style).iter().enumerate() {
            put(frame.buffer_mut(), inner, row, line);
        }
        return;
    }
    let height = usize::from(inner.height);
    let transports = &model.health.transports;
    for (n, shown) in transports.iter().take(height).enumerate() {
        put(frame.buffer_mut(), inner, n, line(model, shown, usize::from(inner.width)));
        if n == model.health.selected && focused {
            let y = inner.y + u16::try_from(n).unwrap_or(0);
            let style = model.theme.style(Role::Selection);
            frame.buffer_mut().set_style(Rect { y, height: 1, ..inner }, style);
        }
    }
    // Where there is room, the selected transport is told about in a few lines.
    let below = transports.len() + 1;
    if let (Some(shown), true) = (transports.get(model.health.selected), height > below + 3) {
        let place = Rect {
            y: inner.y + u16::try_from(below).unwrap_or(0),
            height: inner.height.saturating_sub(u16::try_from(below).unwrap_or(0)),
            ..inner
        };
        sheet::draw_in(model, &figures(model, shown, usize::from(inner.width)), 0, frame, place);
    }
}

/// One line: sign, name, latency or what is wrong, sparkline.
fn line(model: &Model, shown: &Shown, width: usize) -> Line<'static> {
    let (sign, role) = words::transport_sign(model, shown);
    let flash = model.health.flash_of(&shown.health.transport);
    let (role, mark) = match flash {
        Some(Flash::Failed) => (Role::FlashFailed, " failed"),
        Some(Flash::Taken) => (Role::FlashChosen, " taken"),
        None => (role, ""),
    };
    let name = text::truncate_end(shown.health.transport.as_str(), 10, model.ascii);
    let room = width.saturating_sub(text::width(&name) + 3);
    let short = words::transport_short(model, shown, room);
    // The words stand in a column where there is room for it.
    let aligned = 10usize.saturating_sub(text::width(&name));
    let pad = aligned.min(room.saturating_sub(text::width(&short) + mark.len())) + 1;
    let left = vec![
        span(model, role, format!("{sign} {name}")),
        Span::raw(" ".repeat(pad)),
        span(model, role, format!("{short}{mark}")),
    ];
    // What is wrong comes before what is pretty.
    let used: usize = left.iter().map(|s| text::width(&s.content)).sum();
    let room = width.saturating_sub(used + 1);
    let spark = text::sparkline(&shown.health.recent_ms, SPARK.min(room), model.ascii);
    let right = if spark.trim().is_empty() { Vec::new() } else { vec![span(model, Role::HealthSpark, spark)] };
    ends(model, left, right, width)
}

/// The figures of one transport, in a few lines.
fn figures(model: &Model, shown: &Shown, width: usize) -> Vec<Line<'static>> {
    let health = &shown.health;
    let mut lines = vec![Line::from(span(model, Role::TextStrong, health.transport.to_string()))];
    let state = words::transport_state(model, shown);
    let (_, role) = words::transport_sign(model, shown);
    for part in text::layout_plain(&crate::wire::SafeText::line(&state), clamp(width), model.theme.style(role)) {
        lines.push(part);
    }
    let mut tell = |text: String| {
        lines.push(Line::from(span(model, Role::TextDim, text::truncate_end(&text, width, model.ascii))));
    };
    tell(format!("success {:.0} %", (health.success * 100.0).clamp(0.0, 100.0)));
    tell(format!("out {} ok, {} failed", health.sent, health.failed));
    tell(format!("in  {}", health.received));
    tell(format!("{} under way", health.in_flight));
    tell(format!("priority {}", health.priority));
    lines
}

fn clamp(width: usize) -> u16 {
    u16::try_from(width).unwrap_or(u16::MAX)
}

/// Draws every transport's state in one line.
pub(crate) fn draw_strip(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    frame.buffer_mut().set_style(area, model.theme.style(Role::Status));
    let mut spans = vec![Span::raw(" ")];
    for shown in &model.health.transports {
        let (sign, role) = words::transport_sign(model, shown);
        let (role, mark) = match model.health.flash_of(&shown.health.transport) {
            Some(Flash::Failed) => (Role::FlashFailed, " failed"),
            Some(Flash::Taken) => (Role::FlashChosen, " taken"),
            None => (role, ""),
        };
        let short = words::transport_short(model, shown, usize::from(area.width));
        spans.push(span(model, role, format!("{sign} {} {short}{mark}", shown.health.transport)));
        spans.push(Span::raw("   "));
    }
    let spans = super::cut(model, spans, usize::from(area.width));
    put(frame.buffer_mut(), area, 0, Line::from(spans));
}

/// One transport in full.
pub(crate) fn details_sheet(model: &Model, id: &TransportId, top: usize, area: Rect) -> Sheet {
    let width = usize::from(70.min(area.width).saturating_sub(2));
    let lines = match model.health.get(id) {
        Some(shown) => details(model, shown, width),
        None => vec![Line::from(span(model, Role::TextDim, "It is no longer configured"))],
    };
    let can = vec![(Cmd::TransportToggle(None), "on/off"), (Cmd::TransportProbe(None), "check now")];
    Sheet { name: format!("Transport {id}"), top, size: (70, 26), lines, can }
}

fn details(model: &Model, shown: &Shown, width: usize) -> Vec<Line<'static>> {
    let health = &shown.health;
    let caps = &health.capabilities;
    let mut lines = figures(model, shown, width);
    let mut tell = |name: &str, text: String| lines.extend(sheet::pair(model, Role::Overlay, name, &text, width));
    tell("kind", health.kind.to_string());
    let latency = health.latency_ms.map_or_else(|| "not measured yet".to_owned(), text::ms);
    tell("latency", format!("{latency}  {}", text::sparkline(&health.recent_ms, 32, model.ascii)));
    tell("bytes", format!("out {}, in {}", text::human_bytes(health.bytes_out), text::human_bytes(health.bytes_in)));
    let breaker = match &health.breaker {
        Breaker::Closed => "closed".to_owned(),
        Breaker::HalfOpen => "half open: one probe decides".to_owned(),
        Breaker::Open { reason, .. } => {
            let left = shown.retry_in(model.clock).unwrap_or(0);
            format!("open, probed in {}: {reason}", words::countdown(left))
        }
    };
    tell("breaker", breaker);
    tell("largest frame", text::human_bytes(caps.max_frame as u64));
    let yes = |is: bool, word: &'static str| is.then_some(word);
    let can = [
        yes(caps.duplex, "answers come back over it"),
        yes(caps.offline, "works while the peer is away"),
        yes(caps.next_hop_stores, "the next hop keeps messages"),
        yes(caps.stealthy(), "usable in stealth mode"),
    ];
    let can: Vec<&str> = can.into_iter().flatten().collect();
    tell("can", if can.is_empty() { "deliver to a peer that is there".to_owned() } else { can.join(", ") });
    let leaks: Vec<&str> = caps.leaks.iter().map(|leak| words::leak(*leak)).collect();
    tell("gives away", if leaks.is_empty() { "nothing".to_owned() } else { leaks.join("; ") });
    if !health.errors.is_empty() {
        lines.push(Line::default());
        lines.push(Line::from(span(model, Role::TextStrong, "Last errors, newest first")));
    }
    for (at, reason) in health.errors.iter().rev() {
        let when = super::message::clock(*at, &model.zone);
        lines.extend(sheet::pair(model, Role::HealthDown, &when, &reason.to_string(), width));
    }
    lines
}
