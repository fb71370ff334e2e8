use std::collections::BTreeSet;

use proptest::prelude::*;
use ratatui::{
    Terminal,
    buffer::Buffer,
    layout::Rect,
    style::{Color, Modifier, Style},
    widgets::{Block, Paragraph},
};

use super::*;

/// A terminal emulator that counts the bytes it is given and the writes in which they come.
struct Emulator {
    screen: vt100::Parser,
    bytes: Vec<u8>,
    writes: usize,
}

impl Write for Emulator {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.screen.process(bytes);
        self.bytes.extend_from_slice(bytes);
        self.writes += 1;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn terminal(width: u16, height: u16) -> Terminal<SparingBackend<Emulator>> {
    let emulator = Emulator { screen: vt100::Parser::new(height, width, 0), bytes: Vec::new(), writes: 0 };
    Terminal::new(SparingBackend::fixed(emulator, true, width, height)).unwrap()
}

/// Bytes and writes since the last call.
fn cost(terminal: &mut Terminal<SparingBackend<Emulator>>) -> (usize, usize) {
    let emulator = terminal.backend_mut().writer_mut();
    (std::mem::take(&mut emulator.bytes).len(), std::mem::take(&mut emulator.writes))
}

/// A cell as it looks: what cannot be seen on a blank does not count.
#[derive(Debug, PartialEq)]
struct Look {
    symbol: String,
    fg: vt100::Color,
    bg: vt100::Color,
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
    inverse: bool,
}

impl Look {
    fn seen(mut self) -> Self {
        if self.symbol.trim().is_empty() {
            self.symbol = String::new();
            (self.bold, self.dim, self.italic) = (false, false, false);
            if !self.inverse && !self.underline {
                self.fg = vt100::Color::Default;
            }
        }
        self
    }
}

fn expected(cell: &Cell) -> Look {
    let color = |color: Color| match color {
        Color::Reset => vt100::Color::Default,
        Color::Red => vt100::Color::Idx(1),
        Color::LightCyan => vt100::Color::Idx(14),
        Color::Indexed(index) => vt100::Color::Idx(index),
        Color::Rgb(r, g, b) => vt100::Color::Rgb(r, g, b),
        other => panic!("{other}"),
    };
    Look {
        symbol: cell.symbol().to_owned(),
        fg: color(cell.fg),
        bg: color(cell.bg),
        bold: cell.modifier.contains(Modifier::BOLD),
        dim: cell.modifier.contains(Modifier::DIM),
        italic: cell.modifier.contains(Modifier::ITALIC),
        underline: cell.modifier.contains(Modifier::UNDERLINED),
        inverse: cell.modifier.contains(Modifier::REVERSED),
    }
    .seen()
}

/// The frame before, and the cells whose attributes are in doubt: blanks where the second half of a wide
/// character stood. ratatui does not redraw them, and terminals differ in what they leave there.
struct Past {
    frame: Buffer,
    doubtful: BTreeSet<(u16, u16)>,
}

impl Past {
    fn none(area: Rect) -> Self {
        Self { frame: Buffer::empty(area), doubtful: BTreeSet::new() }
    }

    fn next(&mut self, drawn: &Buffer) {
        for y in 0..drawn.area.height {
            for x in 0..drawn.area.width {
                let same = self.frame[(x, y)] == drawn[(x, y)];
                if same && x > 0 && self.frame[(x - 1, y)].cell_width() > 1 {
                    self.doubtful.insert((x, y));
                } else if !same {
                    self.doubtful.remove(&(x, y));
                }
            }
        }
        self.frame = drawn.clone();
    }
}

/// Compares what the emulator shows with what was drawn.
fn compare(terminal: &mut Terminal<SparingBackend<Emulator>>, drawn: &Buffer, past: &Past) -> Result<(), String> {
    let screen = terminal.backend().writer().screen.screen();
    for y in 0..drawn.area.height {
        let mut x = 0;
        while x < drawn.area.width {
            let wanted = &drawn[(x, y)];
            let cell = screen.cell(y, x).ok_or("no cell")?;
            let look = Look {
                symbol: cell.contents().to_owned(),
                fg: cell.fgcolor(),
                bg: cell.bgcolor(),
                bold: cell.bold(),
                dim: cell.dim(),
                italic: cell.italic(),
                underline: cell.underline(),
                inverse: cell.inverse(),
            };
            let half = past.doubtful.contains(&(x, y)) && look.symbol.trim().is_empty();
            if !half && look.seen() != expected(wanted) {
                return Err(format!("({x}, {y}): {:?} for {wanted:?}", cell));
            }
            x += wanted.cell_width().max(1);
        }
    }
    Ok(())
}

fn style() -> impl Strategy<Value = Style> {
    let color = prop_oneof![
        3 => Just(Color::Reset),
        1 => Just(Color::Red),
        1 => Just(Color::LightCyan),
        1 => Just(Color::Indexed(200)),
        1 => Just(Color::Rgb(1, 22, 233)),
    ];
    // The emulator knows either bold or dim.
    let modifiers = prop_oneof![3 => Just(0u16), 2 => prop::sample::select(vec![1u16, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14]), 1 => Just(Modifier::REVERSED.bits())];
    (color.clone(), color, modifiers).prop_map(|(fg, bg, modifiers)| Style {
        fg: Some(fg),
        bg: Some(bg),
        add_modifier: Modifier::from_bits_truncate(modifiers),
        sub_modifier: !Modifier::from_bits_truncate(modifiers),
        ..Style::default()
    })
}

/// Pieces of text at places, some to the very edge, some of them wide, emoji, combining.
fn pieces() -> impl Strategy<Value = Vec<(u16, u16, String, Style)>> {
    let text = prop_oneof![
        "[a-z .]{1,30}",
        " {6,40}",
        "[a-c漢字✓─…]{1,12}",
        Just("e\u{301}\u{302}x".to_owned()),
        // The emulator knows no joined emoji; they have a test of their own below.
        Just("🙂 y".to_owned()),
    ];
    prop::collection::vec((0u16..40, 0u16..8, text, style()), 0..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is drawn after whatever else, the screen shows it.
    #[test]
    fn the_screen_shows_what_was_drawn(frames in prop::collection::vec((pieces(), prop::option::of((0u16..40, 0u16..8))), 1..6)) {
        let mut terminal = terminal(40, 8);
        let mut past = Past::none(Rect::new(0, 0, 40, 8));
        for (pieces, cursor) in frames {
            let drawn = terminal.draw(|frame| {
                for (x, y, text, style) in &pieces {
                    frame.buffer_mut().set_stringn(*x, *y, text, usize::from(40 - x), *style);
                }
                if let Some(at) = cursor {
                    frame.set_cursor_position(at);
                }
            });
            let drawn = drawn.unwrap().buffer.clone();
            past.next(&drawn);
            compare(&mut terminal, &drawn, &past).map_err(TestCaseError::fail)?;
            let screen = terminal.backend().writer().screen.screen();
            prop_assert_eq!(screen.hide_cursor(), cursor.is_none());
            if let Some((x, y)) = cursor {
                prop_assert_eq!(screen.cursor_position(), (y, x));
            }
            let (_, writes) = cost(&mut terminal);
            prop_assert!(writes <= 1);
        }
    }

    /// Every way from one place to another leads there.
    #[test]
    fn every_motion_arrives(from in (0u16..30, 0u16..9), to in (0u16..30, 0u16..9), wrapping in any::<bool>()) {
        let mut screen = vt100::Parser::new(9, 30, 0);
        let size = Size::new(30, 9);
        let mut out = format!("\x1b[{};{}H", from.1 + 1, from.0 + 1).into_bytes();
        let place = if wrapping {
            out = format!("\x1b[{};30Hx", from.1 + 1).into_bytes();
            Place::Wrapping(from.1)
        } else {
            Place::At(from.0, from.1)
        };
        let before = out.len();
        motion::go(&mut out, place, to, size);
        prop_assert!(out.len() - before <= 7);
        screen.process(&out);
        prop_assert_eq!(screen.screen().cursor_position(), (to.1, to.0));
    }
}

/// Draws a screen like the real one: borders, messages, a status line, and a composer with `text` in it.
fn draw_composer(terminal: &mut Terminal<SparingBackend<Emulator>>, text: &str, clock: &str) {
    let draw = terminal.draw(|frame| {
        let ink = Style::new().fg(Color::Rgb(216, 220, 228)).bg(Color::Rgb(22, 24, 29));
        let area = frame.area();
        frame.buffer_mut().set_style(area, ink);
        frame.render_widget(Block::bordered().title("lumina / blueprint"), Rect::new(20, 0, 80, 27));
        frame.render_widget(Paragraph::new(text).block(Block::bordered()), Rect::new(20, 27, 80, 3));
        frame.render_widget(Paragraph::new(clock).style(Style::new().fg(Color::Red)), Rect::new(0, 29, 19, 1));
        frame.set_cursor_position((21 + text.len() as u16, 28));
    });
    draw.unwrap();
}

#[test]
fn a_typed_character_costs_its_own_byte() {
    let mut terminal = terminal(100, 30);
    draw_composer(&mut terminal, "", "");
    cost(&mut terminal);
    let text = "Hello there, how are you today?";
    draw_composer(&mut terminal, &text[..1], "");
    // The first one brings the composer's colours.
    assert!(cost(&mut terminal).0 <= 48);
    for end in 2..=text.len() {
        draw_composer(&mut terminal, &text[..end], "");
        // A blank over a blank changes no cell: only the cursor moves.
        let bytes = if text[..end].ends_with(' ') { 3 } else { 1 };
        assert_eq!(cost(&mut terminal), (bytes, 1), "{}", &text[..end]);
    }
    draw_composer(&mut terminal, &text[..text.len() - 1], "");
    // Backspace: back, a blank over it, back again.
    assert_eq!(cost(&mut terminal), (3, 1));
    draw_composer(&mut terminal, &text[..text.len() - 1], "");
    assert_eq!(cost(&mut terminal), (0, 0), "nothing changed, nothing is written");
    draw_composer(&mut terminal, &text[..text.len() - 1], "12:00");
    let (bytes, writes) = cost(&mut terminal);
    assert!(bytes <= 32 && writes == 1, "a change elsewhere and back: {bytes}");
}

#[test]
fn large_frames_are_synchronized_and_small_ones_are_not() {
    let mut terminal = terminal(100, 30);
    draw_composer(&mut terminal, "x", "");
    let bytes = std::mem::take(&mut terminal.backend_mut().writer_mut().bytes);
    assert!(bytes.starts_with(b"\x1b[?2026h") && bytes.ends_with(b"\x1b[?2026l"));
    draw_composer(&mut terminal, "xy", "");
    assert_eq!(terminal.backend().writer().bytes, b"y");
}

#[test]
fn a_resize_or_a_clear_draws_everything_anew() {
    let mut terminal = terminal(100, 30);
    draw_composer(&mut terminal, "x", "");
    terminal.backend_mut().writer_mut().screen.process(b"\x1b[31;7mgarbage from an editor\x1b[5;5H");
    terminal.clear().unwrap();
    draw_composer(&mut terminal, "x", "");
    let drawn = terminal.draw(|frame| {
        let area = frame.area();
        frame.buffer_mut().set_style(area, Style::new().bg(Color::Red));
        frame.set_cursor_position((3, 3));
    });
    let drawn = drawn.unwrap().buffer.clone();
    compare(&mut terminal, &drawn, &Past::none(drawn.area)).unwrap();
    terminal.backend_mut().writer_mut().screen.screen_mut().set_size(20, 60);
    terminal.backend_mut().set_fixed_size(60, 20);
    let drawn = terminal.draw(|frame| frame.render_widget(Block::bordered(), frame.area())).unwrap().buffer.clone();
    assert_eq!(drawn.area, Rect::new(0, 0, 60, 20));
    compare(&mut terminal, &drawn, &Past::none(drawn.area)).unwrap();
}

#[test]
fn a_cell_never_talks_to_the_terminal() {
    let mut terminal = terminal(40, 8);
    let cells = ["\x1b]0;owned\x07", "\u{9b}31m", "\n"].map(|symbol| {
        let mut cell = Cell::default();
        cell.set_symbol(symbol);
        cell
    });
    let backend = terminal.backend_mut();
    backend.draw(cells.iter().zip(3..).map(|(cell, y)| (3, y, cell))).unwrap();
    backend.flush().unwrap();
    let shown = String::from_utf8_lossy(&backend.writer().bytes).into_owned();
    assert!(!shown.contains("owned") && !shown.contains("31m"), "{shown:?}");
    assert_eq!(shown.matches('\u{FFFD}').count(), 3);
}

#[test]
fn after_a_symbol_of_doubtful_width_the_cursor_is_placed_anew() {
    for doubtful in ["👨\u{200d}👩\u{200d}👧", "❤\u{fe0f}", "e\u{301}", "🙂"] {
        let mut terminal = terminal(40, 8);
        let draw = terminal.draw(|frame| frame.render_widget(Paragraph::new(format!("{doubtful}y")), frame.area()));
        draw.unwrap();
        let text = String::from_utf8_lossy(&terminal.backend().writer().bytes).into_owned();
        assert!(text.contains("Hy"), "{text:?}");
    }
}

/// What an emulator shows of a row that does not join emoji, cell by cell; the right halves of wide ones are left out.
fn row(terminal: &mut Terminal<SparingBackend<Emulator>>, y: u16, width: u16) -> Vec<String> {
    let screen = terminal.backend_mut().writer_mut().screen.screen();
    (0..width).map(|x| screen.cell(y, x).unwrap().contents().to_owned()).collect()
}

#[test]
fn what_a_terminal_draws_too_wide_or_too_narrow_covers_nothing_else() {
    for doubtful in ["👨\u{200d}👩\u{200d}👧\u{200d}👦", "❤\u{fe0f}", "1\u{fe0f}\u{20e3}", "🇪🇺", "👍🏽"]
    {
        let mut terminal = terminal(40, 8);
        let mut draw = |text: &str| {
            let (text, inner) = (text.to_owned(), Rect::new(1, 1, 10, 1));
            terminal
                .draw(|frame| {
                    frame.render_widget(Block::bordered(), Rect::new(0, 0, 12, 3));
                    frame.render_widget(Paragraph::new(text), inner);
                    frame.render_widget(Block::bordered(), Rect::new(12, 0, 28, 3));
                    frame.render_widget(Paragraph::new("right"), Rect::new(13, 1, 20, 1));
                })
                .unwrap();
            row(&mut terminal, 1, 40)
        };
        draw("abcdefghij");
        for at in 0..9 {
            let text = format!("{}{doubtful}", "x".repeat(at));
            let cells = draw(&text);
            let rest: String = cells[11..].iter().map(|cell| if cell.is_empty() { " " } else { cell }).collect();
            assert_eq!(rest, "││right                     │", "{doubtful} at {at}: {cells:?}");
            assert!(!cells[1..11].concat().contains(|c| ('a'..='j').contains(&c)), "{doubtful} at {at}: {cells:?}");
        }
    }
}

#[test]
fn what_a_terminal_draws_too_wide_does_not_go_on_in_the_next_row() {
    let mut terminal = terminal(10, 3);
    for at in 0..9 {
        let family = format!("{}👨\u{200d}👩\u{200d}👧\u{200d}👦", "x".repeat(at));
        terminal.draw(|frame| frame.render_widget(Paragraph::new(format!("{family}\nsecond")), frame.area())).unwrap();
        assert_eq!(row(&mut terminal, 1, 10).concat().trim_end(), "second", "at {at}");
    }
}

#[test]
fn queued_sequences_go_out_with_the_next_frame() {
    let mut terminal = terminal(100, 30);
    draw_composer(&mut terminal, "x", "");
    cost(&mut terminal);
    terminal.backend_mut().queue(b"\x07");
    draw_composer(&mut terminal, "xy", "");
    assert_eq!(terminal.backend().writer().bytes, b"\x07y");
    assert_eq!(terminal.backend().writer().writes, 1);
}
