//! The pass that makes text safe.

use unicode_segmentation::UnicodeSegmentation;

use super::class::{Class, MARK, class, is_pictograph, is_right_to_left, is_skin_tone, joins_letters, stands_alone};

/// Most combining marks on one base; the others become one mark together. Thai, Hebrew with cantillation and
/// Vietnamese need three or four.
const COMBINING_MAX: usize = 8;

/// Most joiners in one emoji; the longest in use has four.
const EMOJI_JOINS_MAX: usize = 8;

/// Most characters in one cell cluster (UAX 29), which terminals and ratatui treat as one character.
const CLUSTER_MAX: usize = 32;

/// Carries marks that have nothing to stand on.
const DOTTED_CIRCLE: char = '\u{25CC}';

/// What kind of text is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Body,
    Line,
}

/// `raw`, safe to show in this form. Running it again changes nothing.
pub(super) fn clean(raw: &str, form: Form) -> String {
    if raw.chars().all(|c| stands_alone(c) || (c == '\n' && form == Form::Body)) {
        return raw.to_owned();
    }
    let mut safe = Filter::run(raw, form);
    // Each round leaves fewer characters, so this ends.
    while let Some(cut) = cut_long_clusters(&safe) {
        safe = Filter::run(&cut, form);
    }
    safe
}

/// The last thing that was put out, as far as it decides about the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    /// Nothing, or a line end: there is nothing to combine with.
    Start,
    /// A character by itself.
    Base(char),
    /// A combining mark.
    Combining,
    /// A selector on a pictograph.
    EmojiSelector,
    /// A joiner, a direction mark, another selector: nothing of the kind may follow.
    Invisible,
}

struct Filter {
    form: Form,
    /// Whether the text has right-to-left letters, so that direction marks make sense.
    right_to_left: bool,
    out: String,
    last: Last,
    /// The base that combining marks go on.
    base: char,
    /// Combining marks on it.
    combining: usize,
    /// Joiners in the emoji that is being put together.
    emoji_joins: usize,
}

impl Filter {
    fn run(raw: &str, form: Form) -> String {
        let mut filter = Self {
            form,
            right_to_left: form == Form::Body && raw.chars().any(is_right_to_left),
            out: String::with_capacity(raw.len() + 16),
            last: Last::Start,
            base: MARK,
            combining: 0,
            emoji_joins: 0,
        };
        let mut chars = raw.chars().peekable();
        while let Some(c) = chars.next() {
            filter.take(c, chars.peek().copied());
        }
        filter.out
    }

    fn take(&mut self, c: char, next: Option<char>) {
        let body = self.form == Form::Body;
        match class(c) {
            Class::Plain => self.put(c),
            Class::LineFeed | Class::Separator if body => self.end_line(),
            Class::CarriageReturn if body && next == Some('\n') => {}
            Class::Tab if body => (0..4).for_each(|_| self.put(' ')),
            Class::Space if body => self.put(c),
            Class::Space => self.put(' '),
            Class::LineFeed => self.put('\u{240A}'),
            Class::Separator => self.put('\u{2424}'),
            Class::CarriageReturn => self.put('\u{240D}'),
            Class::Tab => self.put('\u{2409}'),
            Class::Control(mark) => self.put(mark),
            Class::Combining => self.put_combining(c),
            Class::Joiner => self.put_joiner(c, next),
            Class::Selector if self.allows_selector(c, next) => self.put_selector(c),
            Class::DirectionMark if self.right_to_left => self.put_invisible(c),
            Class::Obscure if body => self.put(c),
            Class::Selector | Class::DirectionMark | Class::Obscure | Class::Hidden => self.put(MARK),
        }
    }

    fn put(&mut self, c: char) {
        // A pictograph behind a joiner, and a skin tone, belong to the emoji before them.
        let goes_on = is_skin_tone(c) || (self.last == Last::Invisible && is_pictograph(c));
        if !goes_on {
            self.emoji_joins = 0;
        }
        self.out.push(c);
        self.last = Last::Base(c);
        self.base = c;
        self.combining = 0;
    }

    fn end_line(&mut self) {
        self.put('\n');
        self.last = Last::Start;
    }

    fn put_combining(&mut self, c: char) {
        if self.last == Last::Start {
            self.put(DOTTED_CIRCLE);
        }
        if self.combining < COMBINING_MAX {
            self.out.push(c);
            self.last = Last::Combining;
        } else if self.combining == COMBINING_MAX {
            self.out.push(MARK);
            self.last = Last::Base(MARK);
            self.base = MARK;
        }
        self.combining += 1;
    }

    fn put_joiner(&mut self, c: char, next: Option<char>) {
        if self.form == Form::Line {
            return self.put(MARK);
        }
        if c == '\u{200D}' && self.emoji_joins < EMOJI_JOINS_MAX && self.emoji_may_go_on(next) {
            self.emoji_joins += 1;
            return self.put_invisible(c);
        }
        match self.last {
            // At the end of a word only behind a mark: the older spelling of final Malayalam consonants.
            Last::Combining if joins_letters(self.base) => self.put_invisible(c),
            Last::Base(letter) if joins_letters(letter) && next.is_some_and(is_joined_letter) => self.put_invisible(c),
            _ => self.put(MARK),
        }
    }

    fn emoji_may_go_on(&self, next: Option<char>) -> bool {
        let before = match self.last {
            Last::EmojiSelector => true,
            Last::Base(c) => is_pictograph(c) || is_skin_tone(c),
            Last::Start | Last::Combining | Last::Invisible => false,
        };
        // Code points that are reserved for pictographs to come will be marked themselves.
        before && next.is_some_and(|c| is_pictograph(c) && class(c) == Class::Plain)
    }

    fn allows_selector(&self, c: char, next: Option<char>) -> bool {
        let Last::Base(base) = self.last else { return false };
        let keycap = matches!(base, '0'..='9' | '#' | '*') && next == Some('\u{20E3}');
        match c {
            '\u{FE0E}' | '\u{FE0F}' if is_pictograph(base) || keycap => true,
            _ => self.form == Form::Body && !base.is_ascii() && base != MARK,
        }
    }

    fn put_selector(&mut self, c: char) {
        self.out.push(c);
        let emoji = matches!(self.last, Last::Base(base) if is_pictograph(base));
        self.last = if emoji { Last::EmojiSelector } else { Last::Invisible };
    }

    fn put_invisible(&mut self, c: char) {
        self.out.push(c);
        self.last = Last::Invisible;
    }
}

fn is_joined_letter(c: char) -> bool {
    class(c) == Class::Plain && joins_letters(c)
}

/// The text with every overlong cluster cut and marked; none if there is none. Such clusters come from chains
/// of prepended signs or of conjunct consonants without end.
fn cut_long_clusters(text: &str) -> Option<String> {
    let too_long = |cluster: &str| cluster.len() > CLUSTER_MAX && cluster.chars().count() > CLUSTER_MAX;
    if text.is_ascii() || !text.graphemes(true).any(too_long) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    for cluster in text.graphemes(true) {
        if too_long(cluster) {
            out.extend(cluster.chars().take(CLUSTER_MAX - 1));
            out.push(MARK);
        } else {
            out.push_str(cluster);
        }
    }
    Some(out)
}
