//! What the wizard and the unlock prompt look like, from 40x12 on.

use ratatui::{
    Frame,
    layout::{Position, Rect},
    style::Style,
    text::{Line, Span},
    widgets::{Block, BorderType, Clear, Paragraph},
};

use super::{
    Card, Unlock, Wizard,
    field::Field,
    welcome::{Step, TRANSPORTS},
};
use crate::{
    tui::{
        text,
        theme::{Role, Theme},
    },
    wire::SafeText,
};

/// Columns of a field's label.
const LABEL: usize = 12;

/// A page under construction: its lines, and where the cursor goes.
struct Page<'t> {
    theme: &'t Theme,
    ascii: bool,
    width: usize,
    lines: Vec<Line<'static>>,
    cursor: Option<(usize, usize)>,
}

impl Page<'_> {
    fn line(&mut self, text: &str, role: Role) {
        let style = self.theme.style(role);
        let safe = SafeText::line(text);
        self.lines.extend(text::layout_plain(&safe, self.width as u16, style));
    }

    fn gap(&mut self) {
        self.lines.push(Line::default());
    }

    fn field(&mut self, label: &str, field: &Field, focused: bool) {
        let room = self.width.saturating_sub(LABEL + 2).max(4);
        let (shown, column) = field.shown(room, self.ascii);
        let role = if focused { Role::Selection } else { Role::SelectionInactive };
        let blanks = " ".repeat(room.saturating_sub(text::width(&shown)));
        let label = format!("{label:<LABEL$}");
        let mark = if focused { "> " } else { "  " };
        if focused {
            self.cursor = Some((LABEL + 2 + column, self.lines.len()));
        }
        self.lines.push(Line::from(vec![
            Span::styled(mark, self.theme.style(Role::StatusKey)),
            Span::styled(label, self.label_style(focused)),
            Span::styled(shown + blanks.as_str(), self.theme.style(role)),
        ]));
    }

    fn label_style(&self, focused: bool) -> Style {
        self.theme.style(if focused { Role::TextStrong } else { Role::TextDim })
    }

    fn problem(&mut self, problem: Option<&SafeText>) {
        if let Some(problem) = problem {
            self.line(&format!("! {problem}"), Role::NoticeError);
        }
    }

    /// Draws the page in a window in the middle of the screen.
    fn draw(self, frame: &mut Frame<'_>, title: &str, footer: &str) {
        let screen = frame.area();
        frame.buffer_mut().set_style(screen, self.theme.style(Role::Text));
        let area = middle(screen, self.width as u16 + 2, self.lines.len() as u16 + 4);
        let border = if self.ascii { ASCII_BORDER } else { BorderType::Rounded.to_border_set() };
        let block = Block::bordered()
            .border_set(border)
            .border_style(self.theme.style(Role::OverlayBorder))
            .title(Span::styled(format!(" {title} "), self.theme.style(Role::TitleFocused)))
            .style(self.theme.style(Role::Overlay));
        let inner = block.inner(area);
        frame.render_widget(Clear, area);
        frame.render_widget(block, area);
        let footer_row = Rect { y: inner.bottom().saturating_sub(1), height: inner.height.min(1), ..inner };
        let body = Rect { height: inner.height.saturating_sub(1), ..inner };
        // Where it does not all fit, the part with the cursor is shown.
        let skip = self.cursor.map_or(0, |(_, y)| (y + 1).saturating_sub(usize::from(body.height))) as u16;
        if let Some((x, y)) = self.cursor {
            let at = Position::new(body.x + x as u16, body.y + y as u16 - skip.min(y as u16));
            if body.contains(at) {
                frame.set_cursor_position(at);
            }
        }
        frame.render_widget(Paragraph::new(self.lines).scroll((skip, 0)), body);
        frame.render_widget(
            Paragraph::new(Span::styled(footer.to_owned(), self.theme.style(Role::TextDim))),
            footer_row,
        );
    }
}

const ASCII_BORDER: ratatui::symbols::border::Set<'static> = ratatui::symbols::border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

fn middle(screen: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(screen.width), height.min(screen.height));
    Rect { x: screen.x + (screen.width - width) / 2, y: screen.y + (screen.height - height) / 2, width, height }
}

fn page<'t>(frame: &Frame<'_>, theme: &'t Theme, ascii: bool, wanted: u16) -> Page<'t> {
    let width = usize::from(frame.area().width.saturating_sub(2).clamp(1, wanted));
    Page { theme, ascii, width, lines: Vec::new(), cursor: None }
}

impl Wizard {
    /// Draws the wizard.
    pub fn view(&self, frame: &mut Frame<'_>, theme: &Theme, ascii: bool) {
        let mut page = page(frame, theme, ascii, 66);
        if self.asks_skip {
            return self.draw_skip(page, frame);
        }
        let (title, footer) = match &self.step {
            Step::Identity => self.identity(&mut page),
            Step::Passphrase => self.passphrases(&mut page),
            Step::Transport => self.transports(&mut page),
            Step::Creating { percent, what } => creating(&mut page, *percent, what),
            Step::Summary(card) => {
                let (width, height) = (frame.area().width, frame.area().height);
                summary(&mut page, card, width, height)
            }
        };
        page.draw(frame, title, footer);
    }

    fn draw_skip(&self, mut page: Page<'_>, frame: &mut Frame<'_>) {
        let name = SafeText::line(self.default_name());
        page.line(
            &format!(
                "Skip the questions? You get a key called \"{name}\" without a passphrase and without a transport."
            ),
            Role::Overlay,
        );
        page.gap();
        page.line("Both can be changed later.", Role::TextDim);
        page.gap();
        page.line("y  skip    n  go on    q  quit", Role::StatusKey);
        page.draw(frame, "Skip?", "");
    }

    fn identity(&self, page: &mut Page<'_>) -> (&'static str, &'static str) {
        page.line("Who are you? Only the name is needed.", Role::Overlay);
        page.gap();
        page.field("Name", &self.name, self.focus == 0);
        page.field("FQID", &self.fqid, self.focus == 1);
        page.field("E-mail", &self.email, self.focus == 2);
        page.problem(self.problem.as_ref());
        if self.problem.is_none() && self.focus == 1 {
            page.line("agent@operator.realm, such as opus@casey.douno", Role::TextDim);
        }
        ("1/3 Welcome to skcomm", FOOTER)
    }

    fn passphrases(&self, page: &mut Page<'_>) -> (&'static str, &'static str) {
        page.line("A passphrase locks your key and your messages on this disk.", Role::Overlay);
        page.gap();
        page.field("Passphrase", &self.passphrase[0], self.focus == 0);
        page.field("Again", &self.passphrase[1], self.focus == 1);
        let mark = if self.no_passphrase { "[x]" } else { "[ ]" };
        let pointer = if self.focus == 2 { ">" } else { " " };
        let role = if self.focus == 2 { Role::TextStrong } else { Role::TextDim };
        page.line(&format!("{pointer} {mark} No passphrase: who has the disk has the key"), role);
        page.problem(self.problem.as_ref());
        let footer = if self.focus == 2 { "Space mark  Enter next  Esc skip" } else { FOOTER };
        ("2/3 Passphrase", footer)
    }

    fn transports(&self, page: &mut Page<'_>) -> (&'static str, &'static str) {
        page.line("How shall the first messages travel?", Role::Overlay);
        let explained = TRANSPORTS.iter().all(|(name, doc)| text::width(name) + text::width(doc) + 6 <= page.width);
        for (index, (name, doc)) in TRANSPORTS.iter().enumerate() {
            let chosen = index == self.transport;
            let mark = if chosen { "(x)" } else { "( )" };
            // Where there is little room, only the chosen one is explained, below.
            let line = if explained { format!("{mark} {name}: {doc}") } else { format!("{mark} {name}") };
            let role = match (chosen, self.focus) {
                (true, 0) => Role::Selection,
                (true, _) => Role::TextStrong,
                _ => Role::TextDim,
            };
            page.line(&line, role);
        }
        if let Some((_, doc)) = TRANSPORTS.get(self.transport).filter(|_| !explained) {
            page.line(doc, Role::Overlay);
        }
        let label = ["Folder", "Address", "URL"];
        if let (Some(label), Some(address)) = (label.get(self.transport), self.addresses.get(self.transport)) {
            page.field(label, address, self.focus == 1);
        }
        page.problem(self.problem.as_ref());
        ("3/3 First transport", FOOTER)
    }
}

const FOOTER: &str = "Enter next  S-Tab back  Esc skip";

fn creating(page: &mut Page<'_>, percent: u8, what: &SafeText) -> (&'static str, &'static str) {
    page.line(what.as_str(), Role::Overlay);
    page.gap();
    let room = page.width.saturating_sub(5);
    let done = room * usize::from(percent) / 100;
    let (full, empty) = if page.ascii { ("#", ".") } else { ("█", "░") };
    let bar = format!("{}{} {percent:>3}%", full.repeat(done), empty.repeat(room - done));
    page.line(&bar, Role::HealthUp);
    ("One moment", "")
}

fn summary(page: &mut Page<'_>, card: &Card, width: u16, height: u16) -> (&'static str, &'static str) {
    page.line(card.name.as_str(), Role::TextStrong);
    if let Some(fqid) = &card.fqid {
        page.line(fqid.as_str(), Role::TextDim);
    }
    page.line(&card.fingerprint.grouped(), Role::StatusKey);
    page.line(card.words.as_str(), Role::Overlay);
    let qr = text::qr(&card.qr, page.ascii);
    let fits = qr.first().is_some_and(|row| text::width(row) <= page.width)
        && page.lines.len() + qr.len() + 3 <= usize::from(height);
    if fits {
        let style = page.theme.style(Role::QrCode);
        page.lines.extend(qr.into_iter().map(|row| Line::from(Span::styled(row, style)).centered()));
    } else if !qr.is_empty() && width >= 40 {
        page.line("QR code: identity.show in a larger window", Role::TextDim);
    }
    ("This is you", "Enter begin")
}

impl Unlock {
    /// Draws the prompt.
    pub fn view(&self, frame: &mut Frame<'_>, theme: &Theme, ascii: bool) {
        let mut page = page(frame, theme, ascii, 56);
        page.line(&format!("The key of {} is locked.", self.name), Role::Overlay);
        page.gap();
        page.field("Passphrase", &self.field, true);
        let left = self.tries_left();
        match (self.trying, left) {
            (true, _) => page.line("Unlocking", Role::NoticeInfo),
            (false, 3..) => page.gap(),
            (false, 1) => page.line("! That was wrong. One try is left.", Role::NoticeError),
            (false, left) => page.line(&format!("! That was wrong. {left} tries are left."), Role::NoticeError),
        }
        page.draw(frame, "Unlock", "Enter unlock  C-u clear  Esc quit");
    }
}
