//! The attributes that the terminal writes with, and the shortest change from one set to another (SGR).

use ratatui::{
    buffer::Cell,
    style::{Color, Modifier},
};

/// The attributes of what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pen {
    fg: Color,
    bg: Color,
    modifiers: Modifier,
}

impl Default for Pen {
    fn default() -> Self {
        Self { fg: Color::Reset, bg: Color::Reset, modifiers: Modifier::empty() }
    }
}

/// Modifiers that show on a blank.
const SEEN_ON_BLANK: Modifier = Modifier::REVERSED.union(Modifier::UNDERLINED).union(Modifier::CROSSED_OUT);

/// Each modifier, the number that sets it, and the one that takes it away.
const MODIFIERS: [(Modifier, u8, u8); 9] = [
    (Modifier::BOLD, 1, 22),
    (Modifier::DIM, 2, 22),
    (Modifier::ITALIC, 3, 23),
    (Modifier::UNDERLINED, 4, 24),
    (Modifier::SLOW_BLINK, 5, 25),
    (Modifier::RAPID_BLINK, 6, 25),
    (Modifier::REVERSED, 7, 27),
    (Modifier::HIDDEN, 8, 28),
    (Modifier::CROSSED_OUT, 9, 29),
];

impl Pen {
    pub(super) fn of(cell: &Cell) -> Self {
        Self { fg: cell.fg, bg: cell.bg, modifiers: cell.modifier }
    }

    /// Whether a blank written with it looks like an erased cell.
    pub(super) fn is_plain_on_blank(self) -> bool {
        self.bg == Color::Reset && !self.modifiers.intersects(SEEN_ON_BLANK)
    }

    /// What a blank needs of these attributes, given those that are set: what cannot be seen on a blank stays.
    pub(super) fn as_blank_after(self, now: Self) -> Self {
        let drawn = self.modifiers & SEEN_ON_BLANK;
        if !drawn.is_empty() || now.modifiers.intersects(SEEN_ON_BLANK) {
            // Lines are drawn in the foreground, reversing makes it a background.
            return self;
        }
        Self { bg: self.bg, ..now }
    }
}

/// Appends the shortest SGR sequence that changes `from` (none: unknown) to `to`.
pub(super) fn change(out: &mut Vec<u8>, from: Option<Pen>, to: Pen) {
    let mut anew = vec![String::new()];
    differences(&mut anew, Pen::default(), to);
    let mut best = sequence(&anew);
    if let Some(from) = from {
        let mut numbers = Vec::new();
        differences(&mut numbers, from, to);
        let step = sequence(&numbers);
        if step.len() <= best.len() {
            best = step;
        }
    }
    out.extend_from_slice(best.as_bytes());
}

fn sequence(numbers: &[String]) -> String {
    format!("\x1b[{}m", numbers.join(";"))
}

fn differences(numbers: &mut Vec<String>, from: Pen, to: Pen) {
    let mut now = from.modifiers;
    for (modifier, _, off) in MODIFIERS {
        if now.contains(modifier) && !to.modifiers.contains(modifier) {
            numbers.push(off.to_string());
            // One number takes two modifiers away.
            for (other, _, same) in MODIFIERS {
                if same == off {
                    now.remove(other);
                }
            }
        }
    }
    for (modifier, on, _) in MODIFIERS {
        if to.modifiers.contains(modifier) && !now.contains(modifier) {
            numbers.push(on.to_string());
        }
    }
    if from.fg != to.fg {
        numbers.push(color(to.fg, 30));
    }
    if from.bg != to.bg {
        numbers.push(color(to.bg, 40));
    }
}

/// The numbers of a colour, `base` being 30 for the foreground and 40 for the background.
fn color(color: Color, base: u8) -> String {
    let ansi = match color {
        Color::Reset => 9,
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 60,
        Color::LightRed => 61,
        Color::LightGreen => 62,
        Color::LightYellow => 63,
        Color::LightBlue => 64,
        Color::LightMagenta => 65,
        Color::LightCyan => 66,
        Color::White => 67,
        Color::Indexed(index) => return format!("{};5;{index}", base + 8),
        Color::Rgb(r, g, b) => return format!("{};2;{r};{g};{b}", base + 8),
    };
    (base + ansi).to_string()
}
