//! Any text on its way to the screen.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skcomm_tui::wire::SafeText;

/// What no form may let through; the unit tests know the longer list.
fn is_dangerous(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200B}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{AD}'
            | '\u{E0000}'..='\u{E00FF}')
}

fuzz_target!(|text: &str| {
    let (body, line) = (SafeText::body(text), SafeText::line(text));
    assert!(!body.as_str().chars().any(is_dangerous));
    assert!(!line.as_str().chars().any(|c| is_dangerous(c) || c == '\n'));
    assert_eq!(SafeText::body(body.as_str()), body);
    assert_eq!(SafeText::line(line.as_str()), line);
    assert_eq!(SafeText::body(line.as_str()), line);
    assert!(line.looks_like(&line));
    for max in [0, 3, 7, 64] {
        let bounded = SafeText::line_bounded(text, max);
        assert!(bounded.as_str().len() <= max);
        assert_eq!(SafeText::line(bounded.as_str()), bounded);
    }
});
