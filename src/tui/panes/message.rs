//! One message, laid out in lines for a width. How it stands is not among them: that changes and is drawn fresh
//! (`super::standing`).

use ratatui::{
    style::Style,
    text::{Line, Span},
};

use crate::{
    node::{Message, Transfer},
    tui::{
        text::{self, Styles},
        theme::{Role, Theme},
    },
    wire::{PayloadType, SafeText, Timestamp, Urgency},
};

/// From this width on the time and the name stand beside the text, else above it.
const BESIDE: u16 = 50;
/// The mark of the selection and of urgency at the left.
const GUTTER: u16 = 1;
/// Most columns of names.
const NAME: usize = 10;
/// What one's own messages are called.
const OWN: &str = "you";

/// What a message is laid out with.
pub(crate) struct Laying<'a> {
    /// Colours.
    pub(crate) theme: &'a Theme,
    /// Colours of the text.
    pub(crate) styles: &'a Styles,
    /// The zone of the times.
    pub(crate) zone: &'a jiff::tz::TimeZone,
    /// Columns of the pane.
    pub(crate) width: u16,
    /// Only ASCII.
    pub(crate) ascii: bool,
    /// What the peer is called.
    pub(crate) peer: String,
    /// The message it answers, if it is known.
    pub(crate) quoted: Option<&'a Message>,
    /// The file that it offers, if it is known.
    pub(crate) transfer: Option<&'a Transfer>,
}

/// The columns of the names of a conversation with that peer: no more than they need.
fn name_columns(peer: &str) -> usize {
    text::width(peer).clamp(OWN.len(), NAME)
}

/// The columns before the text.
pub(crate) fn indent(width: u16, peer: &str) -> usize {
    let beside = if width >= BESIDE { 6 + name_columns(peer) + 1 } else { 0 };
    usize::from(GUTTER) + beside
}

/// The day of an instant.
pub(crate) fn day(at: Timestamp, zone: &jiff::tz::TimeZone) -> jiff::civil::Date {
    instant(at).to_zoned(zone.clone()).date()
}

/// Hours and minutes of an instant.
pub(crate) fn clock(at: Timestamp, zone: &jiff::tz::TimeZone) -> String {
    let time = instant(at).to_zoned(zone.clone()).time();
    format!("{:02}:{:02}", time.hour(), time.minute())
}

fn instant(at: Timestamp) -> jiff::Timestamp {
    // The bounds of `Timestamp` lie within those of jiff, with room for every zone.
    jiff::Timestamp::from_millisecond(at.unix_ms()).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

/// Lays a message out.
pub(crate) fn lay_out(message: &Message, laying: &Laying<'_>) -> Vec<Line<'static>> {
    let beside = laying.width >= BESIDE;
    let indent = indent(laying.width, &laying.peer);
    let room = usize::from(laying.width).saturating_sub(indent).max(1);
    let head = head(message, laying, beside);
    let mut body: Vec<Line<'static>> = quote(message, laying, room).into_iter().collect();
    body.extend(content(message, laying, room));
    let mut lines = Vec::with_capacity(body.len() + 1);
    let mut head = Some(head);
    if !beside {
        lines.extend(head.take().map(Line::from));
    }
    for line in body {
        let mut spans = head.take().unwrap_or_else(|| vec![Span::raw(" ".repeat(indent))]);
        let base = line.style;
        spans.extend(line.spans.into_iter().map(|span| span.patch_style_under(base)));
        lines.push(Line::from(spans));
    }
    lines.extend(head.take().map(Line::from));
    lines
}

trait PatchUnder {
    fn patch_style_under(self, base: Style) -> Self;
}

impl PatchUnder for Span<'static> {
    /// A line's own style counts where its span says nothing.
    fn patch_style_under(self, base: Style) -> Self {
        let style = base.patch(self.style);
        self.style(style)
    }
}

fn head(message: &Message, laying: &Laying<'_>, beside: bool) -> Vec<Span<'static>> {
    let mark = match message.urgency {
        Urgency::High | Urgency::Critical => Span::styled("!", laying.theme.style(Role::MessageUrgent)),
        _ => Span::raw(" "),
    };
    let time = Span::styled(clock(message.timestamp, laying.zone), laying.theme.style(Role::MessageTime));
    let role = match (message.incoming(), message.urgency) {
        (_, Urgency::Critical) => Role::MessageUrgent,
        (true, _) => Role::MessageOther,
        (false, _) => Role::MessageOwn,
    };
    let columns = name_columns(&laying.peer);
    let most = if beside { columns } else { usize::from(laying.width).saturating_sub(7) };
    let name = if message.incoming() { &laying.peer } else { OWN };
    let name = text::truncate_end(name, most, laying.ascii);
    let padding = if beside { columns.saturating_sub(text::width(&name)) + 1 } else { 0 };
    vec![mark, time, Span::raw(" "), Span::styled(name, laying.theme.style(role)), Span::raw(" ".repeat(padding))]
}

/// The line that says what a message answers.
fn quote(message: &Message, laying: &Laying<'_>, room: usize) -> Option<Line<'static>> {
    let id = message.in_reply_to?;
    let bar = if laying.ascii { "| " } else { "│ " };
    let said = match laying.quoted {
        Some(quoted) => {
            let first = quoted.content.as_str().lines().find(|line| !line.trim().is_empty()).unwrap_or("(no text)");
            let who = if quoted.incoming() { quoted.from.as_str() } else { "you" };
            format!("{bar}{who}: {first}")
        }
        None => format!("{bar}a message that is not here ({})", &id.to_string()[..8]),
    };
    Some(Line::styled(text::truncate_end(&said, room, laying.ascii), laying.theme.style(Role::MessageQuote)))
}

/// The text, or what stands for it.
fn content(message: &Message, laying: &Laying<'_>, room: usize) -> Vec<Line<'static>> {
    let width = u16::try_from(room).unwrap_or(u16::MAX);
    // Coloured names tell who speaks; what is said is read, so it is plain.
    let style = laying.theme.style(Role::Text);
    let label = match &message.kind {
        PayloadType::Message => None,
        // The exact text, never run by itself.
        PayloadType::Command => Some("asks to run (nothing is run by itself):".to_owned()),
        PayloadType::Other(kind) => Some(format!("[unknown type {}]", SafeText::line(kind))),
        kind => Some(format!("[{}]", kind.as_str())),
    };
    let mut lines = Vec::new();
    if let Some(label) = label {
        let label = text::truncate_end(&label, room, laying.ascii);
        lines.push(Line::styled(label, laying.theme.style(Role::TextDim)));
    }
    let markdown = message.kind == PayloadType::Message;
    let body = if markdown {
        text::layout(&message.content, width, laying.styles)
    } else {
        text::layout_plain(&message.content, width, Style::default())
    };
    lines.extend(body.into_iter().map(|line| {
        let base = style.patch(line.style);
        line.style(base)
    }));
    lines.extend(laying.transfer.map(|file| super::transfer::line(file, room, laying.theme, laying.ascii)));
    if lines.is_empty() {
        lines.push(Line::styled("(empty)", laying.theme.style(Role::TextDim)));
    }
    lines
}
