//! Small pictures made of characters: sparklines and QR codes.

use qrcode::{Color, EcLevel, QrCode};

/// The last `width` values as bars of eight heights, the greatest reaching the top; with `ascii` as
/// characters that grow darker. Values that are no numbers are blanks.
pub fn sparkline(values: &[f64], width: usize, ascii: bool) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const DOTS: [char; 8] = ['_', '.', ':', '-', '=', '+', '*', '#'];
    let steps = if ascii { DOTS } else { BARS };
    let shown = &values[values.len().saturating_sub(width)..];
    let top = shown.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
    let step = |value: &f64| match value {
        value if !value.is_finite() => ' ',
        value if top > 0.0 => steps[((value.max(0.0) / top * 8.0) as usize).min(7)],
        _ => steps[0],
    };
    shown.iter().map(step).collect()
}

/// A QR code, one string a row of the screen, with its quiet zone; to be drawn dark on light
/// (`Role::QrCode`). Half blocks put two modules in one character; with `ascii` each module is two
/// characters, `##` or blanks. Empty when the text is too long for a QR code (2 953 bytes).
pub fn qr(text: &str, ascii: bool) -> Vec<String> {
    let Ok(code) = QrCode::with_error_correction_level(text, EcLevel::L) else { return Vec::new() };
    let side = code.width() as isize;
    let colors = code.to_colors();
    let dark = |x: isize, y: isize| {
        (0..side).contains(&x) && (0..side).contains(&y) && colors[(y * side + x) as usize] == Color::Dark
    };
    // The standard asks for four light modules around; two read well on screens and save room.
    let range = || -2..side + 2;
    if ascii {
        return range().map(|y| range().map(|x| if dark(x, y) { "##" } else { "  " }).collect()).collect();
    }
    let half = |x, y| match (dark(x, y), dark(x, y + 1)) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    };
    range().step_by(2).map(|y| range().map(|x| half(x, y)).collect()).collect()
}
