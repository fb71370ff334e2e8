use proptest::prelude::*;
use unicode_width::UnicodeWidthChar;

use super::*;

fn body(raw: &str) -> String {
    SafeText::body(raw).into_string()
}

fn line(raw: &str) -> String {
    SafeText::line(raw).into_string()
}

/// What may never reach a terminal, judged without the code under test.
fn is_dangerous(c: char) -> bool {
    let code = u32::from(c);
    (c.is_control() && c != '\n')
        || matches!(code,
            0xAD | 0x34F | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180E | 0x200B | 0x2028..=0x202E | 0x2060..=0x206F
            | 0x3164 | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..=0xE00FF
            | 0xE01F0..=0xE0FFF)
        || code & 0xFFFE == 0xFFFE
        || (0xFDD0..=0xFDEF).contains(&code)
}

/// What a line may not hold either.
fn is_hidden_in_lines(c: char) -> bool {
    is_dangerous(c)
        || matches!(u32::from(c),
            0xA | 0x61C | 0x180B..=0x180F | 0x200C..=0x200F | 0x2800 | 0xFE00..=0xFE0D | 0xE000..=0xF8FF
            | 0xE0100..=0xE01EF | 0xF0000..=0x10FFFF)
}

#[test]
fn what_a_terminal_acts_on_becomes_a_picture() {
    assert_eq!(body("\x1b[31mred\x1b]0;title\x07"), "␛[31mred␛]0;title␇");
    assert_eq!(body("a\0b\x08\x7f"), "a␀b␈␡");
    assert_eq!(body("\u{9b}2J\u{9d}8;;x\u{9c}\u{90}q\u{85}\u{80}"), "␛2J␛8;;x␛␛q��");
    assert_eq!(line("a\r\nb\tc\x1b"), "a␍␊b␉c␛");
}

#[test]
fn bodies_keep_lines_and_expand_tabs() {
    assert_eq!(body("a\r\nb\nc\td"), "a\nb\nc    d");
    assert_eq!(body("over\rwritten\r"), "over␍written␍");
    assert_eq!(body("a\u{2028}b\u{2029}c"), "a\nb\nc");
    assert_eq!(line("a\u{2028}b"), "a␤b");
}

#[test]
fn overrides_tags_and_zero_width_characters_are_marked() {
    for hidden in
        "\u{202A}\u{202B}\u{202C}\u{202D}\u{202E}\u{2066}\u{2067}\u{2068}\u{2069}\u{200B}\u{2060}\u{FEFF}\u{AD}\
                   \u{180E}\u{E0041}\u{E007F}\u{FFF9}\u{FFFB}\u{206A}\u{3164}\u{34F}\u{FFFE}\u{FDD0}\u{10FFFF}\u{E0FFF}\
                   \u{0378}\u{2064}"
            .chars()
    {
        let raw = format!("evil{hidden}fdp.exe");
        assert_eq!(body(&raw), "evil�fdp.exe", "U+{:04X} in a body", u32::from(hidden));
        assert_eq!(line(&raw), "evil�fdp.exe", "U+{:04X} in a line", u32::from(hidden));
    }
    for hidden in "\u{200C}\u{200D}\u{200E}\u{200F}\u{61C}\u{FE0F}\u{FE00}\u{E0100}".chars() {
        let raw = format!("Lum{hidden}ina");
        assert_eq!(body(&raw), "Lum�ina", "U+{:04X} in a body", u32::from(hidden));
        assert_eq!(line(&raw), "Lum�ina", "U+{:04X} in a line", u32::from(hidden));
    }
}

#[test]
fn right_to_left_text_and_emoji_stay_readable_in_bodies() {
    for kept in [
        "مرحبا، كيف حالك؟ ٠١٢ \u{600}١٢",
        "שָׁלוֹם \u{200F}(עולם)\u{200E}!",
        "می\u{200C}خواهم خانه\u{200C}ها",
        "क्\u{200D}ष और क\u{94D}\u{200C}ष",
        "ശ്രീ അവര്\u{200D} പറഞ്ഞു",
        "ශ්\u{200D}රී ලංකා",
        "👩\u{200D}💻 👨\u{200D}👩\u{200D}👧\u{200D}👦 👩🏽\u{200D}🚀 🏳\u{FE0F}\u{200D}🌈 ❤\u{FE0F}\u{200D}🔥",
        "👩🏻\u{200D}❤\u{FE0F}\u{200D}💋\u{200D}👩🏿",
        "1\u{FE0F}\u{20E3} #\u{FE0F}\u{20E3} ☎\u{FE0E} 🇩🇪",
        "葛\u{E0100}飾区 한국어 \u{1112}\u{1161}\u{11AB} ภาษาไทย Tiếng Việt e\u{301}",
        "a\u{A0}b\u{3000}c \u{E0B0}",
    ] {
        assert_eq!(body(kept), kept);
    }
    assert_eq!(line("مرحبا שלום 한국어 日本語 ❤\u{FE0F}"), "مرحبا שלום 한국어 日本語 ❤\u{FE0F}");
    assert_eq!(line("👩\u{200D}💻"), "👩�💻");
    assert_eq!(line("a\u{A0}b\u{3000}c\u{E0B0}\u{2800}"), "a b c��");
}

#[test]
fn joiners_and_selectors_hide_nothing() {
    assert_eq!(body("pay\u{200D}pal \u{200D}x 👩\u{200D} 👩\u{200D}a"), "pay�pal �x 👩� 👩�a");
    assert_eq!(body("👩\u{200D}\u{200D}💻"), "👩��💻");
    assert_eq!(body("🏽\u{200D}\u{1FE0F}"), "🏽��");
    assert_eq!(body("😀\u{FE0F}\u{E0101}\u{E0102}"), "😀\u{FE0F}��");
    assert_eq!(body("می\u{200C}\u{200C}خ"), "می��خ");
    assert_eq!(body("\u{200F}only latin\u{200E}"), "�only latin�");
}

#[test]
fn piles_of_marks_are_cut() {
    let zalgo = format!("a{}b", "\u{301}".repeat(200));
    assert_eq!(body(&zalgo), format!("a{}�b", "\u{301}".repeat(8)));
    assert_eq!(line(&zalgo), body(&zalgo));
    assert_eq!(line("\u{301}x"), "◌\u{301}x");
    assert_eq!(body("a\n\u{301}x"), "a\n◌\u{301}x");
    let jamo = "\u{1112}".to_owned() + "\u{1161}".repeat(50).as_str();
    assert_eq!(body(&jamo).chars().count(), 10);
}

#[test]
fn no_cluster_grows_without_end() {
    let chains = [
        "\u{600}".repeat(500) + "1",
        "👩\u{200D}".repeat(500) + "👩",
        "क\u{94D}".repeat(500) + "क",
        "క\u{C4D}\u{200D}".repeat(500) + "క",
        "🇩".repeat(501),
        "\u{1100}".repeat(500),
        "🏽".repeat(500),
    ];
    for raw in chains {
        let safe = body(&raw);
        let longest = safe.graphemes(true).map(|g| g.chars().count()).max().unwrap();
        assert!(longest <= 32, "{longest} in {}", &raw[..raw.floor_char_boundary(12)]);
        assert_eq!(body(&safe), safe);
    }
}

#[test]
fn lines_are_cut_between_clusters() {
    let bounded = |raw: &str, max| SafeText::line_bounded(raw, max).into_string();
    assert_eq!(bounded("Lumina", 6), "Lumina");
    assert_eq!(bounded("Luminary", 6), "Lum…");
    assert_eq!(bounded("e\u{301}e\u{301}e\u{301}", 8), "e\u{301}…");
    assert_eq!(bounded("\x1b\x1b\x1b", 6), "␛…");
    assert_eq!(bounded("abc", 2), "");
    assert_eq!(bounded("", 0), "");
}

#[test]
fn what_stands_alone_is_plain_by_the_tables_too() {
    for c in ('!'..='\u{10FFFF}').filter(|c| class::stands_alone(*c)) {
        assert!(c.width().is_some_and(|w| w > 0) && !is_hidden_in_lines(c), "U+{:04X}", u32::from(c));
        assert!(class::by_category(c) == class::Class::Plain, "U+{:04X}", u32::from(c));
    }
}

#[test]
fn look_alikes_are_found() {
    let alike = |a: &str, b: &str| {
        let (a, b) = (SafeText::line(a), SafeText::line(b));
        assert_eq!(a.looks_like(&b), b.looks_like(&a));
        a.looks_like(&b)
    };
    for name in [
        "Lumina",
        "lumina",
        "LUMINA",
        "Iumina",
        "1umina",
        "Lum\u{456}na",
        "Lumin\u{430}",
        "Lum\u{200B}ina",
        " Lumina ",
        "Lu mina",
        "Lumína",
        "Lurnina",
        "\u{FF2C}umina",
        "𝐋umina",
    ] {
        assert!(alike("Lumina", name), "{name}");
    }
    for name in ["Luna", "Lumen", "Opus", "Alumina", "Lumina2", ""] {
        assert!(!alike("Lumina", name), "{name}");
    }
    assert!(alike("opus@casey.douno", "\u{43E}pus@c\u{430}sey.douno"));
}

/// Characters that meet each other's rules, so that random text gets into every corner.
fn awkward() -> impl Strategy<Value = String> {
    let awkward = prop::sample::select(
        "a1# \n\r\t\x1b\u{9b}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{202e}\u{fe0f}\u{e0101}\u{20e3}\u{301}\u{94d}क\
         ക്مخ\u{600}\u{64e}א👩💻❤🏽🇩\u{1112}\u{1161}\u{11ab}\u{e0041}\u{ad}漢\u{25cc}\u{fffd}\u{2028}\u{a0}\u{e000}\u{2800}\u{1133e}\u{1fe0f}\u{4ff}ü한"
            .chars()
            .collect::<Vec<_>>(),
    );
    prop_oneof![
        prop::collection::vec(awkward.clone(), 0..60).prop_map(|chars| chars.into_iter().collect()),
        prop::collection::vec((awkward, 1usize..50), 0..6)
            .prop_map(|runs| runs.into_iter().map(|(c, n)| c.to_string().repeat(n)).collect()),
        prop::collection::vec(any::<char>(), 0..60).prop_map(|chars| chars.into_iter().collect()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn nothing_dangerous_comes_through(raw in awkward()) {
        let (body, line) = (body(&raw), line(&raw));
        prop_assert_eq!(body.chars().find(|c| is_dangerous(*c)), None);
        prop_assert_eq!(line.chars().find(|c| is_hidden_in_lines(*c)), None);
        prop_assert!(body.chars().all(|c| c == '\n' || c.width().is_some()));
        prop_assert!(body.len() <= 4 * raw.len() + 3 && line.len() <= 4 * raw.len() + 3);
        prop_assert!(body.graphemes(true).chain(line.graphemes(true)).all(|g| g.chars().count() <= 32));
    }

    #[test]
    fn making_safe_twice_changes_nothing(raw in awkward()) {
        let (safe_body, safe_line) = (body(&raw), line(&raw));
        prop_assert_eq!(body(&safe_body), safe_body);
        prop_assert_eq!(line(&safe_line), safe_line.clone());
        prop_assert_eq!(body(&safe_line), safe_line);
    }

    #[test]
    fn bounded_lines_keep_their_bound(raw in awkward(), max in 0usize..80) {
        let bounded = SafeText::line_bounded(&raw, max);
        prop_assert!(bounded.as_str().len() <= max);
        prop_assert_eq!(SafeText::line(bounded.as_str()), bounded);
    }

    #[test]
    fn hidden_characters_and_case_do_not_disguise_a_name(name in "[a-zA-Zа-яא-ת0-9 ]{0,20}", at in 0usize..20) {
        let at = name.char_indices().nth(at).map_or(name.len(), |(i, _)| i);
        let disguised = SafeText::line(&(name[..at].to_uppercase() + "\u{200B}\u{202E}" + &name[at..]));
        prop_assert!(SafeText::line(&name).looks_like(&disguised));
    }
}
