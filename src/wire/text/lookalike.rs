//! Names that look alike.

use unicode_security::confusable_detection::skeleton;

/// Whether a person could take `a` for `b`.
pub(super) fn looks_like(a: &str, b: &str) -> bool {
    let theirs = forms(b);
    forms(a).iter().any(|form| theirs.contains(form))
}

/// Skeletons (UTS 39 section 4) that do not depend on case. Folding before and folding after give different
/// answers: only the one sees that `I` is `i`, only the other that `I` looks like `l`. So both are kept.
fn forms(name: &str) -> [String; 2] {
    [bare(&name.to_lowercase()), bare(&bare(name).to_lowercase())]
}

/// The skeleton without white space, accents and the marks that [`super::SafeText`] puts in.
fn bare(name: &str) -> String {
    let seen = |c: &char| {
        !c.is_whitespace() && !matches!(c, '\u{300}'..='\u{36F}' | '\u{2400}'..='\u{2426}' | '\u{25CC}' | '\u{FFFD}')
    };
    skeleton(name).filter(seen).collect()
}
