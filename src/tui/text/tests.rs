use proptest::prelude::*;
use ratatui::style::{Color, Modifier};

use super::*;
use crate::wire::Timestamp;

fn styles() -> Styles {
    Styles {
        bold: Style::new().add_modifier(Modifier::BOLD),
        italic: Style::new().add_modifier(Modifier::ITALIC),
        code: Style::new().fg(Color::Red),
        link: Style::new().fg(Color::Blue),
        keyword: Style::new().fg(Color::Magenta),
        ascii: true,
        ..Styles::default()
    }
}

fn shown(lines: &[Line<'_>]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

/// Lays out as Markdown and compares the text.
fn check(source: &str, width: u16, expected: &[&str]) {
    assert_eq!(shown(&layout(&SafeText::body(source), width, &styles())), expected, "{source:?} in {width}");
}

#[test]
fn plain_text_wraps_at_blanks_and_keeps_its_lines() {
    check("The print is done!", 80, &["The print is done!"]);
    check("The print is done!", 9, &["The print", "is done!"]);
    check("one\ntwo\n\nthree", 80, &["one", "two", "", "three"]);
    check("a  b", 80, &["a  b"]);
    check("", 10, &[""]);
    check("Donaudampfschifffahrt", 8, &["Donaudam", "pfschiff", "fahrt"]);
    check("see Donaudampfschifffahrt", 8, &["see", "Donaudam", "pfschiff", "fahrt"]);
}

#[test]
fn wide_and_joined_characters_stay_whole() {
    check("漢字漢字漢", 5, &["漢字", "漢字", "漢"]);
    check("漢", 1, &["?"]);
    check("👨\u{200d}👩\u{200d}👧👨\u{200d}👩\u{200d}👧", 3, &["👨\u{200d}👩\u{200d}👧", "👨\u{200d}👩\u{200d}👧"]);
    check("e\u{301}e\u{301}e\u{301}", 2, &["e\u{301}e\u{301}", "e\u{301}"]);
    check(&format!("a{}b", "\u{301}".repeat(5)), 1, &[&format!("a{}", "\u{301}".repeat(5)), "b"]);
    check("مرحبا بالعالم", 7, &["مرحبا", "بالعالم"]);
}

#[test]
fn markdown_is_understood() {
    check("**bold** and *it* and ~~no~~", 80, &["bold and it and no"]);
    check("Use `x < 1` here", 80, &["Use x < 1 here"]);
    check("# Head\ntext", 80, &["# Head", "", "text"]);
    check("- one\n- two\n  - in\n\nafter", 80, &["- one", "- two", "  - in", "", "after"]);
    check("3. c\n4. d", 80, &["3. c", "4. d"]);
    check("- a long item that wraps", 12, &["- a long", "  item that", "  wraps"]);
    check("> said\n> more\n\nreply", 80, &["| said", "| more", "", "reply"]);
    check("> - a\n> - b", 80, &["| - a", "| - b"]);
    check("- > q", 80, &["- | q"]);
    check("```rust\nfn a() {}\n\n  b\n```\nend", 80, &["rust", "fn a() {}", "", "  b", "", "end"]);
    check("a\n\n---\n\nb", 80, &["a", "", "---", "", "b"]);
    check("one\ntwo *x*", 80, &["one", "two x"]);
    check("para one *x*\n\npara two", 80, &["para one x", "", "para two"]);
}

#[test]
fn links_never_hide_where_they_lead() {
    check("[my bank](http://evil.example)", 80, &["my bank (http://evil.example)"]);
    check("[x](http://a.example \"title\")", 80, &["x (http://a.example \"title\")"]);
    check("<https://a.example>", 80, &["https://a.example"]);
    check("![cat](http://a.example/cat.png)", 80, &["cat (http://a.example/cat.png)"]);
    check("[](http://a.example)", 80, &["http://a.example"]);
    check("[x]\n\n[x]: http://a.example 'hidden'", 80, &["[x]", "", "[x]: http://a.example 'hidden'"]);
}

#[test]
fn what_is_no_markdown_is_shown_as_it_is() {
    check("<b>x</b> & <script>", 80, &["<b>x</b> & <script>"]);
    check("<!-- hidden -->\n*x*", 80, &["<!-- hidden -->", "", "x"]);
    check("2 * 3 * 4 and snake_case_name", 80, &["2 * 3 * 4 and snake_case_name"]);
    check("a | b\n--|--", 80, &["a | b", "--|--"]);
    check("C:\\path [x] (y)", 80, &["C:\\path [x] (y)"]);
}

#[test]
fn entities_cannot_smuggle_anything_past_safe_text() {
    for source in ["&#27;[31m", "&#x9b;31m", "`x` &#7;", "[a](&#27;]0;x)", "```&#27;\n&#27;\n```", "&#13;&#10;&#9;"] {
        for line in layout(&SafeText::body(source), 40, &styles()) {
            assert!(!line.to_string().contains(char::is_control), "{source}: {line:?}");
        }
    }
}

#[test]
fn styles_lie_on_top_of_each_other() {
    let lines = layout(&SafeText::body("**a *b* `c`** [d](e)"), 80, &styles());
    let find = |text: &str| lines[0].spans.iter().find(|span| span.content.contains(text)).unwrap().style;
    assert_eq!(find("a"), styles().bold);
    assert_eq!(find("b"), styles().bold.patch(styles().italic));
    assert_eq!(find("c"), styles().bold.patch(styles().code));
    assert_eq!(find("e"), styles().link);
    let lines = layout(&SafeText::body("```rs\nlet x = \"let\"; // let\n```"), 80, &styles());
    let keywords = lines.iter().flat_map(|line| &line.spans).filter(|span| span.style.fg == Some(Color::Magenta));
    assert_eq!(keywords.count(), 1, "only the first let is a keyword");
}

#[test]
fn hostile_texts_take_bounded_work() {
    let texts = [
        ">".repeat(20_000),
        "> ".repeat(10_000) + "x",
        "[".repeat(20_000),
        "![".repeat(10_000),
        "*a ".repeat(7_000),
        "- ".repeat(10_000),
        "**".repeat(10_000),
        "`".repeat(20_000),
        "<".repeat(20_000),
        "[a](".repeat(5_000),
        "&#27;".repeat(4_000),
        "1. ".repeat(7_000),
        (0..200).map(|n| " ".repeat(n % 100) + "- x\n").collect(),
        "x".repeat(crate::wire::limits::TEXT_BYTES),
        "\n".repeat(200_000),
        "a\u{301}".repeat(30_000),
    ];
    let begun = std::time::Instant::now();
    for text in texts {
        let text = SafeText::body(&text);
        // One layout of each is enough to see growth; a small width makes the most lines.
        let width = if text.as_str().len() > MARKDOWN_BYTES { 80 } else { 2 };
        let lines = layout(&text, width, &styles());
        assert!(lines.len() <= LINES + 1);
        let fits = |line: &Line<'_>| super::width(&line.to_string()) <= usize::from(width);
        assert!(lines.iter().step_by(7).all(fits));
    }
    assert!(begun.elapsed().as_secs() < 60, "something grows faster than the text");
}

#[test]
fn a_text_of_too_many_lines_says_what_is_left_out() {
    let lines = layout(&SafeText::body(&"\n".repeat(LINES + 41)), 80, &styles());
    assert_eq!(lines.last().unwrap().to_string(), "[42 more lines are not shown]");
}

#[test]
fn truncation_counts_columns() {
    assert_eq!(truncate_end("lumina", 6, false), "lumina");
    assert_eq!(truncate_end("lumina", 5, false), "lumi…");
    assert_eq!(truncate_end("漢字漢字", 4, false), "漢…");
    assert_eq!(truncate_end("lumina", 1, true), "~");
    assert_eq!(truncate_end("lumina", 0, true), "");
    assert_eq!(truncate_middle("/very/long/path", 9, false), "/ver…path");
    assert_eq!(truncate_middle("漢字漢字", 5, true), "漢~字");
    assert_eq!(width("a漢\u{301}"), 3);
}

#[test]
fn times_and_sizes_are_short() {
    let at = |ms| Timestamp::from_unix_ms(ms);
    let day = 86_400_000;
    for (then, expected) in [
        (999, "now"),
        (42_000, "42 s"),
        (300_000, "5 min"),
        (3 * 3_600_000, "3 h"),
        (2 * day, "2 d"),
        (800 * day, "2 y"),
        (-42_000, "in 42 s"),
    ] {
        assert_eq!(relative_time(at(900 * day), at(900 * day - then)), expected);
    }
    for (bytes, expected) in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1_048_575, "1.0 MiB"),
        (64 << 20, "64 MiB"),
        (u64::MAX, "16 EiB"),
    ] {
        assert_eq!(human_bytes(bytes), expected);
    }
    for (value, expected) in [
        (0.84, "0.8 ms"),
        (12.4, "12 ms"),
        (1_500.0, "1.5 s"),
        (61_000.0, "61 s"),
        (180_000.0, "3 min"),
        (f64::NAN, "0.0 ms"),
        (-1.0, "0.0 ms"),
        (1e9, "278 h"),
    ] {
        assert_eq!(ms(value), expected);
    }
}

#[test]
fn sparklines_show_the_latest_values() {
    assert_eq!(sparkline(&[1.0, 4.0, 8.0], 8, false), "▂▅█");
    assert_eq!(sparkline(&[9.0, 1.0, 8.0], 2, true), ".#");
    assert_eq!(sparkline(&[0.0, 0.0], 4, false), "▁▁");
    assert_eq!(sparkline(&[f64::NAN, 1.0, f64::INFINITY, -5.0], 4, false), " █ ▁");
    assert_eq!(sparkline(&[], 4, false), "");
}

#[test]
fn a_qr_code_is_square_and_quiet_at_its_edges() {
    for ascii in [false, true] {
        let rows = qr("OPENPGP4FPR:9F3AC2D1E0B4A5968778695A4B3C2D1E0F001122", ascii);
        let columns = width(&rows[0]);
        assert!(rows.iter().all(|row| width(row) == columns));
        assert!(rows[0].trim().is_empty() && rows.iter().all(|row| row.starts_with("  ") && row.ends_with("  ")));
        let (modules, lines) = if ascii { (columns / 2, rows.len()) } else { (columns, rows.len() * 2) };
        assert!(modules == lines || modules + 1 == lines, "{modules} {lines}");
    }
    assert!(qr(&"x".repeat(5_000), false).is_empty());
}

/// Text of all kinds of characters, with much Markdown in it.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z]{1,12}",
        "[ \t\n]{1,3}",
        "[*_`~#>\\[\\]()!<>&;|\\\\+.0-9-]{1,4}",
        Just("\n- ".to_owned()),
        Just("\n> ".to_owned()),
        Just("\n```rust\n".to_owned()),
        Just("\n1. ".to_owned()),
        Just("👨\u{200d}👩\u{200d}👧".to_owned()),
        "[漢字مرحe\u{301}\u{302}ᄀ가\u{0e33}]{1,4}",
        "\\PC{1,6}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_line_is_wider_than_asked(text in any_text(), width in 0u16..300, ascii in any::<bool>()) {
        let styles = Styles { ascii, ..styles() };
        for lines in [layout(&SafeText::body(&text), width, &styles), layout_plain(&SafeText::body(&text), width, Style::new())] {
            prop_assert!(!lines.is_empty());
            for line in &lines {
                let columns: usize = line.spans.iter().map(|span| super::width(&span.content)).sum();
                prop_assert!(columns <= usize::from(width.max(1)), "{line:?}");
                prop_assert!(!line.to_string().contains(char::is_control));
            }
        }
    }

    /// As plain text everything but blanks is there, in order.
    #[test]
    fn nothing_is_lost(text in any_text(), width in 2u16..80) {
        let text = SafeText::body(&text);
        let lines = layout_plain(&text, width, Style::new());
        let squeeze = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        prop_assert_eq!(squeeze(&shown(&lines).concat()), squeeze(text.as_str()));
    }

    /// As Markdown every letter and digit is there, in order.
    #[test]
    fn markdown_loses_no_letter(text in "([a-z]{1,6}|[ \n]|[*_`~#>()!+.-]|\n- |\n> |\n```\n|\n    |[0-9]\\. ){0,40}", width in 2u16..80) {
        let letters = |text: &str| text.chars().filter(char::is_ascii_alphabetic).collect::<String>();
        let lines = layout(&SafeText::body(&text), width, &styles());
        prop_assert_eq!(letters(&shown(&lines).concat()), letters(&text));
    }

    #[test]
    fn truncation_fits(text in any_text(), max in 0usize..30) {
        prop_assert!(super::width(&truncate_end(&text, max, false)) <= max);
        prop_assert!(super::width(&truncate_middle(&text, max, false)) <= max);
    }
}
