//! Light highlighting of code, line by line, the same for all languages: strings, numbers, comments, and the
//! words that are keywords nearly everywhere.

use ratatui::{style::Style, text::Span};

use super::Styles;

const KEYWORDS: &[&str] = &[
    "and",
    "as",
    "async",
    "await",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "def",
    "default",
    "del",
    "do",
    "done",
    "elif",
    "else",
    "end",
    "enum",
    "esac",
    "except",
    "export",
    "extends",
    "false",
    "fi",
    "finally",
    "fn",
    "for",
    "from",
    "func",
    "function",
    "if",
    "impl",
    "import",
    "in",
    "interface",
    "is",
    "lambda",
    "let",
    "loop",
    "match",
    "mod",
    "mut",
    "new",
    "nil",
    "none",
    "None",
    "not",
    "null",
    "or",
    "package",
    "pass",
    "private",
    "public",
    "pub",
    "raise",
    "return",
    "self",
    "Self",
    "static",
    "struct",
    "super",
    "switch",
    "then",
    "this",
    "throw",
    "trait",
    "true",
    "True",
    "False",
    "try",
    "type",
    "use",
    "var",
    "void",
    "where",
    "while",
    "with",
    "yield",
    "SELECT",
    "FROM",
    "WHERE",
    "INSERT",
    "UPDATE",
    "DELETE",
    "AND",
    "OR",
    "NOT",
    "NULL",
];

/// Longest line that is highlighted, in bytes.
const LINE_BYTES: usize = 2_000;

/// The line in spans. Texts that are no code (`text`, no language named) stay as they are.
pub(super) fn highlight<'l>(language: &str, line: &'l str, base: Style, styles: &Styles) -> Vec<Span<'l>> {
    let language = language.split([' ', ',']).next().unwrap_or_default();
    if matches!(language, "" | "text" | "txt" | "plain") || line.len() > LINE_BYTES {
        return vec![Span::styled(line, base)];
    }
    let comment = comment_mark(language);
    let mut spans = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let (length, style) = match first {
            _ if !comment.is_empty() && rest.starts_with(comment) => (rest.len(), styles.comment),
            '"' | '`' => (string(rest, first), styles.string),
            '\'' => match string(rest, first) {
                // A lifetime or an apostrophe, not a string.
                length if length == rest.len() && !rest[1..].ends_with('\'') => (1, Style::default()),
                length => (length, styles.string),
            },
            c if c.is_ascii_digit() => {
                (run(rest, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_')), styles.number)
            }
            c if is_word(c) => {
                let length = run(rest, is_word);
                let style = if KEYWORDS.contains(&&rest[..length]) { styles.keyword } else { Style::default() };
                (length, style)
            }
            c => (c.len_utf8(), Style::default()),
        };
        let (token, after) = rest.split_at(length);
        spans.push(Span::styled(token, base.patch(style)));
        rest = after;
    }
    spans
}

fn comment_mark(language: &str) -> &'static str {
    match language.to_ascii_lowercase().as_str() {
        "py" | "python" | "sh" | "bash" | "shell" | "zsh" | "toml" | "yaml" | "yml" | "rb" | "ruby" | "ini"
        | "conf" => "#",
        "sql" | "lua" | "hs" | "haskell" => "--",
        "json" | "html" | "xml" | "css" | "diff" => "",
        _ => "//",
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn run(text: &str, fits: impl Fn(char) -> bool) -> usize {
    text.find(|c| !fits(c)).unwrap_or(text.len())
}

/// The length of a string that begins the text, with its marks; to the end where it is not closed.
fn string(text: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == mark => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}
