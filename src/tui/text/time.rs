//! Numbers for people: times, sizes.

use crate::wire::Timestamp;

/// How long ago (or how soon) `then` is, seen from `now`: `now`, `42 s`, `5 min`, `3 h`, `2 d`, `in 42 s`;
/// at most seven columns up to years.
pub fn relative_time(now: Timestamp, then: Timestamp) -> String {
    let past = now.ms_since(then);
    let (prefix, ms) = if past < 0 { ("in ", past.unsigned_abs()) } else { ("", past.unsigned_abs()) };
    let seconds = ms / 1000;
    let text = match seconds {
        0 => return "now".to_owned(),
        1..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        86_400..31_536_000 => format!("{} d", seconds / 86_400),
        _ => format!("{} y", seconds / 31_536_000),
    };
    format!("{prefix}{text}")
}

/// A size in bytes with a binary unit and at most four digits: `999 B`, `1.5 KiB`, `64 MiB`.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // 1023.95 would be written as 1024.0.
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value < 9.95 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

/// Milliseconds with a unit that keeps them short: `0.8 ms`, `12 ms`, `1.5 s`, `2 min`, `3 h`.
/// Not-a-number and negative values count as 0.
pub fn ms(value: f64) -> String {
    let value = if value.is_finite() { value.max(0.0) } else { 0.0 };
    match value {
        ..9.95 => format!("{value:.1} ms"),
        ..999.5 => format!("{value:.0} ms"),
        ..9_950.0 => format!("{:.1} s", value / 1e3),
        ..119_500.0 => format!("{:.0} s", value / 1e3),
        ..7_200_000.0 => format!("{:.0} min", value / 6e4),
        _ => format!("{:.0} h", value / 3.6e6),
    }
}
