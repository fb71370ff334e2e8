//! Which lines of a conversation are on the screen. Only what is visible, and what the eye passes on its way, is
//! ever laid out, however long the conversation is.

use ratatui::layout::Rect;

use super::want_quote;
use crate::{
    delivery::MessageState,
    node::{Command, Message},
    tui::{
        model::{Anchor, ConversationView, Laid, Model, Motion, Quoted, Row, Separator, Side},
        panes::{
            message::{self, Laying},
            standing,
        },
        text::Styles,
        update::{Effect, Effects, Tag, fetch_near},
    },
    wire::{Conversation, EnvelopeId, Mode},
};

/// Most lines one motion is carried out over; beyond it the eye lands on the last message that was passed.
const MOTION_MOST: i64 = 2_000;

/// Lays out what of a conversation is visible in `area` and carries out what the user wants moved.
pub(super) fn flow(model: &mut Model, conversation: &Conversation, area: Rect, out: &mut Effects) {
    let Some(mut view) = model.views.remove(conversation) else { return };
    let peer = model.name_of(&conversation.peer);
    if view.laid.width != area.width || view.laid.peer != peer {
        view.laid = Laid { width: area.width, peer, ..Laid::default() };
    }
    view.height = area.height;
    // Before anything is laid out: the rows are indices into the window.
    let eye = match view.anchor {
        Anchor::Bottom => None,
        Anchor::Top { position, .. } => Some(position),
    };
    view.window.trim(eye);
    let mut wanted = Vec::new();
    let mut flow = Flow {
        styles: Styles::new(&model.theme, model.ascii),
        model,
        view: &mut view,
        wanted: &mut wanted,
        width: area.width,
    };
    flow.run(usize::from(area.height));
    ask_for_stories(model, &view, out);
    let shown: Vec<usize> = view.rows.iter().filter_map(|row| row.message()).collect();
    if let (Some(first), Some(last)) = (shown.first(), shown.last()) {
        out.extend(fetch_near(&mut view, conversation, *first, *last));
    }
    if let (Some(first), Some(last)) = (shown.first().copied(), shown.last().copied()) {
        let position = |index: usize| view.window.messages().get(index).map(|m| m.position);
        if let (Some(first), Some(last)) = (position(first.saturating_sub(100)), position(last)) {
            view.laid.prune(first, last);
        }
    }
    model.views.insert(conversation.clone(), view);
    wanted.into_iter().for_each(|id| want_quote(model, id, out));
}

/// A broadcast tells how it stands by every path: their attempts are asked for once.
fn ask_for_stories(model: &mut Model, view: &ConversationView, out: &mut Effects) {
    for row in &view.rows {
        let Some(message) = row.standing().and_then(|index| view.window.messages().get(index)) else { continue };
        let several = message.mode == Mode::Broadcast || message.mode == Mode::Speed;
        let sent = !matches!(message.state, MessageState::Received | MessageState::Held { .. });
        if several && sent && model.ledger.ask(message.envelope_id) {
            let id = message.envelope_id;
            out.push(Effect::Call(Tag::Trace(id), Command::Trace { envelope_id: id }));
        }
    }
}

struct Flow<'a> {
    model: &'a Model,
    view: &'a mut ConversationView,
    wanted: &'a mut Vec<EnvelopeId>,
    styles: Styles,
    width: u16,
}

impl Flow<'_> {
    fn run(&mut self, height: usize) {
        self.view.rows.clear();
        if height == 0 || self.width == 0 || self.view.window.messages().is_empty() {
            return;
        }
        let motion = std::mem::take(&mut self.view.motion);
        let moved = self.follow(motion, height);
        if motion.reveal {
            self.reveal(height);
        }
        self.fill(height, moved);
    }

    /// Carries out a motion by lines; whether there was one.
    fn follow(&mut self, motion: Motion, height: usize) -> bool {
        let half = i64::try_from(height / 2).unwrap_or(1).max(1);
        let lines = motion.lines.saturating_add(motion.half_screens.saturating_mul(half));
        let lines = lines.clamp(-MOTION_MOST, MOTION_MOST);
        if lines == 0 {
            return false;
        }
        let Some((mut index, mut line)) = self.top(height) else { return false };
        let mut left = lines.unsigned_abs();
        while left > 0 {
            if lines < 0 {
                if line > 0 {
                    let step = left.min(line as u64);
                    line -= step as usize;
                    left -= step;
                } else if index > 0 {
                    index -= 1;
                    line = self.block_height(index).saturating_sub(1);
                    left -= 1;
                } else {
                    break;
                }
            } else {
                let rest = self.block_height(index).saturating_sub(line + 1) as u64;
                if rest > 0 {
                    let step = left.min(rest);
                    line += step as usize;
                    left -= step;
                } else if index + 1 < self.view.window.messages().len() {
                    index += 1;
                    line = 0;
                    left -= 1;
                } else {
                    break;
                }
            }
        }
        self.hold(index, line);
        self.view.motion.lines = self.owed(lines, left);
        true
    }

    /// Lines of a motion that came to the edge of what is in memory: they are made up when more is here.
    fn owed(&self, lines: i64, left: u64) -> i64 {
        let side = if lines < 0 { Side::Older } else { Side::Newer };
        let more = !self.view.refused && !self.view.window.complete(side);
        if more { lines.signum() * i64::try_from(left).unwrap_or(0) } else { 0 }
    }

    fn hold(&mut self, index: usize, line: usize) {
        if let Some(message) = self.view.window.messages().get(index) {
            self.view.anchor = Anchor::Top { position: message.position, line };
        }
    }

    /// The message and line at the top of the view.
    fn top(&mut self, height: usize) -> Option<(usize, usize)> {
        let last = self.view.window.messages().len().checked_sub(1)?;
        match self.view.anchor {
            Anchor::Top { position, line } => {
                let index = self.view.window.index_at(position).unwrap_or(last);
                let lines = self.block_height(index);
                Some((index, line.min(lines.saturating_sub(1))))
            }
            Anchor::Bottom => Some(self.top_for_bottom(last, height)),
        }
    }

    /// The topmost line when the last line of message `last` is the lowest one.
    fn top_for_bottom(&mut self, last: usize, height: usize) -> (usize, usize) {
        let mut room = height;
        let mut index = last;
        loop {
            let lines = self.block_height(index);
            if lines >= room {
                return (index, lines - room);
            }
            room -= lines;
            if index == 0 {
                return (0, 0);
            }
            index -= 1;
        }
    }

    /// Moves as little as is needed to have all of the selected message on the screen, its beginning first.
    fn reveal(&mut self, height: usize) {
        let Some(selected) = self.view.selected.and_then(|p| self.view.window.index_at(p)) else { return };
        let Some((top, line)) = self.top(height) else { return };
        if selected < top || (selected == top && line > 0) {
            return self.hold(selected, 0);
        }
        let (first, offset) = self.top_for_bottom(selected, height);
        if (first, offset) > (top, line) {
            // A message taller than the screen is shown from its beginning.
            let first_offset = if first == selected { 0 } else { offset };
            self.hold(first, first_offset);
        }
    }

    /// Puts the rows together from the top of the view on.
    fn fill(&mut self, height: usize, moved: bool) {
        let Some((index, line)) = self.top(height) else { return };
        let mut rows = self.rows_from(index, line, height);
        if rows.len() < height && self.view.window.complete(Side::Newer) {
            // The end is on the screen: no room is left unused below. Whoever scrolled there follows from here on; a
            // window that was merely made taller goes back to its place when it is made smaller again.
            if moved {
                self.view.anchor = Anchor::Bottom;
                self.view.new_below = 0;
            }
            let last = self.view.window.messages().len().saturating_sub(1);
            let (index, line) = self.top_for_bottom(last, height);
            rows = self.rows_from(index, line, height);
        }
        self.view.rows = rows;
    }

    fn rows_from(&mut self, index: usize, line: usize, height: usize) -> Vec<Row> {
        let mut rows = Vec::with_capacity(height);
        let mut skip = line;
        let mut index = index;
        while rows.len() < height && index < self.view.window.messages().len() {
            let separators = self.separators(index);
            let lines = self.lay(index);
            let below = self.stands_below(index);
            let row = |n| if !below && n + 1 == lines { Row::End(index, n) } else { Row::Line(index, n) };
            let block = separators
                .into_iter()
                .flatten()
                .map(Row::Separator)
                .chain((0..lines).map(row))
                .chain(below.then_some(Row::State(index)));
            rows.extend(block.skip(skip).take(height - rows.len()));
            skip = 0;
            index += 1;
        }
        rows
    }

    fn block_height(&mut self, index: usize) -> usize {
        let separators = self.separators(index).into_iter().flatten().count();
        separators + self.lay(index) + usize::from(self.stands_below(index))
    }

    /// Whether a line of its own tells how a message stands, which must be laid out.
    fn stands_below(&self, index: usize) -> bool {
        let Some(message) = self.view.window.messages().get(index) else { return false };
        let last = self.view.laid.lines.get(&message.position).and_then(|lines| lines.last());
        !standing::fits_beside(self.model, message, last, self.width)
    }

    /// What stands above a message: the day if it is another than before, the unread line.
    fn separators(&self, index: usize) -> [Option<Separator>; 2] {
        let messages = self.view.window.messages();
        let Some(message) = messages.get(index) else { return [None; 2] };
        let before: Option<&Message> = index.checked_sub(1).and_then(|i| messages.get(i));
        let day = message::day(message.timestamp, &self.model.zone);
        let new_day = before.is_none_or(|b| message::day(b.timestamp, &self.model.zone) != day);
        let unread = self.view.unread_after.is_some_and(|after| {
            message.position > after && before.is_none_or(|b| b.position <= after) && message.incoming()
        });
        [new_day.then_some(Separator::Day(day)), unread.then_some(Separator::Unread)]
    }

    /// Lays out one message if that was not done yet; the number of its lines.
    fn lay(&mut self, index: usize) -> usize {
        let Some(message) = self.view.window.messages().get(index) else { return 0 };
        if let Some(lines) = self.view.laid.lines.get(&message.position) {
            return lines.len();
        }
        let quoted = message.in_reply_to.and_then(|id| {
            let found = self.view.window.find(&id).or_else(|| self.model.find_message(&id));
            if found.is_none() && !matches!(self.model.quotes.get(&id), Some(Quoted::Missing)) {
                self.wanted.push(id);
            }
            found
        });
        let laying = Laying {
            theme: &self.model.theme,
            styles: &self.styles,
            zone: &self.model.zone,
            width: self.width,
            ascii: self.model.ascii,
            peer: self.view.laid.peer.clone(),
            quoted,
            transfer: self.model.transfers.get(&(message.peer, message.envelope_id)),
        };
        let lines = message::lay_out(message, &laying);
        let (count, position) = (lines.len(), message.position);
        self.view.laid.lines.insert(position, lines);
        count
    }
}
