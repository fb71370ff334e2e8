//! Markdown to lines: a walk over pulldown-cmark's events.

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use ratatui::{
    style::Style,
    text::{Line, Span},
};

use super::{
    MARKDOWN_BYTES, Styles, code, measure,
    wrap::{Lines, Row},
};
use crate::wire::SafeText;

/// Deepest nesting of quotations and lists that is drawn as such; what is deeper is drawn at this depth.
const DEPTH: usize = 8;

/// Deepest nesting at all; a text with more is laid out as it is.
const NESTING: usize = 64;

/// Most events of one text; a text with more is laid out as it is.
const EVENTS: usize = 40_000;

pub(super) fn layout(text: &str, width: u16, styles: &Styles) -> Vec<Line<'static>> {
    if text.len() > MARKDOWN_BYTES || !looks_marked(text) || is_hostile(text) {
        return super::plain(text, width, styles.text);
    }
    let mut walker = Walker::new(text, width, styles);
    let mut options = Options::empty();
    options.insert(Options::ENABLE_STRIKETHROUGH);
    let parser = Parser::new_ext(text, options);
    if parser.reference_definitions().iter().next().is_some() {
        // Their lines would not be shown at all.
        return super::plain(text, width, styles.text);
    }
    for (count, (event, range)) in parser.into_offset_iter().enumerate() {
        if count > EVENTS || walker.blocks.len() > NESTING {
            return super::plain(text, width, styles.text);
        }
        walker.event(event, range);
    }
    walker.lines.finish(false)
}

/// Whether the text can hold any Markdown at all; most messages cannot, and cost nothing.
fn looks_marked(text: &str) -> bool {
    let inline = text.contains(['*', '_', '`', '~', '[', '<', '\\', '#', '>', '|', '&', '\t']);
    let at_start = |line: &str| {
        let line = line.trim_start();
        line.starts_with(['-', '+', '='])
            || line.split_once(['.', ')']).is_some_and(|(number, _)| {
                !number.is_empty() && number.len() <= 9 && number.bytes().all(|byte| byte.is_ascii_digit())
            })
    };
    inline || text.lines().any(|line| at_start(line) || line.starts_with("    "))
}

/// Whether the text nests so deeply that parsing it is not worth the time.
fn is_hostile(text: &str) -> bool {
    let run = |marks: &[char]| {
        let mut longest = 0;
        let mut now = 0;
        for c in text.chars() {
            now = if marks.contains(&c) {
                now + 1
            } else if c == ' ' {
                now
            } else {
                0
            };
            longest = longest.max(now);
        }
        longest
    };
    run(&['[', '!', '<', '(']) > 200 || run(&['>', '-', '*', '+']) > 400
}

/// Where a link leads, and its text as far as it is known.
struct Target {
    address: SafeText,
    title: SafeText,
    shown: String,
}

/// Something that indents its lines.
enum Block {
    Quote,
    /// A list with the number of its next item, if it is numbered.
    List(Option<u64>),
    /// An item, with the width of its mark.
    Item(usize),
}

struct Walker<'t> {
    text: &'t str,
    styles: Styles,
    lines: Lines,
    blocks: Vec<Block>,
    /// The styles around what comes next, the innermost last.
    style: Vec<Style>,
    /// The links around what comes next, the innermost last.
    links: Vec<Target>,
    /// The language of the code block that is being read, and its text.
    code: Option<(String, String)>,
    /// An empty line is due before the next block.
    gap: bool,
}

impl<'t> Walker<'t> {
    fn new(text: &'t str, width: u16, styles: &Styles) -> Self {
        Self {
            text,
            styles: *styles,
            lines: Lines::new(usize::from(width)),
            blocks: Vec::new(),
            style: vec![styles.text],
            links: Vec::new(),
            code: None,
            gap: false,
        }
    }

    fn now(&self) -> Style {
        self.style.last().copied().unwrap_or_default()
    }

    fn enter(&mut self, style: Style) {
        self.style.push(self.now().patch(style));
    }

    fn leave(&mut self) {
        if self.style.len() > 1 {
            self.style.pop();
        }
    }

    fn event(&mut self, event: Event<'_>, range: std::ops::Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.write(&text),
            Event::Code(text) => {
                let style = self.now().patch(self.styles.code);
                self.put(&text, style);
            }
            // A line end in a chat is meant.
            Event::SoftBreak | Event::HardBreak => self.lines.end_line(),
            Event::Rule => self.rule(),
            // HTML and whatever else there may be is shown as it was written.
            _ => {
                let source = self.text.get(range).unwrap_or_default();
                self.write(source.strip_suffix('\n').unwrap_or(source));
                if source.ends_with('\n') {
                    self.lines.end_line();
                }
            }
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => self.block(),
            Tag::Heading { level, .. } => {
                self.block();
                self.enter(self.styles.heading);
                // The marks stay, so that the level is seen without colours.
                let marks = "#".repeat(level_number(level)) + " ";
                self.put(&marks, self.now());
            }
            Tag::BlockQuote(_) => {
                self.block();
                self.enter(self.styles.quote);
                self.push_block(Block::Quote);
            }
            Tag::List(first) => {
                self.lines.fresh_line();
                // A list inside an item follows it closely.
                if !self.blocks.iter().any(|block| matches!(block, Block::Item(_))) {
                    self.block();
                }
                self.gap = false;
                self.push_block(Block::List(first));
            }
            Tag::Item => self.item(),
            Tag::CodeBlock(kind) => {
                self.block();
                let language = match kind {
                    CodeBlockKind::Fenced(language) => language.to_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                self.code = Some((language, String::new()));
            }
            Tag::Emphasis => self.enter(self.styles.italic),
            Tag::Strong => self.enter(self.styles.bold),
            Tag::Strikethrough => self.enter(self.styles.strike),
            Tag::Link { dest_url, title, .. } | Tag::Image { dest_url, title, .. } => {
                let (address, title) = (SafeText::line(&dest_url), SafeText::line(&title));
                self.links.push(Target { address, title, shown: String::new() });
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock => self.end_block(),
            TagEnd::Heading(_) => {
                self.leave();
                self.end_block();
            }
            TagEnd::BlockQuote(_) => {
                self.lines.fresh_line();
                self.pop_block();
                self.leave();
                self.gap = true;
            }
            TagEnd::List(_) => {
                self.lines.fresh_line();
                self.pop_block();
                self.gap = !self.blocks.iter().any(|block| matches!(block, Block::Item(_)));
            }
            TagEnd::Item => {
                self.lines.fresh_line();
                self.pop_block();
                self.gap = false;
            }
            TagEnd::CodeBlock => self.code_block(),
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => self.leave(),
            TagEnd::Link | TagEnd::Image => self.link(),
            _ => {}
        }
    }

    /// Text. What came out of an entity (`&#27;`) was not text before: it is made safe like everything foreign.
    fn write(&mut self, text: &str) {
        let text = SafeText::body(text);
        match &mut self.code {
            Some((_, code)) => code.push_str(text.as_str()),
            None => self.put(text.as_str(), self.now()),
        }
    }

    fn put(&mut self, text: &str, style: Style) {
        if let Some(target) = self.links.last_mut() {
            target.shown.push_str(text);
        }
        self.lines.push(&[Span::styled(text, style)]);
    }

    /// The address of a link stands behind its text, always: a text can lie.
    fn link(&mut self) {
        let Some(Target { address, title, shown }) = self.links.pop() else { return };
        let same = shown == address.as_str() || format!("mailto:{shown}") == address.as_str();
        let style = self.now().patch(self.styles.link);
        let mut title = title.to_string();
        if !title.is_empty() {
            title = format!(" \"{title}\"");
        }
        match (same, shown.is_empty()) {
            // An autolink: it is its own text.
            (true, _) => self.put(&title, self.now()),
            (_, true) => self.put(&format!("{address}{title}"), style),
            _ => {
                self.put(" (", self.now());
                self.put(address.as_str(), style);
                self.put(&format!("{title})"), self.now());
            }
        }
    }

    fn code_block(&mut self) {
        let Some((language, code)) = self.code.take() else { return };
        let base = self.now().patch(self.styles.code_block);
        let code = code.strip_suffix('\n').unwrap_or(&code);
        let language = SafeText::line(&language).to_string();
        if !language.is_empty() {
            self.lines.push(&[Span::styled(language.as_str(), base.patch(self.styles.comment))]);
            self.lines.end_line();
        }
        for (number, line) in code.split('\n').enumerate() {
            if number > 0 {
                self.lines.end_line();
            }
            let spans = code::highlight(&language, line, base, &self.styles);
            self.lines.push(&spans);
        }
        self.end_block();
    }

    fn rule(&mut self) {
        self.block();
        self.lines.push(&[Span::styled("---", self.styles.quote_bar)]);
        self.end_block();
    }

    /// A block begins: on a line of its own, after an empty one if another went before.
    fn block(&mut self) {
        let in_item = matches!(self.blocks.last(), Some(Block::Item(_)));
        if std::mem::take(&mut self.gap) && !self.lines.is_empty() {
            self.lines.fresh_line();
            self.lines.end_line();
        } else if !in_item {
            self.lines.fresh_text();
        }
    }

    fn end_block(&mut self) {
        self.lines.fresh_line();
        self.gap = true;
    }

    fn item(&mut self) {
        self.lines.fresh_line();
        let mark = match self.blocks.iter_mut().rev().find(|block| matches!(block, Block::List(_))) {
            Some(Block::List(Some(number))) => {
                let mark = format!("{number}. ");
                *number = number.saturating_add(1);
                mark
            }
            _ if self.styles.ascii => "- ".to_owned(),
            _ => "• ".to_owned(),
        };
        let width = measure::width(&mark);
        let mut first = self.prefix();
        first.push(&mark, width, self.styles.list);
        self.blocks.push(Block::Item(width));
        let whole = self.prefix();
        self.gap = false;
        // Too deep: the mark is written like text.
        if self.drawn_depth() > DEPTH {
            self.lines.push(&[Span::styled(mark, self.styles.list)]);
        } else {
            self.lines.set_prefix(whole, Some(first));
        }
    }

    fn push_block(&mut self, block: Block) {
        self.blocks.push(block);
        let prefix = self.prefix();
        // The mark of an item stays for a block that begins right behind it.
        let first = self.lines.take_first().map(|mut first| {
            if matches!(self.blocks.last(), Some(Block::Quote)) && self.drawn_depth() <= DEPTH {
                first.push(bar(&self.styles), 2, self.styles.quote_bar);
            }
            first
        });
        self.lines.set_prefix(prefix, first);
    }

    fn pop_block(&mut self) {
        self.blocks.pop();
        let prefix = self.prefix();
        self.lines.set_prefix(prefix, None);
    }

    fn drawn_depth(&self) -> usize {
        self.blocks.iter().filter(|block| !matches!(block, Block::List(_))).count()
    }

    /// What lines begin with inside the blocks that are open.
    fn prefix(&self) -> Row {
        let mut prefix = Row::default();
        let drawn = self.blocks.iter().filter(|block| !matches!(block, Block::List(_))).take(DEPTH);
        for block in drawn {
            match block {
                Block::Quote => prefix.push(bar(&self.styles), 2, self.styles.quote_bar),
                Block::Item(width) => prefix.push(&" ".repeat(*width), *width, self.styles.text),
                Block::List(_) => {}
            }
        }
        prefix
    }
}

fn bar(styles: &Styles) -> &'static str {
    if styles.ascii { "| " } else { "▎ " }
}

fn level_number(level: HeadingLevel) -> usize {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}
