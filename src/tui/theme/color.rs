//! Colours: reading them, bringing them down to 256 or 16, and the contrast between two.

use ratatui::style::{Color, Modifier, Style};

/// How many colours a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ColorDepth {
    /// None: only bold, underline, reverse and the like (`NO_COLOR`, `TERM=dumb`).
    Mono,
    /// The 16 colours of the terminal's own palette.
    Ansi16,
    /// The 256 indexed colours.
    Indexed256,
    /// 24 bits.
    True,
}

/// The 16 colours by name, with the values that xterm gives them.
const ANSI: [(&str, Color, [u8; 3]); 16] = [
    ("black", Color::Black, [0, 0, 0]),
    ("red", Color::Red, [205, 0, 0]),
    ("green", Color::Green, [0, 205, 0]),
    ("yellow", Color::Yellow, [205, 205, 0]),
    ("blue", Color::Blue, [0, 0, 238]),
    ("magenta", Color::Magenta, [205, 0, 205]),
    ("cyan", Color::Cyan, [0, 205, 205]),
    ("gray", Color::Gray, [229, 229, 229]),
    ("dark-gray", Color::DarkGray, [127, 127, 127]),
    ("light-red", Color::LightRed, [255, 0, 0]),
    ("light-green", Color::LightGreen, [0, 255, 0]),
    ("light-yellow", Color::LightYellow, [255, 255, 0]),
    ("light-blue", Color::LightBlue, [92, 92, 255]),
    ("light-magenta", Color::LightMagenta, [255, 0, 255]),
    ("light-cyan", Color::LightCyan, [0, 255, 255]),
    ("white", Color::White, [255, 255, 255]),
];

/// Least difference between the strongest and the weakest part of what is a colour and no gray.
const CHROMA_MIN: u16 = 48;
/// From this luminance on a colour is one for a dark page.
const SOFT_LUMINANCE: f64 = 0.25;

/// What a colour may look like, for error messages.
pub(super) const EXPECTED: &str =
    "a colour is #rrggbb, a name of the palette, none, or one of the terminal's 16 such as red or light-blue";

/// Reads `#rrggbb`, one of the 16 names, or `none` (the terminal's own colour).
pub(super) fn read(text: &str) -> Option<Color> {
    if text == "none" {
        return Some(Color::Reset);
    }
    if let Some((_, color, _)) = ANSI.iter().find(|(name, ..)| *name == text) {
        return Some(*color);
    }
    let hex = text.strip_prefix('#').filter(|hex| hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let value = u32::from_str_radix(hex, 16).ok()?;
    let [_, r, g, b] = value.to_be_bytes();
    Some(Color::Rgb(r, g, b))
}

/// The red, green and blue of a colour; none for the terminal's own.
pub(super) fn rgb(color: Color) -> Option<[u8; 3]> {
    match color {
        Color::Rgb(r, g, b) => Some([r, g, b]),
        Color::Indexed(index) => Some(indexed(index)),
        color => ANSI.iter().find(|(_, ansi, _)| *ansi == color).map(|(.., rgb)| *rgb),
    }
}

fn indexed(index: u8) -> [u8; 3] {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    match index {
        0..16 => ANSI[usize::from(index)].2,
        16..232 => [36, 6, 1].map(|unit| STEPS[usize::from((index - 16) / unit % 6)]),
        232.. => [8 + 10 * (index - 232); 3],
    }
}

/// The contrast of two colours as WCAG 2 defines it, 1 to 21.
pub fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn luminance(rgb: [u8; 3]) -> f64 {
    let [r, g, b] = rgb.map(|channel| {
        let c = f64::from(channel) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

/// A style in the colours of `depth`, on a page of the colour `page`. Where colours fall together so that text
/// would vanish in its background, or a filled area in the page, the style is reversed instead.
pub(super) fn adapt(style: Style, page: Option<Color>, depth: ColorDepth) -> Style {
    if depth == ColorDepth::True {
        return style;
    }
    let mut adapted = Style { fg: None, bg: None, ..style };
    let filled = is_filled(style, page);
    if depth == ColorDepth::Mono {
        return if filled { adapted.add_modifier(Modifier::REVERSED) } else { adapted };
    }
    adapted.fg = style.fg.map(|color| nearest(color, depth));
    adapted.bg = style.bg.map(|color| nearest(color, depth));
    let text_vanishes = adapted.fg == adapted.bg && style.fg != style.bg;
    let fill_vanishes = filled && adapted.bg == page.map(|color| nearest(color, depth));
    if text_vanishes || fill_vanishes {
        adapted.fg = Some(Color::Reset);
        adapted.bg = Some(Color::Reset);
        adapted = adapted.add_modifier(Modifier::REVERSED);
    }
    // Many terminals show bold black as gray, which is hard to read on a fill.
    if depth == ColorDepth::Ansi16 && filled && adapted.fg == Some(Color::Black) {
        adapted.add_modifier.remove(Modifier::BOLD);
    }
    adapted
}

/// Whether the background is a fill that one is meant to notice, not just a shade of the page.
fn is_filled(style: Style, page: Option<Color>) -> bool {
    match (style.bg.and_then(rgb), page.and_then(rgb)) {
        (Some(bg), Some(page)) => contrast(bg, page) >= 1.25,
        _ => false,
    }
}

fn nearest(color: Color, depth: ColorDepth) -> Color {
    let Color::Rgb(r, g, b) = color else {
        return match (color, depth) {
            (Color::Indexed(index), ColorDepth::Ansi16) => nearest_ansi(indexed(index)),
            _ => color,
        };
    };
    if depth == ColorDepth::Ansi16 {
        return nearest_ansi([r, g, b]);
    }
    // The first 16 are whatever the user's palette makes of them: not used.
    let index = (16..=255u8).min_by_key(|index| distance(indexed(*index), [r, g, b])).unwrap_or(16);
    Color::Indexed(index)
}

fn nearest_ansi(rgb: [u8; 3]) -> Color {
    // A soft colour is nearer to gray than to the loud one of its hue, but the hue is what it says. (Dark colours, as
    // for text on a light page, would become too light to be read.)
    let hue = hue(rgb).filter(|_| luminance(rgb) >= SOFT_LUMINANCE);
    let candidates = ANSI.iter().filter(|(.., ansi)| hue.is_none() || self::hue(*ansi).is_some());
    let nearest = candidates.min_by_key(|(.., ansi)| {
        let apart = hue.zip(self::hue(*ansi)).map_or(0, |(one, other)| distance(one, other));
        (apart, distance(*ansi, rgb))
    });
    nearest.map_or(Color::Reset, |(_, color, _)| *color)
}

/// The purest and brightest colour of the same hue; none for grays.
fn hue(rgb: [u8; 3]) -> Option<[u8; 3]> {
    let (low, high) = (rgb.into_iter().min()?, rgb.into_iter().max()?);
    let span = u16::from(high - low);
    let pure = |part: u8| u8::try_from(u16::from(part - low) * 255 / span.max(1)).unwrap_or(u8::MAX);
    (span >= CHROMA_MIN).then(|| rgb.map(pure))
}

/// Squared distance, weighted for the eye ("redmean").
fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    let mean = (u32::from(a[0]) + u32::from(b[0])) / 2;
    let [r, g, b] = [0, 1, 2].map(|i| u32::from(a[i].abs_diff(b[i])).pow(2));
    (((512 + mean) * r) >> 8) + 4 * g + (((767 - mean) * b) >> 8)
}
