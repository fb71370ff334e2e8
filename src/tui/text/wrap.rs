//! Breaking styled text into lines of a width: at blanks where possible, inside long words where not.

use ratatui::{
    style::Style,
    text::{Line, Span},
};
use unicode_segmentation::UnicodeSegmentation;

use super::{
    LINES,
    measure::{self, grapheme_width},
};

/// Columns of a tab stop.
const TAB: usize = 4;

/// Lines under construction.
pub(super) struct Lines {
    width: usize,
    done: Vec<Line<'static>>,
    line: Row,
    /// The word at the end of the line, not yet certain to stay there.
    word: Row,
    /// What every line begins with: bars of quotations, indents of lists.
    prefix: Row,
    /// What only the next line begins with, instead of the end of the prefix: the mark of a list item.
    first: Option<Row>,
    /// Lines beyond the cap.
    left_out: usize,
    /// Whether the line broke by itself, so that the blank at which it broke is not repeated.
    wrapped: bool,
}

/// Spans in a row, and how wide they are.
#[derive(Clone, Default)]
pub(super) struct Row {
    spans: Vec<Span<'static>>,
    width: usize,
}

impl Row {
    pub(super) fn push(&mut self, text: &str, width: usize, style: Style) {
        self.width += width;
        match self.spans.last_mut() {
            Some(last) if last.style == style => last.content.to_mut().push_str(text),
            _ => self.spans.push(Span::styled(text.to_owned(), style)),
        }
    }

    /// Takes blanks off the end.
    fn trim_end(&mut self) {
        while let Some(last) = self.spans.last_mut() {
            let kept = last.content.trim_end().len();
            self.width -= measure::width(&last.content[kept..]).min(self.width);
            last.content.to_mut().truncate(kept);
            if kept > 0 {
                return;
            }
            self.spans.pop();
        }
    }

    /// Moves everything of `other` to the end.
    fn append(&mut self, other: &mut Self) {
        self.width += std::mem::take(&mut other.width);
        for span in other.spans.drain(..) {
            match self.spans.last_mut() {
                Some(last) if last.style == span.style => last.content.to_mut().push_str(&span.content),
                _ => self.spans.push(span),
            }
        }
    }
}

impl Lines {
    pub(super) fn new(width: usize) -> Self {
        Self {
            width: width.max(1),
            done: Vec::new(),
            line: Row::default(),
            word: Row::default(),
            prefix: Row::default(),
            first: None,
            left_out: 0,
            wrapped: false,
        }
    }

    /// Appends styled text to the current line, wrapping where it gets too long.
    pub(super) fn push(&mut self, spans: &[Span<'_>]) {
        for span in spans {
            if span.content.is_ascii() {
                // Most text is: finding its characters costs nothing.
                (0..span.content.len()).for_each(|at| self.grapheme(&span.content[at..=at], span.style));
            } else {
                span.content.graphemes(true).for_each(|grapheme| self.grapheme(grapheme, span.style));
            }
        }
    }

    fn grapheme(&mut self, grapheme: &str, style: Style) {
        match grapheme {
            "\t" => {
                let columns = self.line.width + self.word.width;
                for _ in 0..TAB - columns % TAB {
                    self.blank(" ", 1, style);
                }
            }
            "\n" | "\r\n" => self.end_line(),
            " " | "\u{3000}" => self.blank(grapheme, grapheme_width(grapheme), style),
            _ => self.letter(grapheme, style),
        }
    }

    /// Room for text on a line.
    fn room(&self) -> usize {
        // A prefix that leaves no room is left out.
        match self.width.checked_sub(self.prefix.width) {
            Some(room) if room > 1 => room,
            _ => self.width,
        }
    }

    fn blank(&mut self, blank: &str, width: usize, style: Style) {
        self.settle_word();
        if self.line.width + width > self.room() {
            // The blank at which a line breaks is not shown.
            self.break_line();
        } else if !(self.wrapped && self.line.width == 0) {
            self.line.push(blank, width, style);
        }
    }

    fn letter(&mut self, grapheme: &str, style: Style) {
        let width = grapheme_width(grapheme);
        let room = self.room();
        if width > room {
            return self.oversized(grapheme, style, room);
        }
        if self.line.width + self.word.width + width > room {
            if self.line.width > 0 && self.word.width + width <= room {
                self.break_line();
            } else {
                // The word is longer than a line: it fills this one and goes on in the next.
                self.settle_word();
                self.break_line();
            }
        }
        self.word.push(grapheme, width, style);
        // Wide characters (Chinese, Japanese, Korean) may part anywhere.
        if width == 2 || grapheme == "-" || grapheme == "/" {
            self.settle_word();
        }
    }

    /// A cluster that is wider than a whole line is taken apart, one part a line; a character that is still too
    /// wide becomes `?`.
    fn oversized(&mut self, cluster: &str, style: Style, room: usize) {
        let mut part = String::new();
        for c in cluster.chars() {
            let mut longer = part.clone();
            longer.push(c);
            if grapheme_width(&longer) <= room {
                part = longer;
                continue;
            }
            self.part(&part, style);
            let alone = c.encode_utf8(&mut [0; 4]).to_owned();
            part = match grapheme_width(&alone) {
                // It only changes what went before, where it has no room.
                0 => String::new(),
                width if width <= room => alone,
                _ => "?".to_owned(),
            };
        }
        self.part(&part, style);
    }

    fn part(&mut self, part: &str, style: Style) {
        if !part.is_empty() {
            self.settle_word();
            if self.line.width > 0 {
                self.break_line();
            }
            self.line.push(part, grapheme_width(part), style);
        }
    }

    fn settle_word(&mut self) {
        if !self.word.spans.is_empty() {
            let mut word = std::mem::take(&mut self.word);
            self.line.append(&mut word);
        }
    }

    /// Ends the line because it is full; an unsettled word goes to the next.
    fn break_line(&mut self) {
        self.line.trim_end();
        self.emit();
        self.wrapped = true;
    }

    /// Ends the line because the text says so.
    pub(super) fn end_line(&mut self) {
        self.settle_word();
        self.emit();
        self.wrapped = false;
    }

    /// Ends the line if there is text on it; a mark that waits for its text goes on waiting.
    pub(super) fn fresh_text(&mut self) {
        if self.line.width + self.word.width > 0 {
            self.end_line();
        }
    }

    /// Ends the line if there is anything on it.
    pub(super) fn fresh_line(&mut self) {
        if self.line.width + self.word.width > 0 || self.first.is_some() {
            self.end_line();
        }
    }

    fn emit(&mut self) {
        let mut line = Row::default();
        if self.prefix.width + 1 < self.width {
            line = self.first.take().unwrap_or_else(|| self.prefix.clone());
        }
        self.first = None;
        let mut text = std::mem::take(&mut self.line);
        line.append(&mut text);
        if self.done.len() < LINES {
            self.done.push(Line::from(line.spans));
        } else {
            self.left_out += 1;
        }
    }

    /// What the lines begin with from here on; `first`, of the same width, only for the next one.
    pub(super) fn set_prefix(&mut self, prefix: Row, first: Option<Row>) {
        self.prefix = prefix;
        self.first = first;
    }

    /// Takes back what only the next line would begin with.
    pub(super) fn take_first(&mut self) -> Option<Row> {
        self.first.take()
    }

    /// Whether no line was ended yet and nothing stands on the current one.
    pub(super) fn is_empty(&self) -> bool {
        self.done.is_empty() && self.line.width + self.word.width == 0
    }

    /// The lines. An empty one at the end, after an [`Lines::end_line`], counts only with `empty_end`.
    pub(super) fn finish(mut self, empty_end: bool) -> Vec<Line<'static>> {
        self.settle_word();
        let open = !self.line.spans.is_empty() || self.first.is_some();
        if open || self.done.is_empty() || (empty_end && !self.wrapped) {
            self.emit();
        }
        if self.left_out > 0 {
            let note = format!("[{} more lines are not shown]", self.left_out);
            let note = super::truncate_end(&note, self.width, true);
            self.done.push(Line::from(note));
        }
        self.done
    }
}
